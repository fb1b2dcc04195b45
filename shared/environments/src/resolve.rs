//! What a stack's parameters are once the stacks below it stand, and whether it is deployed that way already.

use std::collections::BTreeMap;

use crate::stack::{DeployedStack, DesiredStack, Value};
use crate::template;
use crate::template::HASH_OUTPUT;

/// A value that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The output of a stack that is not deployed, or has none of that name.
    Output {
        /// The stack.
        stack: String,
        /// The output.
        key: String,
    },
    /// The version of an object that is not uploaded.
    Version {
        /// The object's key.
        key: String,
    },
}

/// Resolves all parameters of a stack. `output` and `version` say what is known of other stacks and of uploaded objects.
///
/// # Errors
/// Everything that is not known yet.
pub fn parameters(
    stack: &DesiredStack,
    output: impl Fn(&str, &str) -> Option<String>,
    version: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Vec<Missing>> {
    let mut known = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, value) in &stack.parameters {
        let found = match value {
            Value::Known(text) => Ok(text.clone()),
            Value::OutputOf { stack, key } => output(stack, key).ok_or_else(|| Missing::Output {
                stack: stack.clone(),
                key: key.clone(),
            }),
            Value::VersionOf { key } => version(key).ok_or_else(|| Missing::Version { key: key.clone() }),
        };
        match found {
            Ok(text) => {
                known.insert(name.clone(), text);
            }
            Err(fault) => missing.push(fault),
        }
    }
    if missing.is_empty() { Ok(known) } else { Err(missing) }
}

/// The version of an object that the deployed environment has already, and keeps: the same key in the same bucket. The
/// object that lies there now may be another one, written by hand.
#[must_use]
pub fn deployed_version(deployed: &DeployedStack, bucket_arn: &str, key: &str) -> Option<String> {
    let of = |name: &str| deployed.parameters.get(name).map(String::as_str);
    if of("BucketArn") != Some(bucket_arn) {
        return None;
    }
    ["Requirements", "Plugins", "StartupScript"]
        .iter()
        .find(|what| of(&format!("{what}Path")) == Some(key))
        .and_then(|what| of(&format!("{what}Version")))
        .filter(|version| !version.is_empty())
        .map(str::to_owned)
}

/// In what the deployed stack differs: `the template`, and the names of parameters. Empty if in nothing.
#[must_use]
pub fn differences(
    stack: &DesiredStack,
    parameters: &BTreeMap<String, String>,
    deployed: &DeployedStack,
) -> Vec<String> {
    let mut found = Vec::new();
    if deployed.outputs.get(HASH_OUTPUT) != Some(&stack.template_hash) {
        found.push("the template".to_owned());
    }
    let defaults = template::defaults(&stack.template);
    let empty = String::new();
    for (name, given) in parameters {
        // An empty value is not always listed.
        if deployed.parameters.get(name).unwrap_or(&empty) != given {
            found.push(name.clone());
        }
    }
    for (name, value) in &deployed.parameters {
        // Given by hand, or by a description that has it no longer: the template's own value comes back.
        if !parameters.contains_key(name) && defaults.get(name).is_some_and(|default| default != value) {
            found.push(name.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Layer;

    fn desired() -> DesiredStack {
        DesiredStack {
            name: "orders-blue-environment".to_owned(),
            layer: Layer::Environment,
            color: None,
            region: "eu-west-1".to_owned(),
            template: template::ENVIRONMENT.to_owned(),
            template_hash: "abc".to_owned(),
            parameters: BTreeMap::from([
                ("PairName".to_owned(), Value::Known("orders".to_owned())),
                ("PluginsVersion".to_owned(), Value::VersionOf { key: "k".to_owned() }),
                (
                    "BucketArn".to_owned(),
                    Value::OutputOf {
                        stack: "orders-blue-base".to_owned(),
                        key: "BucketArn".to_owned(),
                    },
                ),
            ]),
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        let found = parameters(&desired(), |_, _| None, |_| None).unwrap_err();
        assert_eq!(found.len(), 2, "{found:?}");
        let found = parameters(
            &desired(),
            |_, key| Some(key.to_lowercase()),
            |key| Some(key.to_owned()),
        )
        .unwrap();
        assert_eq!(found["BucketArn"], "bucketarn");
        assert_eq!(found["PluginsVersion"], "k");
    }

    #[test]
    fn a_parameter_that_is_given_no_longer_goes_back_to_its_default() {
        let parameters = BTreeMap::from([("PairName".to_owned(), "orders".to_owned())]);
        let mut deployed = DeployedStack {
            parameters: BTreeMap::from([
                ("PairName".to_owned(), "orders".to_owned()),
                ("LogLevel".to_owned(), "INFO".to_owned()),
            ]),
            outputs: BTreeMap::from([("TemplateHash".to_owned(), "abc".to_owned())]),
            ..DeployedStack::default()
        };
        assert!(differences(&desired(), &parameters, &deployed).is_empty());
        deployed.parameters.insert("LogLevel".to_owned(), "DEBUG".to_owned());
        assert_eq!(differences(&desired(), &parameters, &deployed), ["LogLevel"]);
        deployed.parameters.insert("LogLevel".to_owned(), "INFO".to_owned());
        deployed.parameters.insert("PairName".to_owned(), "other".to_owned());
        deployed.outputs.clear();
        assert_eq!(
            differences(&desired(), &parameters, &deployed),
            ["the template", "PairName"]
        );
    }

    #[test]
    fn a_version_is_kept_only_of_the_same_key_in_the_same_bucket() {
        let deployed = DeployedStack {
            parameters: BTreeMap::from([
                ("BucketArn".to_owned(), "arn:b".to_owned()),
                ("PluginsPath".to_owned(), "k".to_owned()),
                ("PluginsVersion".to_owned(), "v1".to_owned()),
            ]),
            ..DeployedStack::default()
        };
        assert_eq!(deployed_version(&deployed, "arn:b", "k").as_deref(), Some("v1"));
        assert_eq!(deployed_version(&deployed, "arn:other", "k"), None);
        assert_eq!(deployed_version(&deployed, "arn:b", "other"), None);
    }

    #[test]
    fn the_defaults_of_every_template_are_read() {
        let controller = include_str!("../../../template.yaml");
        for (text, name, value) in [
            (controller, "FailureWindowSeconds", "120"),
            (controller, "PairName", "mwaa-blue-green"),
            (controller, "ParameterRoot", ""),
            (controller, "DrillTimeZone", "UTC"),
            (template::ENVIRONMENT, "MaxWorkers", "10"),
            (template::ENVIRONMENT, "GuardMode", "all"),
            (template::ENVIRONMENT, "KmsKeyArn", ""),
        ] {
            assert_eq!(
                template::defaults(text).get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
        for text in [
            controller,
            template::ENVIRONMENT,
            template::BASE,
            template::NETWORK,
            template::LINEAGE,
        ] {
            let section = text.split("\nParameters:\n").nth(1).unwrap();
            let section: Vec<&str> = section
                .lines()
                .take_while(|line| line.starts_with([' ', '#']) || line.is_empty())
                .collect();
            let written = section
                .iter()
                .filter(|line| !line.trim_start().starts_with('#') && !line.trim_start().starts_with("Description"))
                .filter(|line| line.contains(" Default: "))
                .count();
            assert_eq!(template::defaults(text).len(), written);
            assert!(written > 0);
        }
        assert!(!template::defaults(template::ENVIRONMENT).contains_key("PairName"));
    }
}
