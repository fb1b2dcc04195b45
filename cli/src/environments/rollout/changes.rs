//! The changes that a rollout makes to the standby: its stacks, its environment, its DAG files.

use std::collections::BTreeMap;

use bluegreen_core::color::Color;
use bluegreen_environments::resolve;
use bluegreen_environments::rollout::StackState;
use bluegreen_environments::stack::{DesiredStack, Layer, Value};

use super::super::arguments::Patience;
use super::super::bucket::Bucket;
use super::super::dag_color::{Verdict, some_of};
use super::super::dags::{Released, release};
use super::super::deployment;
use super::super::stacks::LONGEST_TEMPLATE;
use super::pair::{Deployed, LONGEST, Pair, Target};
use crate::failure::Failure;

/// A look at flag and hold right before a change: an error if they are not as they were when it was decided.
pub(super) trait Fence {
    async fn still_holds(&self) -> Result<(), Failure>;
}

impl Pair {
    /// Deploys a color's stacks, base first. Nothing is executed without the fence's consent.
    pub(super) async fn apply(&self, target: &Target, color: Color, fence: &impl Fence) -> Result<(), Failure> {
        let stacks = self.stacks(color);
        for stack in &target.colors.of(color).stacks {
            // Again for each stack: the environment's takes outputs of its base.
            let deployed = self.deployed_of(color).await?;
            let parameters = self.parameters(target, stack, &deployed, color).await?;
            if stack.template.len() > LONGEST_TEMPLATE {
                return Err(Failure::Usage(format!(
                    "the template of stack {} has {} characters; at most {LONGEST_TEMPLATE} can be deployed: shorten the options \
                     of pair.toml",
                    stack.name,
                    stack.template.len()
                )));
            }
            let is_environment = stack.layer == Layer::Environment;
            let wanted = deployment::Wanted {
                name: stack.name.clone(),
                template: stack.template.clone(),
                template_url: None,
                template_hash: stack.template_hash.clone(),
                parameters,
                protected: is_environment,
                patience: match (is_environment, deployed.of(stack.layer).is_some()) {
                    (true, false) => "; MWAA takes 20 to 30 minutes",
                    (true, true) => {
                        "; MWAA takes 10 to 30 minutes, and up to 12 hours where it waits for running tasks"
                    }
                    _ => "",
                },
            };
            deployment::deploy_if(&stacks, &wanted, async || fence.still_holds().await).await?;
        }
        Ok(())
    }

    async fn parameters(
        &self,
        target: &Target,
        stack: &DesiredStack,
        deployed: &Deployed,
        color: Color,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut versions = BTreeMap::new();
        let keys = stack.parameters.values().filter_map(|value| match value {
            Value::VersionOf { key } => Some(key),
            _ => None,
        });
        for key in keys {
            versions.insert(key.clone(), self.version(target, key, deployed, color).await?);
        }
        resolve::parameters(
            stack,
            |name, key| deployed.output(name, key),
            |key| versions.get(key).cloned(),
        )
        .map_err(|missing| {
            Failure::Refused(format!(
                "stack {} needs what is not there ({missing:?}): `mwaa-bluegreen env apply` deploys what a color stands on",
                stack.name
            ))
        })
    }

    /// The version of an object in the color's bucket; uploaded, or copied from the color that has it, if it is not there.
    async fn version(&self, target: &Target, key: &str, deployed: &Deployed, color: Color) -> Result<String, Failure> {
        let base = deployed.of(Layer::Base).map(|base| &base.stack.outputs);
        let output = |name: &str| base.and_then(|outputs| outputs.get(name));
        let (Some(arn), Some(name)) = (output("BucketArn"), output("BucketName")) else {
            return Err(Failure::Refused(format!(
                "{color} has no bucket: its stack {} has no outputs",
                self.stack_name(Layer::Base, color)
            )));
        };
        let kept = deployed
            .of(Layer::Environment)
            .and_then(|environment| resolve::deployed_version(&environment.stack, arn, key));
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let bucket = self.bucket(color, name);
        let artifact = self
            .local
            .artifacts
            .all()
            .into_iter()
            .find(|artifact| artifact.key == key);
        let version = match (artifact, target.source) {
            (Some(artifact), _) => bucket.put_if_absent(key, &artifact.bytes).await?.version,
            (None, source) => match bucket.head(key).await? {
                Some(head) => head.version,
                None => self.copied(source, key, &bucket).await?,
            },
        };
        version.ok_or_else(|| {
            Failure::Refused(format!(
                "bucket {name} keeps no versions, and MWAA needs one of each file: turn its versioning on"
            ))
        })
    }

