//! The prices of docs/cost-and-performance.md, for `make generate`.

use serde_json::{Value, json};

use super::{HOURS, Kind, METADATA_GB, Part, Prices, Scale, monthly, total};
use crate::description::{CLASSES, Description, read};

/// The fewest workers of the pair in the tables, where the price of a further one is known.
const WORKERS: u32 = 4;

/// Dollars as they are shown.
fn dollars(amount: f64) -> String {
    format!("{amount:.2}")
}

/// The sum, unless a part of it is unknown.
fn sum(parts: &[Part]) -> Option<f64> {
    let (sum, is_whole) = total(parts);
    is_whole.then_some(sum)
}

fn of(parts: &[Part], kind: Kind) -> Value {
    let its: Vec<Part> = parts.iter().filter(|part| part.kind == kind).cloned().collect();
    sum(&its).map(dollars).into()
}

fn described(lines: &str) -> Option<Description> {
    let text = format!("[pair]\nname = \"orders\"\nmode = \"blue-green\"\nregion = \"us-east-1\"\n{lines}");
    read(&text).accepted().ok()
}

fn class(name: &str, prices: &Prices) -> Option<Value> {
    let size = name.strip_prefix("mw1.").unwrap_or(name);
    let worker = prices.of(&format!("mwaa_{size}_worker_hour"));
    let workers = if worker.is_some() { WORKERS } else { 1 };
    let description = described(&format!("[environment]\nclass = \"{name}\"\nmin_workers = {workers}\n"))?;
    let whole = sum(&monthly(&description, Scale::BlueGreen, prices));
    let alone = sum(&monthly(&description, Scale::Standard, prices));
    let fewest = (workers > 1).then_some((Scale::FewestWorkers, "blue-green, standby with 1 worker"));
    let modes: Vec<Value> = [(Scale::Standard, "standard"), (Scale::BlueGreen, "blue-green")]
        .into_iter()
        .chain(fewest)
        .map(|(scale, mode)| {
            let parts = monthly(&description, scale, prices);
            json!({
                "mode": mode,
                "environments": of(&parts, Kind::Environment),
                "further_workers": of(&parts, Kind::Further),
                "metadata": of(&parts, Kind::Metadata),
                "network": of(&parts, Kind::Network),
                "controller": of(&parts, Kind::Controller),
                "together": sum(&parts).map(dollars),
                "more_than_standard": sum(&parts).zip(alone).map(|(sum, alone)| dollars(sum - alone)),
            })
        })
        .collect();
    let saved = whole.zip(sum(&monthly(&description, Scale::FewestWorkers, prices)));
    Some(json!({
        "class": name,
        "workers": workers,
        "modes": modes,
        "worker": worker.map(|hourly| dollars(hourly * HOURS)),
        "saved": saved.filter(|_| workers > 1).map(|(whole, fewest)| dollars(whole - fewest)),
        "saved_percent": saved
            .filter(|_| workers > 1)
            .map(|(whole, fewest)| format!("{:.0}", (whole - fewest) / whole * 100.0)),
    }))
}

/// What each way out of a network costs.
fn networks(prices: &Prices) -> Vec<Value> {
    [
        ("two NAT gateways, one in each zone", 2, false),
        ("one NAT gateway", 1, false),
        ("interface endpoints in two zones, no NAT gateway", 0, true),
        ("both: two NAT gateways and the endpoints", 2, true),
    ]
    .into_iter()
    .filter_map(|(way, gateways, endpoints)| {
        let description = described(&format!(
            "[network]\nnat_gateways = {gateways}\ninterface_endpoints = {endpoints}\n"
        ))?;
        let parts = monthly(&description, Scale::Standard, prices);
        Some(json!({
            "way": way,
            "keys": format!("nat_gateways = {gateways}, interface_endpoints = {endpoints}"),
            "month": of(&parts, Kind::Network),
        }))
    })
    .collect()
}

fn lineage(prices: &Prices) -> Vec<Value> {
    let description = described("[lineage]\ndeploy = true\n");
    let parts = description.map(|description| monthly(&description, Scale::Standard, prices));
    let its = parts.into_iter().flatten().filter(|part| part.kind == Kind::Lineage);
    its.map(|part| json!({"name": part.name, "detail": part.detail, "month": part.monthly.map(dollars)}))
        .collect()
}

/// Everything that the page shows: a month by class and mode, networks, lineage, and where each price comes from.
#[must_use]
pub fn table(prices: &Prices) -> Value {
    json!({
        "region": prices.region(),
        "checked": prices.list.get("checked"),
        "hours": HOURS,
        "metadata_gb": METADATA_GB,
        "workers": WORKERS,
        "classes": CLASSES.iter().filter_map(|each| class(each, prices)).collect::<Vec<_>>(),
        "networks": networks(prices),
        "lineage": lineage(prices),
        "prices": prices.list.get("prices"),
    })
}
