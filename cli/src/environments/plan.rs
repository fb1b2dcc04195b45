//! `env plan`: what `env apply` would change, whether that restarts or replaces, and what the pair costs in a month.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bluegreen_core::color::Color;
use bluegreen_environments::description::{Description, Fault, Mode};
use bluegreen_environments::plan::{Action, Effect, StackPlan, plan as compare};
use bluegreen_environments::price::{Part, Prices, Scale, monthly, total};
use bluegreen_environments::stack::{CodeBucket, DeployedStack, Layer};
use serde_json::{Value, json};

use super::desired::{self, Local};
use super::world::{Flag, World};
use crate::connection::{Connection, Output};
use crate::environment_arguments::Plan;
use crate::failure::{Failure, exit};
use crate::session::paint;
use crate::terminal::{self, Cell, Paint, Style, table};

/// Where the functions would be uploaded, while the bucket is not there.
const NO_BUCKET: &str = "not-deployed";

const SCALES: [(Scale, &str, &str); 3] = [
    (Scale::Standard, "standard", "standard"),
    (Scale::BlueGreen, "blue_green", "blue-green"),
    (
        Scale::FewestWorkers,
        "blue_green_fewest_workers",
        "standby with 1 worker",
    ),
];

/// Changes nothing. The exit code says whether something stands in the way of deploying.
pub(crate) async fn plan(connection: &Connection, options: &Plan) -> Result<u8, Failure> {
    let local = desired::read(&options.file)?;
    let world = World::look(connection, &local.description).await?;
    let deployed: BTreeMap<(String, String), DeployedStack> = world
        .found
        .iter()
        .map(|(place, found)| ((place.region.clone(), place.name.clone()), found.stack.clone()))
        .collect();
    let stacks = local.stacks(&code_bucket(&local, &deployed))?;
    let plans = compare(&local.description.name, &stacks, &deployed);
    if connection.output == Output::Json {
        terminal::json(&as_json(&local, &world.flag, &plans).to_string())?;
    } else {
        desired::warn(&options.file, &local);
        terminal::out(&as_text(paint(connection), &local.description, &world.flag, &plans))?;
    }
    let is_blocked = |plan: &StackPlan| matches!(plan.action, Action::Busy { .. } | Action::NeedsAttention { .. });
    Ok(if plans.iter().any(is_blocked) {
        exit::NOT_READY
    } else {
        exit::DONE
    })
}

fn code_bucket(local: &Local, deployed: &BTreeMap<(String, String), DeployedStack>) -> String {
    let bucket = match local.code_bucket() {
        Some(CodeBucket::Named(bucket)) => Some(bucket),
        Some(CodeBucket::OutputOf(stack)) => deployed
            .get(&(local.description.region.clone(), stack))
            .and_then(|stack| stack.outputs.get("BucketName").cloned()),
        None => None,
    };
    bucket.unwrap_or_else(|| NO_BUCKET.to_owned())
}

fn role(flag: &Flag, color: Color) -> &'static str {
    match flag {
        Flag::Names(active) if *active == color => "active",
        Flag::Names(_) => "standby",
        _ => "no flag",
    }
}

fn as_text(paint: Paint, description: &Description, flag: &Flag, plans: &[StackPlan]) -> String {
    let mut out = format!(
        "Plan of {}, mode {}. Nothing is changed by it.\n\n",
        paint.text(Style::Bold, &description.name),
        description.mode.as_str()
    );
    let groups = [None, Some(Color::Blue), Some(Color::Green)];
    for group in groups {
        let of_group: Vec<&StackPlan> = plans.iter().filter(|plan| plan.color == group).collect();
        if of_group.is_empty() {
            continue;
        }
        let title = match group {
            None => "shared".to_owned(),
            Some(color) => format!("{color} ({})", role(flag, color)),
        };
        let _a_string_takes_all = writeln!(out, "{}", paint.text(Style::Bold, &title));
        for plan in of_group {
            out.push_str(&stack_text(paint, plan));
        }
        out.push('\n');
    }
    out.push_str(&price_text(paint, description));
    out.push('\n');
    out.push_str(&advice(description.mode, plans));
    out
}

