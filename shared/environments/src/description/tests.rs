use super::*;
use crate::nearest::nearest;

const PAIR: &str = "[pair]\nname = \"orders\"\nmode = \"blue-green\"\nregion = \"eu-west-1\"\n";

fn faults(text: &str) -> Vec<String> {
    read(text).faults.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    read(text).warnings.iter().map(ToString::to_string).collect()
}

/// One fault a row: what is added to a right file, and how the only fault begins and what it contains.
fn one(added: &str, begins: &str, contains: &str) {
    let text = format!("{PAIR}{added}");
    let found = faults(&text);
    let [fault] = found.as_slice() else {
        panic!("{added:?}: {found:#?}");
    };
    assert!(fault.starts_with(begins), "{added:?}: {fault}");
    assert!(fault.contains(contains), "{added:?}: {fault}");
}

#[test]
fn a_small_file_is_right() {
    assert_eq!(faults(PAIR), [""; 0]);
    assert_eq!(warnings(PAIR), [""; 0]);
    let description = read(PAIR).accepted().unwrap();
    assert_eq!(description.environment, Environment::default());
    assert_eq!(description.flag(), "/mwaa/orders/active-environment");
    assert_eq!(description.colors(), [Color::Blue, Color::Green]);
}

/// What is added to a right file, how the fault begins, and what it contains.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "actives = \"blue\"\n",
        "line 5: pair.actives: given an unknown key",
        "did you mean active?",
    ),
    (
        "active = \"red\"\n",
        "line 5: pair.active: given \"red\"",
        "allowed: blue, green",
    ),
    (
        "green_region = \"Ireland\"\n",
        "line 5: pair.green_region: given \"Ireland\"",
        "eu-west-1",
    ),
    (
        "[netwrk]\n",
        "line 5: netwrk: given an unknown key",
        "did you mean network?",
    ),
    (
        "[network]\ncidr = \"10.0.0.0/8\"\n",
        "line 6: network.cidr",
        "/16 to /20",
    ),
    (
        "[network]\ncidr = \"10.0.0.0/24\"\n",
        "line 6: network.cidr",
        "/16 to /20",
    ),
    (
        "[network]\ncidr = \"10.0.1.0/16\"\n",
        "line 6: network.cidr",
        "write 10.0.0.0/16",
    ),
    ("[network]\ncidr = \"ten\"\n", "line 6: network.cidr", "10.0.0.0/16"),
    (
        "[network]\nnat_gateways = 3\n",
        "line 6: network.nat_gateways: given 3",
        "from 0 to 2",
    ),
    (
        "[network]\nnat_gateways = \"2\"\n",
        "line 6: network.nat_gateways: given \"2\"",
        "without quotes",
    ),
    (
        "[network]\nnat_gateways = 0\n",
        "line 6: network.nat_gateways",
        "interface_endpoints = true",
    ),
    (
        "[network]\ninterface_endpoints = \"yes\"\n",
        "line 6: network.interface_endpoints",
        "true or false",
    ),
    (
        "[network]\nzones = [\"eu-west-1a\"]\n",
        "line 6: network.zones: given 1",
        "two zones",
    ),
    (
        "[network]\nzones = [\"us-east-1a\", \"us-east-1b\"]\n",
        "line 6: network.zones",
        "zones of eu-west-1",
    ),
    (
        "[environment]\nairflow_version = \"2.10\"\n",
        "line 6: environment.airflow_version",
        "three numbers",
    ),
    (
        "[environment]\nclass = \"mw1.smalls\"\n",
        "line 6: environment.class",
        "did you mean mw1.small?",
    ),
    (
        "[environment]\nmin_workers = 12\n",
        "line 6: environment.min_workers: given 12, more than max_workers 10",
        "raise max_workers",
    ),
    (
        "[environment]\nmin_workers = 0\n",
        "line 6: environment.min_workers: given 0",
        "from 1 to 200",
    ),
    (
        "[environment]\nschedulers = 1\n",
        "line 6: environment.schedulers: given 1 with class mw1.small",
        "2 to 5",
    ),
    (
        "[environment]\nschedulers = 6\n",
        "line 6: environment.schedulers: given 6",
        "from 1 to 5",
    ),
    (
        "[environment]\nmin_webservers = 4\n",
        "line 6: environment.min_webservers: given 4, more than",
        "max_webservers",
    ),
    (
        "[environment]\naccess_mode = \"PRIVATE\"\n",
        "line 6: environment.access_mode",
        "PRIVATE_ONLY",
    ),
    (
        "[environment]\naccess_mode = \"PUBLIC_AND_PRIVATE\"\n",
        "line 6: environment.access_mode",
        "before Airflow 3.2",
    ),
    (
        "[environment]\nlog_level = \"info\"\n",
        "line 6: environment.log_level",
        "did you mean INFO?",
    ),
    (
        "[environment]\nworker_replacement = \"FAST\"\n",
        "line 6: environment.worker_replacement",
        "GRACEFUL, FORCED",
    ),
    (
        "[environment]\nkms_key_arn = \"alias/x\"\n",
        "line 6: environment.kms_key_arn",
        "UUID",
    ),
    (
        "[environment]\npermissions_boundary_arn = \"b\"\n",
        "line 6: environment.permissions_boundary_arn",
        "policy",
    ),
    (
        "[environment]\nrole_path = \"teams\"\n",
        "line 6: environment.role_path",
        "a slash first and last",
    ),
    (
        "[environment]\ndag_policy_arns = \"x\"\n",
        "line 6: environment.dag_policy_arns",
        "ARNs",
    ),
    (
        "[environment]\ndags = 1\n",
        "line 6: environment.dags: given 1",
        "a text in quotes",
    ),
    (
        "[environment.options]\n\"core\" = \"1\"\n",
        "line 6: environment.options.core",
        "section.name",
    ),
    (
        "[environment.options]\n\"Core.x\" = \"1\"\n",
        "line 6: environment.options.Core.x",
        "lower-case",
    ),
    (
        "[environment.options]\n\"core.x\" = 1.5\n",
        "line 6: environment.options.core.x: given 1.5",
        "in quotes",
    ),
    (
        "[environment.options]\n\"core.x\" = \"\"\n",
        "line 6: environment.options.core.x: given an empty text",
        "65536",
    ),
    (
        "[environment.options]\n\"core.x\" = \"\u{e4}\"\n",
        "line 6: environment.options.core.x",
        "ASCII",
    ),
    (
        "[environment.options]\n\"custom.environment_color\" = \"blue\"\n",
        "line 6: environment.options.custom.environment_color",
        "this product sets",
    ),
    (
        "[environment.options]\n\"custom.bluegreen_guard\" = \"all\"\n",
        "line 6: environment.options.custom.bluegreen_guard",
        "[guard.options]",
    ),
    (
        "[environment.options]\n\"openlineage.transport\" = \"x\"\n",
        "line 6: environment.options.openlineage.transport",
        "[lineage]",
    ),
    ("[blue]\nexisting = \"1x\"\n", "line 6: blue.existing", "80 letters"),
    (
        "[blue]\nbucket = \"dags-bucket\"\n",
        "line 6: blue.bucket",
        "together with existing",
    ),
    (
        "[green]\nexisting = \"orders-blue\"\n",
        "line 6: green.existing: given \"orders-blue\" as both",
        "two different",
    ),
    (
        "[guard.options]\nmode = \"all\"\n",
        "line 6: guard.options.mode: given an unknown key",
        "guard_pool",
    ),
    (
        "[guard.options]\nguard = \"some\"\n",
        "line 6: guard.options.guard: given \"some\"",
        "observe",
    ),
    (
        "[guard.options]\nguard_timeout_seconds = 5\n",
        "line 6: guard.options.guard_timeout_seconds",
        "60 to 86400",
    ),
    (
        "[lineage]\nurl = \"ftp://x\"\n",
        "line 6: lineage.url",
        "at most 150 characters",
    ),
    (
        "[lineage]\nurl = \"https://x\"\ndeploy = true\n",
        "line 7: lineage.deploy",
        "url or deploy",
    ),
    (
        "[controller.parameters]\nPairName = \"x\"\n",
        "line 6: controller.parameters.PairName",
        "name in [pair]",
    ),
    (
        "[controller.parameters]\nParameterRoot = \"/aws/x\"\n",
        "line 6: controller.parameters.ParameterRoot",
        "not below /aws",
    ),
    (
        "[controller]\nfunctions = true\n",
        "line 6: controller.functions: given true",
        "a text in quotes",
    ),
];

