//! Shows answers of the function to people.

use bluegreen_core::color::Color;
use bluegreen_core::dag_management::State;
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::policy::Mode;
use bluegreen_core::response::{
    Change, Check, Common, DrillAnswer, History, HistoryLine, LastCheck, ManagedDags, Open, PreconditionAnswer, Root,
    Status,
};
use bluegreen_core::transition::Kind;
use jiff::Timestamp;

use crate::failure::exit;
use crate::terminal::{Cell, Paint, Style, count, fields, look_of, moment, moment_and_age, table};

/// The exit code of an outcome.
pub(crate) fn code_of(outcome: &Open<Outcome>) -> u8 {
    if outcome.is_dry_run() {
        return exit::DONE;
    }
    match outcome {
        Open::Known(Outcome::Refused | Outcome::Blocked) => exit::REFUSED,
        Open::Known(Outcome::Conflict) => exit::CONFLICT,
        Open::Known(Outcome::NotReady | Outcome::Partial | Outcome::Failed | Outcome::Interrupted) => exit::NOT_READY,
        Open::Known(_) => exit::DONE,
        // An outcome of a later function, even a good one, must not look like success.
        Open::Other(_) => exit::FAILED,
    }
}

/// A color, or nothing, as text.
pub(crate) fn word(color: Option<Color>) -> &'static str {
    color.map_or("", Color::as_str)
}

/// A version, or nothing, as text.
pub(crate) fn number(version: Option<FlagVersion>) -> String {
    version.map(|version| version.to_string()).unwrap_or_default()
}

/// Whether a precondition objects.
pub(crate) fn has_objections(common: &Common) -> bool {
    common.objections().next().is_some()
}

