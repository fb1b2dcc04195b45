//! Airflow's REST API, as MWAA's InvokeRestApi reaches it: DAGs, import errors, runs and task instances, in the shapes of
//! `local/local_aws/airflow_api.py`.

use bluegreen_core::color::Color;
use bluegreen_core::run_report::GUARD_TASK;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::airflow::{Airflow, Here, MAX_ACTIVE_RUNS, Run, State};
use crate::clock::{Milliseconds, timestamp};

/// The longest page.
const PAGE: usize = 100;
/// The task of each DAG besides the guard.
const WORK: &str = "work";

/// A call of one environment's API.
#[derive(Debug)]
pub struct Call<'a> {
    /// The environment's color.
    pub color: Color,
    /// Whether it is Airflow 2.
    pub is_airflow_2: bool,
    /// `GET`, `POST` or `PATCH`.
    pub method: &'a str,
    /// The path, without the API's version.
    pub path: &'a str,
    /// The parameters of the query.
    pub query: &'a Value,
    /// The body.
    pub body: &'a Value,
    /// The present instant.
    pub now: Milliseconds,
}

/// A run, and the DAG that it is of.
struct Listed<'a> {
    dag: &'a str,
    tick: Milliseconds,
    run: &'a Run,
}

impl Call<'_> {
    /// The answer; none if there is nothing at the path.
    pub fn answer(&self, airflow: &mut Airflow) -> Option<Value> {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        match (self.method, parts.as_slice()) {
            ("GET", ["dags"]) => Some(self.dags(airflow)),
            ("GET", ["importErrors"]) => Some(json!({"import_errors": [], "total_entries": 0})),
            ("GET", ["dags", "~", "dagRuns"]) => Some(self.dag_runs(airflow, self.query)),
            ("POST", ["dags", "~", "dagRuns", "list"]) => Some(self.dag_runs(airflow, self.body)),
            ("POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]) => Some(self.task_instances(airflow)),
            ("PATCH", ["dags"]) => Some(self.set_by_pattern(airflow)),
            ("PATCH", ["dags", id]) => {
                let number = self
                    .listed(airflow)
                    .into_iter()
                    .find(|number| airflow.dags[*number].id == *id)?;
                self.set(airflow, number);
                Some(self.dag(airflow, number))
            }
            _ => None,
        }
    }

    /// A parameter of the query or a field of the body, in words.
    fn word(from: &Value, name: &str) -> Option<String> {
        match from.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    fn number(from: &Value, names: [&str; 2]) -> Option<usize> {
        let text = names.into_iter().find_map(|name| Self::word(from, name))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small whole number"
        )]
        text.parse::<f64>().ok().map(|number| number as usize)
    }

    fn page<T>(entries: Vec<T>, from: &Value) -> Vec<T> {
        let limit = Self::number(from, ["limit", "page_limit"]).unwrap_or(PAGE).min(PAGE);
        let offset = Self::number(from, ["offset", "page_offset"]).unwrap_or(0);
        entries.into_iter().skip(offset).take(limit).collect()
    }

    fn here<'a>(&self, airflow: &'a Airflow) -> &'a [Here] {
        &airflow.sides.of(self.color).dags
    }

    /// The DAGs that the environment has, in the order of their ids.
    fn listed(&self, airflow: &Airflow) -> Vec<usize> {
        let here = self.here(airflow);
        let mut there: Vec<usize> = (0..here.len()).filter(|number| here[*number].is_there).collect();
        there.sort_by_key(|number| &airflow.dags[*number].id);
        there
    }

    fn dags(&self, airflow: &Airflow) -> Value {
        let mut fitting = self.listed(airflow);
        self.keep_paused(airflow, &mut fitting);
        let total = fitting.len();
        let shown: Vec<Value> = Self::page(fitting, self.query)
            .into_iter()
            .map(|number| self.dag(airflow, number))
            .collect();
        json!({"dags": shown, "total_entries": total})
    }

    fn keep_paused(&self, airflow: &Airflow, numbers: &mut Vec<usize>) {
        if let Some(asked) = Self::word(self.query, "paused") {
            numbers.retain(|number| self.here(airflow)[*number].is_paused.to_string() == asked);
        }
    }

    fn dag(&self, airflow: &Airflow, number: usize) -> Value {
        let (dag, here) = (&airflow.dags[number], &self.here(airflow)[number]);
        let next = (!dag.is_over(here.next)).then(|| iso(here.next));
        let tags: Vec<Value> = dag
            .since
            .map(|since| json!({"name": format!("bluegreen:since={}", iso(since))}))
            .into_iter()
            .collect();
        let mut shown = json!({
            "dag_id": dag.id, "dag_display_name": dag.id, "is_paused": here.is_paused, "has_import_errors": false,
            "description": null, "fileloc": format!("/usr/local/airflow/dags/{}.py", dag.id), "owners": ["airflow"],
            "tags": tags, "max_active_runs": MAX_ACTIVE_RUNS, "max_active_tasks": 16, "last_parsed_time": iso(self.now),
        });
        let (is_there, due) = if self.is_airflow_2 {
            ("is_active", "next_dagrun_create_after")
        } else {
            ("is_stale", "next_dagrun_run_after")
        };
        shown[is_there] = json!(self.is_airflow_2);
        shown[due] = json!(next);
        shown
    }

    fn set(&self, airflow: &mut Airflow, number: usize) {
        let is_paused = self.body.get("is_paused").and_then(Value::as_bool).unwrap_or(false);
        airflow.set_paused(self.color, number, is_paused, self.now);
    }

    /// Sets the DAGs of one page.
    fn set_by_pattern(&self, airflow: &mut Airflow) -> Value {
        let pattern = Self::word(self.query, "dag_id_pattern").unwrap_or_default();
        let mut fitting = self.listed(airflow);
        fitting.retain(|number| pattern == "~" || is_like(&pattern.to_lowercase(), &airflow.dags[*number].id));
        self.keep_paused(airflow, &mut fitting);
        let total = fitting.len();
        let page = Self::page(fitting, self.query);
        for number in &page {
            self.set(airflow, *number);
        }
        let shown: Vec<Value> = page.into_iter().map(|number| self.dag(airflow, number)).collect();
        json!({"dags": shown, "total_entries": total})
    }

    /// All runs that the list `from` asks for.
    fn runs<'a>(&self, airflow: &'a Airflow, from: &Value) -> Vec<Listed<'a>> {
        let (first, last) = (instant(from, "start_date_gte"), instant(from, "start_date_lte"));
        let due = instant(from, "run_after_lte").or_else(|| instant(from, "execution_date_lte"));
        let mut found = Vec::new();
        for number in self.listed(airflow) {
            let dag = &airflow.dags[number].id;
            if !is_among(from, "dag_ids", dag) {
                continue;
            }
            for (tick, run) in &self.here(airflow)[number].runs {
                let is_between =
                    first.is_none_or(|first| run.made >= first) && last.is_none_or(|last| run.made <= last);
                let state = state_of(run);
                let is_of_state = Self::word(from, "state").is_none_or(|asked| asked == state);
                if is_between && is_of_state && is_among(from, "states", state) && due.is_none_or(|due| *tick <= due) {
                    found.push(Listed { dag, tick: *tick, run });
                }
            }
        }
        match Self::word(from, "order_by").as_deref() {
            Some("-start_date") => found.sort_by_key(|listed| -listed.run.made),
            Some("run_after" | "execution_date") => found.sort_by_key(|listed| listed.tick),
            Some("-id") => found.sort_by_key(|listed| (-listed.run.made, listed.tick, listed.dag)),
            _ => found.sort_by_key(|listed| (listed.run.made, listed.tick, listed.dag)),
        }
        found
    }

    fn dag_runs(&self, airflow: &Airflow, from: &Value) -> Value {
        let fitting = self.runs(airflow, from);
        let total = fitting.len();
        let shown: Vec<Value> = Self::page(fitting, from)
            .iter()
            .map(|listed| self.dag_run(listed))
            .collect();
        json!({"dag_runs": shown, "total_entries": total})
    }

    fn dag_run(&self, Listed { dag, tick, run }: &Listed<'_>) -> Value {
        let ended = run.has_ended().then(|| iso(run.since));
        let mut shown = json!({
            "dag_run_id": run_id(*tick), "dag_id": dag, "logical_date": iso(*tick), "start_date": iso(run.made),
            "end_date": ended, "data_interval_start": iso(*tick), "data_interval_end": iso(*tick),
            "run_type": "scheduled", "state": state_of(run), "conf": {}, "note": null,
        });
        if self.is_airflow_2 {
            shown["external_trigger"] = json!(false);
        } else {
            shown["run_after"] = json!(iso(*tick));
        }
        shown
    }

    fn task_instances(&self, airflow: &Airflow) -> Value {
        let asked = self.body;
        // The period is that of the tasks, which start later than their run.
        let mut of_runs = asked.clone();
        for name in ["start_date_gte", "start_date_lte", "state", "order_by"] {
            of_runs[name] = Value::Null;
        }
        let (first, last) = (instant(asked, "start_date_gte"), instant(asked, "start_date_lte"));
        let mut found = Vec::new();
        for Listed { dag, tick, run } in self.runs(airflow, &of_runs) {
            let id = run_id(tick);
            if !is_among(asked, "dag_run_ids", &id) {
                continue;
            }
            for (task, state, started, ended) in tasks_of(run) {
                let is_between = match started {
                    Some(at) => first.is_none_or(|first| at >= first) && last.is_none_or(|last| at <= last),
                    None => first.is_none() && last.is_none(),
                };
                if !is_between || !is_among(asked, "task_ids", task) || !is_among(asked, "state", state) {
                    continue;
                }
                found.push(json!({
                    "task_id": task, "dag_id": dag, "dag_run_id": id, "map_index": -1, "state": state,
                    "start_date": started.map(iso), "end_date": ended.map(iso), "try_number": 1, "operator": "PythonOperator",
                }));
            }
        }
        let total = found.len();
        json!({"task_instances": Self::page(found, asked), "total_entries": total})
    }
}

