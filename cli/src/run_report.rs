//! The screen and the exit code of the run report.

use jiff::Timestamp;
use serde_json::Value;

use crate::answer::{at, instant, list, text, whole};
use crate::failure::exit;
use crate::terminal::{Cell, Paint, Style, count, fields, moment, moment_and_age, table};

/// What the runs are called, the worst first; the field that lists them; what a person does about them.
const LISTS: [(&str, &str, &str); 5] = [
    (
        "lost",
        "lost",
        "executed by nobody: clear its bluegreen_guard on the owner, or trigger the DAG there",
    ),
    ("doubled", "doubled", "executed by both: repair what they wrote"),
    (
        "late",
        "late",
        "due and not made: look at the scheduler of the color named, and at the DAG's file if it cannot be imported; what \
         it has missed for good is triggered by hand",
    ),
    (
        "pending",
        "pending",
        "the new color's, not executed yet: ask again in some minutes",
    ),
    ("in flight", "in_flight", "under way on the old color: let them finish"),
];

/// Whether anything is to be repaired, or could be without anybody knowing. Without a guard nobody claimed that a run is
/// executed once.
pub(crate) fn code(answer: &Value) -> u8 {
    let counts = |field: &str| whole(answer, &format!("run_report.counts.{field}"));
    let is_partial = at(answer, "run_report.partial").and_then(Value::as_bool) != Some(false);
    let wrong = counts("lost") > 0 || counts("late") > 0 || counts("doubled") > counts("doubled_unguarded");
    if wrong || is_partial {
        exit::NOT_READY
    } else {
        exit::DONE
    }
}

/// The screen.
pub(crate) fn run_report(paint: Paint, pair: &str, answer: &Value, now: Timestamp) -> String {
    let report = at(answer, "run_report").unwrap_or(&Value::Null);
    let mut shown = format!(
        "{}\n\n",
        paint.text(Style::Bold, &format!("{pair}: {}", text(answer, "reason")))
    );
    shown.push_str(&fields(
        paint,
        &[
            ("transition", transition(report, now)),
            ("window", window(report)),
            ("runs", runs(report)),
        ],
    ));
    let rows: Vec<Vec<Cell>> = LISTS
        .iter()
        .flat_map(|(word, field, _)| list(report, field).iter().map(|line| row(word, line)))
        .collect();
    if !rows.is_empty() {
        shown.push('\n');
        shown.push_str(&table(
            paint,
            &["", "DAG", "DUE", "OWNER", "BLUE", "GREEN", "RUN"],
            &rows,
        ));
    }
    let mut advice = String::new();
    for (word, field, what) in LISTS {
        let named = list(report, field).len();
        let all = whole(report, &format!("counts.{field}"));
        let more = all.saturating_sub(u64::try_from(named).unwrap_or(u64::MAX));
        if named > 0 {
            let more = if more > 0 {
                format!(" ({more} more are not named)")
            } else {
                String::new()
            };
            advice.extend(["  ", &paint.text(Style::Bold, word), &more, ": ", what, "\n"]);
        }
    }
    if !advice.is_empty() {
        shown.extend(["\n", &advice]);
    }
    for gap in list(report, "not_asked") {
        let color = text(gap, "color");
        shown.extend([
            "\n  could not be asked: ",
            text(gap, "question"),
            " of ",
            &paint.text(crate::terminal::look_of(color), color),
            ": ",
            text(gap, "cause"),
        ]);
    }
    if !list(report, "not_asked").is_empty() {
        shown.push('\n');
    }
    shown
}

fn transition(report: &Value, now: Timestamp) -> String {
    let part = |field: &str| text(report, &format!("transition.{field}"));
    if part("kind").is_empty() {
        return "none so far".to_owned();
    }
    let in_force = instant(report, "transition.effective_from")
        .map(|from| format!(", in force since {}", moment_and_age(from, now)))
        .unwrap_or_default();
    format!(
        "{} {} -> {}, version {}{in_force}",
        part("kind"),
        part("from"),
        part("to"),
        whole(report, "transition.version"),
    )
}

fn window(report: &Value) -> String {
    let of = |field: &str| instant(report, &format!("window.{field}")).map(moment);
    match (of("from"), of("to")) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        _ => String::new(),
    }
}

fn runs(report: &Value) -> String {
    let counts = |field: &str| whole(report, &format!("counts.{field}"));
    let number = usize::try_from(counts("runs")).unwrap_or(usize::MAX);
    let mut line = format!("{}, {} executed once", count(number, "run"), counts("executed_once"));
    if counts("unjudged") > 0 {
        line = format!("{line}, {} that nothing can be said of", counts("unjudged"));
    }
    line
}

