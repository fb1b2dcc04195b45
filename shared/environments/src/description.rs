//! The description of a pair: what `pair.toml` says.
//!
//! [`read()`] names every fault of the file at once. A file that another one names is looked at by the command line, which
//! adds what it finds to the same list: [`Reading::line_of`] says where the file was named.

mod check;
mod fault;
mod read;
mod reader;
mod requirements;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use bluegreen_core::color::{Both, Color};

pub use bluegreen_core::environment::ENVIRONMENT_CLASSES as CLASSES;
pub use fault::Fault;
pub use read::{Reading, read};
pub use requirements::unpinned;
pub(crate) use words::major_minor;
pub use words::{GUARD_OPTIONS, KNOWN_VERSIONS, LOG_LEVELS};

/// One environment, or two with a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The active color alone, without controller.
    Standard,
    /// Both colors and the controller.
    BlueGreen,
}

impl Mode {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::BlueGreen => "blue-green",
        }
    }
}

/// A pair, as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The pair's name; it starts the name of everything.
    pub name: String,
    /// One environment or two.
    pub mode: Mode,
    /// The region of blue, and of the controller.
    pub region: String,
    /// The region of green, if it is another one.
    pub green_region: Option<String>,
    /// In standard mode the color that exists; else the color that is active after the first deployment.
    pub active: Color,
    /// The network in `region`.
    pub network: Network,
    /// The network in green's region, if that is another one.
    pub green_network: Option<Network>,
    /// What both environments have in common.
    pub environment: Environment,
    /// What each color has for itself.
    pub colors: Both<ColorPart>,
    /// The guard.
    pub guard: Guard,
    /// Where lineage goes.
    pub lineage: Lineage,
    /// The controller.
    pub controller: Controller,
}

/// A network of the product's own, or one that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Made from infra/network.yaml.
    Own {
        /// The VPC's addresses.
        cidr: String,
        /// How many NAT gateways, 0 to 2.
        nat_gateways: u32,
        /// Whether the interface endpoints of the services are made.
        interface_endpoints: bool,
        /// The two zones of the subnets; none means the region's first two.
        zones: Option<[String; 2]>,
    },
    /// Somebody else's.
    Given {
        /// The VPC.
        vpc_id: String,
        /// Two private subnets in two zones.
        subnet_ids: [String; 2],
    },
}

impl Default for Network {
    fn default() -> Self {
        Self::Own {
            cidr: "10.0.0.0/16".to_owned(),
            nat_gateways: 2,
            interface_endpoints: false,
            zones: None,
        }
    }
}

/// The MWAA environment of each color.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Airflow's version.
    pub airflow_version: String,
    /// The class, such as `mw1.small`.
    pub class: String,
    /// The fewest workers.
    pub min_workers: u32,
    /// The most workers.
    pub max_workers: u32,
    /// Schedulers.
    pub schedulers: u32,
    /// The fewest web servers.
    pub min_webservers: u32,
    /// The most web servers.
    pub max_webservers: u32,
    /// Who reaches the web server.
    pub access_mode: String,
    /// The level of Airflow's logs.
    pub log_level: String,
    /// Whether an update waits for running tasks.
    pub worker_replacement: String,
    /// The key of bucket and environment; none means keys of AWS.
    pub kms_key_arn: Option<String>,
    /// The boundary of every role.
    pub permissions_boundary_arn: Option<String>,
    /// The path of every role.
    pub role_path: Option<String>,
    /// Managed policies with the rights that the DAGs need.
    pub dag_policy_arns: Vec<String>,
    /// The folder of the DAGs.
    pub dags: String,
    /// The file of requirements.
    pub requirements: Option<String>,
    /// The folder or archive of plugins.
    pub plugins: Option<String>,
    /// Own lines for the start-up script.
    pub startup_script: Option<String>,
    /// Airflow's configuration options.
    pub options: BTreeMap<String, String>,
}

/// What a color has for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColorPart {
    /// The name of an environment that somebody else has made: this color is never deployed.
    pub existing: Option<String>,
    /// That environment's bucket.
    pub bucket: Option<String>,
}

/// The guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// The wheel's path; none means the one that the command line finds.
    pub wheel: Option<String>,
    /// Its options, without their prefix `custom.bluegreen_`.
    pub options: BTreeMap<String, String>,
}

/// Where lineage goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lineage {
    /// Nowhere.
    #[default]
    Off,
    /// To an endpoint that exists.
    Url(String),
    /// To a server of the pair's own.
    Deploy,
}

/// The controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// The folder with the functions' binaries or archives.
    pub functions: String,
    /// The controller's template.
    pub template: String,
    /// Its parameters, but for those that follow from the rest of the description.
    pub parameters: BTreeMap<String, String>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            functions: "target/lambda".to_owned(),
            template: "template.yaml".to_owned(),
            parameters: BTreeMap::new(),
        }
    }
}

impl Description {
    /// The colors that exist, in this order: blue, green.
    #[must_use]
    pub fn colors(&self) -> Vec<Color> {
        match self.mode {
            Mode::Standard => vec![self.active],
            Mode::BlueGreen => Color::BOTH.to_vec(),
        }
    }

    /// Of those, the ones that this product deploys.
    #[must_use]
    pub fn deployed_colors(&self) -> Vec<Color> {
        let mut colors = self.colors();
        colors.retain(|color| self.colors.of(*color).existing.is_none());
        colors
    }

    /// The region of a color.
    #[must_use]
    pub fn region_of(&self, color: Color) -> &str {
        match (color, &self.green_region) {
            (Color::Green, Some(region)) => region,
            _ => &self.region,
        }
    }

    /// The network of a color. Green's in another region is as blue's, unless it is described.
    #[must_use]
    pub fn network_of(&self, color: Color) -> &Network {
        match (color, &self.green_region, &self.green_network) {
            (Color::Green, Some(_), Some(network)) => network,
            _ => &self.network,
        }
    }

    /// The environment's name of a color.
    #[must_use]
    pub fn environment_name(&self, color: Color) -> String {
        match &self.colors.of(color).existing {
            Some(name) => name.clone(),
            None => crate::names::environment(&self.name, color),
        }
    }

    /// The path under which the pair keeps its state: the controller's `ParameterRoot`.
    #[must_use]
    pub fn parameter_root(&self) -> String {
        match self.controller.parameters.get("ParameterRoot") {
            Some(root) if !root.is_empty() => root.clone(),
            _ => crate::names::parameter_root(&self.name),
        }
    }

    /// The flag's name.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("{}/active-environment", self.parameter_root())
    }
}
