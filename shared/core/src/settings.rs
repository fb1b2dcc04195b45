//! Configuration: one struct from an injected lookup, every fault reported at once.

use std::fmt;
use std::time::Duration;

use crate::color::{Both, Color};
use crate::dag_management::DagManagement;
use crate::drill::{BlockedWindows, DrillPolicy};
use crate::parameters::ParameterNames;
use crate::policy::{FailoverSemantics, Mode, OnFlagFault, Policy};
use crate::retired_words;
use crate::time::minutes;

pub use crate::environment::EnvironmentSettings;

/// Everything a function is told by its environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the pair: dimension of its metrics, part of its event ids.
    pub pair: String,
    /// The parameters.
    pub names: ParameterNames,
    /// The two environments.
    pub environments: Both<EnvironmentSettings>,
    /// Thresholds.
    pub policy: Policy,
    /// How often a suspect active is probed again within a tick.
    pub probe_interval: Duration,
    /// How long a tick keeps probing.
    pub probe_until: Duration,
    /// A calm scheduled tick publishes its metrics only every so many minutes, because each request costs.
    pub metrics_interval_minutes: u32,
    /// Drills.
    pub drill: DrillPolicy,
    /// How often a scheduled tick checks the standby's readiness; 0 means never.
    pub readiness_interval_minutes: u32,
    /// How long after a transition the watcher reports which runs were executed; zero means never.
    pub run_report_after: Duration,
    /// Whether the standby's DAGs are paused.
    pub dag_management: DagManagement,
    /// How long the old color's runs may go on after a transition before its DAGs are paused.
    pub drain: Duration,
    /// The pair's event bus.
    pub audit_bus: String,
    /// ARN of the topic that people subscribe to; none means that nobody is told.
    pub notification_topic: Option<String>,
    /// Address of the runbooks that messages give; none means the files' names.
    pub runbook_base_url: Option<String>,
    /// Least severe log line written.
    pub log_level: LogLevel,
}

impl Settings {
    /// Whether the standby's DAGs are paused.
    #[must_use]
    pub fn manages_dags(&self) -> bool {
        self.dag_management == DagManagement::Pause
    }
}

/// Log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// And what should be looked at.
    Warn,
    /// And one line a decision.
    Info,
    /// And every signal.
    Debug,
}

/// Everything wrong with the configuration, one line each.
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

