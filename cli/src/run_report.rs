//! The screen and the exit code of the run report.

use bluegreen_core::color::Color;
use bluegreen_core::response::{Common, LateLine, ReportAnswer, RunLine, RunReportAnswer};
use bluegreen_core::run_report::Counts;
use jiff::Timestamp;

use crate::failure::exit;
use crate::render::{number, word};
use crate::terminal::{Cell, Paint, Style, count, fields, look_of, moment, moment_and_age, table};

/// Runs of one kind: its name, the listed runs, the number of all runs, and what a person does about them.
struct Kind {
    word: &'static str,
    rows: Vec<Vec<Cell>>,
    all: usize,
    advice: &'static str,
}

/// The kinds, the worst first.
fn kinds(report: &ReportAnswer, counts: &Counts) -> [Kind; 5] {
    let of = |word, runs: &[RunLine], all, advice| Kind {
        word,
        rows: runs.iter().map(|run| row(word, run)).collect(),
        all,
        advice,
    };
    [
        of(
            "lost",
            &report.lost,
            counts.lost,
            "executed by nobody: clear its bluegreen_guard on the owner, or trigger the DAG there",
        ),
        of(
            "doubled",
            &report.doubled,
            counts.doubled,
            "executed by both: repair what they wrote",
        ),
        Kind {
            word: "late",
            rows: report.late.iter().map(late_row).collect(),
            all: counts.late,
            advice: "due and not made: look at the scheduler of the color named, and at the DAG's file if it cannot be imported; what \
                     it has missed for good is triggered by hand",
        },
        of(
            "pending",
            &report.pending,
            counts.pending,
            "the new color's, not executed yet: ask again in some minutes",
        ),
        of(
            "in flight",
            &report.in_flight,
            counts.in_flight,
            "under way on the old color: let them finish",
        ),
    ]
}

/// The exit code: whether anything needs repair, or may need it unnoticed. Without a guard, nothing claims that a run
/// is executed only once.
pub(crate) fn code(answer: &RunReportAnswer) -> u8 {
    let report = answer.run_report.as_ref();
    let Some(counts) = report.and_then(|report| report.counts) else {
        return exit::NOT_READY;
    };
    let is_partial = report.and_then(|report| report.partial) != Some(false);
    let wrong = counts.lost > 0 || counts.late > 0 || counts.doubled > counts.doubled_unguarded;
    if wrong || is_partial {
        exit::NOT_READY
    } else {
        exit::DONE
    }
}

/// The screen of `run-report`.
pub(crate) fn run_report(
    paint: Paint,
    pair: &str,
    common: &Common,
    answer: &RunReportAnswer,
    now: Timestamp,
) -> String {
    let report = answer.run_report.clone().unwrap_or_default();
    let counts = report.counts.unwrap_or_default();
    let mut shown = format!("{}\n\n", paint.text(Style::Bold, &format!("{pair}: {}", common.reason)));
    shown.push_str(&fields(
        paint,
        &[
            ("transition", transition(&report, now)),
            ("window", window(&report)),
            ("runs", runs(&counts)),
        ],
    ));
    let kinds = kinds(&report, &counts);
    let rows: Vec<Vec<Cell>> = kinds.iter().flat_map(|kind| kind.rows.clone()).collect();
    if !rows.is_empty() {
        shown.push('\n');
        shown.push_str(&table(
            paint,
            &["", "DAG", "DUE", "OWNER", "BLUE", "GREEN", "RUN"],
            &rows,
        ));
    }
    let mut advice = String::new();
    for kind in kinds.iter().filter(|kind| !kind.rows.is_empty()) {
        let more = match kind.all.saturating_sub(kind.rows.len()) {
            0 => String::new(),
            more => format!(" ({more} more are not named)"),
        };
        advice.extend([
            "  ",
            &paint.text(Style::Bold, kind.word),
            &more,
            ": ",
            kind.advice,
            "\n",
        ]);
    }
    if !advice.is_empty() {
        shown.extend(["\n", &advice]);
    }
    for gap in &report.not_asked {
        let color = word(gap.color);
        shown.extend([
            "\n  could not be asked: ",
            &gap.question,
            " of ",
            &paint.text(look_of(color), color),
            ": ",
            &gap.cause,
        ]);
    }
    if !report.not_asked.is_empty() {
        shown.push('\n');
    }
    shown
}

fn transition(report: &ReportAnswer, now: Timestamp) -> String {
    let Some(transition) = report
        .transition
        .as_ref()
        .filter(|transition| !transition.kind.is_empty())
    else {
        return "none so far".to_owned();
    };
    let in_force = transition
        .effective_from
        .map(|from| format!(", in force since {}", moment_and_age(from, now)))
        .unwrap_or_default();
    format!(
        "{} {} -> {}, version {}{in_force}",
        transition.kind,
        word(transition.from),
        word(transition.to),
        number(transition.version),
    )
}

fn window(report: &ReportAnswer) -> String {
    match (report.window.from, report.window.to) {
        (Some(from), Some(to)) => format!("{} to {}", moment(from), moment(to)),
        _ => String::new(),
    }
}

fn runs(counts: &Counts) -> String {
    let mut line = format!("{}, {} executed once", count(counts.runs, "run"), counts.executed_once);
    if counts.unjudged > 0 {
        line = format!("{line}, {} that nothing can be said of", counts.unjudged);
    }
    line
}

fn row(kind: &str, run: &RunLine) -> Vec<Cell> {
    let id = if run.unguarded {
        format!("{} (no guard)", run.run_id)
    } else {
        run.run_id.clone()
    };
    vec![
        Cell::word(kind),
        Cell::plain(&run.dag_id),
        Cell::plain(run.instant.map(moment).unwrap_or_default()),
        Cell::word(word(run.owner)),
        Cell::plain(run.blue.to_string()),
        Cell::plain(run.green.to_string()),
        Cell::plain(id),
    ]
}

/// Names the color whose scheduler is late, and what the other one did.
fn late_row(late: &LateLine) -> Vec<Cell> {
    let fate = |color: Color| match late.color {
        Some(is_late) if is_late == color => "late".to_owned(),
        _ => late.other.to_string(),
    };
    let why = if late.has_import_errors {
        "not made: its file cannot be imported"
    } else {
        "not made"
    };
    vec![
        Cell::word("late"),
        Cell::plain(&late.dag_id),
        Cell::plain(late.due.map(moment).unwrap_or_default()),
        Cell::word(word(late.owner)),
        Cell::plain(fate(Color::Blue)),
        Cell::plain(fate(Color::Green)),
        Cell::plain(why),
    ]
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::{Body, Response};
    use serde_json::{Value, json};

    use super::*;
    use crate::connection::When;

    fn shown(answer: &Value) -> String {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let plain = Paint::new(When::Never, false, &std::io::stdout());
        let (common, body) = read(answer);
        run_report(plain, "orders", &common, &body, now)
    }

    fn read(answer: &Value) -> (Common, RunReportAnswer) {
        let mut answer = answer.clone();
        answer["outcome"] = json!("run_report");
        let response = Response::read(&answer);
        match response.body {
            Body::RunReport(body) => (response.common, *body),
            other => panic!("{other:?}"),
        }
    }

    fn answer(counts: &Value, partial: bool) -> RunReportAnswer {
        read(&json!({"run_report": {"partial": partial, "counts": counts}})).1
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
        // An answer without a report is not a good result.
        assert_eq!(code(&read(&json!({})).1), exit::NOT_READY);
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
