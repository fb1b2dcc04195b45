//! Parameter Store: versions, create-only puts, limits, and readings that lag behind.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::clock::{Milliseconds, SECOND};

/// The number of versions that are kept.
const KEPT: usize = 100;
/// After a deletion, the name should not be used again for so long: readings may still answer what was deleted.
const REMEMBERED: Milliseconds = 60 * SECOND;

/// Requests a second that an account may send by default (AWS's quota for Parameter Store); all DAGs share it.
pub const THROUGHPUT: u32 = 40;

/// An answer: the body, or an error's code and message.
pub type Answer = Result<Value, (u16, &'static str, String)>;

/// One version of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The number.
    pub number: i64,
    /// The value.
    pub value: String,
    /// The description, as the writer gave it.
    pub description: Option<String>,
    /// When it was written.
    pub at: Milliseconds,
    /// Who wrote it.
    pub by: String,
}

#[derive(Debug, Clone, Default)]
struct Parameter {
    versions: VecDeque<Version>,
    pattern: Option<String>,
    kind: String,
}

impl Parameter {
    fn newest(&self) -> Option<&Version> {
        self.versions.back()
    }
}

/// All parameters of one account and region.
#[derive(Debug, Default)]
pub struct ParameterStore {
    there: BTreeMap<String, Parameter>,
    gone: BTreeMap<String, (Milliseconds, Parameter)>,
    /// Requests that no correct caller sends, each with what is wrong with it.
    pub refused: Vec<String>,
    /// Requests per second of each writer's put on one name: (second, count).
    puts: BTreeMap<String, (Milliseconds, u32)>,
    /// All requests of the present second: (second, count).
    requests: (Milliseconds, u32),
    /// The busiest second so far, and how many requests it had.
    pub busiest: (Milliseconds, u32),
}

fn error(code: &'static str, message: impl Into<String>) -> Answer {
    Err((400, code, message.into()))
}

fn text<'a>(request: &'a Value, field: &str) -> Option<&'a str> {
    request.get(field)?.as_str()
}

impl ParameterStore {
    /// The newest version of a parameter, as it truly is.
    pub fn truth(&self, name: &str) -> Option<&Version> {
        self.there.get(name)?.newest()
    }

