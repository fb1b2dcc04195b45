//! Everything that changes something: look first, ask, change once, see that it is so.

use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use bluegreen_aws::clock::Clock;
use bluegreen_aws::configuration::variable;
use bluegreen_core::color::Color;
use serde_json::{Map, Value, json};

use crate::answer::{self, at, code_of, drill_line, instant, number, text};
use crate::arguments::{
    Consent, Drill, DrillMode, Expect, Failover, Hold, Initialize, Release, Rollback, Switch, Verify,
};
use crate::backend::Answered;
use crate::confirm::{Question, must_ask};
use crate::failure::{Failure, exit};
use crate::session::Session;
use crate::terminal::{self, Style};

/// Between two looks for what was asked.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A drill is finished by the watcher, whose ticks are a minute apart.
const DRILL_LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Beyond its return time, how long a drill's outcome is waited for.
const DRILL_PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn switch(session: &Session, options: Switch) -> Result<u8, Failure> {
    let mut request = request("switch", options.reason, &options.consent);
    request.insert("to".to_owned(), json!(options.to));
    guarded(&mut request, options.force, &options.expect);
    let to = Some(options.to);
    switch_flag(session, request, to, options.force, &options.consent, &options.verify).await
}

pub(crate) async fn failover(session: &Session, options: Failover) -> Result<u8, Failure> {
    let mut request = request("failover", options.reason, &options.consent);
    if let Some(to) = options.to {
        request.insert("to".to_owned(), json!(to));
    }
    guarded(&mut request, options.force, &options.expect);
    let to = options.to;
    switch_flag(session, request, to, options.force, &options.consent, &options.verify).await
}

pub(crate) async fn rollback(session: &Session, options: Rollback) -> Result<u8, Failure> {
    let mut request = request("rollback", options.reason, &options.consent);
    guarded(&mut request, options.force, &options.expect);
    switch_flag(session, request, None, options.force, &options.consent, &options.verify).await
}

pub(crate) async fn hold(session: &Session, options: Hold) -> Result<u8, Failure> {
    let mut request = request("hold", Some(options.reason), &options.consent);
    if let Some(minutes) = options.minutes {
        request.insert("minutes".to_owned(), json!(minutes));
    }
    if let Some(until) = options.until {
        request.insert("until".to_owned(), json!(until));
    }
    let question = |_: &Value| Question::YesOrNo {
        to_do: "Place the hold".to_owned(),
    };
    let answered = agreed(session, request, &options.consent, question).await?;
    session.finish(&answered)
}

pub(crate) async fn release(session: &Session, options: Release) -> Result<u8, Failure> {
    let request = request("release", options.reason, &options.consent);
    let question = |_: &Value| Question::YesOrNo {
        to_do: "Release".to_owned(),
    };
    let answered = agreed(session, request, &options.consent, question).await?;
    session.finish(&answered)
}

pub(crate) async fn initialize(session: &Session, options: Initialize) -> Result<u8, Failure> {
    let mut request = request("initialize", options.reason, &options.consent);
    if let Some(to) = options.to {
        request.insert("to".to_owned(), json!(to));
    }
    if options.force {
        request.insert("force".to_owned(), json!(true));
    }
    let to = options.to.unwrap_or(Color::Blue);
    let question = |_: &Value| Question::Word {
        word: to.as_str(),
        to_do: format!("create the flag with {to} active"),
    };
    let answered = agreed(session, request, &options.consent, question).await?;
    session.finish(&answered)
}

