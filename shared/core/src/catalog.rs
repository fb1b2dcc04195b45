//! Every vocabulary as data: what the hidden command `mwaa-bluegreen schema --json` prints, and `make generate` writes template,
//! reference and tests from.
//!
//! The lists themselves stand with their types: preconditions in [`precondition`](crate::precondition), events in [`audit`](crate::audit),
//! metrics in [`metric`](crate::metric), actions in [`request`](crate::request), settings in [`settings`],
//! [`policy`](crate::policy) and [`drill`](crate::drill). What no type needs is listed below.

mod outcomes;
mod parameters;

use serde_json::{Value, json};

use crate::audit::{EventType, Mail, SOURCE};
use crate::metric::{MetricDimension, MetricName, NAMESPACE};
use crate::precondition::PreconditionName;
use crate::request::{ActionName, FIELDS};
use crate::setting::{Allowed, Setting};
use crate::settings;

pub use outcomes::{OUTCOMES, OutcomeRow};
pub use parameters::{Access, MEMORIES, ParameterEntry, StoredParameter, about_memory};

/// What this crate knows of every vocabulary.
#[must_use]
pub fn schema() -> Value {
    json!({
        "preconditions": PreconditionName::ALL.iter().map(|precondition| self::precondition(*precondition)).collect::<Value>(),
        "events": {
            "source": SOURCE,
            "types": EventType::ALL.iter().map(|event| self::event(*event)).collect::<Value>(),
        },
        "metrics": {
            "namespace": NAMESPACE,
            "names": MetricName::ALL.iter().map(|name| metric(*name)).collect::<Value>(),
        },
        "settings": settings::all().map(setting).collect::<Value>(),
        "variables": settings::VARIABLES,
        "parameters": StoredParameter::ALL.iter().map(|parameter| self::parameter(*parameter)).collect::<Value>(),
        "memories": MEMORIES.map(|field| json!({"name": field.as_str(), "about": about_memory(field)})),
        "actions": ActionName::ALL.iter().map(|action| self::action(*action)).collect::<Value>(),
        "fields": FIELDS
            .iter()
            .map(|field| json!({"action": field.action, "names": field.names, "about": field.about}))
            .collect::<Value>(),
        "outcomes": OUTCOMES
            .iter()
            .map(|row| json!({"outcomes": row.outcomes, "about": row.about, "advice": row.advice}))
            .collect::<Value>(),
    })
}

fn precondition(precondition: PreconditionName) -> Value {
    let entry = precondition.entry();
    json!({
        "name": precondition.as_str(),
        "about": precondition.about().trim(),
        "lifted_by": entry.lifted_by,
        "asked_by": entry.asked_by,
    })
}

fn event(event: EventType) -> Value {
    let entry = event.entry();
    let (is_mail, silent, words) = match entry.mail {
        Mail::No => (false, None, "no"),
        Mail::Yes => (true, None, "yes"),
        Mail::Unless { outcome, words } => (true, Some(outcome), words),
    };
    json!({
        "detail_type": event.as_str(),
        "about": event.about().trim(),
        "see": entry.see,
        "is_mail": is_mail,
        "mail": words,
        "silent_outcome": silent,
    })
}

fn metric(name: MetricName) -> Value {
    let entry = name.entry();
    json!({
        "name": name.as_str(),
        "about": name.about().trim(),
        "unit": entry.unit,
        "dimension": entry.dimension.map(MetricDimension::as_str),
        "values": entry.dimension.map(MetricDimension::values),
    })
}

fn setting(setting: &Setting) -> Value {
    let mut told = json!({
        "variable": setting.spec.variable,
        "parameter": setting.parameter.map(|parameter| parameter.name),
        "group": setting.parameter.map(|parameter| parameter.group.as_str()),
        "about": setting.about.trim(),
    });
    let allowed = match setting.spec.allowed {
        Allowed::Number {
            default,
            least,
            most,
            unit,
        } => json!({"default": default, "least": least, "most": most, "unit": unit.as_str()}),
        Allowed::Words { words, default } => json!({"default": default(), "words": words}),
    };
    if let (Some(told), Value::Object(allowed)) = (told.as_object_mut(), allowed) {
        told.extend(allowed);
    }
    told
}

fn parameter(parameter: StoredParameter) -> Value {
    let entry = parameter.entry();
    json!({
        "name": parameter.as_str(),
        "about": parameter.about().trim(),
        "access": {
            "health-watcher": entry.health_watcher,
            "switch-handler": entry.switch_handler,
            "change-listener": entry.change_listener,
        },
    })
}

fn action(action: ActionName) -> Value {
    let entry = action.entry();
    json!({
        "name": action.as_str(),
        "about": action.about().trim(),
        "fields": entry.fields,
        "writes": entry.writes,
        "see": entry.see,
    })
}
