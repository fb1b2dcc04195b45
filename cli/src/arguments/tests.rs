//! Which arguments are accepted, and which are refused.

use super::*;
use crate::connection::{ENDPOINT_ALLOWED, Output, is_endpoint};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    read(
        std::iter::once("mwaa-bluegreen")
            .chain(line.split_whitespace())
            .map(Into::into)
            .collect(),
    )
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn the_old_scripts_habit_is_a_switch() {
    for line in [
        "--to green --region us-east-2",
        "--region us-east-2 --to=green",
        "switch --to green --region us-east-2",
        "--region us-east-2 switch --to green",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.connection.region.as_deref(), Some("us-east-2"), "{line}");
        let Command::Switch(switch) = cli.command else {
            panic!("{line}")
        };
        assert_eq!((switch.to, switch.consent.yes), (Color::Green, false), "{line}");
    }
}

#[test]
fn options_that_do_not_belong_to_a_command_are_refused() {
    for line in [
        "status --force",
        "hold --to green --minutes 5 --reason x",
        "switch",
        "switch --to Green",
        "--to purple",
        "history --limit 0",
        "run-report --window-minutes 0",
        "run-report --window-minutes 1441",
        "run-report --yes",
        "hold --minutes 5",
        "hold --minutes 5 --until 2026-11-23T14:00:00Z --reason x",
        "replay log --failover-budget 0",
        "replay log --failover-budget 25",
        "--output yaml status",
        "chart --last 2h --from 2026-11-23T14:00:00Z",
        "nonsense",
        "",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_number_that_is_none_or_out_of_range_is_told_with_what_is_allowed() {
    for (line, allowed) in [
        ("status --timeout", "a whole number from 1 to 900"),
        ("switch --to green --expect-version", "a whole number, at least 1"),
        ("switch --to green --within", "a whole number from 0 to 86400"),
        ("history --limit", "a whole number from 1 to 100"),
        ("run-report --window-minutes", "a whole number from 1 to 1440"),
        ("drill --duration-minutes", "a whole number from 1 to 1440"),
        ("hold --reason x --minutes", "a whole number from 1 to 10080"),
        ("watch --interval", "a whole number from 1 to 3600"),
        ("replay log --failure-window", "a whole number from 10 to 3600"),
        ("replay log --maintenance-grace", "a whole number from 60 to 86400"),
        ("replay log --cooldown", "a whole number from 0 to 86400"),
        ("replay log --failover-budget", "a whole number from 1 to 24"),
        ("chart --period", "a whole number from 1 to 86400"),
    ] {
        for given in ["abc", "-5", "1.5", "99999999999999999999"] {
            let told = parse(&format!("{line} {given}")).unwrap_err().to_string();
            assert!(told.contains(&format!("invalid value '{given}'")), "{told}");
            assert!(told.contains(&format!("allowed is {allowed}\n")), "{told}");
        }
    }
    assert!(parse("hold --reason x --minutes 10080").is_ok());
    assert!(parse("hold --reason x --minutes 10081").is_err());
    assert!(parse("switch --to green --expect-version 18446744073709551615").is_ok());
}

#[test]
fn a_hold_without_an_end_names_both_ways_to_give_one() {
    let told = parse("hold --reason x").unwrap_err().to_string();
    assert!(told.contains("--minutes <MINUTES>|--until <INSTANT>"), "{told}");
    assert!(parse("hold --reason x --until 2026-11-23T14:00:00Z").is_ok());
}

#[test]
fn an_endpoint_is_a_url_with_a_host() {
    for url in [
        "http://localhost:4566",
        "https://vpce-1.lambda.us-east-2.vpce.amazonaws.com",
        "HTTP://127.0.0.1:9/path?x=1",
        "http://[::1]:4566",
        "http://[::1]",
    ] {
        let line = format!("status --endpoint-url {url}");
        assert_eq!(parse(&line).unwrap().connection.endpoint_url.as_deref(), Some(url));
    }
    for given in [
        "foo",
        "localhost:4566",
        "ftp://localhost",
        "http://",
        "http:///path",
        "http://:80",
        "http://localhost:99999",
        "http://localhost:",
        "http://a[b",
        "https:/localhost",
    ] {
        let told = parse(&format!("status --endpoint-url {given}"))
            .unwrap_err()
            .to_string();
        assert!(told.contains(&format!("'{given}'")), "{told}");
        assert!(told.contains(ENDPOINT_ALLOWED), "{told}");
    }
    assert!(!is_endpoint("http://local host") && !is_endpoint("http://localhost/a b"));
}

#[test]
fn a_failover_may_leave_its_color_out_but_not_with_force() {
    for (line, to, force) in [
        ("failover", None, false),
        ("failover --to green --yes", Some(Color::Green), false),
        ("--pair orders failover --to blue --force", Some(Color::Blue), true),
    ] {
        let Command::Failover(failover) = parse(line).unwrap().command else {
            panic!("{line}")
        };
        assert_eq!((failover.to, failover.force), (to, force), "{line}");
    }
    let told = parse("failover --force").unwrap_err().to_string();
    assert!(told.contains("--to <COLOR>"), "{told}");
    for line in [
        "failover --to purple",
        "failover green",
        "failover --minutes 5",
        "--to green failover",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn output_is_text_json_or_a_picture() {
    for (line, wanted) in [
        ("status", Output::Text),
        ("status --output json", Output::Json),
        ("--output json status", Output::Json),
        ("chart --output timeline.svg", Output::Picture("timeline.svg".into())),
    ] {
        assert_eq!(parse(line).unwrap().connection.output, wanted, "{line}");
    }
}
