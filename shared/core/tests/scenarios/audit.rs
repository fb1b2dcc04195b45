//! What is reported of each version, and how often.

use bluegreen_core::audit::Due;

use super::*;

// ---- events

#[test]
fn duplicate_stale_and_out_of_order_events_change_nothing() {
    // A tick has no memory of events: the same state gives the same decision, whatever invoked it and how often.
    let one = tick().blue(dead());
    assert_eq!(one.decide(), one.decide());
    // A second tick that still sees the old flag finds the claim and does nothing.
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let writer = |name| {
        Switching::new(
            &Policy::default(),
            &observed,
            intent(name, Kind::Failover, Color::Green),
            noon(),
        )
    };
    assert_eq!(switched(store.run(&mut writer("first"), &[])).version, FlagVersion(13));
    let reason = conflict(store.run(&mut writer("late"), &[]));
    assert!(reason.contains("first") && reason.contains("faster"), "{reason}");
    assert_eq!(store.versions.len(), 2);
    // The tick after that finds nothing to do.
    let after = tick().blue(dead()).flag(FlagState::Present(store.flag().unwrap()));
    assert_eq!(after.decide().action, Action::None);
}

#[test]
fn lost_ssm_event() {
    // Two changes whose events never arrived: the next observation audits both, in order, and a repeat of it audits
    // none.
    let history = [
        entry(1, "blue", 900, None),
        entry(2, "green", 600, Some("v2-1")),
        entry(3, "blue", 300, Some("v3-1")),
    ];
    let versions = versions(&history);
    let audited = Audited {
        version: FlagVersion(1),
        at: ago(899),
    };
    let due_now: Vec<u64> = due(&versions, Some(audited))
        .iter()
        .map(|version| version.entry.version.0)
        .collect();
    assert_eq!(due_now, [2, 3]);
    let done = Audited {
        version: FlagVersion(3),
        at: ago(299),
    };
    assert_eq!(due(&versions, Some(done)), []);
    // Without a note, versions that others wrote before our first version are not reported.
    assert_eq!(due(&versions, None).len(), 2);
}

#[test]
fn a_note_names_a_version_of_one_incarnation_of_the_flag() {
    let of = |version: u64, age: u64| Audited {
        version: FlagVersion(version),
        at: ago(age),
    };
    let numbers = |history: &[HistoryEntry], audited| {
        let versions = versions(history);
        due(&versions, Some(audited))
            .iter()
            .map(|version| version.entry.version.0)
            .collect::<Vec<_>>()
    };
    let again = [
        entry(1, "green", 60, None),
        entry(2, "blue", 50, None),
        entry(3, "green", 40, None),
    ];
    // The old incarnation's note, written after the new one was created: whatever its number, all of the new one is
    // due.
    for old in [of(13, 3000), of(13, 59), of(2, 3000), of(3, 3000), of(1, 61)] {
        assert_eq!(numbers(&again, old), [1, 2, 3], "{old:?}");
    }
    assert_eq!(numbers(&again, of(2, 50)), [3]);
    assert!(numbers(&again, of(3, 40)).is_empty());
    // SSM has dropped the audited version.
    let long: Vec<_> = (50..150)
        .map(|number| entry(number, "blue", 200 - number, None))
        .collect();
    assert_eq!(numbers(&long, of(40, 300)).len(), 100);
    // A reading that is behind the note is read again; the new incarnation's reading is not behind it.
    let behind = |history: &[HistoryEntry], audited| is_behind(&versions(history), Some(audited));
    assert!(behind(&again, of(4, 30)));
    assert!(!behind(&again, of(3, 40)) && !behind(&again, of(13, 61)) && !behind(&long, of(40, 300)));
    assert!(!is_behind(&versions(&again), None));
}

