//! The progress of a drill, derived from the flag's history, and the action of the next tick.

use std::time::Duration;

use jiff::Timestamp;

use super::alarms::{AlarmSummary, word};
use super::record::{Conclusion, Drill, DrillOutcome, LONGEST_REASON, Timings};
use crate::color::{Both, Color};
use crate::flag::{Origin, Version};
use crate::health::{AlarmEvidence, Assessment, ProbeResult, Verdict};
use crate::hold::HoldState;
use crate::policy::{CLAIM_TIMEOUT, Mode as WatcherMode};
use crate::text::shortened;
use crate::time::{after, elapsed, minutes, to_second, whole_milliseconds};
use crate::transition::TransitionRecord;
use crate::transition_kind::Kind;

/// How long the color to return to may be unable to take over before the drill ends there: a person decides then.
pub const RETURN_GRACE: Duration = Duration::from_secs(15 * 60);

/// The progress of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The flag is still as it was when the drill started.
    NotSwitched,
    /// The drilled color is active.
    Drilling {
        /// When the flag was written.
        switched_at: Timestamp,
        /// When it is to return.
        return_at: Timestamp,
    },
    /// The flag has been written back by the drill.
    Returned {
        /// When the drilled color became active.
        switched_at: Timestamp,
        /// When it stopped being active.
        returned_at: Timestamp,
        /// Name of the record of the way back, which holds the drill's outcome.
        record: String,
        /// The color active after it.
        active: Option<Color>,
    },
    /// Another writer wrote the flag.
    Overtaken {
        /// When the drilled color became active, if it did.
        switched_at: Option<Timestamp>,
        /// The cause, in words.
        by: String,
        /// The color active after it.
        active: Option<Color>,
    },
}

/// Derives the stage from the flag's versions. Only the flag counts: the intention of a dead function does not.
#[must_use]
pub fn stage(drill: &Drill, versions: &[Version]) -> Stage {
    let record = drill.record();
    let is_of_drill = |version: &&Version| match &version.origin {
        Origin::Ours { record: of, .. } | Origin::Repeat { record: of, .. } => *of == record,
        Origin::External => false,
    };
    let Some(way_out) = versions.iter().find(is_of_drill) else {
        return not_switched(drill, versions);
    };
    let switched_at = way_out.entry.modified;
    // Another writer finished the claim for its own purpose: a failover, or a person.
    if way_out.kind() != Kind::Drill {
        return Stage::Overtaken {
            switched_at: None,
            by: described(way_out),
            active: newest_color(versions),
        };
    }
    let later = versions
        .iter()
        .filter(|version| version.entry.version > way_out.entry.version)
        .find(|version| !is_of_drill(version));
    match later {
        None => Stage::Drilling {
            switched_at,
            return_at: after(switched_at, minutes(drill.duration_minutes)),
        },
        Some(version) => match &version.origin {
            Origin::Ours { record, .. } if version.kind() == Kind::DrillReturn => Stage::Returned {
                switched_at,
                returned_at: version.entry.modified,
                record: record.clone(),
                active: newest_color(versions),
            },
            _ => Stage::Overtaken {
                switched_at: Some(switched_at),
                by: described(version),
                active: newest_color(versions),
            },
        },
    }
}

fn not_switched(drill: &Drill, versions: &[Version]) -> Stage {
    let Some(newest) = versions.last() else {
        return Stage::Overtaken {
            switched_at: None,
            by: "the flag was deleted".to_owned(),
            active: None,
        };
    };
    // A reading older than the drill's start is stale.
    if newest.entry.version == drill.version || newest.entry.modified <= drill.modified {
        return Stage::NotSwitched;
    }
    Stage::Overtaken {
        switched_at: None,
        by: described(newest),
        active: newest_color(versions),
    }
}

fn newest_color(versions: &[Version]) -> Option<Color> {
    versions.last()?.entry.value.color()
}

fn described(version: &Version) -> String {
    format!(
        "version {} ({}, {}) was written by {} at {}",
        version.entry.version,
        version.kind(),
        version.entry.value,
        version.entry.author.as_deref().unwrap_or("somebody"),
        to_second(version.entry.modified)
    )
}

