//! Answers of the function, told to people.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::exit;
use crate::terminal::{Cell, Paint, Style, count, fields, look_of, moment, moment_and_age, table};

/// The exit code of an outcome.
pub(crate) fn code_of(outcome: &str) -> u8 {
    match outcome {
        "refused" | "blocked" => exit::REFUSED,
        "conflict" => exit::CONFLICT,
        "not_ready" | "partial" | "failed" | "interrupted" => exit::NOT_READY,
        "switched" | "unchanged" | "drill_canceled" | "held" | "released" | "initialized" | "status" | "history"
        | "ready" | "succeeded" | "pending" => exit::DONE,
        would if would.starts_with("would_") => exit::DONE,
        // A later function's word for something good must not look like it.
        _ => exit::FAILED,
    }
}

/// A text in an answer, by its path; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// A number, or nothing, as text.
pub(crate) fn number(value: &Value, path: &str) -> String {
    match at(value, path) {
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A value by its path, such as `drill.outcome`.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(value, |value, field| value.get(field))
        .filter(|value| !value.is_null())
}

/// A count in an answer; zero if there is none.
pub(crate) fn whole(value: &Value, path: &str) -> u64 {
    at(value, path).and_then(Value::as_u64).unwrap_or_default()
}

/// An instant in an answer.
pub(crate) fn instant(value: &Value, path: &str) -> Option<Timestamp> {
    text(value, path).parse().ok()
}

/// A list in an answer; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Whether a precondition objects.
pub(crate) fn has_objections(answer: &Value) -> bool {
    list(answer, "preconditions")
        .iter()
        .any(|precondition| precondition.get("passed").and_then(Value::as_bool) == Some(false))
}

/// The preconditions table.
pub(crate) fn preconditions(paint: Paint, answer: &Value) -> String {
    let rows: Vec<Vec<Cell>> = list(answer, "preconditions")
        .iter()
        .map(|precondition| {
            let passed = precondition.get("passed").and_then(Value::as_bool) == Some(true);
            vec![
                Cell::word(if passed { "passed" } else { "objects" }),
                Cell::plain(text(precondition, "name")),
                Cell::plain(text(precondition, "detail")),
            ]
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        table(paint, &["", "PRECONDITION", "WHY"], &rows)
    }
}

/// The screen of `status`, and of every look of `watch`.
pub(crate) fn status(paint: Paint, pair: &str, answer: &Value, now: Timestamp) -> String {
    let active = text(answer, "active");
    let headline = paint.text(Style::Bold, &format!("{pair}: {}", text(answer, "reason")));
    let rows: Vec<Vec<Cell>> = ["blue", "green"]
        .iter()
        .map(|color| {
            let role = match active {
                "" => "?",
                active if active == *color => "active",
                _ => "standby",
            };
            let reasons: Vec<&str> = list(answer, &format!("verdicts.{color}.reasons"))
                .iter()
                .filter_map(Value::as_str)
                .collect();
            vec![
                Cell::word(*color),
                Cell::new(if role == "active" { Style::Bold } else { Style::Plain }, role),
                Cell::word(text(answer, &format!("verdicts.{color}.verdict"))),
                Cell::plain(text(answer, &format!("environments.{color}"))),
                Cell::plain(reasons.join("; ")),
            ]
        })
        .collect();
    let mut shown = format!("{headline}\n\n");
    shown.push_str(&table(
        paint,
        &["COLOR", "ROLE", "VERDICT", "ENVIRONMENT", "WHY"],
        &rows,
    ));
    shown.push('\n');
    let failover = match (has_objections(answer), list(answer, "preconditions").is_empty()) {
        (_, true) => String::new(),
        (true, _) => "would be stopped, if it were needed:".to_owned(),
        // No precondition of status says so, and "would pass" would be believed.
        (false, _) if text(answer, "mode") == "observe" => {
            "would only be reported, if it were needed: the mode is observe".to_owned()
        }
        (false, _) => "would pass, if it were needed".to_owned(),
    };
    shown.push_str(&fields(
        paint,
        &[
            ("version", version_line(answer, now)),
            ("last", last_line(answer)),
            ("in force", in_force(answer, now)),
            ("root", root_line(answer)),
            ("mode", text(answer, "mode").to_owned()),
            (
                "hold",
                at(answer, "hold").and_then(Value::as_str).unwrap_or("none").to_owned(),
            ),
            ("drill", drill_line(answer, now)),
            ("readiness", readiness_line(answer, now)),
            ("dags", dags_line(answer, now)),
            ("failover", failover),
        ],
    ));
    if has_objections(answer) {
        shown.push_str(&preconditions(paint, answer));
    }
    shown
}

/// Whose root it is; nothing while it is this pair's, as it should be.
fn root_line(answer: &Value) -> String {
    let path = text(answer, "root.path");
    match text(answer, "root.is") {
        "foreign" => format!(
            "{path} belongs to the pair {}: nothing is written",
            text(answer, "root.owner.pair")
        ),
        "unclaimed" => format!("{path} has no parameter owner: another pair could be deployed there"),
        "unreadable" => format!("{path}/owner names no pair: another pair could be deployed there"),
        _ => String::new(),
    }
}

fn version_line(answer: &Value, now: Timestamp) -> String {
    let version = number(answer, "version");
    let Some(modified) = instant(answer, "modified") else {
        return version;
    };
    let not_audited = at(answer, "audited").is_some() && number(answer, "audited") != version;
    let note = if not_audited {
        ", its audit event is not out yet"
    } else {
        ""
    };
    format!("{version}, written {}{note}", moment_and_age(modified, now))
}

fn last_line(answer: &Value) -> String {
    let last = |field: &str| text(answer, &format!("last_transition.{field}")).to_owned();
    if last("kind").is_empty() {
        return String::new();
    }
    let from = if last("from").is_empty() {
        String::new()
    } else {
        format!(" {} ->", last("from"))
    };
    let why = at(answer, "last_transition").map(why).unwrap_or_default();
    format!("{}{from} {}: {why}", last("kind"), last("to"))
}

/// Why a version was written; of one by another backend its IAM author, too, whom no Description names.
fn why(entry: &Value) -> String {
    let by = format!("by {}", text(entry, "by"));
    match sentence(text(entry, "description")) {
        "" => by,
        sentence if text(entry, "kind") == "external" => format!("{sentence}; {by}"),
        sentence => sentence.to_owned(),
    }
}

/// A Description without its tail for machines.
pub(crate) fn sentence(description: &str) -> &str {
    description
        .rsplit_once(" [effective_from=")
        .map_or(description, |(sentence, _)| sentence)
}

fn in_force(answer: &Value, now: Timestamp) -> String {
    match instant(answer, "last_transition.effective_from") {
        None => String::new(),
        Some(at) if at > now => format!("from {}", moment_and_age(at, now)),
        Some(at) => format!("since {}", moment_and_age(at, now)),
    }
}

/// One line on the drill under way, or the last one.
pub(crate) fn drill_line(answer: &Value, now: Timestamp) -> String {
    let drill = |field: &str| text(answer, &format!("drill.{field}"));
    if at(answer, "drill").is_none() {
        return "none so far".to_owned();
    }
    let mut line = format!("{} {}", drill("mode"), drill("outcome"));
    if !drill("from").is_empty() && !drill("to").is_empty() {
        line = format!("{line}, {} -> {}", drill("from"), drill("to"));
    }
    if let Some(started) = instant(answer, "drill.started_at") {
        line = format!("{line}, began {}", moment_and_age(started, now));
    }
    if drill("outcome") == "pending"
        && let Some(back) = instant(answer, "drill.return_at")
    {
        line = format!("{line}, returns {}", moment_and_age(back, now));
    }
    line
}

fn readiness_line(answer: &Value, now: Timestamp) -> String {
    if at(answer, "readiness").is_none() {
        return String::new();
    }
    let mut line = format!(
        "{} of 100, {}",
        number(answer, "readiness.score"),
        text(answer, "readiness.level")
    );
    let red: Vec<&str> = list(answer, "readiness.red").iter().filter_map(Value::as_str).collect();
    if !red.is_empty() {
        line = format!("{line} ({})", red.join(", "));
    }
    if let Some(at) = instant(answer, "readiness.at") {
        line = format!("{line}, checked {}", moment_and_age(at, now));
    }
    line
}

/// Only where DAGs are managed.
fn dags_line(answer: &Value, now: Timestamp) -> String {
    let Some(since) = instant(answer, "dag_management.since") else {
        return String::new();
    };
    let (active, standby) = match text(answer, "dag_management.active") {
        "blue" => ("blue", "green"),
        _ => ("green", "blue"),
    };
    let state = match text(answer, "dag_management.state") {
        "activation-failed" => format!("{active}'s DAGs are NOT unpaused"),
        "activating" => format!("{active}'s DAGs are being unpaused"),
        "draining" => format!("{active}'s run, {standby}'s are to be paused"),
        "not-fenced" => format!("{active}'s run, {standby}'s are NOT paused"),
        _ => format!("{active}'s run, {standby}'s are paused"),
    };
    let remembered =
        at(answer, "dag_management.remembered").map_or_else(String::new, |count| format!(", {count} remembered"));
    format!("{state}{remembered}, since {}", moment_and_age(since, now))
}

/// The table of `history`.
pub(crate) fn history(paint: Paint, pair: &str, answer: &Value) -> String {
    let rows: Vec<Vec<Cell>> = list(answer, "entries")
        .iter()
        .map(|entry| {
            let written = instant(entry, "written_at");
            let effective = instant(entry, "effective_from");
            vec![
                Cell::plain(number(entry, "version")),
                Cell::plain(written.map(moment).unwrap_or_default()),
                Cell::word(text(entry, "from")),
                Cell::word(text(entry, "to")),
                Cell::plain(text(entry, "kind")),
                Cell::plain(effective.map(moment).unwrap_or_default()),
                Cell::plain(why(entry)),
            ]
        })
        .collect();
    let headline = paint.text(Style::Bold, &format!("{pair}: {}", text(answer, "reason")));
    let header = ["VERSION", "WRITTEN", "FROM", "TO", "KIND", "IN FORCE FROM", "WHY"];
    format!("{headline}\n\n{}", table(paint, &header, &rows))
}

/// The screen of `check`.
pub(crate) fn check(paint: Paint, pair: &str, answer: &Value) -> String {
    let outcome = text(answer, "outcome");
    let headline = format!(
        "{pair}: {}, {} of 100",
        paint.text(look_of(outcome), &outcome.replace('_', " ")),
        number(answer, "readiness.score")
    );
    let mut shown = format!("{headline}\n  {}\n", text(answer, "reason"));
    for finding in list(answer, "readiness.findings") {
        let severity = text(finding, "severity");
        let color = text(finding, "color");
        let of = if color.is_empty() {
            String::new()
        } else {
            format!(" ({color})")
        };
        let (severity, name) = (
            paint.text(look_of(severity), severity),
            paint.text(Style::Bold, text(finding, "name")),
        );
        shown.extend(["\n  ", &severity, " ", &name, &of, ": ", text(finding, "what"), "\n"]);
        for (name, field) in [("why", "why"), ("fix", "fix")] {
            if !text(finding, field).is_empty() {
                shown.extend(["      ", name, "  ", text(finding, field), "\n"]);
            }
        }
    }
    let not_asked = list(answer, "readiness.not_asked");
    if !not_asked.is_empty() {
        let asked: Vec<String> = not_asked
            .iter()
            .map(|what| what.as_str().map_or_else(|| what.to_string(), str::to_owned))
            .collect();
        shown.extend(["\n  could not be asked: ", &asked.join("; "), "\n"]);
    }
    shown
}

/// The screen of what was changed, or not.
pub(crate) fn change(paint: Paint, answer: &Value, now: Timestamp) -> String {
    let outcome = text(answer, "outcome");
    let active = text(answer, "active");
    let mut headline = paint.text(look_of(outcome), &outcome.replace('_', " "));
    if !active.is_empty() {
        headline = format!(
            "{headline}: {} is active, version {}",
            paint.text(look_of(active), active),
            number(answer, "version")
        );
    }
    if !text(answer, "previous").is_empty() {
        headline = format!("{headline} (it was {})", text(answer, "previous"));
    }
    let mut shown = format!("{headline}\n");
    shown.push_str(&fields(
        paint,
        &[
            ("why", text(answer, "reason").to_owned()),
            (
                "in force",
                instant(answer, "effective_from")
                    .map(|at| format!("from {}", moment_and_age(at, now)))
                    .unwrap_or_default(),
            ),
            ("back-dated", text(answer, "back_dating.why").to_owned()),
            ("hold until", text(answer, "hold.until").to_owned()),
            (
                "drill",
                if at(answer, "drill").is_some() && outcome != "would_drill" {
                    drill_line(answer, now)
                } else {
                    String::new()
                },
            ),
            ("transition", text(answer, "transition").to_owned()),
            ("dags", text(answer, "dag_management.detail").to_owned()),
        ],
    ));
    for warning in list(answer, "warnings").iter().filter_map(Value::as_str) {
        shown.extend(["  ", &paint.text(Style::Doubtful, "warning"), " ", warning, "\n"]);
    }
    if matches!(outcome, "refused" | "blocked" | "conflict") || outcome.starts_with("would_") {
        shown.push_str(&preconditions(paint, answer));
    } else if outcome == "switched" && has_objections(answer) {
        // With --yes nothing was shown before.
        let objecting: Vec<&Value> = list(answer, "preconditions")
            .iter()
            .filter(|precondition| precondition.get("passed").and_then(Value::as_bool) == Some(false))
            .collect();
        shown.push_str("skipped by force:\n");
        shown.push_str(&preconditions(paint, &json!({"preconditions": objecting})));
    }
    shown
}

/// How many warnings came with it, for the last line.
pub(crate) fn warnings(answer: &Value) -> String {
    match list(answer, "warnings").len() {
        0 => String::new(),
        number => format!("; {} above", count(number, "warning")),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::connection::When;

    fn plain() -> Paint {
        Paint::new(When::Never, false, &std::io::stdout())
    }

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        for (outcome, code) in [
            ("switched", 0),
            ("unchanged", 0),
            ("drill_canceled", 0),
            ("would_switch", 0),
            ("would_drill", 0),
            ("ready", 0),
            ("pending", 0),
            ("refused", 3),
            ("blocked", 3),
            ("conflict", 4),
            ("not_ready", 5),
            ("partial", 5),
            ("failed", 5),
            ("interrupted", 5),
            ("something new", 1),
        ] {
            assert_eq!(code_of(outcome), code, "{outcome}");
        }
    }

    #[test]
    fn the_status_screen_says_who_is_active_and_what_objects() {
        let answer = json!({
            "outcome": "status", "active": "blue", "version": 12, "modified": "2026-11-23T09:00:00Z", "audited": 11,
            "reason": "blue is active and healthy; green stands by and is unknown",
            "verdicts": {"blue": {"verdict": "healthy", "reasons": ["fine"]}, "green": {"verdict": "unknown", "reasons": ["throttled"]}},
            "environments": {"blue": "airflow-blue", "green": "airflow-green"},
            "last_transition": {"kind": "switch", "from": "green", "to": "blue", "effective_from": "2026-11-23T12:00:09Z",
                "description": "switch: upgrade; by switch-handler for ana [effective_from=2026-11-23T12:00:09Z record=v12-1]"},
            "preconditions": [{"name": "standby-unknown", "passed": false, "detail": "green is unknown: throttled"}],
            "mode": "automatic", "hold": null,
            "drill": {"id": "d1", "mode": "switch", "from": "blue", "to": "green", "outcome": "pending",
                "started_at": "2026-11-23T11:50:00Z", "return_at": "2026-11-23T12:05:00Z"},
            "readiness": {"score": 40, "level": "red", "red": ["airflow-version"], "at": "2026-11-23T11:59:00Z"},
            "dag_management": {"state": "not-fenced", "active": "blue", "since": "2026-11-23T11:00:00Z", "remembered": 12},
        });
        let shown = status(plain(), "orders", &answer, noon());
        for part in [
            "orders: blue is active and healthy",
            "blue   active   healthy  airflow-blue   fine",
            "version    12, written 2026-11-23 09:00:00Z (3 h ago), its audit event is not out yet",
            "last       switch green -> blue: switch: upgrade; by switch-handler for ana\n",
            "in force   from 2026-11-23 12:00:09Z (in 9 s)",
            "switch pending, blue -> green, began 2026-11-23 11:50:00Z (10 min ago), returns 2026-11-23 12:05:00Z (in 5 min)",
            "40 of 100, red (airflow-version), checked 2026-11-23 11:59:00Z (60 s ago)",
            "objects  standby-unknown  green is unknown: throttled",
            "dags       blue's run, green's are NOT paused, 12 remembered, since 2026-11-23 11:00:00Z (60 min ago)",
        ] {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
    }

    #[test]
    fn what_force_skipped_is_shown_and_nothing_else() {
        let preconditions = json!([{"name": "cooldown", "passed": false, "detail": "a moment ago"},
                            {"name": "hold", "passed": true, "detail": "no hold"}]);
        let shown = |outcome| {
            let answer = json!({"outcome": outcome, "active": "green", "version": 3, "preconditions": preconditions});
            change(plain(), &answer, Timestamp::UNIX_EPOCH)
        };
        assert!(shown("switched").contains("skipped by force") && shown("switched").contains("cooldown"));
        assert!(!shown("switched").contains("no hold"));
    }

    #[test]
    fn a_failover_that_would_only_be_reported_is_not_said_to_pass() {
        let answer = |mode: &str| json!({"mode": mode, "preconditions": [{"name": "hold", "passed": true, "detail": "no hold"}]});
        assert!(status(plain(), "p", &answer("automatic"), noon()).contains("would pass"));
        let observed = status(plain(), "p", &answer("observe"), noon());
        assert!(observed.contains("would only be reported") && !observed.contains("would pass"));
    }

    #[test]
    fn an_answer_without_anything_is_shown_all_the_same() {
        for value in [json!({}), json!({"outcome": 1, "preconditions": "x", "drill": []})] {
            assert!(!status(plain(), "p", &value, noon()).is_empty());
            assert!(!change(plain(), &value, noon()).is_empty());
            assert!(!history(plain(), "p", &value).is_empty());
            assert!(!check(plain(), "p", &value).is_empty());
        }
    }

    #[test]
    fn findings_say_what_why_and_how_to_fix() {
        let answer = json!({"outcome": "not_ready", "reason": "1 red", "readiness": {"score": 40, "findings": [
            {"name": "airflow-version", "severity": "red", "color": "green", "what": "2.9 against 2.10", "why": "DAGs differ",
             "fix": "upgrade green"}], "not_asked": ["DAGs of blue: throttled"]}});
        let shown = check(plain(), "orders", &answer);
        for part in [
            "orders: not ready, 40 of 100",
            "red airflow-version (green): 2.9 against 2.10",
            "fix  upgrade green",
            "throttled",
        ] {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
    }
}
