//! The flag: the parameter whose value is the active color, its versions, and their Descriptions.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::text::without_references;
use crate::time::{after, to_second};
use crate::transition_kind::Kind;

pub use crate::text::shortened;

/// The pattern sent with every write, because it is not documented whether SSM keeps the pattern when an overwrite
/// omits it.
pub const ALLOWED_PATTERN: &str = "^(blue|green)$";

/// Longest Description that SSM stores, in characters.
pub const MAX_DESCRIPTION: usize = 1024;

/// How many versions SSM keeps of a parameter.
pub const KEPT_VERSIONS: usize = 100;

/// How long after its LastModifiedDate a version may take effect. Limits the harm of a writer's wrong clock.
pub const MAX_LEAD: Duration = Duration::from_secs(60);

/// A version number of the flag, as SSM counts: it starts at 1, grows by one for each write, and restarts after a
/// deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlagVersion(pub u64);

impl FlagVersion {
    /// The version that the next write creates if nothing else is written in between.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for FlagVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A stored value, exactly as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagValue {
    /// One of the two colors.
    Valid(Color),
    /// Any other text, kept so that it can be shown.
    Invalid(String),
}

impl FlagValue {
    /// Reads a stored value.
    #[must_use]
    pub fn read(stored: &str) -> Self {
        Color::parse(stored).map_or_else(|| Self::Invalid(stored.to_owned()), Self::Valid)
    }

    /// The color, if it is one.
    #[must_use]
    pub fn color(&self) -> Option<Color> {
        match self {
            Self::Valid(color) => Some(*color),
            Self::Invalid(_) => None,
        }
    }

    /// What is wrong with a value that is no color, in the same words wherever it is reported: an event of one id has
    /// one reason, whoever publishes it.
    #[must_use]
    pub fn fault(&self) -> String {
        format!("the flag holds {self}; allowed is exactly blue or green")
    }
}

impl fmt::Display for FlagValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(color) => color.fmt(formatter),
            Self::Invalid(text) => write!(formatter, "{:?}", shortened(text, 60)),
        }
    }
}

/// The flag as one request read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlagObservation {
    /// The stored value.
    pub value: FlagValue,
    /// The version that holds the value.
    pub version: FlagVersion,
    /// LastModifiedDate of that version.
    pub modified: Timestamp,
}

/// Names one version of one incarnation of the flag: versions restart after a deletion.
#[must_use]
pub fn label(version: FlagVersion, modified: Timestamp) -> String {
    format!("v{version}-{}", modified.as_millisecond())
}

impl FlagObservation {
    /// Names this version, see [`label`].
    #[must_use]
    pub fn label(&self) -> String {
        label(self.version, self.modified)
    }

    /// Whether `self` and `other` are the same version of the same incarnation of the flag.
    #[must_use]
    pub fn same_version_as(&self, other: &Self) -> bool {
        self.version == other.version && self.modified.as_millisecond() == other.modified.as_millisecond()
    }
}

/// The machine-readable end of a Description: `[effective_from=2026-11-23T10:12:44Z record=v13-1764…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptionMetadata {
    /// When the version takes effect.
    pub effective_from: Timestamp,
    /// Name of its transition record, below `transitions/`.
    pub record: String,
}

impl DescriptionMetadata {
    /// Reads the metadata of a Description; none if it is missing or damaged.
    #[must_use]
    pub fn read(description: &str) -> Option<Self> {
        let start = description.rfind("[effective_from=")?;
        let inside = description.get(start..)?.strip_prefix('[')?.strip_suffix(']')?;
        let (effective_from, record) = inside.strip_prefix("effective_from=")?.split_once(" record=")?;
        if record.is_empty() || record.contains(char::is_whitespace) {
            return None;
        }
        Some(Self {
            effective_from: effective_from.parse().ok()?,
            record: record.to_owned(),
        })
    }
}

/// The Description of a version, as it is sent: one sentence for people, then the metadata. The sentence is shortened
/// if both do not fit.
#[must_use]
pub fn description(kind: Kind, sentence: &str, tail: &DescriptionMetadata) -> String {
    // Parameter Store shows a Description on one line, and a sentence must not imitate the brackets of the metadata.
    let sentence: String = sentence
        .chars()
        .map(|character| match character {
            '[' => '(',
            ']' => ')',
            other if other.is_control() => ' ',
            other => other,
        })
        .collect();
    let tail = format!(" [effective_from={} record={}]", tail.effective_from, tail.record);
    // Before the length is measured, because this adds characters.
    let head = without_references(&format!("{kind}: {sentence}"));
    let room = MAX_DESCRIPTION.saturating_sub(tail.chars().count());
    format!("{}{tail}", shortened(&head, room))
}

