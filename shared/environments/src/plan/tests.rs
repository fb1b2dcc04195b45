use super::*;
use crate::description::read;
use crate::stack::{desired, tests::uploads};

const PAIR: &str = "[pair]\nname = \"orders\"\nmode = \"blue-green\"\nregion = \"eu-west-1\"\n\
                    [environment]\nairflow_version = \"2.10.3\"\n";

fn stacks(text: &str) -> Vec<DesiredStack> {
    desired(
        &read(text).accepted().unwrap_or_else(|faults| panic!("{faults:#?}")),
        &uploads(),
    )
    .unwrap()
}

fn place(stack: &DesiredStack) -> Place {
    (stack.region.clone(), stack.name.clone())
}

/// The stacks as CloudFormation would describe them once they were deployed.
fn deploy(stacks: &[DesiredStack]) -> BTreeMap<Place, DeployedStack> {
    let mut deployed: BTreeMap<Place, DeployedStack> = BTreeMap::new();
    for stack in stacks {
        let mut parameters = defaults(&stack.template);
        for (name, value) in &stack.parameters {
            let text = match value {
                Value::Known(text) => text.clone(),
                Value::OutputOf { stack: other, key } => {
                    deployed[&(stack.region.clone(), other.clone())].outputs[key].clone()
                }
                Value::VersionOf { key } => format!("version of {key}"),
            };
            parameters.insert(name.clone(), text);
        }
        let mut outputs = BTreeMap::from([(HASH_OUTPUT.to_owned(), stack.template_hash.clone())]);
        for key in [
            "VpcId",
            "PrivateSubnetIds",
            "BucketArn",
            "SecurityGroupId",
            "ExecutionRoleArn",
            "LineageUrl",
        ] {
            outputs.insert(key.to_owned(), format!("{key} of {}", stack.name));
        }
        deployed.insert(
            place(stack),
            DeployedStack {
                name: stack.name.clone(),
                status: "UPDATE_COMPLETE".to_owned(),
                status_reason: None,
                parameters,
                outputs,
            },
        );
    }
    deployed
}

fn told(plans: &[StackPlan]) -> Vec<String> {
    plans
        .iter()
        .filter(|plan| plan.action != Action::Unchanged)
        .map(|plan| match &plan.action {
            Action::Update(changes) => {
                let changes: Vec<String> = changes
                    .iter()
                    .filter(|change| change.what != "template")
                    .map(|change| {
                        format!(
                            "{} {}->{} {}",
                            change.what,
                            change.from,
                            change.to,
                            change.effect.as_str()
                        )
                    })
                    .collect();
                format!("{}: {}", plan.name, changes.join(", "))
            }
            action => format!("{}: {}", plan.name, action.as_str()),
        })
        .collect()
}

#[test]
fn nothing_deployed_is_all_created_and_deployed_is_unchanged() {
    let stacks = stacks(PAIR);
    let plans = plan("orders", &stacks, &BTreeMap::new());
    assert_eq!(plans.len(), 6);
    assert!(plans.iter().all(|plan| plan.action == Action::Create));
    let plans = plan("orders", &stacks, &deploy(&stacks));
    assert!(told(&plans).is_empty(), "{plans:#?}");
}

#[test]
fn each_change_says_what_it_does() {
    let deployed = deploy(&stacks(PAIR));
    for (line, expected) in [
        (
            "class = \"mw1.medium\"\n",
            "EnvironmentClass mw1.small->mw1.medium restart",
        ),
        ("min_workers = 3\n", "MinWorkers 1->3 restart"),
        ("log_level = \"DEBUG\"\n", "LogLevel INFO->DEBUG restart"),
    ] {
        let plans = plan("orders", &stacks(&format!("{PAIR}{line}")), &deployed);
        let both = ["blue", "green"].map(|color| format!("orders-{color}-environment: {expected}"));
        assert_eq!(told(&plans), both);
    }
    for (version, effect) in [("2.11.0", "restart"), ("3.0.6", "replace")] {
        let plans = plan("orders", &stacks(&PAIR.replace("2.10.3", version)), &deployed);
        let expected = format!("orders-blue-environment: AirflowVersion 2.10.3->{version} {effect}");
        assert_eq!(told(&plans)[0], expected);
    }
    let text = format!("{PAIR}[network]\ncidr = \"10.1.0.0/16\"\n");
    let expected = ["orders-network: VpcCidr 10.0.0.0/16->10.1.0.0/16 replace"];
    assert_eq!(told(&plan("orders", &stacks(&text), &deployed)), expected);
    let text = format!("{PAIR}[network]\nnat_gateways = 1\n");
    assert_eq!(
        told(&plan("orders", &stacks(&text), &deployed)),
        ["orders-network: NatGateways 2->1 none"]
    );
    let text = format!("{PAIR}[controller.parameters]\nFailureWindowSeconds = 300\n");
    let expected = ["orders: FailureWindowSeconds 120->300 none"];
    assert_eq!(told(&plan("orders", &stacks(&text), &deployed)), expected);
}

