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
        /// All of it.
        pub readiness: CheckReport,
    }

    /// The findings, and what was seen of both environments.
    pub struct CheckReport {
        /// 0 to 100.
        pub score: Option<u32>,
        /// The worst of it.
        pub level: Open<Level>,
        /// Whether something could not be asked.
        pub partial: bool,
        /// Red first.
        pub findings: Vec<FindingAnswer>,
        /// What could not be asked.
        pub not_asked: Vec<UnansweredQuestionAnswer>,
        /// Both environments; left out where there is no standby. Written, and
        /// read by people alone.
        #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
        pub environments: Option<Both<ProbeResult<EnvironmentDetails>>>,
        /// Their DAGs, compared; left out where there is no standby.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dags: Option<DagComparison>,
    }

    /// One thing that a person should know.
    pub struct FindingAnswer {
        /// Stable name.
        pub name: String,
        /// How bad.
        pub severity: Open<Severity>,
        /// The environment to repair, where it is one.
        pub color: Option<Color>,
        /// What was found.
        pub what: String,
        /// Why it matters.
        pub why: String,
        /// How to repair it.
        pub fix: String,
    }

    /// A question without an answer, or with half of one.
    pub struct UnansweredQuestionAnswer {
        /// The question.
        pub question: Open<Question>,
        /// Of which environment.
        pub color: Option<Color>,
        /// Why.
        pub cause: String,
    }
}

impl CheckReport {
    /// With what was seen of both environments.
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
