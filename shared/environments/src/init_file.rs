//! A commented `pair.toml`, written from a description. Reading it again gives the same description.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bluegreen_core::color::Color;

use crate::description::{Description, Environment, Lineage, Network};

/// Writes the file.
#[must_use]
pub fn render(description: &Description) -> String {
    let mut file = File::default();
    file.line("# The pair's description: `mwaa-bluegreen env plan` compares it with AWS, `mwaa-bluegreen env apply` deploys it.");
    file.line("# Paths begin at this file's folder. What stands behind a # is not in force.");
    pair(&mut file, description);
    network(&mut file, "network", &description.network);
    if let Some(green) = &description.green_network {
        network(&mut file, "network.green", green);
    }
    environment(&mut file, &description.environment);
    for color in Color::BOTH {
        color_part(&mut file, description, color);
    }
    guard(&mut file, description);
    file.table(
        "lineage",
        "Where OpenLineage events go: nowhere, to an endpoint, or to a server of the pair's own.",
    );
    match &description.lineage {
        Lineage::Off => {
            file.line("# url = \"https://lineage.example.com:5000\"");
            file.line("# deploy = true");
        }
        Lineage::Url(url) => file.text("url", url),
        Lineage::Deploy => file.line("deploy = true"),
    }
    let controller = &description.controller;
    file.table(
        "controller",
        "The functions as `make functions` builds them, and the controller's template. Blue-green mode only.",
    );
    file.text("functions", &controller.functions);
    file.text("template", &controller.template);
    let note = "Parameters of template.yaml. observe decides and reports, but never fails over: a good first week.";
    file.table("controller.parameters", note);
    file.settings(&controller.parameters, "FailoverMode = \"observe\"");
    file.text
}

fn pair(file: &mut File, description: &Description) {
    file.table("pair", "");
    file.text("name", &description.name);
    file.line("# standard: one environment. blue-green: two, and the controller that fails over between them.");
    file.text("mode", description.mode.as_str());
    file.line("# Of blue, and of the controller.");
    file.text("region", &description.region);
    file.line("# Only if green is in another region.");
    file.optional("green_region", description.green_region.as_deref(), "eu-central-1");
    file.line("# standard: the color that exists. blue-green: the one that is active first; later the flag decides.");
    file.text("active", description.active.as_str());
}

fn network(file: &mut File, path: &str, network: &Network) {
    let note = if path == "network" {
        "A network of the pair's own, or one that exists: vpc_id and subnet_ids in place of the rest."
    } else {
        "The network in green's region."
    };
    file.table(path, note);
    match network {
        Network::Own {
            cidr,
            nat_gateways,
            interface_endpoints,
            zones,
        } => {
            file.text("cidr", cidr);
            file.line(
                "# 2: one in each zone. 1: half the price, and one zone's failure takes both colors off the internet.",
            );
            file.line(&format!("nat_gateways = {nat_gateways}"));
            file.line("# Private endpoints, which an environment needs without NAT gateways.");
            file.line(&format!("interface_endpoints = {interface_endpoints}"));
            match zones {
                Some(zones) => file.list("zones", zones),
                None => file.line("# zones = [\"eu-west-1a\", \"eu-west-1b\"]"),
            }
        }
        Network::Given { vpc_id, subnet_ids } => {
            file.text("vpc_id", vpc_id);
            file.line("# Two private subnets in two zones.");
            file.list("subnet_ids", subnet_ids);
        }
    }
}