#[test]
fn a_note_is_read_back_and_a_bare_number_is_of_the_flag_that_stood_when_it_was_written() {
    let note = Audited {
        version: FlagVersion(13),
        at: ago(600),
    };
    assert_eq!(note.to_stored(), format!("v13-{}", ago(600).as_millisecond()));
    assert_eq!(Audited::read(&note.to_stored(), noon()), Some(note));
    let bare = Audited::read("13", ago(599)).unwrap();
    assert!(
        bare.is(FlagVersion(13), ago(600)) && !bare.is(FlagVersion(13), ago(60)) && !bare.is(FlagVersion(12), ago(700))
    );
    for garbage in ["", "v", "v13", "v13-", "v13-noon", "-1", "v-1-5", "thirteen"] {
        assert_eq!(Audited::read(garbage, noon()), None, "{garbage}");
    }
}

#[test]
fn a_hold_that_was_replaced_before_it_was_told_is_told() {
    let hold = |version: u64, age: u64, minutes: u64, reason: &str| {
        let written = ago(age);
        let stored = StoredHold {
            value: format!(
                r#"{{"until":"{}","reason":"{reason}","by":"ana"}}"#,
                after(written, seconds(60 * minutes))
            ),
            change: format!("v{version}-{}", written.as_millisecond()),
            written,
        };
        (stored, Some(format!("arn:{version}")))
    };
    // The first ran out before the second was placed; the second was replaced while it was in force.
    let kept = [
        hold(1, 7200, 10, "first"),
        hold(2, 3600, 90, "second"),
        hold(3, 60, 90, "third"),
    ];
    let told = |told: Option<&str>| -> Vec<String> {
        holds_due(SUBJECT, &kept, told, noon())
            .iter()
            .map(|event| {
                let text = |path: &str| {
                    event
                        .detail
                        .pointer(path)
                        .and_then(|value| value.as_str())
                        .unwrap_or("-")
                };
                format!(
                    "{} {} {}",
                    text("/state"),
                    text("/hold/reason"),
                    text("/who/last_modified_user")
                )
            })
            .collect()
    };
    let all = [
        "held first arn:1",
        "ended first -",
        "held second arn:2",
        "held third arn:3",
    ];
    assert_eq!(told(None), all);
    let of = |index: usize| kept[index].0.change.clone();
    assert_eq!(told(Some(&of(0))), all[1..]);
    assert_eq!(told(Some(&format!("{}:ran-out", of(0)))), all[2..]);
    assert_eq!(told(Some(&of(1))), all[3..]);
    assert_eq!(told(Some(&of(2))), [""; 0]);
    // A note about a hold that was deleted since, or that SSM has dropped: its date counts.
    assert_eq!(told(Some(&format!("v9-{}", ago(3600).as_millisecond()))), all[3..]);
    // Without a note, a change older than a day is not reported, except for the current one.
    let old = [hold(1, 200_000, 10, "first"), hold(2, 190_000, 90, "second")];
    let due = holds_due(SUBJECT, &old, None, noon());
    let reasons: Vec<&str> = due
        .iter()
        .map(|event| event.detail["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons.len(), 2, "held, and ran out: {reasons:?}");
    assert!(
        reasons[0].contains("second") && reasons[0].contains("ana"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].starts_with("its time ran out at ") && reasons[1].ends_with("placed by ana: second"),
        "{reasons:?}"
    );
}

#[test]
fn an_event_of_a_persons_request_is_kept_and_read_back() {
    let event = failovers_acknowledged(SUBJECT, "ana {{ds}}", Some("seen"), "request-1", noon());
    let stored = Unsent::to_stored(&event).unwrap();
    assert_eq!(Unsent::read(&stored).map(Unsent::event), Some(event.clone()));
    // A text that is too long is shortened in its reason, and fits in the form that is sent.
    let long = AuditEvent {
        detail_type: EventType::DrillFinished,
        detail: serde_json::json!({"id": "d", "reason": "{{".repeat(3000)}),
        ..event.clone()
    };
    let kept = Unsent::read(&Unsent::to_stored(&long).unwrap()).unwrap().event();
    assert_eq!(kept.detail["id"], "d");
    assert!(kept.detail["reason"].as_str().unwrap().ends_with('…'));
    // What was published only stays for another delivery of its request.
    let due = |text: &str, seconds| {
        Unsent::read(text)
            .unwrap()
            .due(noon() + jiff::SignedDuration::from_secs(seconds))
    };
    assert_eq!(due(&stored, 3600), Due::Publish);
    let sent = Unsent::sent(&event).unwrap();
    assert_eq!((due(&sent, 299), due(&sent, 300)), (Due::Stay, Due::Forget));
    // Other events are rebuilt from the flag and its records.
    let other = AuditEvent {
        detail_type: EventType::EnvironmentTransition,
        ..event
    };
    assert_eq!((Unsent::to_stored(&other), Unsent::sent(&other)), (None, None));
    for garbage in [
        "",
        "{}",
        "[]",
        r#"{"detail_type":"Weather","at":"2026-11-23T12:00:00Z","detail":{}}"#,
    ] {
        assert_eq!(Unsent::read(garbage), None, "{garbage}");
    }
}

#[test]
fn a_flag_with_a_past_of_its_own_is_adopted_as_it_stands() {
    let history: Vec<_> = (1..=100)
        .map(|number| entry(number, "blue", 9_000_000 - number, None))
        .collect();
    let versions = versions(&history);
    let told: Vec<u64> = due(&versions, None)
        .iter()
        .map(|version| version.entry.version.0)
        .collect();
    assert_eq!(told, [100]);
    assert_eq!(due(&[], None), []);
}

#[test]
fn a_retried_write_neither_counts_twice_nor_acknowledges() {
    let history = [
        entry(1, "blue", 900, None),
        entry(2, "green", 600, Some("v2-1")),
        entry(3, "green", 599, Some("v2-1")),
    ];
    assert_eq!(
        RecentFailovers::count(&versions(&history), None, noon()).unacknowledged,
        1
    );
}

#[test]
fn old_records_are_pruned_by_their_own_age() {
    let mut history: Vec<_> = (3..=102)
        .map(|number| entry(number, "blue", 10_000_000 - number, None))
        .collect();
    let record = |age| Some(format!("failover: x [effective_from={} record=r-{age}]", ago(age)));
    history[0] = HistoryEntry {
        description: record(200_000),
        modified: ago(200_000),
        ..history[0].clone()
    };
    history[2] = HistoryEntry {
        description: record(3600),
        modified: ago(3600),
        ..history[2].clone()
    };
    assert_eq!(records_to_prune(&versions(&history), noon()), ["r-200000"]);
    assert!(records_to_prune(&versions(&history[1..]), noon()).is_empty());
}

#[test]
fn a_version_whose_record_is_not_seen_yet_is_published_later_as_it_was() {
    let record = |name: &str| {
        let observed = flag("blue", 1, 900);
        let writer = Switching::new(
            &Policy::default(),
            &observed,
            intent(name, Kind::Switch, Color::Green),
            noon(),
        );
        let mut store = Store::with_flag(&observed);
        let mut writer = writer;
        switched(store.run(&mut writer, &[]));
        let claim = &store.claims[writer.record()].value;
        bluegreen_core::transition::TransitionRecord::from_stored(claim).unwrap()
    };
    let numbers = |history: &[HistoryEntry], seen: &[&str]| {
        let versions = versions(history);
        let records: BTreeMap<_, _> = seen.iter().map(|name| ((*name).to_owned(), record(name))).collect();
        let ready: Vec<u64> = settled(&versions, &records, noon())
            .iter()
            .map(|version| version.entry.version.0)
            .collect();
        (ready, is_record_late(&versions, &records, noon()))
    };
    let young = [
        entry(2, "green", 40, Some("v2-1")),
        entry(3, "blue", 30, Some("v3-1")),
        entry(4, "green", 20, None),
    ];
    assert_eq!(numbers(&young, &["v2-1", "v3-1"]), (vec![2, 3, 4], false));
    assert_eq!(
        numbers(&young, &["v2-1"]),
        (vec![2], true),
        "and nothing that came after it"
    );
    assert_eq!(numbers(&young, &["v3-1"]), (vec![], true));
    // Somebody deleted the record, or wrote its name by hand: readings do not lag behind for so long.
    let old = [entry(2, "green", 60, Some("v2-1")), entry(3, "blue", 30, Some("v3-1"))];
    assert_eq!(numbers(&old, &["v3-1"]), (vec![2, 3], false));
    // The writer of a created flag may have died before it wrote the record: it is looked for again, and not waited for.
    assert_eq!(numbers(&[entry(1, "blue", 5, Some("v1-1"))], &[]), (vec![1], true));
}

#[test]
fn a_dead_writers_old_claim_is_told_as_what_its_finisher_wanted() {
    // A failover was claimed and never written; a week later, a person's switch finishes the claim.
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut dead = Switching::new(
        &Policy::default(),
        &observed,
        intent("dead", Kind::Failover, Color::Green),
        noon(),
    );
    assert_eq!(store.run(&mut dead, &[Fault::DiesAfter]), None);
    store.pass(seconds(7 * 86_400));
    let mut wish = intent("ana's", Kind::Switch, Color::Green);
    wish.actor.requested_by = Some("ana".into());
    let mut finisher = Switching::new(&Policy::default(), &observed, wish, store.now);
    switched(store.run(&mut finisher, &[]));
    let versions = versions(&store.versions);
    assert_eq!(versions[1].kind(), Kind::Switch);
    let claim = &store.claims[finisher.record()].value;
    let record = bluegreen_core::transition::TransitionRecord::from_stored(claim).unwrap();
    let records = BTreeMap::from([(finisher.record().to_owned(), record)]);
    let (event, metrics) = transition(SUBJECT, &versions[1], Some(&versions[0]), &records);
    assert_eq!(event.detail["kind"], "switch");
    assert_eq!(event.detail["finished_by"], "ana's");
    assert_eq!(event.detail["dead_writer"]["request_id"], "dead");
    assert!(
        event.detail["reason"].as_str().unwrap().contains("ana's wants green"),
        "{}",
        event.detail["reason"]
    );
    let names: Vec<_> = metrics.iter().map(|metric| metric.name).collect();
    assert_eq!(
        names,
        [MetricName::Transitions],
        "a week-old decision has no duration to tell"
    );
    // No other reason can imitate it.
    let mut liar = intent("liar", Kind::Switch, Color::Green);
    liar.reason = "claim of a dead writer finished by request dead; ha".into();
    let mut store = Store::with_flag(&observed);
    let mut liar = Switching::new(&Policy::default(), &observed, liar, noon());
    assert!(!switched(store.run(&mut liar, &[Fault::None, Fault::LostAnswer])).rolled_forward);
}

#[test]
fn a_write_that_lands_after_ours_is_told() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let step = writer.start();
    let reply = store.answer(&step, Fault::None).unwrap();
    let step = writer.next(reply, store.now, 0.5);
    // Our version is written, and its answer lost; a rollback is made before our next read.
    let reply = store.answer(&step, Fault::LostAnswer).unwrap();
    let step = writer.next(reply, store.now, 0.5);
    store.write("blue", None, "arn:aws:iam::123456789012:user/ben");
    let reply = store.answer(&step, Fault::None).unwrap();
    let bluegreen_core::claim::Step::Done(outcome) = writer.next(reply, store.now, 0.5) else {
        panic!("not done")
    };
    let done = switched(Some(*outcome));
    assert!(
        done.warnings[0].contains("version 14") && done.warnings[0].contains("user/ben"),
        "{:?}",
        done.warnings
    );
}

#[test]
fn a_repeated_audit_event_is_recognizable() {
    let history = [entry(1, "blue", 900, None), entry(2, "green", 600, Some("v2-1"))];
    let versions = versions(&history);
    let once = transition(SUBJECT, &versions[1], Some(&versions[0]), &BTreeMap::new()).0;
    let twice = transition(SUBJECT, &versions[1], Some(&versions[0]), &BTreeMap::new()).0;
    let label = format!("v2-{}", ago(600).as_millisecond());
    assert_eq!(
        once.detail["id"],
        format!("orders:/mwaa/blue-green/active-environment:{label}")
    );
    assert_eq!(once, twice);
    // The same number after the flag was deleted and re-created is another event.
    let again = [entry(1, "blue", 300, None), entry(2, "green", 200, Some("v2-9"))];
    let again = bluegreen_core::flag::versions(&again);
    let other = transition(SUBJECT, &again[1], Some(&again[0]), &BTreeMap::new()).0;
    assert_ne!(other.detail["id"], once.detail["id"]);
}
