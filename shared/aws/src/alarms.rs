//! CloudWatch DescribeAlarms on alarms that people named.

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use bluegreen_core::health::{AlarmEvidence, AlarmState, Answer};
use jiff::Timestamp;

use crate::clients::OnDemand;
use crate::error::classify;

/// Alarms that one request may name.
pub(crate) const MOST_ALARMS: usize = 100;

/// The states of named alarms.
pub(crate) type AlarmStates = Answer<Vec<AlarmEvidence>>;

/// Named alarms, at most 100, in one region.
#[derive(Debug)]
pub struct NamedAlarms {
    cloudwatch: OnDemand<aws_sdk_cloudwatch::Client>,
    names: Vec<String>,
}

impl NamedAlarms {
    /// Over a client of their region.
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

    /// Theirs among the states of more.
    pub(crate) fn among(&self, states: &AlarmStates) -> AlarmStates {
        match states {
            Answer::Known(states) => Answer::Known(
                self.names
                    .iter()
                    .filter_map(|name| states.iter().find(|state| state.name == *name))
                    .cloned()
                    .collect(),
            ),
            Answer::Unknown(cause) => Answer::Unknown(cause.clone()),
        }
    }

    /// Their states; an alarm that does not exist has none. One billed request, and none where no alarm is named.
    pub async fn states(&self) -> Answer<Vec<AlarmEvidence>> {
        if self.is_empty() {
            return Answer::Known(Vec::new());
        }
        let request = self
            .cloudwatch
            .describe_alarms()
            .set_alarm_names(Some(self.names.clone()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::Unknown(classify(&error).cause),
        };
        let metric_alarms = answer.metric_alarms().iter().map(|alarm| {
            (
                alarm.alarm_name(),
                alarm.state_value(),
                alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
            )
        });
        let composite_alarms = answer.composite_alarms().iter().map(|alarm| {
            (
                alarm.alarm_name(),
                alarm.state_value(),
                alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()),
            )
        });
        let found: Vec<_> = metric_alarms.chain(composite_alarms).collect();
        let evidence = self.names.iter().map(|name| {
            let alarm = found.iter().find(|(found, _, _)| *found == Some(name.as_str()));
            AlarmEvidence {
                name: name.clone(),
                state: alarm.map(|(_, state, _)| match state {
                    Some(StateValue::Ok) => AlarmState::Ok,
                    Some(StateValue::Alarm) => AlarmState::Alarm,
                    _ => AlarmState::InsufficientData,
                }),
                since: alarm
                    .and_then(|(_, _, since)| since.as_ref())
                    .and_then(|since| Timestamp::from_millisecond(since.to_millis().ok()?).ok()),
            }
        });
        Answer::Known(evidence.collect())
    }
}
