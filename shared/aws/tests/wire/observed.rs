//! Parameter Store: the result of one observation, the owner of the root, the watcher's memory.

use crate::*;

#[tokio::test]
async fn one_call_observes_flag_hold_and_memories() {
    let server = MockServer::start().await;
    let answer = json!({"Parameters": [
        {"Name": "/mwaa/blue-green/active-environment", "Value": "Blue ", "Version": 7, "LastModifiedDate": 1_795_430_000.123},
        {"Name": "/mwaa/blue-green/hold", "Value": "{}", "Version": 2, "LastModifiedDate": 1_795_430_000.0},
        {"Name": "/mwaa/blue-green/audited", "Value": "v6-1795419999000", "Version": 6, "LastModifiedDate": 1_795_420_000.0},
        {"Name": "/mwaa/blue-green/memory", "Value": r#"{"drill_overdue":"2026-11-01T00:00:00Z","readiness":7}"#, "Version": 3},
    ], "InvalidParameters": ["/mwaa/blue-green/drill"]});
    on_ssm(
        &server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(answer),
    )
    .await;
    let observed = store(&server).await.observe().await.unwrap();
    let flag = observed.flag.unwrap();
    assert_eq!(
        (flag.value, flag.version),
        (FlagValue::Invalid("Blue ".into()), FlagVersion(7))
    );
    assert_eq!(flag.modified.as_millisecond(), 1_795_430_000_123);
    assert_eq!(
        (
            observed.hold.as_deref(),
            observed.stored_hold.map(|stored| (stored.value, stored.change))
        ),
        (Some("{}"), Some(("{}".to_owned(), "v2-1795430000000".to_owned())))
    );
    assert_eq!(observed.audited.unwrap().version, FlagVersion(6));
    assert_eq!((observed.announced, observed.run_report), (None, None));
    assert_eq!(observed.readiness.as_deref(), Some("7"));
    assert_eq!(observed.drill_overdue.unwrap().to_string(), "2026-11-01T00:00:00Z");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    let asked: Value = requests[0].body_json().unwrap();
    let names = [
        "active-environment",
        "hold",
        "audited",
        "memory",
        "drill",
        "managed-dags",
        "owner",
    ];
    // GetParameters accepts ten names, and the names of two more parameters are reserved for later.
    assert!(names.len() <= 7);
    assert_eq!(
        asked["Names"],
        json!(names.map(|name| format!("/mwaa/blue-green/{name}")))
    );
}

#[tokio::test]
async fn a_request_asks_for_one_name_more_and_in_one_call_too() {
    let server = MockServer::start().await;
    let answered = json!({"Name": "/mwaa/blue-green/answered", "Value": "[1]", "Version": 1});
    let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [answered]}));
    on_ssm(&server, "GetParameters", answer).await;
    let observed = store(&server).await.observe_for_request().await.unwrap();
    assert_eq!(observed.answered.as_deref(), Some("[1]"));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    let asked: Value = requests[0].body_json().unwrap();
    assert_eq!(asked["Names"].as_array().unwrap().len(), 8);
    assert_eq!(asked["Names"][7], "/mwaa/blue-green/answered");
}

