//! Makes text from others fit for a person's terminal: nothing in it acts on the terminal, and the advice of a
//! function, which names requests, is given as commands.

use bluegreen_core::printable::visible;
use bluegreen_core::request::{ActionName, RequestForm};
use serde_json::{Deserializer, Map, Value};

use crate::connection::Connection;

/// Fields that hold this product's own sentences, which may contain advice.
const OWN_WORDS: [&str; 7] = ["reason", "detail", "fix", "what", "why", "warnings", "cause"];

/// The fields of a request that are options of a command.
const FIELDS: [&str; 11] = [
    "to",
    "force",
    "dry_run",
    "reason",
    "requested_by",
    "mode",
    "limit",
    "until",
    "window_minutes",
    "minutes",
    "duration_minutes",
];

/// An answer as it is shown to people. `same_pair` are the options that name the pair again.
pub(crate) fn for_people(answer: &Value, same_pair: &str) -> Value {
    shown(answer, false, same_pair)
}

fn shown(value: &Value, is_own: bool, same_pair: &str) -> Value {
    match value {
        Value::String(text) if is_own => Value::from(with_commands(&visible(text), same_pair)),
        Value::String(text) => Value::from(visible(text)),
        Value::Array(values) => values.iter().map(|value| shown(value, is_own, same_pair)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_own = OWN_WORDS.contains(&name.as_str());
                (visible(name), shown(value, is_own, same_pair))
            })
            .collect::<Map<String, Value>>()
            .into(),
        other => other.clone(),
    }
}

/// Replaces each quoted request in advice with the command that makes it.
pub(crate) fn with_commands(text: &str, same_pair: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find('{') {
        let (before, from) = rest.split_at(begin);
        told.push_str(before);
        let mut documents = Deserializer::from_str(from).into_iter::<RequestForm>();
        let request = match documents.next() {
            Some(Ok(request)) => command(&request, same_pair).map(|command| (command, documents.byte_offset())),
            _ => None,
        };
        let length = if let Some((command, length)) = request {
            told.push_str(&command);
            length
        } else {
            told.push('{');
            1
        };
        rest = from.get(length..).unwrap_or_default();
    }
    told.push_str(rest);
    told
}

/// The command, or the option, for this request; `None` if the text is not a request.
fn command(request: &RequestForm, same_pair: &str) -> Option<String> {
    // Nobody types this field: the command line fills it with what it observed.
    if request.expect.is_some() {
        return None;
    }
    let to = request.to.as_ref().map(ToString::to_string);
    let action = request.action.or(to.as_ref().map(|_| ActionName::Switch));
    let text = |text: &Option<String>| text.as_deref().map(quoted);
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let given = |is_given: bool| is_given.then(String::new);
    // The requested change comes first.
    let fields = [
        ("to", to.as_deref().map(quoted)),
        ("dry_run", given(request.dry_run)),
        ("force", given(request.force)),
        ("minutes", number(request.minutes)),
        ("duration_minutes", number(request.duration_minutes)),
        ("limit", number(request.limit)),
        ("mode", request.mode.map(|mode| mode.as_str().to_owned())),
        ("reason", text(&request.reason)),
        ("requested_by", text(&request.requested_by)),
        ("until", text(&request.until)),
        ("window_minutes", number(request.window_minutes.map(u64::from))),
    ];
    let mut words: Vec<String> = action
        .map(|action| format!("mwaa-bluegreen {}", action.as_str()))
        .into_iter()
        .collect();
    for (field, value) in fields {
        let Some(value) = value else { continue };
        words.push(option_of(field));
        words.extend(Some(value).filter(|value| !value.is_empty()));
    }
    let same_pair = match action {
        None => String::new(),
        // Only the function can begin a drill.
        Some(ActionName::Drill) => same_pair.replace(" --direct", ""),
        Some(_) => same_pair.to_owned(),
    };
    (!words.is_empty()).then(|| format!("`{}{same_pair}`", words.join(" ")))
}

/// The command-line option for a field of a request.
fn option_of(field: &str) -> String {
    format!("--{}", field.replace('_', "-"))
}

/// Replaces the fields of a refused request with the options that set them.
pub(crate) fn with_options(message: &str) -> String {
    let mut told = message.to_owned();
    for field in FIELDS {
        told = told.replace(&format!("field {field:?}"), &option_of(field));
    }
    told
}

/// Quotes for a shell; a placeholder such as `<color>` is left for the reader.
fn quoted(text: &str) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '+' | '=' | ',');
    let placeholder = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    if !text.is_empty() && placeholder.unwrap_or(text).chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The options that name the same pair again, by the same backend.