pub(crate) fn preconditions<'a>(
    paint: Paint,
    preconditions: impl IntoIterator<Item = &'a PreconditionAnswer>,
) -> String {
    let rows: Vec<Vec<Cell>> = preconditions
        .into_iter()
        .map(|precondition| {
            vec![
                Cell::word(if precondition.passed { "passed" } else { "objects" }),
                Cell::plain(precondition.name.to_string()),
                Cell::plain(&precondition.detail),
            ]
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        table(paint, &["", "PRECONDITION", "WHY"], &rows)
    }
}

/// The screen of `status`, and of every refresh of `watch`.
pub(crate) fn status(paint: Paint, pair: &str, common: &Common, status: &Status, now: Timestamp) -> String {
    let headline = paint.text(Style::Bold, &format!("{pair}: {}", common.reason));
    let rows: Vec<Vec<Cell>> = Color::BOTH
        .iter()
        .map(|color| {
            let role = match common.active {
                None => "?",
                Some(active) if active == *color => "active",
                Some(_) => "standby",
            };
            let judged = status.verdicts.of(*color);
            vec![
                Cell::word(color.as_str()),
                Cell::new(if role == "active" { Style::Bold } else { Style::Plain }, role),
                Cell::word(judged.verdict.to_string()),
                Cell::plain(status.environments.of(*color)),
                Cell::plain(judged.reasons.join("; ")),
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
    let objects = has_objections(common);
    let failover = match (objects, common.preconditions.is_empty()) {
        (_, true) => String::new(),
        (true, _) => "would be stopped, if it were needed:".to_owned(),
        // No precondition of status says so, and a reader would believe "would pass".
        (false, _) if status.mode == Mode::Observe => {
            "would only be reported, if it were needed: the mode is observe".to_owned()
        }
        (false, _) => "would pass, if it were needed".to_owned(),
    };
    let last = status.last_transition.as_ref();
    shown.push_str(&fields(
        paint,
        &[
            ("version", version_line(common, status, now)),
            ("last", last.map(last_line).unwrap_or_default()),
            ("in force", last.map(|last| in_force(last, now)).unwrap_or_default()),
            ("root", root_line(&status.root)),
            ("mode", status.mode.to_string()),
            ("hold", status.hold.clone().unwrap_or_else(|| "none".to_owned())),
            ("drill", drill_line(status.drill.as_ref(), now)),
            (
                "readiness",
                status
                    .readiness
                    .as_ref()
                    .map(|check| readiness_line(check, now))
                    .unwrap_or_default(),
            ),
            (
                "dags",
                status
                    .dag_management
                    .as_ref()
                    .map(|dags| dags_line(dags, now))
                    .unwrap_or_default(),
            ),
            ("in flight", in_flight_lines(status)),
            ("failover", failover),
        ],
    ));
    if objects {
        shown.push_str(&preconditions(paint, &common.preconditions));
    }
    shown
}

/// What is still in flight on the environment that stands by; empty where no answer says so.
fn in_flight_lines(status: &Status) -> String {
    let reasons = Color::BOTH
        .iter()
        .filter_map(|color| status.in_flight.of(*color).as_ref());
    reasons
        .map(|found| found.reason.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

/// The owner of the root; empty while the root belongs to this pair, as it should.
fn root_line(root: &Root) -> String {
    let path = &root.path;
    match root.is.as_str() {
        "foreign" => format!(
            "{path} belongs to the pair {}: nothing is written",
            root.owner.as_ref().map(|owner| owner.pair.as_str()).unwrap_or_default()
        ),
        "unclaimed" => format!("{path} has no parameter owner: another pair could be deployed there"),
        "unreadable" => format!("{path}/owner names no pair: another pair could be deployed there"),
        _ => String::new(),
    }
}

fn version_line(common: &Common, status: &Status, now: Timestamp) -> String {
    let version = number(common.version);
    let Some(modified) = status.modified else {
        return version;
    };
    let not_audited = status.audited.is_some() && status.audited != common.version;
    let note = if not_audited {
        ", its audit event is not out yet"
    } else {
        ""
    };
    format!("{version}, written {}{note}", moment_and_age(modified, now))
}

fn last_line(last: &HistoryLine) -> String {
    if last.kind.is_empty() {
        return String::new();
    }
    let from = last.from.as_ref().map(|from| format!(" {from} ->")).unwrap_or_default();
    format!("{}{from} {}: {}", last.kind, last.to, why(last))
}

/// Why a version was written; for an external one also its IAM author, whom no Description names.
fn why(entry: &HistoryLine) -> String {
    let by = format!("by {}", entry.by.as_deref().unwrap_or_default());
    match sentence(entry.description.as_deref().unwrap_or_default()) {
        "" => by,
        sentence if entry.kind == Kind::External => format!("{sentence}; {by}"),
        sentence => sentence.to_owned(),
    }
}

/// A Description without its metadata.
pub(crate) fn sentence(description: &str) -> &str {
    description
        .rsplit_once(" [effective_from=")
        .map_or(description, |(sentence, _)| sentence)
}

fn in_force(last: &HistoryLine, now: Timestamp) -> String {
    match last.effective_from {
        None => String::new(),
        Some(at) if at > now => format!("from {}", moment_and_age(at, now)),
        Some(at) => format!("since {}", moment_and_age(at, now)),
    }
}

/// One line on the drill under way, or the last one.
pub(crate) fn drill_line(drill: Option<&DrillAnswer>, now: Timestamp) -> String {
    let Some(drill) = drill else {
        return "none so far".to_owned();
    };
    let mode = drill.mode.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut line = format!("{mode} {}", drill.outcome);
    if let (Some(from), Some(to)) = (drill.from, drill.to) {
        line = format!("{line}, {from} -> {to}");
    }
    if let Some(started) = drill.started_at() {
        line = format!("{line}, began {}", moment_and_age(started, now));
    }
    if let Some(back) = drill.return_at().filter(|_| drill.outcome == DrillOutcome::Pending) {
        line = format!("{line}, returns {}", moment_and_age(back, now));
    }
    line
}

fn readiness_line(check: &LastCheck, now: Timestamp) -> String {
    let mut line = format!("{} of 100, {}", check.score, check.level);
    if !check.red.is_empty() {
        line = format!("{line} ({})", check.red.join(", "));
    }
    if let Some(at) = check.at {
        line = format!("{line}, checked {}", moment_and_age(at, now));
    }
    line
}

/// One line on managed DAGs; empty unless DAGs are managed.
fn dags_line(dags: &ManagedDags, now: Timestamp) -> String {
    let (Some(since), Some(active)) = (dags.since, dags.active) else {
        return String::new();
    };
    let standby = active.other();
    let state = match &dags.state {
        Open::Known(State::ActivationFailed) => format!("{active}'s DAGs are NOT unpaused"),
        Open::Known(State::Activating) => format!("{active}'s DAGs are being unpaused"),
        Open::Known(State::Draining) => format!("{active}'s run, {standby}'s are to be paused"),
        Open::Known(State::NotFenced) => format!("{active}'s run, {standby}'s are NOT paused"),
        Open::Known(State::Settled) => format!("{active}'s run, {standby}'s are paused"),
        Open::Other(state) => format!("{active}'s are to run: {state}"),
    };
    let remembered = dags
        .remembered
        .map_or_else(String::new, |count| format!(", {count} remembered"));
    format!("{state}{remembered}, since {}", moment_and_age(since, now))
}

/// The table of `history`.
pub(crate) fn history(paint: Paint, pair: &str, common: &Common, history: &History) -> String {
    let rows: Vec<Vec<Cell>> = history
        .entries
        .iter()
        .map(|entry| {
            vec![
                Cell::plain(number(entry.version)),
                Cell::plain(entry.written_at.map(moment).unwrap_or_default()),
                Cell::word(entry.from.as_deref().unwrap_or_default()),
                Cell::word(&entry.to),
                Cell::plain(entry.kind.to_string()),
                Cell::plain(entry.effective_from.map(moment).unwrap_or_default()),
                Cell::plain(why(entry)),
            ]
        })
        .collect();
    let headline = paint.text(Style::Bold, &format!("{pair}: {}", common.reason));
    let header = ["VERSION", "WRITTEN", "FROM", "TO", "KIND", "IN FORCE FROM", "WHY"];
    format!("{headline}\n\n{}", table(paint, &header, &rows))
}

/// The screen of `check`.
pub(crate) fn check(paint: Paint, pair: &str, common: &Common, check: &Check) -> String {
    let report = &check.readiness;
    let outcome = common.outcome.to_string();
    let headline = format!(
        "{pair}: {}, {} of 100",
        paint.text(look_of(&outcome), &outcome.replace('_', " ")),
        report.score.map(|score| score.to_string()).unwrap_or_default()
    );
    let mut shown = format!("{headline}\n  {}\n", common.reason);
    for finding in &report.findings {
        let severity = finding.severity.to_string();
        let of = finding.color.map(|color| format!(" ({color})")).unwrap_or_default();
        let (severity, name) = (
            paint.text(look_of(&severity), &severity),
            paint.text(Style::Bold, &finding.name),
        );
        shown.extend(["\n  ", &severity, " ", &name, &of, ": ", &finding.what, "\n"]);
        for (name, text) in [("why", &finding.why), ("fix", &finding.fix)] {
            if !text.is_empty() {
                shown.extend(["      ", name, "  ", text, "\n"]);
            }
        }
    }
    if !report.not_asked.is_empty() {
        let asked: Vec<String> = report
            .not_asked
            .iter()
            .map(|open| {
                let of = open.color.map(|color| format!(" of {color}")).unwrap_or_default();
                format!("{}{of}: {}", open.question, open.cause)
            })
            .collect();
        shown.extend(["\n  could not be asked: ", &asked.join("; "), "\n"]);
    }
    shown
}

/// The screen of what was changed, or not.
pub(crate) fn change(paint: Paint, common: &Common, change: &Change, now: Timestamp) -> String {
    let outcome = common.outcome.to_string();
    let mut headline = paint.text(look_of(&outcome), &outcome.replace('_', " "));
    if let Some(active) = common.active {
        let active = active.as_str();
        headline = format!(
            "{headline}: {} is active, version {}",
            paint.text(look_of(active), active),
            number(common.version)
        );
    }
    if let Some(previous) = common.previous {
        headline = format!("{headline} (it was {previous})");
    }
    let drill = change
        .drill
        .as_ref()
        .filter(|_| common.outcome != Outcome::WouldDrill)
        .map(|drill| drill_line(Some(drill), now));
    let mut shown = format!("{headline}\n");
    shown.push_str(&fields(
        paint,
        &[
            ("why", common.reason.clone()),
            (
                "in force",
                change
                    .effective_from
                    .map(|at| format!("from {}", moment_and_age(at, now)))
                    .unwrap_or_default(),
            ),
            ("back-dated", back_dating(change).to_owned()),
            (
                "hold until",
                change
                    .hold
                    .as_ref()
                    .map(|hold| hold.until.to_string())
                    .unwrap_or_default(),
            ),
            ("drill", drill.unwrap_or_default()),
            ("transition", common.transition.clone().unwrap_or_default()),
            (
                "dags",
                change
                    .dag_management
                    .as_ref()
                    .map(|dags| dags.detail.clone())
                    .unwrap_or_default(),
            ),
        ],
    ));
    for warning in change.warnings.iter().flatten() {
        shown.extend(["  ", &paint.text(Style::Doubtful, "warning"), " ", warning, "\n"]);
    }
    let is_stopped = |outcome: &Outcome| matches!(outcome, Outcome::Refused | Outcome::Blocked | Outcome::Conflict);
    if common.outcome.is_dry_run() || common.outcome.known().is_some_and(is_stopped) {
        shown.push_str(&preconditions(paint, &common.preconditions));
    } else if common.outcome == Outcome::Switched && has_objections(common) {
        // With `--yes`, nothing was shown before.
        shown.push_str("skipped by force:\n");
        shown.push_str(&preconditions(paint, common.objections()));
    }
    shown
}

/// How far a failover reaches back, in words; empty if it is none.
pub(crate) fn back_dating(change: &Change) -> &str {
    change
        .back_dating
        .as_ref()
        .map(|back_dating| back_dating.why.as_str())
        .unwrap_or_default()
}

/// The number of warnings, for the last line.
pub(crate) fn warnings(change: &Change) -> String {
    match change.warnings.as_ref().map_or(0, Vec::len) {
        0 => String::new(),
        number => format!("; {} above", count(number, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::{Body, Response};
    use serde_json::{Value, json};

    use super::*;
    use crate::connection::When;

    /// The answer as the function sent it, parsed and shown by its outcome.
    fn shown(answer: &Value) -> String {
        let Response { common, body } = Response::read(answer);
        match &body {
            Body::Status(body) => status(plain(), "orders", &common, body, noon()),
            Body::History(body) => history(plain(), "orders", &common, body),
            Body::Check(body) => check(plain(), "orders", &common, body),
            Body::Change(body) => change(plain(), &common, body, noon()),
            Body::RunReport(_) => panic!("{answer} is a run report"),
        }
    }

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
            ("would_dance", 0),
            ("something new", 1),
        ] {
            assert_eq!(code_of(&Open::read(outcome)), code, "{outcome}");
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
        let shown = shown(&answer);
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
            shown(&json!({"outcome": outcome, "active": "green", "version": 3, "preconditions": preconditions}))
        };
        assert!(shown("switched").contains("skipped by force") && shown("switched").contains("cooldown"));
        assert!(!shown("switched").contains("no hold"));
    }

    #[test]
    fn a_failover_that_would_only_be_reported_is_not_said_to_pass() {
        let of = |mode: &str| {
            let preconditions = json!([{"name": "hold", "passed": true, "detail": "no hold"}]);
            shown(&json!({"outcome": "status", "mode": mode, "preconditions": preconditions}))
        };
        assert!(of("automatic").contains("would pass"));
        let observed = of("observe");
        assert!(observed.contains("would only be reported") && !observed.contains("would pass"));
    }

    #[test]
    fn an_answer_without_anything_is_shown_all_the_same() {
        for outcome in ["status", "history", "ready", "switched", "of a newer version"] {
            assert!(!shown(&json!({"outcome": outcome})).is_empty(), "{outcome}");
            let garbage = json!({"outcome": outcome, "preconditions": "x", "drill": [], "verdicts": 1, "entries": {}, "readiness": "y"});
            assert!(!shown(&garbage).is_empty(), "{outcome}");
        }
        assert!(!shown(&json!({"outcome": 1})).is_empty());
    }

    #[test]
    fn what_a_newer_version_says_is_shown_in_its_words() {
        let shown = shown(&json!({
            "outcome": "status", "active": "blue", "version": 12, "mode": "assisted", "weather": {"is": "fine"},
            "verdicts": {"blue": {"verdict": "sleepy", "reasons": ["yawns"], "mood": 3}, "green": {"verdict": "healthy", "reasons": []}},
            "environments": {"blue": "airflow-blue", "green": "airflow-green"},
            "last_transition": {"kind": "swap", "from": "green", "to": "blue", "description": "swap: why not"},
            "preconditions": [{"name": "full-moon", "passed": false, "detail": "tonight", "until": "dawn"}],
            "drill": {"mode": "dream", "outcome": "postponed", "from": "blue", "to": "green"},
            "readiness": {"score": 40, "level": "violet", "red": ["moon"]},
            "dag_management": {"state": "shuffling", "active": "blue", "since": "2026-11-23T11:00:00Z"},
        }));
        for part in [
            "blue   active   sleepy   airflow-blue   yawns",
            "swap green -> blue: swap: why not",
            "objects  full-moon     tonight",
            "dream postponed, blue -> green",
            "40 of 100, violet (moon)",
            "mode       assisted",
            "blue's are to run: shuffling",
        ] {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
    }

    #[test]
    fn findings_say_what_why_and_how_to_fix() {
        let answer = json!({"outcome": "not_ready", "reason": "1 red", "readiness": {"score": 40, "findings": [
            {"name": "airflow-version", "severity": "red", "color": "green", "what": "2.9 against 2.10", "why": "DAGs differ",
             "fix": "upgrade green"}], "not_asked": [{"question": "dags", "color": "blue", "cause": "throttled: slow down"}]}});
        let shown = shown(&answer);
        for part in [
            "orders: not ready, 40 of 100",
            "red airflow-version (green): 2.9 against 2.10",
            "fix  upgrade green",
            "could not be asked: dags of blue: throttled: slow down\n",
        ] {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
    }
}
