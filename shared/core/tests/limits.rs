//! Exact limits, and the few words that no larger test reads.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod support;

use bluegreen_core::airflow::Run;
use bluegreen_core::alert_dedup::UNKNOWN_ALERT_DELAY;
use bluegreen_core::answered::REPEATED_FOR;
use bluegreen_core::audit::{MAX_HOLD_REPORT_AGE, Unsent, failovers_acknowledged};
use bluegreen_core::drill::RETURN_GRACE;
use bluegreen_core::environment::EnvironmentSettings;
use bluegreen_core::flag::FlagValue;
use bluegreen_core::identity::with_pair;
use bluegreen_core::notification::{PairContext, compose};
use bluegreen_core::parameters::{MAX_VALUE, ParameterNames};
use bluegreen_core::policy::STATUS_STANDS;
use bluegreen_core::readiness::ReadinessState;
use bluegreen_core::request::{self, Request};
use bluegreen_core::response::{Common, LastCheck};
use bluegreen_core::setting::Allowed;
use bluegreen_core::settings::{self, Settings};
use serde_json::{Value, json};
use support::noon;

fn read(event: &Value) -> Result<Request, String> {
    request::read(event, noon()).map_err(|error| error.to_string())
}

#[test]
fn a_request_is_read_with_all_that_it_says() {
    let limit = |event: Value| match read(&event) {
        Ok(Request::History(history)) => Some(history.limit),
        _ => None,
    };
    for number in [1, 7, 100] {
        assert_eq!(limit(json!({"action": "history", "limit": number})), Some(number));
    }
    assert_eq!(limit(json!({"action": "history", "limit": 101})), None);

    let window = |event: Value| match read(&event) {
        Ok(Request::RunReport(report)) => Some(report.window_minutes),
        _ => None,
    };
    for minutes in [1, 30, 1440] {
        assert_eq!(
            window(json!({"action": "run-report", "window_minutes": minutes})),
            Some(minutes)
        );
    }
    assert_eq!(window(json!({"action": "run-report"})), Some(120));
    assert_eq!(window(json!({"action": "run-report", "window_minutes": 1441})), None);

    let Ok(Request::Switch(switch)) = read(&json!({"to": "green", "requested_by": "ana", "reason": "upgrade"})) else {
        panic!("not understood")
    };
    assert_eq!(
        (switch.requested_by.as_deref(), switch.reason.as_deref()),
        (Some("ana"), Some("upgrade"))
    );

    // A hold that would end at once is none.
    let until = |until: &str| read(&json!({"action": "hold", "reason": "x", "until": until}));
    assert!(until("2026-11-23T12:00:00Z").unwrap_err().contains("later than now"));
    assert!(until("2026-11-23T12:00:01Z").is_ok());
    assert!(until("2026-11-30T12:00:00Z").is_ok());
    assert!(until("2026-11-30T12:00:01Z").is_err());
}

