use super::*;
use proptest::prelude::*;

#[test]
fn a_name_that_is_too_long_is_refused_with_the_limit_it_breaks() {
    let refusal = check_pair(&"a".repeat(43)).unwrap_err();
    assert_eq!(
        refusal.advice,
        format!(
            "the event archive would be \"{}-audit\", 49 characters, and AWS takes 48: shorten the name",
            "a".repeat(43)
        )
    );
    assert_eq!(
        check_pair(&"a".repeat(33)).unwrap_err().advice,
        "it has 33 characters: shorten it"
    );
    assert_eq!(check_pair(&"a".repeat(32)), Ok(()));
}

#[test]
fn names_of_another_form_are_refused() {
    for name in [
        "",
        "ab",
        "Orders",
        "1orders",
        "orders-",
        "-orders",
        "or_ders",
        "or ders",
        "\u{f6}rders",
    ] {
        assert!(check_pair(name).is_err(), "{name:?}");
    }
    for name in ["abc", "orders", "orders-2", "o--o"] {
        assert_eq!(check_pair(name), Ok(()), "{name:?}");
    }
}

#[test]
fn stacks_have_the_names_that_the_documents_promise() {
    let color = Some(Color::Green);
    assert_eq!(stack("orders", Layer::Network, None), "orders-network");
    assert_eq!(stack("orders", Layer::Base, color), "orders-green-base");
    assert_eq!(stack("orders", Layer::Environment, color), "orders-green-environment");
    assert_eq!(stack("orders", Layer::Lineage, None), "orders-lineage");
    assert_eq!(stack("orders", Layer::Controller, None), "orders");
    assert_eq!(environment("orders", Color::Blue), "orders-blue");
    assert_eq!(parameter_root("orders"), "/mwaa/orders");
    assert_eq!(parameter_root("mwaa-blue-green"), "/mwaa/blue-green");
}

#[test]
fn a_root_follows_the_template() {
    for root in ["/mwaa/orders", "/a", "/a/b.c/d_e/F-1"] {
        assert!(is_parameter_root(root), "{root}");
    }
    for root in [
        "",
        "mwaa",
        "/",
        "/mwaa/",
        "/aws/x",
        "/SSM-x",
        "//a",
        "/a b",
        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14",
    ] {
        assert!(!is_parameter_root(root), "{root}");
    }
}

#[test]
fn a_lineage_endpoint_follows_the_template() {
    let long = |length: usize| format!("https://{}", "h".repeat(length.saturating_sub(8)));
    for url in [
        "http://marquez.orders-lineage.internal:5000",
        "https://lineage.example.com",
        "https://lineage.example.com/",
        "https://lineage.example.com:8443/teams/data_1/",
        &long(150),
    ] {
        assert!(is_lineage_url(url), "{url}");
    }
    for url in [
        "",
        "https://",
        "ftp://x",
        "lineage.example.com",
        "https://-x",
        "https://x:",
        "https://x:123456",
        "https://x:port",
        "https://x/lineage",
        "https://x/api/v1/lineage",
        "https://x//",
        "https://x/a//b/",
        "https://user:password@x",
        "https://x/?a=1",
        "https://x\"y",
        "https://x/a b/",
        "HTTPS://x",
        &long(151),
    ] {
        assert!(!is_lineage_url(url), "{url}");
    }
}

proptest! {
    #[test]
    fn whatever_is_derived_from_an_allowed_name_is_within_its_limit(name in "[a-z][a-z0-9-]{1,38}[a-z0-9]") {
        if check_pair(&name).is_ok() {
            for derived in derived(&name) {
                prop_assert!(derived.name.len() <= derived.limit, "{derived:?}");
            }
            for color in Color::BOTH {
                prop_assert!(is_environment(&environment(&name, color)));
            }
            prop_assert!(is_parameter_root(&parameter_root(&name)));
        } else {
            prop_assert!(name.len() > 32);
        }
    }
}