#[tokio::test]
async fn an_acknowledgement_is_dated_by_parameter_store_whatever_it_says() {
    let of = async |parameters: Value| {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": parameters}));
        on_ssm(&server, "GetParameters", answer).await;
        let found = store(&server).await.acknowledgement().await.unwrap();
        found.map(|found| (found.at.as_millisecond(), found.request_id, found.requested_at))
    };
    let stored = |value: &str| {
        json!([{"Name": "/mwaa/blue-green/acknowledged", "Value": value, "Version": 3,
            "LastModifiedDate": 1_795_430_000.123}])
    };
    let at = 1_795_430_000_123;
    assert_eq!(of(json!([])).await, None);
    assert_eq!(
        of(stored(r#"{"by":"ana","reason":"seen","request_id":"r-1"}"#)).await,
        Some((at, Some("r-1".to_owned()), None)),
        "by an earlier version of this product"
    );
    let dated = r#"{"by":"ana","reason":"seen","request_id":"r-1","requested_at":"2026-11-23T10:00:00Z"}"#;
    let began = "2026-11-23T10:00:00Z".parse().ok();
    assert_eq!(of(stored(dated)).await, Some((at, Some("r-1".to_owned()), began)));
    for manual in ["yes", "{}", "[]", r#"{"request_id":7,"requested_at":"yesterday"}"#] {
        assert_eq!(of(stored(manual)).await, Some((at, None, None)), "{manual}");
    }
    let server = MockServer::start().await;
    on_ssm(&server, "GetParameters", error(400, "ThrottlingException")).await;
    let failure = store(&server).await.acknowledgement().await.unwrap_err();
    assert_eq!(failure.cause.kind, CauseKind::Throttled, "{}", failure.cause);
}

#[tokio::test]
async fn a_flag_that_is_encrypted_cannot_be_read_and_is_no_garbage() {
    let server = MockServer::start().await;
    let answer = json!({"Parameters": [{
        "Name": "/mwaa/blue-green/active-environment", "Type": "SecureString", "Value": "AQICAHh", "Version": 1,
        "LastModifiedDate": 1_795_430_000.0,
    }]});
    for operation in ["GetParameters", "GetParameterHistory"] {
        on_ssm(
            &server,
            operation,
            ResponseTemplate::new(200).set_body_json(answer.clone()),
        )
        .await;
    }
    let store = store(&server).await;
    let failures = [
        store.observe().await.map(drop).unwrap_err(),
        store.history().await.map(drop).unwrap_err(),
    ];
    for failure in failures {
        let told = failure.cause.to_string();
        assert!(
            told.contains("/mwaa/blue-green/active-environment is a SecureString") && !told.contains("AQICAHh"),
            "{told}"
        );
        // A pair with a past is refused without force.
        assert!(
            told.contains(r#"delete it, wait 30 s, then name the color that was active: {"action":"initialize","to":"<color>","force":true}"#),
            "{told}"
        );
    }
}

/// What `remember` puts, with the memory as it was found at first, and then as it was right before the write.
async fn remembered(found: &Value, before_writing: ResponseTemplate, fields: &[(Field, Option<Value>)]) -> Vec<Value> {
    let server = MockServer::start().await;
    let first = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [found]}));
    let get = header("x-amz-target", "AmazonSSM.GetParameters");
    Mock::given(get)
        .respond_with(first)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on_ssm(&server, "GetParameters", before_writing).await;
    on_ssm(
        &server,
        "PutParameter",
        ResponseTemplate::new(200).set_body_json(json!({"Version": 9})),
    )
    .await;
    let store = store(&server).await;
    let observed = store.observe().await.unwrap();
    // Concurrently, as the parts of a tick do it.
    let puts = fields
        .iter()
        .map(|(field, value)| store.remember(&observed.memory, *field, value.clone()));
    for put in futures_util::future::join_all(puts).await {
        put.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let puts = requests.iter().filter_map(|request| {
        let body: Value = request.body_json().unwrap();
        (body["Name"] == "/mwaa/blue-green/memory")
            .then(|| serde_json::from_str(body["Value"].as_str().unwrap()).unwrap())
    });
    puts.collect()
}

fn stored_memory(version: i64, value: &Value) -> Value {
    json!({"Name": "/mwaa/blue-green/memory", "Value": value.to_string(), "Version": version})
}

#[tokio::test]
async fn a_tick_takes_back_nothing_that_another_has_remembered_meanwhile() {
    let found = stored_memory(
        4,
        &json!({"announced": {"said": true}, "readiness": {"score": 40}, "of_tomorrow": 1}),
    );
    let newer = stored_memory(
        5,
        &json!({"announced": {"said": false}, "readiness": {"score": 40}, "of_tomorrow": 2}),
    );
    let newer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [newer]}));
    let fields = [
        (Field::Readiness, Some(json!({"score": 100}))),
        (Field::RunReport, Some(json!("v2"))),
    ];
    assert_eq!(
        remembered(&found, newer, &fields).await.last().unwrap(),
        &json!({"announced": {"said": false}, "readiness": {"score": 100}, "of_tomorrow": 2, "run_report": "v2"})
    );
}

