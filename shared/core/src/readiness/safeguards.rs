//! Findings about what a failover depends on: the flag's next write, the alarms, and practice.

use jiff::Timestamp;

use super::finding::{Finding, Question, Report, Severity};
use super::snapshot::AlarmSetting;
use super::subject::Subject;
use crate::color::Color;
use crate::flag::{ALLOWED_PATTERN, KEPT_VERSIONS};
use crate::health::ProbeResult;
use crate::hold::HoldState;
use crate::identity::Ownership;
use crate::text::shortened;
use crate::time::{days, elapsed};

/// Finds whether the root belongs to this pair.
pub(super) fn root(subject: &Subject<'_>, report: &mut Report) {
    let Subject { pair, root, .. } = subject;
    let (severity, what, fix) = match subject.ownership {
        Ownership::Ours(_) => return,
        Ownership::Foreign(owner) => (
            Severity::Red,
            format!("{root} belongs to the pair {:?}, and this is {pair:?}", owner.pair),
            format!(
                "deploy {pair} with another ParameterRoot; if {} is gone for good, delete the parameter {root}/owner and deploy \
                 {pair} again",
                owner.pair
            ),
        ),
        Ownership::Unclaimed => (
            Severity::Amber,
            format!("there is no parameter {root}/owner"),
            claim(pair, root, ""),
        ),
        Ownership::Unreadable(stored) => (
            Severity::Amber,
            format!("the parameter {root}/owner names no pair: {:?}", shortened(stored, 100)),
            claim(pair, root, " --overwrite"),
        ),
    };
    report.add(Finding {
        name: "root-owner",
        severity,
        color: None,
        what,
        why: "two pairs on one root would fail each other over: the owner alone writes there, and a second stack on the same \
              root fails to deploy",
        fix,
    });
}

fn claim(pair: &str, root: &str, overwrite: &str) -> String {
    format!("aws ssm put-parameter --name {root}/owner --type String{overwrite} --value '{{\"pair\":\"{pair}\"}}'")
}

/// Finds whether SSM would accept the next write, and reject an invalid one.
pub(super) fn flag(subject: &Subject<'_>, report: &mut Report) {
    let flag = subject.flag;
    match &subject.snapshot.history {
        ProbeResult::Unknown(cause) => report.unanswered(Question::FlagHistory, None, "ssm:GetParameterHistory", cause),
        ProbeResult::Known(kept) => {
            if let Some((version, labels)) = kept.labeled.first_key_value() {
                let is_oldest = kept.oldest == Some(*version) && kept.count >= KEPT_VERSIONS;
                let labels = labels.join(" ");
                report.add(Finding {
                    name: "flag-label",
                    severity: if is_oldest { Severity::Red } else { Severity::Amber },
                    color: None,
                    what: if is_oldest {
                        format!("the oldest of the flag's {} kept versions, {version}, is labeled {labels}", kept.count)
                    } else {
                        format!("version {version} of the flag is labeled {labels}")
                    },
                    why: "SSM keeps 100 versions and does not drop a labeled one: with the oldest labeled it refuses the \
                          next write, and so every switch and failover",
                    fix: format!(
                        "aws ssm unlabel-parameter-version --name {flag} --parameter-version {version} --labels {labels}"
                    ),
                });
            }
        }
    }
    match &subject.snapshot.allowed_pattern {
        ProbeResult::Unknown(cause) => report.unanswered(Question::FlagPattern, None, "ssm:DescribeParameters", cause),
        ProbeResult::Known(Some(pattern)) if pattern == ALLOWED_PATTERN => {}
        ProbeResult::Known(pattern) => report.add(Finding {
            name: "flag-pattern",
            severity: Severity::Amber,
            color: None,
            what: match pattern {
                Some(pattern) => format!("the flag's allowed pattern is {pattern}; it should be {ALLOWED_PATTERN}"),
                None => format!("the flag has no allowed pattern; it should be {ALLOWED_PATTERN}"),
            },
            why: "only the pattern keeps a mistyped color out; another one may refuse the right colors",
            fix: "the next switch through this product puts it back".to_owned(),
        }),
    }
}

