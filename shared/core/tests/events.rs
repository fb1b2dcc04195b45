//! Events as they were recorded: each one is read by type and written again unchanged.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bluegreen_core::audit::details::{
    AcknowledgedDetail, BlockedDetail, DagDetail, DrillDetail, FaultDetail, HoldDetail, OverdueDetail, ReadinessDetail,
    RunReportDetail, TransitionDetail, UnknownDetail, read,
};
use bluegreen_core::audit::{BusEvent, ParameterChange};
use bluegreen_core::response::to_json;
use serde_json::{Value, json};

/// The event, read by the type of its kind and written again.
fn again(event: &BusEvent) -> Value {
    let detail = &event.detail;
    match event.detail_type.as_str() {
        "Environment Transition" => to_json(&read::<TransitionDetail>(detail)),
        "Failover Blocked" => to_json(&read::<BlockedDetail>(detail)),
        "Failovers Acknowledged" => to_json(&read::<AcknowledgedDetail>(detail)),
        "Environment Unknown" => to_json(&read::<UnknownDetail>(detail)),
        "Flag Fault" => to_json(&read::<FaultDetail>(detail)),
        "Hold Changed" => to_json(&read::<HoldDetail>(detail)),
        "Drill Finished" => to_json(&read::<DrillDetail>(detail)),
        "Drill Overdue" => to_json(&read::<OverdueDetail>(detail)),
        "Readiness Changed" => to_json(&read::<ReadinessDetail>(detail)),
        "Run Report" => to_json(&read::<RunReportDetail>(detail)),
        "DAG Management" => to_json(&read::<DagDetail>(detail)),
        other => panic!("{other}"),
    }
}

#[test]
fn every_event_is_written_as_it_was_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    let mut kinds = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let recorded: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let event: BusEvent = read(&recorded);
        assert_eq!(
            serde_json::to_string_pretty(&again(&event)).unwrap(),
            serde_json::to_string_pretty(&event.detail).unwrap(),
            "{}",
            path.display()
        );
        kinds.insert(event.detail_type);
    }
    assert_eq!(kinds.len(), 11, "each kind has a recorded event: {kinds:?}");
}

#[test]
fn a_change_of_a_parameter_says_whether_it_is_there_since() {
    for (operation, is_there) in [
        (json!("Create"), Some(true)),
        (json!("Update"), Some(true)),
        (json!("Delete"), Some(false)),
        (json!("LabelParameterVersion"), None),
        (json!(7), None),
        (json!(null), None),
    ] {
        let change: ParameterChange = read(&json!({"name": "/a", "operation": operation, "type": "String"}));
        assert_eq!(
            (change.name.as_deref(), change.is_there()),
            (Some("/a"), is_there),
            "{operation}"
        );
    }
    for garbage in [json!(null), json!([]), json!({"name": []})] {
        assert_eq!(
            read::<ParameterChange>(&garbage),
            ParameterChange::default(),
            "{garbage}"
        );
    }
}
