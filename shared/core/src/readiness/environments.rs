//! Findings about the two environments as GetEnvironment describes them.

use super::finding::{Finding, Question, Report, Severity, UnansweredQuestion, some_of};
use super::snapshot::SourceFile;
use super::subject::{Subject, command};
use crate::color::Color;
use crate::environment::ENVIRONMENT_CLASSES;
use crate::health::{CauseKind, ProbeResult, Reading, StatusClass, Verdict};
use crate::readiness::EnvironmentDetails;

/// The option from which a DAG reads its environment's color.
const COLOR_OPTION: &str = "custom.environment_color";

/// The option that names the flag which the guard reads.
const FLAG_OPTION: &str = "custom.bluegreen_flag_parameter";

/// The length of a weekly maintenance window, two hours: MWAA's user guide, "maintenance window".
const WINDOW_MINUTES: u32 = 120;
const WEEK_MINUTES: u32 = 7 * 24 * 60;

/// Finds whether the standby is healthy.
pub(super) fn standby(subject: &Subject<'_>, report: &mut Report) {
    let standby = subject.active.other();
    let assessment = subject.verdicts.of(standby);
    let name = &subject.settings.of(standby).name;
    let reasons = assessment.reasons.join("; ");
    match (&assessment.verdict, subject.snapshot.environments.of(standby)) {
        (Verdict::Healthy, _) => {}
        (_, ProbeResult::Unknown(cause)) if cause.kind == CauseKind::NotFound => report.add(Finding {
            name: "standby-verdict",
            severity: Severity::Red,
            color: Some(standby),
            what: format!("MWAA has no environment {name}"),
            why: "there is nothing to take over",
            fix: "create the environment, or correct its name and region in the stack's parameters".to_owned(),
        }),
        (Verdict::Unknown, ProbeResult::Known(details))
            if StatusClass::of(&details.status) != StatusClass::NotReady =>
        {
            report.unknown_verdict(standby, reasons);
        }
        (Verdict::Unknown, ProbeResult::Unknown(_)) => report.unknown_verdict(standby, reasons),
        (verdict, _) => report.add(Finding {
            name: "standby-verdict",
            severity: Severity::Red,
            color: Some(standby),
            what: format!("{standby} is {verdict}: {reasons}"),
            why: "no failover, rollback or drill goes to a standby that is not healthy",
            fix: format!(
                "see what ails it: {}",
                command(subject.settings.of(standby), "mwaa get-environment", "")
            ),
        }),
    }
    let signals = &assessment.signals;
    for reading in [&signals.scheduler, &signals.heartbeat] {
        if let Reading::Bad { detail, .. } = reading {
            report.add(Finding {
                name: "standby-heartbeat",
                severity: Severity::Red,
                color: Some(standby),
                what: format!("{standby}'s scheduler does not work: {detail}"),
                why: "without a scheduler no run starts",
                fix: "read the environment's scheduler log; an update of the environment restarts its schedulers"
                    .to_owned(),
            });
            break;
        }
    }
}

impl Report {
    fn unknown_verdict(&mut self, standby: Color, cause: String) {
        self.not_asked.push(UnansweredQuestion {
            question: Question::Verdict,
            color: Some(standby),
            cause,
        });
    }
}

/// Finds where the two environments would behave differently.
pub(super) fn compare(subject: &Subject<'_>, report: &mut Report) {
    for color in Color::BOTH {
        if let ProbeResult::Unknown(cause) = subject.snapshot.environments.of(color) {
            report.unanswered(Question::Environment, Some(color), "airflow:GetEnvironment", cause);
        }
    }
    let (ProbeResult::Known(active), ProbeResult::Known(standby)) = (
        subject.snapshot.environments.of(subject.active),
        subject.snapshot.environments.of(subject.active.other()),
    ) else {
        return;
    };
    let pair = Compared {
        subject,
        color: subject.active.other(),
        active,
        standby,
    };
    pair.airflow_version(report);
    pair.sizes(report);
    pair.source_files(report);
    pair.configuration(report);
    pair.environment_color(report);
    pair.flag_parameter(report);
    pair.maintenance_windows(report);
    pair.web_access(report);
}

struct Compared<'a> {
    subject: &'a Subject<'a>,
    color: Color,
    active: &'a EnvironmentDetails,
    standby: &'a EnvironmentDetails,
}

