//! The function's settings: saved while all is well, used by `--direct` during an outage of Lambda.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use bluegreen_aws::configuration::variable;
use bluegreen_core::parameters::{DEFAULT_PAIR, ParameterNames};
use bluegreen_core::printable::visible;
use bluegreen_core::settings::{self, Settings};

use crate::connection::{Connection, Output};
use crate::failure::{Asked, Failure, exit, from_sdk};
use crate::{sdk_config, terminal};

/// The template's defaults for the pair of the default name.
const DEFAULTS: [(&str, &str); 2] = [
    ("BLUE_ENVIRONMENT_NAME", "airflow-blue"),
    ("GREEN_ENVIRONMENT_NAME", "airflow-green"),
];

/// Settings and their sources.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) settings: Settings,
    pub(crate) source: String,
    /// The region of the pair, if the file contains it.
    pub(crate) region: Option<String>,
}

/// Settings for `--direct`: options first, then the file; without a file the environment and the template's defaults.
pub(crate) fn local(connection: &Connection) -> Result<Found, Failure> {
    let path = file_of(connection);
    let file = match &path {
        Some(path) if path.exists() => Some(read_file(path)?),
        Some(path) if connection.settings.is_some() => {
            return Err(Failure::Usage(format!(
                "--settings: there is no file {}; write it with `mwaa-bluegreen settings --save` while Lambda answers",
                path.display()
            )));
        }
        _ => None,
    };
    let region = region(connection, file.as_ref())?;
    let source = match (&file, &path) {
        (Some(_), Some(path)) => path.display().to_string(),
        _ => "options, environment and the template's defaults".to_owned(),
    };
    let settings = assemble(connection, file.as_ref(), region.as_deref(), variable)?;
    Ok(Found {
        settings,
        source,
        region,
    })
}

/// A saved pair stays in the region where it was saved: a person's new default region must not redirect the write.
fn region(connection: &Connection, file: Option<&BTreeMap<String, String>>) -> Result<Option<String>, Failure> {
    let saved = file.and_then(|file| file.get("AWS_REGION"));
    match (&connection.region, saved) {
        (Some(given), Some(saved)) if given != saved => Err(Failure::Usage(format!(
            "--region is {given}, but the saved settings are of the pair in {saved}: leave --region out, or name another \
             file with --settings"
        ))),
        (given, saved) => Ok(given.clone().or_else(|| saved.cloned())),
    }
}

fn assemble(
    connection: &Connection,
    file: Option<&BTreeMap<String, String>>,
    region: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Failure> {
    let pair = &connection.pair;
    if let Some(saved) = file.and_then(|file| file.get("PAIR_NAME"))
        && saved != pair
    {
        return Err(Failure::Usage(format!(
            "the settings are of pair {saved:?}, and --pair is {pair:?}: give --pair {saved}, or another file with --settings"
        )));
    }
    let given = |name: &str| match name {
        "PAIR_NAME" => Some(pair.clone()),
        "FLAG_PARAMETER" => connection.flag_parameter.clone(),
        "BLUE_ENVIRONMENT_NAME" => connection.blue_environment.clone(),
        "GREEN_ENVIRONMENT_NAME" => connection.green_environment.clone(),
        "AWS_REGION" => region.map(str::to_owned),
        // This process logs for the person who runs it.
        "LOG_LEVEL" => Some("warn".to_owned()),
        _ => None,
    };
    let default = |name: &str| match name {
        "AUDIT_BUS_NAME" => Some(format!("{pair}-audit")),
        // As the template computes it. If it belongs to another pair after all, its parameter `owner` says so, or there
        // is no flag.
        "FLAG_PARAMETER" => Some(ParameterNames::default_flag(pair)),
        // Another pair's environments have other names; the default names could belong to another pair.
        _ if pair != DEFAULT_PAIR => None,
        _ => DEFAULTS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned()),
    };
    let lookup = |name: &str| {
        given(name)
            .or_else(|| match file {
                Some(file) => file.get(name).cloned(),
                None => environment(name),
            })
            .or_else(|| default(name))
    };
    let is_unknown = |name: &str| lookup(name).is_none_or(|value| value.is_empty());
    if is_unknown("BLUE_ENVIRONMENT_NAME") || is_unknown("GREEN_ENVIRONMENT_NAME") {
        return Err(Failure::Usage(format!(
            "--direct does not know the environments of pair {pair:?}: save the function's settings with `mwaa-bluegreen settings \
             --save --pair {pair}` while Lambda answers, or give --blue-environment and --green-environment, \
             and --flag-parameter if the stack was given a ParameterRoot"
        )));
    }
    settings::read(lookup).map_err(|faults| {
        Failure::Usage(format!(
            "{faults}; they are read from --settings FILE, or the options --blue-environment, --green-environment and \
             --flag-parameter"
        ))
    })
}

