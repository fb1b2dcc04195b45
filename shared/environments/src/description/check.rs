//! What single values cannot show: combinations that AWS, or this product, refuses.

use bluegreen_core::color::Color;

use super::reader::Reader;
use super::words::{KNOWN_VERSIONS, MICRO, OWN_PARAMETERS, cidr, host_bits, is_option, major_minor};
use super::{Description, Lineage, Mode, Network};
use crate::template;

pub(super) fn check(reader: &mut Reader<'_>, description: &mut Description) {
    regions(reader, description);
    colors(reader, description);
    networks(reader, description);
    counts(reader, description);
    version(reader, description);
    options(reader, description);
    controller(reader, description);
}

fn regions(reader: &mut Reader<'_>, description: &mut Description) {
    if description.green_region.as_ref() == Some(&description.region) {
        reader.warn(
            "pair.green_region",
            &format!("{:?}, the pair's own region", description.region),
            "another region, or nothing",
            "remove the line: without it green is in the pair's region",
        );
        description.green_region = None;
    }
    if description.green_region.is_none() && description.green_network.is_some() {
        reader.fault(
            "network.green",
            "a network of green's own in the pair's region",
            "[network.green] together with pair.green_region",
            "remove [network.green], or add green_region to [pair]; in one region the colors share the network",
        );
    }
    let needs_own = matches!(description.network, Network::Given { .. });
    if description.green_region.is_some() && needs_own && description.green_network.is_none() {
        let is_deployed = description.deployed_colors().contains(&Color::Green);
        if is_deployed {
            reader.fault(
                "network.green",
                "nothing",
                "a VPC with two subnets in green's region, or cidr",
                "add [network.green]: a VPC does not reach into another region",
            );
        }
    }
    if description.lineage == Lineage::Deploy
        && description.green_region.is_some()
        && description.mode == Mode::BlueGreen
    {
        reader.fault(
            "lineage.deploy",
            "a server of the pair's own, with colors in two regions",
            "url",
            "name an endpoint that both regions reach: the server is reachable from its own VPC only",
        );
    }
}

fn colors(reader: &mut Reader<'_>, description: &Description) {
    for color in Color::BOTH {
        let part = description.colors.of(color);
        let key = color.as_str();
        if part.existing.is_none() && part.bucket.is_some() {
            reader.fault(
                &format!("{key}.bucket"),
                "a bucket without an environment that exists",
                "bucket together with existing",
                "remove bucket: an environment that this product deploys has a bucket of its own",
            );
        }
        let is_used = description.colors().contains(&color);
        if !is_used && part.existing.is_some() {
            reader.warn(
                key,
                &format!(
                    "a hand-made {color} environment in standard mode, whose one color is {}",
                    description.active
                ),
                "the active color's table only",
                "nothing of it is touched in this mode",
            );
        }
    }
    if description.mode == Mode::Standard && description.colors.of(description.active).existing.is_some() {
        reader.fault(
            &format!("{}.existing", description.active),
            "a hand-made environment as the only one in standard mode",
            "mode = \"blue-green\", or an environment that is deployed",
            "there would be nothing to deploy: remove existing, or set mode to blue-green",
        );
    }
    if description.mode == Mode::BlueGreen {
        let [blue, green] = Color::BOTH.map(|color| description.environment_name(color));
        if blue == green && description.region_of(Color::Blue) == description.region_of(Color::Green) {
            let color = if description.colors.green.existing.is_some() {
                "green"
            } else {
                "blue"
            };
            reader.fault(
                &format!("{color}.existing"),
                &format!("{blue:?} as both blue and green"),
                "two different environments",
                "a pair of one environment has nothing to fail over to",
            );
        }
        if description.deployed_colors().is_empty()
            && Color::BOTH
                .iter()
                .all(|color| description.colors.of(*color).bucket.is_none())
        {
            reader.fault(
                "blue.bucket",
                "nothing",
                "the bucket of one of the two hand-made environments",
                "add bucket to [blue]: the controller's functions are uploaded to it",
            );
        }
    }
}