#[test]
fn a_create_only_property_of_the_environment_replaces_it() {
    for name in ["EnvironmentName", "KmsKeyArn", "SubnetIds"] {
        assert_eq!(effect(Layer::Environment, name, "a", "b"), Effect::Replace, "{name}");
    }
    // Everything else that the template passes on is an update.
    for name in [
        "MaxWorkers",
        "Schedulers",
        "PluginsVersion",
        "GuardMode",
        "LineageUrl",
        "AirflowVersion",
    ] {
        assert_eq!(
            effect(Layer::Environment, name, "2.10.1", "2.10.3"),
            Effect::Restart,
            "{name}"
        );
    }
}

#[test]
fn every_parameter_of_the_table_of_effects_exists() {
    let all = stacks(&format!("{PAIR}[lineage]\ndeploy = true\n"));
    for (layer, name, _) in EFFECTS {
        let stack = all.iter().find(|stack| stack.layer == *layer).unwrap();
        assert!(stack.template.contains(&format!("\n  {name}:\n")), "{layer:?} {name}");
    }
}

#[test]
fn an_option_changes_the_template_with_equal_parameters() {
    let deployed = deploy(&stacks(PAIR));
    let text = format!("{PAIR}[environment.options]\n\"core.parallelism\" = 32\n");
    let plans = plan("orders", &stacks(&text), &deployed);
    let Action::Update(changes) = &plans[3].action else {
        panic!("{plans:#?}");
    };
    let [change] = changes.as_slice() else {
        panic!("{changes:#?}");
    };
    assert_eq!((change.what.as_str(), change.effect), ("template", Effect::Restart));
    assert_ne!(change.from, change.to);
    assert_eq!(plans[3].action.effect(), Effect::Restart);
}

#[test]
fn a_new_artifact_is_known_after_its_upload() {
    let before = stacks(PAIR);
    let deployed = deploy(&before);
    let mut uploads = uploads();
    uploads.requirements = Some("artifacts/requirements-ffffffffffffffff.txt".to_owned());
    let after = desired(&read(PAIR).accepted().unwrap(), &uploads).unwrap();
    assert_eq!(
        told(&plan("orders", &after, &deployed))[0],
        "orders-blue-environment: RequirementsPath artifacts/requirements-0123456789abcdef.txt->\
         artifacts/requirements-ffffffffffffffff.txt restart, RequirementsVersion version of \
         artifacts/requirements-0123456789abcdef.txt->(known after the upload) restart"
    );
}

#[test]
fn a_status_decides_before_any_difference() {
    let stacks = stacks(PAIR);
    for (status, expected) in [
        ("CREATE_IN_PROGRESS", "busy"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "busy"),
        ("UPDATE_ROLLBACK_FAILED", "needs-attention"),
        ("DELETE_FAILED", "needs-attention"),
        ("ROLLBACK_COMPLETE", "needs-attention"),
        ("REVIEW_IN_PROGRESS", "create"),
        ("DELETE_COMPLETE", "create"),
        ("UPDATE_ROLLBACK_COMPLETE", "unchanged"),
        ("CREATE_COMPLETE", "unchanged"),
    ] {
        let mut deployed = deploy(&stacks);
        let place = place(&stacks[3]);
        deployed.get_mut(&place).unwrap().status = status.to_owned();
        let plans = plan("orders", &stacks, &deployed);
        assert_eq!(plans[3].action.as_str(), expected, "{status}");
    }
}

#[test]
fn what_is_no_longer_described_is_named_and_stays() {
    let deployed = deploy(&stacks(PAIR));
    let standard = stacks(&PAIR.replace("blue-green", "standard"));
    let plans = plan("orders", &standard, &deployed);
    assert_eq!(
        told(&plans),
        [
            "orders-green-base: leftover",
            "orders-green-environment: leftover",
            "orders: leftover"
        ]
    );
}

#[test]
fn a_value_set_by_hand_goes_back_to_the_templates() {
    let stacks = stacks(PAIR);
    let mut deployed = deploy(&stacks);
    let controller = deployed
        .get_mut(&("eu-west-1".to_owned(), "orders".to_owned()))
        .unwrap();
    controller
        .parameters
        .insert("CooldownSeconds".to_owned(), "600".to_owned());
    let plans = plan("orders", &stacks, &deployed);
    assert_eq!(told(&plans), ["orders: CooldownSeconds 600->300 none"]);
}
