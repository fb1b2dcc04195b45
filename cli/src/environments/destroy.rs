//! `env destroy`: stacks in the reverse order of their deployment. It reads only names from `pair.toml`, so that the files
//! which it names may be gone, and says what stays.

use std::path::Path;
use std::time::Instant;

use bluegreen_core::color::Color;
use bluegreen_environments::description::{self, Description, Mode};
use bluegreen_environments::names;
use bluegreen_environments::operation::Standing;
use bluegreen_environments::permission;
use bluegreen_environments::stack::Layer;
use futures_util::future::join_all;

use super::arguments::{Destroy, Left};
use super::bucket::Bucket;
use super::deployment::{self, say};
use super::stacks::Found;
use super::world::{Flag, Place, World};
use crate::confirm::{Question, agreed, must_ask, somebody_is_there};
use crate::connection::{Connection, Output};
use crate::exit;
use crate::failure::Failure;
use crate::sdk_config;
use crate::terminal::{self, count, span};

pub(crate) async fn destroy(connection: &Connection, options: &Destroy) -> Result<u8, Failure> {
    let began = Instant::now();
    let description = read(&options.file)?;
    let world = World::look(connection, &description).await?;
    let places = doomed(&description, &world, options)?;
    let buckets = buckets(&description, &world, &places);
    for (place, found) in &places {
        terminal::note(&format!("{}  will be deleted ({})\n", place.name, found.stack.status));
    }
    for line in kept(&world, &places, options.empty_buckets) {
        terminal::note(&format!("{line}\n"));
    }
    if options.consent.dry_run || (places.is_empty() && !options.empty_buckets) {
        let what = if places.is_empty() {
            "nothing to delete".to_owned()
        } else {
            format!("{} would be deleted; nothing was changed", count(places.len(), "stack"))
        };
        return report(connection, &description.name, &what, began, &[]);
    }
    let asks = must_ask(options.consent.yes, somebody_is_there())?;
    if asks {
        let question = Question::Word {
            word: "destroy",
            to_do: format!("delete {} of {}", count(places.len(), "stack"), description.name),
        };
        agreed(&question).await?;
    }
    if asks && options.empty_buckets && !buckets.is_empty() {
        let names: Vec<&str> = buckets.iter().map(|(_, name)| name.as_str()).collect();
        let question = Question::Word {
            word: "empty",
            to_do: format!("delete every object and version in {}", names.join(" and ")),
        };
        agreed(&question).await?;
    }
    let goes = going(&description, options);
    let mut deleted = Vec::new();
    for layer in [
        Layer::Controller,
        Layer::Environment,
        Layer::Lineage,
        Layer::Base,
        Layer::Network,
    ] {
        // Before the stack that knows the bucket's name: a repeat must find it, too.
        if layer == Layer::Base && options.empty_buckets {
            empty(&world, &buckets).await?;
        }
        let of_layer: Vec<&(Place, Found)> = places
            .iter()
            .filter(|(place, _)| layer_of(&description, place) == Some(layer))
            .collect();
        let results = join_all(
            of_layer
                .iter()
                .map(|(place, _)| remove(&description, &world, goes, place)),
        )
        .await;
        for ((place, _), result) in of_layer.iter().zip(results) {
            result.map_err(|failure| with_groups(failure, layer, &places))?;
            deleted.push(place.name.clone());
        }
    }
    let what = format!("{} deleted", count(deleted.len(), "stack"));
    report(connection, &description.name, &what, began, &deleted)
}

async fn empty(world: &World, buckets: &[(String, String)]) -> Result<(), Failure> {
    for (region, name) in buckets {
        let bucket = Bucket::new(&world.config, &world.connection, region, name);
        let told = |number| {
            say(
                name,
                &format!(
                    "{} deleted",
                    count(usize::try_from(number).unwrap_or(usize::MAX), "version")
                ),
            );
        };
        bucket.delete_all_versions(told).await?;
        say(name, "empty");
    }
    Ok(())
}

fn read(file: &Path) -> Result<Description, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!(
            "{} cannot be read: {error}; give the pair's file with --file",
            file.display()
        ))
    })?;
    let reading = description::read(&text);
    for fault in &reading.faults {
        terminal::note(&format!("{}: {fault}\n", file.display()));
    }
    if reading.faults.is_empty() {
        Ok(reading.description)
    } else {
        Err(Failure::Usage(format!(
            "{} in {}; nothing was deleted",
            count(reading.faults.len(), "fault"),
            file.display()
        )))
    }
}

/// The color that goes while the other one stays and works.
fn going(description: &Description, options: &Destroy) -> Option<Color> {
    match (options.part, options.leave) {
        (Some(color), _) => Some(color),
        (None, Some(Left::Standard)) => Some(description.active.other()),
        (None, None) => None,
    }
}

/// The stacks that are to be deleted and are there.
fn doomed(description: &Description, world: &World, options: &Destroy) -> Result<Vec<(Place, Found)>, Failure> {
    let pair = &description.name;
    let goes: Box<dyn Fn(Layer, Option<Color>) -> bool> = match (options.part, options.leave) {
        (Some(color), _) => {
            if description.mode == Mode::Standard && color == description.active {
                return Err(Failure::Refused(format!(
                    "{color} is the only environment of {pair} and does all the work: nothing was deleted; `env destroy --all` deletes everything"
                )));
            }
            Box::new(move |_, of| of == Some(color))
        }
        (None, Some(Left::Standard)) => {
            if description.mode != Mode::Standard {
                return Err(Failure::Usage(
                    "--leave standard needs the file to say which environment stays: set mode = \"standard\" and active = \"<color>\""
                        .to_owned(),
                ));
            }
            let other = description.active.other();
            Box::new(move |layer, of| layer == Layer::Controller || of == Some(other))
        }
        (None, None) => Box::new(|_, _| true),
    };
    let places: Vec<(Place, Found)> = world
        .found
        .iter()
        .filter(|(place, _)| {
            let (layer, color) = (layer_of(description, place), color_of(description, place));
            layer.is_some_and(|layer| goes(layer, color))
        })
        .map(|(place, found)| (place.clone(), found.clone()))
        .collect();
    if !places.is_empty()
        && let Some(color) = going(description, options)
    {
        refuse_active(description, &world.flag, color, "nothing was deleted")?;
    }
    Ok(places)
}

