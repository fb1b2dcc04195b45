//! Both colors of a pair as they are deployed, and as a rollout wants them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use bluegreen_core::color::{Both, Color};
use bluegreen_environments::dag_sync::{MANIFEST, Manifest};
use bluegreen_environments::description::Description;
use bluegreen_environments::names;
use bluegreen_environments::resolve;
use bluegreen_environments::rollout::{
    AbortSource, Before, ColorState, Compared, DagState, Goal, InFlight, RolloutId, StackState, abort_source, combined,
    compare, lacks, of_status, of_the_other,
};
use bluegreen_environments::stack::{DesiredStack, Layer, Value};
use futures_util::future::try_join_all;

use super::super::bucket::Bucket;
use super::super::dag_color::DagColor;
use super::super::dag_files::DagFiles;
use super::super::dags;
use super::super::desired::Local;
use super::super::stacks::{Found, Stacks};
use crate::connection::Connection;
use crate::failure::Failure;

/// The longest manifest, and the longest artifact: what this command has written itself.
pub(super) const LONGEST: u64 = 512 * 1024 * 1024;

/// The two stacks of a color, in the order of deployment.
pub(super) const LAYERS: [Layer; 2] = [Layer::Base, Layer::Environment];

/// What one color shall be.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Its stacks, in the order of deployment; none where this product does not deploy it.
    pub(super) stacks: Vec<DesiredStack>,
}

/// What a rollout brings to both colors.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) colors: Both<Wanted>,
    /// The DAG files; none where they are left alone.
    pub(super) dags: Option<DagFiles>,
    /// The color that an abort goes back to, which is not compared: it is the measure.
    pub(super) source: Option<Color>,
}

/// The stacks of one color as they were found.
#[derive(Debug, Clone, Default)]
pub(super) struct Deployed {
    found: BTreeMap<Layer, Found>,
    /// The other stacks that these depend on: a rollout does not change them.
    others: BTreeMap<String, Found>,
}

impl Deployed {
    pub(super) fn of(&self, layer: Layer) -> Option<&Found> {
        self.found.get(&layer)
    }

    /// An output of one of these stacks, by the stack's name.
    pub(super) fn output(&self, stack: &str, key: &str) -> Option<String> {
        let found = self
            .found
            .values()
            .chain(self.others.values())
            .find(|found| found.stack.name == stack)?;
        found.stack.outputs.get(key).cloned()
    }
}

/// What is read and written of a pair besides its flag and hold.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) config: SdkConfig,
    pub(super) connection: Connection,
    pub(super) local: Local,
    pub(super) without_dags: bool,
    /// The names of the stacks whose outputs a color's stacks take, besides its own.
    depended_on: Both<BTreeSet<String>>,
}

impl Pair {
    pub(super) fn new(
        config: SdkConfig,
        connection: Connection,
        local: Local,
        without_dags: bool,
    ) -> Result<Self, Failure> {
        let all = local.stacks("")?;
        let name = local.description.name.clone();
        let depended_on = Both::from_fn(|color| {
            let own = LAYERS.map(|layer| names::stack(&name, layer, Some(color)));
            let of_color = all
                .iter()
                .filter(|stack| stack.color == Some(color) && LAYERS.contains(&stack.layer));
            of_color
                .flat_map(|stack| stack.parameters.values())
                .filter_map(|value| match value {
                    Value::OutputOf { stack, .. } if !own.contains(stack) => Some(stack.clone()),
                    _ => None,
                })
                .collect()
        });
        Ok(Self {
            config,
            connection,
            local,
            without_dags,
            depended_on,
        })
    }

    pub(super) fn description(&self) -> &Description {
        &self.local.description
    }

    pub(super) fn stacks(&self, color: Color) -> Stacks {
        Stacks::new(&self.config, &self.connection, self.description().region_of(color))
    }

    pub(super) fn stack_name(&self, layer: Layer, color: Color) -> String {
        names::stack(&self.description().name, layer, Some(color))
    }

    /// The stacks of both colors, all asked for at once.
    pub(super) async fn deployed(&self) -> Result<Both<Deployed>, Failure> {
        let (blue, green) = tokio::try_join!(self.deployed_of(Color::Blue), self.deployed_of(Color::Green))?;
        Ok(Both { blue, green })
    }

    pub(super) async fn deployed_of(&self, color: Color) -> Result<Deployed, Failure> {
        let stacks = self.stacks(color);
        let own = LAYERS.map(|layer| (self.stack_name(layer, color), Some(layer)));
        let others = self.depended_on.of(color).iter().map(|name| (name.clone(), None));
        let looks = own.into_iter().chain(others).map(|(name, layer)| {
            let stacks = &stacks;
            async move { Ok::<_, Failure>((layer, stacks.describe(&name).await?)) }
        });
        let mut deployed = Deployed::default();
        for (layer, found) in try_join_all(looks).await? {
            match (layer, found) {
                (Some(layer), Some(found)) => drop(deployed.found.insert(layer, found)),
                (None, Some(found)) => drop(deployed.others.insert(found.stack.name.clone(), found)),
                (_, None) => {}
            }
        }
        Ok(deployed)
    }

