//! The plan: what deployment would change in each stack, and whether that restarts or replaces an environment.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::color::Color;

use crate::description::major_minor;
use crate::operation::{Standing, help};
use crate::resolve::deployed_version;
use crate::stack::{DeployedStack, DesiredStack, Layer, Value};
use crate::template::HASH_OUTPUT;
use crate::template::defaults;

/// What a change does to what runs. The greater includes the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing that runs is disturbed.
    None,
    /// MWAA updates the environment: its parts restart, in 10 to 30 minutes.
    Restart,
    /// It cannot be changed in place: what holds it must be made anew.
    Replace,
}

impl Effect {
    /// For people and for JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restart => "restart",
            Self::Replace => "replace",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The parameter, or `template`.
    pub what: String,
    /// What is deployed.
    pub from: String,
    /// What shall be deployed.
    pub to: String,
    /// What that does.
    pub effect: Effect,
}

/// What deployment would do with a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Create,
    /// Change it.
    Update(Vec<Change>),
    /// Nothing.
    Unchanged,
    /// Wait: CloudFormation is at it.
    Busy {
        /// CloudFormation's status.
        status: String,
    },
    /// Nothing before a person has helped.
    NeedsAttention {
        /// CloudFormation's status.
        status: String,
        /// CloudFormation's reason.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// Nothing: it is deployed, but no longer described. It stays until `env destroy`.
    Leftover,
}

impl Action {
    /// For people and for JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update(_) => "update",
            Self::Unchanged => "unchanged",
            Self::Busy { .. } => "busy",
            Self::NeedsAttention { .. } => "needs-attention",
            Self::Leftover => "leftover",
        }
    }

    /// The greatest effect of its changes.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Update(changes) => changes.iter().map(|change| change.effect).max().unwrap_or(Effect::None),
            _ => Effect::None,
        }
    }
}

/// The plan of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPlan {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub layer: Layer,
    /// Its color.
    pub color: Option<Color>,
    /// Its region.
    pub region: String,
    /// What would be done.
    pub action: Action,
}

/// Where a stack is: its region and its name.
pub type Place = (String, String);

/// The stacks that a pair of this name can have, in whatever mode: all of them are looked at, so that one that is no
/// longer described is seen.
#[must_use]
pub fn places(pair: &str, regions: &[String]) -> Vec<(Place, Layer, Option<Color>)> {
    let regions: BTreeSet<&String> = regions.iter().collect();
    let kinds = [
        Layer::Network,
        Layer::Base,
        Layer::Lineage,
        Layer::Environment,
        Layer::Controller,
    ];
    let mut places = Vec::new();
    for region in regions {
        for layer in kinds {
            let colors: &[Option<Color>] = match layer {
                Layer::Base | Layer::Environment => &[Some(Color::Blue), Some(Color::Green)],
                _ => &[None],
            };
            for color in colors {
                let name = crate::names::stack(pair, layer, *color);
                places.push(((region.clone(), name), layer, *color));
            }
        }
    }
    places
}

/// Compares what shall be with what is. `deployed` has every stack that exists of [`places`].
#[must_use]
pub fn plan(pair: &str, desired: &[DesiredStack], deployed: &BTreeMap<Place, DeployedStack>) -> Vec<StackPlan> {
    let mut plans: Vec<StackPlan> = desired
        .iter()
        .map(|stack| StackPlan {
            name: stack.name.clone(),
            layer: stack.layer,
            color: stack.color,
            region: stack.region.clone(),
            action: action(stack, deployed),
        })
        .collect();
    let regions: Vec<String> = deployed.keys().map(|(region, _)| region.clone()).collect();
    for ((region, name), layer, color) in places(pair, &regions) {
        let is_described = plans.iter().any(|plan| plan.region == region && plan.name == name);
        let status = deployed
            .get(&(region.clone(), name.clone()))
            .map(|stack| stack.status.as_str());
        if !is_described && Standing::of(status) != Standing::Absent {
            plans.push(StackPlan {
                name,
                layer,
                color,
                region,
                action: Action::Leftover,
            });
        }
    }
    plans
}

fn action(stack: &DesiredStack, deployed: &BTreeMap<Place, DeployedStack>) -> Action {
    let Some(found) = deployed.get(&(stack.region.clone(), stack.name.clone())) else {
        return Action::Create;
    };
    let attention = |advice: String| Action::NeedsAttention {
        status: found.status.clone(),
        reason: found.status_reason.clone().unwrap_or_default(),
        advice,
    };
    match Standing::of(Some(&found.status)) {
        Standing::Absent => Action::Create,
        // A change set made the name, and nothing else.
        Standing::Leftover if found.status == "REVIEW_IN_PROGRESS" => Action::Create,
        Standing::Leftover => attention(format!(
            "its creation failed, and nothing but deleting it makes room for another try: `env apply` does that, if nothing \
             in it must be kept; or `aws cloudformation delete-stack --stack-name {} --region {}`",
            stack.name, stack.region
        )),
        Standing::Busy => Action::Busy {
            status: found.status.clone(),
        },
        Standing::Stuck => attention(help(&stack.name, &stack.region, &found.status)),
        Standing::Settled => match changes(stack, found, deployed) {
            changes if changes.is_empty() => Action::Unchanged,
            changes => Action::Update(changes),
        },
    }
}

