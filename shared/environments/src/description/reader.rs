//! Reads typed values out of TOML, and collects what is wrong with their lines.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use crate::nearest::nearest;

/// A table with its path, or nothing.
#[derive(Clone)]
pub(super) struct Section<'d, 't> {
    path: String,
    table: Option<&'d DeTable<'t>>,
}

pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    pub(super) lines: BTreeMap<String, usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            text,
            faults: Vec::new(),
            warnings: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1)
    }

    /// The line on which a key, or else its nearest table, was given.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        line_of(&self.lines, key)
    }

    pub(super) fn fault(&mut self, key: &str, given: &str, allowed: &str, advice: &str) {
        let fault = Fault::new(self.line_of(key), key, given, allowed, advice);
        self.faults.push(fault);
    }

    pub(super) fn warn(&mut self, key: &str, given: &str, allowed: &str, advice: &str) {
        let fault = Fault::new(self.line_of(key), key, given, allowed, advice);
        self.warnings.push(fault);
    }

    /// The file itself, after its syntax was read.
    pub(super) fn root<'d>(&mut self, table: &'d DeTable<'t>, known: &[&str]) -> Section<'d, 't> {
        let section = Section {
            path: String::new(),
            table: Some(table),
        };
        self.look_for_unknown(&section, known);
        section
    }

    /// A table within another one. `known` are its keys; without them every key is the user's.
    pub(super) fn section<'d>(
        &mut self,
        parent: &Section<'d, 't>,
        key: &str,
        known: Option<&[&str]>,
    ) -> Section<'d, 't> {
        let path = parent.key(key);
        let table = match parent.get(key).map(Spanned::get_ref) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(other) => {
                let given = shown(other);
                self.fault(&path, &given, &format!("a table, [{path}]"), "");
                None
            }
        };
        let section = Section { path, table };
        if let Some(known) = known {
            self.look_for_unknown(&section, known);
        }
        section
    }

    fn look_for_unknown(&mut self, section: &Section<'_, 't>, known: &[&str]) {
        let Some(table) = section.table else { return };
        let mut keys: Vec<_> = table.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        for key in keys {
            let path = section.key(key.get_ref());
            let line = self.line(key.span().start);
            self.lines.insert(path.clone(), line);
            if known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let advice = match nearest(key.get_ref(), known.iter().copied()) {
                Some(word) => format!("did you mean {word}?"),
                None => String::new(),
            };
            self.fault(&path, "an unknown key", &known.join(", "), &advice);
        }
    }

    /// A text that is not empty. An empty one counts as absent, so that a commented file can show the key.
    pub(super) fn text(&mut self, section: &Section<'_, 't>, key: &str) -> Option<String> {
        match section.get(key)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()).filter(|text| !text.is_empty()),
            other => {
                let given = shown(other);
                self.fault(&section.key(key), &given, "a text in quotes", "");
                None
            }
        }
    }

    /// A text of a certain form.
    pub(super) fn checked(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        is_right: impl Fn(&str) -> bool,
        allowed: &str,
    ) -> Option<String> {
        let text = self.text(section, key)?;
        if is_right(&text) {
            return Some(text);
        }
        self.fault(&section.key(key), &format!("{text:?}"), allowed, "");
        None
    }

    /// One of some words.
    pub(super) fn word(&mut self, section: &Section<'_, 't>, key: &str, words: &[&str]) -> Option<String> {
        let text = self.text(section, key)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        let advice = match nearest(&text, words.iter().copied()) {
            Some(word) => format!("did you mean {word}?"),
            None => String::new(),
        };
        self.fault(&section.key(key), &format!("{text:?}"), &words.join(", "), &advice);
        None
    }

    pub(super) fn whole(&mut self, section: &Section<'_, 't>, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = section.get(key)?.get_ref();
        let number = match value {
            DeValue::Integer(number) => integer(number.as_str(), number.radix()),
            _ => None,
        };
        let number = number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let given = shown(value);
            let allowed = format!("a whole number from {least} to {most}, without quotes");
            self.fault(&section.key(key), &given, &allowed, "");
        }
        number
    }

    pub(super) fn boolean(&mut self, section: &Section<'_, 't>, key: &str) -> Option<bool> {
        match section.get(key)?.get_ref() {
            DeValue::Boolean(is) => Some(*is),
            other => {
                let given = shown(other);
                self.fault(&section.key(key), &given, "true or false, without quotes", "");
                None
            }
        }
    }

    /// A list of texts; each must have the form.
    pub(super) fn list(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        is_right: impl Fn(&str) -> bool,
        allowed: &str,
    ) -> Option<Vec<String>> {
        let path = section.key(key);
        let value = section.get(key)?.get_ref();
        let DeValue::Array(items) = value else {
            self.fault(&path, &shown(value), allowed, "");
            return None;
        };
        let mut texts = Vec::new();
        let mut is_whole = true;
        for item in items {
            match item.get_ref() {
                DeValue::String(text) if is_right(text) => texts.push(text.to_string()),
                other => {
                    is_whole = false;
                    let given = shown(other);
                    self.fault(&path, &given, allowed, "");
                }
            }
        }
        is_whole.then_some(texts)
    }

    /// The user's own names with their values. A whole number becomes its digits, and a boolean the given word; anything
    /// else that is no text is refused, because there is more than one way to write it.
    pub(super) fn settings(&mut self, section: &Section<'_, 't>, booleans: [&str; 2]) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        if let Some(table) = section.table {
            self.flatten(&section.path, "", table, booleans, &mut settings);
        }
        settings
    }

    fn flatten(
        &mut self,
        path: &str,
        prefix: &str,
        table: &DeTable<'t>,
        booleans: [&str; 2],
        settings: &mut BTreeMap<String, String>,
    ) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = format!("{prefix}{}", key.get_ref());
            let full = format!("{path}.{name}");
            let line = self.line(key.span().start);
            self.lines.insert(full.clone(), line);
            let text = match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                DeValue::Boolean(is) => booleans.get(usize::from(*is)).map(|word| (*word).to_owned()),
                DeValue::Integer(number) => integer(number.as_str(), number.radix()).map(|number| number.to_string()),
                // An unquoted key with dots is a table in TOML.
                DeValue::Table(inner) => {
                    self.flatten(path, &format!("{name}."), inner, booleans, settings);
                    continue;
                }
                _ => None,
            };
            match text {
                None => {
                    let given = shown(value.get_ref());
                    self.fault(
                        &full,
                        &given,
                        "a text in quotes, a whole number, true or false",
                        "write it in quotes, exactly as it is meant",
                    );
                }
                Some(text) => {
                    if settings.insert(name, text).is_some() {
                        self.fault(&full, "the same name twice", "each name once", "remove one of them");
                    }
                }
            }
        }
    }
}

impl<'d, 't> Section<'d, 't> {
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn is_given(&self) -> bool {
        self.table.is_some()
    }
}

pub(super) fn line_of(lines: &BTreeMap<String, usize>, key: &str) -> Option<usize> {
    let mut key = key;
    loop {
        if let Some(line) = lines.get(key) {
            return Some(*line);
        }
        key = key.rsplit_once('.')?.0;
    }
}

fn integer(digits: &str, radix: u32) -> Option<i64> {
    i64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// A value as it was written, or nearly so, on one line.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(is) => is.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
