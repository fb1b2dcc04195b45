//! What a template's parameters allow, as far as one line of it says so: words and bounds, not patterns.

use std::collections::BTreeMap;

use crate::nearest::nearest;

/// What one parameter allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The words, if there is a list.
    pub words: Vec<String>,
    /// The least number.
    pub least: Option<i64>,
    /// The greatest number.
    pub most: Option<i64>,
}

/// Why a value cannot be given: the parameter, what was given, what is allowed, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterFault {
    /// The parameter.
    pub parameter: String,
    /// What was given.
    pub given: String,
    /// What is allowed.
    pub allowed: String,
    /// What to do; may be empty.
    pub advice: String,
}

/// The parameters of a template, as this product's templates write them: in a block or in braces.
#[must_use]
pub fn parameters(template: &str) -> BTreeMap<String, Allowed> {
    let lines = template
        .lines()
        .skip_while(|line| line.trim_end() != "Parameters:")
        .skip(1)
        .take_while(|line| line.starts_with([' ', '#']) || line.trim().is_empty())
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut texts: Vec<(String, String)> = Vec::new();
    for line in lines {
        let is_name = line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
        match (is_name, line.trim().split_once(':'), texts.last_mut()) {
            (true, Some((name, _)), _) => texts.push((name.to_owned(), String::new())),
            (false, _, Some((_, text))) => text.extend([line.trim(), "\n"]),
            _ => {}
        }
    }
    texts
        .into_iter()
        .map(|(name, text)| {
            // A description may say anything.
            let facts = text.split("Description:").next().unwrap_or_default();
            let facts = if facts.contains("Type:") {
                facts.to_owned()
            } else {
                text.clone()
            };
            let number = |key: &str| {
                let (_, rest) = facts.split_once(key)?;
                let digits: String = rest
                    .trim_start()
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || *c == '-')
                    .collect();
                digits.parse().ok()
            };
            let allowed = Allowed {
                words: words(&text),
                least: number("MinValue:"),
                most: number("MaxValue:"),
            };
            (name, allowed)
        })
        .collect()
}

fn words(text: &str) -> Vec<String> {
    let list = text
        .split_once("AllowedValues: [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(list, _)| list);
    list.split(',')
        .map(|word| word.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// What is wrong with the values given to a template.
#[must_use]
pub fn faults_of(given: &BTreeMap<String, String>, template: &str) -> Vec<ParameterFault> {
    let known = parameters(template);
    let mut faults = Vec::new();
    for (parameter, value) in given {
        let fault = |given: String, allowed: String, advice: String| ParameterFault {
            parameter: parameter.clone(),
            given,
            allowed,
            advice,
        };
        let Some(allowed) = known.get(parameter) else {
            let near = nearest(parameter, known.keys().map(String::as_str));
            let advice = near.map(|name| format!("did you mean {name}?")).unwrap_or_default();
            faults.push(fault(
                "an unknown parameter".to_owned(),
                "a parameter of the template".to_owned(),
                advice,
            ));
            continue;
        };
        if !allowed.words.is_empty() && !allowed.words.contains(value) {
            let near = nearest(value, allowed.words.iter().map(String::as_str));
            let advice = near.map(|word| format!("did you mean {word}?")).unwrap_or_default();
            faults.push(fault(format!("{value:?}"), allowed.words.join(", "), advice));
        }
        if allowed.least.is_some() || allowed.most.is_some() {
            let least = allowed.least.unwrap_or(i64::MIN);
            let most = allowed.most.unwrap_or(i64::MAX);
            if !value.parse().is_ok_and(|number: i64| (least..=most).contains(&number)) {
                faults.push(fault(
                    format!("{value:?}"),
                    format!("a whole number from {least} to {most}"),
                    String::new(),
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLLER: &str = include_str!("../../../../template.yaml");

    fn told(name: &str, value: &str) -> Vec<String> {
        let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        faults_of(&given, CONTROLLER)
            .into_iter()
            .map(|fault| {
                format!(
                    "{} {}; {}; {}",
                    fault.parameter, fault.given, fault.allowed, fault.advice
                )
            })
            .collect()
    }

    #[test]
    fn words_bounds_and_names_are_those_of_the_template() {
        for (name, value) in [
            ("FailoverMode", "observe"),
            ("FailureWindowSeconds", "10"),
            ("FailureWindowSeconds", "3600"),
            ("CooldownSeconds", "0"),
            ("Architecture", "x86_64"),
            ("NotificationEmail", "on-call@example.com"),
            ("DrillSchedule", ""),
        ] {
            assert_eq!(told(name, value), [""; 0], "{name}={value}");
        }
        for (name, value, expected) in [
            (
                "FailoverMode",
                "Observe",
                "FailoverMode \"Observe\"; automatic, observe; did you mean observe?",
            ),
            (
                "FailureWindowSeconds",
                "9",
                "FailureWindowSeconds \"9\"; a whole number from 10 to 3600; ",
            ),
            (
                "FailureWindowSeconds",
                "2m",
                "FailureWindowSeconds \"2m\"; a whole number from 10 to 3600; ",
            ),
            (
                "CooldownSecond",
                "60",
                "CooldownSecond an unknown parameter; a parameter of the template; did you mean CooldownSeconds?",
            ),
        ] {
            assert_eq!(told(name, value), [expected]);
        }
    }

    #[test]
    fn every_default_is_allowed() {
        for text in [
            CONTROLLER,
            super::super::ENVIRONMENT,
            super::super::NETWORK,
            super::super::LINEAGE,
            super::super::BASE,
        ] {
            let defaults = super::super::defaults(text);
            assert!(!defaults.is_empty());
            assert_eq!(faults_of(&defaults, text), []);
        }
        assert_eq!(parameters(CONTROLLER)["FailureWindowSeconds"].least, Some(10));
        assert_eq!(parameters(CONTROLLER)["Architecture"].words, ["arm64", "x86_64"]);
    }
}
