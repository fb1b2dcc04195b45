use super::*;

fn due(before: Option<&Reported>, history: &[HistoryEntry], now: &str) -> (Option<u64>, Reported) {
    let newest = history.last().unwrap();
    let standing = crate::flag::label(newest.version, newest.modified);
    let (due, reported) = Reported::due(before, history, &standing, at(now));
    assert!(reported.reaches(&standing), "{reported:?}");
    (due.map(|transition| transition.version.0), reported)
}

#[test]
fn each_transition_is_due_once() {
    let (first, reported) = due(None, &history(), "10:10:00");
    assert_eq!(first, Some(2));
    let stored = serde_json::to_string(&reported).unwrap();
    assert_eq!(Reported::read(Some(&stored)), Some(reported.clone()));
    assert_eq!(due(Some(&reported), &history(), "10:11:00"), (None, reported));
    assert_eq!(
        due(None, &history()[..1], "06:10:00").0,
        None,
        "a first flag hands nothing over"
    );
}

#[test]
fn a_later_write_of_the_same_color_neither_hides_a_transition_nor_repeats_it() {
    // The write arrived twice, under one record; a manual edit to the same color.
    for description in [history()[1].description.clone(), None] {
        let mut history = history();
        history.push(HistoryEntry {
            description,
            ..version(3, "green", "10:06:00", None)
        });
        let (found, reported) = due(None, &history, "10:11:00");
        assert_eq!(found, Some(2));
        assert!(!reported.reaches(&crate::flag::label(FlagVersion(2), at("10:05:00"))));
        assert_eq!(due(Some(&reported), &history, "10:12:00"), (None, reported.clone()));
        let (_, in_time) = due(None, &history[..2], "10:05:30");
        assert_eq!(due(Some(&in_time), &history, "10:12:00"), (None, reported.clone()));
        history.push(version(4, "blue", "10:20:00", None));
        assert_eq!(due(Some(&reported), &history, "10:26:00").0, Some(4));
    }
}

#[test]
fn an_old_transition_is_not_dug_out_by_a_new_write() {
    let mut history = history();
    history.push(version(3, "green", "12:10:00", None));
    assert_eq!(due(None, &history, "12:16:00").0, None);
}

#[test]
fn a_transition_is_reported_for_two_hours() {
    assert_eq!(due(None, &history(), "12:04:59").0, Some(2));
    assert_eq!(due(None, &history(), "12:05:00").0, None);
}

#[test]
fn garbage_remembers_nothing() {
    for garbage in [None, Some(""), Some("{}"), Some("[1]")] {
        assert_eq!(Reported::read(garbage), None, "{garbage:?}");
    }
}