fn changes(stack: &DesiredStack, found: &DeployedStack, deployed: &BTreeMap<Place, DeployedStack>) -> Vec<Change> {
    let was = |name: &str| found.parameters.get(name).cloned().unwrap_or_default();
    let mut changes = Vec::new();
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for (name, value) in &stack.parameters {
        wanted.insert(name.clone(), resolved(stack, value, found, deployed));
    }
    // Given by hand, or by an earlier description: the template's own value comes back.
    for (name, default) in defaults(&stack.template) {
        if found.parameters.contains_key(&name) {
            wanted.entry(name).or_insert(Wanted::Text(default));
        }
    }
    for (name, to) in wanted {
        let from = was(&name);
        // The value of a hidden parameter is not shown, so nothing can be said of it.
        if from == "****" || to == Wanted::Text(from.clone()) {
            continue;
        }
        let to = match to {
            Wanted::Text(text) | Wanted::Later(text) => text,
        };
        let effect = effect(stack.layer, &name, &from, &to);
        changes.push(Change {
            what: name,
            from,
            to,
            effect,
        });
    }
    let hash = found.outputs.get(HASH_OUTPUT);
    if hash != Some(&stack.template_hash) {
        let effect = if stack.layer == Layer::Environment {
            Effect::Restart
        } else {
            Effect::None
        };
        changes.push(Change {
            what: "template".to_owned(),
            from: hash
                .cloned()
                .unwrap_or_else(|| "not deployed by this command line".to_owned()),
            to: stack.template_hash.clone(),
            effect,
        });
    }
    changes
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Text(String),
    /// Not known yet, so that it is another one.
    Later(String),
}

fn resolved(
    stack: &DesiredStack,
    value: &Value,
    found: &DeployedStack,
    deployed: &BTreeMap<Place, DeployedStack>,
) -> Wanted {
    let output = |name: &String, key: &String| {
        let other = deployed.get(&(stack.region.clone(), name.clone()))?;
        other.outputs.get(key).cloned()
    };
    match value {
        Value::Known(text) => Wanted::Text(text.clone()),
        Value::OutputOf { stack: name, key } => match output(name, key) {
            Some(text) => Wanted::Text(text),
            None => Wanted::Later(format!("(output {key} of {name}, which is not deployed)")),
        },
        Value::VersionOf { key } => {
            let bucket = match stack.parameters.get("BucketArn") {
                Some(Value::OutputOf { stack: name, key }) => output(name, key),
                Some(Value::Known(arn)) => Some(arn.clone()),
                _ => None,
            };
            match bucket.and_then(|arn| deployed_version(found, &arn, key)) {
                Some(version) => Wanted::Text(version),
                None => Wanted::Later("(known after the upload)".to_owned()),
            }
        }
    }
}

/// What a change of a parameter does. Restarts are those of MWAA: its `UpdateEnvironment`, which any change of a property
/// calls. The replaced ones are create-only in CloudFormation's schema, or name what is.
const EFFECTS: &[(Layer, &str, Effect)] = &[
    // Another VPC, and so other subnets.
    (Layer::Network, "VpcCidr", Effect::Replace),
    (Layer::Network, "FirstZone", Effect::Replace),
    (Layer::Network, "SecondZone", Effect::Replace),
    // The security group.
    (Layer::Base, "VpcId", Effect::Replace),
    // The role: its path is part of its ARN.
    (Layer::Base, "RolePath", Effect::Replace),
    // The database.
    (Layer::Lineage, "KmsKeyArn", Effect::Replace),
    (Layer::Lineage, "VpcId", Effect::Replace),
    (Layer::Lineage, "SubnetIds", Effect::Replace),
    (Layer::Environment, "EnvironmentName", Effect::Replace),
    (Layer::Environment, "KmsKeyArn", Effect::Replace),
    (Layer::Environment, "SubnetIds", Effect::Replace),
    // It only names the pair.
    (Layer::Environment, "PairName", Effect::None),
    // The flag and everything beside it would be missing at the new place.
    (Layer::Controller, "ParameterRoot", Effect::Replace),
    (Layer::Controller, "PairName", Effect::Replace),
];

/// What a change of a parameter does.
#[must_use]
pub fn effect(layer: Layer, parameter: &str, from: &str, to: &str) -> Effect {
    let listed = EFFECTS.iter().find(|(of, name, _)| *of == layer && *name == parameter);
    if let Some((_, _, effect)) = listed {
        return *effect;
    }
    if layer != Layer::Environment {
        return Effect::None;
    }
    let major = |version: &str| major_minor(version).map(|(major, _)| major);
    if parameter == "AirflowVersion" && major(from) != major(to) {
        return Effect::Replace;
    }
    Effect::Restart
}

#[cfg(test)]
mod tests;