fn stack_text(paint: Paint, plan: &StackPlan) -> String {
    let (style, mut said) = match &plan.action {
        Action::Create => (Style::Good, "create".to_owned()),
        Action::Unchanged => (Style::Faint, "unchanged".to_owned()),
        Action::Update(_) => match plan.action.effect() {
            Effect::None => (Style::Good, "update, nothing restarts".to_owned()),
            Effect::Restart => (Style::Doubtful, "update, restarts the environment".to_owned()),
            Effect::Replace => (Style::Bad, "cannot be changed in place".to_owned()),
        },
        Action::Busy { status } => (Style::Doubtful, format!("busy: {status}")),
        Action::NeedsAttention { status, reason, .. } => (Style::Bad, format!("needs attention: {status} {reason}")),
        Action::Leftover => (
            Style::Doubtful,
            "no longer described; stays until `env destroy`".to_owned(),
        ),
    };
    if plan.action == Action::Create && plan.layer == Layer::Environment {
        said.push_str(", 20 to 30 minutes");
    }
    let mut out = format!(
        "  {}  {}  {}\n",
        plan.name,
        plan.region,
        paint.text(style, said.trim_end())
    );
    match &plan.action {
        Action::Update(changes) => {
            for change in changes {
                let from = if change.from.is_empty() {
                    "(empty)"
                } else {
                    &change.from
                };
                let to = if change.to.is_empty() { "(empty)" } else { &change.to };
                let _a_string_takes_all = writeln!(
                    out,
                    "      {}: {from} -> {to}  [{}]",
                    change.what,
                    change.effect.as_str()
                );
            }
            let only_template = changes.iter().all(|change| change.what == "template");
            if only_template {
                out.push_str(
                    "      the parameters are equal; the template differs: options of Airflow, or a newer release\n",
                );
            }
        }
        Action::NeedsAttention { advice, .. } => {
            let _a_string_takes_all = writeln!(out, "      {advice}");
        }
        _ => {}
    }
    out
}

fn dollars(price: Option<f64>) -> String {
    price.map_or_else(|| "price unknown".to_owned(), |price| format!("{price:.2}"))
}

fn price_text(paint: Paint, description: &Description) -> String {
    let prices = Prices::own();
    let scales = SCALES.map(|(scale, _, _)| monthly(description, scale, &prices));
    let mut names: Vec<(&str, &str)> = Vec::new();
    for part in scales.iter().flatten() {
        if !names.iter().any(|(name, _)| *name == part.name) {
            names.push((&part.name, &part.detail));
        }
    }
    let cell = |parts: &[Part], name: &str| {
        let found = parts.iter().find(|part| part.name == name);
        Cell::plain(found.map_or_else(String::new, |part| dollars(part.monthly)))
    };
    let mut rows: Vec<Vec<Cell>> = names
        .iter()
        .map(|(name, detail)| {
            let mut row = vec![Cell::plain(*name)];
            row.extend(scales.iter().map(|parts| cell(parts, name)));
            row.push(Cell::new(Style::Faint, *detail));
            row
        })
        .collect();
    let mut last = vec![Cell::new(Style::Bold, "together")];
    last.extend(scales.iter().map(|parts| {
        let (sum, is_whole) = total(parts);
        let at_least = if is_whole { "" } else { "more than " };
        Cell::new(Style::Bold, format!("{at_least}{sum:.2}"))
    }));
    last.push(Cell::plain(""));
    rows.push(last);
    let [standard, blue_green, fewest] = SCALES.map(|(_, _, title)| title);
    let header = ["a month, dollars", standard, blue_green, fewest, ""];
    format!(
        "{}\n{}  List prices of {}; without data, logs, and workers beyond the fewest.\n",
        paint.text(Style::Bold, "price"),
        table(paint, &header, &rows),
        prices.region()
    )
}

