use super::*;
use crate::description::read;

const PAIR: &str = "[pair]\nname = \"orders\"\nmode = \"blue-green\"\nregion = \"us-east-1\"\n";

fn cents(text: &str, scale: Scale) -> Vec<(String, Option<i64>)> {
    let description = read(text).accepted().unwrap_or_else(|faults| panic!("{faults:#?}"));
    let parts = monthly(&description, scale, &Prices::own());
    #[expect(clippy::cast_possible_truncation, reason = "some thousand dollars")]
    let rounded = |dollars: f64| (dollars * 100.0).round() as i64;
    let mut shown: Vec<(String, Option<i64>)> = parts
        .iter()
        .map(|part| (part.name.clone(), part.monthly.map(rounded)))
        .collect();
    let (sum, is_whole) = total(&parts);
    shown.push(("total".to_owned(), is_whole.then(|| rounded(sum))));
    shown
}

fn expected(rows: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    rows.iter()
        .map(|(name, cents)| ((*name).to_owned(), Some(*cents)))
        .collect()
}

#[test]
fn each_scale_is_as_computed_by_hand() {
    let text = format!("{PAIR}[environment]\nmin_workers = 3\n");
    // NAT: 2 * (0.045 + 0.005) * 730 = 73.00. mw1.small: 0.49 * 730 = 357.70. Two further workers:
    // 2 * 0.055 * 730 = 80.30. Metadata: 10 * 0.10 = 1.00.
    let standard = expected(&[
        ("NAT gateways, us-east-1", 7300),
        ("environment orders-blue", 35770),
        ("further workers of orders-blue", 8030),
        ("metadata database of orders-blue", 100),
        // 73.00 + 357.70 + 80.30 + 1.00
        ("total", 51200),
    ]);
    assert_eq!(cents(&text, Scale::Standard), standard);
    // Controller: 8 * 0.10 + 5 * 0.30 + (9554 + 1460 + 720) * 0.00001 + 0.07 = 0.80 + 1.50 + 0.11734 + 0.07 = 2.48734.
    let both = expected(&[
        ("NAT gateways, us-east-1", 7300),
        ("environment orders-blue", 35770),
        ("further workers of orders-blue", 8030),
        ("metadata database of orders-blue", 100),
        ("environment orders-green", 35770),
        ("further workers of orders-green", 8030),
        ("metadata database of orders-green", 100),
        ("controller", 249),
        // 73.00 + 2 * 439.00 + 2.48734
        ("total", 95349),
    ]);
    assert_eq!(cents(&text, Scale::BlueGreen), both);
    let fewest = cents(&text, Scale::FewestWorkers);
    assert_eq!(fewest.len(), both.len() - 1, "green has no further workers");
    // 953.49 - 80.30
    assert_eq!(fewest.last().unwrap().1, Some(87319));
    assert!(
        fewest.iter().any(|(name, _)| name == "further workers of orders-blue"),
        "{fewest:?}"
    );
}

#[test]
fn what_has_no_price_is_unknown_and_never_nothing() {
    for (class, key) in [
        ("mw1.xlarge", "min_workers = 2"),
        ("mw1.2xlarge", "min_workers = 2"),
        ("mw1.small", "min_webservers = 3\nmax_webservers = 3"),
    ] {
        let shown = cents(
            &format!("{PAIR}[environment]\nclass = \"{class}\"\n{key}\n"),
            Scale::Standard,
        );
        assert!(shown[1].1.is_some(), "the environment itself: {shown:?}");
        assert!(
            shown[2].0.starts_with("further ") && shown[2].1.is_none(),
            "{class}: {shown:?}"
        );
        assert_eq!(shown.last().unwrap().1, None, "{class}");
    }
    let by_hand = cents(&format!("{PAIR}[blue]\nexisting = \"prod\"\n"), Scale::BlueGreen);
    assert!(by_hand.contains(&("environment prod".to_owned(), None)), "{by_hand:?}");
}

#[test]
fn medium_and_large_with_schedulers() {
    let text = format!("{PAIR}[environment]\nclass = \"mw1.large\"\nschedulers = 4\n");
    // 0.99 * 730 = 722.70; two further schedulers 2 * 0.22 * 730 = 321.20.
    let shown = cents(&text, Scale::Standard);
    assert_eq!(shown[1].1, Some(72270));
    assert_eq!(shown[2], ("further schedulers of orders-blue".to_owned(), Some(32120)));
    for (class, cents_of_class) in [
        // 0.74 * 730
        ("mw1.medium", 54020),
        // 0.29 * 730
        ("mw1.micro", 21170),
        // 1.98 * 730
        ("mw1.xlarge", 144_540),
        // 3.96 * 730
        ("mw1.2xlarge", 289_080),
    ] {
        let shown = cents(&format!("{PAIR}[environment]\nclass = \"{class}\"\n"), Scale::Standard);
        assert_eq!(shown[1].1, Some(cents_of_class), "{class}");
    }
    // 0.055 * 730 = 40.15
    let text = format!("{PAIR}[environment]\nclass = \"mw1.medium\"\nmin_webservers = 3\nmax_webservers = 3\n");
    assert_eq!(cents(&text, Scale::Standard)[2].1, Some(4015));
}

