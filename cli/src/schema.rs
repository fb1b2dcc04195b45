//! Every vocabulary of the product as JSON, for `make generate`.

use bluegreen_controller::function_error::ERRORS;
use bluegreen_environments::price::{self, Prices};
use clap::CommandFactory;
use serde_json::{Value, json};

use crate::arguments::{Cli, EXIT_CODES};

/// What the core lists, the errors of the functions, and what is only here: commands, exit codes and the costs.
pub(crate) fn schema() -> Value {
    let mut schema = bluegreen_core::catalog::schema();
    if let Some(fields) = schema.as_object_mut() {
        let errors = ERRORS.map(|(error_type, about)| json!({"error_type": error_type, "about": about}));
        fields.insert("errors".to_owned(), json!(errors));
        let codes = EXIT_CODES.map(|(code, about)| json!({"code": code, "about": about}));
        fields.insert("exit_codes".to_owned(), json!(codes));
        fields.insert("commands".to_owned(), commands());
        fields.insert("costs".to_owned(), price::table(&Prices::own()));
        fields.insert("options".to_owned(), options(&Cli::command()));
    }
    schema
}

fn commands() -> Value {
    commands_of(&Cli::command())
        .into_iter()
        .map(|(name, command)| {
            json!({
                "name": name,
                "about": command.get_about().map(ToString::to_string),
                "options": options(command),
            })
        })
        .collect()
}

/// The commands that do something, by the words that a person types.
pub(crate) fn commands_of(program: &clap::Command) -> Vec<(String, &clap::Command)> {
    let mut found = Vec::new();
    let shown = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    for command in program.get_subcommands().filter(shown) {
        let name = command.get_name().to_owned();
        if command.has_subcommands() {
            let inner = commands_of(command).into_iter();
            found.extend(inner.map(|(inner, command)| (format!("{name} {inner}"), command)));
        } else {
            found.push((name, command));
        }
    }
    found
}

fn options(command: &clap::Command) -> Value {
    let name = |argument: &clap::Arg| match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => argument.get_id().to_string().to_uppercase(),
    };
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !matches!(argument.get_long(), Some("help" | "version")))
        .map(|argument| json!({"name": name(argument), "about": argument.get_help().map(ToString::to_string)}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        let committed: Value =
            serde_json::from_str(include_str!("../../tests/support/schema.json")).unwrap_or_default();
        let now = schema();
        for (name, part) in now.as_object().into_iter().flatten() {
            assert_eq!(
                &committed[name], part,
                "tests/support/schema.json is not up to date: run make generate"
            );
        }
    }
}
