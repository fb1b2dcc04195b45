//! Which color still has the configuration from before the rollout, and that configuration for the other color.

use std::collections::BTreeMap;

use bluegreen_core::color::{Both, Color};

use super::hold::Before;
use super::observed::{ColorState, DagState, StackState};
use crate::stack::{DeployedStack, DesiredStack, Value};

/// Where `--abort` finds the configuration to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbortSource {
    /// This color has it.
    Of(Color),
    /// Both colors are as `pair.toml` says: there is nothing to go back from.
    Nothing,
    /// No color has it any more; why.
    Lost(String),
    /// Nothing says which color has it: a person names one; why, and what each answer does.
    Ask(String),
}

/// The color whose configuration an abort goes back to. `colors` are compared with `pair.toml`; `before` is what the
/// rollout's hold says; `chosen` is the color that a person has named.
#[must_use]
pub fn abort_source(colors: &Both<ColorState>, before: Option<Before>, chosen: Option<Color>) -> AbortSource {
    let is_new = |color: Color| colors.of(color).is_finished();
    let exists = |color: Color| !matches!(colors.of(color).stack, StackState::Missing | StackState::Unusable(_));
    if is_new(Color::Blue) && is_new(Color::Green) {
        return AbortSource::Nothing;
    }
    if let Some(chosen) = chosen {
        return if exists(chosen) {
            AbortSource::Of(chosen)
        } else {
            AbortSource::Lost(format!("{chosen} has no environment to go back to"))
        };
    }
    match before {
        Some(before) => {
            // If only this color is as `pair.toml` says, the file was changed back, and nothing is lost.
            let both = |is_so: &dyn Fn(&ColorState) -> bool| Color::BOTH.iter().all(|color| is_so(colors.of(*color)));
            let stacks_gone = before.stacks && both(&|state| state.stack == StackState::Matches);
            let dags_gone = before.dags && both(&|state| state.dags == DagState::Match);
            if stacks_gone || dags_gone {
                AbortSource::Lost(format!(
                    "{} had the configuration from before the rollout, and has the new {} already",
                    before.color,
                    if stacks_gone { "stacks" } else { "DAG files" }
                ))
            } else {
                AbortSource::Of(before.color)
            }
        }
        None => match (exists(Color::Blue), exists(Color::Green)) {
            (true, false) => AbortSource::Of(Color::Blue),
            (false, true) => AbortSource::Of(Color::Green),
            // The color that is as `pair.toml` says is the new one, or, where the file was changed back, the old one: what
            // is taken for new here is overwritten.
            _ => AbortSource::Ask(ask(Color::BOTH.into_iter().find(|color| is_new(*color)))),
        },
    }
}

fn ask(as_described: Option<Color>) -> String {
    let forward = match as_described {
        Some(color) => format!(
            "{color} is as pair.toml describes, and {other} is not. Was pair.toml changed back? Then `mwaa-bluegreen rollout` brings \
             {other} back to it",
            other = color.other()
        ),
        None => "neither color is as pair.toml describes".to_owned(),
    };
    format!(
        "there is no hold of this rollout any more that says which color has the configuration from before. {forward}. Otherwise \
         name the color to go back to: `mwaa-bluegreen rollout --abort --to blue` gives green what blue has, `--to green` gives \
         blue what green has"
    )
}

/// Parameters that belong to a color, or to what was deployed before its environment, and never go to the other one.
const OWN: [&str; 6] = [
    "Color",
    "EnvironmentName",
    "SecurityGroupIds",
    "ExecutionRoleArn",
    "BucketArn",
    "LineageNamespace",
];

/// Parameters that belong to a region.
const OF_REGION: [&str; 4] = ["VpcId", "SubnetIds", "KmsKeyArn", "ControllerRegion"];

/// The parameters that name an object in the color's bucket, each with that of its version, which differs by bucket.
const ARTIFACTS: [(&str, &str); 3] = [
    ("RequirementsPath", "RequirementsVersion"),
    ("PluginsPath", "PluginsVersion"),
    ("StartupScriptPath", "StartupScriptVersion"),
];

