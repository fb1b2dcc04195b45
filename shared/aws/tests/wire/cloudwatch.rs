//! CloudWatch: the heartbeat, and alarms.

use crate::*;

#[tokio::test]
async fn the_heartbeat_costs_money_and_is_asked_only_when_airflow_is_not_well() {
    let server = MockServer::start().await;
    on_rest_api(
        &server,
        rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00"))),
    )
    .await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[]))
        .expect(0)
        .mount(&server)
        .await;
    let evidence = evidence(&server, Color::Green).await;
    assert!(matches!(evidence.heartbeat, ProbeResult::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn a_routine_look_asks_nothing_that_is_billed() {
    let server = MockServer::start().await;
    on_environment(&server, get_environment("AVAILABLE")).await;
    on_rest_api(&server, rest_api(&airflow(&json!("unhealthy"), &Value::Null))).await;
    let billed = path_regex("/operation/(GetMetricData|DescribeAlarms)$");
    Mock::given(billed)
        .respond_with(metric_data(&[]))
        .expect(0)
        .mount(&server)
        .await;
    let probe = HealthProbe::new(&clients(&server).await, &settings());
    let evidence = probe
        .within(Color::Blue, ProbeScope::Free, Duration::from_secs(3), now())
        .await;
    assert!(matches!(evidence.alarms, ProbeResult::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn the_newest_datapoint_of_one_or_more_is_the_last_sign_of_life() {
    let minute = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let (newest, older) = (minute("2026-11-23T11:58:00Z"), minute("2026-11-23T11:51:00Z"));
    for (points, seen) in [
        (vec![(newest, 0.0), (older, 12.0)], Some(older)),
        (vec![(newest, 1.0), (older, 12.0)], Some(newest)),
        (vec![(newest, 0.0)], None),
        (vec![], None),
    ] {
        let server = MockServer::start().await;
        on_cloudwatch(&server, "GetMetricData", metric_data(&points)).await;
        let ProbeResult::Known(heartbeat) = evidence(&server, Color::Green).await.heartbeat else {
            panic!("{points:?}")
        };
        assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), seen, "{points:?}");
    }
}

#[tokio::test]
async fn half_an_answer_of_the_heartbeat_may_prove_life_and_never_death() {
    let minute = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let (fresh, old) = (minute("2026-11-23T11:58:00Z"), minute("2026-11-23T11:40:00Z"));
    for status in ["PartialData", "InternalError", "Forbidden", "SomethingNew"] {
        for (points, seen) in [
            (vec![], None),
            (vec![(fresh, 0.0)], None),
            (vec![(old, 12.0)], None),
            (vec![(fresh, 12.0), (old, 12.0)], Some(fresh)),
        ] {
            let server = MockServer::start().await;
            let answer = metric_data_of_status(&points, Some(status));
            on_cloudwatch(&server, "GetMetricData", answer).await;
            match (evidence(&server, Color::Green).await.heartbeat, seen) {
                (ProbeResult::Known(heartbeat), Some(seen)) => {
                    assert_eq!(
                        heartbeat.last_seen.map(Timestamp::as_second),
                        Some(seen),
                        "{status} {points:?}"
                    );
                }
                (ProbeResult::Unknown(cause), None) => {
                    assert_eq!(cause.kind, CauseKind::Unavailable, "{status} {points:?}");
                }
                (other, _) => panic!("{status} {points:?}: {other:?}"),
            }
        }
    }
    // The whole answer, in two parts: the status of the second part is final.
    let server = MockServer::start().await;
    let page = |points: &[(i64, f64)], status: &str, more: bool| {
        let times = points
            .iter()
            .map(|(at, _)| Cbor::Tag(1, Box::new(Cbor::Integer((*at).into()))));
        let values = points.iter().map(|(_, value)| Cbor::Float(*value));
        let result = object(vec![
            ("Id", Cbor::Text("heartbeat".into())),
            ("StatusCode", Cbor::Text(status.into())),
            ("Timestamps", Cbor::Array(times.collect())),
            ("Values", Cbor::Array(values.collect())),
        ]);
        let mut fields = vec![("MetricDataResults", Cbor::Array(vec![result]))];
        fields.extend(more.then(|| ("NextToken", Cbor::Text("more".into()))));
        cbor(200, &object(fields))
    };
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(page(&[(old, 12.0)], "PartialData", true))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(page(&[(old - 60, 12.0)], "Complete", false))
        .mount(&server)
        .await;
    let ProbeResult::Known(heartbeat) = evidence(&server, Color::Green).await.heartbeat else {
        panic!("both parts together are whole")
    };
    assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), Some(old));
    // An answer without the metric is no silence either.
    let server = MockServer::start().await;
    on_cloudwatch(&server, "GetMetricData", cbor(200, &object(vec![]))).await;
    assert!(matches!(
        evidence(&server, Color::Green).await.heartbeat,
        ProbeResult::Unknown(_)
    ));
}

#[tokio::test]
async fn silence_of_hours_asks_for_the_days_before() {
    let server = MockServer::start().await;
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[]))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let days_ago = "2026-11-19T11:40:00Z".parse::<Timestamp>().unwrap().as_second();
    Mock::given(path_regex("/operation/GetMetricData$"))
        .respond_with(metric_data(&[(days_ago, 3.0)]))
        .expect(1)
        .mount(&server)
        .await;
    let ProbeResult::Known(heartbeat) = evidence(&server, Color::Green).await.heartbeat else {
        panic!("no answer")
    };
    assert_eq!(heartbeat.last_seen.map(Timestamp::as_second), Some(days_ago));
}

