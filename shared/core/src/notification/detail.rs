//! An event's detail, read without trust.

use jiff::Timestamp;
use serde_json::Value;

use super::message::PairContext;
use crate::color::Color;
use crate::printable::is_printable;
use crate::time::to_second;

/// Characters of one reason, and of one detail among several. With the limits below, a message stays under half of the
/// 256 KB that SNS takes.
pub(super) const LONGEST_REASON: usize = 2000;
pub(super) const LONGEST_DETAIL: usize = 500;
pub(super) const MOST_DETAILS: usize = 30;

// -- reading what nobody vouches for

pub(super) struct Detail<'a>(pub(super) &'a Value);

impl Detail<'_> {
    pub(super) fn at(&self, path: &str) -> &Value {
        self.0.pointer(&format!("/{path}")).unwrap_or(&Value::Null)
    }

    /// Text or a number, on one line.
    pub(super) fn text(&self, path: &str, most: usize) -> Option<String> {
        match self.at(path) {
            Value::String(text) => Some(sanitize_line(text, most)).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn word(&self, path: &str) -> String {
        self.word_or(path, "?")
    }

    pub(super) fn word_or(&self, path: &str, otherwise: &str) -> String {
        self.text(path, 80).unwrap_or_else(|| otherwise.to_owned())
    }

    pub(super) fn reason(&self) -> String {
        self.text("reason", LONGEST_REASON)
            .unwrap_or_else(|| "No reason was given.".to_owned())
    }

    pub(super) fn number(&self, path: &str) -> Option<f64> {
        self.at(path).as_f64()
    }

    pub(super) fn color(&self, path: &str) -> Option<Color> {
        let text = self.at(path).as_str()?;
        Color::BOTH.into_iter().find(|color| color.as_str() == text)
    }

    /// `2026-11-23 10:15:02 UTC`.
    pub(super) fn time_if_any(&self, path: &str) -> Option<String> {
        let instant: Timestamp = self.at(path).as_str()?.parse().ok()?;
        Some(to_second(instant).replace('T', " ").replace('Z', " UTC"))
    }

    pub(super) fn time(&self, path: &str) -> String {
        self.time_if_any(path).unwrap_or_else(|| "an unknown time".to_owned())
    }

    /// Whether a person asked for this failover.
    pub(super) fn is_declared(&self) -> bool {
        self.at("declared_by_person") == &Value::Bool(true)
    }

    pub(super) fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a readiness check found this.
    pub(super) fn names_finding(&self, name: &str) -> bool {
        self.list("findings")
            .iter()
            .any(|finding| Detail(finding).at("name").as_str() == Some(name))
    }

    /// The preconditions that object, with what each says.
    pub(super) fn failed_preconditions(&self) -> Vec<(String, String)> {
        self.list("preconditions")
            .iter()
            .map(Detail)
            .filter(|precondition| precondition.at("passed") == &Value::Bool(false))
            .take(MOST_DETAILS)
            .map(|precondition| {
                let said = precondition.text("detail", LONGEST_DETAIL);
                (
                    precondition.word("name"),
                    said.unwrap_or_else(|| "it gives no reason".to_owned()),
                )
            })
            .collect()
    }

    /// A fault's id names the version it is about; a flag that is gone has none ([`crate::audit::missing_flag`]).
    pub(super) fn is_of_missing_flag(&self, place: PairContext<'_>) -> bool {
        self.at("id")
            .as_str()
            .and_then(|id| id.strip_prefix(&format!("{}:{}:", place.pair, place.flag)))
            .is_some_and(|about| about.starts_with("missing"))
    }
}

/// On one line, without what does not show itself, and no longer than a reader wants it.
pub(super) fn sanitize_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length: usize = 0;
    for word in text.split(|c: char| c.is_whitespace() || !is_printable(c)) {
        let gap = if line.is_empty() || word.is_empty() { "" } else { " " };
        for c in gap.chars().chain(word.chars()) {
            if length == most {
                let kept = line.chars().take(most.saturating_sub(3));
                return kept.chain("...".chars()).collect();
            }
            line.push(c);
            length = length.saturating_add(1);
        }
    }
    line
}