pub(super) fn alarms(subject: &Subject<'_>, report: &mut Report) {
    for color in Color::BOTH {
        match subject.snapshot.named_alarms.of(color) {
            ProbeResult::Unknown(cause) => {
                report.unanswered(Question::NamedAlarms, Some(color), "cloudwatch:DescribeAlarms", cause);
            }
            ProbeResult::Known(alarms) => alarms.iter().for_each(|alarm| named_alarm(color, alarm, report)),
        }
    }
    for color in Color::BOTH {
        match subject.snapshot.heartbeat_alarms.of(color) {
            // The stack creates none in another region: only the ticks observe that environment.
            None => {}
            Some(ProbeResult::Unknown(cause)) => {
                report.unanswered(
                    Question::HeartbeatAlarms,
                    Some(color),
                    "cloudwatch:DescribeAlarms",
                    cause,
                );
            }
            Some(ProbeResult::Known(alarm)) => heartbeat_alarm(color, alarm, report),
        }
    }
}

fn named_alarm(color: Color, alarm: &AlarmSetting, report: &mut Report) {
    let (severity, what, why, fix) = if !alarm.exists {
        (
            Severity::Amber,
            format!("CloudWatch has no alarm {}", alarm.name),
            "you named it as evidence, and it can never speak",
            format!("create it in {color}'s region, or correct the stack's parameter for {color}'s alarm names"),
        )
    } else if !alarm.actions_enabled {
        // The alarm's state still counts as evidence.
        (
            Severity::Info,
            format!("alarm {} has its actions disabled", alarm.name),
            "it condemns the environment all the same, but notifies nobody itself",
            format!("aws cloudwatch enable-alarm-actions --alarm-names {}", alarm.name),
        )
    } else {
        return;
    };
    report.add(Finding {
        name: "named-alarm",
        severity,
        color: Some(color),
        what,
        why,
        fix,
    });
}

fn heartbeat_alarm(color: Color, alarm: &AlarmSetting, report: &mut Report) {
    let name = &alarm.name;
    let (what, fix) = match (alarm.exists, alarm.actions_enabled, alarm.has_alarm_actions) {
        (false, _, _) => (
            format!("the stack's alarm {name} does not exist"),
            "deploy the stack again".to_owned(),
        ),
        (true, false, _) => (
            format!("the stack's alarm {name} has its actions disabled"),
            format!("aws cloudwatch enable-alarm-actions --alarm-names {name}"),
        ),
        (true, true, false) => (
            format!("the stack's alarm {name} has no action"),
            "deploy the stack again".to_owned(),
        ),
        (true, true, true) => return,
    };
    report.add(Finding {
        name: "heartbeat-alarm",
        severity: Severity::Amber,
        color: Some(color),
        what,
        why: "it wakes the watcher at once; without it a dead scheduler is seen up to a minute later",
        fix,
    });
}

/// Finds whether the watcher may act at all.
pub(super) fn hold(subject: &Subject<'_>, report: &mut Report) {
    let Some(what) = subject.hold.describe() else { return };
    report.add(Finding {
        name: "hold",
        // A hold is known to the person who placed it; one that cannot be read has no end.
        severity: match subject.hold {
            HoldState::Invalid(_) => Severity::Amber,
            HoldState::Active(_) | HoldState::None => Severity::Info,
        },
        color: None,
        what,
        why: "while a hold is in force nothing fails over by itself, and no drill starts; switches by a person work",
        fix: "end it when the work is done: {\"action\":\"release\"}".to_owned(),
    });
}

/// Finds whether the standby's color was active recently.
pub(super) fn proof(subject: &Subject<'_>, now: Timestamp, report: &mut Report) {
    // Without the history, this is not known.
    if matches!(subject.snapshot.history, ProbeResult::Unknown(_)) {
        return;
    }
    let standby = subject.active.other();
    let limit = days(subject.overdue_days);
    let (severity, what) = match subject.last_proof {
        None => (
            if subject.overdue_days == 0 {
                Severity::Info
            } else {
                Severity::Amber
            },
            format!("{standby} has never been active, as far as the flag's kept versions show"),
        ),
        Some(last) if subject.overdue_days > 0 && elapsed(last, now) > limit => (
            Severity::Amber,
            format!(
                "{standby} was last made active {} days ago; a drill is due every {}",
                elapsed(last, now).as_secs().div_euclid(days(1).as_secs()),
                subject.overdue_days
            ),
        ),
        Some(_) => return,
    };
    report.add(Finding {
        name: "drill-overdue",
        severity,
        color: Some(standby),
        what,
        why: "only a standby that has done the work is known to be able to",
        fix: "make a drill: {\"action\":\"drill\"}".to_owned(),
    });
}