fn networks(reader: &mut Reader<'_>, description: &Description) {
    let green = description
        .green_network
        .as_ref()
        .map(|network| ("network.green", network));
    for (key, network) in [Some(("network", &description.network)), green].into_iter().flatten() {
        let Network::Own {
            cidr: block,
            nat_gateways,
            interface_endpoints,
            zones,
        } = network
        else {
            continue;
        };
        let path = format!("{key}.cidr");
        let allowed = "a private block of /16 to /20, such as 10.0.0.0/16";
        match cidr(block) {
            None => reader.fault(&path, &format!("{block:?}"), allowed, ""),
            Some((_, length)) if !(16..=20).contains(&length) => {
                let advice =
                    "AWS makes no larger VPC than /16, and a smaller one than /20 has no room beside the environments";
                reader.fault(&path, &format!("{block:?}"), allowed, advice);
            }
            Some((address, length)) if host_bits(address, length) != 0 => {
                let whole = std::net::Ipv4Addr::from(address & !host_bits(u32::MAX, length));
                reader.fault(
                    &path,
                    &format!("{block:?}, which does not begin at its block's first address"),
                    allowed,
                    &format!("write {whole}/{length}"),
                );
            }
            Some((address, _)) if !is_private(address) => reader.warn(
                &path,
                &format!("{block:?}, addresses of the public internet"),
                "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
                "hosts with these addresses cannot be reached from the VPC",
            ),
            Some(_) => {}
        }
        let color = if key == "network" { Color::Blue } else { Color::Green };
        let region = description.region_of(color);
        if let Some(zones) = zones
            .as_ref()
            .filter(|zones| !zones.iter().all(|zone| zone.starts_with(region)))
        {
            let given = zones.join(", ");
            reader.fault(&format!("{key}.zones"), &given, &format!("zones of {region}"), "");
        }
        if *nat_gateways == 0 && !interface_endpoints {
            reader.fault(
                &format!("{key}.nat_gateways"),
                "0, and no interface endpoints",
                "1 or 2 NAT gateways, or interface_endpoints = true",
                "without either an environment reaches no service, and its creation fails after half an hour",
            );
        }
        if *nat_gateways == 1 && description.mode == Mode::BlueGreen {
            reader.warn(
                &format!("{key}.nat_gateways"),
                "1 for both colors",
                "2",
                "the failure of one zone can take both environments' way out with it",
            );
        }
    }
}

fn is_private(address: u32) -> bool {
    let address = std::net::Ipv4Addr::from(address);
    let [first, second, ..] = address.octets();
    address.is_private() || (first == 100 && (64..128).contains(&second))
}

fn counts(reader: &mut Reader<'_>, description: &Description) {
    let environment = &description.environment;
    let class = &environment.class;
    let counts = [
        ("min_workers", environment.min_workers),
        ("max_workers", environment.max_workers),
        ("schedulers", environment.schedulers),
        ("min_webservers", environment.min_webservers),
        ("max_webservers", environment.max_webservers),
    ];
    if class == MICRO {
        for (key, count) in counts {
            if count != 1 {
                reader.fault(
                    &format!("environment.{key}"),
                    &format!("{count} with class {MICRO}"),
                    "1",
                    &format!("remove the line, or choose a larger class: {MICRO} has one of each"),
                );
            }
        }
        return;
    }
    for (key, count) in counts {
        if matches!(key, "schedulers" | "min_webservers" | "max_webservers") && count < 2 {
            reader.fault(
                &format!("environment.{key}"),
                &format!("{count} with class {class}"),
                "2 to 5",
                &format!("only {MICRO} has one"),
            );
        }
    }
    for (least, fewest, most, largest) in [
        (
            "min_workers",
            environment.min_workers,
            "max_workers",
            environment.max_workers,
        ),
        (
            "min_webservers",
            environment.min_webservers,
            "max_webservers",
            environment.max_webservers,
        ),
    ] {
        if fewest > largest {
            // Either line may be the wrong one; the larger number is named if it was given.
            let key = format!("environment.{least}");
            let given = format!("{fewest}, more than {most} {largest}");
            reader.fault(
                &key,
                &given,
                &format!("at most {most}"),
                &format!("lower {least}, or raise {most}"),
            );
        }
    }
    if environment.max_workers > 25 {
        reader.warn(
            "environment.max_workers",
            &environment.max_workers.to_string(),
            "25, unless AWS has raised the account's quota",
            "ask for the quota first: the update fails without it",
        );
    }
}

fn version(reader: &mut Reader<'_>, description: &Description) {
    let environment = &description.environment;
    let version = environment.airflow_version.as_str();
    if !KNOWN_VERSIONS.contains(&version) {
        reader.warn(
            "environment.airflow_version",
            &format!("{version:?}"),
            &format!("known are {}", KNOWN_VERSIONS.join(", ")),
            "MWAA may offer it by now: it is passed on as it is",
        );
    }
    let is_old = major_minor(version).is_some_and(|version| version < (3, 2));
    if environment.access_mode == "PUBLIC_AND_PRIVATE" && is_old {
        reader.fault(
            "environment.access_mode",
            &format!("PUBLIC_AND_PRIVATE with Airflow {version}"),
            "PRIVATE_ONLY or PUBLIC_ONLY before Airflow 3.2",
            "choose one of these, or a newer airflow_version",
        );
    }
}