pub(crate) fn same_pair(connection: &Connection) -> String {
    let mut options = String::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            options.extend([" ", name, " ", &quoted(value)]);
        }
    };
    let settings = connection.settings.as_ref().map(|path| path.display().to_string());
    add(
        "--pair",
        (connection.pair != "mwaa-blue-green").then_some(connection.pair.as_str()),
    );
    add("--function", connection.function.as_deref());
    add("--region", connection.region.as_deref());
    add("--profile", connection.profile.as_deref());
    add("--settings", settings.as_deref());
    add("--blue-environment", connection.blue_environment.as_deref());
    add("--green-environment", connection.green_environment.as_deref());
    add("--flag-parameter", connection.flag_parameter.as_deref());
    if connection.direct {
        options.push_str(" --direct");
    }
    visible(&options)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::arguments::Cli;

    #[test]
    fn advice_that_quotes_a_request_quotes_the_command() {
        for (text, told) in [
            (
                "make a new pair's with {\"action\":\"initialize\"}; if this pair has been in use: \
                 {\"action\":\"initialize\",\"to\":\"<color>\",\"force\":true}",
                "make a new pair's with `mwaa-bluegreen initialize --pair p`; if this pair has been in use: \
                 `mwaa-bluegreen initialize --to <color> --force --pair p`",
            ),
            (
                "name it: {\"to\":\"green\"}",
                "name it: `mwaa-bluegreen switch --to green --pair p`",
            ),
            (
                "end it: {\"action\":\"hold\",\"minutes\":5,\"reason\":\"ana's work\"}.",
                "end it: `mwaa-bluegreen hold --minutes 5 --reason 'ana'\\''s work' --pair p`.",
            ),
            (
                "{\"action\":\"drill\",\"duration_minutes\":5}",
                "`mwaa-bluegreen drill --duration-minutes 5 --pair p`",
            ),
            ("wait, or add {\"force\":true}", "wait, or add `--force`"),
            // Any other text in braces is left as it is.
            (
                "{{ ds }} {} {\"a\":1} {\"action\":\"dance\"} {",
                "{{ ds }} {} {\"a\":1} {\"action\":\"dance\"} {",
            ),
            (
                "{\"to\":\"green\",\"expect\":{\"version\":1}}",
                "{\"to\":\"green\",\"expect\":{\"version\":1}}",
            ),
            ("no request", "no request"),
        ] {
            assert_eq!(with_commands(text, " --pair p"), told);
        }
    }

    #[test]
    fn an_answer_is_shown_without_what_acts_on_a_terminal() {
        let answer = json!({
            "outcome": "status", "version": 3, "reason": "end it: {\"action\":\"release\"}\u{7}",
            "preconditions": [{"name": "hold", "passed": false, "detail": "by \u{1b}]0;x\u{7}ana, or add {\"force\":true}"}],
            "last_transition": {"description": "by hand\n\u{202e}{\"action\":\"release\"}"},
        });
        assert_eq!(
            for_people(&answer, ""),
            json!({
                "outcome": "status", "version": 3, "reason": "end it: `mwaa-bluegreen release`\\u{7}",
                "preconditions": [{"name": "hold", "passed": false, "detail": "by \\u{1b}]0;x\\u{7}ana, or add `--force`"}],
                "last_transition": {"description": "by hand\\n\\u{202e}{\"action\":\"release\"}"},
            })
        );
    }

    #[test]
    fn a_refused_field_is_named_as_its_option() {
        let message = "field \"until\" is \"tomorrow\"; allowed is an instant; field \"minutes\" is 0";
        assert_eq!(
            with_options(message),
            "--until is \"tomorrow\"; allowed is an instant; --minutes is 0"
        );
        assert_eq!(
            with_options("field \"duration_minutes\" is 0"),
            "--duration-minutes is 0"
        );
    }

    #[test]
    fn the_same_pair_is_named_by_the_same_options() {
        let options = |line: &str| {
            let line: Vec<&str> = line.split(' ').collect();
            same_pair(&Cli::try_parse_from(line).unwrap().connection)
        };
        assert_eq!(options("mwaa-bluegreen status --pair mwaa-blue-green"), "");
        assert_eq!(
            options("mwaa-bluegreen status --pair it's --region r --direct --flag-parameter /a/b"),
            " --pair 'it'\\''s' --region r --flag-parameter /a/b --direct"
        );
    }
}