/// The next step of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum DrillStep {
    /// Nothing to do yet, for this reason.
    Wait(String),
    /// Write the flag back.
    Return {
        /// The outcome that the return's record must state.
        outcome: DrillOutcome,
        /// Why the drill returns now.
        reason: String,
    },
    /// The drill is over: record this outcome.
    Finish {
        /// The outcome; none where only the return's record states it.
        outcome: Option<DrillOutcome>,
        /// Why the drill is over.
        reason: String,
    },
}

/// Decides for the watcher.
///
/// A failure takes precedence. A drilled color that fails, or during which an alarm named for drills fires, is left at
/// once, and the pair never returns to a color that is not healthy. A person takes precedence, too: a hold, or any
/// other write of the flag, ends the drill without a return.
pub fn decide(
    drill: &Drill,
    stage: &Stage,
    mode: WatcherMode,
    hold: &HoldState,
    verdicts: &Both<Assessment>,
    alarms: &ProbeResult<Vec<AlarmEvidence>>,
    now: Timestamp,
) -> DrillStep {
    let finish = |outcome, reason: String| DrillStep::Finish {
        outcome: Some(outcome),
        reason,
    };
    let (switched_at, return_at) = match stage {
        Stage::NotSwitched => {
            // No other writer finishes this claim as a drill: the next one acts for its own purpose.
            return if elapsed(drill.started_at, now) < CLAIM_TIMEOUT {
                DrillStep::Wait("the drill has been started and has not switched yet".to_owned())
            } else {
                finish(
                    DrillOutcome::Failed,
                    "the function that started the drill ended before it wrote the flag; nothing was changed; start \
                     another drill"
                        .to_owned(),
                )
            };
        }
        Stage::Returned { .. } => {
            return DrillStep::Finish {
                outcome: None,
                reason: String::new(),
            };
        }
        Stage::Overtaken { by, .. } => return finish(DrillOutcome::Interrupted, by.clone()),
        Stage::Drilling { switched_at, return_at } => (*switched_at, *return_at),
    };
    let (from, to) = (drill.from, drill.to);
    let advice = format!("{to} stays active; go back with a rollback once {from} is fit");
    if let Some(held) = hold.describe() {
        return finish(DrillOutcome::Interrupted, format!("{held}; {advice}"));
    }
    let (drilled, home) = (verdicts.of(to), verdicts.of(from));
    let given_up = now >= after(return_at, RETURN_GRACE);
    let said = |assessment: &Assessment| {
        let reasons = assessment.reasons.iter().chain(&assessment.unread_alarms);
        reasons.map(String::as_str).collect::<Vec<_>>().join("; ")
    };
    let may_write = mode == WatcherMode::Automatic;
    if drilled.verdict == Verdict::Unhealthy && home.verdict == Verdict::Healthy && may_write {
        return DrillStep::Return {
            outcome: DrillOutcome::Failed,
            reason: format!("{to} became unhealthy in the drill: {}", said(drilled)),
        };
    }
    let word = word(alarms);
    if let (AlarmSummary::InAlarm(which), Verdict::Healthy, true) = (&word, verdict_if_alarms_known(home), may_write) {
        return DrillStep::Return {
            outcome: DrillOutcome::Failed,
            reason: format!("while {to} was drilled, {which}"),
        };
    }
    if now < return_at {
        return DrillStep::Wait(format!("{to} is drilled until {}", to_second(return_at)));
    }
    if !may_write {
        let observing = "FAILOVER_MODE is observe, so the drill does not return by itself";
        return if given_up {
            finish(DrillOutcome::Interrupted, format!("{observing}; {advice}"))
        } else {
            DrillStep::Wait(observing.to_owned())
        };
    }
    match (verdict_if_alarms_known(home), verdict_if_alarms_known(drilled)) {
        (Verdict::Unhealthy, _) => finish(
            DrillOutcome::Interrupted,
            format!(
                "{from} became unhealthy while {to} was drilled: {}; {advice}",
                said(home)
            ),
        ),
        (Verdict::Healthy, Verdict::Healthy) => with_both_well(drill, word, switched_at, given_up, now),
        (Verdict::Healthy, Verdict::Maintenance) => DrillStep::Return {
            outcome: DrillOutcome::Interrupted,
            reason: format!("{to} went into maintenance in the drill: {}", said(drilled)),
        },
        (Verdict::Healthy, _) if given_up => DrillStep::Return {
            outcome: DrillOutcome::Failed,
            reason: format!("it is in doubt whether {to} works: {}", said(drilled)),
        },
        (Verdict::Healthy, verdict) => {
            DrillStep::Wait(format!("the drill is to end, but {to} is {verdict}: {}", said(drilled)))
        }
        (verdict, _) if given_up => finish(
            DrillOutcome::Interrupted,
            format!(
                "{from} is {verdict} and could not be returned to: {}; {advice}",
                said(home)
            ),
        ),
        (verdict, _) => DrillStep::Wait(format!(
            "the drill is to return, but {from} is {verdict}: {}",
            said(home)
        )),
    }
}

