//! What a template says where nobody says anything.

use std::collections::BTreeMap;

/// The defaults of a template's parameters, as this product's templates write them: in a block or in braces.
#[must_use]
pub fn defaults(template: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut name = None;
    let lines = template
        .lines()
        .skip_while(|line| line.trim_end() != "Parameters:")
        .skip(1)
        .take_while(|line| line.starts_with([' ', '#']) || line.trim().is_empty());
    for line in lines {
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') {
            continue;
        }
        let is_name = line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
        if is_name {
            name = trimmed.split_once(':').map(|(name, _)| name.to_owned());
        }
        let value = trimmed
            .strip_prefix("Default:")
            .map(|rest| scalar(rest, false))
            .or_else(|| {
                let braces = trimmed.find(['{', ','])?;
                let (_, rest) = trimmed.get(braces..)?.split_once(" Default:")?;
                trimmed.starts_with('{').then(|| scalar(rest, true))
            });
        if let (Some(name), Some(value)) = (&name, value) {
            found.entry(name.clone()).or_insert(value);
        }
    }
    found
}

fn scalar(rest: &str, in_braces: bool) -> String {
    let rest = rest.trim();
    for quote in ['"', '\''] {
        if let Some(inside) = rest.strip_prefix(quote) {
            return inside.split(quote).next().unwrap_or_default().to_owned();
        }
    }
    let end = if in_braces {
        rest.find([',', '}'])
    } else {
        rest.find(" #")
    };
    rest.get(..end.unwrap_or(rest.len()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}
