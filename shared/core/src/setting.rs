//! One setting: how its environment variable is read, and how the template and the reference describe it.

use std::time::Duration;

use crate::time::minutes;

/// The template's group of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Settings of failover.
    Failover,
    /// Settings of drills and readiness.
    Drills,
    /// Settings of the standby's DAGs.
    Dags,
    /// Settings of what is observed, and how often.
    Watching,
    /// Settings of logs and records.
    Records,
}

impl Group {
    /// The group's name in the template and the reference.
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

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The number is a duration in seconds.
    Seconds,
    /// The number is a duration in minutes.
    Minutes,
    /// The number is a duration in days.
    Days,
    /// The number counts things.
    Count,
}

impl Unit {
    /// The unit as the reference writes it; empty for a count.
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

/// The allowed values of a variable, and its default.
#[derive(Debug, Clone, Copy)]
pub enum Allowed {
    /// A whole number within bounds.
    Number {
        /// The value where the variable is not set.
        default: u64,
        /// The smallest allowed value.
        least: u64,
        /// The largest allowed value.
        most: u64,
        /// The unit of the number.
        unit: Unit,
    },
    /// One word of a list.
    Words {
        /// All allowed words.
        words: &'static [&'static str],
        /// The word where the variable is not set.
        default: fn() -> &'static str,
    },
}

/// The part of a setting that a function needs to read it.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// The allowed values.
    pub allowed: Allowed,
}

/// A parameter of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateParameter {
    /// The parameter's name.
    pub name: &'static str,
    /// The group in which the template shows it.
    pub group: Group,
}

/// One setting, from its variable to its description.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// How the variable is read.
    pub spec: Spec,
    /// The template's parameter; none if the template always uses the default.
    pub parameter: Option<TemplateParameter>,
    /// What the setting does, in sentences.
    pub about: &'static str,
}

impl Setting {
    /// A setting with a number from `least` to `most`.
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

    /// A setting with one of the words of `T`.
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

    /// Adds the template's parameter that sets it.
    #[must_use]
    pub(crate) const fn parameter(self, name: &'static str, group: Group) -> Self {
        Self {
            parameter: Some(TemplateParameter { name, group }),
            ..self
        }
    }
}

/// A choice between words, with the type's default.
pub(crate) trait Word: Copy + Default + 'static {
    /// Every word, in the order of the values.
    const WORDS: &'static [&'static str];
    /// Every value.
    const VALUES: &'static [Self];

    /// The value that a word stands for.
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

/// Reads environment variables, and collects every fault.
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

/// A type that a setting can have.
pub(crate) trait Tunable {
    /// Reads the value; where it is invalid, returns the default and records a fault.
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

/// Defines a struct from a list of settings. The comment of each setting is its description in the template and the
/// reference. Code outside the macro reads the fields marked `given`.
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
            /// The settings from which the struct is read.
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
