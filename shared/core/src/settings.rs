//! Configuration: one struct from an injected lookup, with all faults reported at once.

use std::fmt;
use std::time::Duration;

use crate::color::{Both, Color};
use crate::dag_management::DagManagement;
use crate::drill::{BlockedWindows, DrillPolicy};
use crate::parameters::ParameterNames;
use crate::policy::Policy;
use crate::retired_words;
use crate::setting::{Group, Reader, Setting, Unit, settings, words};

pub use crate::environment::EnvironmentSettings;

settings! {
    /// Everything that a function's environment variables configure.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Settings {
        given
        /// Name of the pair: dimension of its metrics, part of its event ids.
        pair: String,
        given
        /// Names of the pair's parameters.
        names: ParameterNames,
        given
        /// Names, regions and alarms of the two environments.
        environments: Both<EnvironmentSettings>,
        given
        /// Thresholds and choices of the decision.
        policy: Policy,
        given
        /// The configuration of drills.
        drill: DrillPolicy,
        given
        /// The pair's event bus.
        audit_bus: String,
        given
        /// ARN of the topic that people subscribe to; none means that people are not notified.
        notification_topic: Option<String>,
        given
        /// Base URL of the runbooks in messages; none means that messages give file names.
        runbook_base_url: Option<String>,
        /// How often the standby's readiness is checked in full. 0 means only on request, and then the readiness alarm stays
        /// silent.
        readiness_interval_minutes: u32 = Setting::number("READINESS_INTERVAL_MINUTES", 60, (0, 1440), Unit::Minutes)
            .parameter("ReadinessIntervalMinutes", Group::Drills),
        /// How long after a transition the watcher reports which DAG runs were executed by both environments, or by none. 0 means
        /// only on request.
        run_report_after: Duration = Setting::number("RUN_REPORT_SECONDS", 300, (0, 3600), Unit::Seconds)
            .parameter("RunReportSeconds", Group::Drills),
        /// `guard` leaves the DAGs alone, because the guard in every run keeps the standby's from working. `pause` also pauses the
        /// standby's DAGs after a transition. It unpauses those of the new active that were unpaused on the old one. The
        /// parameter `AirflowRole` must be `User`, `Op` or `Admin`.
        dag_management: DagManagement = Setting::word::<DagManagement>("DAG_MANAGEMENT")
            .parameter("DagManagement", Group::Dags),
        /// With `DagManagement=pause`: how long runs of the old active may continue after a transition before their DAGs are
        /// paused, which freezes them.
        drain: Duration = Setting::number("DRAIN_MINUTES", 30, (0, 1440), Unit::Minutes)
            .parameter("DrainMinutes", Group::Dags),
        /// How often the watcher observes again within a tick while the active environment is suspect.
        probe_interval: Duration = Setting::number("PROBE_INTERVAL_SECONDS", 5, (1, 30), Unit::Seconds)
            .parameter("ProbeIntervalSeconds", Group::Watching),
        /// How long a tick keeps observing.
        probe_until: Duration = Setting::number("PROBE_UNTIL_SECONDS", 56, (0, 58), Unit::Seconds),
        /// How often a scheduled tick publishes metrics and asks your alarms while the active is healthy, because every request is
        /// billed. Anything else is published at once.
        metrics_interval_minutes: u32 = Setting::number("METRICS_INTERVAL_MINUTES", 5, (1, 60), Unit::Minutes)
            .parameter("MetricsIntervalMinutes", Group::Watching),
        /// Least severe message that the functions log.
        log_level: LogLevel = Setting::word::<LogLevel>("LOG_LEVEL")
            .parameter("LogLevel", Group::Records),
    }
}

