//! The stacks that follow from a description, in the order of deployment.

use std::collections::BTreeMap;

use bluegreen_core::color::Color;

use super::{DesiredStack, Layer, Value};
use crate::description::{Description, Environment, Lineage, Mode, Network};
use crate::names;
use crate::template::{self, Rendered, TemplateFault};

/// What is uploaded for a pair: keys in each color's own bucket, named after the content, and the functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uploads {
    /// The key of the requirements, such as `artifacts/requirements-0123456789abcdef.txt`.
    pub requirements: Option<String>,
    /// The key of the plugins.
    pub plugins: Option<String>,
    /// The key of the start-up script.
    pub startup_script: Option<String>,
    /// The controller's template, in blue-green mode.
    pub controller_template: String,
    /// For each folder that the template names, such as `functions/health-watcher`, its archive as `s3://bucket/key`.
    pub functions: BTreeMap<String, String>,
}

/// Where the controller's functions are uploaded: to a bucket in the controller's region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeBucket {
    /// The bucket of a color that this product deploys: the output `BucketName` of this stack.
    OutputOf(String),
    /// The bucket of a hand-made environment.
    Named(String),
}

/// Where the functions go, if the pair has a controller and there is a bucket for them.
#[must_use]
pub fn code_bucket(description: &Description) -> Option<CodeBucket> {
    if description.mode == Mode::Standard {
        return None;
    }
    let here: Vec<Color> = Color::BOTH
        .into_iter()
        .filter(|color| description.region_of(*color) == description.region)
        .collect();
    let deployed = description.deployed_colors();
    if let Some(color) = here.iter().find(|color| deployed.contains(color)) {
        return Some(CodeBucket::OutputOf(names::stack(
            &description.name,
            Layer::Base,
            Some(*color),
        )));
    }
    here.iter()
        .find_map(|color| description.colors.of(*color).bucket.clone())
        .map(CodeBucket::Named)
}

/// The stacks as they shall be, in the order of deployment. A color that somebody else has made has none.
///
/// # Errors
/// What the controller's template lacks.
pub fn desired(description: &Description, uploads: &Uploads) -> Result<Vec<DesiredStack>, TemplateFault> {
    let colors = description.deployed_colors();
    let mut stacks = networks(description, &colors)?;
    for color in &colors {
        stacks.push(base(description, *color)?);
    }
    if description.lineage == Lineage::Deploy && !colors.is_empty() {
        stacks.push(lineage(description, &colors)?);
    }
    for color in &colors {
        stacks.push(environment(description, uploads, *color)?);
    }
    if description.mode == Mode::BlueGreen {
        stacks.push(controller(description, uploads)?);
    }
    Ok(stacks)
}

static NO_ZONES: [String; 2] = [String::new(), String::new()];

fn networks(description: &Description, colors: &[Color]) -> Result<Vec<DesiredStack>, TemplateFault> {
    let mut stacks: Vec<DesiredStack> = Vec::new();
    for color in colors {
        let region = description.region_of(*color);
        let Network::Own {
            cidr,
            nat_gateways,
            interface_endpoints,
            zones,
        } = description.network_of(*color)
        else {
            continue;
        };
        if stacks.iter().any(|stack| stack.region == region) {
            continue;
        }
        let [first, second] = zones.as_ref().unwrap_or(&NO_ZONES);
        let parameters = [
            ("PairName", description.name.clone()),
            ("VpcCidr", cidr.clone()),
            ("NatGateways", nat_gateways.to_string()),
            ("InterfaceEndpoints", interface_endpoints.to_string()),
            ("FirstZone", first.clone()),
            ("SecondZone", second.clone()),
        ];
        stacks.push(made(
            description,
            Layer::Network,
            None,
            region,
            template::network()?,
            known(parameters),
        ));
    }
    Ok(stacks)
}

