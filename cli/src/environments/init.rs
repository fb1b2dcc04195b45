//! `env init`: writes a commented `pair.toml` from options and answers.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use bluegreen_aws::configuration::variable;
use bluegreen_core::color::Color;
use bluegreen_environments::description::{self, Description, Environment, Fault, Mode, Network};
use bluegreen_environments::init_file::render;

use crate::confirm;
use crate::connection::Connection;
use crate::environment_arguments::{Init, InitMode};
use crate::failure::{Failure, exit};
use crate::terminal;

/// Writes the file. An existing one stays, unless `--force` is given.
pub(crate) async fn init(connection: &Connection, options: &Init) -> Result<u8, Failure> {
    let name = options.file.display();
    if options.file.exists() && !options.force {
        return Err(there_is_one(&options.file));
    }
    let asks = confirm::somebody_is_there() && !options.yes;
    let mut described = given(connection, options, asks)?;
    if asks {
        ask(&mut described, connection, options).await?;
    }
    let text = render(&described);
    let reading = description::read(&text);
    if !reading.faults.is_empty() {
        for fault in &reading.faults {
            terminal::note(&format!("{}\n", without_line(fault)));
        }
        return Err(Failure::Usage(format!(
            "{}; {name} was not written",
            terminal::count(reading.faults.len(), "fault")
        )));
    }
    for warning in &reading.warnings {
        terminal::note(&format!("warning: {}\n", without_line(warning)));
    }
    write(&options.file, &text, options.force)?;
    terminal::out(&format!(
        "{name} is written. Read it through, then `mwaa-bluegreen env plan --file {name}` says what it would make and cost.\n"
    ))?;
    Ok(exit::DONE)
}

fn there_is_one(file: &Path) -> Failure {
    let name = file.display();
    Failure::Usage(format!(
        "{name} exists and was not changed; name another file with --file, or replace it with --force"
    ))
}

/// The line is one of a file that was not written.
fn without_line(fault: &Fault) -> Fault {
    Fault {
        line: None,
        ..fault.clone()
    }
}

/// What the options say.
fn given(connection: &Connection, options: &Init, asks: bool) -> Result<Description, Failure> {
    let region = connection
        .region
        .clone()
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .filter(|region| !region.is_empty());
    let region = match (region, asks) {
        (Some(region), _) => region,
        (None, true) => "us-east-1".to_owned(),
        (None, false) => {
            return Err(Failure::Usage(
                "no region: give --region, or set AWS_REGION; it is where blue and the controller are deployed"
                    .to_owned(),
            ));
        }
    };
    // The reader knows every default.
    let minimal = "[pair]\nname = \"pair\"\nmode = \"blue-green\"\nregion = \"us-east-1\"\n";
    let mut described = description::read(minimal).description;
    described.name.clone_from(&connection.pair);
    described.region = region;
    described.mode = match options.mode {
        InitMode::Standard => Mode::Standard,
        InitMode::BlueGreen => Mode::BlueGreen,
    };
    described.green_region.clone_from(&options.green_region);
    let class = options.class.as_deref().unwrap_or("mw1.small");
    described.environment = Environment::of_class(class);
    if let Some(version) = &options.airflow_version {
        described.environment.airflow_version.clone_from(version);
    }
    set_counts(&mut described, options);
    if let Some(dags) = &options.dags {
        described.environment.dags.clone_from(dags);
    }
    described.environment.requirements.clone_from(&options.requirements);
    if let (Some(vpc_id), [one, other]) = (&options.vpc_id, options.subnet_ids.as_slice()) {
        described.network = Network::Given {
            vpc_id: vpc_id.clone(),
            subnet_ids: [one.clone(), other.clone()],
        };
    } else if options.vpc_id.is_some() {
        return Err(Failure::Usage(format!(
            "--subnet-ids has {}; allowed are exactly two, separated by a comma: MWAA takes two private subnets in two zones",
            options.subnet_ids.len()
        )));
    }
    for (color, existing) in [
        (Color::Blue, &options.existing_blue),
        (Color::Green, &options.existing_green),
    ] {
        described.colors.of_mut(color).existing.clone_from(existing);
    }
    Ok(described)
}

/// What the options say of the workers goes before what a class has.
fn set_counts(described: &mut Description, options: &Init) {
    if let Some(count) = options.min_workers {
        described.environment.min_workers = count;
    }
    if let Some(count) = options.max_workers {
        described.environment.max_workers = count;
    }
}

/// Asks for what the options did not say. An empty answer takes what stands in the brackets.
async fn ask(described: &mut Description, connection: &Connection, options: &Init) -> Result<(), Failure> {
    type Set = fn(&mut Description, &str);
    let mode = described.mode.as_str().to_owned();
    let mut questions: Vec<(&str, &str, String, Set)> = vec![(
        "pair.name",
        "Name of the pair",
        described.name.clone(),
        |described, answer| answer.clone_into(&mut described.name),
    )];
    questions.push((
        "pair.mode",
        "standard (one environment) or blue-green (two, and the controller)",
        mode,
        |described, answer| {
            described.mode = if answer == "standard" {
                Mode::Standard
            } else {
                Mode::BlueGreen
            };
        },
    ));
    if connection.region.is_none() {
        questions.push((
            "pair.region",
            "Region",
            described.region.clone(),
            |described, answer| {
                answer.clone_into(&mut described.region);
            },
        ));
    }
    if options.airflow_version.is_none() {
        let version = described.environment.airflow_version.clone();
        questions.push((
            "environment.airflow_version",
            "Airflow's version",
            version,
            |described, answer| {
                answer.clone_into(&mut described.environment.airflow_version);
            },
        ));
    }
    if options.class.is_none() {
        let class = described.environment.class.clone();
        questions.push((
            "environment.class",
            "Class: mw1.micro, small, medium, large, xlarge, 2xlarge",
            class,
            |described, answer| {
                let files = described.environment.clone();
                let counts = Environment::of_class(answer);
                described.environment = Environment {
                    airflow_version: files.airflow_version,
                    dags: files.dags,
                    requirements: files.requirements,
                    ..counts
                };
            },
        ));
    }
    if options.dags.is_none() {
        let dags = described.environment.dags.clone();
        questions.push(("environment.dags", "Folder of the DAGs", dags, |described, answer| {
            answer.clone_into(&mut described.environment.dags);
        }));
    }
    for (key, question, preset, set) in questions {
        loop {
            let answer = confirm::typed(&format!("{question} [{preset}]: ")).await?;
            if answer.is_empty() {
                return Err(Failure::NotConfirmed("the input ended; no file was written".to_owned()));
            }
            let answer = match answer.trim() {
                "" => preset.as_str(),
                answer => answer,
            };
            let mut tried = described.clone();
            set(&mut tried, answer);
            set_counts(&mut tried, options);
            let is_mode = key != "pair.mode" || ["standard", "blue-green"].contains(&answer);
            let reading = description::read(&render(&tried));
            match reading.faults.iter().find(|fault| fault.key == key) {
                Some(fault) => terminal::note(&format!("{}\n", without_line(fault))),
                None if !is_mode => terminal::note("allowed is standard or blue-green\n"),
                None => {
                    *described = tried;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => there_is_one(file),
        _ => Failure::File(format!("{} cannot be written: {error}", file.display())),
    };
    if !force {
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .map_err(failed)?;
        return new.write_all(text.as_bytes()).map_err(failed);
    }
    // Whole or not at all: a half-written file would replace a good one.
    let beside = file.with_extension("toml.new");
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, file))
        .map_err(failed)
}
