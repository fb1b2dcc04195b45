//! When another observation before the next tick is useful, and what a person reads where the flag is missing.

use super::*;

#[test]
fn it_looks_again_where_time_may_lift_every_objection_and_the_history_was_not_read() {
    let throttled = healthy().everything_unknown(CauseKind::Throttled);
    let held = || {
        HoldState::Active(Hold {
            until: after(noon(), seconds(3600)),
            reason: "an upgrade".into(),
            by: "ana".into(),
        })
    };
    for (what, tick, again) in [
        ("an unknown standby", tick().green(throttled.clone()).recent(None), true),
        ("an unread history", tick().recent(None), true),
        (
            "an unknown standby, and a history",
            tick().green(throttled.clone()),
            false,
        ),
        ("an unhealthy standby", tick().green(dead()).recent(None), false),
        (
            "an unknown standby and a hold",
            tick().green(throttled).recent(None).hold(held()),
            false,
        ),
        ("a hold", tick().hold(held()).recent(None), false),
        ("a spent budget", tick().recent(Some(9)), false),
    ] {
        let decision = tick.blue(dead()).decide();
        assert_eq!(
            (decision.action, decision.look_again_soon),
            (Action::Blocked, again),
            "{what}"
        );
    }
    // A failover needs no second look, and neither does a pair that is well.
    for tick in [tick().blue(dead()), tick()] {
        assert!(!tick.decide().look_again_soon);
    }
}

#[test]
fn a_missing_flag_comes_with_what_to_do() {
    let decision = tick().flag(FlagState::Missing).decide();
    let said: Vec<&str> = decision.preconditions.iter().map(|one| one.detail.as_str()).collect();
    assert_eq!(
        said,
        [
            "no parameter of this name; if this pair is new, invoke the switch-handler with {\"action\":\"initialize\"}; if it was \
          deleted, say which color is active: {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}"
        ]
    );
}
