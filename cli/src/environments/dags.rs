//! `dags sync`: DAG files to the standby, then to the active.
//!
//! It looks at buckets, manifests and Airflow each time, and remembers nothing: whatever stops it, the repeat goes on
//! from there. In particular, an import error that stopped it stops it again, because it counts as new as long as the
//! active has none in that file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::Instant;

use bluegreen_core::color::Color;
use bluegreen_core::printable::visible;
use bluegreen_environments::dag_sync::{Difference, ImportError, Looks, Why};
use bluegreen_environments::description::{self, Description, Mode};
use serde_json::{Map, Value, json};

use super::arguments::{Dags, DagsCommand, DagsSync, Patience};
use super::dag_color::{DagColor, Ended, Found, Synced, Verdict, some_of};
use super::dag_files::DagFiles;
use crate::backend::Backend;
use crate::connection::{Connection, Output};
use crate::failure::{Failure, exit};
use crate::sdk_config;
use crate::terminal;

/// Import errors that are shown.
const MOST_ERRORS: usize = 20;

pub(crate) async fn command(connection: &Connection, options: Dags) -> Result<u8, Failure> {
    match options.command {
        DagsCommand::Sync(options) => sync(connection, &options).await,
    }
}

/// The description that a file has, without the files it names; and the connection to that pair.
fn described(file: &Path, connection: &Connection) -> Result<(Description, Connection), Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!(
            "{name} cannot be read: {error}; give the pair's file with --file, or write one with `mwaa-bluegreen env init`"
        ))
    })?;
    let description = description::read(&text).accepted().map_err(|faults| {
        for fault in &faults {
            terminal::note(&format!("{name}: {fault}\n"));
        }
        Failure::Usage(format!(
            "{} in {name}; nothing was changed",
            terminal::count(faults.len(), "fault")
        ))
    })?;
    if let Some(region) = &connection.region
        && *region != description.region
    {
        return Err(Failure::Usage(format!(
            "--region is {region}, and {name} says {}: leave the option out, or correct the file",
            description.region
        )));
    }
    let connection = Connection {
        pair: description.name.clone(),
        region: Some(description.region.clone()),
        ..connection.clone()
    };
    Ok((description, connection))
}

async fn sync(connection: &Connection, options: &DagsSync) -> Result<u8, Failure> {
    let (description, connection) = described(&options.file, connection)?;
    let folder = options.file.parent().unwrap_or(Path::new(""));
    let local = DagFiles::read(&folder.join(&description.environment.dags))?;
    let config = sdk_config::configure(&connection, None).await?;
    let run = Run {
        options,
        local: &local,
        json: connection.output == Output::Json,
    };
    let open = |color| DagColor::open(&config, &connection, &description, color);
    let mut report = Report::default();
    let code = if let Some(color) = one_color(&description, options)? {
        let target = open(color).await?;
        let other = match description.mode {
            Mode::BlueGreen => match open(color.other()).await {
                Ok(other) => Ok(Some(other).filter(|other| other.is_there)),
                // It has no bucket yet.
                Err(Failure::Usage(_)) => Ok(None),
                Err(failure) => Err(failure),
            },
            Mode::Standard => Ok(None),
        };
        run.alone(&target, other, &mut report).await?
    } else {
        let backend = Backend::open(&connection).await?;
        let active = active(&backend).await?;
        report.active = Some(active);
        let (standby, active_one) = tokio::join!(open(active.other()), open(active));
        run.standby_first(&backend, &standby?, &active_one?, &mut report)
            .await?
    };
    report.finish(run.json, code)?;
    Ok(code)
}

/// The color that is synchronized without looking at who is active.
fn one_color(description: &Description, options: &DagsSync) -> Result<Option<Color>, Failure> {
    match description.mode {
        Mode::BlueGreen => Ok(options.to),
        Mode::Standard if options.standby_only => Err(Failure::Usage(
            "--standby-only: in standard mode there is no standby; leave the option out".to_owned(),
        )),
        Mode::Standard => match options.to {
            Some(color) if color != description.active => Err(Failure::Usage(format!(
                "--to is {color}; in standard mode there is only {}",
                description.active
            ))),
            _ => Ok(Some(description.active)),
        },
    }
}

/// The active color; without one nobody knows what must not be touched yet.
async fn active(backend: &Backend) -> Result<Color, Failure> {
    let (_, common, _) = backend.status().await?;
    common.active.ok_or_else(|| {
        Failure::Usage(format!(
            "{} says that no color is active, so that nothing says which one comes first; `mwaa-bluegreen status` shows why; \
             --to synchronizes one color whoever is active",
            backend.describe()
        ))
    })
}

