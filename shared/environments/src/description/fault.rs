//! What is wrong in a description, for a person.

use std::fmt;

/// One fault, or one thing to think about again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line of the file, from 1; none if the file lacks what it should have.
    pub line: Option<usize>,
    /// The key with its table, such as `environment.class`.
    pub key: String,
    /// What was given.
    pub given: String,
    /// What is allowed; empty if `given` says it all.
    pub allowed: String,
    /// What to do; may be empty if that is plain.
    pub advice: String,
}

impl Fault {
    /// What was given, what is allowed, and what to do.
    #[must_use]
    pub fn new(line: Option<usize>, key: &str, given: &str, allowed: &str, advice: &str) -> Self {
        Self {
            line,
            key: key.to_owned(),
            given: given.to_owned(),
            allowed: allowed.to_owned(),
            advice: advice.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        if self.allowed.is_empty() {
            write!(formatter, "{}", self.given)?;
        } else {
            write!(formatter, "given {}; allowed: {}", self.given, self.allowed)?;
        }
        if !self.advice.is_empty() {
            write!(formatter, "; {}", self.advice)?;
        }
        Ok(())
    }
}