/// The start of the sentence of a version whose writer finished the claim of a dead one.
const FINISHED: &str = "claim of a dead writer finished by request ";

/// The sentence for finishing a dead writer's abandoned claim.
#[must_use]
pub fn finishing_sentence(request_id: &str, sentence: &str) -> String {
    format!("{FINISHED}{request_id}; {sentence}")
}

/// A sentence in a person's own words, which must not be mistaken for [`finishing_sentence`].
#[must_use]
pub fn escape_reserved_prefix(sentence: &str) -> String {
    if sentence.starts_with(FINISHED) {
        format!("\u{201c}{sentence}\u{201d}")
    } else {
        sentence.to_owned()
    }
}

/// The request that finished a dead writer's claim, if this Description says so.
#[must_use]
pub fn finished_by(description: &str) -> Option<String> {
    let (_, sentence) = description.split_once(": ")?;
    let (request_id, _) = sentence.strip_prefix(FINISHED)?.split_once(';')?;
    Some(request_id.to_owned())
}

/// The start of the reason of a failover or repair that a person requested. No reason of the watcher starts like this:
/// its own reasons start with the unhealthy color, or with the flag.
const DECLARED: &str = "declared by a person: ";

/// The reason of a failover or a repair that a person requested. Every reader of the reason, and of the Description
/// that starts with it, can distinguish it from an automatic one.
#[must_use]
pub fn declared_reason(reason: &str) -> String {
    format!("{DECLARED}{reason}")
}

/// Whether a reason, or the sentence of a Description, belongs to a failover or a repair that a person requested.
#[must_use]
pub fn is_declared(sentence: &str) -> bool {
    let own = sentence
        .strip_prefix(FINISHED)
        .and_then(|finished| finished.split_once("; "))
        .map_or(sentence, |(_, own)| own);
    own.starts_with(DECLARED)
}

/// The sentence of a Description, without kind and metadata.
#[must_use]
pub fn sentence_of(description: &str) -> &str {
    let (_, sentence) = description.split_once(": ").unwrap_or(("", description));
    sentence
        .rsplit_once(" [effective_from=")
        .map_or(sentence, |(sentence, _)| sentence)
}

/// One version of the flag, as GetParameterHistory returns it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The value of this version.
    pub value: FlagValue,
    /// The number of this version.
    pub version: FlagVersion,
    /// LastModifiedDate.
    pub modified: Timestamp,
    /// LastModifiedUser, an IAM ARN.
    pub author: Option<String>,
    /// The Description, with the metadata if this product wrote it.
    pub description: Option<String>,
}

/// How a version came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Written by this product: the Description carries the metadata of a record that no earlier version has.
    Ours {
        /// Name of the record.
        record: String,
        /// The kind, read from the Description; the record is authoritative.
        kind: Kind,
        /// Request id of the writer that finished a dead writer's claim; then the Description is authoritative.
        finished_by: Option<String>,
    },
    /// The same write arrived twice (a retried request): same record and same value as an earlier version.
    Repeat {
        /// Name of the record.
        record: String,
        /// Kind of the version it repeats.
        kind: Kind,
    },
    /// Written outside this product. A Description inherited from an earlier version does not make it ours.
    External,
}

impl HistoryEntry {
    /// The sentence of its writer; none where a manual edit gave none, and the Description of the previous version was
    /// kept.
    #[must_use]
    pub fn words(&self, origin: &Origin) -> Option<&str> {
        let description = self.description.as_deref()?;
        match origin {
            Origin::External if DescriptionMetadata::read(description).is_some() => None,
            _ => Some(description),
        }
    }
}

/// One version with what follows from the versions before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version as the history returns it.
    pub entry: HistoryEntry,
    /// How it came to be.
    pub origin: Origin,
    /// When it takes effect, after the readers' clamps.
    pub effective_from: Timestamp,
}