pub(crate) async fn drill(session: &Session, options: Drill) -> Result<u8, Failure> {
    if session.connection.direct {
        return Err(Failure::Usage(no_direct_drill(options.mode).to_owned()));
    }
    let mut request = request("drill", options.reason, &options.consent);
    let mode = match options.mode {
        DrillMode::Switch => "switch",
        DrillMode::Probe => "probe",
        DrillMode::Dry => "dry",
    };
    request.insert("mode".to_owned(), json!(mode));
    if let Some(minutes) = options.duration_minutes {
        request.insert("duration_minutes".to_owned(), json!(minutes));
    }
    // Only a switch touches the flag.
    let mut consent = options.consent;
    consent.yes |= options.mode != DrillMode::Switch;
    let question = |dry_run: &Value| match other_color(dry_run) {
        Some(to) => Question::Color {
            to,
            over_objections: false,
            is_failover: false,
        },
        None => Question::Word {
            word: "drill",
            to_do: "begin the drill".to_owned(),
        },
    };
    let answered = agreed(session, request, &consent, question).await?;
    let value = &answered.value;
    let id = text(value, "drill.id");
    if text(value, "outcome") != "pending" || consent.dry_run {
        return session.finish(&answered);
    }
    if !options.wait {
        let code = session.finish(&answered)?;
        terminal::note("follow it with: mwaa-bluegreen watch --until-settled\n");
        return Ok(code);
    }
    session.show(&answered)?;
    wait_for_drill(session, id, value).await
}

/// Why not, and what to do instead.
fn no_direct_drill(mode: DrillMode) -> &'static str {
    match mode {
        DrillMode::Switch => {
            "a drill returns by the health-watcher, which is a Lambda function: --direct begins none; `mwaa-bluegreen switch \
             --to <color> --direct` switches, and stays"
        }
        DrillMode::Probe | DrillMode::Dry => {
            "--direct begins no drill, whatever its mode; `mwaa-bluegreen check \
             --direct` asks whether the standby is ready"
        }
    }
}

/// The outcome of a drill, once status tells one.
async fn wait_for_drill(session: &Session, id: &str, answer: &Value) -> Result<u8, Failure> {
    let limit = instant(answer, "drill.return_at")
        .map_or(Duration::from_secs(24 * 60 * 60), |back| {
            bluegreen_core::time::elapsed(Clock::system().now(), back)
        })
        .saturating_add(DRILL_PATIENCE);
    let began = Instant::now();
    while began.elapsed() < limit {
        tokio::time::sleep(DRILL_LOOK_INTERVAL).await;
        let status = match session.backend.ask(&json!({"action": "status"})).await {
            Ok(status) => status.value,
            Err(failure) => {
                terminal::note(&format!("  still waiting: {}\n", failure.told()));
                continue;
            }
        };
        session.progress(&format!("drill {}", drill_line(&status, Clock::system().now())));
        let outcome = text(&status, "drill.outcome");
        if text(&status, "drill.id") != id {
            session.end_progress();
            return Err(Failure::NotInTime(format!(
                "drill {id} is not the last one any more; `history` tells what came of it"
            )));
        }
        if outcome != "pending" && !outcome.is_empty() {
            session.end_progress();
            terminal::note(&format!("drill {}\n", drill_line(&status, Clock::system().now())));
            return Ok(code_of(outcome));
        }
    }
    session.end_progress();
    Err(Failure::NotInTime(format!(
        "drill {id} has no outcome yet; `watch` follows it"
    )))
}

/// A request with what all have.
fn request(action: &str, reason: Option<String>, consent: &Consent) -> Map<String, Value> {
    let mut request = Map::new();
    request.insert("action".to_owned(), json!(action));
    if let Some(reason) = reason {
        request.insert("reason".to_owned(), json!(reason));
    }
    if let Some((who, _)) = requested_by(consent) {
        request.insert("requested_by".to_owned(), json!(who));
    }
    request
}

/// Who asks, and where that is from.
fn requested_by(consent: &Consent) -> Option<(String, &'static str)> {
    let from = |name: &'static str| variable(name).filter(|who| !who.is_empty()).map(|who| (who, name));
    consent
        .requested_by
        .clone()
        .map(|who| (who, "--requested-by"))
        // Under sudo USER is root, who is nobody.
        .or_else(|| from("SUDO_USER"))
        .or_else(|| from("USER"))
        .or_else(|| from("LOGNAME"))
}