#[test]
fn each_fault_of_a_value_has_its_line_and_what_is_allowed() {
    for (added, begins, contains) in FAULTS {
        one(added, begins, contains);
    }
}

#[test]
fn networks_of_others_take_a_vpc_and_two_subnets() {
    let subnets = "subnet_ids = [\"subnet-01234567\", \"subnet-89abcdef\"]\n";
    one(
        &format!("[network]\n{subnets}"),
        "line 5: network.vpc_id: given nothing",
        "add vpc_id",
    );
    one(
        "[network]\nvpc_id = \"vpc-01234567\"\n",
        "line 5: network.subnet_ids: given nothing",
        "add subnet_ids",
    );
    let vpc = "[network]\nvpc_id = \"vpc-01234567\"\n";
    one(
        &format!("{vpc}subnet_ids = [\"subnet-01234567\"]\n"),
        "line 7: network.subnet_ids: given 1",
        "exactly two",
    );
    let twice = "subnet_ids = [\"subnet-01234567\", \"subnet-01234567\"]\n";
    one(
        &format!("{vpc}{twice}"),
        "line 7: network.subnet_ids: given 2",
        "different",
    );
    one(
        &format!("{vpc}subnet_ids = [\"a\", \"subnet-01234567\"]\n"),
        "line 7: network.subnet_ids: given \"a\"",
        "subnet-0123",
    );
    one(
        &format!("{vpc}{subnets}cidr = \"10.0.0.0/16\"\n"),
        "line 8: network.cidr",
        "remove one of the two",
    );
    one(
        "[network]\nvpc_id = \"v\"\nsubnet_ids = [\"subnet-01234567\", \"subnet-89abcdef\"]\n",
        "line 6: network.vpc_id",
        "vpc-0123",
    );
    let green = "[network.green]\ncidr = \"10.1.0.0/16\"\n";
    one(green, "line 5: network.green", "green_region");
    one(
        &format!("green_region = \"eu-north-1\"\n{vpc}{subnets}"),
        "line 6: network.green: given nothing",
        "add [network.green]",
    );
    assert_eq!(
        faults(&format!("{PAIR}green_region = \"eu-north-1\"\n{vpc}{subnets}{green}")),
        [""; 0]
    );
}

