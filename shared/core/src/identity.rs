//! Which pair owns the root. Two pairs on one root would trigger each other's failovers, each for unrelated reasons.
//!
//! The stack owns the parameter `<root>/owner`, which `CloudFormation` creates and never takes over: a second stack on
//! the same root fails to deploy. A function that finds another pair named there only reads, and writes nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::as_value;

/// Largest parameter value in SSM's standard tier, in bytes.
const MOST_BYTES: usize = 4096;

/// The parameter `owner`, as the template writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the pair.
    pub pair: String,
    /// Name of the stack.
    #[serde(default)]
    pub stack: Option<String>,
    /// The account it is deployed in.
    #[serde(default)]
    pub account: Option<String>,
    /// The region it is deployed in.
    #[serde(default)]
    pub region: Option<String>,
}

/// What the parameter `owner` means for one pair.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ownership {
    /// The root belongs to this pair.
    Ours(Owner),
    /// The parameter does not exist: the root was created manually, or the parameter was deleted. The root is not
    /// another pair's, and a deleted parameter must not prevent a failover.
    #[default]
    Unclaimed,
    /// The parameter was overwritten with a value that names no pair. Treated as if it were missing.
    Unreadable(String),
    /// The root belongs to another pair.
    Foreign(Owner),
}

impl Ownership {
    /// Reads the parameter for `pair`.
    #[must_use]
    pub fn read(stored: Option<&str>, pair: &str) -> Self {
        let Some(stored) = stored else {
            return Self::Unclaimed;
        };
        match serde_json::from_str::<Owner>(stored) {
            Ok(owner) if owner.pair.is_empty() => Self::Unreadable(stored.to_owned()),
            Ok(owner) if owner.pair == pair => Self::Ours(owner),
            Ok(owner) => Self::Foreign(owner),
            Err(_) => Self::Unreadable(stored.to_owned()),
        }
    }

    /// Why `pair` may not write under `root`; none if it may.
    #[must_use]
    pub fn refusal(&self, pair: &str, root: &str) -> Option<String> {
        let Self::Foreign(owner) = self else { return None };
        Some(format!(
            "{root} belongs to the pair {:?}{}, and this is the pair {pair:?}: nothing was written. Every pair needs a root of \
             its own: deploy {pair} with another ParameterRoot, or, where you meant {:?}, ask that pair. If it is gone for good, \
             delete the parameter {root}/owner, then deploy {pair} again",
            owner.pair,
            owner.place().map(|place| format!(" ({place})")).unwrap_or_default(),
            owner.pair,
        ))
    }

    /// The ownership in one word, as answers give it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Unclaimed => "unclaimed",
            Self::Unreadable(_) => "unreadable",
            Self::Foreign(_) => "foreign",
        }
    }

    /// The owner that the parameter names, if it names one.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Ours(owner) | Self::Foreign(owner) => Some(owner),
            Self::Unclaimed | Self::Unreadable(_) => None,
        }
    }
}

impl Owner {
    /// Where it was deployed, for a person who searches for it.
    fn place(&self) -> Option<String> {
        let place: Vec<String> = [
            ("stack", &self.stack),
            ("account", &self.account),
            ("region", &self.region),
        ]
        .into_iter()
        .filter_map(|(what, value)| value.as_ref().map(|value| format!("{what} {value:?}")))
        .collect();
        (!place.is_empty()).then(|| place.join(", "))
    }
}

/// A record with the name of its pair: whatever lies under a root shows who wrote it, even where the parameter `owner`
/// is gone.
///
/// The result is the same text if the name is already there, because a writer recognizes its own record by its text. A
/// value that is no object, or has no room left, is unchanged: a record without the name is still worth keeping.
/// Without a pair, the record is unchanged, too.
#[must_use]
pub fn with_pair(record: &str, pair: &str) -> String {
    let mut fields = match serde_json::from_str(record) {
        Ok(Value::Object(fields)) if !pair.is_empty() => fields,
        _ => return record.to_owned(),
    };
    fields.insert("pair".to_owned(), Value::from(pair));
    let text = as_value(Value::Object(fields).to_string());
    if text.len() > MOST_BYTES {
        return record.to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OURS: &str = r#"{"pair":"orders","stack":"orders-stack","account":"123456789012","region":"us-east-1"}"#;

    #[test]
    fn only_a_root_that_names_another_pair_is_refused() {
        let root = "/mwaa/blue-green";
        for (stored, word, refused) in [
            (Some(OURS), "ours", false),
            (Some(r#"{"pair":"orders"}"#), "ours", false),
            (Some(r#"{"pair":"orders","of_tomorrow":[1]}"#), "ours", false),
            (None, "unclaimed", false),
            (Some(""), "unreadable", false),
            (Some("orders"), "unreadable", false),
            (Some("{}"), "unreadable", false),
            (Some(r#"{"pair":""}"#), "unreadable", false),
            (Some(r#"{"pair":7}"#), "unreadable", false),
            (Some(r#"{"pair":"payroll"}"#), "foreign", true),
            // Names are compared exactly, without case folding or trimming.
            (Some(r#"{"pair":"Orders"}"#), "foreign", true),
            (Some(r#"{"pair":"orders "}"#), "foreign", true),
        ] {
            let ownership = Ownership::read(stored, "orders");
            assert_eq!(ownership.as_str(), word, "{stored:?}");
            assert_eq!(ownership.refusal("orders", root).is_some(), refused, "{stored:?}");
        }
    }

    #[test]
    fn the_refusal_says_what_was_found_what_is_allowed_and_what_to_do() {
        let told = Ownership::read(Some(OURS), "payroll")
            .refusal("payroll", "/mwaa/blue-green")
            .unwrap();
        for part in [
            r#"/mwaa/blue-green belongs to the pair "orders" (stack "orders-stack", account "123456789012", region "us-east-1")"#,
            r#"this is the pair "payroll""#,
            "nothing was written",
            "another ParameterRoot",
            "/mwaa/blue-green/owner",
        ] {
            assert!(told.contains(part), "{told}");
        }
        let bare = Ownership::read(Some(r#"{"pair":"orders"}"#), "payroll");
        assert!(
            bare.refusal("payroll", "/r")
                .unwrap()
                .starts_with(r#"/r belongs to the pair "orders", and"#)
        );
    }

    #[test]
    fn a_record_carries_its_pair_once() {
        let record = json!({"kind": "switch", "reason": "{{ ds }}", "n": 1}).to_string();
        let with = with_pair(&record, "orders");
        let read: Value = serde_json::from_str(&with).unwrap();
        assert_eq!(
            read,
            json!({"kind": "switch", "reason": "{{ ds }}", "n": 1, "pair": "orders"})
        );
        assert!(!with.contains("{{"));
        assert_eq!(with_pair(&with, "orders"), with);
        assert_eq!(with_pair("no object", "orders"), "no object");
        assert_eq!(with_pair(&record, ""), record);
        let full = json!({"evidence": "x".repeat(MOST_BYTES - 20)}).to_string();
        assert_eq!(with_pair(&full, "orders"), full);
    }
}
