//! What must hold at every step, checked against the world as it truly is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bluegreen_core::color::{Both, Color};
use bluegreen_core::settings::Settings;
use serde_json::Value;

use crate::clock::{MINUTE, Milliseconds, SECOND};
use crate::environment::Environment;
use crate::parameter_store::Version;
use crate::world::World;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A parameter was written, or deleted if there is no version.
    Stored {
        /// Its name.
        name: String,
        /// The version that it has now.
        version: Option<Version>,
        /// By whom.
        by: String,
    },
    /// An event reached the pair's bus.
    Published(Value),
    /// A message reached the topic.
    Notified {
        /// Its subject.
        subject: String,
        /// The message.
        message: String,
    },
    /// An event was answered with a notification: this is its id.
    Delivered(String),
    /// An invocation ended.
    Ended {
        /// The process.
        process: String,
        /// The id of the request.
        request_id: String,
        /// The answer, or what went wrong.
        answer: Result<Value, String>,
    },
    /// Something of the script, in words.
    Scripted(String),
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { name, version, by } => {
                let name = name.rsplit_once("/blue-green/").map_or(name.as_str(), |(_, last)| last);
                match version {
                    Some(version) => {
                        let description = version.description.as_deref().unwrap_or_default();
                        write!(
                            formatter,
                            "{by}: {name} v{} = {} {description}",
                            version.number, version.value
                        )
                    }
                    None => write!(formatter, "{by}: {name} deleted"),
                }
            }
            Self::Published(event) => {
                write!(
                    formatter,
                    "event {} {}: {}",
                    text(event, "/detail-type"),
                    text(event, "/detail/id"),
                    text(event, "/detail/reason")
                )
            }
            Self::Notified { subject, .. } => write!(formatter, "people are notified: {subject}"),
            Self::Delivered(id) => write!(formatter, "notified of {id}"),
            Self::Ended {
                process,
                request_id,
                answer,
            } => match answer {
                Ok(answer) => write!(formatter, "{process} {request_id}: {}", in_short(answer)),
                Err(error) => write!(formatter, "{process} {request_id}: {error}"),
            },
            Self::Scripted(words) => write!(formatter, "== {words}"),
        }
    }
}

fn in_short(answer: &Value) -> String {
    if let Some(outcome) = answer.get("outcome").and_then(Value::as_str) {
        return format!("{outcome}: {}", text(answer, "/reason"));
    }
    if let Some(decision) = answer.get("decision").and_then(Value::as_str) {
        let verdict = |color: &str| text(answer, &format!("/verdicts/{color}/verdict")).to_owned();
        return format!(
            "{decision}; active {} v{}; blue {}, green {}: {}",
            text(answer, "/active"),
            answer.get("version").and_then(Value::as_i64).unwrap_or(0),
            verdict("blue"),
            verdict("green"),
            text(answer, "/reason")
        );
    }
    answer.to_string()
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub rule: &'static str,
    /// When.
    pub at: Milliseconds,
    /// What happened.
    pub what: String,
}

/// What has been seen so far, and the first violation.
#[derive(Debug, Default)]
pub struct Invariants {
    /// The first violation.
    pub violation: Option<Violation>,
    settings: Option<Settings>,
    /// Every version of every incarnation of the flag, by number and date.
    versions: BTreeMap<(i64, Milliseconds), Version>,
    /// Every event by its id.
    events: BTreeMap<String, Value>,
    /// Ids of events that people must be notified of, and when they were published.
    owed: BTreeMap<String, Milliseconds>,
    /// Whose transition a record is: the id of the request that says so.
    winners: BTreeMap<String, String>,
    /// When the environment last gave evidence against itself.
    evidence: Both<Option<Milliseconds>>,
    /// Since when the active is truly dead, and the other one works, in fair weather, and nothing was done.
    neglected_since: Option<(Color, Milliseconds)>,
    /// Events published since then.
    blocked: BTreeSet<Milliseconds>,
    /// Since when nothing goes wrong with requests.
    fair_since: Milliseconds,
}

impl Invariants {
    /// For a pair with these settings.
    pub fn of(settings: Settings) -> Self {
        Self {
            settings: Some(settings),
            ..Self::default()
        }
    }

