//! Words of version 0.1 that have been replaced: an error names the new word.

/// Actions: the old word and the new one.
const ACTIONS: [(&str, &str); 1] = [("handover", "run-report")];

/// Fields of a request: the action, the old field and the new one.
const FIELDS: [(&str, &str, &str); 2] = [
    ("hold", "hold_minutes", "minutes"),
    ("drill", "hold_minutes", "duration_minutes"),
];

/// Environment variables of the functions; a settings file for `--direct` may still name the old ones.
pub(crate) const SETTINGS: [(&str, &str); 5] = [
    ("BLUE_ALARM_NAMES", "BLUE_HEALTH_ALARM_NAMES"),
    ("GREEN_ALARM_NAMES", "GREEN_HEALTH_ALARM_NAMES"),
    ("TAKEOVER", "FAILOVER_SEMANTICS"),
    ("DRILL_HOLD_MINUTES", "DRILL_DURATION_MINUTES"),
    ("HANDOVER_REPORT_SECONDS", "RUN_REPORT_SECONDS"),
];

/// The current name of the action, if it was renamed.
pub(crate) fn action(given: &str) -> Option<&'static str> {
    ACTIONS.iter().find(|(old, _)| *old == given).map(|(_, new)| *new)
}

/// The current name of that action's field, if it was renamed.
pub(crate) fn field(action: &str, given: &str) -> Option<&'static str> {
    FIELDS
        .iter()
        .find(|(of, old, _)| *of == action && *old == given)
        .map(|(_, _, new)| *new)
}
