//! What MWAA cannot change in place.

use std::collections::BTreeMap;

use crate::resolve;
use crate::stack::{DeployedStack, DesiredStack, Layer, Value};

/// A deployed stack, compared with the one that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Whether an update would change it. What is not known yet differs from everything.
    pub differs: bool,
    /// Why it cannot be changed in place, by what is known: a value that nobody knows deletes no environment.
    pub replacement: Option<String>,
}

/// Compares a stack. `output` and `version` say what is known of other stacks and of uploaded objects.
#[must_use]
pub fn compare(
    stack: &DesiredStack,
    output: impl Fn(&str, &str) -> Option<String>,
    version: impl Fn(&str) -> Option<String>,
    deployed: &DeployedStack,
) -> Compared {
    let known: BTreeMap<String, String> = stack
        .parameters
        .iter()
        .filter_map(|(name, value)| {
            let known = match value {
                Value::Known(text) => Some(text.clone()),
                Value::OutputOf { stack, key } => output(stack, key),
                Value::VersionOf { key } => version(key),
            };
            known.map(|known| (name.clone(), known))
        })
        .collect();
    Compared {
        differs: known.len() != stack.parameters.len() || !resolve::differences(stack, &known, deployed).is_empty(),
        replacement: match stack.layer {
            Layer::Environment => replacement(&known, &deployed.parameters),
            _ => None,
        },
    }
}

/// What a stack needs of stacks that a rollout does not change, and they do not give; `own` are the color's stacks.
#[must_use]
pub fn lacks(stack: &DesiredStack, own: &[String], output: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    stack.parameters.values().find_map(|value| match value {
        Value::OutputOf { stack: other, key } if !own.contains(other) && output(other, key).is_none() => {
            // The lineage server has no part of its own.
            let part = if other.ends_with("-network") { " network" } else { "" };
            Some(format!(
                "stack {} needs the output {key} of stack {other}, which is not deployed with it: deploy it first with \
                 `mwaa-bluegreen env apply{part}`",
                stack.name
            ))
        }
        _ => None,
    })
}

/// Parameters of the environment's stack that make its create-only properties: `createOnlyProperties` of
/// `AWS::MWAA::Environment`.
const CREATE_ONLY: [(&str, &str); 3] = [
    ("EnvironmentName", "its name"),
    ("KmsKeyArn", "its KMS key"),
    ("SubnetIds", "its subnets"),
];

/// Why an environment with these parameters cannot become the wanted one, if it cannot. Minor versions of Airflow change
/// in place, up and down; for another major one there is a new environment.
#[must_use]
pub fn replacement(wanted: &BTreeMap<String, String>, deployed: &BTreeMap<String, String>) -> Option<String> {
    let empty = String::new();
    let of = |parameters: &BTreeMap<String, String>, key: &str| parameters.get(key).unwrap_or(&empty).clone();
    let mut whys: Vec<String> = CREATE_ONLY
        .iter()
        .filter(|(key, _)| wanted.contains_key(*key) && of(wanted, key) != of(deployed, key))
        .map(|(_, words)| format!("MWAA sets {words} only when an environment is created"))
        .collect();
    let (from, to) = (of(deployed, "AirflowVersion"), of(wanted, "AirflowVersion"));
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    if !from.is_empty() && !to.is_empty() && major(&from) != major(&to) {
        whys.push(format!("Airflow {from} to {to} is another major version"));
    }
    (!whys.is_empty()).then(|| whys.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_the_network(value: Value) -> DesiredStack {
        DesiredStack {
            name: "orders-green-environment".to_owned(),
            layer: Layer::Environment,
            color: Some(bluegreen_core::color::Color::Green),
            region: "eu-west-1".to_owned(),
            template: String::new(),
            template_hash: "1111".to_owned(),
            parameters: BTreeMap::from([("SubnetIds".to_owned(), value)]),
        }
    }

    #[test]
    fn what_nobody_knows_replaces_nothing_and_another_stack_that_is_not_there_is_named() {
        let deployed = DeployedStack {
            parameters: BTreeMap::from([("SubnetIds".to_owned(), "subnet-1,subnet-2".to_owned())]),
            outputs: BTreeMap::from([("TemplateHash".to_owned(), "1111".to_owned())]),
            ..DeployedStack::default()
        };
        let own = ["orders-green-base".to_owned(), "orders-green-environment".to_owned()];
        let output = |stack: &str| Value::OutputOf {
            stack: stack.to_owned(),
            key: "PrivateSubnetIds".to_owned(),
        };
        let moved = of_the_network(output("orders-network"));
        let unknown = compare(&moved, |_, _| None, |_| None, &deployed);
        assert_eq!((unknown.differs, unknown.replacement), (true, None));
        let told = lacks(&moved, &own, |_, _| None).unwrap();
        assert!(told.contains("`mwaa-bluegreen env apply network`"), "{told}");
        // Once the network is there, it is what it is.
        for (subnets, is_new) in [("subnet-1,subnet-2", false), ("subnet-3,subnet-4", true)] {
            let there = |_: &str, _: &str| Some(subnets.to_owned());
            let known = compare(&moved, there, |_| None, &deployed);
            assert_eq!((known.differs, known.replacement.is_some()), (is_new, is_new));
            assert_eq!(lacks(&moved, &own, there), None);
        }
        // The color's own base is made by the rollout.
        let of_base = of_the_network(output("orders-green-base"));
        assert_eq!(lacks(&of_base, &own, |_, _| None), None);
        assert_eq!(compare(&of_base, |_, _| None, |_| None, &deployed).replacement, None);
    }

    #[test]
    fn a_major_version_and_what_is_create_only_need_a_new_environment() {
        let of = |key: &str, value: &str| {
            let mut parameters = BTreeMap::from(
                [
                    ("EnvironmentName", "orders-blue"),
                    ("KmsKeyArn", ""),
                    ("SubnetIds", "subnet-1,subnet-2"),
                    ("AirflowVersion", "2.10.3"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
            );
            parameters.insert(key.to_owned(), value.to_owned());
            parameters
        };
        let same = of("LogLevel", "INFO");
        for (key, value, is_new) in [
            ("LogLevel", "DEBUG", false),
            ("AirflowVersion", "2.11.0", false),
            ("AirflowVersion", "2.9.2", false),
            ("AirflowVersion", "3.0.6", true),
            ("EnvironmentName", "other", true),
            ("KmsKeyArn", "arn:aws:kms:eu-west-1:1:key/1", true),
            ("SubnetIds", "subnet-1,subnet-3", true),
        ] {
            assert_eq!(replacement(&of(key, value), &same).is_some(), is_new, "{key} {value}");
        }
        // An older template may not have the parameter.
        let mut deployed = same.clone();
        deployed.remove("KmsKeyArn");
        assert_eq!(replacement(&same, &deployed), None);
    }
}
