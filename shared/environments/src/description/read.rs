//! From the file's text to a description.

use std::collections::BTreeMap;

use bluegreen_core::color::{Both, Color};
use toml::de::DeTable;

use super::CLASSES;
use super::check::check;
use super::fault::Fault;
use super::reader::{Reader, Section, line_of};
use super::words::{
    ACCESS_MODES, GUARD_OPTIONS, LOG_LEVELS, MICRO, REPLACEMENTS, is_id, is_key, is_policy, is_region, is_version,
    is_zone,
};
use super::{ColorPart, Controller, Description, Environment, Guard, Lineage, Mode, Network};
use crate::names;

/// What was read. The description is whole only without faults; with faults it serves to look at the files it names.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The description, with defaults in place of what cannot be read.
    pub description: Description,
    /// What must be mended, in the order of lines.
    pub faults: Vec<Fault>,
    /// What works, but may not be meant.
    pub warnings: Vec<Fault>,
    lines: BTreeMap<String, usize>,
}

impl Reading {
    /// The line on which a key, or else its nearest table, was given.
    #[must_use]
    pub fn line_of(&self, key: &str) -> Option<usize> {
        line_of(&self.lines, key)
    }

    /// Adds a fault that only the files can show.
    pub fn add_fault(&mut self, key: &str, given: &str, allowed: &str, advice: &str) {
        let fault = Fault::new(self.line_of(key), key, given, allowed, advice);
        self.faults.push(fault);
        self.faults.sort_by_key(|fault| fault.line);
    }

    /// Adds a warning that only the files can show.
    pub fn add_warning(&mut self, key: &str, given: &str, allowed: &str, advice: &str) {
        let warning = Fault::new(self.line_of(key), key, given, allowed, advice);
        self.warnings.push(warning);
        self.warnings.sort_by_key(|warning| warning.line);
    }

    /// The description, if nothing is wrong with it.
    ///
    /// # Errors
    /// All faults.
    pub fn accepted(self) -> Result<Description, Vec<Fault>> {
        if self.faults.is_empty() {
            Ok(self.description)
        } else {
            Err(self.faults)
        }
    }
}

const TABLES: [&str; 8] = [
    "pair",
    "network",
    "environment",
    "blue",
    "green",
    "guard",
    "lineage",
    "controller",
];

/// Reads `pair.toml`. All faults at once, those of the syntax included.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut reader = Reader::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map(|span| reader.line(span.start));
        let fault = Fault {
            line,
            key: String::new(),
            given: error.message().replace('\n', ", "),
            allowed: "TOML, such as name = \"orders\"".to_owned(),
            advice: "texts are in quotes, tables in [brackets], and each key stands once".to_owned(),
        };
        reader.faults.push(fault);
    }
    let is_syntax_right = reader.faults.is_empty();
    let root = reader.root(table.get_ref(), &TABLES);
    let mut description = pair(&mut reader, &root, is_syntax_right);
    let network_keys = [
        "cidr",
        "nat_gateways",
        "interface_endpoints",
        "zones",
        "vpc_id",
        "subnet_ids",
        "green",
    ];
    let section = reader.section(&root, "network", Some(&network_keys));
    let (green_keys, _) = network_keys.split_at(6);
    let green = reader.section(&section, "green", Some(green_keys));
    description.network = network(&mut reader, &section);
    description.green_network = green.is_given().then(|| network(&mut reader, &green));
    description.environment = environment(&mut reader, &root);
    description.colors = Both::from_fn(|color| color_part(&mut reader, &root, color));
    let section = reader.section(&root, "guard", Some(&["wheel", "options"]));
    let options = reader.section(&section, "options", Some(&GUARD_OPTIONS));
    description.guard = Guard {
        wheel: reader.text(&section, "wheel"),
        options: reader.settings(&options, ["off", "on"]),
    };
    description.lineage = lineage(&mut reader, &root);
    description.controller = controller(&mut reader, &root);
    check(&mut reader, &mut description);
    reader.faults.sort_by_key(|fault| fault.line);
    reader.warnings.sort_by_key(|fault| fault.line);
    Reading {
        description,
        faults: reader.faults,
        warnings: reader.warnings,
        lines: reader.lines,
    }
}

