//! Two or more writers at the same time.

use super::*;

// ---- the switch protocol

#[test]
fn the_happy_path_is_two_requests() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let started = store.now;
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let done = switched(store.run(&mut writer, &[]));
    assert_eq!(done.version, FlagVersion(13));
    assert!(done.warnings.is_empty());
    // 7 ms a request and 3 ms a write, as the store counts them.
    assert_eq!(bluegreen_core::time::elapsed(started, store.now).as_millis(), 17);
    assert_eq!(done.effective_from, after(noon(), seconds(10)).max(done.effective_from));
}

#[test]
fn concurrent_switches() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let outcomes: Vec<_> = (0..20)
        .map(|number| {
            let name = format!("w{number}");
            let mut writer = Switching::new(
                &Policy::default(),
                &observed,
                intent(&name, Kind::Switch, Color::Green),
                noon(),
            );
            store.run(&mut writer, &[])
        })
        .collect();
    let winners = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Some(Outcome::Switched(_))))
        .count();
    assert_eq!((winners, store.versions.len(), store.claimed.len()), (1, 2, 1));
}

#[test]
fn holder_crashed_mid_switch() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let writer = |name: &str, now| {
        Switching::new(
            &Policy::default(),
            &observed,
            intent(name, Kind::Switch, Color::Green),
            now,
        )
    };
    assert_eq!(store.run(&mut writer("dead", noon()), &[Fault::DiesAfter]), None);
    // Too young to know whether its writer is alive.
    let reason = conflict(store.run(&mut writer("early", store.now), &[]));
    assert!(reason.contains("dead") && reason.contains("ask again"), "{reason}");
    assert_eq!(store.versions.len(), 1);
    // Older than the run time of any function: rolled forward, by exactly one of two.
    store.pass(CLAIM_TIMEOUT);
    let now = store.now;
    let done = switched(store.run(&mut writer("finisher", now), &[]));
    assert!(done.rolled_forward);
    assert_eq!(done.dead_writer.unwrap().actor.request_id, "dead");
    // It takes effect one lead after the late write, not when the dead writer planned it.
    assert!(done.effective_from >= after(now, seconds(10)));
    conflict(store.run(&mut writer("second", now), &[]));
    assert_eq!((store.versions.len(), store.claimed.len()), (2, 1));
}

#[test]
fn ssm_write_ambiguous() {
    let observed = flag("blue", 12, 3600);
    for (faults, versions_written) in [
        // The claim's answer is lost: a read shows that the claim is ours.
        (vec![Fault::LostAnswer], 1),
        (vec![Fault::LostRequest], 1),
        (vec![Fault::LostRequest, Fault::Stale], 1),
        // The write's answer is lost: the history shows the write.
        (vec![Fault::None, Fault::LostAnswer], 1),
        (vec![Fault::None, Fault::LostRequest], 1),
        // The history is stale: two writes, with the same value under the same record.
        (vec![Fault::None, Fault::LostAnswer, Fault::Stale], 2),
        (vec![Fault::None, Fault::Throttled, Fault::Throttled], 1),
    ] {
        let mut store = Store::with_flag(&observed);
        let mut writer = Switching::new(
            &Policy::default(),
            &observed,
            intent("one", Kind::Switch, Color::Green),
            noon(),
        );
        let done = switched(store.run(&mut writer, &faults));
        assert_eq!(store.versions.len(), 1 + versions_written, "{faults:?}");
        assert!(done.warnings.is_empty(), "{faults:?}: {:?}", done.warnings);
        assert_eq!(store.flag().unwrap().version, done.version, "{faults:?}");
    }
}

#[test]
fn a_planned_switch_that_is_written_late_takes_effect_late() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let claim = writer.start();
    let claimed = store.answer(&claim, Fault::None).unwrap();
    // Half a minute lies between claim and write: no reader may have run blue at an instant that turns out to be
    // green's.
    store.pass(seconds(30));
    let write = writer.next(claimed, store.now, 0.5);
    let decided = store.now;
    store.answer(&write, Fault::None).unwrap();
    assert_eq!(versions(&store.versions)[1].effective_from, after(decided, seconds(10)));
}

#[test]
fn an_interleaved_hand_edit_is_told() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let claim = writer.start();
    let reply = store.answer(&claim, Fault::None).unwrap();
    let write = writer.next(reply, store.now, 0.5);
    store.write("green", None, "arn:aws:iam::123456789012:user/ana");
    let reply = store.answer(&write, Fault::None).unwrap();
    let history = writer.next(reply, store.now, 0.5);
    let reply = store.answer(&history, Fault::None).unwrap();
    let bluegreen_core::claim::Step::Done(outcome) = writer.next(reply, store.now, 0.5) else {
        panic!("not done")
    };
    let done = switched(Some(*outcome));
    assert_eq!(done.version, FlagVersion(14));
    assert!(
        done.warnings[0].contains("version 13") && done.warnings[0].contains("user/ana"),
        "{:?}",
        done.warnings
    );
    // The audit reports the same.
    let versions = versions(&store.versions);
    let record =
        bluegreen_core::transition::TransitionRecord::from_stored(&store.claims[writer.record()].value).unwrap();
    let records = BTreeMap::from([(writer.record().to_owned(), record)]);
    let (event, _) = transition(SUBJECT, &versions[2], Some(&versions[1]), &records);
    assert_eq!(event.detail["expected_version"], 13);
}

#[test]
fn a_refused_write_leaves_the_claim_for_the_next_attempt() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut writer = Switching::new(
        &Policy::default(),
        &observed,
        intent("one", Kind::Switch, Color::Green),
        noon(),
    );
    let Some(Outcome::Failed(failed)) = store.run(&mut writer, &[Fault::None, Fault::Denied]) else {
        panic!("no failure")
    };
    assert!(failed.claimed && !failed.uncertain);
    store.pass(CLAIM_TIMEOUT);
    let mut next = Switching::new(
        &Policy::default(),
        &observed,
        intent("two", Kind::Failover, Color::Green),
        store.now,
    );
    let done = switched(store.run(&mut next, &[]));
    // A failover that finishes a dead writer's switch still passes the missed runs to the new color.
    assert_eq!(done.effective_from, ago(150));
}
