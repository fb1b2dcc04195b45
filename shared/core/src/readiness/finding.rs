//! What a check finds, and what it could not ask: the answer and its score.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::health::{Cause, CauseKind};
use crate::outcome::Outcome;

/// The severity of a finding, in the order of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The standby cannot take over, or work would be lost if it did.
    Red,
    /// The standby can take over but would behave differently, or a safeguard is missing.
    Amber,
    /// Useful to know, without a risk.
    Info,
}

/// The level of the whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A complete check found nothing red or amber.
    Green,
    /// Something is amber, or a question has no answer.
    Amber,
    /// At least one finding is red.
    Red,
}

/// One fact that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The finding's stable name.
    pub name: &'static str,
    /// The finding's severity.
    pub severity: Severity,
    /// The environment to repair, where the finding concerns one.
    pub color: Option<Color>,
    /// What the check found.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// How to repair it.
    pub fix: String,
}

/// The questions of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The standby's health.
    Verdict,
    /// The answer of mwaa GetEnvironment.
    Environment,
    /// Airflow's list of DAGs.
    Dags,
    /// Airflow's import errors.
    ImportErrors,
    /// The guard's tasks in Airflow's last runs.
    Guards,
    /// The flag's versions and labels.
    FlagHistory,
    /// The flag's `AllowedPattern`.
    FlagPattern,
    /// The user's alarms.
    NamedAlarms,
    /// The stack's heartbeat alarms.
    HeartbeatAlarms,
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Verdict => "verdict",
            Self::Environment => "environment",
            Self::Dags => "dags",
            Self::ImportErrors => "import-errors",
            Self::Guards => "guards",
            Self::FlagHistory => "flag-history",
            Self::FlagPattern => "flag-pattern",
            Self::NamedAlarms => "named-alarms",
            Self::HeartbeatAlarms => "heartbeat-alarms",
        })
    }
}

/// A question without an answer, or with an incomplete one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnansweredQuestion {
    /// The question without a complete answer.
    pub question: Question,
    /// The environment that was asked, where it is one.
    pub color: Option<Color>,
    /// Why there is no complete answer.
    pub cause: String,
}

/// The answer of a readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Readiness {
    /// 0 to 100, see [`score`].
    pub score: u32,
    /// The level that follows from the findings.
    pub level: Level,
    /// Whether a question has no complete answer.
    pub partial: bool,
    /// Red first; within a severity in a fixed order.
    pub findings: Vec<Finding>,
    /// The questions without a complete answer.
    pub not_asked: Vec<UnansweredQuestion>,
}

/// The score of a check.
///
/// A standby that is equal to its active environment scores 100 if every question was answered. Each amber finding
/// costs 8, and each question without an answer 4, down to 50. Below 50 is red, and nothing else is. The first red
/// finding sets the score to 49. Each further one costs 10, and each amber one 2, down to 0. Info costs nothing. So an
/// alarm at "below 50" is an alarm on red.
#[must_use]
pub fn score(reds: usize, ambers: usize, unanswered: usize) -> u32 {
    let taken = |count: usize, each: u32| u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(each);
    match reds.checked_sub(1) {
        None => 100_u32
            .saturating_sub(taken(ambers, 8))
            .saturating_sub(taken(unanswered, 4))
            .max(50),
        Some(further) => 49_u32
            .saturating_sub(taken(further, 10))
            .saturating_sub(taken(ambers, 2)),
    }
}

impl Readiness {
    /// The answer where the flag holds no color, so that the pair has no standby.
    pub fn without_standby(what: String) -> Self {
        let mut report = Report::default();
        report.add(Finding {
            name: "flag",
            severity: Severity::Red,
            color: None,
            what,
            why: "without an active color there is no standby, and every DAG's check fails",
            fix: "make a new pair's flag with {\"action\":\"initialize\"}; put an invalid one right with \
                  {\"to\":\"<color>\",\"force\":true}, a deleted one with \
                  {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}"
                .to_owned(),
        });
        report.close()
    }

