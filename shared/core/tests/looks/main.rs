//! Successive observations: the effect of an unreadable status, of planned work, and of a lasting suspicion.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod dates;
mod gaps;
mod readings;
mod remembered;
mod said;
mod status;
#[path = "../support/mod.rs"]
mod support;

use bluegreen_core::alert_dedup::{Found, Notice, Subject, UNKNOWN_ALERT_DELAY, patience_with};
use bluegreen_core::color::Both;
use bluegreen_core::decision::{Action, FlagState, PreconditionName, decide};
use bluegreen_core::health::{AlarmState, Assessment, CauseKind, Past, Verdict};
use bluegreen_core::policy::{HEARTBEAT_ONLY_WINDOW, Policy, STATUS_STANDS};
use bluegreen_core::time::after;
use proptest::prelude::*;
use support::{Looks, Seen, Tick, dead, flag, healthy, noon, seconds, tick};

const UNREAD: [CauseKind; 6] = [
    CauseKind::Throttled,
    CauseKind::TimedOut,
    CauseKind::AccessDenied,
    CauseKind::Unavailable,
    CauseKind::Unparsable,
    CauseKind::Rejected,
];

/// The web server does not answer, and the metric is this many seconds old.
fn silent(metric_age: u64) -> Seen {
    healthy()
        .api_unknown(CauseKind::Unavailable)
        .metric_last_seen(metric_age)
}

fn in_alarm(seen: Seen) -> Seen {
    seen.alarm(Some(AlarmState::Alarm), 40)
}

// ---- what is reported

/// What the watcher remembers of its reports, minute by minute, and when it reported what.
#[derive(Debug, Default)]
struct Said {
    announced: Option<String>,
    doubt: Option<String>,
    told: Vec<(u64, Subject)>,
}

impl Said {
    /// Blue is active with this assessment, with the flag of that tick.
    fn look(&mut self, minute: u64, tick: &Tick, blue: Assessment) {
        let now = after(noon(), seconds(minute * 60));
        let verdicts = Both {
            blue,
            green: tick.verdicts().green,
        };
        let decision = decide(&tick.policy, &tick.control, &verdicts, now);
        let (flag, is_faulty) = match &tick.control.flag {
            FlagState::Present(flag) => (flag.label(), flag.value.color().is_none()),
            _ => ("missing".to_owned(), true),
        };
        let found = Found {
            flag: &flag,
            is_faulty,
            active: (!is_faulty).then_some(&verdicts.blue),
            decision: &decision,
        };
        let notices = [
            (found.notice(self.announced.as_deref(), now), &mut self.announced),
            (
                found.notice_of_doubt(&tick.policy, self.doubt.as_deref(), now),
                &mut self.doubt,
            ),
        ];
        for (notice, memory) in notices {
            match notice {
                Notice::Quiet => {}
                Notice::Forget => *memory = None,
                Notice::Remember(announcement) => *memory = Some(serde_json::to_string(&announcement).unwrap()),
                Notice::Say(announcement) => {
                    self.told.push((minute, announcement.topic.subject));
                    *memory = Some(serde_json::to_string(&announcement).unwrap());
                }
            }
        }
    }

    fn see(&mut self, minute: u64, tick: &Tick, blue: &Seen) {
        self.look(minute, tick, blue.assessed(&tick.policy));
    }
}

// ---- any observations, in any order

fn kind() -> impl Strategy<Value = CauseKind> {
    prop::sample::select(UNREAD.to_vec())
}

fn status() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec![
        "AVAILABLE",
        "UPDATE_FAILED",
        "UPDATING",
        "MAINTENANCE",
        "ROLLING_BACK",
        "CREATING",
        "HIBERNATING",
    ]))
}
