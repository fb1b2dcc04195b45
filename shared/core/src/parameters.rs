//! The names of the parameters under the root.

use crate::flag::{FlagObservation, label};

pub use crate::text::as_value;

/// Last parts of parameter names that are in use, or reserved (`adopted`, `canary`).
const OURS: [&str; 14] = [
    "adopted",
    "canary",
    "hold",
    "hold-reported",
    "audited",
    "acknowledged",
    "answered",
    "drill",
    "last-active",
    "memory",
    "owner",
    "managed-dags",
    "transitions",
    "unsent",
];

/// The name of a pair that was given none.
pub const DEFAULT_PAIR: &str = "mwaa-blue-green";

/// Longest value in the standard tier, in bytes.
pub const MAX_VALUE: usize = 4096;

/// The number of names that one GetParameters call takes.
pub const NAMES_A_CALL: usize = 10;

/// How many of them one observation of the pair requests, see [`ParameterNames::observed`].
pub const OBSERVED: usize = 7;

// The observed names, `answered` for a request, and the reserved names `canary` and `adopted` fit into one call.
const _: () = assert!(OBSERVED + 1 + 2 <= NAMES_A_CALL, "a look at the pair is one call");

/// The parameter names that belong to one flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterNames {
    flag: String,
    root: String,
}

/// Why a flag's name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is {given:?}; allowed is a full parameter name of 2 to 14 levels such as /mwaa/blue-green/active-environment \
     (letters, digits, '.', '-' and '_' between slashes, at most 900 characters, not below /aws or /ssm)"
)]
pub struct BadParameterName {
    given: String,
}

