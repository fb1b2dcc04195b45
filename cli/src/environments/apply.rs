//! `env apply`: from whatever there is to what `pair.toml` describes, in the order network, base, lineage, environment,
//! controller, flag. It looks at everything first, and again before each stack, so that it can be interrupted and repeated.

use std::collections::BTreeMap;
use std::time::Instant;

use bluegreen_core::color::Color;
use bluegreen_core::request::{ActionName, RequestForm};
use bluegreen_core::response::Body;
use bluegreen_environments::artifacts::{self, Artifact};
use bluegreen_environments::description::Mode;
use bluegreen_environments::names;
use bluegreen_environments::operation::Standing;
use bluegreen_environments::permission::{self, Change, Situation, Target};
use bluegreen_environments::resolve;
use bluegreen_environments::stack::{CodeBucket, DesiredStack, Layer};
use futures_util::future::join_all;

use super::arguments::Apply;
use super::bucket::Bucket;
use super::deployment::{self, Done, Wanted, say};
use super::desired::{self, Local};
use super::in_use::{self, InUse};
use super::stacks::LONGEST_TEMPLATE;
use super::world::{Flag, Place, World};
use crate::backend::Backend;
use crate::confirm::{self, Question, must_ask, somebody_is_there};
use crate::connection::{Connection, Output};
use crate::exit;
use crate::failure::Failure;
use crate::sdk_config;
use crate::terminal::{self, count, span};

/// The bucket of functions that is not there yet: no bucket can have this name.
const NO_BUCKET: &str = "(to be made)";

/// What happened to the stacks, for the closing report.
#[derive(Debug, Default)]
struct Report {
    stacks: Vec<(String, Done)>,
    has_new_environment: bool,
    uploads: usize,
    flag: Option<Color>,
}

pub(crate) async fn apply(connection: &Connection, options: &Apply) -> Result<u8, Failure> {
    let began = Instant::now();
    let local = desired::read(&options.file)?;
    desired::warn(&options.file, &local);
    let mut world = World::look(connection, &local.description).await?;
    if !options.consent.dry_run {
        wait_for_others(&mut world).await?;
    }
    let target = options.target();
    let changes = changes(&local, &world, target)?;
    let in_use = InUse::look(&local.description, &world, &changes).await;
    refuse(&local, &world, &in_use, options, &changes)?;
    for line in in_use.notes() {
        terminal::note(&format!("{line}\n"));
    }
    let to_initialize = world.flag == Flag::Missing && matches!(target, Target::Everything | Target::Controller);
    for line in foreseen(&local, &world, &changes, to_initialize) {
        terminal::note(&format!("{line}\n"));
    }
    if options.consent.dry_run {
        return report(connection, &world, &Report::default(), &changes, began, true);
    }
    if !changes.is_empty() && must_ask(options.consent.yes, somebody_is_there())? {
        let question = Question::YesOrNo {
            to_do: format!("Apply this to {}", local.description.name),
        };
        confirm::agreed(&question).await?;
    }
    let mut done = Report::default();
    let carried_out = carry_out(&local, &mut world, options, &in_use, &mut done).await;
    if let Err(failure) = carried_out {
        let _the_failure_is_told = report(connection, &world, &done, &changes, began, false);
        return Err(failure);
    }
    report(connection, &world, &done, &changes, began, false)
}

/// What an earlier run, or somebody else, has begun ends first: until then nothing says what is deployed.
async fn wait_for_others(world: &mut World) -> Result<(), Failure> {
    let busy: Vec<Place> = world
        .found
        .iter()
        .filter(|(_, found)| Standing::of(Some(&found.stack.status)) == Standing::Busy)
        .map(|(place, _)| place.clone())
        .collect();
    for settled in join_all(busy.iter().map(|place| settle(world, place))).await {
        settled?;
    }
    for place in &busy {
        world.look_again(place).await?;
    }
    Ok(())
}

async fn settle(world: &World, place: &Place) -> Result<(), Failure> {
    deployment::wait_while_busy(world.stacks(&place.region)?, &place.name).await
}

