//! CloudWatch DescribeAlarms for named alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use bluegreen_core::health::{AlarmEvidence, AlarmState, ProbeResult};
use jiff::Timestamp;

use crate::clients::OnDemand;
use crate::error::classify;

/// The maximum number of alarm names in one request.
pub(crate) const MOST_ALARMS: usize = 100;

/// The states of named alarms.
pub(crate) type AlarmStates = ProbeResult<Vec<AlarmEvidence>>;

/// Named alarms, at most 100, in one region.
#[derive(Debug)]
pub struct NamedAlarms {
    cloudwatch: OnDemand<aws_sdk_cloudwatch::Client>,
    names: Vec<String>,
}

impl NamedAlarms {
    /// Named alarms over a client of their region.
    pub fn new(cloudwatch: &OnDemand<aws_sdk_cloudwatch::Client>, names: &[String]) -> Self {
        Self {
            cloudwatch: cloudwatch.clone(),
            names: names.to_vec(),
        }
    }

    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Selects the states of these alarms from the states of more.
    pub(crate) fn among(&self, states: &AlarmStates) -> AlarmStates {
        match states {
            ProbeResult::Known(states) => ProbeResult::Known(
                self.names
                    .iter()
                    .filter_map(|name| states.iter().find(|state| state.name == *name))
                    .cloned()
                    .collect(),
            ),
            ProbeResult::Unknown(cause) => ProbeResult::Unknown(cause.clone()),
        }
    }

    /// The states of these alarms; an alarm that does not exist has none. One billed request, or none without names.
    pub async fn states(&self) -> ProbeResult<Vec<AlarmEvidence>> {
        if self.is_empty() {
            return ProbeResult::Known(Vec::new());
        }
        let mut pages = self
            .cloudwatch
            .describe_alarms()
            .set_alarm_names(Some(self.names.clone()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100)
            .into_paginator()
            .send();
        let mut found: BTreeMap<String, (Option<StateValue>, Option<Timestamp>)> = BTreeMap::new();
        let mut gap = None;
        // One page, unless CloudWatch decides otherwise.
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    gap = Some(classify(&error).cause);
                    break;
                }
            };
            let metric_alarms = page.metric_alarms().iter().map(|alarm| {
                (
                    alarm.alarm_name(),
                    alarm.state_value(),
                    alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
                )
            });
            let composite_alarms = page.composite_alarms().iter().map(|alarm| {
                (
                    alarm.alarm_name(),
                    alarm.state_value(),
                    alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
                )
            });
            for (name, state, since) in metric_alarms.chain(composite_alarms) {
                let since = since.and_then(|since| Timestamp::from_millisecond(since.to_millis().ok()?).ok());
                if let Some(name) = name {
                    found.insert(name.to_owned(), (state.cloned(), since));
                }
            }
        }
        // An alarm that fires is known to fire, whatever else was not answered.
        if let Some(cause) = &gap
            && !found.values().any(|(state, _)| *state == Some(StateValue::Alarm))
        {
            return ProbeResult::Unknown(cause.clone());
        }
        let unseen = gap.map(|_| AlarmState::InsufficientData);
        let evidence = self.names.iter().map(|name| {
            let alarm = found.get(name);
            AlarmEvidence {
                name: name.clone(),
                state: alarm.map_or(unseen, |(state, _)| {
                    Some(match state {
                        Some(StateValue::Ok) => AlarmState::Ok,
                        Some(StateValue::Alarm) => AlarmState::Alarm,
                        _ => AlarmState::InsufficientData,
                    })
                }),
                since: alarm.and_then(|(_, since)| *since),
            }
        });
        ProbeResult::Known(evidence.collect())
    }
}