    async fn copied(&self, source: Option<Color>, key: &str, to: &Bucket) -> Result<Option<String>, Failure> {
        let missing = || {
            Failure::Refused(format!(
                "{key} is in neither color's bucket: bring it back (the buckets keep old versions)"
            ))
        };
        let source = source.ok_or_else(missing)?;
        let base = self.deployed_of(source).await?;
        let name = base
            .of(Layer::Base)
            .and_then(|base| base.stack.outputs.get("BucketName"))
            .ok_or_else(missing)?;
        let content = self.bucket(source, name).get(key, LONGEST).await?.ok_or_else(missing)?;
        Ok(to.put_if_absent(key, &content.bytes).await?.version)
    }

    /// Deletes the environment's stack of a color, or what is left of a failed creation of either stack.
    pub(super) async fn delete(&self, color: Color, unusable_only: bool, fence: &impl Fence) -> Result<(), Failure> {
        let stacks = self.stacks(color);
        let deployed = self.deployed_of(color).await?;
        for layer in [Layer::Environment, Layer::Base] {
            let Some(found) = deployed.of(layer) else {
                continue;
            };
            let unusable = matches!(self.of(found, color, false), StackState::Unusable(_));
            let goes = unusable || (layer == Layer::Environment && !unusable_only);
            if !goes {
                continue;
            }
            fence.still_holds().await?;
            if found.protected {
                stacks.protect(&found.stack.name, false).await?;
            }
            deployment::remove(&stacks, found, "; MWAA takes 10 to 15 minutes").await?;
        }
        Ok(())
    }

    /// Puts termination protection on the environments' stacks; a run that was killed while one was made never did.
    pub(super) async fn protect(&self) -> Result<(), Failure> {
        for color in Color::BOTH {
            let deployed = self.deployed_of(color).await?;
            let is_ours = self.description().deployed_colors().contains(&color);
            if let Some(found) = deployed
                .of(Layer::Environment)
                .filter(|found| is_ours && !found.protected)
            {
                self.stacks(color).protect(&found.stack.name, true).await?;
            }
        }
        Ok(())
    }

    /// Brings the goal's DAG files to a color, and waits until its Airflow has parsed them.
    pub(super) async fn sync_dags(
        &self,
        target: &Target,
        color: Color,
        patience: Patience,
        fence: &impl Fence,
        progress: impl Fn(&str),
    ) -> Result<(), Failure> {
        let Some(files) = &target.dags else {
            return Ok(());
        };
        let (this, other) = tokio::try_join!(self.dag_color(color), self.dag_color(color.other()))?;
        fence.still_holds().await?;
        match release(&this, &other, files, patience, progress).await? {
            Released::Parsed(Verdict::Good { .. }) => Ok(()),
            Released::Conflict(why) => Err(Failure::Refused(why)),
            Released::Parsed(Verdict::Broken(errors)) => {
                let errors: Vec<String> = errors
                    .iter()
                    .map(|error| format!("{}: {}", error.path, error.reason))
                    .collect();
                Err(Failure::NotReady(format!(
                    "{color} cannot import DAG files that {} can: {}",
                    color.other(),
                    some_of(&errors)
                )))
            }
            Released::Parsed(Verdict::Late { told }) => Err(Failure::NotInTime(format!(
                "{color} has not parsed its DAG files within {} s (--within): {told}",
                patience.within
            ))),
            Released::Parsed(Verdict::Unknown(why)) => Err(Failure::Aws(format!(
                "whether {color} has parsed its DAG files is unknown: {why}"
            ))),
        }
    }
}