/// The tasks of a run: name, state, start and end.
fn tasks_of(run: &Run) -> [(&'static str, &'static str, Option<Milliseconds>, Option<Milliseconds>); 2] {
    let began = Some(run.made);
    let (guard, work) = match run.state {
        State::Undecided => ("up_for_reschedule", None),
        State::Executing => ("success", Some(("running", run.decided, None))),
        State::Executed => ("success", Some(("success", run.decided, Some(run.since)))),
        State::Skipped => ("success", Some(("skipped", run.decided, run.decided))),
        State::Failed => ("failed", Some(("upstream_failed", run.decided, run.decided))),
    };
    let (state, started, ended) = work.unwrap_or(("", None, None));
    [(GUARD_TASK, guard, began, run.decided), (WORK, state, started, ended)]
}

fn state_of(run: &Run) -> &'static str {
    match run.state {
        State::Undecided | State::Executing => "running",
        State::Executed | State::Skipped => "success",
        State::Failed => "failed",
    }
}

fn run_id(tick: Milliseconds) -> String {
    format!("scheduled__{}", iso(tick))
}

fn iso(at: Milliseconds) -> String {
    timestamp(at).to_string()
}

fn instant(from: &Value, name: &str) -> Option<Milliseconds> {
    let text = from.get(name)?.as_str()?;
    Some(text.parse::<Timestamp>().ok()?.as_millisecond())
}

