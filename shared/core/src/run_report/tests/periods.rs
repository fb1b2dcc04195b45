use super::*;

#[test]
fn the_window_lies_around_the_last_change_of_color() {
    let mut history = history();
    // A version with the same color changes no owner.
    history.push(version(3, "green", "10:10:00", None));
    let period = Period::around(&history, 120, at(NOW));
    let transition = period.transition.clone().unwrap();
    assert_eq!((transition.version.0, transition.kind), (2, Kind::Failover));
    assert_eq!((transition.from, transition.to), (Color::Blue, Color::Green));
    assert_eq!((period.from, period.to), (at("09:00:00"), at(NOW)));
    assert_eq!(Period::around(&history, 20, at(NOW)).to, at("10:10:00"));
    assert_eq!(period.latest_start(at(NOW)), at(NOW));
    // A day after its end.
    let (before, after) = ("2026-11-24T10:29:59Z", "2026-11-24T10:30:01Z");
    let latest = |now: &str| period.latest_start(now.parse().unwrap());
    assert_eq!(latest(before), before.parse().unwrap());
    assert_eq!(latest(after), "2026-11-24T10:30:00Z".parse().unwrap());
    let never = Period::around(&history[..1], 120, at(NOW));
    assert_eq!((never.transition, never.from), (None, at("08:30:00")));
}

#[test]
fn a_repair_is_reported_with_the_time_in_which_the_flag_held_no_color() {
    let mut history = history();
    history.push(version(3, "purple", "10:12:00", None));
    history.push(version(4, "Green", "10:13:00", None));
    assert_eq!(last_hand_over(&history).unwrap().version.0, 2, "not repaired yet");
    for (repaired, from) in [("green", Color::Green), ("blue", Color::Green)] {
        let mut history = history.clone();
        history.push(version(5, repaired, "10:20:00", None));
        history.push(version(6, repaired, "10:21:00", None));
        let period = Period::around(&history, 20, at(NOW));
        let transition = period.transition.clone().unwrap();
        assert_eq!((transition.version.0, transition.from), (5, from));
        assert_eq!(transition.to.as_str(), repaired);
        assert_eq!(transition.broken_since, Some(at("10:12:00")));
        assert_eq!((period.from, period.to), (at("10:02:00"), at("10:30:00")));
    }
    // Broken for weeks: one day of it is covered.
    let long = [
        HistoryEntry {
            modified: "2026-10-01T00:00:00Z".parse().unwrap(),
            ..version(1, "purple", "06:00:00", None)
        },
        version(2, "green", "10:00:00", None),
    ];
    let period = Period::around(&long, 20, at(NOW));
    assert_eq!(period.from, "2026-11-22T09:50:00Z".parse().unwrap());
}

#[test]
fn a_flag_that_was_gone_and_made_again_is_reported_and_a_first_one_is_not() {
    let remade = HistoryEntry {
        description: Some("restore: it was gone [effective_from=2026-11-23T10:00:00Z record=v1-1]".into()),
        ..version(1, "green", "10:00:00", None)
    };
    let transition = last_hand_over(std::slice::from_ref(&remade)).unwrap();
    assert_eq!(
        (transition.kind, transition.from, transition.to),
        (Kind::Restore, Color::Green, Color::Green)
    );
    assert_eq!(last_hand_over(&[version(1, "green", "10:00:00", None)]), None);
}

/// Green was active while the flag held garbage, and what was due then is green's, executed or lost.
#[test]
fn runs_due_while_the_flag_held_garbage_are_judged() {
    let history = [
        version(1, "green", "06:00:00", None),
        version(2, "purple", "10:00:00", None),
        version(3, "green", "10:05:00", Some("10:05:10")),
    ];
    let period = Period::around(&history, 20, at(NOW));
    for (green, expected) in [(EXECUTED, "once"), ("failed guard=failed", "lost")] {
        let told = Both {
            blue: told("orders", "10:02:00", SKIPPED),
            green: told("orders", "10:02:00", green),
        };
        let report = compare(&period, Color::Green, &told, &history, at(NOW));
        assert_eq!(word(&report), expected, "{green}");
        assert!(
            report.summary().contains("failover of green: of 1 run(s)"),
            "{}",
            report.summary()
        );
    }
}

#[test]
fn a_run_of_the_windows_first_and_last_instant_is_judged() {
    let period = Period::around(&history(), 60, at(NOW));
    for (moved, runs) in [(0_i64, 1), (-1, 0)] {
        for edge in [period.from, period.to] {
            let outside = if edge == period.from { moved } else { -moved };
            let instant = jiff::Timestamp::from_millisecond(edge.as_millisecond() + outside).unwrap();
            let mut both = Both {
                blue: told("orders", "10:10:00", EXECUTED),
                green: told("orders", "10:10:00", SKIPPED),
            };
            for color in Color::BOTH {
                let run = &mut both.of_mut(color).runs[0];
                (run.tick, run.logical_date, run.started) = (Some(instant), Some(instant), None);
            }
            let report = compare(&period, Color::Green, &both, &history(), at(NOW));
            assert_eq!(report.counts.runs, runs, "{instant}");
        }
    }
}