#[test]
fn what_is_missing_is_asked_for() {
    assert_eq!(faults("").len(), 3);
    let found = faults("[pair]\nname = \"orders\"\nregion = \"\"\nmode = \"standard\"\n");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("line 3: pair.region: given nothing; allowed: a region"),
        "{found:#?}"
    );
}

#[test]
fn the_smallest_class_has_one_of_each() {
    let micro = format!("{PAIR}[environment]\nclass = \"mw1.micro\"\n");
    let description = read(&micro).accepted().unwrap();
    assert_eq!(
        (description.environment.max_workers, description.environment.schedulers),
        (1, 1)
    );
    for key in [
        "min_workers",
        "max_workers",
        "schedulers",
        "min_webservers",
        "max_webservers",
    ] {
        let found = faults(&format!("{micro}{key} = 2\n"));
        assert!(
            found[0].starts_with(&format!("line 7: environment.{key}: given 2 with class mw1.micro")),
            "{found:#?}"
        );
    }
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_lines() {
    let text = "[pair]\nname = \"Orders\"\nmode = \"both\"\nregion = \"x\"\ncolour = \"blue\"\n[environment]\nclass = \"big\"\n\
                min_workers = 0\n[lineage]\nurl = \"x\"\ndeploy = 1\n[extra]\n";
    let found = read(text).faults;
    let lines: Vec<_> = found.iter().map(|fault| fault.line.unwrap_or_default()).collect();
    assert_eq!(lines, [2, 3, 4, 5, 7, 8, 10, 11, 12], "{found:#?}");
}

#[test]
fn faults_of_the_syntax_do_not_hide_the_others() {
    let text = "[pair]\nname = orders\nmode = \"blue-green\"\nregion = \"eu-west-1\"\n[environment]\nclass = \"big\"\n\
                min_workers = 2 3\n";
    let found = faults(text);
    assert!(found[0].starts_with("line 2: "), "{found:#?}");
    assert!(
        found.iter().any(|fault| fault.starts_with("line 6: environment.class")),
        "{found:#?}"
    );
    assert!(found.iter().any(|fault| fault.starts_with("line 7: ")), "{found:#?}");
    let twice = faults(&format!("{PAIR}mode = \"standard\"\n"));
    assert!(twice[0].starts_with("line 5: "), "{twice:#?}");
}

#[test]
fn a_mode_and_its_colors_agree() {
    let standard = PAIR.replace("blue-green", "standard");
    let found = faults(&format!("{standard}[blue]\nexisting = \"prod\"\n"));
    assert!(
        found[0].starts_with("line 6: blue.existing") && found[0].contains("nothing to deploy"),
        "{found:#?}"
    );
    let green = format!("{standard}[green]\nexisting = \"prod\"\n");
    assert_eq!(faults(&green), [""; 0]);
    assert!(
        warnings(&green)[0].starts_with("line 5: green: given a hand-made green"),
        "{:#?}",
        warnings(&green)
    );
    let both = format!("{PAIR}[blue]\nexisting = \"a\"\n[green]\nexisting = \"b\"\n");
    assert!(
        faults(&both)[0].starts_with("line 5: blue.bucket: given nothing"),
        "{:#?}",
        faults(&both)
    );
    let same = format!(
        "{PAIR}green_region = \"eu-north-1\"\n[blue]\nexisting = \"a\"\nbucket = \"abc\"\n[green]\nexisting = \"a\"\n"
    );
    assert_eq!(
        faults(&same),
        [""; 0],
        "two regions may each have an environment of one name"
    );
    let lineage = format!("{PAIR}green_region = \"eu-north-1\"\n[lineage]\ndeploy = true\n");
    assert!(
        faults(&lineage)[0].starts_with("line 7: lineage.deploy"),
        "{:#?}",
        faults(&lineage)
    );
}

#[test]
fn what_works_but_may_not_be_meant_is_a_warning() {
    for (added, begins) in [
        ("green_region = \"eu-west-1\"\n", "line 5: pair.green_region"),
        (
            "[environment]\nairflow_version = \"3.9.9\"\n",
            "line 6: environment.airflow_version",
        ),
        ("[environment]\nmax_workers = 30\n", "line 6: environment.max_workers"),
        (
            "[environment]\naccess_mode = \"PRIVATE_ONLY\"\n",
            "line 6: environment.access_mode",
        ),
        ("[network]\nnat_gateways = 1\n", "line 6: network.nat_gateways"),
        ("[network]\ncidr = \"8.0.0.0/16\"\n", "line 6: network.cidr"),
    ] {
        let text = format!("{PAIR}{added}");
        assert_eq!(faults(&text), [""; 0], "{added}");
        let found = warnings(&text);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(begins), "{found:#?}");
    }
}