fn no_known_errors(of: &str, why: &str) -> BTreeSet<String> {
    terminal::note(&format!(
        "  the import errors of {of} cannot be read: each import error counts as new: {why}\n"
    ));
    BTreeSet::new()
}

/// What a run of the command has.
struct Run<'a> {
    options: &'a DagsSync,
    local: &'a DagFiles,
    json: bool,
}

impl Run<'_> {
    async fn standby_first(
        &self,
        backend: &Backend,
        standby: &DagColor,
        active: &DagColor,
        report: &mut Report,
    ) -> Result<u8, Failure> {
        for one in [standby, active] {
            if !one.is_there && !self.options.dry_run {
                return Err(Failure::Usage(format!(
                    "there is no environment {}, so that nothing parses the files: deploy it with `mwaa-bluegreen env apply \
                     {}`, or write the other color's files alone with --to {}",
                    one.environment,
                    one.color,
                    one.color.other()
                )));
            }
        }
        if self.options.dry_run {
            self.dry(standby, "standby", report).await?;
            if !self.options.standby_only {
                self.dry(active, "active", report).await?;
            }
            return Ok(exit::DONE);
        }
        let synced = match self.write(standby, "standby", report).await? {
            Ok(synced) => synced,
            Err(code) => return Ok(code),
        };
        let (changed, had) = active.not_released(self.local).await?;
        let awaited = self.local.awaited(&changed, |path| had.contains(path));
        let known = self.known_errors(active).await;
        let code = self.wait(standby, &synced, awaited, known, report).await?;
        if code != exit::DONE || self.options.standby_only {
            let untouched = if self.options.standby_only {
                ""
            } else {
                &format!("{} (active) is untouched\n", active.color)
            };
            self.say(untouched)?;
            return Ok(code);
        }
        // A failover in the meantime has made it the other way round.
        match self::active(backend).await {
            Ok(now) if now == active.color => {}
            Ok(now) => {
                terminal::note(&format!(
                    "mwaa-bluegreen: {now} has become active meanwhile, which has the new files; {} still has the old ones: \
                     repeat the command, it brings them there\n",
                    active.color
                ));
                report.outcome = "active_changed";
                return Ok(exit::REFUSED);
            }
            Err(failure) => {
                return Err(Failure::Aws(format!(
                    "{failure}; {} has the new files, {} (active) is untouched: repeat the command, it goes on there",
                    standby.color, active.color
                )));
            }
        }
        let known = self.known_errors(active).await;
        self.one(active, "active", known, report).await
    }

    /// One color, whoever is active.
    async fn alone(
        &self,
        target: &DagColor,
        other: Result<Option<DagColor>, Failure>,
        report: &mut Report,
    ) -> Result<u8, Failure> {
        if self.options.dry_run {
            self.dry(target, "", report).await?;
            return Ok(exit::DONE);
        }
        if !target.is_there {
            let written = self.write(target, "", report).await?;
            self.say(&format!(
                "  there is no environment {} yet to parse them\n",
                target.environment
            ))?;
            return Ok(written.err().unwrap_or(exit::DONE));
        }
        // An error that the other color has as well is none of this release's doing. That of the color itself would be
        // taken for an old one by a repeat.
        let known = match other {
            Ok(other) => self.known_errors(other.as_ref().unwrap_or(target)).await,
            Err(failure) => no_known_errors(&format!("the {} color", target.color.other()), &failure.message()),
        };
        self.one(target, "", known, report).await
    }

    async fn one(
        &self,
        target: &DagColor,
        role: &str,
        known: BTreeSet<String>,
        report: &mut Report,
    ) -> Result<u8, Failure> {
        let found = target.look(self.local).await?;
        let changed: BTreeSet<String> = found.difference.puts.keys().cloned().collect();
        let new = |path: &str| found.difference.puts.get(path) == Some(&Why::New);
        let awaited = self.local.awaited(&changed, |path| !new(path));
        let synced = match self.write_found(target, role, found, report).await? {
            Ok(synced) => synced,
            Err(code) => return Ok(code),
        };
        self.wait(target, &synced, awaited, known, report).await
    }

    /// The errors of a color; none if they cannot be read, so that each one of the other color counts as new.
    async fn known_errors(&self, color: &DagColor) -> BTreeSet<String> {
        match color.import_errors().await {
            Ok(errors) => errors,
            Err(cause) => no_known_errors(&color.environment, &cause.message),
        }
    }

    async fn write(&self, target: &DagColor, role: &str, report: &mut Report) -> Result<Result<Synced, u8>, Failure> {
        let found = target.look(self.local).await?;
        self.write_found(target, role, found, report).await
    }

    /// Writes, and tells what; an exit code instead if another sync does the same.
    async fn write_found(
        &self,
        target: &DagColor,
        role: &str,
        found: Found,
        report: &mut Report,
    ) -> Result<Result<Synced, u8>, Failure> {
        let difference = found.difference.clone();
        let began = Instant::now();
        let shown =
            |done: usize, all: usize| self.progress(&format!("{}: {done} of {all} files written", target.color));
        let ended = target.sync(self.local, found, shown).await;
        self.end_progress();
        report.color(target, &difference);
        let summary = format!(
            "{}{}, {} in {} s\n",
            heading(target, role),
            self.local.count(),
            summary(&difference, false),
            began.elapsed().as_secs()
        );
        match ended? {
            Ended::Done(synced) => {
                self.say(&format!("{summary}{}", left_alone(&difference)))?;
                Ok(Ok(synced))
            }
            Ended::Conflict(why) => {
                terminal::note(&format!("mwaa-bluegreen: {why}\n"));
                report.outcome = "conflict";
                Ok(Err(exit::CONFLICT))
            }
        }
    }

    async fn wait(
        &self,
        target: &DagColor,
        synced: &Synced,
        awaited: BTreeMap<String, Looks>,
        known: BTreeSet<String>,
        report: &mut Report,
    ) -> Result<u8, Failure> {
        let shown = |line: &str| self.progress(&format!("{}: {line}", target.color));
        let verdict = target.wait(synced, awaited, known, self.options.patience, shown).await;
        self.end_progress();
        match verdict {
            Verdict::Good { files, after } => {
                self.say(&format!(
                    "  parsed without new import errors: {} with DAGs, after {} s\n",
                    terminal::count(files, "file"),
                    after.as_secs()
                ))?;
                Ok(exit::DONE)
            }
            Verdict::Broken(errors) => {
                report.outcome = "import_errors";
                report.set(target, "import_errors", errors.iter().map(as_json).collect());
                terminal::note(&broken(target, &errors));
                Ok(exit::NOT_READY)
            }
            Verdict::Late { told } => {
                report.outcome = "not_parsed_in_time";
                report.set(target, "not_parsed", Value::from(told.clone()));
                terminal::note(&format!(
                    "mwaa-bluegreen: {}: not parsed within {} s (--within): {told}; look at the scheduler's and the DAG \
                     processor's logs, then repeat the command\n",
                    target.environment, self.options.patience.within
                ));
                Ok(exit::NOT_IN_TIME)
            }
            Verdict::Unknown(why) => {
                report.outcome = "unknown";
                report.set(target, "unknown", Value::from(why.clone()));
                terminal::note(&format!(
                    "mwaa-bluegreen: {}: whether the files were parsed is unknown, which is not good: {why}; it takes \
                     airflow:InvokeRestApi on the environment; look whether Airflow answers, then repeat the command\n",
                    target.environment
                ));
                Ok(exit::FAILED)
            }
        }
    }

    async fn dry(&self, target: &DagColor, role: &str, report: &mut Report) -> Result<(), Failure> {
        let difference = target.look(self.local).await?.difference;
        report.color(target, &difference);
        report.outcome = "dry_run";
        let mut text = format!(
            "{}{}, {}\n",
            heading(target, role),
            self.local.count(),
            summary(&difference, true)
        );
        for (path, why) in &difference.puts {
            let (sign, note) = match why {
                Why::New => ('+', ""),
                Why::Changed => ('~', ""),
                Why::AlteredThere => ('~', "  (somebody else wrote what is there)"),
            };
            text.extend([format!("  {sign} {path}{note}\n")]);
        }
        for path in &difference.deletes {
            text.extend([format!("  - {path}\n")]);
        }
        self.say(&format!("{text}{}", left_alone(&difference)))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { terminal::out(text) }
    }

    /// One line that the next one replaces; on a terminal only.
    fn progress(&self, line: &str) {
        if stderr().is_terminal() && !self.json {
            terminal::note(&format!("\r\x1b[K  {}", visible(line)));
        }
    }

    fn end_progress(&self) {
        if stderr().is_terminal() && !self.json {
            terminal::note("\r\x1b[K");
        }
    }
}

