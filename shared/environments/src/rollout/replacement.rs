//! What MWAA cannot change in place.

use std::collections::BTreeMap;

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
