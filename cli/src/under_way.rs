//! What AWS carries on with by itself when this process ends: told to a person who interrupts it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

static UNDER_WAY: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Notes that something goes on, until it is [`done`].
pub(crate) fn note(what: &str, told: String) {
    let mut all = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(what.to_owned(), told);
}

/// It has ended.
pub(crate) fn done(what: &str) {
    let mut all = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    all.remove(what);
}

/// Everything that goes on.
pub(crate) fn told() -> Vec<String> {
    let all = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    all.values().cloned().collect()
}
