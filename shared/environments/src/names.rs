//! Names: those of stacks and environments, and the limits of everything that a pair's name begins.

use bluegreen_core::color::Color;
use bluegreen_core::parameters::DEFAULT_PAIR;

use crate::layer::Layer;

/// The name of a layer's stack; a layer of both colors has none.
#[must_use]
pub fn stack(pair: &str, layer: Layer, color: Option<Color>) -> String {
    let color = color.map(|color| format!("-{color}")).unwrap_or_default();
    let suffix = match layer {
        Layer::Network => "-network",
        Layer::Base => "-base",
        Layer::Lineage => "-lineage",
        Layer::Environment => "-environment",
        Layer::Controller => "",
    };
    format!("{pair}{color}{suffix}")
}

/// The name of an environment that this product deploys.
#[must_use]
pub fn environment(pair: &str, color: Color) -> String {
    format!("{pair}-{color}")
}

/// The path under which a pair keeps its state unless the controller's `ParameterRoot` says otherwise.
#[must_use]
pub fn parameter_root(pair: &str) -> String {
    if pair == DEFAULT_PAIR {
        "/mwaa/blue-green".to_owned()
    } else {
        format!("/mwaa/{pair}")
    }
}

/// Something that is named after a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// What it is, such as `the Lambda function`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// How many characters AWS takes.
    pub limit: usize,
}

/// Every name that a pair's name becomes part of, with AWS's limit. Buckets and roles are not among them: their names
/// are CloudFormation's, which cuts them to what the service takes.
///
/// Partitions differ in the prefix of ARNs and in the length of region names. The longest of both are in what is limited
/// as an ARN; all other limits are the same in every partition.
#[must_use]
pub fn derived(pair: &str) -> Vec<Derived> {
    // 14: the longest name of a region is us-isob-east-1, ap-southeast-1 or ap-northeast-1.
    let longest_arn = format!(
        "arn:aws-us-gov:ssm:ap-southeast-14:123456789012:parameter{}",
        parameter_root(pair)
    );
    let mut all = vec![
        of("the Lambda function", format!("{pair}-change-listener"), 64),
        of("the Lambda function", format!("{pair}-switch-handler"), 64),
        of("the Lambda function", format!("{pair}-health-watcher"), 64),
        of("the event archive", format!("{pair}-audit"), 48),
        of("the event bus", format!("{pair}-audit"), 256),
        of("the queue", format!("{pair}-dead-letters"), 80),
        of("the log group", format!("/aws/lambda/{pair}-change-listener"), 512),
        // Parameter Store counts the ARN: 1011 characters, and the records lie two levels deeper.
        of(
            "the parameter",
            format!("{longest_arn}/transitions/v18446744073709551615-1234567890123"),
            1011,
        ),
    ];
    for color in Color::BOTH {
        let environment = environment(pair, color);
        all.extend([
            of("the MWAA environment", environment.clone(), 80),
            of("the log group", format!("airflow-{environment}-DAGProcessing"), 512),
            of("the security group", format!("{environment}-environment"), 255),
            of("the stack", stack(pair, Layer::Environment, Some(color)), 128),
        ]);
    }
    all.push(of("the stack", stack(pair, Layer::Network, None), 128));
    all
}

fn of(what: &'static str, name: String, limit: usize) -> Derived {
    Derived { what, name, limit }
}

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is allowed.
    pub allowed: String,
    /// The limit that the name breaks, and what to do.
    pub advice: String,
}

/// The rule of a pair's name: the pattern of template.yaml's `PairName`.
pub const PAIR_RULE: &str = "3 to 32 lower-case letters, digits and hyphens; a letter first, no hyphen last";

/// Checks a pair's name, and every name that is made of it.
///
/// # Errors
/// The rule or the limit that it breaks.
pub fn check_pair(pair: &str) -> Result<(), Refusal> {
    let refusal = |advice: String| Refusal {
        allowed: PAIR_RULE.to_owned(),
        advice,
    };
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !pair.bytes().all(is_inner)
        || !pair.starts_with(|first: char| first.is_ascii_lowercase())
        || pair.ends_with('-')
        || pair.len() < 3
    {
        return Err(refusal(String::new()));
    }
    if let Some(long) = derived(pair)
        .into_iter()
        .find(|derived| derived.name.len() > derived.limit)
    {
        return Err(refusal(format!(
            "{} would be {:?}, {} characters, and AWS takes {}: shorten the name",
            long.what,
            long.name,
            long.name.len(),
            long.limit
        )));
    }
    if pair.len() > 32 {
        return Err(refusal(format!("it has {} characters: shorten it", pair.len())));
    }
    Ok(())
}

/// The rule of an environment's name.
pub const ENVIRONMENT_RULE: &str =
    "the name of an MWAA environment: 1 to 80 letters, digits, hyphens and underscores, a letter first";

/// Whether MWAA takes it as an environment's name.
#[must_use]
pub fn is_environment(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The rule of a bucket's name.
pub const BUCKET_RULE: &str = "the name of a bucket, without s3://: 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit first and last";

/// Whether S3 takes it as a bucket's name.
#[must_use]
pub fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (3..=63).contains(&name.len())
        && is_end(name.bytes().next())
        && is_end(name.bytes().last())
        && !name.contains("..")
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

/// The rule of the path of the pair's state: the pattern of template.yaml's `ParameterRoot`.
pub const ROOT_RULE: &str =
    "a path such as /mwaa/orders, of 1 to 13 levels and at most 100 characters; no slash last; not below /aws or /ssm";

/// Whether the controller can keep its state there.
#[must_use]
pub fn is_parameter_root(root: &str) -> bool {
    let Some(path) = root.strip_prefix('/') else {
        return false;
    };
    let levels: Vec<&str> = path.split('/').collect();
    let lower = path.to_ascii_lowercase();
    root.len() <= 100
        && (1..=13).contains(&levels.len())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
        && levels.iter().all(|level| {
            !level.is_empty()
                && level
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        })
}

/// The rule of a lineage endpoint: the pattern of environment.yaml's `LineageUrl`.
pub const LINEAGE_URL_RULE: &str = "http:// or https://, a host name, a port if needed, and a path that ends with a slash, without api/v1/lineage; at most 150 characters";

/// Whether a client of `OpenLineage` can send events there. It puts `api/v1/lineage` in place of what follows the
/// last slash of a path.
#[must_use]
pub fn is_lineage_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    url.len() <= 150
        && host.starts_with(|first: char| first.is_ascii_alphanumeric())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && (1..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && path.split_inclusive('/').all(|level| {
            level.strip_suffix('/').is_some_and(|level| {
                !level.is_empty()
                    && level
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'))
            })
        })
}

/// Whether IAM takes it as the path of a role.
#[must_use]
pub fn is_role_path(path: &str) -> bool {
    (1..=100).contains(&path.len())
        && path.starts_with('/')
        && path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=' | b',' | b'.' | b'@' | b'_' | b'-')
        })
}

#[cfg(test)]
mod tests;
