use super::*;

fn caught_up(dag: Dag, old_ticks: &[(&str, &str)]) -> Vec<String> {
    let mut list = dags(&[]);
    list.dags.insert("new".into(), dag);
    let ticks: Vec<_> = old_ticks
        .iter()
        .map(|(id, tick)| ((*id).to_owned(), tick.parse().unwrap()))
        .collect();
    catching_up(&list, &ticks, &handed_to_blue(), Color::Blue, now())
        .into_iter()
        .collect()
}

#[test]
fn dags_whose_runs_are_the_standbys_are_named() {
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let next = |text: &str| Dag {
        next_run: at(text),
        ..Dag::default()
    };
    let old = next("2026-11-22T00:00:00Z");
    assert_eq!(caught_up(old, &[]), ["new"]);
    assert_eq!(
        caught_up(next("2026-11-23T11:00:00Z"), &[]),
        Vec::<String>::new(),
        "blue's own"
    );
    for other in [
        Dag { paused: true, ..old },
        Dag { unguarded: true, ..old },
        Dag {
            since: at("2026-11-23T10:30:00Z"),
            ..old
        },
    ] {
        assert_eq!(
            caught_up(other, &[("new", "2026-11-22T00:00:00Z")]).len(),
            usize::from(other.paused),
            "{other:?}"
        );
    }
    // Already created.
    let made = [
        ("new", "2026-11-22T00:00:00Z"),
        ("unlisted", "2026-11-22T00:00:00Z"),
        ("own", "2026-11-23T10:30:00Z"),
    ];
    assert_eq!(caught_up(Dag::default(), &made), ["new", "unlisted"]);
    // A healthy scheduler may be some minutes late.
    let mut list = dags(&[]);
    list.dags.insert("new".into(), next("2026-11-23T09:59:00Z"));
    for (second, named) in [(599, 0), (600, 1)] {
        let later = crate::time::after(
            "2026-11-23T09:59:00Z".parse().unwrap(),
            std::time::Duration::from_secs(second),
        );
        assert_eq!(
            catching_up(&list, &[], &handed_to_blue(), Color::Blue, later).len(),
            named,
            "{second}"
        );
    }
}

#[test]
fn old_ticks_are_looked_for_since_the_last_change_of_color_or_for_a_week() {
    let history = handed_to_blue();
    assert_eq!(
        looks_back_to(&history, now()),
        Some("2026-11-23T10:00:00Z".parse().unwrap())
    );
    assert_eq!(looks_back_to(&history[..1], now()), None);
    let later = "2026-12-23T10:00:00Z".parse().unwrap();
    assert_eq!(
        looks_back_to(&history, later),
        Some("2026-12-16T10:00:00Z".parse().unwrap())
    );
}

#[test]
fn a_dag_that_catches_up_is_a_finding_with_what_to_do() {
    let mut pair = twins();
    pair.catching_up = ["orders".to_owned()].into();
    let found = check(&pair);
    let finding = found
        .findings
        .iter()
        .find(|finding| finding.name == "catch-up")
        .unwrap();
    assert_eq!((finding.severity, finding.color), (Severity::Amber, Some(Color::Blue)));
    assert!(
        finding.what.contains("which are green's: orders") && finding.fix.contains("bluegreen:since="),
        "{finding:?}"
    );
}
