//! An event's detail, read without trusting it.

use std::fmt::Display;

use jiff::Timestamp;

use super::message::PairContext;
use crate::printable::is_printable;
use crate::response::PreconditionAnswer;
use crate::time::to_second;

/// Longest reason and longest detail in a list, in characters. With the limits below, a message stays under half of the
/// 256 KB that SNS accepts.
pub(super) const LONGEST_REASON: usize = 2000;
pub(super) const LONGEST_DETAIL: usize = 500;
pub(super) const MOST_DETAILS: usize = 30;

// -- reading fields that are not trusted

/// The text on one line, if there is any text.
pub(super) fn line(text: &str, most: usize) -> Option<String> {
    Some(sanitize_line(text, most)).filter(|text| !text.is_empty())
}

/// The same for a text that may be missing.
pub(super) fn line_of(text: Option<&str>, most: usize) -> Option<String> {
    line(text?, most)
}

/// A word, or `?` where there is none.
pub(super) fn word(of: &impl Display) -> String {
    word_or(Some(of), "?")
}

/// A word, or another where there is none.
pub(super) fn word_or(of: Option<&impl Display>, otherwise: &str) -> String {
    of.and_then(|of| line(&of.to_string(), 80))
        .unwrap_or_else(|| otherwise.to_owned())
}

pub(super) fn reason(given: &str) -> String {
    line(given, LONGEST_REASON).unwrap_or_else(|| "No reason was given.".to_owned())
}

/// The instant in the form `2026-11-23 10:15:02 UTC`.
pub(super) fn moment(instant: Timestamp) -> String {
    to_second(instant).replace('T', " ").replace('Z', " UTC")
}

pub(super) fn moment_or_unknown(instant: Option<Timestamp>) -> String {
    instant.map_or_else(|| "an unknown time".to_owned(), moment)
}

/// The preconditions that object, each with its detail.
pub(super) fn failed_preconditions(preconditions: &[PreconditionAnswer]) -> Vec<(String, String)> {
    preconditions
        .iter()
        .filter(|precondition| !precondition.passed)
        .take(MOST_DETAILS)
        .map(|precondition| {
            let said = line(&precondition.detail, LONGEST_DETAIL);
            (
                word(&precondition.name),
                said.unwrap_or_else(|| "it gives no reason".to_owned()),
            )
        })
        .collect()
}

/// Whether the fault's id is that of a missing flag, which has no version ([`crate::audit::missing_flag`]).
pub(super) fn is_of_missing_flag(id: &str, place: PairContext<'_>) -> bool {
    id.strip_prefix(&format!("{}:{}:", place.pair, place.flag))
        .is_some_and(|about| about.starts_with("missing"))
}

/// The text on one line, without invisible characters, and no longer than a reader wants it.
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