#[tokio::test]
async fn a_reading_that_is_older_than_what_was_seen_or_none_costs_no_field() {
    let found = stored_memory(4, &json!({"announced": {"said": true}, "of_tomorrow": 1}));
    let stale = stored_memory(3, &json!({"announced": {"said": false}}));
    for (name, before_writing) in [
        (
            "stale",
            ResponseTemplate::new(200).set_body_json(json!({"Parameters": [stale]})),
        ),
        (
            "not there yet",
            ResponseTemplate::new(200).set_body_json(json!({"Parameters": []})),
        ),
        ("throttled", error(400, "ThrottlingException")),
        ("denied", error(400, "AccessDeniedException")),
    ] {
        // The second sees the first one's addition only because both are of one tick.
        let fields = [(Field::RunReport, Some(json!("v2"))), (Field::Announced, None)];
        let puts = remembered(&found, before_writing, &fields).await;
        assert_eq!(
            puts.last().unwrap(),
            &json!({"run_report": "v2", "of_tomorrow": 1}),
            "{name}"
        );
        assert_eq!(puts.len(), 1, "{name}: both are written at once");
    }
}

#[tokio::test]
async fn what_the_parts_of_a_tick_remember_beside_each_other_is_one_put() {
    let found = stored_memory(4, &json!({"announced": {"said": true}, "run_report": "v1"}));
    let again = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [&found]}));
    let fields = [
        (Field::Past, Some(json!({"blue": 1}))),
        (Field::Announced, None),
        (Field::Doubt, Some(json!({"said": false}))),
        (Field::DrillOverdue, Some(json!("2026-11-01"))),
    ];
    assert_eq!(
        remembered(&found, again, &fields).await,
        [json!({"past": {"blue": 1}, "doubt": {"said": false}, "drill_overdue": "2026-11-01", "run_report": "v1"})]
    );
}

#[tokio::test]
async fn what_is_stored_already_is_not_written() {
    let found = stored_memory(4, &json!({"announced": {"said": true}, "run_report": "v1"}));
    let fields = [
        (Field::Announced, Some(json!({"said": true}))),
        (Field::RunReport, Some(json!("v1"))),
        (Field::Doubt, None),
    ];
    let again = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [&found]}));
    assert_eq!(remembered(&found, again, &fields).await, Vec::<Value>::new());
    // Only what was read just now is known to be stored.
    let puts = remembered(&found, error(400, "ThrottlingException"), &fields).await;
    assert_eq!(puts, [json!({"announced": {"said": true}, "run_report": "v1"})]);
}

/// What was stored once, and replaced by another tick since, is not put back with the next part.
#[tokio::test]
async fn a_later_part_of_a_tick_takes_back_nothing_either() {
    let server = MockServer::start().await;
    let found = stored_memory(4, &json!({}));
    let replaced = stored_memory(6, &json!({"announced": {"said": true, "of": "another"}}));
    let get = header("x-amz-target", "AmazonSSM.GetParameters");
    let first = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [found]}));
    Mock::given(get)
        .respond_with(first)
        .up_to_n_times(2)
        .mount(&server)
        .await;
    let later = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [replaced]}));
    on_ssm(&server, "GetParameters", later).await;
    let done = ResponseTemplate::new(200).set_body_json(json!({"Version": 5}));
    on_ssm(&server, "PutParameter", done).await;
    let store = store(&server).await;
    let memory = store.observe().await.unwrap().memory;
    let mine = Some(json!({"said": false}));
    store.remember(&memory, Field::Announced, mine).await.unwrap();
    let report = Some(json!("v2"));
    store.remember(&memory, Field::RunReport, report).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let last: Value = requests.last().unwrap().body_json().unwrap();
    assert_eq!(
        last["Value"],
        r#"{"announced":{"of":"another","said":true},"run_report":"v2"}"#
    );
}