fn guarded(request: &mut Map<String, Value>, force: bool, expect: &Expect) {
    if force {
        request.insert("force".to_owned(), json!(true));
    }
    let mut expected = Map::new();
    if let Some(active) = expect.expect_active {
        expected.insert("active".to_owned(), json!(active));
    }
    if let Some(version) = expect.expect_version {
        expected.insert("version".to_owned(), json!(version));
    }
    if !expected.is_empty() {
        request.insert("expect".to_owned(), Value::Object(expected));
    }
}

async fn switch_flag(
    session: &Session,
    request: Map<String, Value>,
    to: Option<Color>,
    force: bool,
    consent: &Consent,
    verify: &Verify,
) -> Result<u8, Failure> {
    let is_failover = is_action(&request, "failover");
    let question = |dry_run: &Value| {
        let over_objections = force && answer::has_objections(dry_run);
        match to.or_else(|| other_color(dry_run)) {
            Some(to) => Question::Color {
                to,
                over_objections,
                is_failover,
            },
            None => Question::Word {
                word: "rollback",
                to_do: "go back".to_owned(),
            },
        }
    };
    let answered = agreed(session, request, consent, question).await?;
    let code = session.finish(&answered)?;
    if text(&answered.value, "outcome") != "switched" {
        return Ok(code);
    }
    if !verify.no_wait {
        let seen = see(session, &answered.value, Duration::from_secs(verify.within)).await?;
        if seen != exit::DONE {
            return Ok(seen);
        }
    }
    if !session.json {
        terminal::note(&format!(
            "undo it with: mwaa-bluegreen rollback{}\n",
            session.same_pair()
        ));
    }
    Ok(code)
}

fn is_action(request: &Map<String, Value>, action: &str) -> bool {
    request.get("action").and_then(Value::as_str) == Some(action)
}

fn other_color(answer: &Value) -> Option<Color> {
    Color::parse(text(answer, "active")).map(Color::other)
}

/// Looks, asks and changes. A dry run, or one that ends the matter, is the answer.
async fn agreed(
    session: &Session,
    mut request: Map<String, Value>,
    consent: &Consent,
    question: impl Fn(&Value) -> Question,
) -> Result<Answered, Failure> {
    let with_dry_run = || {
        let mut request = request.clone();
        request.insert("dry_run".to_owned(), json!(true));
        Value::Object(request)
    };
    if consent.dry_run {
        return session.backend.ask(&with_dry_run()).await;
    }
    let somebody_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !must_ask(consent.yes, somebody_there)? {
        return session.backend.change(&Value::Object(request)).await;
    }
    let dry_run = session.backend.ask(&with_dry_run()).await?;
    if !text(&dry_run.value, "outcome").starts_with("would_") {
        return Ok(dry_run);
    }
    let question = question(&dry_run.value);
    terminal::note(&plan(session, &request, &dry_run.value, consent, &question));
    if !question.agrees(&typed(&question.prompt()).await?) {
        return Err(Failure::NotConfirmed("not confirmed; nothing was changed".to_owned()));
    }
    // What was looked at is what is changed: another write since then refuses this one.
    let flag_changes = matches!(
        request.get("action").and_then(Value::as_str),
        Some("switch" | "failover" | "rollback" | "drill")
    );
    if flag_changes && let Some(expect) = as_seen(&dry_run.value) {
        request.insert("expect".to_owned(), expect);
    }
    session.backend.change(&Value::Object(request)).await
}

fn as_seen(dry_run: &Value) -> Option<Value> {
    let mut expect = Map::new();
    for field in ["active", "version"] {
        if let Some(value) = at(dry_run, field) {
            expect.insert(field.to_owned(), value.clone());
        }
    }
    (!expect.is_empty()).then_some(Value::Object(expect))
}