/// The stack `source`, of the color with the old configuration and with its template, as a stack of the other color.
///
/// `own` is the other color's stack as `pair.toml` describes it.
#[must_use]
pub fn of_the_other(source: &DeployedStack, template: &str, source_region: &str, own: &DesiredStack) -> DesiredStack {
    let same_region = source_region == own.region;
    let mut parameters = BTreeMap::new();
    for (key, value) in &source.parameters {
        let artifact = ARTIFACTS.iter().find(|(_, version)| version == key);
        let kept = if let Some((path, _)) = artifact {
            match source.parameters.get(*path) {
                // Without an object there is no version, on either color.
                None => Some(Value::Known(value.clone())),
                Some(path) if path.is_empty() => Some(Value::Known(value.clone())),
                Some(path) => Some(Value::VersionOf { key: path.clone() }),
            }
        } else if OWN.contains(&key.as_str()) || (!same_region && OF_REGION.contains(&key.as_str())) {
            own.parameters.get(key).cloned()
        } else {
            Some(Value::Known(value.clone()))
        };
        if let Some(kept) = kept {
            parameters.insert(key.clone(), kept);
        }
    }
    DesiredStack {
        template: template.to_owned(),
        template_hash: source.outputs.get("TemplateHash").cloned().unwrap_or_default(),
        parameters,
        ..own.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::observed::InFlight;
    use crate::stack::Layer;

    fn state(stack_is_new: bool, dags_are_new: bool) -> ColorState {
        ColorState {
            stack: if stack_is_new {
                StackState::Matches
            } else {
                StackState::Differs
            },
            replacement: None,
            dags: if dags_are_new {
                DagState::Match
            } else {
                DagState::Differ
            },
            in_flight: InFlight::Drained,
            attempted: false,
        }
    }

    #[test]
    fn an_abort_goes_back_to_the_color_that_was_not_changed() {
        let (old, new, half) = (state(false, false), state(true, true), state(true, false));
        let of = |blue: &ColorState, green: &ColorState, before: Option<Before>| {
            let colors = Both {
                blue: blue.clone(),
                green: green.clone(),
            };
            abort_source(&colors, before, None)
        };
        let before = Some(Before {
            color: Color::Blue,
            stacks: true,
            dags: true,
        });
        for green in [&old, &half, &new] {
            assert_eq!(of(&old, green, before), AbortSource::Of(Color::Blue));
        }
        assert_eq!(of(&new, &new, before), AbortSource::Nothing);
        assert!(matches!(of(&half, &new, before), AbortSource::Lost(_)));
        assert!(matches!(of(&new, &half, before), AbortSource::Lost(_)));
        // pair.toml was changed back: blue is as it says again, and still is the color from before.
        assert_eq!(of(&new, &old, before), AbortSource::Of(Color::Blue));
        let dags_only = Some(Before {
            color: Color::Blue,
            stacks: false,
            dags: true,
        });
        assert_eq!(of(&half, &new, dags_only), AbortSource::Of(Color::Blue));
    }

    #[test]
    fn without_a_hold_that_says_it_nothing_is_guessed() {
        let (old, new, half) = (state(false, false), state(true, true), state(true, false));
        let missing = ColorState {
            stack: StackState::Missing,
            ..old.clone()
        };
        let of = |blue: &ColorState, green: &ColorState, chosen: Option<Color>| {
            let colors = Both {
                blue: blue.clone(),
                green: green.clone(),
            };
            abort_source(&colors, None, chosen)
        };
        for (blue, green, told) in [
            (&old, &new, "green is as pair.toml describes"),
            // blue may be the old one, and pair.toml changed back: to go back to green would overwrite it.
            (&new, &old, "blue is as pair.toml describes"),
            (&old, &half, "neither color"),
        ] {
            let AbortSource::Ask(why) = of(blue, green, None) else {
                unreachable!("guessed: {blue:?} {green:?}")
            };
            assert!(why.contains(told) && why.contains("rollout --abort --to blue"), "{why}");
            for color in Color::BOTH {
                assert_eq!(of(blue, green, Some(color)), AbortSource::Of(color));
            }
        }
        assert_eq!(of(&old, &missing, None), AbortSource::Of(Color::Blue));
        assert_eq!(of(&missing, &new, None), AbortSource::Of(Color::Green));
        assert!(matches!(of(&missing, &new, Some(Color::Blue)), AbortSource::Lost(_)));
        assert_eq!(of(&new, &new, None), AbortSource::Nothing);
    }

    #[test]
    fn the_others_stack_keeps_what_is_its_own() {
        let own = DesiredStack {
            name: "orders-green-environment".to_owned(),
            layer: Layer::Environment,
            color: Some(Color::Green),
            region: "eu-west-1".to_owned(),
            template: "new".to_owned(),
            template_hash: "2222".to_owned(),
            parameters: [
                ("Color", "green"),
                ("EnvironmentName", "orders-green"),
                ("BucketArn", "arn:aws:s3:::green"),
                ("SubnetIds", "subnet-new"),
                ("AirflowVersion", "2.11.0"),
            ]
            .map(|(key, value)| (key.to_owned(), Value::Known(value.to_owned())))
            .into(),
        };
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let source = DeployedStack {
            name: "orders-blue-environment".to_owned(),
            parameters: text(&[
                ("Color", "blue"),
                ("EnvironmentName", "orders-blue"),
                ("BucketArn", "arn:aws:s3:::blue"),
                ("LineageNamespace", "orders-blue"),
                ("SubnetIds", "subnet-old"),
                ("AirflowVersion", "2.10.3"),
                ("RequirementsPath", "artifacts/requirements-1.txt"),
                ("RequirementsVersion", "of-blue"),
                ("PluginsPath", ""),
                ("PluginsVersion", ""),
            ]),
            outputs: text(&[("TemplateHash", "1111")]),
            ..DeployedStack::default()
        };
        let made = |region: &str| of_the_other(&source, "old", region, &own);
        let stack = made("eu-west-1");
        assert_eq!(
            (stack.name.as_str(), stack.template.as_str()),
            ("orders-green-environment", "old")
        );
        assert_eq!(stack.template_hash, "1111");
        let known = |key: &str| match stack.parameters.get(key) {
            Some(Value::Known(value)) => Some(value.as_str()),
            _ => None,
        };
        for (key, value) in [
            ("Color", Some("green")),
            ("EnvironmentName", Some("orders-green")),
            ("BucketArn", Some("arn:aws:s3:::green")),
            ("LineageNamespace", None),
            ("SubnetIds", Some("subnet-old")),
            ("AirflowVersion", Some("2.10.3")),
            ("PluginsVersion", Some("")),
        ] {
            assert_eq!(known(key), value, "{key}");
        }
        assert_eq!(
            stack.parameters.get("RequirementsVersion"),
            Some(&Value::VersionOf {
                key: "artifacts/requirements-1.txt".to_owned()
            })
        );
        let elsewhere = made("eu-central-1");
        assert_eq!(
            elsewhere.parameters.get("SubnetIds"),
            Some(&Value::Known("subnet-new".to_owned()))
        );
    }
}