#[tokio::test]
async fn an_alarms_date_is_that_of_its_transition_not_of_its_last_update() {
    for kind in ["MetricAlarms", "CompositeAlarms"] {
        let server = MockServer::start().await;
        let instant = |second: i64| Cbor::Tag(1, Box::new(Cbor::Integer(second.into())));
        let alarm = object(vec![
            ("AlarmName", Cbor::Text("orders-late".into())),
            ("StateValue", Cbor::Text("ALARM".into())),
            ("StateUpdatedTimestamp", instant(1_795_430_500)),
            ("StateTransitionedTimestamp", instant(1_795_430_000)),
        ]);
        let answer = cbor(200, &object(vec![(kind, Cbor::Array(vec![alarm]))]));
        on_cloudwatch(&server, "DescribeAlarms", answer).await;
        let ProbeResult::Known(alarms) = evidence(&server, Color::Blue).await.alarms else {
            panic!("no answer")
        };
        assert_eq!(alarms[0].since.map(Timestamp::as_second), Some(1_795_430_000), "{kind}");
    }
}

#[tokio::test]
async fn alarms_are_read_to_the_last_page_and_one_that_rings_is_kept() {
    let alarm = |name: &str, state: &str| {
        object(vec![
            ("AlarmName", Cbor::Text(name.into())),
            ("StateValue", Cbor::Text(state.into())),
        ])
    };
    let page = |alarms: Vec<Cbor>, more: bool| {
        let mut fields = vec![("MetricAlarms", Cbor::Array(alarms))];
        fields.extend(more.then(|| ("NextToken", Cbor::Text("more".into()))));
        cbor(200, &object(fields))
    };
    let failed = || cbor(400, &object(vec![("__type", Cbor::Text("Throttling".into()))]));
    for (first, second, states) in [
        (
            alarm("orders-late", "OK"),
            page(vec![alarm("orders-wrong", "ALARM")], false),
            Some((Some(AlarmState::Ok), Some(AlarmState::Alarm))),
        ),
        (
            alarm("orders-late", "ALARM"),
            failed(),
            Some((Some(AlarmState::Alarm), Some(AlarmState::InsufficientData))),
        ),
        (alarm("orders-late", "OK"), failed(), None),
    ] {
        let server = MockServer::start().await;
        Mock::given(path_regex("/operation/DescribeAlarms$"))
            .respond_with(page(vec![first], true))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        on_cloudwatch(&server, "DescribeAlarms", second).await;
        match evidence(&server, Color::Blue).await.alarms {
            ProbeResult::Known(alarms) => assert_eq!(Some((alarms[0].state, alarms[1].state)), states),
            ProbeResult::Unknown(cause) => assert!(states.is_none(), "{cause}"),
        }
    }
}

