use super::*;
use crate::description::{Description, read};
use crate::template;

pub(crate) const CONTROLLER: &str = include_str!("../../../../template.yaml");

fn described(text: &str) -> Description {
    read(text).accepted().unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub(crate) fn uploads() -> Uploads {
    Uploads {
        requirements: Some("artifacts/requirements-0123456789abcdef.txt".to_owned()),
        plugins: Some("artifacts/plugins-0123456789abcdef.zip".to_owned()),
        startup_script: Some("artifacts/startup-0123456789abcdef.sh".to_owned()),
        controller_template: CONTROLLER.to_owned(),
        functions: template::function_folders(CONTROLLER)
            .into_iter()
            .map(|folder| {
                let uri = format!("s3://bucket/{folder}.zip");
                (folder, uri)
            })
            .collect(),
    }
}

fn stacks(text: &str) -> Vec<DesiredStack> {
    desired(&described(text), &uploads()).unwrap()
}

fn places(stacks: &[DesiredStack]) -> Vec<String> {
    stacks
        .iter()
        .map(|stack| format!("{} in {}", stack.name, stack.region))
        .collect()
}

const BLUE_GREEN: &str = "[pair]\nname = \"orders\"\nmode = \"blue-green\"\nregion = \"eu-west-1\"\n";
const STANDARD: &str = "[pair]\nname = \"orders\"\nmode = \"standard\"\nregion = \"eu-west-1\"\n";

fn known(stack: &DesiredStack, key: &str) -> String {
    match stack.parameters.get(key) {
        Some(Value::Known(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn standard_mode_is_one_color_without_a_controller() {
    let stacks = stacks(STANDARD);
    assert_eq!(
        places(&stacks),
        [
            "orders-network in eu-west-1",
            "orders-blue-base in eu-west-1",
            "orders-blue-environment in eu-west-1",
        ]
    );
    let green = self::stacks(&format!("{STANDARD}active = \"green\"\n"));
    assert_eq!(green[1].name, "orders-green-base");
}

#[test]
fn a_color_is_the_same_in_both_modes() {
    let standard = stacks(STANDARD);
    let pair = stacks(&STANDARD.replace("\"standard\"", "\"blue-green\""));
    for stack in &standard {
        assert!(pair.contains(stack), "{}", stack.name);
    }
}

#[test]
fn a_pair_is_deployed_in_this_order() {
    let stacks = stacks(&format!("{BLUE_GREEN}[lineage]\ndeploy = true\n"));
    assert_eq!(
        places(&stacks),
        [
            "orders-network in eu-west-1",
            "orders-blue-base in eu-west-1",
            "orders-green-base in eu-west-1",
            "orders-lineage in eu-west-1",
            "orders-blue-environment in eu-west-1",
            "orders-green-environment in eu-west-1",
            "orders in eu-west-1",
        ]
    );
    assert!(stacks.is_sorted_by_key(|stack| stack.layer));
    assert_eq!(known(&stacks[4], "FlagParameter"), "/mwaa/orders/active-environment");
    assert_eq!(
        stacks[4].parameters["LineageUrl"],
        Value::OutputOf {
            stack: "orders-lineage".to_owned(),
            key: "LineageUrl".to_owned()
        }
    );
    assert_eq!(
        stacks[5].parameters["PluginsVersion"],
        Value::VersionOf {
            key: "artifacts/plugins-0123456789abcdef.zip".to_owned()
        }
    );
}

#[test]
fn two_regions_have_a_network_each_and_know_where_the_flag_is() {
    let stacks = stacks(&format!("{BLUE_GREEN}green_region = \"eu-central-1\"\n"));
    assert_eq!(
        places(&stacks),
        [
            "orders-network in eu-west-1",
            "orders-network in eu-central-1",
            "orders-blue-base in eu-west-1",
            "orders-green-base in eu-central-1",
            "orders-blue-environment in eu-west-1",
            "orders-green-environment in eu-central-1",
            "orders in eu-west-1",
        ]
    );
    let regions = stacks[2..6].iter().map(|stack| known(stack, "ControllerRegion"));
    assert_eq!(regions.collect::<Vec<_>>(), ["", "eu-west-1", "", "eu-west-1"]);
    assert_eq!(known(&stacks[6], "GreenRegion"), "eu-central-1");
}

#[test]
fn what_somebody_else_has_made_is_not_deployed() {
    let text = format!("{BLUE_GREEN}[blue]\nexisting = \"airflow-prod\"\nbucket = \"airflow-prod-dags\"\n");
    let stacks = stacks(&text);
    assert_eq!(
        places(&stacks),
        [
            "orders-network in eu-west-1",
            "orders-green-base in eu-west-1",
            "orders-green-environment in eu-west-1",
            "orders in eu-west-1",
        ]
    );
    assert_eq!(known(&stacks[3], "BlueEnvironmentName"), "airflow-prod");
    assert_eq!(known(&stacks[3], "GreenEnvironmentName"), "orders-green");
    let bucket = code_bucket(&described(&text));
    assert_eq!(bucket, Some(CodeBucket::OutputOf("orders-green-base".to_owned())));
    let both = format!("{text}[green]\nexisting = \"airflow-other\"\n");
    assert_eq!(places(&self::stacks(&both)), ["orders in eu-west-1"]);
    assert_eq!(
        code_bucket(&described(&both)),
        Some(CodeBucket::Named("airflow-prod-dags".to_owned()))
    );
}

#[test]
fn a_given_network_is_passed_on() {
    let stacks = stacks(&format!(
        "{BLUE_GREEN}[network]\nvpc_id = \"vpc-01234567\"\nsubnet_ids = [\"subnet-01234567\", \"subnet-89abcdef\"]\n"
    ));
    assert_eq!(stacks[0].name, "orders-blue-base");
    assert_eq!(known(&stacks[0], "VpcId"), "vpc-01234567");
    assert_eq!(known(&stacks[2], "SubnetIds"), "subnet-01234567,subnet-89abcdef");
}

#[test]
fn the_guards_mode_is_a_parameter_and_its_other_options_are_options() {
    let stacks = stacks(&format!(
        "{BLUE_GREEN}[guard.options]\nguard = \"tagged\"\nstandby_wait_seconds = 120\n"
    ));
    assert_eq!(known(&stacks[3], "GuardMode"), "tagged");
    assert!(
        stacks[3]
            .template
            .contains("        \"custom.bluegreen_standby_wait_seconds\": \"120\"\n")
    );
    assert!(!stacks[3].template.contains("\"custom.bluegreen_guard\""));
}

/// The parameters of a template, and whether each has a default.
fn parameters_of(template: &str) -> BTreeMap<String, bool> {
    let section = template.split("\nParameters:\n").nth(1).unwrap();
    let mut parameters = BTreeMap::new();
    let mut name = String::new();
    for line in section
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
    {
        match line.strip_prefix("  ") {
            Some(key) if !key.starts_with([' ', '#']) => {
                name = key.trim_end_matches(':').to_owned();
                parameters.insert(name.clone(), false);
            }
            Some(rest) if rest.contains("Default: ") => {
                parameters.insert(name.clone(), true);
            }
            _ => {}
        }
    }
    parameters
}

#[test]
fn every_parameter_is_one_of_the_templates_and_none_is_missing() {
    let all = stacks(&format!("{BLUE_GREEN}[lineage]\ndeploy = true\n"));
    assert_eq!(all.len(), 7);
    for stack in all {
        let parameters = parameters_of(&stack.template);
        for key in stack.parameters.keys() {
            assert!(parameters.contains_key(key), "{} has no parameter {key}", stack.name);
        }
        for (key, has_default) in parameters {
            assert!(
                has_default || stack.parameters.contains_key(&key),
                "{} needs {key}",
                stack.name
            );
        }
    }
}