fn row(word: &str, line: &Value) -> Vec<Cell> {
    let due = instant(line, "instant").or_else(|| instant(line, "due"));
    let has = |field: &str| at(line, field).and_then(Value::as_bool) == Some(true);
    let run = match (has("unguarded"), has("has_import_errors")) {
        (true, _) => format!("{} (no guard)", text(line, "run_id")),
        (_, true) => "not made: its file cannot be imported".to_owned(),
        _ if at(line, "due").is_some() => "not made".to_owned(),
        _ => text(line, "run_id").to_owned(),
    };
    // A late run names the color whose scheduler is late, and what the other did.
    let fate = |color: &str| match text(line, "color") {
        "" => text(line, color),
        late if late == color => "late",
        _ => text(line, "other"),
    };
    vec![
        Cell::word(word),
        Cell::plain(text(line, "dag_id")),
        Cell::plain(due.map(moment).unwrap_or_default()),
        Cell::word(text(line, "owner")),
        Cell::plain(fate("blue")),
        Cell::plain(fate("green")),
        Cell::plain(run),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connection::When;

    fn shown(answer: &Value) -> String {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let plain = Paint::new(When::Never, false, &std::io::stdout());
        run_report(plain, "orders", answer, now)
    }

    fn answer(counts: &Value, partial: bool) -> Value {
        json!({"outcome": "run_report", "run_report": {"partial": partial, "counts": counts}})
    }

    #[test]
    fn what_is_to_be_repaired_or_not_known_has_an_exit_code_of_its_own() {
        for (counts, partial, code_expected) in [
            (json!({"runs": 9, "executed_once": 9}), false, exit::DONE),
            (json!({"pending": 3, "in_flight": 2}), false, exit::DONE),
            (json!({"doubled": 2, "doubled_unguarded": 2}), false, exit::DONE),
            (json!({"doubled": 3, "doubled_unguarded": 2}), false, exit::NOT_READY),
            (json!({"lost": 1}), false, exit::NOT_READY),
            (json!({"late": 1}), false, exit::NOT_READY),
            (json!({}), true, exit::NOT_READY),
        ] {
            assert_eq!(code(&answer(&counts, partial)), code_expected, "{counts} {partial}");
        }
        // An answer without a report says nothing good.
        assert_eq!(code(&json!({"outcome": "run_report"})), exit::NOT_READY);
    }

    #[test]
    fn every_list_is_a_row_the_worst_first_and_says_what_to_do() {
        let line = |dag_id: &str, unguarded: bool| {
            json!({"dag_id": dag_id, "run_id": format!("scheduled__{dag_id}"), "run_type": "scheduled",
                   "instant": "2026-11-23T11:40:00.5Z", "owner": "blue", "blue": "absent", "green": "skipped", "unguarded": unguarded})
        };
        let late = json!({"dag_id": "stock", "due": "2026-11-23T11:50:00Z", "color": "green", "owner": "green", "other": "skipped",
                          "has_import_errors": true});
        let shown = shown(&json!({
            "outcome": "run_report", "reason": "failover from blue to green: of 212 runs, 1 executed by nobody",
            "run_report": {
                "window": {"from": "2026-11-23T11:00:00Z", "to": "2026-11-23T12:00:00Z"},
                "transition": {"version": 13, "kind": "failover", "from": "blue", "to": "green", "effective_from": "2026-11-23T11:45:00Z"},
                "partial": true, "not_asked": [{"question": "task-instances", "color": "blue", "cause": "throttled: slow down"}],
                "pending": [line("waits", false)], "late": [late], "lost": [line("orders", false)], "doubled": [line("branches", true)],
                "counts": {"runs": 212, "executed_once": 208, "pending": 51, "lost": 1, "late": 1, "doubled": 1, "doubled_unguarded": 1, "unjudged": 3},
            },
        }));
        for part in [
            "orders: failover from blue to green: of 212 runs, 1 executed by nobody\n",
            "failover blue -> green, version 13, in force since 2026-11-23 11:45:00Z (15 min ago)",
            "212 runs, 208 executed once, 3 that nothing can be said of",
            "lost     orders    2026-11-23 11:40:01Z  blue   absent   skipped  scheduled__orders\n",
            "doubled  branches  2026-11-23 11:40:01Z  blue   absent   skipped  scheduled__branches (no guard)\n",
            "late     stock     2026-11-23 11:50:00Z  green  skipped  late     not made: its file cannot be imported\n",
            "pending (50 more are not named): the new color's",
            "lost: executed by nobody: clear its bluegreen_guard",
            "could not be asked: task-instances of blue: throttled: slow down\n",
        ] {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
        let place = |word: &str| shown.find(&format!("\n  {word} ")).unwrap();
        assert!(
            place("lost") < place("doubled") && place("doubled") < place("late") && place("late") < place("pending")
        );
        assert!(!shown.contains("under way"), "nothing is in flight");
    }

    #[test]
    fn an_answer_without_anything_is_shown_all_the_same() {
        for value in [
            json!({}),
            json!({"run_report": 1}),
            json!({"run_report": {"lost": [1], "transition": null, "not_asked": ["x"]}}),
        ] {
            assert!(shown(&value).contains("none so far"), "{value}");
        }
    }
}