/// Variables that the functions read in addition to [`all`]: the template computes them, or restricts them by a
/// pattern.
pub const VARIABLES: [&str; 13] = [
    "PAIR_NAME",
    "FLAG_PARAMETER",
    "BLUE_ENVIRONMENT_NAME",
    "BLUE_REGION",
    "BLUE_HEALTH_ALARM_NAMES",
    "GREEN_ENVIRONMENT_NAME",
    "GREEN_REGION",
    "GREEN_HEALTH_ALARM_NAMES",
    "DRILL_BLOCKED_WINDOWS",
    "DRILL_ALARM_NAMES",
    "AUDIT_BUS_NAME",
    "NOTIFICATION_TOPIC_ARN",
    "RUNBOOK_BASE_URL",
];

/// Every setting with a default.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    Policy::SETTINGS
        .iter()
        .chain(DrillPolicy::SETTINGS)
        .chain(Settings::SETTINGS)
}

impl Settings {
    /// Whether the standby's DAGs are paused after a transition.
    #[must_use]
    pub fn manages_dags(&self) -> bool {
        self.dag_management == DagManagement::Pause
    }
}

/// The least severe message that is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Log failures only.
    Error,
    /// Also log what should be investigated.
    Warn,
    /// Also log one line for each decision.
    #[default]
    Info,
    /// Also log every signal.
    Debug,
}

words!(LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug });

/// All faults of the configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingsFaults(pub Vec<String>);

impl fmt::Display for SettingsFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the configuration has {} fault(s): {}",
            self.0.len(),
            self.0.join("; ")
        )
    }
}

/// Reads the settings; `lookup` returns the value of an environment variable.
pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsFaults> {
    let mut reader = Reader::new(&lookup);
    // If the old name were silently ignored, the default would apply.
    let retired = retired_words::SETTINGS.iter().filter(|(old, _)| lookup(old).is_some());
    reader
        .faults
        .extend(retired.map(|(old, new)| format!("{old} is called {new} now")));
    let pair = reader.name("PAIR_NAME", 64);
    // The template always sets it. If it is missing and the default belongs to another pair, that pair's `owner` shows
    // it.
    let names = reader.parameter_names("FLAG_PARAMETER", "/mwaa/blue-green/active-environment");
    let environments = Both::from_fn(|color| reader.environment(color));
    let policy = Policy::read(&mut reader, ());
    let windows = reader.optional("DRILL_BLOCKED_WINDOWS").unwrap_or_default();
    let drill_alarms = reader.alarm_names("DRILL_ALARM_NAMES");
    // A typing error in a window must not stop the watcher: it only blocks drills.
    let drill = DrillPolicy::read(&mut reader, (BlockedWindows::read(&windows), drill_alarms));
    let audit_bus = reader.required("AUDIT_BUS_NAME");
    let notification_topic = reader.optional("NOTIFICATION_TOPIC_ARN");
    let runbook_base_url = reader.address("RUNBOOK_BASE_URL");
    let (blue, green) = (&environments.blue, &environments.green);
    let own_region = reader.optional("AWS_REGION");
    let region_of = |environment: &EnvironmentSettings| environment.region.clone().or_else(|| own_region.clone());
    if !blue.name.is_empty() && blue.name == green.name && region_of(blue) == region_of(green) {
        reader.faults.push(format!(
            "BLUE_ENVIRONMENT_NAME and GREEN_ENVIRONMENT_NAME are both {:?} in the same region; they must be two environments",
            blue.name
        ));
    }
    let settings = Settings::read(
        &mut reader,
        (
            pair,
            names,
            environments,
            policy,
            drill,
            audit_bus,
            notification_topic,
            runbook_base_url,
        ),
    );
    if reader.faults.is_empty() {
        Ok(settings)
    } else {
        Err(SettingsFaults(reader.faults))
    }
}