/// Whether a list that the request has names it.
fn is_among(from: &Value, name: &str, word: &str) -> bool {
    let list = from.get(name).and_then(Value::as_array);
    list.is_none_or(|list| list.iter().any(|listed| listed.as_str() == Some(word)))
}

/// SQL's `ILIKE '%pattern%'`, in which `_` is any character and `%` any sequence of characters.
fn is_like(pattern: &str, id: &str) -> bool {
    (0..=id.len()).any(|from| id.get(from..).is_some_and(|rest| begins_like(pattern, rest)))
}

fn begins_like(pattern: &str, text: &str) -> bool {
    let mut signs = pattern.chars();
    match signs.next() {
        None => true,
        Some('%') => is_like(signs.as_str(), text),
        Some(sign) => {
            let mut letters = text.chars();
            let letter = letters.next();
            letter.is_some_and(|letter| sign == '_' || sign == letter) && begins_like(signs.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_one_of_sql() {
        for (pattern, id, expected) in [
            ("", "hourly", true),
            ("hour", "hourly", true),
            ("our", "hourly", true),
            ("h_ur", "hourly", true),
            ("h%y", "hourly", true),
            ("h%x", "hourly", false),
            ("hourlyy", "hourly", false),
        ] {
            assert_eq!(is_like(pattern, id), expected, "{pattern} {id}");
        }
    }
}
