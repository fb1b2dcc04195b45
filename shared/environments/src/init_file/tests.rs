use bluegreen_core::color::Both;
use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;
use crate::description::{CLASSES, ColorPart, Controller, Guard, LOG_LEVELS, Mode, read};
use crate::stack::{desired, tests::uploads};

fn plain(name: &str) -> Description {
    read(&format!(
        "[pair]\nname = {name:?}\nmode = \"blue-green\"\nregion = \"eu-west-1\"\n"
    ))
    .accepted()
    .unwrap()
}

#[test]
fn the_file_is_the_golden_one() {
    let file = render(&plain("orders"));
    assert_eq!(file, include_str!("golden.toml"), "written is:\n{file}");
}

#[test]
fn every_line_that_is_not_in_force_can_be_put_in_force() {
    for line in render(&plain("orders")).lines() {
        let Some((key, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        assert!(
            toml::from_str::<toml::Table>(&format!("{key} = {value}\n")).is_ok(),
            "{line}"
        );
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\u{e4}\u{2603}\t]{1,12}".prop_filter("blank", |text| !text.is_empty())
}

fn own() -> impl Strategy<Value = Network> {
    (0_u8..=255, 16_u32..=20, 0_u32..=2, any::<bool>(), any::<bool>()).prop_map(
        |(second, length, nats, endpoints, zones)| {
            let address = u32::from(std::net::Ipv4Addr::new(10, second, 0, 0));
            Network::Own {
                cidr: format!("{}/{length}", std::net::Ipv4Addr::from(address)),
                nat_gateways: nats,
                interface_endpoints: endpoints || nats == 0,
                zones: zones.then(|| ["eu-west-1a".to_owned(), "eu-west-1c".to_owned()]),
            }
        },
    )
}

fn network() -> impl Strategy<Value = Network> {
    let given = ("vpc-[0-9a-f]{8}", "subnet-[0-9a-f]{17}", "subnet-[0-9a-f]{8}").prop_map(|(vpc_id, one, other)| {
        Network::Given {
            vpc_id,
            subnet_ids: [one, other],
        }
    });
    prop_oneof![own(), given]
}

fn environment() -> impl Strategy<Value = Environment> {
    let sizes = (0_usize..6, 1_u32..=10, 0_u32..=10, 2_u32..=5, 2_u32..=3, 0_u32..=2);
    let files = (
        text(),
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(text()),
    );
    let options = btree_map("[a-z]{1,8}\\.[a-z0-9_]{1,8}", "[ -~]{1,20}", 0..4);
    let rest = (0_usize..5, any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..3);
    (sizes, files, options, rest).prop_map(|(sizes, files, options, rest)| {
        let (class, min, more, schedulers, webservers, further) = sizes;
        let mut environment = Environment::of_class(CLASSES[class]);
        if class > 0 {
            environment.min_workers = min;
            environment.max_workers = min.saturating_add(more);
            environment.schedulers = schedulers;
            environment.min_webservers = webservers;
            environment.max_webservers = webservers.saturating_add(further);
        }
        (
            environment.dags,
            environment.requirements,
            environment.plugins,
            environment.startup_script,
        ) = files;
        environment.options = options;
        let (level, key, boundary, path, policies) = rest;
        environment.log_level = LOG_LEVELS[level].to_owned();
        environment.kms_key_arn = key.then(|| {
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef".to_owned()
        });
        environment.permissions_boundary_arn = boundary.then(|| "arn:aws-cn:iam::111122223333:policy/b".to_owned());
        environment.role_path = path.then(|| "/teams/data/".to_owned());
        environment.dag_policy_arns = (0..policies)
            .map(|number| format!("arn:aws:iam::aws:policy/p{number}"))
            .collect();
        environment
    })
}

prop_compose! {
    fn description()(
        name in "[a-z][a-z0-9-]{1,30}[a-z0-9]",
        network in network(),
        green in proptest::option::of(own()),
        environment in environment(),
        kind in 0_usize..5,
        lineage in 0_usize..3,
        wheel in proptest::option::of(text()),
        wait in proptest::option::of(0_u32..86_400),
        parameters in btree_map("[A-Z][A-Za-z]{3,10}Xx", text(), 0..3),
    ) -> Description {
        let mut description = plain("orders");
        description.name = name;
        description.network = network;
        description.environment = environment;
        description.lineage = [Lineage::Off, Lineage::Url("https://lineage.example.com:5000".to_owned()), Lineage::Deploy][lineage].clone();
        description.guard = Guard {
            wheel,
            options: wait.map(|seconds| ("standby_wait_seconds".to_owned(), seconds.to_string())).into_iter().collect(),
        };
        description.controller = Controller { parameters, ..Controller::default() };
        let by_hand = ColorPart { existing: Some("prod_1".to_owned()), bucket: Some("prod-dags".to_owned()) };
        match kind {
            0 => description.mode = Mode::Standard,
            1 => (description.mode, description.active) = (Mode::Standard, Color::Green),
            2 => description.colors = Both { blue: by_hand, green: ColorPart::default() },
            3 => {
                description.green_region = Some("eu-west-1".replace("west", "north"));
                description.green_network = Some(green.unwrap_or_default());
                if let Some(Network::Own { zones, .. }) = &mut description.green_network {
                    *zones = None;
                }
                if description.lineage == Lineage::Deploy {
                    description.lineage = Lineage::Off;
                }
            }
            _ => {}
        }
        description
    }
}

proptest! {
    // Rendering seven templates takes a while.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_written_is_read_again(description in description()) {
        let file = render(&description);
        let reading = read(&file);
        prop_assert!(reading.faults.is_empty(), "{:#?}\n{file}", reading.faults);
        prop_assert_eq!(reading.description, description);
    }

    #[test]
    fn the_stacks_follow_from_the_description_alone(description in description()) {
        let once = desired(&description, &uploads()).unwrap();
        let again = desired(&read(&render(&description)).accepted().unwrap(), &uploads()).unwrap();
        prop_assert_eq!(&once, &again);
        for stack in &once {
            prop_assert!(stack.name.len() <= 128);
            prop_assert_eq!(stack.template.matches("\n  TemplateHash:\n").count(), 1);
        }
        let mut layers: Vec<_> = once.iter().map(|stack| stack.layer).collect();
        layers.sort();
        prop_assert_eq!(layers, once.iter().map(|stack| stack.layer).collect::<Vec<_>>());
    }
}