/// What a tick has written itself is newer than a reading that does not show it.
#[tokio::test]
async fn a_reading_that_does_not_show_what_this_tick_wrote_is_not_believed() {
    let server = MockServer::start().await;
    let found = stored_memory(4, &json!({"run_report": "v1"}));
    let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [found]}));
    on_ssm(&server, "GetParameters", answer).await;
    let done = ResponseTemplate::new(200).set_body_json(json!({"Version": 5}));
    on_ssm(&server, "PutParameter", done).await;
    let store = store(&server).await;
    let memory = store.observe().await.unwrap().memory;
    for value in [Some(json!({"said": false})), None] {
        store.remember(&memory, Field::Announced, value).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let puts = requests.iter().filter_map(|request| {
        let body: Value = request.body_json().unwrap();
        Some(body["Value"].as_str()?.to_owned())
    });
    assert_eq!(
        puts.collect::<Vec<_>>(),
        [
            r#"{"announced":{"said":false},"run_report":"v1"}"#,
            r#"{"run_report":"v1"}"#
        ],
        "the second reading would say that nothing is announced"
    );
}

#[tokio::test]
async fn a_part_whose_value_could_not_be_written_hears_of_it_and_the_next_writes_both() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": []}));
    on_ssm(&server, "GetParameters", answer).await;
    Mock::given(header("x-amz-target", "AmazonSSM.PutParameter"))
        .respond_with(error(400, "AccessDeniedException"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let done = ResponseTemplate::new(200).set_body_json(json!({"Version": 1}));
    on_ssm(&server, "PutParameter", done).await;
    let store = store(&server).await;
    let memory = store.observe().await.unwrap().memory;
    let (first, second) = tokio::join!(
        store.remember(&memory, Field::RunReport, Some(json!("v2"))),
        store.remember(&memory, Field::Doubt, Some(json!(1))),
    );
    // Either may be the first to write.
    let failed: Vec<_> = [first, second]
        .into_iter()
        .filter_map(|written| Some(written.err()?.cause.kind))
        .collect();
    assert_eq!(failed, [CauseKind::AccessDenied]);
    let requests = server.received_requests().await.unwrap();
    let last: Value = requests.last().unwrap().body_json().unwrap();
    assert_eq!(last["Value"], r#"{"doubt":1,"run_report":"v2"}"#);
}

/// A store of the pair `orders` that has observed a root with this `owner`.
async fn on_a_root_of(server: &MockServer, owner: Option<&str>) -> ParameterStore {
    let owner = owner.map(|owner| json!({"Name": "/mwaa/blue-green/owner", "Value": owner, "Version": 1}));
    let answer = json!({"Parameters": owner.into_iter().collect::<Vec<_>>()});
    on_ssm(
        server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(answer),
    )
    .await;
    for operation in ["PutParameter", "DeleteParameter"] {
        let done = ResponseTemplate::new(200).set_body_json(json!({"Version": 2}));
        on_ssm(server, operation, done).await;
    }
    let store = store(server).await.of_pair("orders");
    store.observe().await.unwrap();
    store
}

/// Every kind of write, and its result.
async fn every_write(store: &ParameterStore) -> Vec<Result<(), CauseKind>> {
    let of = |reply: Reply| match reply {
        Reply::Failed(failure) => Err(failure.cause.kind),
        _ => Ok(()),
    };
    let kind = |failure: bluegreen_core::claim::Failure| failure.cause.kind;
    let note = Audited {
        version: FlagVersion(2),
        at: now(),
    };
    vec![
        of(store.create_claim("v2-1", "{}").await),
        of(store.write_flag(Color::Green, "why").await),
        store.create_flag(Color::Green, "why").await.map(drop).map_err(kind),
        store.put_audited(note).await.map(drop).map_err(kind),
        store.delete_record("v2-1").await.map_err(kind),
    ]
}

#[tokio::test]
async fn on_another_pairs_root_no_write_leaves_the_process() {
    let server = MockServer::start().await;
    let store = on_a_root_of(&server, Some(r#"{"pair":"payroll"}"#)).await;
    assert_eq!(every_write(&store).await, vec![Err(CauseKind::WrongPair); 5]);
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the look alone");
}

#[tokio::test]
async fn a_root_that_is_ours_or_nobodys_is_written_to_and_its_records_name_the_pair() {
    for owner in [Some(r#"{"pair":"orders"}"#), None, Some("garbage"), Some("{}")] {
        let server = MockServer::start().await;
        let store = on_a_root_of(&server, owner).await;
        assert_eq!(every_write(&store).await, vec![Ok(()); 5], "{owner:?}");
        let requests = server.received_requests().await.unwrap();
        let claim: Value = requests[1].body_json().unwrap();
        assert_eq!(claim["Value"], r#"{"pair":"orders"}"#, "{owner:?}");
    }
}

#[tokio::test]
async fn a_root_that_has_changed_hands_is_looked_at_anew() {
    let server = MockServer::start().await;
    let store = on_a_root_of(&server, Some(r#"{"pair":"payroll"}"#)).await;
    assert!(store.may_write().is_err());
    server.reset().await;
    on_ssm(&server, "GetParameters", error(400, "ThrottlingException")).await;
    assert!(store.observe().await.is_err());
    assert!(store.may_write().is_err(), "what is not known anew is as it was");
    server.reset().await;
    on_ssm(
        &server,
        "GetParameters",
        ResponseTemplate::new(200).set_body_json(json!({"Parameters": []})),
    )
    .await;
    store.observe().await.unwrap();
    assert!(store.may_write().is_ok());
}

#[tokio::test]
async fn trouble_with_observing_is_an_error_and_never_a_missing_flag() {
    for (name, answer, kind) in troubles().into_iter().filter(|(name, ..)| *name != "empty") {
        let server = MockServer::start().await;
        on_ssm(&server, "GetParameters", answer).await;
        assert_eq!(
            store(&server).await.observe().await.unwrap_err().cause.kind,
            kind,
            "{name}"
        );
    }
}

/// A partial answer is no answer: no flag that holds garbage or is gone, and no hold that nobody placed.
#[tokio::test]
async fn an_answer_that_leaves_something_out_is_unreadable() {
    let flag = |without: &str| {
        let mut flag = json!({"Name": "/mwaa/blue-green/active-environment", "Value": "blue", "Version": 7,
            "LastModifiedDate": 1_795_430_000.123});
        flag.as_object_mut().unwrap().remove(without);
        flag
    };
    let hold = |without: &str| {
        let mut hold = flag(without);
        hold["Name"] = json!("/mwaa/blue-green/hold");
        hold
    };
    let version_0 = json!({"Name": "/mwaa/blue-green/active-environment", "Value": "blue", "Version": 0,
        "LastModifiedDate": 1_795_430_000.123});
    for (case, parameters) in [
        ("a flag without a value", json!([flag("Value")])),
        ("a flag without a version", json!([flag("Version")])),
        ("a flag of version 0", json!([version_0])),
        ("a flag without a date", json!([flag("LastModifiedDate")])),
        ("a flag without a name", json!([flag("Name")])),
        ("a hold without a value", json!([flag("nothing"), hold("Value")])),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": parameters}));
        on_ssm(&server, "GetParameters", answer).await;
        let error = store(&server).await.observe().await.unwrap_err();
        assert_eq!(error.cause.kind, CauseKind::Unparsable, "{case}: {}", error.cause);
        let Reply::Failed(failure) = store(&server).await.read_back("v8-1").await else {
            panic!("{case}: taken for an answer by a writer")
        };
        assert_eq!(failure.cause.kind, CauseKind::Unparsable, "{case}");
    }
    for without in ["Value", "Version", "LastModifiedDate"] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"Parameters": [flag(without)]}));
        on_ssm(&server, "GetParameterHistory", answer).await;
        let error = store(&server).await.history().await.unwrap_err();
        assert_eq!(error.cause.kind, CauseKind::Unparsable, "{without}: {}", error.cause);
    }
    let server = MockServer::start().await;
    on_ssm(
        &server,
        "PutParameter",
        ResponseTemplate::new(200).set_body_json(json!({})),
    )
    .await;
    let Reply::Failed(failure) = store(&server).await.write_flag(Color::Green, "why").await else {
        panic!("a write without a version is taken for one")
    };
    assert!(
        failure.ambiguous && failure.cause.kind == CauseKind::Unparsable,
        "{}",
        failure.cause
    );
}
