//! The answer of `check`.

use super::open::Open;
use super::tolerant::tolerant;
use crate::color::{Both, Color};
use crate::health::ProbeResult;
use crate::readiness::{
    DagComparison, EnvironmentDetails, Finding, Level, Question, Readiness, Severity, Snapshot, UnansweredQuestion,
};

tolerant! {
    /// What a check found.
    pub struct Check {
        /// The full report of the check.
        pub readiness: CheckReport,
    }

    /// The findings, and what was observed of both environments.
    pub struct CheckReport {
        /// The score, 0 to 100.
        pub score: Option<u32>,
        /// The level that follows from the findings.
        pub level: Open<Level>,
        /// Whether a question has no complete answer.
        pub partial: bool,
        /// The findings, red ones first.
        pub findings: Vec<FindingAnswer>,
        /// The questions without a complete answer.
        pub not_asked: Vec<UnansweredQuestionAnswer>,
        /// Both environments; left out where there is no standby. Only people read it.
        #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
        pub environments: Option<Both<ProbeResult<EnvironmentDetails>>>,
        /// The comparison of their DAGs; left out where there is no standby.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dags: Option<DagComparison>,
    }

    /// One fact that a person should know.
    pub struct FindingAnswer {
        /// The finding's stable name.
        pub name: String,
        /// The finding's severity.
        pub severity: Open<Severity>,
        /// The environment to repair, where the finding concerns one.
        pub color: Option<Color>,
        /// What the check found.
        pub what: String,
        /// Why it matters.
        pub why: String,
        /// How to repair it.
        pub fix: String,
    }

    /// A question without an answer, or with an incomplete one.
    pub struct UnansweredQuestionAnswer {
        /// The question without a complete answer.
        pub question: Open<Question>,
        /// The environment that was asked, where it is one.
        pub color: Option<Color>,
        /// Why there is no complete answer.
        pub cause: String,
    }
}

impl CheckReport {
    /// Adds what was observed of both environments.
    #[must_use]
    pub fn with_snapshot(self, snapshot: &Snapshot, active: Color) -> Self {
        Self {
            environments: Some(snapshot.environments.clone()),
            dags: Some(DagComparison::of(&snapshot.dags, active)),
            ..self
        }
    }
}

impl From<&Readiness> for CheckReport {
    fn from(readiness: &Readiness) -> Self {
        Self {
            score: Some(readiness.score),
            level: readiness.level.into(),
            partial: readiness.partial,
            findings: readiness.findings.iter().map(FindingAnswer::from).collect(),
            not_asked: readiness.not_asked.iter().map(UnansweredQuestionAnswer::from).collect(),
            environments: None,
            dags: None,
        }
    }
}

impl From<&Finding> for FindingAnswer {
    fn from(finding: &Finding) -> Self {
        Self {
            name: finding.name.to_owned(),
            severity: finding.severity.into(),
            color: finding.color,
            what: finding.what.clone(),
            why: finding.why.to_owned(),
            fix: finding.fix.clone(),
        }
    }
}

impl From<&UnansweredQuestion> for UnansweredQuestionAnswer {
    fn from(open: &UnansweredQuestion) -> Self {
        Self {
            question: open.question.into(),
            color: open.color,
            cause: open.cause.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::tests::{check, twins};

    #[test]
    fn a_report_has_what_was_observed_of_both() {
        let pair = twins();
        let report = CheckReport::from(&check(&pair)).with_snapshot(&pair.snapshot, Color::Blue);
        assert_eq!(report.score, Some(100));
        assert_eq!(report.environments, Some(pair.snapshot.environments.clone()));
        assert_eq!(report.dags, Some(DagComparison::of(&pair.snapshot.dags, Color::Blue)));
    }
}