/// What a person reads before typing.
fn plan(
    session: &Session,
    request: &Map<String, Value>,
    dry_run: &Value,
    consent: &Consent,
    question: &Question,
) -> String {
    let paint = session.note_paint;
    let who = requested_by(consent)
        .map(|(who, from)| format!("{who} (from {from})"))
        .unwrap_or_default();
    let (active, version) = (text(dry_run, "active"), number(dry_run, "version"));
    let mut rows = vec![
        ("pair", session.pair.clone()),
        ("by", session.backend.describe()),
        ("asked by", who),
        ("why", text(dry_run, "reason").to_owned()),
    ];
    let to = match question {
        Question::Color { to, .. } => Some(to.as_str()),
        _ => None,
    };
    let is_drill = is_action(request, "drill");
    if let Some(to) = to {
        rows.push(("from, to", format!("{active} (version {version}) -> {to}")));
        let back_dating = text(dry_run, "back_dating.why");
        rows.push((
            "in force",
            if back_dating.is_empty() {
                "some seconds after the write (SwitchLeadSeconds, 10 by default)".to_owned()
            } else {
                back_dating.to_owned()
            },
        ));
        let stay = if active.is_empty() {
            "where they are".to_owned()
        } else {
            format!("on {active} and finish there")
        };
        rows.push((
            "DAG runs",
            format!("those under way stay {stay}; those due from then on run on {to}"),
        ));
    }
    if is_drill {
        let minutes = number(dry_run, "drill.duration_minutes");
        rows.push((
            "and back",
            format!("after {minutes} minutes, by the watcher; a real failure in between wins"),
        ));
    }
    let mut shown = terminal::fields(paint, &rows);
    let preconditions = answer::preconditions(paint, dry_run);
    if !preconditions.is_empty() {
        shown.push('\n');
        shown.push_str(&preconditions);
    }
    if let Question::Color {
        over_objections: true, ..
    } = question
    {
        shown.push_str(&paint.text(Style::Bad, "\n  --force skips the preconditions that object\n"));
    }
    shown.push('\n');
    shown
}