/// The time is over, and both colors are healthy: only an alarm can still object.
fn with_both_well(
    drill: &Drill,
    word: AlarmSummary,
    switched_at: Timestamp,
    given_up: bool,
    now: Timestamp,
) -> DrillStep {
    match word {
        AlarmSummary::Silent => DrillStep::Return {
            outcome: DrillOutcome::Succeeded,
            reason: format!(
                "{} worked for {} min ({} were ordered)",
                drill.to,
                elapsed(switched_at, now).as_secs() / 60,
                drill.duration_minutes
            ),
        },
        AlarmSummary::InAlarm(why) | AlarmSummary::Unknown(why) if given_up => DrillStep::Return {
            outcome: DrillOutcome::Failed,
            reason: format!("it is unknown whether an alarm fired: {why}"),
        },
        AlarmSummary::InAlarm(why) | AlarmSummary::Unknown(why) => {
            DrillStep::Wait(format!("the drill is to end, but {why}"))
        }
    }
}

/// The verdict for a move that can wait: healthy only if the alarms could be read.
fn verdict_if_alarms_known(assessment: &Assessment) -> Verdict {
    match assessment.verdict {
        Verdict::Healthy if assessment.unread_alarms.is_some() => Verdict::Unknown,
        verdict => verdict,
    }
}

/// The stored conclusion of a finished drill.
#[must_use]
pub fn conclude(
    drill: &Drill,
    stage: &Stage,
    outcome: Option<DrillOutcome>,
    reason: &str,
    way_out: Option<&TransitionRecord>,
    way_back: Option<&TransitionRecord>,
    now: Timestamp,
) -> Conclusion {
    let (switched_at, returned_at, active) = match stage {
        Stage::NotSwitched => (None, None, Some(drill.from)),
        Stage::Drilling { switched_at, .. } => (Some(*switched_at), None, Some(drill.to)),
        Stage::Returned {
            switched_at,
            returned_at,
            active,
            ..
        } => (Some(*switched_at), Some(*returned_at), *active),
        Stage::Overtaken {
            switched_at, active, ..
        } => (*switched_at, None, *active),
    };
    // The return's record was written before the return, and only it states the drill's outcome.
    let told = way_back.and_then(|record| record.drill.as_ref());
    let told_outcome = told
        .and_then(|drill| drill.get("outcome"))
        .and_then(|outcome| serde_json::from_value(outcome.clone()).ok());
    let told_reason = told.and_then(|drill| drill.get("reason")?.as_str().map(str::to_owned));
    let took = |record: Option<&TransitionRecord>, written: Option<Timestamp>| {
        Some(whole_milliseconds(elapsed(record?.decided_at, written?)))
    };
    Conclusion {
        schema: Drill::SCHEMA,
        id: drill.id.clone(),
        mode: drill.mode,
        // Without a record, success is not proved.
        outcome: told_outcome.or(outcome).unwrap_or(DrillOutcome::Failed),
        from: Some(drill.from),
        to: Some(drill.to),
        active,
        reason: match (told_reason, reason) {
            (Some(told), _) => told,
            (None, "") => "the record of the return cannot be read".to_owned(),
            (None, reason) => shortened(reason, LONGEST_REASON),
        },
        requested_by: drill.requested_by.clone(),
        timings: Timings {
            started_at: drill.started_at,
            switched_at,
            returned_at,
            finished_at: now,
            switch_duration_ms: took(way_out, switched_at),
            return_duration_ms: took(way_back, returned_at),
            held_s: switched_at.map(|switched| elapsed(switched, returned_at.unwrap_or(now)).as_secs()),
            duration_minutes: drill.duration_minutes,
        },
    }
}
