//! Values of options, and the messages about invalid ones.

use std::ops::RangeInclusive;

use bluegreen_core::color::Color;

pub(crate) fn color(given: &str) -> Result<Color, String> {
    Color::parse(given).ok_or_else(|| "allowed is exactly blue or green".to_owned())
}

/// Parses a whole number in a range.
pub(crate) fn number<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |given| {
        let number = given.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            if *most == u64::MAX {
                format!("allowed is a whole number, at least {least}")
            } else {
                format!("allowed is a whole number from {least} to {most}")
            }
        })
    }
}