    /// The goal that `pair.toml` describes.
    pub(super) fn described(&self) -> Result<Target, Failure> {
        // The functions' bucket is the controller's, whose stack is not looked at.
        let all = self.local.stacks("")?;
        let of = |color: Color| Wanted {
            stacks: all
                .iter()
                .filter(|stack| stack.color == Some(color) && LAYERS.contains(&stack.layer))
                .cloned()
                .collect(),
        };
        let dags = if self.without_dags {
            None
        } else {
            Some(DagFiles::read(&self.local.dags)?)
        };
        Ok(Target {
            colors: Both::from_fn(of),
            dags,
            source: None,
        })
    }

    /// The goal of an abort: what the color from before has, for both.
    pub(super) async fn old_target(
        &self,
        described: &Target,
        colors: &Both<ColorState>,
        deployed: &Both<Deployed>,
        before: Option<Before>,
        (active, chosen): (Color, Option<Color>),
        folder: &Path,
    ) -> Result<Option<Target>, Failure> {
        // What is left alone is not compared, and says nothing.
        let before = before.map(|before| Before {
            dags: before.dags && !self.without_dags,
            ..before
        });
        let source = match abort_source(colors, before, chosen) {
            AbortSource::Of(color) => color,
            AbortSource::Nothing => return Ok(None),
            AbortSource::Lost(why) => {
                return Err(Failure::Refused(format!(
                    "this rollout cannot be aborted any more: {why}; finish it with `mwaa-bluegreen rollout`, bring the old \
                     configuration back to pair.toml and roll that out with --take-over, or name the color whose configuration both \
                     shall have: --abort --to blue, or --to green"
                )));
            }
            AbortSource::Ask(why) => {
                // Two colors with the same configuration leave nothing to choose.
                let target = self.target_of(active, described, deployed, before, folder).await?;
                let standby = active.other();
                let mut state = self.state(&target, deployed, standby);
                state.dags = self.dag_state(&target, standby).await;
                return if state.is_finished() {
                    Ok(Some(target))
                } else {
                    Err(Failure::Refused(why))
                };
            }
        };
        Ok(Some(self.target_of(source, described, deployed, before, folder).await?))
    }

    /// What a color has, as the goal for both.
    async fn target_of(
        &self,
        source: Color,
        described: &Target,
        deployed: &Both<Deployed>,
        before: Option<Before>,
        folder: &Path,
    ) -> Result<Target, Failure> {
        let mut target = Target {
            colors: Both::default(),
            dags: None,
            source: Some(source),
        };
        let stacks = self.stacks(source);
        for own in &described.colors.of(source.other()).stacks {
            let Some(found) = deployed.of(source).of(own.layer) else {
                continue;
            };
            let template = stacks.template(&found.stack.name).await?;
            let stack = of_the_other(&found.stack, &template, stacks.region(), own);
            target.colors.of_mut(source.other()).stacks.push(stack);
        }
        if !self.without_dags && before.is_none_or(|before| before.dags) {
            target.dags = self.download_dags(source, folder).await?;
        }
        Ok(target)
    }

    /// The DAG files of a color as its manifest lists them, in `folder`; none if it has no manifest.
    async fn download_dags(&self, source: Color, folder: &Path) -> Result<Option<DagFiles>, Failure> {
        let color = self.dag_color(source).await?;
        let bucket = self.bucket(source, color.bucket());
        let Some(content) = bucket.get(MANIFEST, LONGEST).await? else {
            return Ok(None);
        };
        let manifest = Manifest::read(&content.bytes)
            .map_err(|fault| Failure::Usage(format!("{MANIFEST} in bucket {}: {fault}", bucket.name())))?;
        for path in manifest.files.keys() {
            let key = format!("{}{path}", color.folder());
            let Some(file) = bucket.get(&key, LONGEST).await? else {
                return Err(Failure::Refused(format!(
                    "{key} is gone from bucket {}, although its manifest lists it: bring it back (the bucket keeps old \
                     versions), or abort --without-dags and bring the DAG files back yourself",
                    bucket.name()
                )));
            };
            let whole = local_path(folder, path)?;
            write(&whole, &file.bytes)?;
        }
        Ok(Some(DagFiles::read(folder)?))
    }

    pub(super) async fn dag_color(&self, color: Color) -> Result<DagColor, Failure> {
        DagColor::open(&self.config, &self.connection, self.description(), color).await
    }