/// The stacks as they shall be, as far as that is known before all of them stand.
fn wanted(local: &Local, world: &World, target: Target) -> Result<Vec<DesiredStack>, Failure> {
    let bucket = code_bucket(local, world).unwrap_or_else(|| NO_BUCKET.to_owned());
    let mut stacks = local.stacks(&bucket)?;
    stacks.retain(|stack| {
        let is_there = world.standing(&stack.region, &stack.name).is_some();
        match target {
            Target::Everything => true,
            Target::Controller => stack.layer == Layer::Controller,
            Target::Network => stack.layer == Layer::Network,
            // What a color stands on is made with it, and changed by itself.
            Target::Color(color) => match stack.layer {
                Layer::Base | Layer::Environment => stack.color == Some(color),
                Layer::Network | Layer::Lineage => !is_there,
                Layer::Controller => false,
            },
        }
    });
    Ok(stacks)
}

fn code_bucket(local: &Local, world: &World) -> Option<String> {
    match local.code_bucket()? {
        CodeBucket::Named(bucket) => Some(bucket),
        CodeBucket::OutputOf(stack) => world.output(&local.description.region, &stack, "BucketName"),
    }
}

/// Resolves a stack's parameters. A version is known if it is deployed, or among those that were uploaded.
fn parameters(
    local: &Local,
    world: &World,
    stack: &DesiredStack,
    uploaded: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Vec<resolve::Missing>> {
    let base = names::stack(&local.description.name, Layer::Base, stack.color);
    let bucket = world.output(&stack.region, &base, "BucketArn");
    let deployed = world.standing(&stack.region, &stack.name);
    resolve::parameters(
        stack,
        |name, key| world.output(&stack.region, name, key),
        |key| {
            let kept = deployed
                .zip(bucket.as_ref())
                .and_then(|(deployed, bucket)| resolve::deployed_version(&deployed.stack, bucket, key));
            kept.or_else(|| uploaded.get(key).cloned())
        },
    )
}

fn changes(local: &Local, world: &World, target: Target) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for stack in wanted(local, world, target)? {
        let differences = match world.standing(&stack.region, &stack.name) {
            None => None,
            Some(found) => match parameters(local, world, &stack, &BTreeMap::new()) {
                Ok(parameters) => Some(resolve::differences(&stack, &parameters, &found.stack)),
                Err(missing) => Some(missing.iter().map(told).collect()),
            },
        };
        if differences.as_ref().is_none_or(|found| !found.is_empty()) {
            changes.push(Change {
                stack: stack.name,
                layer: stack.layer,
                color: stack.color,
                differences,
            });
        }
    }
    Ok(changes)
}

fn told(missing: &resolve::Missing) -> String {
    match missing {
        resolve::Missing::Output { stack, key } => format!("{key} of {stack}"),
        resolve::Missing::Version { key } => key.clone(),
    }
}

fn refuse(local: &Local, world: &World, in_use: &InUse, options: &Apply, changes: &[Change]) -> Result<(), Failure> {
    let (description, target) = (&local.description, options.target());
    if let Flag::Invalid(value) = &world.flag {
        return Err(Failure::Refused(format!(
            "the flag {} holds {value}, which is no color: nothing says which color is active, and nothing was changed; write a color \
             with `mwaa-bluegreen switch --to <color> --force --pair {}`",
            description.flag(),
            description.name
        )));
    }
    if target == Target::Network && changes.is_empty() && wanted(local, world, target)?.is_empty() {
        return Err(Failure::Usage(
            "the network is somebody else's (vpc_id and subnet_ids): nothing of it is deployed from here".to_owned(),
        ));
    }
    if let Target::Color(color) = target
        && description.colors().contains(&color)
        && !description.deployed_colors().contains(&color)
    {
        return Err(Failure::Usage(format!(
            "{color} is the hand-made environment {}: it is never deployed from here",
            description.environment_name(color)
        )));
    }
    let mut situation = situation(local, world);
    situation.in_flight.clone_from(&in_use.in_flight);
    situation.rollout.clone_from(&in_use.rollout);
    situation.is_asked = options.consent.dry_run || !options.consent.yes;
    match permission::refusal(&situation, target, options.force, changes) {
        Some(refusal) => Err(Failure::Refused(refusal)),
        None => Ok(()),
    }
}