fn file_of(connection: &Connection) -> Option<PathBuf> {
    if let Some(path) = &connection.settings {
        return Some(path.clone());
    }
    let base = variable("XDG_CONFIG_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(base.join("mwaa-bluegreen").join(format!("{}.env", connection.pair)))
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::File(format!("{} cannot be read: {error}", path.display())))?;
    parse(&text).map_err(|fault| Failure::Usage(format!("{}: {fault}", path.display())))
}

/// Parses `KEY=VALUE` lines; empty lines and those that begin with `#` are ignored.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!(
                "line {} is {line:?}; allowed is KEY=VALUE",
                number.saturating_add(1)
            ));
        };
        values.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(values)
}

/// The function's environment variables, read through Lambda. `direct_works` is whether the command could do without.
pub(crate) async fn of_function(
    connection: &Connection,
    config: &SdkConfig,
    region: &str,
    direct_works: bool,
) -> Result<BTreeMap<String, String>, Failure> {
    let function = &connection.function();
    let answer = aws_sdk_lambda::Client::new(config)
        .get_function_configuration()
        .function_name(function)
        .send()
        .await
        .map_err(|error| {
            let asked = Asked {
                doing: "reading the configuration of",
                of: &format!("function {function}"),
                region,
                permission: "lambda:GetFunctionConfiguration",
                changes: false,
                direct_works,
                endpoint: config.endpoint_url(),
                profile: connection.profile.as_deref(),
            };
            from_sdk(&error, asked)
        })?;
    let environment = answer.environment();
    if let Some(error) = environment.and_then(|environment| environment.error()) {
        return Err(Failure::Aws(format!(
            "Lambda does not return the environment of {function}: {}: {}; it takes kms:Decrypt on the function's key",
            error.error_code().unwrap_or("an error without a code"),
            error.message().unwrap_or("no message"),
        )));
    }
    let mut values: BTreeMap<String, String> = environment
        .and_then(|environment| environment.variables())
        .map(|variables| {
            variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
        .unwrap_or_default();
    values.insert("AWS_REGION".to_owned(), region.to_owned());
    Ok(values)
}

/// The commands `settings` and `settings --save`.
pub(crate) async fn command(connection: &Connection, save: bool) -> Result<u8, Failure> {
    if connection.direct && save {
        return Err(Failure::Usage(
            "--save reads the function's configuration, so it does not go with --direct".to_owned(),
        ));
    }
    let path = file_of(connection);
    let values =
        if save {
            let config = sdk_config::configure(connection, None).await?;
            let region = config.region().map(ToString::to_string).unwrap_or_default();
            of_function(connection, &config, &region, false).await?
        } else {
            let there = path.as_ref().filter(|path| path.exists()).ok_or_else(|| {
            Failure::Usage(format!(
                "there are no saved settings{}; save them with `mwaa-bluegreen settings --save` while Lambda answers",
                path.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default()
            ))
        })?;
            read_file(there)?
        };
    // Saved settings must be usable when they are needed.
    assemble(
        connection,
        Some(&values),
        values.get("AWS_REGION").map(String::as_str),
        |_| None,
    )?;
    if save {
        let path = path.ok_or_else(|| Failure::Usage("no home directory: name a file with --settings".to_owned()))?;
        write(&path, &values, &connection.function())?;
        terminal::note(&format!(
            "saved to {}; --direct uses them\n",
            visible(&path.display().to_string())
        ));
    }
    if connection.output == Output::Json {
        terminal::json(&serde_json::json!(values).to_string())?;
    } else {
        let shown = values
            .iter()
            .map(|(name, value)| (visible(name), visible(value)))
            .collect();
        terminal::out(&lines(&shown))?;
    }
    Ok(exit::DONE)
}

fn lines(values: &BTreeMap<String, String>) -> String {
    values.iter().fold(String::new(), |mut text, (name, value)| {
        let _a_string_takes_all = writeln!(text, "{name}={value}");
        text
    })
}

fn write(path: &Path, values: &BTreeMap<String, String>, function: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::File(format!("{} cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = format!(
        "# Settings of {function}, for mwaa-bluegreen --direct\n{}",
        lines(values)
    );
    // Written completely or not at all: a truncated file would only be found during an outage.
    let fresh = path.with_extension("env.new");
    std::fs::write(&fresh, text).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Cli;

    fn connection(line: &str) -> Connection {
        Cli::try_parse_from(std::iter::once("mwaa-bluegreen").chain(line.split_whitespace()))
            .unwrap()
            .connection
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_default_pair_needs_no_settings() {
        let settings = assemble(
            &connection("status --pair mwaa-blue-green"),
            None,
            Some("us-east-2"),
            nothing,
        )
        .unwrap();
        assert_eq!(settings.names.flag(), "/mwaa/blue-green/active-environment");
        assert_eq!(settings.environments.green.name, "airflow-green");
        assert_eq!(settings.audit_bus, "mwaa-blue-green-audit");
    }

    #[test]
    fn another_pairs_environments_are_never_guessed_and_its_root_has_its_name() {
        let error = assemble(&connection("status --pair orders"), None, None, nothing).unwrap_err();
        assert_eq!(error.code(), exit::USAGE);
        assert!(error.to_string().contains("settings --save --pair orders"), "{error}");
        let only_environments = connection("status --pair orders --blue-environment ob --green-environment og");
        let settings = assemble(&only_environments, None, None, nothing).unwrap();
        assert_eq!(settings.names.flag(), "/mwaa/orders/active-environment");
        let named = connection(
            "status --pair orders --flag-parameter /orders/flag --blue-environment ob --green-environment og",
        );
        assert_eq!(
            assemble(&named, None, None, nothing).unwrap().names.flag(),
            "/orders/flag"
        );
    }

    #[test]
    fn options_win_over_the_file_and_the_file_over_the_environment() {
        let file = parse("# saved\n\nPAIR_NAME=orders\nFLAG_PARAMETER=/orders/flag\nBLUE_ENVIRONMENT_NAME=ob\nGREEN_ENVIRONMENT_NAME = og\nCOOLDOWN_SECONDS=60\nAUDIT_BUS_NAME=bus\n").unwrap();
        let settings = assemble(
            &connection("status --pair orders --green-environment other"),
            Some(&file),
            None,
            |_| Some("9999999".to_owned()),
        )
        .unwrap();
        assert_eq!(settings.environments.green.name, "other");
        assert_eq!(settings.environments.blue.name, "ob");
        assert_eq!(
            (settings.policy.cooldown.as_secs(), settings.audit_bus.as_str()),
            (60, "bus")
        );
    }

    #[test]
    fn a_file_of_another_pair_or_region_is_refused() {
        let file = BTreeMap::from([
            ("PAIR_NAME".to_owned(), "payroll".to_owned()),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
        ]);
        let orders = connection("status --pair orders --region us-east-2");
        assert!(
            assemble(&orders, Some(&file), None, nothing)
                .unwrap_err()
                .to_string()
                .contains("payroll")
        );
        assert!(
            region(&orders, Some(&file))
                .unwrap_err()
                .to_string()
                .contains("us-east-1")
        );
        assert_eq!(
            region(&connection("status"), Some(&file)).unwrap().as_deref(),
            Some("us-east-1")
        );
    }

    #[test]
    fn a_broken_line_is_named() {
        assert!(parse("A=1\nnonsense\n").unwrap_err().contains("line 2"));
    }
}