fn heading(target: &DagColor, role: &str) -> String {
    let role = if role.is_empty() {
        String::new()
    } else {
        format!(" ({role})")
    };
    format!(
        "{}{role}, bucket {}, folder {}\n  ",
        target.color,
        target.bucket(),
        target.folder()
    )
}

fn summary(difference: &Difference, dry: bool) -> String {
    let of = |why: Why| difference.puts.values().filter(|found| **found == why).count();
    let (written, deleted) = if dry {
        ("to write", "to delete")
    } else {
        ("written", "deleted")
    };
    format!(
        "{} {written} ({} new, {} changed, {} altered in the bucket), {} {deleted}, {} unchanged",
        difference.puts.len(),
        of(Why::New),
        of(Why::Changed),
        of(Why::AlteredThere),
        difference.deletes.len(),
        difference.unchanged
    )
}

/// What stays in the bucket although the folder has it not.
fn left_alone(difference: &Difference) -> String {
    let mut text = String::new();
    if !difference.foreign.is_empty() {
        text.extend([format!(
            "  left there, not written by `dags sync`: {}\n",
            some_of(&difference.foreign)
        )]);
    }
    if !difference.written_over.is_empty() {
        text.extend([format!(
            "  left there, because somebody else has written over it: {}\n",
            some_of(&difference.written_over)
        )]);
    }
    text
}