#[test]
fn what_a_caller_expects_is_one_of_two_things_or_both_and_nothing_else() {
    let expect = |expected: Value| match read(&json!({"to": "green", "expect": expected})) {
        Ok(Request::Switch(switch)) => {
            let expect = switch.expect.unwrap();
            Ok((
                expect.active.map(|color| color.to_string()),
                expect.version.map(|version| version.0),
            ))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let blue = || Some("blue".to_owned());
    assert_eq!(expect(json!({"active": "blue"})), Ok((blue(), None)));
    assert_eq!(expect(json!({"version": 3})), Ok((None, Some(3))));
    assert_eq!(expect(json!({"active": "blue", "version": 3})), Ok((blue(), Some(3))));
    for wrong in [
        json!({"active": "pink"}),
        json!({"active": "blue", "color": "blue"}),
        json!({"color": "blue"}),
        json!({"active": "blue", "version": 0}),
        json!({"active": null, "version": 3}),
    ] {
        assert!(
            expect(wrong.clone()).unwrap_err().contains("\"expect\""),
            "{wrong} was understood"
        );
    }
}

fn settings_with(name: &str, value: &str) -> Result<Settings, String> {
    let read = settings::read(|asked| match asked {
        _ if asked == name => Some(value.to_owned()),
        "PAIR_NAME" => Some("orders".to_owned()),
        "BLUE_ENVIRONMENT_NAME" => Some("orders-blue".to_owned()),
        "GREEN_ENVIRONMENT_NAME" => Some("orders-green".to_owned()),
        "AUDIT_BUS_NAME" => Some("orders-audit".to_owned()),
        _ => None,
    });
    read.map_err(|faults| faults.to_string())
}

#[test]
fn names_and_regions_are_taken_as_aws_takes_them() {
    let long = |length: usize| "x".repeat(length);
    let alarms = |count: usize| vec!["late"; count].join(",");
    let flag = |length: usize| format!("/orders/{}", "x".repeat(length - "/orders/".len()));
    for (name, value, is_taken) in [
        ("BLUE_ENVIRONMENT_NAME", "orders_blue-2".to_owned(), true),
        ("BLUE_ENVIRONMENT_NAME", "2orders".to_owned(), false),
        ("BLUE_ENVIRONMENT_NAME", "orders blue".to_owned(), false),
        ("BLUE_ENVIRONMENT_NAME", long(80), true),
        ("BLUE_ENVIRONMENT_NAME", long(81), false),
        ("PAIR_NAME", long(64), true),
        ("PAIR_NAME", long(65), false),
        ("BLUE_REGION", "us-east-2".to_owned(), true),
        ("BLUE_REGION", "ohio".to_owned(), false),
        ("BLUE_REGION", "US-EAST-2".to_owned(), false),
        ("BLUE_HEALTH_ALARM_NAMES", alarms(100), true),
        ("BLUE_HEALTH_ALARM_NAMES", alarms(101), false),
        ("FLAG_PARAMETER", flag(900), true),
        ("FLAG_PARAMETER", flag(901), false),
    ] {
        let read = settings_with(name, &value);
        assert_eq!(read.is_ok(), is_taken, "{name} {value}");
        if let Err(told) = read {
            assert!(told.contains(name) && told.contains("allowed"), "{told}");
        }
    }
    assert!(ParameterNames::of_flag(&flag(900)).is_ok());
}

#[test]
fn a_setting_that_is_not_given_is_as_its_documented_default() {
    let mut choices = 0;
    for setting in settings::all() {
        if let Allowed::Words { words, default } = setting.spec.allowed {
            choices += 1;
            assert!(words.contains(&default()), "{}", setting.spec.variable);
            assert_eq!(
                format!("{:?}", settings_with(setting.spec.variable, default())),
                format!("{:?}", settings_with("", "")),
                "{}",
                setting.spec.variable
            );
            for other in words.iter().filter(|word| **word != default()) {
                assert_ne!(
                    format!("{:?}", settings_with(setting.spec.variable, other).unwrap()),
                    format!("{:?}", settings_with("", "").unwrap()),
                    "{} {other}",
                    setting.spec.variable
                );
            }
        }
    }
    assert!(choices >= 4, "{choices}");
    assert!(!settings_with("", "").unwrap().manages_dags());
    assert!(settings_with("DAG_MANAGEMENT", "pause").unwrap().manages_dags());
}

#[test]
fn a_record_takes_the_name_of_its_pair_as_long_as_a_parameter_takes_both() {
    let with = |length: usize| {
        let record = json!({"evidence": "x".repeat(length)}).to_string();
        (with_pair(&record, "orders"), record)
    };
    let room = MAX_VALUE - json!({"evidence": "", "pair": "orders"}).to_string().len();
    let (named, _) = with(room);
    assert_eq!((named.len(), named.contains("orders")), (MAX_VALUE, true));
    let (named, record) = with(room + 1);
    assert_eq!(named, record);
}

#[test]
fn what_was_published_is_marked_and_what_was_not_is_not() {
    let subject = bluegreen_core::audit::Subject {
        pair: "orders",
        flag: "/orders/active-environment",
    };
    let event = failovers_acknowledged(subject, "ana", None, "r-1", noon());
    let read = |text: Option<String>| Unsent::read(&text.unwrap()).unwrap();
    assert!(!read(Unsent::to_stored(&event)).is_sent());
    assert!(read(Unsent::sent(&event)).is_sent());
}

#[test]
fn only_a_run_that_has_begun_and_not_ended_may_have_tasks_at_work() {
    let run = |state: &str| Run {
        dag_id: "orders".to_owned(),
        run_id: "r".to_owned(),
        run_type: "scheduled".to_owned(),
        state: state.to_owned(),
        logical_date: None,
        tick: None,
        started: None,
        conf_instant: None,
    };
    for (state, may_be_at_work) in [
        ("queued", false),
        ("running", true),
        ("success", false),
        ("failed", false),
        // A state of a later Airflow.
        ("deferred", true),
    ] {
        assert_eq!(run(state).has_begun_and_goes_on(), may_be_at_work, "{state}");
    }
}

#[test]
fn an_environment_is_named_with_its_region_and_a_value_that_is_no_color_with_what_is_allowed() {
    let named = |region: Option<&str>| {
        let environment = EnvironmentSettings {
            name: "orders-blue".to_owned(),
            region: region.map(str::to_owned),
            alarms: Vec::new(),
        };
        environment.named()
    };
    assert_eq!(named(None), "orders-blue");
    assert_eq!(named(Some("eu-west-1")), "eu-west-1/orders-blue");
    assert_eq!(
        FlagValue::read("Blue").fault(),
        "the flag holds \"Blue\"; allowed is exactly blue or green"
    );
}

#[test]
fn the_last_check_in_a_status_is_the_one_that_is_remembered() {
    let stored = json!({
        "score": 39, "level": "red", "standby": "green", "at": "2026-11-23T11:00:00Z", "red": ["dags-missing"], "partial": true,
        "pending_notification": {"previous": "green", "since": "2026-11-23T11:00:00Z"},
    });
    let last = LastCheck::from(ReadinessState::read(&stored.to_string()).unwrap());
    assert_eq!(json!(last), stored);
}

const PLACE: PairContext<'static> = PairContext {
    pair: "orders",
    flag: "/orders/active-environment",
    region: Some("eu-west-1"),
    runbooks: None,
};

#[test]
fn a_mail_names_the_first_findings_and_how_many_there_are_besides() {
    const SHOWN: usize = 30;
    let mail = |count: usize| {
        let findings: Vec<Value> = (0..count)
            .map(|number| json!({"name": format!("finding-{number}"), "severity": "red", "what": "w", "fix": "f"}))
            .collect();
        let detail = json!({
            "id": "orders:/orders/active-environment:readiness:1", "level": "red", "previous": "green", "score": 9,
            "reason": "r", "findings": findings,
        });
        compose(PLACE, "Readiness Changed", &detail).body
    };
    assert!(mail(SHOWN).contains(&format!("finding-{} ", SHOWN - 1)) && !mail(SHOWN).contains(" more."));
    assert!(!mail(SHOWN + 1).contains(&format!("finding-{SHOWN} ")));
    assert!(mail(SHOWN + 1).contains("And 1 more."));
    assert!(mail(SHOWN + 7).contains("And 7 more."));
}

#[test]
fn words_of_others_are_one_line_with_single_spaces_and_nothing_invisible() {
    let detail = json!({
        "id": "orders:/orders/active-environment:hold:1", "state": "placed", "until": "2026-11-23T14:00:00Z", "by": "ana",
        "reason": "net\u{200b}work  is\n\tdown \u{2029}today",
    });
    let mail = compose(PLACE, "Hold Changed", &detail);
    assert!(mail.body.contains("net work is down today"), "{}", mail.body);
}

#[test]
fn back_to_what_was_no_color_leads_no_rollback() {
    let mail = |from: &str, to: &str| {
        let detail = json!({
            "id": "orders:/orders/active-environment:v13-1", "version": 13, "kind": "external", "from": from, "to": to,
            "reason": "written outside this product", "who": {"last_modified_user": "ben"}, "finished_by": null,
            "timings": {"written_at": "2026-11-23T10:15:02Z", "effective_from": "2026-11-23T10:15:02Z"},
        });
        compose(PLACE, "Environment Transition", &detail).body
    };
    let goes_back = |text: &str| text.contains("rollback");
    assert!(goes_back(&mail("blue", "green")));
    for (from, to) in [("\"bleu\"", "green"), ("blue", "\"gren\""), ("green", "green")] {
        assert!(!goes_back(&mail(from, to)), "{from} to {to}: {}", mail(from, to));
    }
}

#[test]
fn each_setting_of_the_template_says_its_group_and_its_unit() {
    let parameters: Vec<_> = settings::all().filter_map(|setting| setting.parameter).collect();
    let of = |name: &str| {
        parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .unwrap()
            .group
    };
    for (name, group) in [
        ("FailureWindowSeconds", "failover"),
        ("DrillDurationMinutes", "drills"),
        ("DagManagement", "dags"),
        ("ProbeIntervalSeconds", "watching"),
        ("LogLevel", "records"),
    ] {
        assert_eq!(of(name).as_str(), group, "{name}");
    }
    let unit = |variable: &str| {
        let setting = settings::all().find(|setting| setting.spec.variable == variable);
        match setting.unwrap().spec.allowed {
            Allowed::Number { unit, .. } => unit.as_str(),
            Allowed::Words { .. } => panic!("{variable} is no number"),
        }
    };
    for (variable, expected) in [
        ("FAILURE_WINDOW_SECONDS", "seconds"),
        ("DRAIN_MINUTES", "minutes"),
        ("DRILL_OVERDUE_DAYS", "days"),
        ("FAILOVER_BUDGET_PER_DAY", ""),
    ] {
        assert_eq!(unit(variable), expected, "{variable}");
    }
}

#[test]
fn only_preconditions_that_do_not_pass_object() {
    let answer = json!({
        "outcome": "refused", "reason": "r", "active": "blue", "version": 3, "request_id": "r-1",
        "preconditions": [
            {"name": "hold", "passed": true, "detail": "none"}, {"name": "cooldown", "passed": false, "detail": "wait"},
        ],
    });
    let common: Common = serde_json::from_value(answer).unwrap();
    let names: Vec<String> = common
        .objections()
        .map(|precondition| precondition.name.to_string())
        .collect();
    assert_eq!(names, ["cooldown"]);
}

/// As the documents say them: what uses one of these is tested with the constant itself.
#[test]
fn the_times_are_those_that_the_documents_promise() {
    for (name, time, minutes) in [
        ("a second delivery is recognized", REPEATED_FOR, 24 * 60),
        ("a drill waits for the color to return to", RETURN_GRACE, 15),
        ("an active that nothing confirms is reported", UNKNOWN_ALERT_DELAY, 15),
        ("a change of the hold is reported", MAX_HOLD_REPORT_AGE, 24 * 60),
        ("a status that was read last stands", STATUS_STANDS, 15),
    ] {
        assert_eq!(time.as_secs(), minutes * 60, "{name}");
    }
}

#[test]
fn an_event_that_has_no_text_of_its_own_is_told_in_the_words_of_the_reference() {
    let detail = json!({"id": "orders:/orders/active-environment:acknowledged:r-1", "by": "ana", "reason": null});
    let mail = compose(PLACE, "Failovers Acknowledged", &detail);
    assert!(
        mail.body
            .contains("A person acknowledged the automatic failovers so far."),
        "{}",
        mail.body
    );
}