/// Each answer counts as it arrives: a question that hangs affects no other.
#[tokio::test]
async fn what_does_not_answer_hides_nothing_that_is_known() {
    let late = || Duration::from_millis(2500);
    let healthy = rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00")));
    let in_alarm = cbor(
        200,
        &object(vec![(
            "MetricAlarms",
            Cbor::Array(vec![object(vec![
                ("AlarmName", Cbor::Text("orders-late".into())),
                ("StateValue", Cbor::Text("ALARM".into())),
            ])]),
        )]),
    );
    let beat = metric_data(&[("2026-11-23T11:58:00Z".parse::<Timestamp>().unwrap().as_second(), 12.0)]);
    for hangs in ["environment", "airflow", "heartbeat", "alarms"] {
        let server = MockServer::start().await;
        let answer = |of: &str, answer: ResponseTemplate| {
            if of == hangs { answer.set_delay(late()) } else { answer }
        };
        on_environment(&server, answer("environment", get_environment("UNAVAILABLE"))).await;
        if hangs == "airflow" {
            on_rest_api(&server, answer("airflow", healthy.clone())).await;
        } else {
            on_rest_api(&server, error(500, "InternalServerException")).await;
        }
        on_cloudwatch(&server, "GetMetricData", answer("heartbeat", beat.clone())).await;
        on_cloudwatch(&server, "DescribeAlarms", answer("alarms", in_alarm.clone())).await;
        let patient = local::aws(&server).load().await;
        let probe = HealthProbe::new(&Clients::over(&patient, &settings()), &settings());
        let evidence = probe
            .within(Color::Blue, ProbeScope::Full, Duration::from_secs(1), now())
            .await;
        let known = [
            (
                "environment",
                matches!(evidence.environment, EnvironmentAnswer::Found(_)),
            ),
            ("heartbeat", matches!(evidence.heartbeat, ProbeResult::Known(_))),
            ("alarms", matches!(evidence.alarms, ProbeResult::Known(_))),
        ];
        for (name, known) in known {
            assert_eq!(known, name != hangs, "{hangs} hangs: {name} in {evidence:?}");
        }
        assert!(
            matches!(evidence.airflow, ProbeResult::Unknown(_)),
            "{hangs} hangs: {evidence:?}"
        );
    }
}

/// Airflow is only slow, and its metric only late: the two do not disagree.
#[tokio::test]
async fn a_metric_that_was_asked_for_out_of_impatience_is_not_held_against_a_healthy_airflow() {
    let server = MockServer::start().await;
    let healthy = rest_api(&airflow(&json!("healthy"), &json!("2026-11-23T11:59:57+00:00")));
    on_rest_api(&server, healthy.set_delay(Duration::from_millis(900))).await;
    let old = "2026-11-23T11:40:00Z".parse::<Timestamp>().unwrap().as_second();
    on_cloudwatch(&server, "GetMetricData", metric_data(&[(old, 12.0)])).await;
    let patient = local::aws(&server).load().await;
    let probe = HealthProbe::new(&Clients::over(&patient, &settings()), &settings());
    let evidence = probe
        .within(Color::Green, ProbeScope::Full, Duration::from_secs(2), now())
        .await;
    assert!(matches!(evidence.airflow, ProbeResult::Known(_)), "{evidence:?}");
    assert!(matches!(evidence.heartbeat, ProbeResult::Unknown(cause) if cause.kind == CauseKind::NotAsked));
}