fn situation(local: &Local, world: &World) -> Situation {
    let description = &local.description;
    let pair = &description.name;
    let controller = names::stack(pair, Layer::Controller, None);
    let of_other = |layer| names::stack(pair, layer, Some(description.active.other()));
    let surplus = [controller.clone(), of_other(Layer::Environment), of_other(Layer::Base)];
    let is_there = |name: &String| world.found.keys().any(|place| place.name == *name);
    Situation {
        pair: pair.clone(),
        mode: description.mode,
        stays: description.active,
        active: match &world.flag {
            Flag::Names(color) => Some(*color),
            _ => None,
        },
        has_controller: is_there(&controller),
        surplus: surplus.into_iter().filter(is_there).collect(),
        flag_parameter: description.flag(),
        moved_root: in_use::moved_root(description, world),
        in_flight: None,
        rollout: None,
        is_asked: false,
    }
}

/// What will happen, before anybody is asked.
fn foreseen(local: &Local, world: &World, changes: &[Change], to_initialize: bool) -> Vec<String> {
    let description = &local.description;
    let mut lines = Vec::new();
    for change in changes {
        let what = match &change.differences {
            None => "will be created".to_owned(),
            Some(differences) => format!("will be updated: {}", differences.join(", ")),
        };
        let consequence = match (change.layer, change.is_update()) {
            (Layer::Environment, false) => "; MWAA takes 20 to 30 minutes",
            (Layer::Environment, true) => "; MWAA restarts the environment, in 10 to 30 minutes",
            _ => "",
        };
        lines.push(format!("{}  {what}{consequence}", change.stack));
    }
    if to_initialize {
        lines.push(format!("the flag {}  will be created", description.flag()));
    }
    if description.mode == Mode::Standard {
        let surplus = situation(local, world).surplus;
        if !surplus.is_empty() {
            lines.push(format!(
                "{} {} not part of standard mode and cost money: `mwaa-bluegreen env destroy --leave standard` deletes them",
                surplus.join(", "),
                if surplus.len() == 1 { "is" } else { "are" }
            ));
        }
    }
    lines
}

