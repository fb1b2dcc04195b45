//! The two colours. Nothing else is a colour: no trimming, no case folding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One environment of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// The environment that is active after `initialize`, unless told otherwise.
    Blue,
    /// The other one.
    Green,
}

impl Colour {
    /// Both colours, in the order everything is shown.
    pub const BOTH: [Self; 2] = [Self::Blue, Self::Green];

    /// Exactly `blue` or `green`; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "blue" => Some(Self::Blue),
            "green" => Some(Self::Green),
            _ => None,
        }
    }

    /// The value stored in the flag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// The colour that this one stands by for.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One value for each colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Both<T> {
    /// Blue's.
    pub blue: T,
    /// Green's.
    pub green: T,
}

impl<T> Both<T> {
    /// Made by asking for each colour.
    pub fn from_fn(mut make: impl FnMut(Colour) -> T) -> Self {
        Self {
            blue: make(Colour::Blue),
            green: make(Colour::Green),
        }
    }

    /// The value of `colour`.
    pub fn of(&self, colour: Colour) -> &T {
        match colour {
            Colour::Blue => &self.blue,
            Colour::Green => &self.green,
        }
    }

    /// The value of `colour`, to change.
    pub fn of_mut(&mut self, colour: Colour) -> &mut T {
        match colour {
            Colour::Blue => &mut self.blue,
            Colour::Green => &mut self.green,
        }
    }

    /// Blue's and green's, each turned into something else.
    pub fn map<U>(&self, mut turn: impl FnMut(Colour, &T) -> U) -> Both<U> {
        Both {
            blue: turn(Colour::Blue, &self.blue),
            green: turn(Colour::Green, &self.green),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_exact_words_are_colours() {
        for text in [
            "Blue",
            "BLUE",
            "blue ",
            " blue",
            "blue\n",
            "purple",
            "",
            "bl\u{fc}e",
            "green,blue",
        ] {
            assert_eq!(Colour::parse(text), None, "{text:?}");
        }
        for colour in Colour::BOTH {
            assert_eq!(Colour::parse(colour.as_str()), Some(colour));
            assert_ne!(colour.other(), colour);
            assert_eq!(colour.other().other(), colour);
        }
    }
}