    /// All kept versions of a parameter, as they truly are, oldest first.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Version> {
        self.there
            .get(name)
            .into_iter()
            .flat_map(|parameter| parameter.versions.iter())
    }

    /// The versions of a parameter that a reading of how things were at `by` shows, oldest first.
    pub fn shown(&self, name: &str, by: Milliseconds) -> impl Iterator<Item = &Version> {
        self.seen(name, by, 0)
            .into_iter()
            .flat_map(|parameter| parameter.versions.iter())
            .filter(move |version| version.at <= by)
    }

    /// The names below a path.
    pub fn names_below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        self.there
            .range(path.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(path))
    }

    /// What a reading that lags behind by `lag` answers of a parameter.
    fn seen(&self, name: &str, now: Milliseconds, lag: Milliseconds) -> Option<&Parameter> {
        let by = now - lag;
        let there = self.there.get(name).filter(|parameter| {
            parameter.versions.front().is_some_and(|first| first.at <= by) || parameter.versions.len() >= KEPT
        });
        there.or_else(|| {
            let (deleted, parameter) = self.gone.get(name)?;
            (*deleted > by).then_some(parameter)
        })
    }

    fn refuse(&mut self, what: String) -> Answer {
        self.refused.push(what.clone());
        error("ValidationException", what)
    }

    /// Carries out one request; `lag` is by how much a reading is behind.
    pub fn call(&mut self, operation: &str, request: &Value, by: &str, now: Milliseconds, lag: Milliseconds) -> Answer {
        self.gone.retain(|_, (at, _)| now - *at < REMEMBERED);
        let second = now / SECOND;
        let before = if self.requests.0 == second { self.requests.1 } else { 0 };
        self.requests = (second, before + 1);
        if before + 1 > self.busiest.1 {
            self.busiest = self.requests;
        }
        match operation {
            "GetParameters" => self.get_parameters(request, now, lag),
            "GetParameterHistory" => self.history(request, now, lag),
            "GetParametersByPath" => self.by_path(request, now, lag),
            "DescribeParameters" => Ok(self.describe(request)),
            "PutParameter" => self.put(request, by, now),
            "DeleteParameter" => self.delete(request, now),
            other => self.refuse(format!("Parameter Store has no {other} here")),
        }
    }

    fn get_parameters(&mut self, request: &Value, now: Milliseconds, lag: Milliseconds) -> Answer {
        let names: Vec<String> = request
            .get("Names")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        if names.is_empty() || names.len() > 10 || unique.len() != names.len() {
            return self.refuse(format!("GetParameters takes 1 to 10 different names: {names:?}"));
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for given in &names {
            let (name, selected) = match given.rsplit_once(':') {
                Some((name, number)) if !number.contains('/') => (name, number.parse::<i64>().ok()),
                _ => (given.as_str(), None),
            };
            let shown = self.seen(name, now, lag).and_then(|parameter| {
                let mut visible = parameter
                    .versions
                    .iter()
                    .rev()
                    .filter(|version| version.at <= now - lag);
                let version = match selected {
                    Some(number) => visible.find(|version| version.number == number)?,
                    None => visible.next()?,
                };
                Some(shown(name, parameter, version, false))
            });
            match shown {
                Some(shown) => found.push(shown),
                None => missing.push(given.clone()),
            }
        }
        Ok(json!({"Parameters": found, "InvalidParameters": missing}))
    }

    fn history(&mut self, request: &Value, now: Milliseconds, lag: Milliseconds) -> Answer {
        let name = text(request, "Name").unwrap_or_default();
        let most = request.get("MaxResults").and_then(Value::as_u64).unwrap_or(50);
        if !(1..=50).contains(&most) {
            return self.refuse(format!("GetParameterHistory takes MaxResults from 1 to 50, not {most}"));
        }
        let Some(parameter) = self.seen(name, now, lag) else {
            return error("ParameterNotFound", format!("no parameter {name}"));
        };
        // The token is the number of the first version of the next page.
        let from: i64 = text(request, "NextToken")
            .and_then(|token| token.parse().ok())
            .unwrap_or(0);
        let visible: Vec<&Version> = parameter
            .versions
            .iter()
            .filter(|version| version.at <= now - lag && version.number >= from)
            .collect();
        let most = usize::try_from(most).unwrap_or(50);
        let page: Vec<Value> = visible
            .iter()
            .take(most)
            .map(|version| shown(name, parameter, version, true))
            .collect();
        let mut answer = json!({"Parameters": page});
        if let Some(next) = visible.get(most) {
            answer["NextToken"] = json!(next.number.to_string());
        }
        Ok(answer)
    }

    fn by_path(&mut self, request: &Value, now: Milliseconds, lag: Milliseconds) -> Answer {
        let path = text(request, "Path")
            .unwrap_or_default()
            .trim_end_matches('/')
            .to_owned()
            + "/";
        let most = request.get("MaxResults").and_then(Value::as_u64).unwrap_or(10);
        if !(1..=10).contains(&most) {
            return self.refuse(format!("GetParametersByPath takes MaxResults from 1 to 10, not {most}"));
        }
        let after = text(request, "NextToken").unwrap_or_default().to_owned();
        let most = usize::try_from(most).unwrap_or(10);
        let mut page = Vec::new();
        let mut last = None;
        for name in self.names_below(&path) {
            let is_direct = !name.strip_prefix(&path).unwrap_or_default().contains('/');
            if name <= after.as_str() || !is_direct {
                continue;
            }
            if page.len() == most {
                let mut answer = json!({"Parameters": page});
                answer["NextToken"] = json!(last.unwrap_or_default());
                return Ok(answer);
            }
            if let Some(parameter) = self.seen(name, now, lag)
                && let Some(version) = parameter.newest()
            {
                page.push(shown(name, parameter, version, false));
                last = Some(name.to_owned());
            }
        }
        Ok(json!({"Parameters": page}))
    }

    fn describe(&self, request: &Value) -> Value {
        let wanted = request
            .pointer("/ParameterFilters/0/Values/0")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let found: Vec<Value> = self
            .there
            .get(wanted)
            .map(|parameter| json!({"Name": wanted, "Type": parameter.kind, "AllowedPattern": parameter.pattern}))
            .into_iter()
            .collect();
        json!({"Parameters": found})
    }

    fn put(&mut self, request: &Value, by: &str, now: Milliseconds) -> Answer {
        let name = text(request, "Name").unwrap_or_default().to_owned();
        let value = text(request, "Value").unwrap_or_default().to_owned();
        let description = text(request, "Description").map(str::to_owned);
        if let Some(fault) = fault_of(&name, &value, description.as_deref()) {
            return self.refuse(fault);
        }
        let overwrite = request.get("Overwrite").and_then(Value::as_bool).unwrap_or(false);
        let pattern = text(request, "AllowedPattern").map(str::to_owned);
        let second = now / SECOND;
        let puts = self.puts.entry(name.clone()).or_insert((second, 0));
        *puts = if puts.0 == second {
            (second, puts.1 + 1)
        } else {
            (second, 1)
        };
        if puts.1 > 20 {
            return error("TooManyUpdates", format!("more than 20 puts of {name} within a second"));
        }
        if self.there.contains_key(&name) && !overwrite {
            return error("ParameterAlreadyExists", format!("{name} exists already"));
        }
        let parameter = self.there.entry(name.clone()).or_default();
        let pattern = pattern.or_else(|| parameter.pattern.clone());
        if pattern.as_deref() == Some("^(blue|green)$") && !matches!(value.as_str(), "blue" | "green") {
            if parameter.versions.is_empty() {
                self.there.remove(&name);
            }
            return error("ParameterPatternMismatchException", format!("{value:?} does not match"));
        }
        parameter.pattern = pattern;
        text(request, "Type")
            .unwrap_or("String")
            .clone_into(&mut parameter.kind);
        let number = parameter.newest().map_or(1, |newest| newest.number + 1);
        // Two versions of one parameter never have the same date here: Parameter Store's are as exact as its requests.
        let at = parameter.newest().map_or(now, |newest| now.max(newest.at + 1));
        parameter.versions.push_back(Version {
            number,
            value,
            description,
            at,
            by: by.to_owned(),
        });
        if parameter.versions.len() > KEPT {
            parameter.versions.pop_front();
        }
        Ok(json!({"Version": number, "Tier": "Standard"}))
    }

    fn delete(&mut self, request: &Value, now: Milliseconds) -> Answer {
        let name = text(request, "Name").unwrap_or_default();
        match self.there.remove(name) {
            Some(parameter) => {
                self.gone.insert(name.to_owned(), (now, parameter));
                Ok(json!({}))
            }
            None => error("ParameterNotFound", format!("no parameter {name}")),
        }
    }
}

