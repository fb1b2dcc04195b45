//! What of a check speaks against the standby. In a rollout the colors differ on purpose.

use bluegreen_core::color::Color;
use bluegreen_core::readiness::{Question, Severity};
use bluegreen_core::response::{CheckReport, Open};

/// Where the two colors differ at this moment because the rollout wants it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Differences {
    /// In their stacks.
    pub stacks: bool,
    /// In their DAG files.
    pub dags: bool,
}

/// Red findings that follow from stacks which differ.
const OF_STACKS: [&str; 4] = ["airflow-version", "requirements", "plugins", "startup-script"];

/// Red findings that follow from DAG files which differ: a release may remove or rename a DAG.
const OF_DAGS: [&str; 1] = ["dags-missing"];

/// Questions without whose answer nobody knows whether the standby could take over.
const NEEDED: [Question; 4] = [
    Question::Verdict,
    Question::Environment,
    Question::Dags,
    Question::ImportErrors,
];

/// What speaks against a switch to the standby: red findings that the rollout does not explain, and questions without an
/// answer. Empty if nothing does.
#[must_use]
pub fn judge(report: &CheckReport, differ: Differences) -> Vec<String> {
    let is_expected =
        |name: &str| (differ.stacks && OF_STACKS.contains(&name)) || (differ.dags && OF_DAGS.contains(&name));
    let findings = report.findings.iter().filter_map(|finding| {
        let harmless = match &finding.severity {
            Open::Known(Severity::Red) => is_expected(&finding.name),
            Open::Known(Severity::Amber | Severity::Info) => true,
            // A severity of a newer function, which this reader cannot weigh.
            Open::Other(_) => false,
        };
        (!harmless).then(|| format!("{}: {}; {}", finding.name, finding.what, finding.fix))
    });
    let questions = report.not_asked.iter().filter_map(|open| {
        let is_needed = match &open.question {
            Open::Known(question) => NEEDED.contains(question),
            Open::Other(_) => false,
        };
        let of = open
            .color
            .map_or_else(String::new, |color: Color| format!(" of {color}"));
        is_needed.then(|| format!("no answer: {}{of}: {}", open.question, open.cause))
    });
    findings.chain(questions).collect()
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::{FindingAnswer, UnansweredQuestionAnswer};

    use super::*;

    fn report(names: &[(&str, Open<Severity>)], questions: &[Open<Question>]) -> CheckReport {
        CheckReport {
            findings: names
                .iter()
                .map(|(name, severity)| FindingAnswer {
                    name: (*name).to_owned(),
                    severity: severity.clone(),
                    ..FindingAnswer::default()
                })
                .collect(),
            not_asked: questions
                .iter()
                .map(|question| UnansweredQuestionAnswer {
                    question: question.clone(),
                    color: Some(Color::Green),
                    cause: "throttled".to_owned(),
                })
                .collect(),
            ..CheckReport::default()
        }
    }

    const STACKS: Differences = Differences {
        stacks: true,
        dags: false,
    };
    const DAGS: Differences = Differences {
        stacks: false,
        dags: true,
    };

    #[test]
    fn only_the_differences_that_the_rollout_makes_are_expected() {
        let red = |name: &str, differ: Differences| judge(&report(&[(name, Severity::Red.into())], &[]), differ).len();
        for name in OF_STACKS {
            assert_eq!((red(name, STACKS), red(name, DAGS)), (0, 1), "{name}");
        }
        assert_eq!((red("dags-missing", STACKS), red("dags-missing", DAGS)), (1, 0));
        for name in [
            "standby-verdict",
            "import-errors",
            "guard-missing",
            "dags-paused",
            "environment-color",
            "new",
        ] {
            for differ in [
                STACKS,
                DAGS,
                Differences {
                    stacks: true,
                    dags: true,
                },
            ] {
                assert_eq!(red(name, differ), 1, "{name}");
            }
        }
    }

    #[test]
    fn what_cannot_be_asked_or_weighed_speaks_against_it() {
        let none = Differences::default();
        assert!(judge(&report(&[("drill-overdue", Severity::Amber.into())], &[]), none).is_empty());
        assert_eq!(
            judge(&report(&[("x", Open::Other("violet".to_owned()))], &[]), none).len(),
            1
        );
        assert_eq!(judge(&report(&[], &NEEDED.map(Open::from)), none).len(), NEEDED.len());
        assert!(judge(&report(&[], &[Question::NamedAlarms.into()]), none).is_empty());
    }
}
