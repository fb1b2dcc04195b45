//! A pair of equal environments, and the changes that tests make to it.

mod answer;
mod catching_up;
mod differences;
mod guards;
mod unanswered;
mod wording;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::*;
use crate::airflow::{Dag, DagList, ImportErrors};
use crate::color::{Both, Color};
use crate::environment::EnvironmentSettings;
use crate::flag::{FlagValue, FlagVersion, HistoryEntry, versions};
use crate::health::{
    AirflowHealth, Cause, CauseKind, Environment, EnvironmentAnswer, Evidence, HeartbeatEvidence, ProbeResult, assess,
};
use crate::hold::{Hold, HoldState};
use crate::identity::Ownership;
use crate::outcome::Outcome;
use crate::policy::Policy;

pub(crate) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A pair of equal environments with blue active, and the changes that tests make to it.
pub(crate) struct Pair {
    settings: Both<EnvironmentSettings>,
    evidence: Both<Evidence>,
    pub(crate) snapshot: Snapshot,
    hold: HoldState,
    last_proof: Option<Timestamp>,
    overdue_days: u32,
    manages_dags: bool,
    catching_up: BTreeSet<String>,
    owner: Option<&'static str>,
}

fn evidence(status: &str) -> Evidence {
    Evidence {
        of: None,
        environment: EnvironmentAnswer::Found(Environment {
            status: status.to_owned(),
            airflow_version: None,
            last_update_source: None,
        }),
        airflow: ProbeResult::Known(AirflowHealth {
            scheduler: Some("healthy".into()),
            metadatabase: Some("healthy".into()),
            latest_scheduler_heartbeat: Some(now()),
        }),
        heartbeat: ProbeResult::Unknown(Cause::not_asked()),
        alarms: ProbeResult::Known(Vec::new()),
    }
}