#[tokio::test]
async fn trouble_with_cloudwatch_is_unknown() {
    let failed = |status, code: &str| cbor(status, &object(vec![("__type", Cbor::Text(code.into()))]));
    for (name, answer, kind) in [
        ("throttled", failed(400, "Throttling"), CauseKind::Throttled),
        (
            "server error",
            failed(500, "InternalServiceFault"),
            CauseKind::Unavailable,
        ),
        ("access denied", failed(403, "AccessDenied"), CauseKind::AccessDenied),
        (
            "malformed",
            ResponseTemplate::new(200)
                .insert_header("smithy-protocol", "rpc-v2-cbor")
                .set_body_raw(vec![0xff, 0x01], "application/cbor"),
            CauseKind::Unparsable,
        ),
        ("silent", metric_data(&[]).set_delay(TIMEOUT), CauseKind::TimedOut),
    ] {
        let server = MockServer::start().await;
        on_cloudwatch(&server, "GetMetricData", answer.clone()).await;
        on_cloudwatch(&server, "DescribeAlarms", answer).await;
        let evidence = evidence(&server, Color::Blue).await;
        let (ProbeResult::Unknown(heartbeat), ProbeResult::Unknown(alarms)) = (evidence.heartbeat, evidence.alarms)
        else {
            panic!("{name}: taken for an answer")
        };
        assert_eq!(
            (heartbeat.kind, alarms.kind),
            (kind, kind),
            "{name}: {heartbeat}; {alarms}"
        );
    }
}

#[tokio::test]
async fn a_named_alarm_that_does_not_exist_is_told_apart() {
    let server = MockServer::start().await;
    let alarm = object(vec![
        ("AlarmName", Cbor::Text("orders-late".into())),
        ("StateValue", Cbor::Text("ALARM".into())),
        (
            "StateTransitionedTimestamp",
            Cbor::Tag(1, Box::new(Cbor::Integer(1_795_430_000_i64.into()))),
        ),
    ]);
    let answer = cbor(200, &object(vec![("MetricAlarms", Cbor::Array(vec![alarm]))]));
    on_cloudwatch(&server, "DescribeAlarms", answer).await;
    let ProbeResult::Known(alarms) = evidence(&server, Color::Blue).await.alarms else {
        panic!("no answer")
    };
    let states: BTreeMap<_, _> = alarms
        .iter()
        .map(|alarm| (alarm.name.as_str(), alarm.state.is_some()))
        .collect();
    assert_eq!(states, BTreeMap::from([("orders-late", true), ("orders-wrong", false)]));
    assert_eq!(alarms[0].since.map(Timestamp::as_second), Some(1_795_430_000));
}

#[tokio::test]
async fn one_request_asks_for_the_alarms_of_both_colors() {
    let server = MockServer::start().await;
    let alarm = |name: &str, state: &str| {
        object(vec![
            ("AlarmName", Cbor::Text(name.into())),
            ("StateValue", Cbor::Text(state.into())),
        ])
    };
    let found = vec![alarm("late", "ALARM"), alarm("wrong", "OK"), alarm("of-both", "OK")];
    let answer = cbor(200, &object(vec![("MetricAlarms", Cbor::Array(found))]));
    Mock::given(path_regex("/operation/DescribeAlarms$"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let settings = local::settings(&[
        ("BLUE_HEALTH_ALARM_NAMES", "late,of-both"),
        ("GREEN_HEALTH_ALARM_NAMES", "of-both,wrong,missing"),
    ]);
    let probe = HealthProbe::new(&Clients::over(&aws(&server).await, &settings), &settings);
    let evidence = probe.both(ProbeScope::Full, Duration::from_secs(3), now()).await;
    let of = |color: Color| {
        let ProbeResult::Known(alarms) = &evidence.of(color).alarms else {
            panic!("{color}: no answer")
        };
        let states = alarms.iter().map(|alarm| (alarm.name.as_str(), alarm.state));
        states.collect::<Vec<_>>()
    };
    assert_eq!(
        of(Color::Blue),
        [("late", Some(AlarmState::Alarm)), ("of-both", Some(AlarmState::Ok))]
    );
    assert_eq!(
        of(Color::Green),
        [
            ("of-both", Some(AlarmState::Ok)),
            ("wrong", Some(AlarmState::Ok)),
            ("missing", None)
        ]
    );
}
