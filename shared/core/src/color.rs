//! The two colors. Nothing else is a color: no trimming, no case folding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One environment of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The environment that is active after `initialize`, unless told otherwise.
    Blue,
    /// The other one.
    Green,
}

impl Color {
    /// Both colors, in the order everything is shown.
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

    /// The color that this one stands by for.
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
    /// Blue's.
    pub blue: T,
    /// Green's.
    pub green: T,
}

impl<T> Both<T> {
    /// Made by asking for each color.
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

    /// The value of `color`, to change.
    pub fn of_mut(&mut self, color: Color) -> &mut T {
        match color {
            Color::Blue => &mut self.blue,
            Color::Green => &mut self.green,
        }
    }

    /// Blue's and green's, each turned into something else.
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
