//! The kind of a transition, in one word.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a transition: why the flag changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A planned change by a person.
    Switch,
    /// An unplanned change, because the active environment failed.
    Failover,
    /// The way out of a drill.
    Drill,
    /// The way back from a drill.
    DrillReturn,
    /// A person's return to the previous color.
    Rollback,
    /// The repair of a broken flag.
    Restore,
    /// A manual edit of the flag, outside this product.
    External,
    /// The creation of the flag.
    Initialize,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::Switch,
        Self::Failover,
        Self::Drill,
        Self::DrillReturn,
        Self::Rollback,
        Self::Restore,
        Self::External,
        Self::Initialize,
    ];

    /// The kind as records, metrics and events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Failover => "failover",
            Self::Drill => "drill",
            Self::DrillReturn => "drill-return",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
            Self::External => "external",
            Self::Initialize => "initialize",
        }
    }

    /// The kind with which a Description starts, as [`crate::flag::description`] writes it.
    #[must_use]
    pub fn of_description(description: &str) -> Option<Self> {
        let (word, _) = description.split_once(": ")?;
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether a person wanted it: such a transition acknowledges the automatic ones before it.
    #[must_use]
    pub fn is_by_a_person(self) -> bool {
        matches!(self, Self::Switch | Self::Rollback | Self::External)
    }

    /// Whether it takes effect a short lead after its write, so that every reader has seen it before it counts.
    #[must_use]
    pub fn is_planned(self) -> bool {
        !matches!(self, Self::Failover)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