fn options(reader: &mut Reader<'_>, description: &Description) {
    let ours = template::product_options();
    for (key, value) in &description.environment.options {
        let path = format!("environment.options.{key}");
        if !is_option(key) {
            reader.fault(
                &path,
                &format!("{key:?}"),
                "section.name in lower-case letters, digits, dots and underscores, at most 64 characters",
                "write it as Airflow's configuration reference does, such as \"core.parallelism\"",
            );
        } else if ours.contains(&key.as_str()) || key.starts_with("custom.bluegreen_") {
            let advice = match key.strip_prefix("custom.bluegreen_") {
                Some(option) if super::GUARD_OPTIONS.contains(&option) => {
                    format!("write {option} = … into [guard.options]")
                }
                _ if key.starts_with("openlineage.") => "remove it, and use [lineage]".to_owned(),
                _ => "remove it".to_owned(),
            };
            reader.fault(&path, "an option that this product sets", "other options", &advice);
        }
        value_of_option(reader, &path, value);
    }
    for (key, value) in &description.guard.options {
        let path = format!("guard.options.{key}");
        if key == "guard" {
            // The template has a parameter for it.
            guard_option(reader, &path, key, value);
            continue;
        }
        if ours.contains(&format!("custom.bluegreen_{key}").as_str()) {
            reader.fault(&path, "an option that this product sets", "other options", "remove it");
        }
        value_of_option(reader, &path, value);
        guard_option(reader, &path, key, value);
    }
}

fn value_of_option(reader: &mut Reader<'_>, path: &str, value: &str) {
    if value.is_empty() || value.len() > 65_536 || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let given = if value.is_empty() {
            "an empty text".to_owned()
        } else {
            format!("{value:?}")
        };
        reader.fault(
            path,
            &given,
            "1 to 65536 printable ASCII characters",
            "MWAA refuses anything else; to return to Airflow's own value remove the line",
        );
    }
}

/// The same limits as `airflow/src/mwaa_bluegreen/settings.py`.
fn guard_option(reader: &mut Reader<'_>, path: &str, key: &str, value: &str) {
    let within = |least: u32, most: u32| value.parse().is_ok_and(|number: u32| (least..=most).contains(&number));
    let (is_right, allowed) = match key {
        "guard" => (
            ["all", "tagged", "observe", "off"].contains(&value),
            "all, tagged, observe, off",
        ),
        "status_page" => (["on", "off"].contains(&value), "on, off"),
        "standby_wait_seconds" => (within(0, 86_400), "0 to 86400"),
        "guard_retries" => (within(0, 100), "0 to 100"),
        "guard_timeout_seconds" => (within(60, 86_400), "60 to 86400"),
        _ => (true, ""),
    };
    if !is_right {
        reader.fault(path, &format!("{value:?}"), allowed, "");
    }
}

fn controller(reader: &mut Reader<'_>, description: &Description) {
    for key in description.controller.parameters.keys() {
        if OWN_PARAMETERS.contains(&key.as_str()) {
            let instead = match key.as_str() {
                "PairName" => "name in [pair]",
                "BlueRegion" => "region in [pair]",
                "GreenRegion" => "green_region in [pair]",
                "BlueEnvironmentName" => "existing in [blue]",
                _ => "existing in [green]",
            };
            reader.fault(
                &format!("controller.parameters.{key}"),
                "a parameter that follows from the description",
                "the controller's other parameters",
                &format!("remove it; it is made from {instead}"),
            );
        }
    }
    let is_private = description.environment.access_mode == "PRIVATE_ONLY" && !description.deployed_colors().is_empty();
    let has_subnets = description
        .controller
        .parameters
        .get("VpcSubnetIds")
        .is_some_and(|ids| !ids.is_empty());
    if is_private && description.mode == Mode::BlueGreen && !has_subnets {
        reader.warn(
            "environment.access_mode",
            "PRIVATE_ONLY, and a controller outside of the VPC",
            "VpcSubnetIds and VpcSecurityGroupIds in [controller.parameters], or PUBLIC_ONLY",
            "without them the controller cannot ask Airflow: only alarms and the heartbeat metric tell it what is wrong",
        );
    }
    let root = description.parameter_root();
    if !crate::names::is_parameter_root(&root) {
        reader.fault(
            "controller.parameters.ParameterRoot",
            &format!("{root:?}"),
            crate::names::ROOT_RULE,
            "",
        );
    }
}