    /// The outcome of the whole answer.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (self.level, self.partial) {
            (Level::Red, _) => Outcome::NotReady,
            (_, true) => Outcome::Partial,
            _ => Outcome::Ready,
        }
    }

    /// Names of the findings of one severity, each once.
    #[must_use]
    pub fn names(&self, severity: Severity) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .map(|finding| finding.name)
            .collect();
        names.dedup();
        names
    }

    /// The questions without an answer, as `dags (green)`, each once.
    fn unanswered(&self) -> Vec<String> {
        let mut questions: Vec<String> = self
            .not_asked
            .iter()
            .map(|open| match open.color {
                Some(color) => format!("{} ({color})", open.question),
                None => open.question.to_string(),
            })
            .collect();
        questions.sort();
        questions.dedup();
        questions
    }

    /// The answer in one sentence.
    #[must_use]
    pub fn summary(&self, standby: Color) -> String {
        let red = self.names(Severity::Red);
        let amber = self.names(Severity::Amber);
        let mut text = match self.outcome() {
            Outcome::NotReady => format!("{standby} is not ready to take over: {}", red.join(", ")),
            Outcome::Partial => format!(
                "nothing speaks against {standby} taking over, but not everything could be asked: {}",
                self.unanswered().join(", ")
            ),
            _ => format!("{standby} is ready to take over"),
        };
        if !amber.is_empty() {
            text.push_str("; to look at: ");
            text.push_str(&amber.join(", "));
        }
        text
    }
}

/// The questions that must be answered before a finding with this name can be cleared.
pub(super) fn questions_behind(name: &str) -> &'static [Question] {
    match name {
        "standby-verdict" | "standby-heartbeat" => &[Question::Verdict],
        "dags-missing" | "dags-paused" => &[Question::Dags],
        "import-errors" => &[Question::ImportErrors],
        // Without the other answers, the guards are not even asked for.
        "guard-missing" => &[
            Question::Guards,
            Question::Dags,
            Question::Environment,
            Question::FlagHistory,
        ],
        "flag-label" => &[Question::FlagHistory],
        "permission-denied" => &[Question::Environment, Question::Dags, Question::ImportErrors],
        "flag" | "root-owner" => &[],
        _ => &[Question::Environment],
    }
}

/// Collects findings until they are sorted.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    pub(super) not_asked: Vec<UnansweredQuestion>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Records a question without an answer. A denied request is a finding, because only a person can change that.
    pub(super) fn unanswered(&mut self, question: Question, color: Option<Color>, action: &'static str, cause: &Cause) {
        self.not_asked.push(UnansweredQuestion {
            question,
            color,
            cause: cause.to_string(),
        });
        if cause.kind != CauseKind::AccessDenied {
            return;
        }
        // Without these two permissions an environment's health stays unknown, and a failover to it never happens.
        // Health does not need runs.
        let severity = match action {
            _ if question == Question::Guards => Severity::Amber,
            "airflow:GetEnvironment" | "airflow:InvokeRestApi" => Severity::Red,
            _ => Severity::Amber,
        };
        self.add(Finding {
            name: "permission-denied",
            severity,
            color,
            what: format!("may not ask {action}: {}", cause.message),
            why: "what may not be asked cannot be watched over",
            fix: match action {
                "airflow:InvokeRestApi" => "allow airflow:InvokeRestApi on the environment's Airflow role (the stack's \
                                            AskAirflow statement and its parameter AirflowRole), and let that role read \
                                            DAGs, import errors, DAG runs and task instances in Airflow"
                    .to_owned(),
                action => format!("allow {action} to this function's role: deploy the stack's template again"),
            },
        });
    }

    pub(super) fn close(mut self) -> Readiness {
        // The sort is stable: within a severity, the order is that of the questions, which never changes.
        self.findings.sort_by_key(|finding| finding.severity);
        let mut seen: Vec<Finding> = Vec::new();
        for finding in self.findings {
            // Two questions that use the same action are denied together.
            if !seen.contains(&finding) {
                seen.push(finding);
            }
        }
        let count = |severity| seen.iter().filter(|finding| finding.severity == severity).count();
        let (reds, ambers) = (count(Severity::Red), count(Severity::Amber));
        let partial = !self.not_asked.is_empty();
        Readiness {
            score: score(reds, ambers, self.not_asked.len()),
            level: match (reds, ambers, partial) {
                (0, 0, false) => Level::Green,
                (0, _, _) => Level::Amber,
                _ => Level::Red,
            },
            partial,
            findings: seen,
            not_asked: self.not_asked,
        }
    }
}

/// At most five names, and the number of the others.
#[must_use]
pub fn some_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.get(..SHOWN.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