fn base(description: &Description, color: Color) -> Result<DesiredStack, TemplateFault> {
    let mut parameters = known([
        ("PairName", description.name.clone()),
        ("Color", color.to_string()),
        ("EnvironmentName", names::environment(&description.name, color)),
        ("ParameterRoot", description.parameter_root()),
        ("ControllerRegion", controller_region(description, color)),
        ("DagPolicyArns", description.environment.dag_policy_arns.join(",")),
    ]);
    parameters.extend(account(&description.environment));
    parameters.insert("VpcId".to_owned(), vpc(description, color));
    let region = description.region_of(color);
    Ok(made(
        description,
        Layer::Base,
        Some(color),
        region,
        template::base()?,
        parameters,
    ))
}

/// What the account demands of everything in it.
fn account(environment: &Environment) -> BTreeMap<String, Value> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    known([
        ("KmsKeyArn", text(&environment.kms_key_arn)),
        ("PermissionsBoundaryArn", text(&environment.permissions_boundary_arn)),
        (
            "RolePath",
            environment.role_path.clone().unwrap_or_else(|| "/".to_owned()),
        ),
    ])
}

fn lineage(description: &Description, colors: &[Color]) -> Result<DesiredStack, TemplateFault> {
    let first = colors.first().copied().unwrap_or(description.active);
    let mut parameters = known([("PairName", description.name.clone())]);
    parameters.extend(account(&description.environment));
    parameters.insert("VpcId".to_owned(), vpc(description, first));
    parameters.insert("SubnetIds".to_owned(), subnets(description, first));
    for color in colors {
        let key = match color {
            Color::Blue => "BlueSecurityGroupId",
            Color::Green => "GreenSecurityGroupId",
        };
        parameters.insert(
            key.to_owned(),
            output(description, Layer::Base, Some(*color), "SecurityGroupId"),
        );
    }
    let region = description.region_of(first);
    Ok(made(
        description,
        Layer::Lineage,
        None,
        region,
        template::lineage()?,
        parameters,
    ))
}

fn environment(description: &Description, uploads: &Uploads, color: Color) -> Result<DesiredStack, TemplateFault> {
    let environment = &description.environment;
    let guard_mode = description.guard.options.get("guard");
    let mut parameters = known([
        ("PairName", description.name.clone()),
        ("Color", color.to_string()),
        ("EnvironmentName", names::environment(&description.name, color)),
        ("AirflowVersion", environment.airflow_version.clone()),
        ("EnvironmentClass", environment.class.clone()),
        ("MinWorkers", environment.min_workers.to_string()),
        ("MaxWorkers", environment.max_workers.to_string()),
        ("Schedulers", environment.schedulers.to_string()),
        ("MinWebservers", environment.min_webservers.to_string()),
        ("MaxWebservers", environment.max_webservers.to_string()),
        ("WebserverAccessMode", environment.access_mode.clone()),
        ("DagsPath", "dags".to_owned()),
        ("WorkerReplacementStrategy", environment.worker_replacement.clone()),
        // In standard mode, too: `env apply` makes the flag, which names the one environment, so that the guard lets
        // everything execute. Otherwise a second color could not come or go without a restart of the first.
        ("FlagParameter", description.flag()),
        ("ControllerRegion", controller_region(description, color)),
        ("GuardMode", guard_mode.map_or("all", String::as_str).to_owned()),
        ("LineageNamespace", names::environment(&description.name, color)),
        ("LogLevel", environment.log_level.clone()),
        ("KmsKeyArn", environment.kms_key_arn.clone().unwrap_or_default()),
    ]);
    let base = |key: &str| output(description, Layer::Base, Some(color), key);
    let lineage = match &description.lineage {
        Lineage::Off => Value::Known(String::new()),
        Lineage::Url(url) => Value::Known(url.clone()),
        Lineage::Deploy => output(description, Layer::Lineage, None, "LineageUrl"),
    };
    for (key, value) in [
        ("SubnetIds", subnets(description, color)),
        ("SecurityGroupIds", base("SecurityGroupId")),
        ("ExecutionRoleArn", base("ExecutionRoleArn")),
        ("BucketArn", base("BucketArn")),
        ("LineageUrl", lineage),
    ] {
        parameters.insert(key.to_owned(), value);
    }
    for (name, key) in [
        ("Requirements", &uploads.requirements),
        ("Plugins", &uploads.plugins),
        ("StartupScript", &uploads.startup_script),
    ] {
        let (path, version) = match key {
            Some(key) => (key.clone(), Value::VersionOf { key: key.clone() }),
            None => (String::new(), Value::Known(String::new())),
        };
        parameters.insert(format!("{name}Path"), Value::Known(path));
        parameters.insert(format!("{name}Version"), version);
    }
    let mut options = environment.options.clone();
    options.extend(
        description
            .guard
            .options
            .iter()
            .filter(|(key, _)| key.as_str() != "guard")
            .map(|(key, value)| (format!("custom.bluegreen_{key}"), value.clone())),
    );
    let region = description.region_of(color);
    let template = template::environment(&options)?;
    Ok(made(
        description,
        Layer::Environment,
        Some(color),
        region,
        template,
        parameters,
    ))
}