/// One line from the terminal; the end of the input is an empty one.
async fn typed(prompt: &str) -> Result<String, Failure> {
    terminal::note(prompt);
    let line = tokio::task::spawn_blocking(|| {
        let _nobody_listens = std::io::stderr().flush();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    match line.await {
        Ok(Ok(line)) => {
            if !line.ends_with('\n') {
                terminal::note("\n");
            }
            Ok(line)
        }
        _ => Err(Failure::NotConfirmed(
            "the terminal cannot be read; nothing was changed".to_owned(),
        )),
    }
}

/// What status tells of the version that was written.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It stands.
    Ours,
    /// An older one stands: the reading may be stale.
    NotYet,
    /// Something else stands since, in words.
    Overtaken(String),
}

fn seen(status: &Value, version: Option<u64>, active: &str) -> Seen {
    let (standing, standing_active) = (at(status, "version").and_then(Value::as_u64), text(status, "active"));
    match standing {
        None => Seen::Overtaken("the flag has been deleted since".to_owned()),
        _ if standing > version => Seen::Overtaken(format!(
            "version {} was written since, and {} is active",
            number(status, "version"),
            if standing_active.is_empty() {
                "no color"
            } else {
                standing_active
            }
        )),
        _ if standing == version && standing_active == active => Seen::Ours,
        // A flag that was made again begins at version 1: it says so for good, and the limit ends the waiting.
        _ => Seen::NotYet,
    }
}

fn overtaken(session: &Session, by: &str) -> u8 {
    session.end_progress();
    terminal::note(&format!(
        "{by}: `mwaa-bluegreen history{}` tells by whom\n",
        session.same_pair()
    ));
    exit::CONFLICT
}

/// Waits until status tells the new version, and it is in force.
async fn see(session: &Session, switched: &Value, limit: Duration) -> Result<u8, Failure> {
    let (version, active) = (
        at(switched, "version").and_then(Value::as_u64),
        text(switched, "active"),
    );
    let began = Instant::now();
    let late = |what: &str| {
        Failure::NotInTime(format!(
            "the switch was made, but {what} within {} s (--within); ask `mwaa-bluegreen status`",
            limit.as_secs()
        ))
    };
    loop {
        match session.backend.ask(&json!({"action": "status"})).await {
            Ok(status) => match seen(&status.value, version, active) {
                Seen::Ours => break,
                Seen::NotYet => {}
                Seen::Overtaken(by) => return Ok(overtaken(session, &by)),
            },
            Err(failure) => terminal::note(&format!("  still looking: {}\n", failure.told())),
        }
        if began.elapsed() >= limit {
            return Err(late("the new version was not seen"));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    if !session.json {
        terminal::note(&format!(
            "verified: the flag holds {active} at version {}{}\n",
            number(switched, "version"),
            answer::warnings(switched)
        ));
    }
    let Some(effective_from) = instant(switched, "effective_from") else {
        return Ok(exit::DONE);
    };
    while Clock::system().now() < effective_from {
        if began.elapsed() >= limit {
            session.end_progress();
            return Err(late("it is not in force"));
        }
        let left = bluegreen_core::time::elapsed(Clock::system().now(), effective_from);
        session.progress(&format!("in force in {} s", left.as_secs().saturating_add(1)));
        tokio::time::sleep(left.min(LOOK_INTERVAL)).await;
    }
    session.end_progress();
    // In the meantime somebody may have written it again, or deleted it.
    let status = session.backend.ask(&json!({"action": "status"})).await?;
    if let Seen::Overtaken(by) = seen(&status.value, version, active) {
        return Ok(overtaken(session, &by));
    }
    if !session.json {
        terminal::note(&format!(
            "in force: DAG runs due from {} on run on {active}\n",
            terminal::moment(effective_from)
        ));
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_overwritten_or_deleted_is_not_in_force() {
        let told = |status: Value| seen(&status, Some(3), "green");
        assert_eq!(told(json!({"version": 3, "active": "green"})), Seen::Ours);
        assert_eq!(told(json!({"version": 2, "active": "blue"})), Seen::NotYet);
        for status in [
            json!({"version": 4, "active": "blue"}),
            json!({"version": 4, "active": null}),
            json!({"version": null, "active": null}),
        ] {
            assert!(matches!(told(status), Seen::Overtaken(_)));
        }
    }

    #[test]
    fn what_was_looked_at_is_what_is_expected() {
        let seen = as_seen(&json!({"active": "blue", "version": 12, "outcome": "would_switch"}));
        assert_eq!(seen, Some(json!({"active": "blue", "version": 12})));
        assert_eq!(
            as_seen(&json!({"active": null, "version": 12})),
            Some(json!({"version": 12}))
        );
        assert_eq!(as_seen(&json!({"active": null})), None);
    }

    #[test]
    fn what_is_done_instead_of_a_direct_drill_is_said() {
        for (mode, instead) in [
            (DrillMode::Switch, "`mwaa-bluegreen switch --to <color> --direct`"),
            (DrillMode::Probe, "`mwaa-bluegreen check --direct`"),
            (DrillMode::Dry, "`mwaa-bluegreen check --direct`"),
        ] {
            let told = no_direct_drill(mode);
            assert!(told.contains(instead), "{told}");
            assert_eq!(told.contains("returns"), mode == DrillMode::Switch, "{told}");
        }
    }

    #[test]
    fn a_request_holds_only_what_was_given() {
        let consent = Consent {
            yes: true,
            dry_run: false,
            requested_by: Some("ana".into()),
        };
        let mut made = request("switch", None, &consent);
        guarded(
            &mut made,
            false,
            &Expect {
                expect_active: None,
                expect_version: None,
            },
        );
        assert_eq!(Value::Object(made), json!({"action": "switch", "requested_by": "ana"}));
        let mut made = request("rollback", Some("why".into()), &consent);
        guarded(
            &mut made,
            true,
            &Expect {
                expect_active: Some(Color::Blue),
                expect_version: Some(3),
            },
        );
        assert_eq!(
            Value::Object(made),
            json!({"action": "rollback", "reason": "why", "requested_by": "ana", "force": true,
                "expect": {"active": "blue", "version": 3}})
        );
    }
}