/// Reads the settings; `lookup` answers the value of an environment variable.
pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsFaults> {
    let mut reader = Reader {
        lookup: &lookup,
        faults: Vec::new(),
    };
    // Silently ignored, it would leave the default in its place.
    let retired = retired_words::SETTINGS.iter().filter(|(old, _)| lookup(old).is_some());
    reader
        .faults
        .extend(retired.map(|(old, new)| format!("{old} is called {new} now")));
    let pair = reader.name("PAIR_NAME", 64);
    // The template always gives it. If it is missing and the default is another pair's, its `owner` says so.
    let names = reader.parameter_names("FLAG_PARAMETER", "/mwaa/blue-green/active-environment");
    let environments = Both::from_fn(|color| reader.environment(color));
    let policy = reader.policy();
    let probe_interval = reader.seconds("PROBE_INTERVAL_SECONDS", 5, 1, 30);
    let probe_until = reader.seconds("PROBE_UNTIL_SECONDS", 56, 0, 58);
    let metrics_interval_minutes = reader.number("METRICS_INTERVAL_MINUTES", 5, 1, 60);
    let drill = reader.drill();
    let readiness_interval_minutes = reader.number("READINESS_INTERVAL_MINUTES", 60, 0, 1440);
    let run_report_after = reader.seconds("RUN_REPORT_SECONDS", 300, 0, 3600);
    let dag_management = reader.choice(
        "DAG_MANAGEMENT",
        DagManagement::Guard,
        &[("guard", DagManagement::Guard), ("pause", DagManagement::Pause)],
    );
    let drain = minutes(reader.number("DRAIN_MINUTES", 30, 0, 1440));
    let audit_bus = reader.required("AUDIT_BUS_NAME");
    let notification_topic = reader.optional("NOTIFICATION_TOPIC_ARN");
    let runbook_base_url = reader.address("RUNBOOK_BASE_URL");
    let log_level = reader.choice(
        "LOG_LEVEL",
        LogLevel::Info,
        &[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
        ],
    );
    let (blue, green) = (&environments.blue, &environments.green);
    let own_region = reader.optional("AWS_REGION");
    let region_of = |environment: &EnvironmentSettings| environment.region.clone().or_else(|| own_region.clone());
    if !blue.name.is_empty() && blue.name == green.name && region_of(blue) == region_of(green) {
        reader.faults.push(format!(
            "BLUE_ENVIRONMENT_NAME and GREEN_ENVIRONMENT_NAME are both {:?} in the same region; they must be two environments",
            blue.name
        ));
    }
    match names {
        Some(names) if reader.faults.is_empty() => Ok(Settings {
            pair,
            names,
            environments,
            policy,
            probe_interval,
            probe_until,
            metrics_interval_minutes,
            drill,
            readiness_interval_minutes,
            run_report_after,
            dag_management,
            drain,
            audit_bus,
            notification_topic,
            runbook_base_url,
            log_level,
        }),
        _ => Err(SettingsFaults(reader.faults)),
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.faults.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A typing error here must not stop the function: without an address a message names files.
    fn address(&self, name: &str) -> Option<String> {
        self.optional(name).filter(|value| {
            let rest = value
                .strip_prefix("https://")
                .or_else(|| value.strip_prefix("http://"))
                .unwrap_or_default();
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic())
        })
    }

    /// Names of pairs and environments: as MWAA's own, a letter first, then letters, digits, `-` and `_`.
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

    fn parameter_names(&mut self, name: &str, default: &str) -> Option<ParameterNames> {
        let value = self.optional(name).unwrap_or_else(|| default.to_owned());
        ParameterNames::of_flag(&value)
            .map_err(|fault| self.faults.push(format!("{name} {fault}")))
            .ok()
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
        // DescribeAlarms takes at most 100 names a call.
        if alarms.len() > 100 {
            self.faults
                .push(format!("{name} names {} alarms; at most 100 are allowed", alarms.len()));
        }
        alarms
    }

    fn policy(&mut self) -> Policy {
        let default = Policy::default();
        Policy {
            mode: self.choice(
                "FAILOVER_MODE",
                default.mode,
                &[("automatic", Mode::Automatic), ("observe", Mode::Observe)],
            ),
            failure_window: self.seconds("FAILURE_WINDOW_SECONDS", default.failure_window.as_secs(), 10, 3600),
            maintenance_grace: self.seconds(
                "MAINTENANCE_GRACE_SECONDS",
                default.maintenance_grace.as_secs(),
                60,
                86400,
            ),
            cooldown: self.seconds("COOLDOWN_SECONDS", default.cooldown.as_secs(), 0, 86400),
            failover_budget: self.number("FAILOVER_BUDGET_PER_DAY", default.failover_budget, 0, 100),
            failover_semantics: self.choice(
                "FAILOVER_SEMANTICS",
                default.failover_semantics,
                &[
                    ("at-least-once", FailoverSemantics::AtLeastOnce),
                    ("at-most-once", FailoverSemantics::AtMostOnce),
                ],
            ),
            // Readers clamp at 60 s, so a longer lead would not be kept.
            lead: self.seconds("SWITCH_LEAD_SECONDS", default.lead.as_secs(), 0, 60),
            on_flag_fault: self.choice(
                "ON_FLAG_FAULT",
                default.on_flag_fault,
                &[("alert", OnFlagFault::Alert), ("restore", OnFlagFault::Restore)],
            ),
        }
    }

    fn drill(&mut self) -> DrillPolicy {
        let windows = self.optional("DRILL_BLOCKED_WINDOWS").unwrap_or_default();
        DrillPolicy {
            duration_minutes: self.number("DRILL_DURATION_MINUTES", 15, 1, 1440),
            // A typing error here must not stop the watcher: only drills mind.
            blocked_windows: BlockedWindows::read(&windows),
            overdue_days: self.number("DRILL_OVERDUE_DAYS", 0, 0, 366),
            alarms: self.alarm_names("DRILL_ALARM_NAMES"),
        }
    }

    fn seconds(&mut self, name: &str, default: u64, least: u64, most: u64) -> Duration {
        Duration::from_secs(self.number(name, default, least, most))
    }

    fn number<T>(&mut self, name: &str, default: T, least: T, most: T) -> T
    where
        T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.optional(name) else {
            return default;
        };
        match text.parse::<T>() {
            Ok(value) if value >= least && value <= most => value,
            _ => {
                self.faults.push(format!(
                    "{name} is {text:?}; allowed is a whole number from {least} to {most}"
                ));
                default
            }
        }
    }

    fn choice<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        let Some(text) = self.optional(name) else {
            return default;
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.faults
            .push(format!("{name} is {text:?}; allowed is one of: {}", words.join(", ")));
        default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
