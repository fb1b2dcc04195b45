//! The state that a request is made for.

use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::flag::{FlagObservation, FlagVersion};
use crate::precondition::{Precondition, PreconditionName};

/// The state a request was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The active color.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Color>,
    /// The flag's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<FlagVersion>,
}

impl Expect {
    /// Objects if the flag differs from what is expected. This is the caller's own condition, so `force` does not skip
    /// it.
    #[must_use]
    pub fn precondition(&self, observed: &FlagObservation) -> Precondition {
        let good = self.active.is_none_or(|active| observed.value.color() == Some(active))
            && self.version.is_none_or(|version| observed.version == version);
        let mut wanted = Vec::new();
        wanted.extend(self.active.map(|active| active.to_string()));
        wanted.extend(self.version.map(|version| format!("version {version}")));
        let detail = format!(
            "expected {}, found {} at version {}",
            wanted.join(" at "),
            observed.value,
            observed.version
        );
        Precondition::new(PreconditionName::Expect, good, detail)
    }
}
