//! What a pair costs in a month, by part, at the list prices of `bench/prices.json`.
//!
//! Only what is there all month long: data through NAT gateways and endpoints, logs, and workers beyond the fewest depend
//! on what runs. What the price list does not know is `None`, and never counted as nothing.

use bluegreen_core::color::Color;

use crate::description::{Description, Lineage, Mode, Network};
use crate::template;

mod table;

pub use table::table;

const LIST: &str = include_str!("../../../bench/prices.json");

/// Hours in a month, as AWS's calculator and bench/cost.py count them.
const HOURS: f64 = 730.0;

/// A metadata database of some months of runs. AWS charges what is used.
const METADATA_GB: f64 = 10.0;

/// What the controller does in a month, as `make bench` counts it: see docs/cost-and-performance.md.
const ALARMS: f64 = 8.0;
const METRICS: f64 = 5.0;
const REQUESTS: f64 = 9_554.0 + 1_460.0;
const METRICS_ASKED: f64 = 720.0;
const LAMBDA_AND_LOGS: f64 = 0.07;

/// The parts of infra/lineage.yaml; a test compares them.
const TASK_CPUS: f64 = 0.5;
const TASK_GB: f64 = 2.0;
const DATABASE_GB: f64 = 20.0;

/// Zones that an interface endpoint is in.
const ZONES: f64 = 2.0;

/// The price list.
#[derive(Debug, Clone)]
pub struct Prices {
    list: serde_json::Value,
}

impl Prices {
    /// The one that this release carries.
    #[must_use]
    pub fn own() -> Self {
        Self {
            list: serde_json::from_str(LIST).unwrap_or_default(),
        }
    }

    /// The region whose prices it has.
    #[must_use]
    pub fn region(&self) -> &str {
        self.list
            .get("region")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("unknown")
    }

    /// A price in dollars.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<f64> {
        self.list.get("prices")?.get(name)?.get("usd")?.as_f64()
    }
}

/// How the pair is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The active color alone, without controller.
    Standard,
    /// Both colors alike.
    BlueGreen,
    /// The standby with one worker.
    FewestWorkers,
}

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NAT gateways and interface endpoints.
    Network,
    /// An environment with what is included.
    Environment,
    /// Workers, schedulers and web servers beyond what is included.
    Further,
    /// The metadata database of an environment.
    Metadata,
    /// The lineage server.
    Lineage,
    /// This product.
    Controller,
}

/// One part of the price.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is for.
    pub kind: Kind,
    /// What it is.
    pub name: String,
    /// How it was counted.
    pub detail: String,
    /// Dollars a month; `None` if the price list does not know.
    pub monthly: Option<f64>,
}

/// Together, of what is known; and whether that is all.
#[must_use]
pub fn total(parts: &[Part]) -> (f64, bool) {
    let known = parts
        .iter()
        .filter_map(|part| part.monthly)
        .fold(0.0, |sum, part| sum + part);
    (known, parts.iter().all(|part| part.monthly.is_some()))
}

/// The parts of a month's price.
#[must_use]
pub fn monthly(description: &Description, scale: Scale, prices: &Prices) -> Vec<Part> {
    let mut described = description.clone();
    described.mode = match scale {
        Scale::Standard => Mode::Standard,
        Scale::BlueGreen | Scale::FewestWorkers => Mode::BlueGreen,
    };
    let mut parts = networks(&described, prices);
    for color in described.colors() {
        let is_standby = scale == Scale::FewestWorkers && color != described.active;
        parts.extend(environment(&described, color, is_standby, prices));
    }
    if described.lineage == Lineage::Deploy {
        parts.extend(lineage(prices));
    }
    if described.mode == Mode::BlueGreen {
        parts.push(controller(prices));
    }
    parts
}

fn part(kind: Kind, name: impl Into<String>, detail: impl Into<String>, monthly: Option<f64>) -> Part {
    Part {
        kind,
        name: name.into(),
        detail: detail.into(),
        monthly,
    }
}

