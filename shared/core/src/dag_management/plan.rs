//! Which requests set the wanted DAGs and no others.

use std::collections::BTreeSet;

/// Longest path that InvokeRestApi accepts, in characters.
const LONGEST_PATH: usize = 64;

/// Below this number of DAGs under one pattern, each DAG is set alone.
const LEAST_BULK: usize = 3;

/// Requests that together set all wanted DAGs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Values of `dag_id_pattern`, each of which matches wanted DAGs only.
    pub patterns: Vec<String>,
    /// Ids of DAGs that are set one by one.
    pub single: Vec<String>,
    /// Ids too long for a path, whose pattern would match a DAG that must stay as it is. A person must set them.
    pub manual: Vec<String>,
}

impl Plan {
    /// Covers `wanted`. `must_stay_paused` are DAGs in the same state that must stay in it. Any other DAG may match,
    /// because setting it changes nothing.
    #[must_use]
    pub fn of(wanted: &BTreeSet<&str>, must_stay_paused: &BTreeSet<&str>) -> Self {
        if must_stay_paused.is_empty() && wanted.len() >= LEAST_BULK {
            return Self {
                patterns: vec!["~".to_owned()],
                ..Self::default()
            };
        }
        let must_stay_paused: Vec<Vec<char>> = must_stay_paused.iter().map(|id| folded(id)).collect();
        let matches_none = |pattern: &str| {
            let pattern = folded(pattern);
            !must_stay_paused.iter().any(|id| matches(&pattern, id))
        };
        let mut plan = Self::default();
        let ids: Vec<&str> = wanted.iter().copied().collect();
        // In sorted order, ids with a common prefix are adjacent.
        let mut groups = vec![ids.as_slice()];
        while let Some(group) = groups.pop() {
            let (Some(first), Some(last)) = (group.first(), group.last()) else {
                continue;
            };
            if group.len() < LEAST_BULK {
                for id in group {
                    if path_of(id).len() <= LONGEST_PATH {
                        plan.single.push((*id).to_owned());
                    } else if matches_none(id) {
                        plan.patterns.push((*id).to_owned());
                    } else {
                        plan.manual.push((*id).to_owned());
                    }
                }
                continue;
            }
            let common = common_beginning(first, last);
            if !common.is_empty() && matches_none(common) {
                plan.patterns.push(common.to_owned());
                continue;
            }
            // Grouped by the character after the common prefix; one id may be the prefix itself.
            let next = |id: &&str| id.get(common.len()..).and_then(|rest| rest.chars().next());
            let mut parts: Vec<&[&str]> = group.chunk_by(|one, other| next(one) == next(other)).collect();
            if parts.len() < 2 {
                // Not possible, because the first and the last id differ there; this prevents an endless loop.
                parts = group.chunks(1).collect();
            }
            parts.reverse();
            groups.extend(parts);
        }
        plan
    }

    /// Whether there is no request to make.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.single.is_empty()
    }
}

/// The path of one DAG's resource, percent-encoded.
#[must_use]
pub fn path_of(id: &str) -> String {
    id.bytes().fold("/dags/".to_owned(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            let digit = |half: u8| {
                char::from_digit(u32::from(half), 16)
                    .unwrap_or_default()
                    .to_ascii_uppercase()
            };
            path.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
        path
    })
}

fn common_beginning<'a>(one: &'a str, other: &str) -> &'a str {
    let length: usize = one
        .chars()
        .zip(other.chars())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one.len_utf8())
        .sum();
    one.get(..length).unwrap_or_default()
}

/// Folds the case, because Airflow's search ignores it.
fn folded(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

/// SQL's `LIKE '%pattern%'`, where `_` is any character.
fn matches(pattern: &[char], id: &[char]) -> bool {
    pattern.is_empty()
        || id.windows(pattern.len()).any(|part| {
            pattern
                .iter()
                .zip(part)
                .all(|(wanted, found)| *wanted == '_' || wanted == found)
        })
}