fn pair<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>, is_syntax_right: bool) -> Description {
    let known = ["name", "mode", "region", "green_region", "active"];
    let section = reader.section(root, "pair", Some(&known));
    let required = |reader: &mut Reader<'t>, key: &str, allowed: &str| {
        // After a fault of the syntax a key may only seem to be missing.
        let is_empty = section
            .get(key)
            .is_some_and(|value| value.get_ref().as_str() == Some(""));
        if is_syntax_right && (is_empty || !section.has(key)) {
            reader.fault(
                &section.key(key),
                "nothing",
                allowed,
                &format!("add {key} = \"…\" to [pair]"),
            );
        }
    };
    let regions = "a region such as eu-west-1";
    required(reader, "name", names::PAIR_RULE);
    required(reader, "region", regions);
    required(
        reader,
        "mode",
        "standard (one environment) or blue-green (two, with the controller)",
    );
    let name = reader.text(&section, "name").unwrap_or_else(|| "pair".to_owned());
    if let Err(refusal) = names::check_pair(&name) {
        reader.fault("pair.name", &format!("{name:?}"), &refusal.allowed, &refusal.advice);
    }
    let mode = reader.word(&section, "mode", &["standard", "blue-green"]);
    let active = reader.word(&section, "active", &["blue", "green"]);
    Description {
        name,
        mode: match mode.as_deref() {
            Some("standard") => Mode::Standard,
            _ => Mode::BlueGreen,
        },
        region: reader
            .checked(&section, "region", is_region, regions)
            .unwrap_or_else(|| "us-east-1".to_owned()),
        green_region: reader.checked(&section, "green_region", is_region, regions),
        active: active.and_then(|word| Color::parse(&word)).unwrap_or(Color::Blue),
        network: Network::default(),
        green_network: None,
        environment: Environment::default(),
        colors: Both::default(),
        guard: Guard::default(),
        lineage: Lineage::Off,
        controller: Controller::default(),
    }
}

fn network<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Network {
    let own: Vec<&str> = ["cidr", "nat_gateways", "interface_endpoints", "zones"]
        .into_iter()
        .filter(|key| section.has(key))
        .collect();
    let vpc = reader.checked(
        section,
        "vpc_id",
        |id| is_id(id, "vpc"),
        "an id such as vpc-0123456789abcdef0",
    );
    let two =
        "two ids of private subnets in two zones, such as [\"subnet-0123456789abcdef0\", \"subnet-0123456789abcdef1\"]";
    let subnets = reader.list(section, "subnet_ids", |id| is_id(id, "subnet"), two);
    let is_given = section.has("vpc_id") || section.has("subnet_ids");
    if is_given {
        if let Some(key) = own.first() {
            reader.fault(
                &section.key(key),
                "a network to make, and one that exists",
                "cidr, nat_gateways, interface_endpoints and zones, or vpc_id and subnet_ids",
                "remove one of the two",
            );
        }
        for key in ["vpc_id", "subnet_ids"] {
            if !section.has(key) {
                let allowed = "vpc_id and subnet_ids together";
                reader.fault(&section.key(key), "nothing", allowed, &format!("add {key}"));
            }
        }
        let subnet_ids = subnets.and_then(|ids| two_of(reader, &section.key("subnet_ids"), ids, two));
        return Network::Given {
            vpc_id: vpc.unwrap_or_default(),
            subnet_ids: subnet_ids.unwrap_or_default(),
        };
    }
    let Network::Own {
        cidr,
        nat_gateways,
        interface_endpoints,
        ..
    } = Network::default()
    else {
        return Network::default();
    };
    let two_zones = "two zones of the region, such as [\"eu-west-1a\", \"eu-west-1b\"]";
    let zones = reader.list(section, "zones", is_zone, two_zones);
    Network::Own {
        cidr: reader.text(section, "cidr").unwrap_or(cidr),
        nat_gateways: reader.whole(section, "nat_gateways", 0..=2).unwrap_or(nat_gateways),
        interface_endpoints: reader
            .boolean(section, "interface_endpoints")
            .unwrap_or(interface_endpoints),
        zones: zones.and_then(|zones| two_of(reader, &section.key("zones"), zones, two_zones)),
    }
}

fn two_of(reader: &mut Reader<'_>, key: &str, given: Vec<String>, allowed: &str) -> Option<[String; 2]> {
    let shown = format!("{} ({})", given.len(), given.join(", "));
    let two = <[String; 2]>::try_from(given).ok().filter(|[one, other]| one != other);
    if two.is_none() {
        reader.fault(key, &shown, allowed, "MWAA takes exactly two different ones");
    }
    two
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            airflow_version: "3.0.6".to_owned(),
            class: "mw1.small".to_owned(),
            min_workers: 1,
            max_workers: 10,
            schedulers: 2,
            min_webservers: 2,
            max_webservers: 2,
            access_mode: "PUBLIC_ONLY".to_owned(),
            log_level: "INFO".to_owned(),
            worker_replacement: "GRACEFUL".to_owned(),
            kms_key_arn: None,
            permissions_boundary_arn: None,
            role_path: None,
            dag_policy_arns: Vec::new(),
            dags: "dags".to_owned(),
            requirements: None,
            plugins: None,
            startup_script: None,
            options: BTreeMap::new(),
        }
    }
}

impl Environment {
    /// The counts that a class has unless the file says otherwise.
    #[must_use]
    pub fn of_class(class: &str) -> Self {
        let is_micro = class == MICRO;
        let default = Self::default();
        Self {
            class: class.to_owned(),
            max_workers: if is_micro { 1 } else { default.max_workers },
            schedulers: if is_micro { 1 } else { default.schedulers },
            min_webservers: if is_micro { 1 } else { default.min_webservers },
            max_webservers: if is_micro { 1 } else { default.max_webservers },
            ..default
        }
    }
}

