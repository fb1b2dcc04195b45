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

/// The word of `known` that is nearest to `given`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = (given.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|word| (distance(&given.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, word)| word)
}

/// How many letters must be changed, added or left out.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line.saturating_add(1);
        let mut next = vec![before];
        for (above, other) in row.iter().skip(1).zip(&right) {
            let changed = diagonal.saturating_add(usize::from(letter != *other));
            before = changed.min(above.saturating_add(1)).min(before.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