impl Compared<'_> {
    fn finding(&self, name: &'static str, severity: Severity, what: String, why: &'static str, fix: String) -> Finding {
        Finding {
            name,
            severity,
            color: Some(self.color),
            what,
            why,
            fix,
        }
    }

    fn update(&self, more: &str) -> String {
        command(self.subject.settings.of(self.color), "mwaa update-environment", more)
    }

    /// Both values, such as `blue has 10, green 5`.
    fn sides(&self, active: &str, standby: &str) -> String {
        format!("{} has {active}, {} {standby}", self.subject.active, self.color)
    }

    fn airflow_version(&self, report: &mut Report) {
        let (Some(active), Some(standby)) = (&self.active.airflow_version, &self.standby.airflow_version) else {
            return;
        };
        if active == standby {
            return;
        }
        let series = |version: &str| version.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
        let severity = if series(active) == series(standby) {
            Severity::Amber
        } else {
            Severity::Red
        };
        report.add(self.finding(
            "airflow-version",
            severity,
            self.sides(active, standby),
            "DAGs, plugins and callers of Airflow's API that work with one version may fail with another; in an upgrade this \
             is wanted until the switch",
            self.update(&format!(" --airflow-version {active}")),
        ));
    }

    fn sizes(&self, report: &mut Report) {
        let rank = |class: &str| ENVIRONMENT_CLASSES.iter().position(|known| *known == class);
        if let (Some(active), Some(standby)) = (&self.active.environment_class, &self.standby.environment_class)
            && active != standby
        {
            let severity = match (rank(active), rank(standby)) {
                (Some(active), Some(standby)) if standby > active => Severity::Info,
                _ => Severity::Amber,
            };
            report.add(self.finding(
                "environment-class",
                severity,
                self.sides(active, standby),
                "a smaller class runs fewer tasks at once: after a failover the queue grows",
                self.update(&format!(" --environment-class {active}")),
            ));
        }
        for (name, severity, active, standby, option, why) in [
            (
                "max-workers",
                Severity::Amber,
                self.active.max_workers,
                self.standby.max_workers,
                "--max-workers",
                "fewer workers run fewer tasks at once: after a failover the queue grows",
            ),
            (
                "schedulers",
                Severity::Amber,
                self.active.schedulers,
                self.standby.schedulers,
                "--schedulers",
                "fewer schedulers start runs and tasks later",
            ),
            (
                "min-workers",
                Severity::Info,
                self.active.min_workers,
                self.standby.min_workers,
                "--min-workers",
                "workers beyond the fewest take minutes to start: the first minutes after a failover are slower",
            ),
            (
                "webservers",
                Severity::Info,
                self.active.max_webservers,
                self.standby.max_webservers,
                "--max-webservers",
                "fewer web servers answer fewer calls of Airflow's API and pages at once",
            ),
        ] {
            let (Some(active), Some(standby)) = (active, standby) else {
                continue;
            };
            if standby < active {
                report.add(self.finding(
                    name,
                    severity,
                    self.sides(&active.to_string(), &standby.to_string()),
                    why,
                    self.update(&format!(" {option} {active}")),
                ));
            }
        }
    }

    /// Object versions in two buckets always differ, so only versions of one object can be compared.
    fn source_files(&self, report: &mut Report) {
        let buckets = (&self.active.source_bucket_arn, &self.standby.source_bucket_arn);
        if let (Some(_), None) = buckets {
            report.add(self.finding(
                "source-bucket",
                Severity::Red,
                format!("{} has no source bucket", self.color),
                "without it there are no DAGs",
                self.update(" --source-bucket-arn <bucket ARN>"),
            ));
        }
        let mut not_comparable = Vec::new();
        for (name, option, active, standby) in [
            (
                "requirements",
                "--requirements-s3-path",
                &self.active.requirements,
                &self.standby.requirements,
            ),
            (
                "plugins",
                "--plugins-s3-path",
                &self.active.plugins,
                &self.standby.plugins,
            ),
            (
                "startup-script",
                "--startup-script-s3-path",
                &self.active.startup_script,
                &self.standby.startup_script,
            ),
        ] {
            let why = "tasks that find other packages or plugins than before fail, or do something else";
            match (active, standby) {
                (None, None) => {}
                (Some(active), None) => report.add(self.finding(
                    name,
                    Severity::Red,
                    format!("{} has {}, {} has none", self.subject.active, active.path, self.color),
                    why,
                    self.update(&format!(" {option} {}", active.path)),
                )),
                (None, Some(standby)) => report.add(self.finding(
                    name,
                    Severity::Amber,
                    format!("{} has {}, {} has none", self.color, standby.path, self.subject.active),
                    why,
                    format!("give both the same: {}", self.update(&format!(" {option} \"\""))),
                )),
                (Some(active), Some(standby)) if active.path != standby.path => report.add(self.finding(
                    name,
                    Severity::Amber,
                    self.sides(&active.path, &standby.path),
                    why,
                    self.update(&format!(" {option} {}", active.path)),
                )),
                (Some(active), Some(standby)) if buckets.0 == buckets.1 => {
                    if active.version != standby.version {
                        report.add(self.finding(
                            name,
                            Severity::Amber,
                            format!("{}: {}", active.path, self.sides(&version(active), &version(standby))),
                            why,
                            self.update(&format!(
                                " {option} {} {} {}",
                                active.path,
                                option.replace("-path", "-object-version"),
                                version(active)
                            )),
                        ));
                    }
                }
                (Some(_), Some(_)) => not_comparable.push(name),
            }
        }
        if let (Some(active), Some(standby), false) = (buckets.0, buckets.1, not_comparable.is_empty()) {
            report.add(self.finding(
                "source-file-versions",
                Severity::Info,
                format!(
                    "the contents of {} are not compared: they lie in two buckets, whose object versions always differ",
                    not_comparable.join(", ")
                ),
                "the same path may hold different contents",
                format!(
                    "compare the ETags of `aws s3api head-object --bucket {} --key <path>` with those of bucket {}",
                    bucket_name(active),
                    bucket_name(standby)
                ),
            ));
        }
    }

    fn configuration(&self, report: &mut Report) {
        let (active, standby) = (
            &self.active.configuration_options.0,
            &self.standby.configuration_options.0,
        );
        let mut names: Vec<&str> = active
            .keys()
            .chain(standby.keys().filter(|name| !active.contains_key(*name)))
            .map(String::as_str)
            .filter(|name| *name != COLOR_OPTION && active.get(*name) != standby.get(*name))
            .collect();
        names.sort_unstable();
        if !names.is_empty() {
            report.add(self.finding(
                "configuration-options",
                Severity::Amber,
                format!("these options differ, or are set in one only: {}", some_of(names)),
                "Airflow would behave differently after a failover; values are not shown because they may be secrets",
                format!(
                    "compare AirflowConfigurationOptions of both, then {}",
                    self.update(" --airflow-configuration-options <all options, this color's own among them>")
                ),
            ));
        }
    }

    /// DAGs compare this option with the flag.
    fn environment_color(&self, report: &mut Report) {
        for (color, details) in [(self.subject.active, self.active), (self.color, self.standby)] {
            let (severity, what) = match details.configuration_options.0.get(COLOR_OPTION) {
                Some(value) if value == color.as_str() => continue,
                Some(_) => (
                    Severity::Red,
                    format!("{color}'s option {COLOR_OPTION} is not exactly {color}"),
                ),
                None => (Severity::Amber, format!("{color} has no option {COLOR_OPTION}")),
            };
            report.add(Finding {
                name: "environment-color",
                severity,
                color: Some(color),
                what,
                why: "DAGs compare it with the flag: where it is wrong, both environments do the work or neither does",
                fix: command(
                    self.subject.settings.of(color),
                    "mwaa update-environment",
                    &format!(" --airflow-configuration-options <all options, {COLOR_OPTION}={color} among them>"),
                ),
            });
        }
    }

    /// The guard reads this flag. Without the option it reads the default one, but the option may also be missing
    /// because DAGs have no guard.
    fn flag_parameter(&self, report: &mut Report) {
        for (color, details) in [(self.subject.active, self.active), (self.color, self.standby)] {
            let Some(read) = details.configuration_options.0.get(FLAG_OPTION) else {
                continue;
            };
            if read == self.subject.flag {
                continue;
            }
            let option = format!("{FLAG_OPTION}={}", self.subject.flag);
            report.add(Finding {
                name: "flag-parameter",
                severity: Severity::Red,
                color: Some(color),
                what: format!("{color}'s option {FLAG_OPTION} is not {}", self.subject.flag),
                why: "the guard there reads another flag: after a switch both environments do the work, or neither does",
                fix: command(
                    self.subject.settings.of(color),
                    "mwaa update-environment",
                    &format!(" --airflow-configuration-options <all options, {option} among them>"),
                ),
            });
        }
    }

    /// Amber: the standby can take over now, but once a week both can be unavailable together.
    fn maintenance_windows(&self, report: &mut Report) {
        let (Some(active), Some(standby)) = (
            &self.active.weekly_maintenance_window_start,
            &self.standby.weekly_maintenance_window_start,
        ) else {
            return;
        };
        let (Some(start), Some(other)) = (minute_of_week(active), minute_of_week(standby)) else {
            return;
        };
        let apart = start.abs_diff(other);
        if apart.min(WEEK_MINUTES.saturating_sub(apart)) < WINDOW_MINUTES {
            report.add(self.finding(
                "maintenance-window",
                Severity::Amber,
                format!(
                    "the weekly maintenance windows overlap: {}",
                    self.sides(active, standby)
                ),
                "AWS may take both environments down in the same two hours",
                self.update(
                    " --weekly-maintenance-window-start <a day and time two hours or more away, such as WED:03:00>",
                ),
            ));
        }
    }

    fn web_access(&self, report: &mut Report) {
        if let (Some(active), Some(standby)) = (&self.active.webserver_access_mode, &self.standby.webserver_access_mode)
            && active != standby
        {
            report.add(self.finding(
                "webserver-access",
                Severity::Info,
                self.sides(active, standby),
                "people and callers may not reach the standby's pages and API the way they reach the active's",
                self.update(&format!(" --webserver-access-mode {active}")),
            ));
        }
    }
}

fn version(file: &SourceFile) -> String {
    file.version.clone().unwrap_or_else(|| "no version".to_owned())
}

fn bucket_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// A text such as `SUN:03:30`, in minutes since Monday.
fn minute_of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let (hours, minutes) = time.split_once(':')?;
    let day = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
        .iter()
        .position(|known| *known == day)?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    u32::try_from(day)
        .ok()?
        .checked_mul(24)?
        .checked_add(hours)?
        .checked_mul(60)?
        .checked_add(minutes)
}
