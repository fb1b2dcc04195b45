//! The cases that keep this crate's ownership rule equal to that of the Python package `mwaa-bluegreen`.
#![allow(clippy::unwrap_used, missing_docs)]

use bluegreen_core::flag::{FlagValue, FlagVersion, HistoryEntry};
use bluegreen_core::ownership::owner;
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    schema: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    history: Vec<Entry>,
    asks: Vec<Ask>,
}

#[derive(Deserialize)]
struct Entry {
    version: u64,
    value: String,
    modified: Timestamp,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Ask {
    at: Timestamp,
    value: Option<String>,
    version: Option<u64>,
}

#[test]
fn every_vector_has_the_owner_it_names() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/ownership.json")).unwrap();
    assert_eq!(vectors.schema, 1);
    assert!(vectors.cases.len() >= 300, "only {} cases", vectors.cases.len());
    let mut wrong = Vec::new();
    for case in vectors.cases {
        let history: Vec<HistoryEntry> = case
            .history
            .into_iter()
            .map(|entry| HistoryEntry {
                value: FlagValue::read(&entry.value),
                version: FlagVersion(entry.version),
                modified: entry.modified,
                author: None,
                description: entry.description,
            })
            .collect();
        for ask in case.asks {
            let found = owner(&history, ask.at).map(|owner| (owner.value, owner.version));
            let expected = ask
                .value
                .as_deref()
                .map(FlagValue::read)
                .zip(ask.version.map(FlagVersion));
            if found != expected {
                wrong.push(format!("{}: at {}: {found:?}, not {expected:?}", case.name, ask.at));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