fn controller(description: &Description, uploads: &Uploads) -> Result<DesiredStack, TemplateFault> {
    let environment = &description.environment;
    let mut given = description.controller.parameters.clone();
    // Where roles need a boundary or a path, the controller's need it too.
    for (key, value) in [
        ("PermissionsBoundaryArn", &environment.permissions_boundary_arn),
        ("RolePath", &environment.role_path),
    ] {
        if let Some(value) = value {
            given.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let mut parameters: BTreeMap<String, Value> = given
        .into_iter()
        .map(|(key, value)| (key, Value::Known(value)))
        .collect();
    parameters.extend(known([
        ("PairName", description.name.clone()),
        ("BlueEnvironmentName", description.environment_name(Color::Blue)),
        ("BlueRegion", String::new()),
        ("GreenEnvironmentName", description.environment_name(Color::Green)),
        ("GreenRegion", description.green_region.clone().unwrap_or_default()),
    ]));
    let template = template::controller(&uploads.controller_template, &uploads.functions)?;
    Ok(made(
        description,
        Layer::Controller,
        None,
        &description.region,
        template,
        parameters,
    ))
}

/// Where the flag lives, seen from a color; empty where that is the color's own region.
fn controller_region(description: &Description, color: Color) -> String {
    if description.region_of(color) == description.region {
        String::new()
    } else {
        description.region.clone()
    }
}

fn vpc(description: &Description, color: Color) -> Value {
    match description.network_of(color) {
        Network::Own { .. } => output(description, Layer::Network, None, "VpcId"),
        Network::Given { vpc_id, .. } => Value::Known(vpc_id.clone()),
    }
}

fn subnets(description: &Description, color: Color) -> Value {
    match description.network_of(color) {
        Network::Own { .. } => output(description, Layer::Network, None, "PrivateSubnetIds"),
        Network::Given { subnet_ids, .. } => Value::Known(subnet_ids.join(",")),
    }
}

fn output(description: &Description, layer: Layer, color: Option<Color>, key: &str) -> Value {
    Value::OutputOf {
        stack: names::stack(&description.name, layer, color),
        key: key.to_owned(),
    }
}

fn known<const COUNT: usize>(parameters: [(&str, String); COUNT]) -> BTreeMap<String, Value> {
    parameters
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::Known(value)))
        .collect()
}

fn made(
    description: &Description,
    layer: Layer,
    color: Option<Color>,
    region: &str,
    template: Rendered,
    parameters: BTreeMap<String, Value>,
) -> DesiredStack {
    DesiredStack {
        name: names::stack(&description.name, layer, color),
        layer,
        color,
        region: region.to_owned(),
        template: template.text,
        template_hash: template.hash,
        parameters,
    }
}
