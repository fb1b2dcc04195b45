//! Which pair is meant, by which backend it is reached, and how answers are shown: the options that every command has.
#![expect(clippy::doc_markdown, reason = "these comments are what --help and the manual show")]

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::values::number;

/// Which pair, by which backend, and how to show it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Connection {
    /// Name of the pair, the stack's PairName; else MWAA_BLUEGREEN_PAIR
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "MWAA_BLUEGREEN_PAIR",
        hide_env = true,
        default_value = "mwaa-blue-green"
    )]
    pub(crate) pair: String,
    /// The function to ask, if it is not <pair>-switch-handler
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// AWS region; else AWS_REGION, AWS_DEFAULT_REGION, or the profile's
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// AWS profile; else AWS_PROFILE
    #[arg(long, global = true)]
    pub(crate) profile: Option<String>,
    /// Endpoint for every AWS service; else AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_<SERVICE>
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url, value_parser = endpoint)]
    pub(crate) endpoint_url: Option<String>,
    /// text for people, json for scripts (exactly the function's answer); with chart, the picture's file, *.svg
    #[arg(long, global = true, value_name = "text|json", default_value = "text", value_parser = output)]
    pub(crate) output: Output,
    /// Colors; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// Seconds to wait for an answer
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 90, allow_negative_numbers = true, value_parser = number::<u64>(1..=900))]
    pub(crate) timeout: u64,
    /// No Lambda: do the function's work here, with your own credentials
    #[arg(long, global = true)]
    pub(crate) direct: bool,
    /// With --direct: the function's settings, KEY=VALUE lines [default: ~/.config/mwaa-bluegreen/<pair>.env]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) settings: Option<PathBuf>,
    /// With --direct: the blue MWAA environment
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) blue_environment: Option<String>,
    /// With --direct: the green MWAA environment
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) green_environment: Option<String>,
    /// With --direct: the flag's parameter
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) flag_parameter: Option<String>,
}

impl Connection {
    /// The function that this pair's requests go to.
    pub(crate) fn function(&self) -> String {
        self.function
            .clone()
            .unwrap_or_else(|| format!("{}-switch-handler", self.pair))
    }
}

/// How answers are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
    Picture(PathBuf),
}

fn output(given: &str) -> Result<Output, String> {
    match given {
        "text" => Ok(Output::Text),
        "json" => Ok(Output::Json),
        file if file.to_ascii_lowercase().ends_with(".svg") => Ok(Output::Picture(PathBuf::from(file))),
        _ => Err("allowed is text or json, and with chart a file whose name ends in .svg".to_owned()),
    }
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

fn endpoint(given: &str) -> Result<String, String> {
    if is_endpoint(given) {
        Ok(given.to_owned())
    } else {
        Err(ENDPOINT_ALLOWED.to_owned())
    }
}

pub(crate) const ENDPOINT_ALLOWED: &str =
    "allowed is a URL that begins with http:// or https:// and names a host, such as https://localhost:4566";

/// Whether the SDK can ask there; what it says otherwise is of no use to a person.
pub(crate) fn is_endpoint(given: &str) -> bool {
    given.parse::<http::Uri>().is_ok_and(|url| {
        let is_known = matches!(url.scheme_str(), Some("http" | "https"));
        is_known
            && url.authority().is_some_and(|authority| {
                let host = authority.host();
                !host.is_empty() && (authority.as_str() == host || authority.port_u16().is_some())
            })
    })
}