impl Reader<'_> {
    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.faults.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A typing error here must not stop the function: without an address, a message names files.
    fn address(&self, name: &str) -> Option<String> {
        self.optional(name).filter(|value| {
            let rest = value
                .strip_prefix("https://")
                .or_else(|| value.strip_prefix("http://"))
                .unwrap_or_default();
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic())
        })
    }

    /// Names of pairs and environments follow MWAA's rule: first a letter, then letters, digits, `-` and `_`.
    fn name(&mut self, name: &str, longest: usize) -> String {
        let value = self.required(name);
        let good = value.chars().next().is_none_or(|first| first.is_ascii_alphabetic())
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && value.len() <= longest;
        if !good {
            self.faults.push(format!(
                "{name} is {value:?}; allowed is a letter, then letters, digits, '-' and '_', at most {longest} characters"
            ));
        }
        value
    }

    fn parameter_names(&mut self, name: &str, default: &str) -> ParameterNames {
        let value = self.optional(name).unwrap_or_else(|| default.to_owned());
        ParameterNames::of_flag(&value).unwrap_or_else(|fault| {
            self.faults.push(format!("{name} {fault}"));
            ParameterNames::default()
        })
    }

    fn environment(&mut self, color: Color) -> EnvironmentSettings {
        let prefix = color.as_str().to_ascii_uppercase();
        let region = self.optional(&format!("{prefix}_REGION"));
        if let Some(region) = &region
            && !(region
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && region.contains('-'))
        {
            self.faults.push(format!(
                "{prefix}_REGION is {region:?}; allowed is a region such as us-east-2, or nothing"
            ));
        }
        let alarms = self.alarm_names(&format!("{prefix}_HEALTH_ALARM_NAMES"));
        EnvironmentSettings {
            name: self.name(&format!("{prefix}_ENVIRONMENT_NAME"), 80),
            region,
            alarms,
        }
    }

    fn alarm_names(&mut self, name: &str) -> Vec<String> {
        let list = self.optional(name).unwrap_or_default();
        let alarms: Vec<String> = list
            .split(',')
            .map(str::trim)
            .filter(|alarm| !alarm.is_empty())
            .map(str::to_owned)
            .collect();
        // DescribeAlarms takes at most 100 names in one call.
        if alarms.len() > 100 {
            self.faults
                .push(format!("{name} names {} alarms; at most 100 are allowed", alarms.len()));
        }
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FailoverSemantics;

    fn good(name: &str) -> Option<String> {
        let value = match name {
            "PAIR_NAME" => "orders",
            "BLUE_ENVIRONMENT_NAME" => "orders-blue",
            "GREEN_ENVIRONMENT_NAME" => "orders-green",
            "AUDIT_BUS_NAME" => "orders-audit",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn with(changes: &'static [(&'static str, &'static str)]) -> Result<Settings, SettingsFaults> {
        read(|name| {
            changes
                .iter()
                .find(|(changed, _)| *changed == name)
                .map_or_else(|| good(name), |(_, v)| Some((*v).to_owned()))
        })
    }

    #[test]
    fn what_is_read_is_what_is_listed() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let _settings = read(|name| {
            asked.borrow_mut().insert(name.to_owned());
            good(name)
        });
        // Lambda sets this variable itself.
        assert!(asked.borrow_mut().remove("AWS_REGION"));
        for (old, _) in retired_words::SETTINGS {
            assert!(asked.borrow_mut().remove(old), "{old}");
        }
        let listed = VARIABLES.into_iter().chain(all().map(|setting| setting.spec.variable));
        assert_eq!(asked.into_inner(), listed.map(str::to_owned).collect());
    }

    #[test]
    fn the_bounds_are_allowed_and_no_more() {
        assert_eq!(
            with(&[("FAILOVER_BUDGET_PER_DAY", "24")])
                .unwrap()
                .policy
                .failover_budget,
            24
        );
        for outside in ["0", "25", "-1", "3.0", "three"] {
            let told = read(|name| {
                if name == "FAILOVER_BUDGET_PER_DAY" {
                    Some(outside.to_owned())
                } else {
                    good(name)
                }
            });
            let told = told.unwrap_err().to_string();
            assert!(told.contains("allowed is a whole number from 1 to 24"), "{told}");
        }
        assert_eq!(with(&[("DRAIN_MINUTES", "2")]).unwrap().drain, Duration::from_secs(120));
        assert_eq!(
            with(&[("FAILOVER_SEMANTICS", "at-most-once")])
                .unwrap()
                .policy
                .failover_semantics,
            FailoverSemantics::AtMostOnce
        );
        assert_eq!(with(&[]).unwrap().log_level, LogLevel::Info);
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = with(&[]).unwrap();
        assert_eq!(settings.policy, Policy::default());
        assert_eq!(settings.names.flag(), "/mwaa/blue-green/active-environment");
        assert_eq!(settings.environments.green.name, "orders-green");
        assert!(settings.environments.blue.alarms.is_empty());
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = with(&[
            ("PAIR_NAME", "9 lives"),
            ("GREEN_ENVIRONMENT_NAME", "orders-blue"),
            ("FLAG_PARAMETER", "flag"),
            ("FAILURE_WINDOW_SECONDS", "0"),
            ("COOLDOWN_SECONDS", "-5"),
            ("FAILOVER_MODE", "Automatic"),
            ("AUDIT_BUS_NAME", ""),
            ("BLUE_REGION", "Ohio"),
            ("ON_FLAG_FAULT", "guess"),
        ])
        .unwrap_err();
        for part in [
            "PAIR_NAME",
            "FLAG_PARAMETER",
            "WINDOW",
            "COOLDOWN",
            "MODE",
            "AUDIT_BUS_NAME",
            "BLUE_REGION",
            "ON_FLAG_FAULT",
        ] {
            assert!(faults.to_string().contains(part), "{part} in {faults}");
        }
        assert_eq!(faults.0.len(), 8, "{faults}");
        let same = with(&[("GREEN_ENVIRONMENT_NAME", "orders-blue")]).unwrap_err();
        assert!(same.to_string().contains("two environments"), "{same}");
        assert!(with(&[("GREEN_ENVIRONMENT_NAME", "orders-blue"), ("GREEN_REGION", "us-west-2")]).is_ok());
        let own = [
            ("GREEN_ENVIRONMENT_NAME", "orders-blue"),
            ("GREEN_REGION", "us-west-2"),
            ("AWS_REGION", "us-west-2"),
        ];
        assert!(
            read(|name| own
                .iter()
                .find(|(n, _)| *n == name)
                .map_or_else(|| good(name), |(_, v)| Some((*v).into())))
            .is_err()
        );
    }

    #[test]
    fn an_address_that_is_none_is_not_taken_and_stops_nothing() {
        let settings = with(&[("RUNBOOK_BASE_URL", "https://wiki.example.com/runbooks")]).unwrap();
        assert_eq!(
            settings.runbook_base_url.as_deref(),
            Some("https://wiki.example.com/runbooks")
        );
        for wrong in [
            "",
            "https://",
            "wiki.example.com",
            "https://wiki example",
            "https://wiki\n.example",
            "javascript:alert(1)",
        ] {
            let settings = read(|name| {
                if name == "RUNBOOK_BASE_URL" {
                    Some(wrong.to_owned())
                } else {
                    good(name)
                }
            });
            assert_eq!(settings.unwrap().runbook_base_url, None, "{wrong:?}");
        }
    }

    #[test]
    fn alarm_names_are_split_at_commas() {
        let settings = with(&[("BLUE_HEALTH_ALARM_NAMES", "one, two,,three ")]).unwrap();
        assert_eq!(settings.environments.blue.alarms, ["one", "two", "three"]);
        assert!(settings.drill.alarms.is_empty());
        let settings = with(&[("DRILL_ALARM_NAMES", "orders-late")]).unwrap();
        assert_eq!(settings.drill.alarms, ["orders-late"]);
    }

    #[test]
    fn a_setting_by_its_old_name_is_refused_by_its_new_one() {
        let faults = with(&[("TAKEOVER", "at-most-once")]).unwrap_err();
        assert_eq!(faults.0, ["TAKEOVER is called FAILOVER_SEMANTICS now"]);
        for (old, new) in retired_words::SETTINGS {
            let faults = read(|name| if name == old { Some("1".to_owned()) } else { good(name) }).unwrap_err();
            assert!(faults.to_string().contains(new), "{faults}");
        }
    }
}
