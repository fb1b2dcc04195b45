//! The words that a description may use, and the forms of its values.

/// The smallest class: scheduler and worker in one, and so one of each.
pub(super) const MICRO: &str = "mw1.micro";

/// Versions that MWAA is known to offer: its API's text, and its published images. A new one is no fault.
pub const KNOWN_VERSIONS: [&str; 10] = [
    "2.7.2", "2.8.1", "2.9.2", "2.10.1", "2.10.3", "2.11.0", "2.11.2", "3.0.6", "3.2.1", "3.3.1",
];

/// Levels of Airflow's logs, as MWAA writes them.
pub const LOG_LEVELS: [&str; 5] = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];

pub(super) const ACCESS_MODES: [&str; 3] = ["PRIVATE_ONLY", "PUBLIC_ONLY", "PUBLIC_AND_PRIVATE"];

pub(super) const REPLACEMENTS: [&str; 2] = ["GRACEFUL", "FORCED"];

/// The guard's options, without their prefix `custom.bluegreen_`, as `airflow/src/mwaa_bluegreen/settings.py` reads them.
pub const GUARD_OPTIONS: [&str; 7] = [
    "guard",
    "guard_owner",
    "guard_pool",
    "guard_retries",
    "guard_timeout_seconds",
    "standby_wait_seconds",
    "status_page",
];

/// What the description sets of the controller's parameters.
pub(super) const OWN_PARAMETERS: [&str; 5] = [
    "PairName",
    "BlueEnvironmentName",
    "BlueRegion",
    "GreenEnvironmentName",
    "GreenRegion",
];

/// A version such as 2.10.3.
pub(super) fn is_version(text: &str) -> bool {
    let mut parts = text.split('.');
    let mut is_number = || parts.next().is_some_and(|part| is_digits(part, 1..=9));
    is_number() && is_number() && is_number() && parts.next().is_none()
}

/// Major and minor of a version.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A region such as us-gov-west-1: the pattern of template.yaml, `^[a-z]{2,4}(-[a-z]+)+-[0-9]$`.
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return false;
    };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    (2..=4).contains(&first.len())
        && is_word(first)
        && !middle.is_empty()
        && middle.iter().all(is_word)
        && is_digits(last, 1..=1)
}

/// An id such as vpc-0123456789abcdef0.
pub(super) fn is_id(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| {
            matches!(rest.len(), 8 | 17) && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// The resource of an ARN of a service, in any partition.
fn resource<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, of, _region, account, rest] = parts.as_slice() else {
        return None;
    };
    let is_arn = *prefix == "arn"
        && (*partition == "aws" || partition.starts_with("aws-"))
        && *of == service
        && arn.bytes().all(|byte| byte.is_ascii_graphic());
    is_arn.then_some((*account, *rest))
}

/// The ARN of a managed policy, the account's or AWS's.
pub(super) fn is_policy(text: &str) -> bool {
    resource(text, "iam").is_some_and(|(account, rest)| {
        (account == "aws" || is_digits(account, 12..=12))
            && rest
                .strip_prefix("policy/")
                .is_some_and(|name| !name.is_empty() && !name.contains(','))
    })
}

/// The ARN of a KMS key. MWAA takes neither an alias here nor a multi-Region key.
pub(super) fn is_key(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    resource(text, "kms").is_some_and(|(account, rest)| {
        let lengths = rest.strip_prefix("key/").map(|id| {
            id.split('-')
                .map(|part| if is_hex(part) { part.len() } else { 0 })
                .collect::<Vec<_>>()
        });
        is_digits(account, 12..=12) && lengths.is_some_and(|lengths| lengths == [8, 4, 4, 4, 12])
    })
}

/// A zone such as eu-west-1a.
pub(super) fn is_zone(text: &str) -> bool {
    let Some(letter) = text.chars().last() else {
        return false;
    };
    letter.is_ascii_lowercase() && text.strip_suffix(letter).is_some_and(is_region)
}

/// A key of MWAA's options: `[a-z]+([a-z0-9._]*[a-z0-9_]+)?`, at most 64; Airflow needs a section and a name.
pub(super) fn is_option(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('.')
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_'))
        && text.split_once('.').is_some_and(|(_, name)| !name.starts_with('.'))
}

/// The prefix length and the address of a block, if it is one.
pub(crate) fn cidr(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    if !is_digits(length, 1..=2) {
        return None;
    }
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    Some((u32::from(address), length))
}

/// The bits of an address behind the prefix.
pub(super) fn host_bits(address: u32, length: u32) -> u32 {
    address & u32::MAX.checked_shr(length).unwrap_or_default()
}