fn advice(mode: Mode, plans: &[StackPlan]) -> String {
    let worst = plans
        .iter()
        .map(|plan| plan.action.effect())
        .max()
        .unwrap_or(Effect::None);
    let is = |kind: &str| plans.iter().any(|plan| plan.action.as_str() == kind);
    let mut lines = Vec::new();
    if is("needs-attention") {
        lines.push("A stack needs attention first.");
    }
    if is("busy") {
        lines.push("CloudFormation is at work: wait, and look again.");
    }
    match (mode, worst) {
        (Mode::Standard, Effect::Replace) => lines.push(
            "`env apply` refuses what cannot be changed in place, and one environment has no standby: make a pair first, with mode = \"blue-green\".",
        ),
        (Mode::Standard, Effect::Restart) => lines.push(
            "A restart takes 10 to 30 minutes, and one environment has no standby: choose a quiet time for `mwaa-bluegreen env apply`.",
        ),
        (Mode::BlueGreen, Effect::Replace) => lines.push(
            "`env apply` refuses what cannot be changed in place: `mwaa-bluegreen rollout` replaces the standby's environment, never the active's.",
        ),
        (Mode::BlueGreen, Effect::Restart) => lines.push(
            "A restart takes 10 to 30 minutes: `mwaa-bluegreen rollout` changes the standby first, switches, then changes the other color.",
        ),
        (_, Effect::None) => {}
    }
    if is("create") {
        lines.push(
            "`mwaa-bluegreen env apply` makes what is missing; then `mwaa-bluegreen dags sync` brings the DAG files.",
        );
    }
    if lines.is_empty() {
        lines.push(if is("update") {
            "`mwaa-bluegreen env apply` deploys this; nothing restarts."
        } else {
            "Nothing to do: what is deployed is what is described."
        });
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn as_json(local: &Local, flag: &Flag, plans: &[StackPlan]) -> Value {
    let description = &local.description;
    let prices = Prices::own();
    let mut price = serde_json::Map::new();
    for (scale, key, _) in SCALES {
        let parts = monthly(description, scale, &prices);
        let (sum, is_whole) = total(&parts);
        let parts: Vec<Value> = parts
            .iter()
            .map(|part| json!({"name": part.name, "detail": part.detail, "usd": part.monthly.map(cents)}))
            .collect();
        price.insert(
            key.to_owned(),
            json!({"usd": cents(sum), "complete": is_whole, "parts": parts}),
        );
    }
    json!({
        "pair": description.name,
        "mode": description.mode.as_str(),
        "active": match flag {
            Flag::Names(color) => Some(color.as_str()),
            _ => None,
        },
        "stacks": plans.iter().map(stack_json).collect::<Vec<_>>(),
        "price": {"region": prices.region(), "monthly": price},
        "warnings": local.warnings.iter().map(fault_json).collect::<Vec<_>>(),
    })
}

fn cents(dollars: f64) -> f64 {
    (dollars * 100.0).round() / 100.0
}

fn fault_json(fault: &Fault) -> Value {
    json!({"line": fault.line, "key": fault.key, "given": fault.given, "allowed": fault.allowed, "advice": fault.advice})
}

fn stack_json(plan: &StackPlan) -> Value {
    let layer = match plan.layer {
        Layer::Network => "network",
        Layer::Base => "base",
        Layer::Lineage => "lineage",
        Layer::Environment => "environment",
        Layer::Controller => "controller",
    };
    let mut stack = json!({
        "name": plan.name,
        "region": plan.region,
        "layer": layer,
        "color": plan.color.map(Color::as_str),
        "action": plan.action.as_str(),
        "effect": plan.action.effect().as_str(),
    });
    let details = match &plan.action {
        Action::Update(changes) => json!({
            "changes": changes.iter().map(|change| json!({
                "what": change.what, "from": change.from, "to": change.to, "effect": change.effect.as_str(),
            })).collect::<Vec<_>>(),
        }),
        Action::Busy { status } => json!({"status": status}),
        Action::NeedsAttention { status, reason, advice } => {
            json!({"status": status, "reason": reason, "advice": advice})
        }
        _ => json!({}),
    };
    if let (Some(stack), Some(details)) = (stack.as_object_mut(), details.as_object()) {
        stack.extend(details.clone());
    }
    stack
}