#[test]
fn options_become_texts() {
    let text = format!(
        "{PAIR}[environment.options]\n\"core.parallelism\" = 32\ncore.lazy = true\n\"core.off\" = false\n\"core.big\" = 1_000\n\
         \"core.text\" = \"007\"\n[guard.options]\nstandby_wait_seconds = 60\nstatus_page = true\n"
    );
    let description = read(&text).accepted().unwrap();
    let options: Vec<_> = description
        .environment
        .options
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        options,
        [
            "core.big=1000",
            "core.lazy=True",
            "core.off=False",
            "core.parallelism=32",
            "core.text=007"
        ]
    );
    assert_eq!(description.guard.options["status_page"], "on");
}

#[test]
fn a_file_that_is_missing_is_named_with_the_line_that_names_it() {
    let mut reading = read(&format!("{PAIR}[environment]\nplugins = \"plug\"\n"));
    reading.add_fault("environment.plugins", "\"plug\"", "a folder", "");
    reading.add_fault("environment.dags", "\"dags\"", "a folder", "");
    let lines: Vec<_> = reading.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [Some(5), Some(6)], "a default stands where its table does");
}

#[test]
fn every_class_and_level_is_one_of_the_templates() {
    for word in CLASSES.into_iter().chain(LOG_LEVELS) {
        assert!(crate::template::ENVIRONMENT.contains(word), "{word}");
    }
}

#[test]
fn the_nearest_word_is_found_only_if_it_is_near() {
    assert_eq!(nearest("regions", ["region", "name"]), Some("region"));
    assert_eq!(nearest("INFO", ["info"]), Some("info"));
    assert_eq!(nearest("something", ["region", "name"]), None);
}

#[test]
fn the_description_that_the_documents_show_is_right() {
    let page = include_str!("../../../../docs/features/environments.md");
    let shown = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    assert_eq!(faults(shown), [""; 0]);
    assert_eq!(read(shown).accepted().unwrap().name, "orders");
}