fn networks(description: &Description, prices: &Prices) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut regions = Vec::new();
    for color in description.deployed_colors() {
        let region = description.region_of(color);
        let Network::Own {
            nat_gateways,
            interface_endpoints,
            ..
        } = description.network_of(color)
        else {
            continue;
        };
        if regions.contains(&region) {
            continue;
        }
        regions.push(region);
        if *nat_gateways > 0 {
            let hourly = prices.of("nat_gateway_hour").zip(prices.of("public_address_hour"));
            parts.push(part(
                Kind::Network,
                format!("NAT gateways, {region}"),
                format!("{nat_gateways}, each with its public address"),
                hourly.map(|(gateway, address)| f64::from(*nat_gateways) * (gateway + address) * HOURS),
            ));
        }
        if *interface_endpoints {
            let count = endpoints();
            parts.push(part(
                Kind::Network,
                format!("interface endpoints, {region}"),
                format!("{count} in 2 zones"),
                prices
                    .of("interface_endpoint_hour")
                    .map(|hourly| f64::from(count) * ZONES * hourly * HOURS),
            ));
        }
    }
    parts
}

/// Interface endpoints of infra/network.yaml, without that for operations, which most regions do not want.
fn endpoints() -> u32 {
    let all = template::NETWORK.matches("VpcEndpointType: Interface").count();
    u32::try_from(all.saturating_sub(1)).unwrap_or_default()
}

fn environment(description: &Description, color: Color, fewest: bool, prices: &Prices) -> Vec<Part> {
    let name = description.environment_name(color);
    if description.colors.of(color).existing.is_some() {
        let detail = "not deployed by this product: its class is not in this description";
        return vec![part(Kind::Environment, format!("environment {name}"), detail, None)];
    }
    let environment = &description.environment;
    let class = environment.class.strip_prefix("mw1.").unwrap_or(&environment.class);
    let price = |what: &str| prices.of(&format!("mwaa_{class}{what}_hour"));
    let workers = if fewest { 1 } else { environment.min_workers };
    let mut parts = vec![part(
        Kind::Environment,
        format!("environment {name}"),
        environment.class.clone(),
        price("").map(|hourly| hourly * HOURS),
    )];
    for (what, count, included, key) in [
        ("workers", workers, 1, "_worker"),
        ("schedulers", environment.schedulers, 2, "_scheduler"),
        ("web servers", environment.min_webservers, 2, "_webserver"),
    ] {
        let further = count.saturating_sub(included);
        if further > 0 {
            parts.push(part(
                Kind::Further,
                format!("further {what} of {name}"),
                format!("{further} all month"),
                price(key).map(|hourly| f64::from(further) * hourly * HOURS),
            ));
        }
    }
    parts.push(part(
        Kind::Metadata,
        format!("metadata database of {name}"),
        format!("{METADATA_GB} GB, assumed"),
        prices.of("mwaa_metadata_gb_month").map(|price| price * METADATA_GB),
    ));
    parts
}

fn lineage(prices: &Prices) -> Vec<Part> {
    let task = prices
        .of("fargate_vcpu_hour")
        .zip(prices.of("fargate_gb_hour"))
        .map(|(cpu, gb)| (TASK_CPUS * cpu + TASK_GB * gb) * HOURS);
    let database = prices
        .of("rds_db_t4g_micro_hour")
        .zip(prices.of("rds_gp3_gb_month"))
        .map(|(hourly, gb)| hourly * HOURS + DATABASE_GB * gb);
    let rest = ["secret_month", "private_zone_month", "discovered_instance_month"]
        .iter()
        .map(|name| prices.of(name))
        .sum();
    vec![
        part(
            Kind::Lineage,
            "lineage server",
            format!("{TASK_CPUS} vCPU and {TASK_GB} GB on Fargate"),
            task,
        ),
        part(
            Kind::Lineage,
            "lineage database",
            format!("db.t4g.micro and {DATABASE_GB} GB"),
            database,
        ),
        part(
            Kind::Lineage,
            "lineage, the rest",
            "a secret, a private DNS zone and a name in it",
            rest,
        ),
    ]
}

fn controller(prices: &Prices) -> Part {
    let counted = [
        ("alarm_month", ALARMS),
        ("custom_metric_month", METRICS),
        ("cloudwatch_request", REQUESTS),
        ("get_metric_data_metric", METRICS_ASKED),
    ];
    let sum: Option<f64> = counted
        .iter()
        .map(|(name, count)| prices.of(name).map(|price| price * count))
        .sum();
    part(
        Kind::Controller,
        "controller",
        "alarms, metrics, their requests, functions and logs",
        sum.map(|sum| sum + LAMBDA_AND_LOGS),
    )
}

#[cfg(test)]
mod tests;