/// What is wrong with a put, by the limits of the standard tier.
fn fault_of(name: &str, value: &str, description: Option<&str>) -> Option<String> {
    let levels = name.split('/').count().saturating_sub(1);
    let letters = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !name.starts_with('/') || name.len() > 1011 || !name.chars().all(letters) || levels > 15 {
        return Some(format!("not a name of Parameter Store: {name:?}"));
    }
    if value.is_empty() || value.len() > 4096 {
        return Some(format!("{name}: a value has 1 to 4,096 bytes, not {}", value.len()));
    }
    if value.contains("{{") {
        return Some(format!("{name}: {{{{ in a value is taken for a reference"));
    }
    let long = description.filter(|text| text.chars().count() > 1024)?;
    Some(format!(
        "{name}: a description has at most 1,024 characters, not {}",
        long.chars().count()
    ))
}

fn seconds(at: Milliseconds) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact to the millisecond until the year 287,000"
    )]
    let seconds = at as f64 / 1000.0;
    json!(seconds)
}

fn shown(name: &str, parameter: &Parameter, version: &Version, with_history: bool) -> Value {
    let mut shown = json!({
        "Name": name,
        "Type": parameter.kind,
        "Value": version.value,
        "Version": version.number,
        "LastModifiedDate": seconds(version.at),
    });
    if with_history {
        shown["LastModifiedUser"] = json!(version.by);
        shown["Labels"] = json!([]);
        if let Some(description) = &version.description {
            shown["Description"] = json!(description);
        }
    }
    shown
}
