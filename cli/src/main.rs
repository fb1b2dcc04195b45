//! The command line of the blue-green controller.

// Comments of arguments are the help text, in which <pair> is a placeholder.
#![allow(rustdoc::invalid_html_tags)]

mod arguments;
mod backend;
mod commands;
mod confirm;
mod connection;
mod consent;
mod drained;
mod environment_arguments;
mod environments;
mod exit;
mod failure;
mod foreign;
mod render;
mod replay;
mod run_report;
mod schema;
mod sdk_config;
mod session;
mod settings;
mod terminal;
mod timeline_data;
mod timeline_svg;
mod under_way;
mod values;
mod watch;

use std::process::ExitCode;

use bluegreen_core::printable::is_printable;

use arguments::{Cli, Command};
use clap::CommandFactory;
use connection::Output;
use failure::Failure;
use session::Session;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

fn main() -> ExitCode {
    let cli = match arguments::read(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            if std::env::args_os().any(|argument| !argument.to_string_lossy().chars().all(is_printable)) {
                // The error repeats what was typed or pasted.
                terminal::note(&error.render().to_string());
            } else {
                let _nobody_listens = error.print();
            }
            // Help and version are answers, not errors.
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    warn_on_stderr();
    let is_json = cli.connection.output == Output::Json;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::note(&format!("mwaa-bluegreen: {error}\n"));
            return ExitCode::from(exit::FAILED);
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(cli) => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    // An abandoned prompt must not keep the process alive.
    runtime.shutdown_background();
    ExitCode::from(result.unwrap_or_else(|failure| tell(&failure, is_json)))
}

fn tell(failure: &Failure, is_json: bool) -> u8 {
    match failure {
        Failure::OutputClosed => {}
        Failure::Interrupted => {
            let told = under_way::told();
            if told.is_empty() {
                terminal::note(
                    "\ninterrupted; what was sent before is carried out all the same: ask `mwaa-bluegreen status`\n",
                );
            } else {
                terminal::note(&format!("\ninterrupted\n{}\n", told.join("\n")));
            }
        }
        Failure::Function { answer, .. } if is_json => {
            let _the_error_is_told_below = terminal::json(answer.trim_end());
            terminal::note(&format!("mwaa-bluegreen: {}\n", failure.message()));
        }
        _ => terminal::note(&format!("mwaa-bluegreen: {}\n", failure.message())),
    }
    failure.code()
}

/// Prints the warnings of `--direct`; the SDK's messages are in its errors.
fn warn_on_stderr() {
    let ours = Targets::new()
        .with_targets(["bluegreen_aws", "bluegreen_controller"].map(|target| (target, LevelFilter::WARN)))
        .with_default(LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| terminal::Lines);
    let _already_started =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ours).with(lines));
}

async fn run(cli: Cli) -> Result<u8, Failure> {
    let connection = &cli.connection;
    match cli.command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mwaa-bluegreen", &mut text);
            terminal::raw(&String::from_utf8_lossy(&text))?;
            Ok(exit::DONE)
        }
        Command::Man => {
            terminal::raw(&manual()?)?;
            Ok(exit::DONE)
        }
        Command::Schema { .. } => {
            terminal::raw(&format!("{:#}\n", schema::schema()))?;
            Ok(exit::DONE)
        }
        Command::Replay(options) => replay::replay(connection, &options),
        Command::Chart(options) => timeline_data::chart(connection, &options).await,
        Command::Rollout(options) => environments::rollout::rollout(connection, &options).await,
        Command::Dags(options) => environments::dags::command(connection, options).await,
        Command::Env(options) => environments::env(connection, &options.command).await,
        Command::Settings(options) => settings::command(connection, options.save).await,
        command => {
            let session = Session::open(connection).await?;
            with_session(&session, command).await
        }
    }
}

async fn with_session(session: &Session, command: Command) -> Result<u8, Failure> {
    let request = match command {
        Command::Switch(options) => return commands::switch(session, options).await,
        Command::Failover(options) => return commands::failover(session, options).await,
        Command::Rollback(options) => return commands::rollback(session, options).await,
        Command::Drill(options) => return commands::drill(session, options).await,
        Command::Hold(options) => return commands::hold(session, options).await,
        Command::Release(options) => return commands::release(session, options).await,
        Command::Initialize(options) => return commands::initialize(session, options).await,
        Command::Drained(options) => return drained::drained(session, &options).await,
        Command::Watch(options) => return watch::watch(session, &options).await,
        command => command.question(),
    };
    session.finish(&session.backend.ask(&request).await?)
}

/// The manual page: the program, then every command with its options.
fn manual() -> Result<String, Failure> {
    let mut command = Cli::command();
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)
        .and_then(|()| page.render_name_section(&mut text))
        .and_then(|()| page.render_description_section(&mut text))
        .and_then(|()| page.render_options_section(&mut text))
        .map_err(|error| Failure::File(format!("the manual page cannot be written: {error}")))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(".SH COMMANDS\n");
    for (name, subcommand) in schema::commands_of(&command) {
        let about = subcommand.get_long_about().or(subcommand.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        text.extend([".SS ", &name, "\n", &roff(&about), "\n"]);
        for argument in subcommand.get_arguments().filter(|argument| !argument.is_global_set()) {
            let name = match argument.get_long() {
                Some("help") => continue,
                Some(long) => format!("--{long}"),
                None => argument.get_id().to_string(),
            };
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            text.extend([".TP\n\\fB", &roff(&name), "\\fR\n", &roff(&help), "\n"]);
        }
    }
    for (title, body) in [
        ("EXIT STATUS", arguments::exit_codes()),
        ("EXAMPLES", arguments::EXAMPLES.to_owned()),
    ] {
        let body = body.split_once('\n').map_or(body.as_str(), |(_, lines)| lines);
        text.extend([".SH \"", title, "\"\n.nf\n", &roff(body), "\n.fi\n"]);
    }
    Ok(text)
}

/// Escapes for troff: no line may begin with its control characters, and a dash stays a dash.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('-', "\\-");
    let lines: Vec<String> = escaped
        .lines()
        .map(|line| {
            if line.starts_with(['.', '\'']) {
                format!("\\&{line}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n")
}