impl Version {
    /// The kind of transition, as far as the history alone shows it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.origin {
            Origin::Ours { kind, .. } | Origin::Repeat { kind, .. } => *kind,
            Origin::External => Kind::External,
        }
    }

    /// Whether it is a failover that a person requested.
    #[must_use]
    pub fn is_declared_failover(&self) -> bool {
        self.kind() == Kind::Failover && self.is_declared()
    }

    fn is_declared(&self) -> bool {
        let description = self.entry.description.as_deref();
        description.is_some_and(|description| is_declared(sentence_of(description)))
    }

    /// Whether a person wanted it: such a transition acknowledges the automatic ones before it. An invalid value is no
    /// transition, and its writer has checked nothing.
    #[must_use]
    pub fn is_by_a_person(&self) -> bool {
        let is_wanted = match self.kind() {
            // Made by the watcher, or by a person.
            Kind::Failover | Kind::Restore => self.is_declared(),
            kind => kind.is_by_a_person(),
        };
        self.entry.value.color().is_some() && is_wanted
    }
}

/// The version before a transition; where its write arrived more than once, the version before the first arrival.
#[must_use]
pub fn before<'a>(versions: &'a [Version], version: &Version) -> Option<&'a Version> {
    let first = match &version.origin {
        Origin::Repeat { record: of, .. } => versions
            .iter()
            .find(|other| matches!(&other.origin, Origin::Ours { record, .. } if record == of)),
        Origin::Ours { .. } | Origin::External => None,
    };
    let first = first.unwrap_or(version).entry.version;
    versions.iter().rev().find(|other| other.entry.version < first)
}

/// The versions of the flag in order, each with its origin and the instant from which it counts.
///
/// `effective_from` is clamped to at most LastModifiedDate + 60 s, and to no earlier than that of the previous version.
/// So a writer's wrong clock cannot change the past or postpone the present.
#[must_use]
pub fn versions(history: &[HistoryEntry]) -> Vec<Version> {
    let mut entries: Vec<&HistoryEntry> = history.iter().collect();
    entries.sort_by_key(|entry| entry.version);
    entries.dedup_by_key(|entry| entry.version);
    let mut seen: HashSet<String> = HashSet::new();
    let mut previous: Option<(Timestamp, &FlagValue)> = None;
    let mut result = Vec::with_capacity(entries.len());
    for entry in entries {
        let tail = entry.description.as_deref().and_then(DescriptionMetadata::read);
        let kind = entry
            .description
            .as_deref()
            .and_then(Kind::of_description)
            .unwrap_or(Kind::External);
        let (origin, wanted) = match tail {
            Some(tail) if seen.insert(tail.record.clone()) => {
                let finished_by = entry.description.as_deref().and_then(finished_by);
                (
                    Origin::Ours {
                        record: tail.record,
                        kind,
                        finished_by,
                    },
                    tail.effective_from,
                )
            }
            Some(tail) if previous.is_some_and(|(_, value)| *value == entry.value) => (
                Origin::Repeat {
                    record: tail.record,
                    kind,
                },
                tail.effective_from,
            ),
            Some(_) | None => (Origin::External, entry.modified),
        };
        let latest = after(entry.modified, MAX_LEAD);
        let effective_from = match previous {
            Some((earliest, _)) => wanted.min(latest).max(earliest),
            None => wanted.min(latest),
        };
        previous = Some((effective_from, &entry.value));
        result.push(Version {
            entry: entry.clone(),
            origin,
            effective_from,
        });
    }
    result
}