impl ParameterNames {
    /// Checks the flag's name by SSM's rules, and leaves room for the records beside it.
    pub fn of_flag(flag: &str) -> Result<Self, BadParameterName> {
        let bad = || BadParameterName { given: flag.to_owned() };
        let path = flag.strip_prefix('/').ok_or_else(bad)?;
        let levels: Vec<&str> = path.split('/').collect();
        let allowed = |level: &&str| -> bool {
            !level.is_empty()
                && level
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        let reserved = levels.first().is_none_or(|first| {
            first.to_ascii_lowercase().starts_with("aws") || first.to_ascii_lowercase().starts_with("ssm")
        });
        // SSM allows 15 levels and 1,011 characters; a record lies one level deeper and is up to 60 characters longer.
        if !(2..=14).contains(&levels.len()) || flag.len() > 900 || reserved || !levels.iter().all(allowed) {
            return Err(bad());
        }
        let (root, last) = flag.rsplit_once('/').ok_or_else(bad)?;
        if OURS.contains(&last) {
            return Err(bad());
        }
        Ok(Self {
            flag: flag.to_owned(),
            root: root.to_owned(),
        })
    }

    /// The flag of a pair that was given no root. The default pair keeps the name that DAGs used before this product;
    /// the name of every other pair's flag contains the pair's name. The template computes the same.
    #[must_use]
    pub fn default_flag(pair: &str) -> String {
        match pair {
            DEFAULT_PAIR => "/mwaa/blue-green/active-environment".to_owned(),
            _ => format!("/mwaa/{pair}/active-environment"),
        }
    }

    /// Everything that each observation of the pair requests, in one call. So a tick takes one round trip, and all
    /// values are of the same moment.
    ///
    /// A parameter belongs here when two functions or a person write it, and every decision needs it. What only the
    /// watcher writes is a field of [`memory`](Self::memory). What few decisions need is requested by those decisions.
    #[must_use]
    pub fn observed(&self) -> [String; OBSERVED] {
        [
            self.flag().to_owned(),
            self.hold(),
            self.audited(),
            self.memory(),
            self.drill(),
            self.managed_dags(),
            self.owner(),
        ]
    }

    /// The path of all parameters of the pair.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The pair, stack and account that own the root.
    pub fn owner(&self) -> String {
        format!("{}/owner", self.root)
    }

    /// The flag's own name.
    pub fn flag(&self) -> &str {
        &self.flag
    }

    /// The hold: an order against automatic failover and drills.
    pub fn hold(&self) -> String {
        format!("{}/hold", self.root)
    }

    /// The last reported version of the hold, and whether its end was reported.
    pub fn hold_reported(&self) -> String {
        format!("{}/hold-reported", self.root)
    }

    /// The last flag version whose audit event has been sent.
    pub fn audited(&self) -> String {
        format!("{}/audited", self.root)
    }

    /// When a person last acknowledged all automatic failovers before that instant.
    pub fn acknowledged(&self) -> String {
        format!("{}/acknowledged", self.root)
    }

    /// The answered requests that left no other trace.
    pub fn answered(&self) -> String {
        format!("{}/answered", self.root)
    }

    /// The drill under way, or the last one that switched.
    pub fn drill(&self) -> String {
        format!("{}/drill", self.root)
    }

    /// The last audited color, to which a deleted flag is restored.
    pub fn last_active(&self) -> String {
        format!("{}/last-active", self.root)
    }

    /// The watcher's memory, which no other function writes.
    pub fn memory(&self) -> String {
        format!("{}/memory", self.root)
    }

    /// Which DAGs are to run, and how far pausing and unpausing have come.
    pub fn managed_dags(&self) -> String {
        format!("{}/managed-dags", self.root)
    }

    /// One part of a list of DAGs that does not fit one parameter.
    pub fn managed_dags_part(&self, list: &str, number: usize) -> String {
        format!("{}/managed-dags/{list}-{number}", self.root)
    }

    /// The path that holds all transition records.
    pub fn transitions(&self) -> String {
        format!("{}/transitions", self.root)
    }

    /// The path of the events that could not be published.
    pub fn unsent(&self) -> String {
        format!("{}/unsent", self.root)
    }

    /// The parameter of one event that could not be published.
    pub fn unsent_event(&self, key: &str) -> String {
        format!("{}/unsent/{key}", self.root)
    }

    /// The parameter of one transition record.
    pub fn transition(&self, record: &str) -> String {
        format!("{}/transitions/{record}", self.root)
    }
}

/// The name of the record for the transition out of `observed`: `v<next>-<ms>`.
///
/// The combination of next version and modification time stays unique even when the flag was deleted and re-created.
#[must_use]
pub fn record_name(observed: &FlagObservation) -> String {
    label(observed.version.next(), observed.modified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::{FlagValue, FlagVersion};

    #[test]
    fn everything_lies_beside_the_flag() {
        let names = ParameterNames::of_flag("/mwaa/blue-green/active-environment").unwrap();
        assert_eq!(names.hold(), "/mwaa/blue-green/hold");
        assert_eq!(names.audited(), "/mwaa/blue-green/audited");
        let observed = FlagObservation {
            value: FlagValue::read("blue"),
            version: FlagVersion(12),
            modified: "2026-11-23T10:00:00.123Z".parse().unwrap(),
        };
        assert_eq!(
            names.transition(&record_name(&observed)),
            "/mwaa/blue-green/transitions/v13-1795428000123"
        );
    }

    #[test]
    fn a_look_asks_for_at_most_seven_names() {
        let names = ParameterNames::of_flag("/mwaa/blue-green/active-environment").unwrap();
        let observed = std::collections::BTreeSet::from(names.observed());
        assert_eq!(
            observed.len(),
            names.observed().len(),
            "GetParameters refuses a name that comes twice"
        );
        assert!(
            observed.len() <= 7,
            "the eleventh feature must not need a second call: {observed:?}"
        );
        assert!(observed.contains(names.flag()) && observed.contains(&names.memory()));
        assert!(observed.iter().all(|name| name.starts_with("/mwaa/blue-green/")));
    }

    #[test]
    fn names_that_ssm_or_we_cannot_use_are_refused() {
        for name in [
            "",
            "/",
            "flag",
            "/flag",
            "a/b",
            "/a//b",
            "/a/b/",
            "/a b/c",
            "/aws/x",
            "/AWS/x",
            "/ssm/x",
            "/a/hold",
            "/a/canary",
            "/a/transitions",
            "/a/b\u{e9}",
            "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15",
        ] {
            assert!(ParameterNames::of_flag(name).is_err(), "{name}");
        }
        assert!(ParameterNames::of_flag(&format!("/a/{}", "x".repeat(900))).is_err());
        assert!(ParameterNames::of_flag("/team.a/orders_1/active-environment").is_ok());
    }
}