    fn broken(&mut self, rule: &'static str, at: Milliseconds, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { rule, at, what });
        }
    }

    /// Requests go wrong at this instant.
    pub fn weather_is_foul(&mut self, now: Milliseconds) {
        self.fair_since = now;
    }

    /// Lets time pass.
    pub fn look(&mut self, world: &mut World, now: Milliseconds) {
        if !world.weather.is_fair(now) {
            self.fair_since = now;
        }
        for color in [Color::Blue, Color::Green] {
            if self.is_evidence(world.environments.of(color), now) {
                match color {
                    Color::Blue => self.evidence.blue = Some(now),
                    Color::Green => self.evidence.green = Some(now),
                }
            }
        }
        if let Some(refused) = world.store.refused.first() {
            self.broken("store-limits", now, format!("Parameter Store never takes: {refused}"));
        }
        self.look_for_neglect(world, now);
    }

    /// Whether an environment truly gives a reason to fail over, as far as the settings let it.
    fn is_evidence(&self, environment: &Environment, now: Milliseconds) -> bool {
        let Some(settings) = &self.settings else { return true };
        let window = i64::try_from(settings.policy.failure_window.as_millis()).unwrap_or(0);
        // Clocks are wrong by up to 8 s, and Airflow's threshold is 30 s.
        let stopped = environment
            .stopped_at
            .is_some_and(|at| now - at >= window - 10 * SECOND);
        let grace = i64::try_from(settings.policy.maintenance_grace.as_millis()).unwrap_or(0);
        let excused =
            environment.is_planned() && environment.stopped_at.is_none_or(|at| now - at < grace - 10 * SECOND);
        let failed = matches!(
            environment.status,
            None | Some("UNAVAILABLE" | "CREATE_FAILED" | "DELETING")
        );
        environment.alarm.is_some() || failed || !environment.database_is_up || (stopped && !excused)
    }

    fn look_for_neglect(&mut self, world: &World, now: Milliseconds) {
        let Some(settings) = self.settings.clone() else { return };
        let Some(active) = world.active() else {
            self.neglected_since = None;
            return;
        };
        let (dead, other) = (world.environments.of(active), world.environments.of(active.other()));
        let is_dead = dead.stopped_at.is_some() && !dead.is_planned() && dead.status == Some("AVAILABLE")
            || matches!(dead.status, Some("UNAVAILABLE"));
        let is_clear = other.works()
            && other.web_is_up
            && other.alarm.is_none()
            && other.status == Some("AVAILABLE")
            && now - other.started_at > 5 * MINUTE
            && now - self.fair_since > 5 * MINUTE;
        let neglected = is_dead && is_clear;
        match self.neglected_since {
            Some((color, since)) if neglected && color == active => {
                let window = i64::try_from(settings.policy.failure_window.as_millis())
                    .unwrap_or(0)
                    .max(300 * SECOND);
                let bound = window + 10 * MINUTE;
                if now - since > bound && !self.blocked.iter().any(|at| *at > since - 26 * 60 * MINUTE) {
                    let what = format!(
                        "{active} is dead since {}, {} works, nothing goes wrong with requests, and for {} s neither was there a \
                         failover nor was anybody notified that one is blocked",
                        dead.stopped_at.map_or_else(|| "long".to_owned(), crate::clock::text),
                        active.other(),
                        (now - since) / SECOND
                    );
                    self.broken("dead-active-left", now, what);
                }
            }
            _ if neglected => self.neglected_since = Some((active, now)),
            _ => self.neglected_since = None,
        }
    }

    /// Checks one fact.
    pub fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) {
        match fact {
            Fact::Stored {
                name,
                version: Some(version),
                by,
            } if name == world.names.flag() => {
                self.versions.insert((version.number, version.at), version.clone());
                self.flag_written(world, version, by, now);
            }
            Fact::Published(event) => self.published(event, now),
            Fact::Delivered(id) => {
                self.owed.remove(id);
            }
            Fact::Ended {
                process,
                request_id,
                answer,
            } => self.ended(process, request_id, answer, now),
            _ => {}
        }
    }

    fn flag_written(&mut self, world: &World, version: &Version, by: &str, now: Milliseconds) {
        let Some(record) = record_of(version) else { return };
        let stored = world.store.truth(&format!("{}/{record}", world.names.transitions()));
        let record: Value = stored
            .and_then(|stored| serde_json::from_str(&stored.value).ok())
            .unwrap_or(Value::Null);
        let is_declared = version
            .description
            .as_deref()
            .is_some_and(|text| text.contains("declared"));
        let from = Color::parse(text(&record, "/from"));
        if let ("failover", Some(from), false) = (text(&record, "/kind"), from, is_declared)
            && text(&record, "/actor/function") == "health-watcher"
        {
            let last = *self.evidence.of(from);
            if last.is_none_or(|last| now - last > 5 * MINUTE) {
                self.broken(
                    "failover-without-evidence",
                    now,
                    format!(
                        "{by} failed over from {from}, which works: {}",
                        text(&record, "/reason")
                    ),
                );
            }
        }
    }

    fn published(&mut self, event: &Value, now: Milliseconds) {
        let id = text(event, "/detail/id").to_owned();
        let kind = text(event, "/detail-type").to_owned();
        let detail = event.get("detail").cloned().unwrap_or(Value::Null);
        if kind == "Failover Blocked" || kind == "Environment Unknown" {
            self.blocked.insert(now);
        }
        match self.events.get(&id) {
            None => {
                let is_succeeded = text(&detail, "/outcome") == "succeeded";
                if !is_succeeded && !matches!(kind.as_str(), "Failovers Acknowledged" | "Run Report") {
                    self.owed.insert(id.clone(), now);
                }
                self.events.insert(id, detail);
            }
            Some(before) if *before != detail => {
                let what = format!("two events {kind} with the id {id} differ:\n{before}\n{detail}");
                self.broken("one-id-one-event", now, what);
            }
            Some(_) => {}
        }
    }

    fn ended(&mut self, process: &str, request_id: &str, answer: &Result<Value, String>, now: Milliseconds) {
        match answer {
            Ok(answer) => {
                let outcome = text(answer, "/outcome");
                let record = text(answer, "/record");
                let record = if record.is_empty() {
                    text(answer, "/transition")
                } else {
                    record
                };
                let is_winner =
                    matches!(outcome, "switched" | "rolled-back" | "failed-over" | "") && !record.is_empty();
                if is_winner {
                    let winner = self
                        .winners
                        .entry(record.to_owned())
                        .or_insert_with(|| request_id.to_owned());
                    if winner != request_id {
                        let what = format!(
                            "{process} ({request_id}) and {winner} both say that they made transition {record}"
                        );
                        self.broken("one-transition-one-writer", now, what);
                    }
                }
            }
            Err(error) => {
                let is_expected = error.starts_with("Lost") || error.starts_with("InvalidRequest");
                if !is_expected && now - self.fair_since > 2 * MINUTE {
                    self.broken("no-error-in-fair-weather", now, format!("{process}: {error}"));
                }
            }
        }
    }

    /// What must hold when nothing has gone wrong for a while.
    pub fn peace(&mut self, world: &World, now: Milliseconds) {
        for ((number, at), version) in &self.versions.clone() {
            let suffix = format!(":v{number}-{at}");
            if !self.events.keys().any(|id| id.ends_with(&suffix)) {
                let what = format!(
                    "version {number} of {} ({}) was never audited",
                    crate::clock::text(*at),
                    version.value
                );
                self.broken("every-version-audited", now, what);
            }
        }
        if let Some((id, at)) = self.owed.iter().find(|(_, at)| now - **at > 30 * MINUTE) {
            let what = format!("nobody was notified of {id}, published at {}", crate::clock::text(*at));
            self.broken("everybody-notified", now, what);
        }
        let unsent = format!("{}/", world.names.unsent());
        if let Some(name) = world.store.names_below(&unsent).next() {
            self.broken("quiet-in-peace", now, format!("an event was never sent: {name}"));
        }
        // What was found to be right once needs not be looked at again.
        if self.violation.is_none() {
            self.versions.clear();
            self.events.clear();
            self.winners.clear();
        }
    }
}

/// The record that a version's description names.
fn record_of(version: &Version) -> Option<&str> {
    let (_, after) = version.description.as_deref()?.rsplit_once("record=")?;
    after.split([']', ' ']).next()
}
