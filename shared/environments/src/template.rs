//! Templates: the four of the folder infra, which this crate carries, and the controller's, which comes as a text.
//!
//! Each is rendered to the text that is deployed. Its hash is an output of the deployed stack, so that one DescribeStacks
//! says whether the stack was made from the same text.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

mod defaults;
mod parameters;

pub use defaults::defaults;
pub use parameters::{Allowed, ParameterFault, faults_of, parameters};

/// infra/network.yaml.
pub const NETWORK: &str = include_str!("../../../infra/network.yaml");
/// infra/environment-base.yaml.
pub const BASE: &str = include_str!("../../../infra/environment-base.yaml");
/// infra/environment.yaml.
pub const ENVIRONMENT: &str = include_str!("../../../infra/environment.yaml");
/// infra/lineage.yaml.
pub const LINEAGE: &str = include_str!("../../../infra/lineage.yaml");

/// The output that holds the hash.
pub const HASH_OUTPUT: &str = "TemplateHash";

const OPTIONS: &str = "AirflowConfigurationOptions:";
const OPTIONS_BEGIN: &str = "# options of pair.toml: begin";
const OPTIONS_END: &str = "# options of pair.toml: end";
const HASH_MARK: &str = "# template hash";

/// A template as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its text, with the hash among its outputs.
    pub text: String,
    /// The first 16 hex digits of the SHA-256 of the text without that output, comments and blank lines.
    pub hash: String,
}

/// Why a template cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// It has no outputs, so the hash has no place.
    #[error(
        "the template has no line {mark:?}; allowed is a template with that line; restore it from the product's repository"
    )]
    NoPlace {
        /// The line that is missing.
        mark: &'static str,
    },
    /// A function's code is not among what was built.
    #[error(
        "the template's function has CodeUri {folder}, and there is no such function among {known}; build the functions \
         (`make functions`), or name their folder in controller.functions"
    )]
    NoCode {
        /// The folder that the template names.
        folder: String,
        /// What there is.
        known: String,
    },
    /// It names no function at all.
    #[error(
        "the template has no line \"CodeUri: functions/…\"; allowed is the product's template.yaml; look at controller.template"
    )]
    NoFunctions,
}

/// The network.
///
/// # Errors
/// The carried template has no place for the hash; a test keeps that from happening.
pub fn network() -> Result<Rendered, TemplateFault> {
    hashed(NETWORK)
}

/// Bucket, security group and role of a color.
///
/// # Errors
/// As [`network`].
pub fn base() -> Result<Rendered, TemplateFault> {
    hashed(BASE)
}

/// The lineage server.
///
/// # Errors
/// As [`network`].
pub fn lineage() -> Result<Rendered, TemplateFault> {
    hashed(LINEAGE)
}

/// The environment, with options beside those that the product sets.
///
/// # Errors
/// As [`network`].
pub fn environment(options: &BTreeMap<String, String>) -> Result<Rendered, TemplateFault> {
    let mut lines = Vec::new();
    let mut is_between = false;
    let mut has_place = false;
    for line in ENVIRONMENT.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with(OPTIONS_END) {
            is_between = false;
        }
        if is_between {
            continue;
        }
        lines.push(line.to_owned());
        if trimmed.starts_with(OPTIONS_BEGIN) {
            is_between = true;
            has_place = true;
            let indent = line.get(..line.len().saturating_sub(trimmed.len())).unwrap_or_default();
            lines.extend(
                options
                    .iter()
                    .map(|(key, value)| format!("{indent}{}: {}", quoted(key), quoted(value))),
            );
        }
    }
    if !has_place || is_between {
        return Err(TemplateFault::NoPlace { mark: OPTIONS_BEGIN });
    }
    let mut text = lines.join("\n");
    text.push('\n');
    hashed(&text)
}

/// The controller. `functions` gives each folder that the template names its archive in S3, as `s3://bucket/key`.
///
/// # Errors
/// What the text lacks, or which function was not built.
pub fn controller(template: &str, functions: &BTreeMap<String, String>) -> Result<Rendered, TemplateFault> {
    let mut lines = Vec::new();
    let mut has_functions = false;
    for line in template.lines() {
        let folder = line.trim_start().strip_prefix("CodeUri:").map(str::trim);
        let Some(folder) = folder.filter(|folder| !folder.starts_with("s3://")) else {
            lines.push(line.to_owned());
            continue;
        };
        has_functions = true;
        let folder = folder.trim_matches(['"', '\'']).trim_end_matches('/');
        let Some(uri) = functions.get(folder) else {
            return Err(TemplateFault::NoCode {
                folder: folder.to_owned(),
                known: functions.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        let indent = line.len().saturating_sub(line.trim_start().len());
        lines.push(format!("{}CodeUri: {uri}", " ".repeat(indent)));
    }
    if !has_functions {
        return Err(TemplateFault::NoFunctions);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    hashed(&text)
}

/// The folders of functions that a controller's template names, in its order.
#[must_use]
pub fn function_folders(template: &str) -> Vec<String> {
    template
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("CodeUri:"))
        .map(|folder| folder.trim().trim_matches(['"', '\'']).trim_end_matches('/').to_owned())
        .filter(|folder| !folder.starts_with("s3://"))
        .collect()
}

/// The keys that the environment's template sets itself.
#[must_use]
pub fn product_options() -> Vec<&'static str> {
    ENVIRONMENT
        .lines()
        .skip_while(|line| !line.trim_start().starts_with(OPTIONS))
        .skip(1)
        .take_while(|line| !line.trim_start().starts_with(OPTIONS_BEGIN))
        .filter_map(|line| line.trim_start().split_once(':'))
        .map(|(key, _)| key.trim_matches(['"', '\'']))
        .filter(|key| key.contains('.') && !key.contains([' ', '#', '!']))
        .collect()
}

/// The text without what CloudFormation does not read: a comment that a release rewords must not restart an environment.
/// In a block of text a line that begins with # is no comment.
fn meaning(text: &str) -> String {
    let mut meaning = String::new();
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() {
            continue;
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        if block.is_some_and(|outside| indent <= outside) {
            block = None;
        }
        if block.is_none() {
            if content.starts_with('#') {
                continue;
            }
            let last = content.rsplit(' ').next().unwrap_or_default();
            if matches!(last, "|" | "|-" | "|+" | ">" | ">-" | ">+") {
                block = Some(indent);
            }
        }
        meaning.push_str(line.trim_end());
        meaning.push('\n');
    }
    meaning
}

/// Adds the hash to the outputs.
fn hashed(text: &str) -> Result<Rendered, TemplateFault> {
    let digest = Sha256::digest(meaning(text).as_bytes());
    let hash = crate::hex::short(&digest);
    let has_mark = text.lines().any(is_mark);
    let mut lines = Vec::new();
    let mut has_place = false;
    for line in text.lines() {
        lines.push(line.to_owned());
        // A controller's template of an earlier version has no mark: its outputs begin with the hash.
        if !has_place && (is_mark(line) || (!has_mark && line.trim_end() == "Outputs:")) {
            has_place = true;
            lines.extend([
                format!("  {HASH_OUTPUT}:"),
                "    Description: Hash of the template that the command line deployed.".to_owned(),
                // In quotes: sixteen digits without a letter would be a number.
                format!("    Value: \"{hash}\""),
            ]);
        }
    }
    if !has_place {
        return Err(TemplateFault::NoPlace { mark: "Outputs:" });
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Ok(Rendered { text, hash })
}

fn is_mark(line: &str) -> bool {
    line.trim() == HASH_MARK
}

/// A string of JSON, which is one of YAML as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