const ENVIRONMENT: [&str; 19] = [
    "airflow_version",
    "class",
    "min_workers",
    "max_workers",
    "schedulers",
    "min_webservers",
    "max_webservers",
    "access_mode",
    "log_level",
    "worker_replacement",
    "kms_key_arn",
    "permissions_boundary_arn",
    "role_path",
    "dag_policy_arns",
    "dags",
    "requirements",
    "plugins",
    "startup_script",
    "options",
];

fn environment<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>) -> Environment {
    let section = reader.section(root, "environment", Some(&ENVIRONMENT));
    let options = reader.section(&section, "options", None);
    let class = reader.word(&section, "class", &CLASSES);
    let default = Environment::of_class(class.as_deref().unwrap_or("mw1.small"));
    let version = reader.checked(&section, "airflow_version", is_version, "three numbers such as 3.0.6");
    let word = |reader: &mut Reader<'t>, key: &str, words: &[&str], default: String| {
        reader.word(&section, key, words).unwrap_or(default)
    };
    // The quota of workers is 25 and can be raised; the rest are MWAA's own limits.
    let count = |reader: &mut Reader<'t>, key: &str, most: u32, default: u32| {
        reader.whole(&section, key, 1..=most).unwrap_or(default)
    };
    let key = "the ARN of a single-Region KMS key, whose id is a UUID, such as \
               arn:aws:kms:eu-west-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";
    let boundary = "the ARN of a policy, such as arn:aws:iam::111122223333:policy/boundary";
    let path = "a path of up to 100 characters such as /teams/data/, a slash first and last";
    let policies = "ARNs of at most 10 managed policies, such as [\"arn:aws:iam::111122223333:policy/orders\"]";
    let dag_policy_arns = reader
        .list(&section, "dag_policy_arns", is_policy, policies)
        .unwrap_or_default();
    if dag_policy_arns.len() > 10 {
        let given = dag_policy_arns.len().to_string();
        reader.fault(
            "environment.dag_policy_arns",
            &given,
            policies,
            "a role takes ten: put more statements into one policy",
        );
    }
    Environment {
        airflow_version: version.unwrap_or(default.airflow_version),
        class: default.class,
        min_workers: count(reader, "min_workers", 200, default.min_workers),
        max_workers: count(reader, "max_workers", 200, default.max_workers),
        schedulers: count(reader, "schedulers", 5, default.schedulers),
        min_webservers: count(reader, "min_webservers", 5, default.min_webservers),
        max_webservers: count(reader, "max_webservers", 5, default.max_webservers),
        access_mode: word(reader, "access_mode", &ACCESS_MODES, default.access_mode),
        log_level: word(reader, "log_level", &LOG_LEVELS, default.log_level),
        worker_replacement: word(reader, "worker_replacement", &REPLACEMENTS, default.worker_replacement),
        kms_key_arn: reader.checked(&section, "kms_key_arn", is_key, key),
        permissions_boundary_arn: reader.checked(&section, "permissions_boundary_arn", is_policy, boundary),
        dag_policy_arns,
        role_path: reader.checked(&section, "role_path", names::is_role_path, path),
        dags: reader.text(&section, "dags").unwrap_or(default.dags),
        requirements: reader.text(&section, "requirements"),
        plugins: reader.text(&section, "plugins"),
        startup_script: reader.text(&section, "startup_script"),
        options: reader.settings(&options, ["False", "True"]),
    }
}

fn color_part<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>, color: Color) -> ColorPart {
    let section = reader.section(root, color.as_str(), Some(&["existing", "bucket"]));
    ColorPart {
        existing: reader.checked(&section, "existing", names::is_environment, names::ENVIRONMENT_RULE),
        bucket: reader.checked(&section, "bucket", names::is_bucket, names::BUCKET_RULE),
    }
}

fn lineage<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>) -> Lineage {
    let section = reader.section(root, "lineage", Some(&["url", "deploy"]));
    let url = reader.checked(&section, "url", names::is_lineage_url, names::LINEAGE_URL_RULE);
    let deploy = reader.boolean(&section, "deploy").unwrap_or_default();
    match (url, deploy) {
        (Some(_), true) => {
            reader.fault(
                "lineage.deploy",
                "a server to deploy, and the address of another one",
                "url or deploy = true",
                "remove one of the two",
            );
            Lineage::Off
        }
        (Some(url), false) => Lineage::Url(url),
        (None, true) => Lineage::Deploy,
        (None, false) => Lineage::Off,
    }
}

fn controller<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>) -> Controller {
    let section = reader.section(root, "controller", Some(&["functions", "template", "parameters"]));
    let parameters = reader.section(&section, "parameters", None);
    let default = Controller::default();
    Controller {
        functions: reader.text(&section, "functions").unwrap_or(default.functions),
        template: reader.text(&section, "template").unwrap_or(default.template),
        parameters: reader.settings(&parameters, ["false", "true"]),
    }
}