fn environment(file: &mut File, environment: &Environment) {
    file.table(
        "environment",
        "Both colors are alike: a standby of another class takes half an hour to become the right one.",
    );
    file.line("# A minor version changes in place. A major one needs a new environment: see `mwaa-bluegreen rollout`.");
    file.text("airflow_version", &environment.airflow_version);
    file.line("# mw1.micro, mw1.small, mw1.medium, mw1.large, mw1.xlarge or mw1.2xlarge");
    file.text("class", &environment.class);
    for (key, count) in [
        ("min_workers", environment.min_workers),
        ("max_workers", environment.max_workers),
        ("schedulers", environment.schedulers),
        ("min_webservers", environment.min_webservers),
        ("max_webservers", environment.max_webservers),
    ] {
        file.line(&format!("{key} = {count}"));
    }
    file.line("# PUBLIC_ONLY, PRIVATE_ONLY or, from Airflow 3.2, PUBLIC_AND_PRIVATE; IAM says who may log in.");
    file.text("access_mode", &environment.access_mode);
    file.text("log_level", &environment.log_level);
    file.line("# GRACEFUL waits for running tasks, up to 12 hours. FORCED stops them.");
    file.text("worker_replacement", &environment.worker_replacement);
    file.line("# The key cannot be changed later.");
    let key = "arn:aws:kms:eu-west-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";
    file.optional("kms_key_arn", environment.kms_key_arn.as_deref(), key);
    let boundary = "arn:aws:iam::111122223333:policy/boundary";
    file.optional(
        "permissions_boundary_arn",
        environment.permissions_boundary_arn.as_deref(),
        boundary,
    );
    file.optional("role_path", environment.role_path.as_deref(), "/teams/data/");
    file.line("# What your DAGs may do in AWS: the role itself may only what MWAA and the guard need.");
    if environment.dag_policy_arns.is_empty() {
        file.line("# dag_policy_arns = [\"arn:aws:iam::111122223333:policy/orders-dags\"]");
    } else {
        file.list("dag_policy_arns", &environment.dag_policy_arns);
    }
    file.line("# The folder of the DAGs; the guard is added to requirements, plugins and start-up script by itself.");
    file.text("dags", &environment.dags);
    file.optional("requirements", environment.requirements.as_deref(), "requirements.txt");
    file.line("# A folder, or a zip archive.");
    file.optional("plugins", environment.plugins.as_deref(), "plugins");
    file.line("# Own lines, after those that see to the guard.");
    file.optional("startup_script", environment.startup_script.as_deref(), "startup.sh");
    let note = "Airflow's configuration. Whole numbers, true and false become texts, as MWAA wants them.";
    file.table("environment.options", note);
    file.settings(&environment.options, "\"core.parallelism\" = \"32\"");
}

fn color_part(file: &mut File, description: &Description, color: Color) {
    let note =
        format!("A {color} environment that somebody else has made is never deployed; its bucket is for `dags sync`.");
    let part = description.colors.of(color);
    file.table(color.as_str(), &note);
    file.optional("existing", part.existing.as_deref(), &format!("airflow-{color}"));
    file.optional("bucket", part.bucket.as_deref(), &format!("airflow-{color}-bucket"));
}

fn guard(file: &mut File, description: &Description) {
    file.table(
        "guard",
        "The guard lets each run execute in one environment. Its wheel is in the command line.",
    );
    let wheel = "airflow/dist/mwaa_bluegreen-0.2.0-py3-none-any.whl";
    file.optional("wheel", description.guard.wheel.as_deref(), wheel);
    file.table("guard.options", "guard: all, tagged, observe or off.");
    file.settings(&description.guard.options, "guard = \"all\"");
}

#[derive(Default)]
struct File {
    text: String,
}

impl File {
    fn line(&mut self, line: &str) {
        let _a_string_takes_all = writeln!(self.text, "{line}");
    }

    fn table(&mut self, path: &str, note: &str) {
        self.line("");
        if !note.is_empty() {
            self.line(&format!("# {note}"));
        }
        self.line(&format!("[{path}]"));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {}", quoted(value)));
    }

    fn optional(&mut self, key: &str, value: Option<&str>, example: &str) {
        match value {
            Some(value) => self.text(key, value),
            None => self.line(&format!("# {key} = {}", quoted(example))),
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.line(&format!("{key} = [{}]", values.join(", ")));
    }

    fn settings(&mut self, settings: &BTreeMap<String, String>, example: &str) {
        if settings.is_empty() {
            self.line(&format!("# {example}"));
        }
        for (key, value) in settings {
            self.line(&format!("{} = {}", quoted(key), quoted(value)));
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            other if other.is_control() => {
                let _a_string_takes_all = write!(quoted, "\\u{:04X}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
