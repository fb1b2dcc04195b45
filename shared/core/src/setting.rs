//! One setting: how its environment variable is read, and what template and reference say of it.

use std::time::Duration;

use crate::time::minutes;

/// Where the template shows a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// When to fail over.
    Failover,
    /// Drills and readiness.
    Drills,
    /// The standby's DAGs.
    Dags,
    /// What to look at, and how often.
    Watching,
    /// Logs and records.
    Records,
}

impl Group {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Drills => "drills",
            Self::Dags => "dags",
            Self::Watching => "watching",
            Self::Records => "records",
        }
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Days.
    Days,
    /// Things.
    Count,
}

impl Unit {
    /// As written; a count has none.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Days => "days",
            Self::Count => "",
        }
    }
}

/// What a variable may hold, and what it means where it is not set.
#[derive(Debug, Clone, Copy)]
pub enum Allowed {
    /// A whole number.
    Number {
        /// Where it is not set.
        default: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
        /// What it counts.
        unit: Unit,
    },
    /// One of these words.
    Words {
        /// All of them.
        words: &'static [&'static str],
        /// Where it is not set.
        default: fn() -> &'static str,
    },
}

/// What a function needs to read a setting.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The environment variable.
    pub variable: &'static str,
    /// What it may hold.
    pub allowed: Allowed,
}

/// A parameter of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateParameter {
    /// Its name.
    pub name: &'static str,
    /// Among which others it is shown.
    pub group: Group,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// How it is read.
    pub spec: Spec,
    /// The template's parameter; none if the template gives the default.
    pub parameter: Option<TemplateParameter>,
    /// What it does, in sentences.
    pub about: &'static str,
}

impl Setting {
    /// A number from `least` to `most`.
    #[must_use]
    pub(crate) const fn number(variable: &'static str, default: u64, (least, most): (u64, u64), unit: Unit) -> Self {
        let allowed = Allowed::Number {
            default,
            least,
            most,
            unit,
        };
        Self {
            spec: Spec { variable, allowed },
            parameter: None,
            about: "",
        }
    }

    /// One of the words of `T`.
    #[must_use]
    pub(crate) const fn word<T: Word>(variable: &'static str) -> Self {
        let allowed = Allowed::Words {
            words: T::WORDS,
            default: default_word::<T>,
        };
        Self {
            spec: Spec { variable, allowed },
            parameter: None,
            about: "",
        }
    }

    /// Set by this parameter of the template.
    #[must_use]
    pub(crate) const fn parameter(self, name: &'static str, group: Group) -> Self {
        Self {
            parameter: Some(TemplateParameter { name, group }),
            ..self
        }
    }
}

/// A choice, whose default is the type's.
pub(crate) trait Word: Copy + Default + 'static {
    /// Every word, in the order of the values.
    const WORDS: &'static [&'static str];
    /// Every value.
    const VALUES: &'static [Self];

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        let mut both = Self::WORDS.iter().zip(Self::VALUES);
        both.find(|(one, _)| **one == word).map(|(_, value)| *value)
    }
}

fn default_word<T: Word>() -> &'static str {
    let default = std::mem::discriminant(&T::default());
    let mut both = T::WORDS.iter().zip(T::VALUES);
    both.find(|(_, value)| std::mem::discriminant(*value) == default)
        .map_or("", |(word, _)| word)
}

/// Gives a choice its words.
macro_rules! words {
    ($type:ty { $($word:literal => $value:ident),+ $(,)? }) => {
        impl $crate::setting::Word for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
            const VALUES: &'static [Self] = &[$(Self::$value),+];
        }
    };
}

/// Reads environment variables, and keeps every fault.
pub(crate) struct Reader<'a> {
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) faults: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            faults: Vec::new(),
        }
    }

    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn number(&mut self, spec: &Spec) -> (u64, Unit) {
        let Allowed::Number {
            default,
            least,
            most,
            unit,
        } = spec.allowed
        else {
            return (0, Unit::Count);
        };
        let Some(text) = self.optional(spec.variable) else {
            return (default, unit);
        };
        match text.parse::<u64>() {
            Ok(value) if value >= least && value <= most => (value, unit),
            _ => {
                self.faults.push(format!(
                    "{} is {text:?}; allowed is a whole number from {least} to {most}",
                    spec.variable
                ));
                (default, unit)
            }
        }
    }
}

/// What a setting can be read as.
pub(crate) trait Tunable {
    /// The value, or the default and a fault.
    fn read(reader: &mut Reader<'_>, spec: &Spec) -> Self;
}

impl Tunable for u32 {
    fn read(reader: &mut Reader<'_>, spec: &Spec) -> Self {
        Self::try_from(reader.number(spec).0).unwrap_or(Self::MAX)
    }
}

impl Tunable for Duration {
    fn read(reader: &mut Reader<'_>, spec: &Spec) -> Self {
        match reader.number(spec) {
            (number, Unit::Minutes) => minutes(u32::try_from(number).unwrap_or(u32::MAX)),
            (number, _) => Self::from_secs(number),
        }
    }
}

impl<T: Word> Tunable for T {
    fn read(reader: &mut Reader<'_>, spec: &Spec) -> Self {
        let Some(text) = reader.optional(spec.variable) else {
            return T::default();
        };
        T::of(&text).unwrap_or_else(|| {
            reader.faults.push(format!(
                "{} is {text:?}; allowed is one of: {}",
                spec.variable,
                T::WORDS.join(", ")
            ));
            T::default()
        })
    }
}

/// Defines a struct from a list of settings. The comment of each is its description in template and reference. What is `given`
/// is read by code of its own.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(given $(#[$about_given:meta])+ $given:ident: $type_given:ty,)*
            $($(#[doc = $about:literal])+ $field:ident: $type:ty = $setting:expr,)+
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$about_given])+ pub $given: $type_given,)*
            $($(#[doc = $about])+ pub $field: $type,)+
        }

        impl $name {
            /// The settings that it is read from.
            pub const SETTINGS: &[$crate::setting::Setting] = &[
                $($crate::setting::Setting { about: concat!($($about),+), ..$setting },)+
            ];

            pub(crate) fn read(reader: &mut $crate::setting::Reader<'_>, ($($given,)*): ($($type_given,)*)) -> Self {
                Self {
                    $($given,)*
                    $($field: $crate::setting::Tunable::read(reader, &const { $setting.spec }),)+
                }
            }
        }
    };
}

pub(crate) use {settings, words};