fn details(color: Color) -> EnvironmentDetails {
    EnvironmentDetails {
        status: "AVAILABLE".into(),
        airflow_version: Some("3.0.6".into()),
        environment_class: Some("mw1.medium".into()),
        min_workers: Some(2),
        max_workers: Some(10),
        schedulers: Some(2),
        max_webservers: Some(4),
        webserver_access_mode: Some("PUBLIC_ONLY".into()),
        weekly_maintenance_window_start: Some(if color == Color::Blue { "SUN:23:30" } else { "WED:03:00" }.into()),
        source_bucket_arn: Some("arn:aws:s3:::orders".into()),
        dag_s3_path: Some("dags".into()),
        requirements: file("requirements.txt", "one"),
        plugins: None,
        startup_script: None,
        configuration_options: options(&[
            ("custom.environment_color", color.as_str()),
            ("smtp.smtp_password", "s3cret"),
        ]),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
fn file(path: &str, version: &str) -> Option<SourceFile> {
    Some(SourceFile {
        path: path.into(),
        version: Some(version.into()),
    })
}

fn options(pairs: &[(&str, &str)]) -> ConfigurationOptions {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ConfigurationOptions(owned.collect())
}

pub(crate) fn dags(ids: &[(&str, bool)]) -> DagList {
    DagList {
        total: Some(ids.len() as u64),
        dags: ids
            .iter()
            .map(|(id, paused)| {
                let dag = Dag {
                    paused: *paused,
                    has_import_errors: false,
                    ..Dag::default()
                };
                ((*id).to_owned(), dag)
            })
            .collect(),
        gap: None,
    }
}

fn import_errors(files: &[&str]) -> ProbeResult<ImportErrors> {
    ProbeResult::Known(ImportErrors {
        files: files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>(),
        more: false,
    })
}

fn alarm(name: &str) -> AlarmSetting {
    AlarmSetting {
        name: name.into(),
        exists: true,
        actions_enabled: true,
        has_alarm_actions: true,
    }
}

pub(crate) fn throttled() -> Cause {
    Cause::new(CauseKind::Throttled, "slow down")
}

fn denied() -> Cause {
    Cause::new(CauseKind::AccessDenied, "not authorized")
}

pub(crate) fn twins() -> Pair {
    Pair {
        settings: Both::from_fn(|color| EnvironmentSettings {
            name: format!("orders-{color}"),
            region: (color == Color::Green).then(|| "eu-west-1".to_owned()),
            alarms: Vec::new(),
        }),
        evidence: Both::from_fn(|_| evidence("AVAILABLE")),
        snapshot: Snapshot {
            environments: Both::from_fn(|color| ProbeResult::Known(details(color))),
            dags: Both::from_fn(|_| dags(&[("a", false), ("b", true)])),
            import_errors: Both::from_fn(|_| import_errors(&[])),
            history: ProbeResult::Known(KeptVersions {
                count: 12,
                oldest: Some(FlagVersion(1)),
                labeled: BTreeMap::new(),
            }),
            allowed_pattern: ProbeResult::Known(Some("^(blue|green)$".into())),
            named_alarms: Both::from_fn(|_| ProbeResult::Known(Vec::new())),
            heartbeat_alarms: Both::from_fn(|_| Some(ProbeResult::Known(alarm("orders-heartbeat-lost")))),
            guards: None,
            old_ticks: Vec::new(),
        },
        hold: HoldState::None,
        last_proof: Some(now()),
        overdue_days: 30,
        manages_dags: false,
        catching_up: BTreeSet::new(),
        owner: Some(r#"{"pair":"orders"}"#),
    }
}

pub(crate) fn check(pair: &Pair) -> Readiness {
    let verdicts = pair
        .evidence
        .map(|_, evidence| assess(&Policy::default(), evidence, now()));
    let subject = Subject {
        active: Color::Blue,
        flag: "/mwaa/blue-green/active-environment",
        settings: &pair.settings,
        verdicts: &verdicts,
        snapshot: &pair.snapshot,
        hold: &pair.hold,
        last_proof: pair.last_proof,
        overdue_days: pair.overdue_days,
        manages_dags: pair.manages_dags,
        catching_up: &pair.catching_up,
        pair: "orders",
        root: "/mwaa/blue-green",
        ownership: &Ownership::read(pair.owner, "orders"),
    };
    assess_readiness(&subject, now())
}

fn environment(pair: &mut Pair, color: Color) -> &mut EnvironmentDetails {
    match pair.snapshot.environments.of_mut(color) {
        ProbeResult::Known(details) => details,
        ProbeResult::Unknown(_) => panic!("known in these tests"),
    }
}

fn standby(pair: &mut Pair) -> &mut EnvironmentDetails {
    environment(pair, Color::Green)
}

fn active(pair: &mut Pair) -> &mut EnvironmentDetails {
    environment(pair, Color::Blue)
}

type Change = fn(&mut Pair);

/// Green's newest runs executed without a guard, and blue's have one.
fn bare<'a>(pair: &'a mut Pair, runs: &[(&str, &str)]) -> &'a mut GuardTraces {
    let traces = GuardTraces {
        standby: Color::Green,
        guarded: None,
        bare: runs
            .iter()
            .map(|(id, time)| ((*id).to_owned(), format!("2026-11-23T{time}Z").parse().unwrap()))
            .collect(),
        guarded_on_active: ProbeResult::Known(["a".to_owned()].into()),
    };
    pair.snapshot.guards = Some(ProbeResult::Known(traces));
    match &mut pair.snapshot.guards {
        Some(ProbeResult::Known(traces)) => traces,
        _ => panic!("just set"),
    }
}

/// Green until 10:00, then blue.
fn handed_to_blue() -> Vec<HistoryEntry> {
    [
        (1, "green", "2026-11-20T10:00:00Z"),
        (2, "blue", "2026-11-23T10:00:00Z"),
        (3, "blue", "2026-11-23T11:00:00Z"),
    ]
    .map(|(version, value, modified)| HistoryEntry {
        value: FlagValue::read(value),
        version: FlagVersion(version),
        modified: modified.parse().unwrap(),
        author: None,
        description: None,
    })
    .to_vec()
}