fn broken(target: &DagColor, errors: &[ImportError]) -> String {
    let mut text = format!(
        "mwaa-bluegreen: {}: {} that cannot be imported:\n",
        target.environment,
        terminal::count(errors.len(), "file")
    );
    for error in errors.iter().take(MOST_ERRORS) {
        text.extend([format!("  {}: {}\n", visible(&error.path), visible(&error.reason))]);
    }
    if let Some(more) = errors.len().checked_sub(MOST_ERRORS).filter(|more| *more > 0) {
        text.extend([format!("  and {more} more\n")]);
    }
    text.push_str("mend the files, or go back to those of before, and repeat the command\n");
    text
}

fn as_json(error: &ImportError) -> Value {
    json!({"file": error.path, "at": error.at.to_string(), "reason": error.reason})
}

/// What scripts are told.
struct Report {
    outcome: &'static str,
    active: Option<Color>,
    colors: Map<String, Value>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            outcome: "synchronized",
            active: None,
            colors: Map::new(),
        }
    }
}

impl Report {
    fn color(&mut self, target: &DagColor, difference: &Difference) {
        let puts = |wanted: Why| -> Vec<&String> {
            let puts = difference.puts.iter().filter(|(_, why)| **why == wanted);
            puts.map(|(path, _)| path).collect()
        };
        let told = json!({
            "environment": target.environment,
            "bucket": target.bucket(),
            "new": puts(Why::New),
            "changed": puts(Why::Changed),
            "altered": puts(Why::AlteredThere),
            "deleted": difference.deletes,
            "unchanged": difference.unchanged,
            "foreign": difference.foreign,
            "written_over": difference.written_over,
        });
        self.colors.insert(target.color.to_string(), told);
    }

    fn set(&mut self, target: &DagColor, name: &str, value: Value) {
        if let Some(color) = self
            .colors
            .get_mut(target.color.as_str())
            .and_then(Value::as_object_mut)
        {
            color.insert(name.to_owned(), value);
        }
    }

    fn finish(self, json: bool, code: u8) -> Result<(), Failure> {
        if !json {
            return Ok(());
        }
        let Self {
            outcome,
            active,
            colors,
        } = self;
        terminal::json(
            &json!({"outcome": outcome, "active": active.map(Color::as_str), "code": code, "colors": colors})
                .to_string(),
        )
    }
}

/// One color's files for `rollout`: written, and waited for as against the other color, which still has the old ones.
pub(crate) async fn release(
    target: &DagColor,
    other: &DagColor,
    local: &DagFiles,
    patience: Patience,
    progress: impl Fn(&str),
) -> Result<Released, Failure> {
    let found = target.look(local).await?;
    let synced = match target
        .sync(local, found, |done, all| {
            progress(&format!("{done} of {all} files written"));
        })
        .await?
    {
        Ended::Done(synced) => synced,
        Ended::Conflict(why) => return Ok(Released::Conflict(why)),
    };
    let (changed, had) = other.not_released(local).await?;
    let mut changed = changed;
    changed.extend(synced.written.iter().cloned());
    let awaited = local.awaited(&changed, |path| had.contains(path));
    // Unreadable means that each error counts as new.
    let known = other.import_errors().await.unwrap_or_default();
    Ok(Released::Parsed(
        target.wait(&synced, awaited, known, patience, progress).await,
    ))
}

/// How [`release`] ended.
#[derive(Debug)]
pub(crate) enum Released {
    Parsed(Verdict),
    /// Another sync writes at the same time.
    Conflict(String),
}

/// Whether a color's bucket has the folder's files, and none of ours besides, for `rollout`.
pub(crate) async fn is_released(target: &DagColor, local: &DagFiles) -> Result<bool, Failure> {
    Ok(target.look(local).await?.difference.is_in_step())
}
