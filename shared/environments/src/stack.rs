//! Stacks: as they shall be, and as CloudFormation describes them.

use std::collections::BTreeMap;

use bluegreen_core::color::Color;

pub use crate::layer::Layer;

mod desired;

pub use desired::{CodeBucket, Uploads, code_bucket, desired};

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Known from the description or from a file.
    Known(String),
    /// Known once another stack in the same region is deployed.
    OutputOf {
        /// The other stack's name.
        stack: String,
        /// The output's key.
        key: String,
    },
    /// Known once the object is uploaded: its version in the bucket of the stack's color.
    VersionOf {
        /// The object's key.
        key: String,
    },
}

/// A stack as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredStack {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub layer: Layer,
    /// The color, of a layer that has one stack for each.
    pub color: Option<Color>,
    /// The region it is deployed in.
    pub region: String,
    /// The template's text, with its hash in the output `TemplateHash`.
    pub template: String,
    /// That hash.
    pub template_hash: String,
    /// Parameters; what is missing keeps the template's default.
    pub parameters: BTreeMap<String, Value>,
}

/// A stack as DescribeStacks shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeployedStack {
    /// Its name.
    pub name: String,
    /// CloudFormation's status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// Why it has this status, if CloudFormation says so.
    pub status_reason: Option<String>,
    /// The parameters it was deployed with.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs; `TemplateHash` is missing where something else than the command line deployed it.
    pub outputs: BTreeMap<String, String>,
}

#[cfg(test)]
pub(crate) mod tests;
