//! A flag that cannot be read, holds no color, or is gone.

use super::*;

// ---- the flag

#[test]
fn ssm_unreadable() {
    for kind in UNKNOWN_KINDS {
        let decision = tick().blue(dead()).flag(FlagState::Unreadable(cause(kind))).decide();
        assert_eq!(
            (decision.action, decision.look_again_soon),
            (Action::None, true),
            "{kind:?}"
        );
    }
}

#[test]
fn stored_value_is_no_color() {
    for value in ["Blue ", "purple", "", "BLUE", "blue\n"] {
        let decision = tick()
            .blue(dead())
            .flag(FlagState::Present(flag(value, 12, 3600)))
            .decide();
        assert_eq!(decision.action, Action::Blocked, "{value:?}");
        assert_eq!(decision.blocked_by(), [PreconditionName::FlagInvalid], "{value:?}");
    }
}

/// An invalid value for half a minute, repaired by the watcher: the runs due in between always have an owner.
#[test]
fn runs_due_while_the_flag_held_garbage() {
    let garbage = flag("purple", 2, 3600);
    let mut store = Store {
        versions: vec![entry(1, "blue", 7200, None), entry(2, "purple", 3600, None)],
        ..Store::with_flag(&garbage)
    };
    let due = after(ago(3600), seconds(10));
    let owned = |store: &Store| owner(&store.versions, due).unwrap();
    assert_eq!(owned(&store).value.color(), Some(Color::Blue), "while it stands");
    store.now = ago(3570);
    let mut restore = Switching::new(
        &Policy::default(),
        &garbage,
        intent("watcher-1", Kind::Restore, Color::Blue),
        store.now,
    );
    switched(store.run(&mut restore, &[]));
    assert_eq!(owned(&store).value.color(), Some(Color::Blue), "once it is repaired");
    assert_eq!(owned(&store).version, FlagVersion(1));
}

#[test]
fn parameter_deleted() {
    let decision = tick().blue(dead()).flag(FlagState::Missing).decide();
    assert_eq!(
        (decision.action, decision.blocked_by()),
        (Action::Blocked, vec![PreconditionName::FlagInvalid])
    );
}

#[test]
fn parameter_deleted_while_a_writer_is_at_work() {
    let observed = flag("blue", 12, 3600);
    let mut store = Store::with_flag(&observed);
    let mut first = Switching::new(
        &Policy::default(),
        &observed,
        intent("first", Kind::Switch, Color::Green),
        noon(),
    );
    // The first writer dies with its claim; the flag is deleted; the next writer finds the claim and no flag.
    assert_eq!(store.run(&mut first, &[Fault::DiesAfter]), None);
    store.delete_flag();
    let mut second = Switching::new(
        &Policy::default(),
        &observed,
        intent("second", Kind::Switch, Color::Green),
        noon(),
    );
    assert!(conflict(store.run(&mut second, &[])).contains("deleted"));
    assert!(store.versions.is_empty());
}

#[test]
fn parameter_deleted_and_made_again_starts_a_new_line_of_claims() {
    let before = flag("blue", 1, 3600);
    let again = flag("blue", 1, 60);
    let name = |observed| {
        Switching::new(
            &Policy::default(),
            observed,
            intent("w", Kind::Switch, Color::Green),
            noon(),
        )
    };
    assert_ne!(name(&before).record(), name(&again).record());
    // Its first version is audited although that number was audited before.
    let history = [entry(1, "blue", 60, None)];
    let audited = Audited {
        version: FlagVersion(1),
        at: ago(3000),
    };
    assert_eq!(due(&versions(&history), Some(audited)).len(), 1);
}

#[test]
fn redeploy_that_resets_the_flag() {
    // A stack that owned the flag reset it to blue. That counts now, audited as external, and starts the cooldown.
    let history = [
        entry(11, "blue", 7200, None),
        entry(12, "green", 3600, Some("v12-1")),
        entry(13, "blue", 20, None),
    ];
    let versions = versions(&history);
    assert_eq!(versions[2].kind(), Kind::External);
    let (event, metrics) = transition(SUBJECT, &versions[2], Some(&versions[1]), &BTreeMap::new());
    assert_eq!(event.detail["kind"], "external");
    assert_eq!(
        (event.detail["from"].as_str(), event.detail["to"].as_str()),
        (Some("green"), Some("blue"))
    );
    assert_eq!(
        event.detail["who"]["last_modified_user"],
        "arn:aws:iam::123456789012:user/ana"
    );
    assert!(metrics.iter().any(|metric| metric.name == MetricName::Transitions));
    let decision = tick()
        .blue(dead())
        .flag(FlagState::Present(flag("blue", 13, 20)))
        .decide();
    assert_eq!(decision.blocked_by(), [PreconditionName::Cooldown]);
}

#[test]
fn hand_edit_to_a_valid_value() {
    let history = [entry(1, "blue", 7200, None), entry(2, "green", 20, None)];
    assert_eq!(owner(&history, noon()).unwrap().value, FlagValue::Valid(Color::Green));
    assert_eq!(owner(&history, ago(21)).unwrap().value, FlagValue::Valid(Color::Blue));
    assert_eq!(versions(&history)[1].kind(), Kind::External);
}
