//! The two colors. Parsing is exact, without trimming or case folding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One environment of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The environment that is active after `initialize` unless the request names another.
    Blue,
    /// The other environment of the pair.
    Green,
}

impl Color {
    /// Both colors, in the order in which they are always shown.
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

    /// The pair's other color.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One value for each color.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Both<T> {
    /// The value for blue.
    pub blue: T,
    /// The value for green.
    pub green: T,
}

impl<T> Both<T> {
    /// Builds the pair by calling `make` for each color.
    pub fn from_fn(mut make: impl FnMut(Color) -> T) -> Self {
        Self {
            blue: make(Color::Blue),
            green: make(Color::Green),
        }
    }

    /// The value of `color`.
    pub fn of(&self, color: Color) -> &T {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    /// The value of `color`, for changes.
    pub fn of_mut(&mut self, color: Color) -> &mut T {
        match color {
            Color::Blue => &mut self.blue,
            Color::Green => &mut self.green,
        }
    }

    /// Converts both values, each with its color.
    pub fn map<U>(&self, mut turn: impl FnMut(Color, &T) -> U) -> Both<U> {
        Both {
            blue: turn(Color::Blue, &self.blue),
            green: turn(Color::Green, &self.green),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_exact_words_are_colors() {
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
            assert_eq!(Color::parse(text), None, "{text:?}");
        }
        for color in Color::BOTH {
            assert_eq!(Color::parse(color.as_str()), Some(color));
            assert_ne!(color.other(), color);
            assert_eq!(color.other().other(), color);
        }
    }
}
