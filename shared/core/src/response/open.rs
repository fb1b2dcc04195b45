//! Words to which a newer version may add others.

use std::fmt;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A word that this version knows, or one that it does not know.
///
/// The writer of an answer knows its words. A reader may be older than the writer: it keeps and shows an unknown word
/// as it came, and the rest of the answer stays readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open<T> {
    /// A word that this version knows.
    Known(T),
    /// A word of a newer version; empty where there is none.
    Other(String),
}

impl<T> Open<T> {
    /// The word, if this version knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Other(_) => None,
        }
    }

    /// Whether there is no word at all.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Other(text) if text.is_empty())
    }
}

impl<T: DeserializeOwned> Open<T> {
    /// Reads a word, known or unknown.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let word: StrDeserializer<'_, Error> = text.into_deserializer();
        T::deserialize(word).map_or_else(|_| Self::Other(text.to_owned()), Self::Known)
    }
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl<T> From<T> for Open<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

impl<T: PartialEq> PartialEq<T> for Open<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(other)
    }
}

impl<T: Serialize> fmt::Display for Open<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(word) => word.serialize(formatter),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl<T: Serialize> Serialize for Open<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(word) => word.serialize(serializer),
            Self::Other(text) => text.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Open<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&String::deserialize(deserializer)?))
    }
}
