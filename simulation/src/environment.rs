//! One MWAA environment as it truly is, and what its services show of it.

use serde_json::{Value, json};

use crate::clock::{MINUTE, Milliseconds, SECOND, text};

/// Airflow calls a scheduler unhealthy whose heartbeat is older.
const HEALTH_THRESHOLD: Milliseconds = 30 * SECOND;

/// In seconds: how long after the end of planned work its scheduler may take to start.
const SLOWEST_START: i64 = 100;

/// One environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// What GetEnvironment calls it; `None` if it does not exist.
    pub status: Option<&'static str>,
    /// When a planned work is over, and the status after it.
    pub planned_until: Option<(Milliseconds, &'static str)>,
    /// When the scheduler, which planned work has stopped, runs again: somewhat later than the status says.
    starts_at: Option<Milliseconds>,
    /// Since when the status is what it is.
    pub status_since: Milliseconds,
    /// Since when the scheduler is not running; `None` if it is.
    pub stopped_at: Option<Milliseconds>,
    /// Since when the scheduler has been running, if it is.
    pub started_at: Milliseconds,
    /// Since when the metadata database does not answer; `None` if it does.
    pub no_database_since: Option<Milliseconds>,
    /// Whether the web server answers.
    pub web_is_up: bool,
    /// Whether it is Airflow 2.
    pub is_airflow_2: bool,
    /// What started the last update, as MWAA says.
    pub update_source: Option<&'static str>,
    /// Whether the health alarm that a person named for it is in ALARM, and since when.
    pub alarm: Option<Milliseconds>,
}

impl Environment {
    /// A new one that works.
    pub fn new(name: &str, now: Milliseconds) -> Self {
        Self {
            name: name.to_owned(),
            status: Some("AVAILABLE"),
            planned_until: None,
            starts_at: None,
            status_since: now - 10 * MINUTE,
            stopped_at: None,
            started_at: now - 10 * MINUTE,
            no_database_since: None,
            web_is_up: true,
            is_airflow_2: false,
            update_source: None,
            alarm: None,
        }
    }

    /// Lets time pass: planned work ends, and the scheduler is started.
    pub fn settle(&mut self, now: Milliseconds) -> Option<&'static str> {
        if let Some(at) = self.starts_at.filter(|at| *at <= now) {
            self.starts_at = None;
            self.start(at);
        }
        let (until, then) = self.planned_until?;
        if now < until {
            return None;
        }
        self.planned_until = None;
        self.set_status(Some(then), until);
        self.web_is_up = true;
        if self.stopped_at.is_some() {
            // Any time within this span, the same for the same history.
            self.starts_at = Some(until + (until / SECOND).rem_euclid(SLOWEST_START) * SECOND);
        }
        self.status
    }

    /// Sets the status.
    pub fn set_status(&mut self, status: Option<&'static str>, now: Milliseconds) {
        if self.status != status {
            self.status = status;
            self.status_since = now;
        }
    }

    /// The scheduler stops.
    pub fn stop(&mut self, now: Milliseconds) {
        self.starts_at = None;
        self.stopped_at = self.stopped_at.or(Some(now));
    }

    /// The scheduler runs again.
    pub fn start(&mut self, now: Milliseconds) {
        if self.stopped_at.take().is_some() {
            self.started_at = now;
        }
    }

    /// Since when it makes no runs although it is there: without its database a scheduler does nothing either.
    pub fn dead_since(&self) -> Option<Milliseconds> {
        [self.stopped_at, self.no_database_since].into_iter().flatten().min()
    }

    /// Whether it makes and executes runs.
    pub fn works(&self) -> bool {
        self.dead_since().is_none() && self.status.is_some_and(is_serving)
    }

    /// Whether planned work is under way.
    pub fn is_planned(&self) -> bool {
        matches!(self.status, Some("UPDATING" | "MAINTENANCE" | "CREATING_SNAPSHOT"))
    }

    /// When the scheduler last wrote its heartbeat, before `now`.
    fn heartbeat(&self, now: Milliseconds) -> Milliseconds {
        match self.dead_since() {
            Some(at) => at.min(now),
            None => now - now.rem_euclid(5 * SECOND),
        }
    }

    /// What GetEnvironment answers.
    pub fn described(&self) -> Option<Value> {
        let status = self.status?;
        let mut environment = json!({
            "Name": self.name,
            "Status": status,
            "AirflowVersion": if self.is_airflow_2 { "2.10.5" } else { "3.0.6" },
        });
        if let Some(source) = self.update_source {
            environment["LastUpdate"] = json!({"Source": source, "Status": "SUCCESS"});
        }
        Some(json!({"Environment": environment}))
    }

    /// What Airflow's health endpoint answers.
    pub fn health(&self, now: Milliseconds) -> Value {
        let heartbeat = self.heartbeat(now);
        let is_fresh = now - heartbeat <= HEALTH_THRESHOLD;
        let has_database = self.no_database_since.is_none();
        let words = |is_well: bool| if is_well { "healthy" } else { "unhealthy" };
        // The heartbeat is read from the database.
        let latest = has_database.then(|| text(heartbeat).replace(' ', "T").replace('Z', "+00:00"));
        json!({
            "metadatabase": {"status": words(has_database)},
            "scheduler": {"status": words(is_fresh && has_database), "latest_scheduler_heartbeat": latest},
            "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": null},
        })
    }

    /// The newest minutes, within a span, in which the metric of the heartbeat has a point; newest first.
    pub fn heartbeat_points(&self, from: Milliseconds, to: Milliseconds, now: Milliseconds) -> Vec<Milliseconds> {
        // A minute shows up when it is over, and a little later.
        let newest = self.heartbeat(now.min(to) - MINUTE).div_euclid(MINUTE) * MINUTE;
        (0..3)
            .map(|back| newest - back * MINUTE)
            .filter(|at| *at >= from && *at <= to)
            .collect()
    }
}

/// Whether an environment of this status executes runs.
pub fn is_serving(status: &str) -> bool {
    matches!(
        status,
        "AVAILABLE" | "UPDATE_FAILED" | "UPDATING" | "CREATING_SNAPSHOT" | "MAINTENANCE" | "ROLLING_BACK"
    )
}