impl fmt::Display for FlagObservation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} (version {}, written {})",
            self.value,
            self.version,
            to_second(self.modified)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry(version: u64, value: &str, modified: &str, description: Option<&str>) -> HistoryEntry {
        HistoryEntry {
            value: FlagValue::read(value),
            version: FlagVersion(version),
            modified: at(modified),
            author: None,
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn a_description_is_read_back_whatever_the_sentence_says() {
        let tail = DescriptionMetadata {
            effective_from: at("2026-11-23T10:12:44Z"),
            record: "v13-1764".into(),
        };
        for sentence in [
            "",
            "plain",
            "[effective_from=x record=y]",
            "line\nbreak",
            &"é".repeat(3000),
            &"{".repeat(3000),
            &format!("alarm {{{{env}}}}-late, {}", "x".repeat(2000)),
            "{{{ ds }}}",
            "][",
        ] {
            let text = description(Kind::Failover, sentence, &tail);
            assert!(text.chars().count() <= MAX_DESCRIPTION, "{sentence:.20}");
            assert!(!text.contains("{{"), "{text}");
            assert_eq!(DescriptionMetadata::read(&text), Some(tail.clone()), "{text}");
            assert_eq!(Kind::of_description(&text), Some(Kind::Failover));
            assert!(!text.contains('\n'));
        }
        assert_eq!(
            description(Kind::Failover, "blue is dead", &tail),
            "failover: blue is dead [effective_from=2026-11-23T10:12:44Z record=v13-1764]"
        );
    }

    #[test]
    fn a_failover_by_a_person_is_told_from_an_automatic_one() {
        let at_noon = at("2026-11-23T12:00:00Z");
        let version = |kind: Kind, sentence: &str| {
            let tail = DescriptionMetadata {
                effective_from: at_noon,
                record: "v2-1".into(),
            };
            let text = description(kind, sentence, &tail);
            versions(&[entry(2, "green", "2026-11-23T12:00:00Z", Some(&text))]).remove(0)
        };
        let declared = declared_reason("blue is dead, says ana");
        let long = declared_reason(&"x".repeat(3000));
        for (kind, sentence, expected) in [
            (Kind::Failover, declared.as_str(), true),
            (Kind::Failover, long.as_str(), true),
            (Kind::Failover, &finishing_sentence("r-7", &declared), true),
            (Kind::Failover, "blue is unhealthy: declared by a person: no", false),
            (
                Kind::Failover,
                &finishing_sentence("r-7", "blue is unhealthy: alarm; declared by a person: x"),
                false,
            ),
            (Kind::Switch, declared.as_str(), false),
            (Kind::Restore, declared.as_str(), false),
            (Kind::DrillReturn, declared.as_str(), false),
        ] {
            let version = version(kind, sentence);
            assert_eq!(version.is_declared_failover(), expected, "{kind}: {sentence:.60}");
            assert_eq!(
                version.is_by_a_person(),
                expected || matches!(kind, Kind::Switch | Kind::Restore),
                "{kind}: {sentence:.60}"
            );
        }
    }

    #[test]
    fn a_damaged_tail_is_no_tail() {
        for text in [
            "",
            "by hand",
            "[effective_from=2026-11-23T10:12:44Z record=v13",
            "[effective_from=yesterday record=v13]",
            "[effective_from=2026-11-23T10:12:44Z record=]",
            "[effective_from=2026-11-23T10:12:44Z record=v13] and more",
            "[effective_from=2026-11-23T10:12:44Z]",
        ] {
            assert_eq!(DescriptionMetadata::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_hand_edit_that_inherits_a_description_is_external() {
        let ours = "switch: x [effective_from=2026-11-23T10:00:10Z record=v2-1]";
        let history = [
            entry(1, "blue", "2026-11-23T09:00:00Z", None),
            entry(2, "green", "2026-11-23T10:00:00Z", Some(ours)),
            entry(3, "blue", "2026-11-23T11:00:00Z", Some(ours)),
        ];
        let versions = versions(&history);
        let ours = Origin::Ours {
            record: "v2-1".into(),
            kind: Kind::Switch,
            finished_by: None,
        };
        assert_eq!(versions[1].origin, ours);
        assert_eq!(versions[2].origin, Origin::External);
        assert_eq!(versions[2].effective_from, at("2026-11-23T11:00:00Z"));
    }

    #[test]
    fn a_retried_write_of_the_same_value_is_a_repeat() {
        let ours = "switch: x [effective_from=2026-11-23T10:00:10Z record=v2-1]";
        let history = [
            entry(1, "blue", "2026-11-23T09:00:00Z", None),
            entry(2, "green", "2026-11-23T10:00:00Z", Some(ours)),
            entry(3, "green", "2026-11-23T10:00:01Z", Some(ours)),
        ];
        assert_eq!(
            versions(&history)[2].origin,
            Origin::Repeat {
                record: "v2-1".into(),
                kind: Kind::Switch
            }
        );
    }

    #[test]
    fn a_writers_wrong_clock_is_clamped() {
        let late = "switch: x [effective_from=2026-11-23T10:05:00Z record=v2-1]";
        let early = "failover: x [effective_from=2026-11-23T08:00:00Z record=v3-1]";
        let history = [
            entry(1, "blue", "2026-11-23T09:00:00Z", None),
            entry(2, "green", "2026-11-23T10:00:00Z", Some(late)),
            entry(3, "blue", "2026-11-23T10:10:00Z", Some(early)),
        ];
        let versions = versions(&history);
        assert_eq!(versions[1].effective_from, at("2026-11-23T10:01:00Z"));
        assert_eq!(versions[2].effective_from, at("2026-11-23T10:01:00Z"));
    }
}