#[test]
fn the_tables_of_the_page_are_as_computed_by_hand() {
    let table = table(&Prices::own());
    let classes = table["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 6);
    let small = classes.iter().find(|class| class["class"] == "mw1.small").unwrap();
    // Three further workers: 3 * 40.15 = 120.45. Two environments: 715.40. 715.40 + 240.90 + 2 + 73 + 2.48734 = 1033.78734.
    let both = &small["modes"][1];
    for (field, dollars) in [
        ("environments", "715.40"),
        ("further_workers", "240.90"),
        ("metadata", "2.00"),
        ("network", "73.00"),
        ("controller", "2.49"),
        ("together", "1033.79"),
        // Another environment with its workers and database, and the controller: 357.70 + 120.45 + 1 + 2.48734.
        ("more_than_standard", "481.64"),
    ] {
        assert_eq!(both[field], *dollars, "{field}");
    }
    let standard = &small["modes"][0];
    assert_eq!(
        (&standard["controller"], &standard["more_than_standard"]),
        (&"0.00".into(), &"0.00".into())
    );
    let fewest = &small["modes"][2];
    assert_eq!(fewest["together"], "913.34");
    assert_eq!(
        (&small["saved"], &small["saved_percent"]),
        (&"120.45".into(), &"12".into())
    );
    for class in classes.iter().filter(|class| class["workers"] == 1) {
        assert_eq!(class["modes"].as_array().unwrap().len(), 2, "nothing to save: {class}");
        assert!(class["saved"].is_null());
    }
    let networks: Vec<&str> = table["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| network["month"].as_str().unwrap())
        .collect();
    assert_eq!(networks, ["73.00", "36.50", "131.40", "204.40"]);
    assert_eq!(table["lineage"].as_array().unwrap().len(), 3);
}

#[test]
fn endpoints_and_two_regions() {
    let text = format!("{PAIR}green_region = \"us-east-2\"\n[network]\nnat_gateways = 0\ninterface_endpoints = true\n");
    // 9 endpoints * 2 zones * 0.01 * 730 = 131.40, in each region.
    let shown = cents(&text, Scale::BlueGreen);
    assert_eq!(shown[0], ("interface endpoints, us-east-1".to_owned(), Some(13140)));
    assert_eq!(shown[1], ("interface endpoints, us-east-2".to_owned(), Some(13140)));
    assert_eq!(endpoints(), 9);
}

#[test]
fn the_lineage_server_is_the_one_of_the_template() {
    let shown = cents(&format!("{PAIR}[lineage]\ndeploy = true\n"), Scale::Standard);
    // (0.5 * 0.04048 + 2 * 0.004445) * 730 = 21.2649; 0.016 * 730 + 20 * 0.115 = 13.98; 0.40 + 0.50 + 0.10 = 1.00.
    for row in [
        ("lineage server", 2126),
        ("lineage database", 1398),
        ("lineage, the rest", 100),
    ] {
        assert!(shown.contains(&(row.0.to_owned(), Some(row.1))), "{shown:?}");
    }
    for line in [
        "Cpu: \"512\"",
        "Memory: \"2048\"",
        "AllocatedStorage: \"20\"",
        "Default: db.t4g.micro",
        "StorageType: gp3",
    ] {
        assert!(template::LINEAGE.contains(line), "{line}");
    }
}

#[test]
fn every_price_has_a_source() {
    let prices = Prices::own();
    assert_eq!(prices.region(), "us-east-1");
    let list = prices.list["prices"].as_object().unwrap();
    for (name, price) in list {
        assert!(
            price["source"]
                .as_str()
                .is_some_and(|url| url.starts_with("https://aws.amazon.com/")),
            "{name}"
        );
        assert!(price["unit"].is_string(), "{name}");
        let second = &price["second_source"];
        assert!(
            second.is_null() || second.as_str().is_some_and(|url| url.starts_with("https://")),
            "{name}: another page, or null, which says that none was found"
        );
    }
}