    pub(super) fn bucket(&self, color: Color, name: &str) -> Bucket {
        Bucket::new(
            &self.config,
            &self.connection,
            self.description().region_of(color),
            name,
        )
    }

    /// The stacks of a color, compared with the goal.
    pub(super) fn state(&self, target: &Target, deployed: &Both<Deployed>, color: Color) -> ColorState {
        let mut state = ColorState {
            stack: StackState::Matches,
            replacement: None,
            dags: DagState::Match,
            in_flight: InFlight::Running(String::new()),
            attempted: false,
        };
        let wanted = &target.colors.of(color).stacks;
        let own = deployed.of(color);
        if target.source == Some(color) {
            state.stack = LAYERS
                .iter()
                .filter_map(|layer| own.of(*layer))
                .map(|found| self.of(found, color, false))
                .fold(StackState::Matches, combined);
            return state;
        }
        if wanted.is_empty() {
            return state;
        }
        let own_names = LAYERS.map(|layer| self.stack_name(layer, color));
        let mut states = BTreeMap::new();
        for stack in wanted {
            let lacking = lacks(stack, &own_names, |name, key| own.output(name, key));
            let one = match (lacking, own.of(stack.layer)) {
                (Some(lacking), _) => StackState::Stuck(lacking),
                (None, None) => StackState::Missing,
                (None, Some(found)) => {
                    let compared = compared(stack, own, found);
                    state.replacement = state.replacement.or(compared.replacement);
                    self.of(found, color, compared.differs)
                }
            };
            states.insert(stack.layer, one);
        }
        let mut one = |layer| states.remove(&layer).unwrap_or(StackState::Matches);
        state.stack = combined(one(Layer::Base), one(Layer::Environment));
        state
    }

    pub(super) fn of(&self, found: &Found, color: Color, differs: bool) -> StackState {
        of_status(
            &found.stack.name,
            self.description().region_of(color),
            &found.stack.status,
            found.stack.status_reason.as_deref(),
            differs,
        )
    }

    /// Whether a color has the goal's DAG files.
    pub(super) async fn dag_state(&self, target: &Target, color: Color) -> DagState {
        let Some(files) = target.dags.as_ref().filter(|_| target.source != Some(color)) else {
            return DagState::Match;
        };
        let compared = async { dags::is_released(&self.dag_color(color).await?, files).await };
        match compared.await {
            Ok(true) => DagState::Match,
            Ok(false) => DagState::Differ,
            Err(failure) => DagState::Unknown(failure.message()),
        }
    }

    /// The rollout's name, by what it brings.
    pub(super) fn id(target: &Target) -> RolloutId {
        let mut parts = Vec::new();
        for color in Color::BOTH {
            for stack in &target.colors.of(color).stacks {
                parts.push((format!("{}/template", stack.name), stack.template_hash.clone()));
                for (key, value) in &stack.parameters {
                    parts.push((format!("{}/{key}", stack.name), format!("{value:?}")));
                }
            }
        }
        if let Some(dags) = &target.dags {
            for (path, file) in &dags.files {
                parts.push((format!("dags/{path}"), file.sha256.clone()));
            }
        }
        RolloutId::of(parts.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn compared(stack: &DesiredStack, own: &Deployed, found: &Found) -> Compared {
    let bucket = own.of(Layer::Base).and_then(|base| base.stack.outputs.get("BucketArn"));
    let version = |key: &str| resolve::deployed_version(&found.stack, bucket?, key);
    compare(stack, |name, key| own.output(name, key), version, &found.stack)
}

/// A path inside the folder; anything that leads out of it is refused.
fn local_path(folder: &Path, path: &str) -> Result<PathBuf, Failure> {
    let relative = Path::new(path);
    let is_inside = relative
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_inside {
        Ok(folder.join(relative))
    } else {
        Err(Failure::Refused(format!(
            "{path:?} in {MANIFEST} is no path in a folder"
        )))
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| Failure::File(format!("{} cannot be written: {error}", path.display())))
}

/// The color that has the configuration from before, for a hold that is placed anew.
pub(super) fn before(goal: Goal, target: &Target, states: &Both<ColorState>, active: Color) -> Before {
    let unfinished: Vec<Color> = Color::BOTH
        .into_iter()
        .filter(|color| !states.of(*color).is_finished())
        .collect();
    let any = |differs: fn(&ColorState) -> bool| Color::BOTH.iter().any(|color| differs(states.of(*color)));
    Before {
        color: match (goal, target.source, unfinished.as_slice()) {
            (Goal::Abort, Some(source), _) => source,
            (_, _, [only]) => *only,
            _ => active,
        },
        stacks: any(|state| state.stack != StackState::Matches),
        dags: any(|state| state.dags != DagState::Match),
    }
}