fn refuse_active(description: &Description, flag: &Flag, color: Color, done: &str) -> Result<(), Failure> {
    match permission::deletion_refusal(&description.name, &description.flag(), flag, color) {
        Some(refusal) => Err(Failure::Refused(format!("{done}: {refusal}"))),
        None => Ok(()),
    }
}

fn layer_of(description: &Description, place: &Place) -> Option<Layer> {
    identity(description, place).map(|(layer, _)| layer)
}

fn color_of(description: &Description, place: &Place) -> Option<Color> {
    identity(description, place).and_then(|(_, color)| color)
}

fn identity(description: &Description, place: &Place) -> Option<(Layer, Option<Color>)> {
    let all = [
        (Layer::Network, None),
        (Layer::Base, Some(Color::Blue)),
        (Layer::Base, Some(Color::Green)),
        (Layer::Lineage, None),
        (Layer::Environment, Some(Color::Blue)),
        (Layer::Environment, Some(Color::Green)),
        (Layer::Controller, None),
    ];
    all.into_iter()
        .find(|(layer, color)| names::stack(&description.name, *layer, *color) == place.name)
}

/// The buckets of the colors whose base is deleted.
fn buckets(description: &Description, world: &World, places: &[(Place, Found)]) -> Vec<(String, String)> {
    places
        .iter()
        .filter(|(place, _)| layer_of(description, place) == Some(Layer::Base))
        .filter_map(|(place, _)| {
            let name = world.output(&place.region, &place.name, "BucketName")?;
            Some((place.region.clone(), name))
        })
        .collect()
}

/// What stays, by name.
fn kept(world: &World, places: &[(Place, Found)], empties: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, _) in places {
        let output = |key| world.output(&place.region, &place.name, key);
        if let Some(bucket) = output("BucketName") {
            let how = if empties {
                "emptied; the bucket itself stays"
            } else {
                "with everything in it; --empty-buckets empties it"
            };
            lines.push(format!("bucket {bucket}  stays, {how}"));
        }
        if let Some(group) = output("SecurityGroupId") {
            lines.push(format!(
                "security group {group}  stays, and keeps its VPC from being deleted: `aws ec2 delete-security-group --group-id {group} --region {}`",
                place.region
            ));
        }
        if let Some(role) = output("ExecutionRoleArn") {
            lines.push(format!("role {role}  stays"));
        }
        if let Some(environment) = output("EnvironmentName") {
            lines.push(format!(
                "log groups airflow-{environment}-*  stay; the metadata database of {environment}, with the history of its runs, does not"
            ));
        }
        if output("InitializeCommand").is_some() {
            lines.push(format!(
                "event bus, archive and log of the audit trail of {}, the flag and its records  stay",
                place.name
            ));
        }
    }
    lines
}

async fn remove(description: &Description, world: &World, goes: Option<Color>, place: &Place) -> Result<(), Failure> {
    let stacks = world.stacks(&place.region)?;
    let name = &place.name;
    deployment::wait_while_busy(stacks, name).await?;
    let Some(found) = stacks.describe(name).await? else {
        return Ok(());
    };
    if Standing::of(Some(&found.stack.status)) == Standing::Absent {
        return Ok(());
    }
    // Again right before each: questions and waits may have taken hours, and whoever is active now must not go.
    if let Some(color) = goes {
        let flag = world.read_flag(description).await?;
        refuse_active(description, &flag, color, &format!("stack {name} was not deleted"))?;
    }
    if found.protected {
        stacks.protect(&found.id, false).await?;
    }
    let is_environment = found.stack.outputs.contains_key("WebserverUrl");
    let patience = if is_environment {
        "; MWAA takes 10 to 15 minutes"
    } else {
        ""
    };
    deployment::remove(stacks, &found, patience).await?;
    say(name, "deleted");
    Ok(())
}

/// The one failure that is to be expected: the security groups that stay.
fn with_groups(failure: Failure, layer: Layer, places: &[(Place, Found)]) -> Failure {
    let groups: Vec<String> = places
        .iter()
        .filter_map(|(place, found)| {
            let group = found.stack.outputs.get("SecurityGroupId")?;
            Some(format!(
                "`aws ec2 delete-security-group --group-id {group} --region {}`",
                place.region
            ))
        })
        .collect();
    match failure {
        Failure::Aws(text) if layer == Layer::Network && !groups.is_empty() => Failure::Aws(format!(
            "{text}. A VPC with a security group in it cannot be deleted: {}, then repeat the command",
            groups.join(" and ")
        )),
        other => other,
    }
}

fn report(connection: &Connection, pair: &str, what: &str, began: Instant, deleted: &[String]) -> Result<u8, Failure> {
    let calls = sdk_config::calls();
    if connection.output == Output::Json {
        let report = serde_json::json!({"pair": pair, "deleted": deleted, "calls": calls});
        terminal::json(&report.to_string())?;
    } else {
        terminal::out(&format!(
            "{pair}: {what} ({}, {})\n",
            span(began.elapsed()),
            count(usize::try_from(calls).unwrap_or(usize::MAX), "AWS call")
        ))?;
    }
    Ok(exit::DONE)
}