async fn carry_out(
    local: &Local,
    world: &mut World,
    options: &Apply,
    in_use: &InUse,
    done: &mut Report,
) -> Result<(), Failure> {
    let target = options.target();
    for layer in [
        Layer::Network,
        Layer::Base,
        Layer::Lineage,
        Layer::Environment,
        Layer::Controller,
    ] {
        // Again for every layer: the one before may have changed what this one stands on.
        let mut stacks = wanted(local, world, target)?;
        stacks.retain(|stack| stack.layer == layer);
        let mut steps = Vec::new();
        for stack in stacks {
            if let Some(step) = prepare(local, world, stack, done).await? {
                steps.push(step);
            }
        }
        let world_now = &*world;
        let deployed = join_all(steps.iter().map(|step| deploy(local, world_now, step, options, in_use))).await;
        let mut failures = Vec::new();
        for (step, result) in steps.iter().zip(deployed) {
            world.look_again(&step.place).await?;
            match result {
                Ok(what) => {
                    done.has_new_environment |= step.layer == Layer::Environment && what == Done::Created;
                    done.stacks.push((step.wanted.name.clone(), what));
                }
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(failure) = all_of(failures) {
            return Err(failure);
        }
    }
    if matches!(target, Target::Everything | Target::Controller) && world.flag == Flag::Missing {
        done.flag = initialize(local, world).await?;
    }
    Ok(())
}

/// A stack that is to be deployed.
struct Step {
    place: Place,
    layer: Layer,
    color: Option<Color>,
    is_update: bool,
    wanted: Wanted,
}

/// Both colors may fail, each for its own reason.
fn all_of(failures: Vec<Failure>) -> Option<Failure> {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let mut failures = failures.into_iter();
    let first = failures.next()?;
    Some(match failures.next() {
        None => first,
        Some(_) => Failure::Aws(texts.join("\n")),
    })
}

/// Uploads what the stack needs; none if it is deployed as described.
async fn prepare(
    local: &Local,
    world: &World,
    stack: DesiredStack,
    done: &mut Report,
) -> Result<Option<Step>, Failure> {
    let place = Place {
        region: stack.region.clone(),
        name: stack.name.clone(),
    };
    let found = world.standing(&stack.region, &stack.name);
    let is_environment = stack.layer == Layer::Environment;
    let known = parameters(local, world, &stack, &BTreeMap::new());
    if let (Some(found), Ok(known)) = (found, &known)
        && Standing::of(Some(&found.stack.status)) == Standing::Settled
        && resolve::differences(&stack, known, &found.stack).is_empty()
    {
        if is_environment && !found.protected {
            world.stacks(&stack.region)?.protect(&stack.name, true).await?;
        }
        return Ok(None);
    }
    let mut uploaded = BTreeMap::new();
    if is_environment {
        let base = names::stack(&local.description.name, Layer::Base, stack.color);
        let bucket = bucket_of(world, &stack.region, &base)?;
        for artifact in local.artifacts.all() {
            let is_deployed = known.is_ok();
            if !is_deployed {
                uploaded.insert(artifact.key.clone(), upload(&bucket, artifact, done).await?);
            }
        }
    }
    let mut template_url = None;
    if stack.layer == Layer::Controller || stack.template.len() > LONGEST_TEMPLATE {
        let name = code_bucket(local, world).ok_or_else(|| {
            Failure::Usage(
                "there is no bucket for the functions: both environments are hand-made; name one in their region, [blue] bucket = \"…\""
                    .to_owned(),
            )
        })?;
        let bucket = Bucket::new(&world.config, &world.connection, &stack.region, &name);
        if stack.layer == Layer::Controller {
            for function in local.functions.values() {
                upload(&bucket, function, done).await?;
            }
        }
        if stack.template.len() > LONGEST_TEMPLATE {
            let template = artifacts::template(&stack.name, &stack.template);
            upload(&bucket, &template, done).await?;
            template_url = Some(url(&stack.region, &name, &template.key));
        }
    }
    let parameters = parameters(local, world, &stack, &uploaded).map_err(|missing| {
        let missing: Vec<String> = missing.iter().map(told).collect();
        Failure::Refused(format!(
            "stack {} needs {}, which is not there: apply what it stands on first, or everything with `mwaa-bluegreen env apply`",
            stack.name,
            missing.join(", ")
        ))
    })?;
    Ok(Some(Step {
        place,
        layer: stack.layer,
        color: stack.color,
        is_update: found.is_some(),
        wanted: Wanted {
            name: stack.name,
            template: stack.template,
            template_url,
            template_hash: stack.template_hash,
            parameters,
            protected: is_environment,
            patience: match (is_environment, found.is_some()) {
                (true, false) => "; MWAA takes 20 to 30 minutes",
                (true, true) => "; MWAA takes 10 to 30 minutes, and up to 12 hours where it waits for running tasks",
                _ => "",
            },
        },
    }))
}

fn bucket_of(world: &World, region: &str, base: &str) -> Result<Bucket, Failure> {
    let name = world.output(region, base, "BucketName").ok_or_else(|| {
        Failure::Refused(format!(
            "stack {base} is not there, or has no output BucketName: apply it first, with `mwaa-bluegreen env apply`"
        ))
    })?;
    Ok(Bucket::new(&world.config, &world.connection, region, &name))
}

/// Uploads an object unless it is there; returns its version.
async fn upload(bucket: &Bucket, artifact: &Artifact, done: &mut Report) -> Result<String, Failure> {
    let written = bucket.put_if_absent(&artifact.key, &artifact.bytes).await?;
    if written.is_new {
        done.uploads = done.uploads.saturating_add(1);
        say(bucket.name(), &format!("uploaded {}", artifact.key));
    }
    written.version.ok_or_else(|| {
        Failure::Aws(format!(
            "bucket {} keeps no versions, and MWAA takes files by their version: turn versioning on (`aws s3api put-bucket-versioning \
             --bucket {} --versioning-configuration Status=Enabled`), and repeat the command",
            bucket.name(),
            bucket.name()
        ))
    })
}

/// The address of a template as CloudFormation takes it.
fn url(region: &str, bucket: &str, key: &str) -> String {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://s3.{region}.{suffix}/{bucket}/{key}")
}

async fn deploy(local: &Local, world: &World, step: &Step, options: &Apply, known: &InUse) -> Result<Done, Failure> {
    let may_execute = async || {
        if step.is_update && (step.color.is_some() || step.layer == Layer::Network) {
            in_use::still_so(&local.description, world, &step.wanted.name, step.color, options, known).await?;
        }
        Ok(())
    };
    let done = deployment::deploy_if(world.stacks(&step.place.region)?, &step.wanted, may_execute).await?;
    say(
        &step.wanted.name,
        match done {
            Done::Unchanged => "unchanged: CloudFormation finds nothing to update",
            Done::Created => "created",
            Done::Updated => "updated",
        },
    );
    Ok(done)
}

/// Creates the flag. In blue-green mode the function does it, as for `mwaa-bluegreen initialize`; in standard mode there is no
/// function, and it is done from here.
async fn initialize(local: &Local, world: &World) -> Result<Option<Color>, Failure> {
    let description = &local.description;
    let to = match description.deployed_colors().as_slice() {
        // The color that somebody else has made does the work already.
        [one] if description.mode == Mode::BlueGreen => one.other(),
        _ => description.active,
    };
    let mut connection = world.connection.clone();
    if description.mode == Mode::Standard {
        connection.direct = true;
        connection.function = None;
        connection.flag_parameter = Some(description.flag());
        connection.blue_environment = Some(description.environment_name(Color::Blue));
        connection.green_environment = Some(description.environment_name(Color::Green));
    }
    let backend = Backend::open(&connection).await?;
    let request = RequestForm {
        to: Some(to.into()),
        reason: Some(format!("deployed by mwaa-bluegreen env apply with {to} active")),
        ..RequestForm::of(ActionName::Initialize)
    };
    let answered = backend.change(&request).await?;
    let common = &answered.response.common;
    match (&answered.response.body, common.active) {
        (Body::Change(_), Some(active)) => {
            say(&description.flag(), &format!("{active} is active"));
            Ok(Some(active))
        }
        _ => Err(Failure::Refused(format!(
            "the flag {} was not created: {}",
            description.flag(),
            common.reason
        ))),
    }
}

fn report(
    connection: &Connection,
    world: &World,
    done: &Report,
    changes: &[Change],
    began: Instant,
    is_dry_run: bool,
) -> Result<u8, Failure> {
    let calls = sdk_config::calls();
    if connection.output == Output::Json {
        let stacks: Vec<serde_json::Value> = done
            .stacks
            .iter()
            .map(|(name, done)| {
                let outcome = match done {
                    Done::Unchanged => "unchanged",
                    Done::Created => "created",
                    Done::Updated => "updated",
                };
                serde_json::json!({"stack": name, "outcome": outcome})
            })
            .collect();
        let differing: Vec<&str> = changes.iter().map(|change| change.stack.as_str()).collect();
        let report = serde_json::json!({
            "pair": world.connection.pair, "dry_run": is_dry_run, "differing": differing, "stacks": stacks,
            "uploads": done.uploads, "initialized": done.flag, "calls": calls,
        });
        terminal::json(&report.to_string())?;
        return Ok(exit::DONE);
    }
    let updated = done.stacks.iter().filter(|(_, done)| *done != Done::Unchanged).count();
    let what = match (is_dry_run, updated, done.flag) {
        (true, ..) if changes.is_empty() => "nothing would be changed".to_owned(),
        (true, ..) => format!(
            "{} would be deployed; nothing was changed",
            count(changes.len(), "stack")
        ),
        (false, 0, None) => "nothing to change: no update was started".to_owned(),
        (false, updated, flag) => {
            let flag = flag.map(|color| format!(", {color} is active")).unwrap_or_default();
            format!("{} deployed{flag}", count(updated, "stack"))
        }
    };
    terminal::out(&format!(
        "{}: {what} ({}, {})\n",
        world.connection.pair,
        span(began.elapsed()),
        count(usize::try_from(calls).unwrap_or(usize::MAX), "AWS call")
    ))?;
    if done.has_new_environment {
        terminal::note("Next: `mwaa-bluegreen dags sync` brings the DAG files, which Airflow pauses at first.\n");
    }
    Ok(exit::DONE)
}
