//! Every command that changes something: observe first, ask, change once, verify.

use std::time::{Duration, Instant};

use bluegreen_aws::clock::Clock;
use bluegreen_core::color::Color;
use bluegreen_core::drill::{DrillOutcome, Mode};
use bluegreen_core::flag::FlagVersion;
use bluegreen_core::outcome::Outcome;
use bluegreen_core::request::{self, ActionName, RequestForm};
use bluegreen_core::response::{Body, Change, Common, DrillAnswer, Open, Response};

use crate::arguments::{Drill, DrillMode, Expect, Failover, Hold, Initialize, Release, Rollback, Switch, Verify};
use crate::backend::Answered;
use crate::confirm::{self, Question, must_ask, somebody_is_there};
use crate::consent::{Consent, request, requested_by};
use crate::drained;
use crate::failure::{Failure, exit};
use crate::render::{self, code_of, drill_line, number, word};
use crate::session::Session;
use crate::terminal::{self, Style};

/// The time between two status requests while a change is verified.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The same for a drill, which is finished by the watcher, whose ticks are a minute apart.
const DRILL_LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a drill's outcome is waited for, beyond its return time.
const DRILL_PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn switch(session: &Session, options: Switch) -> Result<u8, Failure> {
    let mut request = request(ActionName::Switch, options.reason, &options.consent);
    request.to = Some(options.to.into());
    guarded(&mut request, options.force, &options.expect);
    let to = Some(options.to);
    let code = switch_flag(session, request, to, options.force, &options.consent, &options.verify).await?;
    if options.wait_drained && code == exit::DONE && !options.consent.dry_run {
        let limit = Duration::from_secs(options.drained_within);
        return drained::wait(session, options.to.other(), limit, false).await;
    }
    Ok(code)
}

pub(crate) async fn failover(session: &Session, options: Failover) -> Result<u8, Failure> {
    let mut request = request(ActionName::Failover, options.reason, &options.consent);
    request.to = options.to.map(Open::from);
    guarded(&mut request, options.force, &options.expect);
    let to = options.to;
    switch_flag(session, request, to, options.force, &options.consent, &options.verify).await
}

pub(crate) async fn rollback(session: &Session, options: Rollback) -> Result<u8, Failure> {
    let mut request = request(ActionName::Rollback, options.reason, &options.consent);
    guarded(&mut request, options.force, &options.expect);
    switch_flag(session, request, None, options.force, &options.consent, &options.verify).await
}

pub(crate) async fn hold(session: &Session, options: Hold) -> Result<u8, Failure> {
    let request = RequestForm {
        minutes: options.minutes,
        until: options.until,
        ..request(ActionName::Hold, Some(options.reason), &options.consent)
    };
    let question = |_: &Common| Question::YesOrNo {
        to_do: "Place the hold".to_owned(),
    };
    let answered = agreed(session, request, &options.consent, question).await?;
    session.finish(&answered)
}

pub(crate) async fn release(session: &Session, options: Release) -> Result<u8, Failure> {
    let request = request(ActionName::Release, options.reason, &options.consent);
    let question = |_: &Common| Question::YesOrNo {
        to_do: "Release".to_owned(),
    };
    let answered = agreed(session, request, &options.consent, question).await?;
    session.finish(&answered)
}

pub(crate) async fn initialize(session: &Session, options: Initialize) -> Result<u8, Failure> {
    let request = RequestForm {
        to: options.to.map(Open::from),
        force: options.force,
        ..request(ActionName::Initialize, options.reason, &options.consent)
    };
    let to = options.to.unwrap_or(Color::Blue);
    let question = |_: &Common| Question::Word {
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
    let request = RequestForm {
        mode: Some(match options.mode {
            DrillMode::Switch => Mode::Switch,
            DrillMode::Probe => Mode::Probe,
            DrillMode::Dry => Mode::Dry,
        }),
        duration_minutes: options.duration_minutes.map(u64::from),
        ..request(ActionName::Drill, options.reason, &options.consent)
    };
    // Only a switch changes the flag.
    let mut consent = options.consent;
    consent.yes |= options.mode != DrillMode::Switch;
    let question = |dry_run: &Common| match other_color(dry_run) {
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
    let begun = match &answered.response.body {
        Body::Change(change) if answered.response.common.outcome == Outcome::Pending => change.drill.as_ref(),
        _ => None,
    };
    let Some(begun) = begun.filter(|_| !consent.dry_run) else {
        return session.finish(&answered);
    };
    if !options.wait {
        let code = session.finish(&answered)?;
        terminal::note("follow it with: mwaa-bluegreen watch --until-settled\n");
        return Ok(code);
    }
    session.show(&answered)?;
    wait_for_drill(session, begun).await
}

/// Why a drill with `--direct` is refused, and what to do instead.
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

/// Waits until status shows the outcome of a drill.
async fn wait_for_drill(session: &Session, expected: &DrillAnswer) -> Result<u8, Failure> {
    let id = &expected.id;
    let limit = expected
        .return_at()
        .map_or(Duration::from_secs(24 * 60 * 60), |back| {
            bluegreen_core::time::elapsed(Clock::system().now(), back)
        })
        .saturating_add(DRILL_PATIENCE);
    let began = Instant::now();
    while began.elapsed() < limit {
        tokio::time::sleep(DRILL_LOOK_INTERVAL).await;
        let drill = match session.backend.status().await {
            Ok((_, _, status)) => status.drill,
            Err(failure) => {
                terminal::note(&format!("  still waiting: {}\n", failure.message()));
                continue;
            }
        };
        session.progress(&format!("drill {}", drill_line(drill.as_ref(), Clock::system().now())));
        let Some(drill) = drill.filter(|drill| drill.id == *id) else {
            session.end_progress();
            return Err(Failure::NotInTime(format!(
                "drill {id} is not the last one any more; `history` shows what became of it"
            )));
        };
        if drill.outcome != DrillOutcome::Pending && !drill.outcome.is_empty() {
            session.end_progress();
            terminal::note(&format!("drill {}\n", drill_line(Some(&drill), Clock::system().now())));
            return Ok(code_of(&Open::read(&drill.outcome.to_string())));
        }
    }
    session.end_progress();
    Err(Failure::NotInTime(format!(
        "drill {id} has no outcome yet; `watch` follows it"
    )))
}

fn guarded(request: &mut RequestForm, force: bool, expect: &Expect) {
    request.force = force;
    request.expect = expected(expect.expect_active, expect.expect_version.map(FlagVersion));
}

fn expected(active: Option<Color>, version: Option<FlagVersion>) -> Option<request::Expect> {
    (active.is_some() || version.is_some()).then_some(request::Expect { active, version })
}

async fn switch_flag(
    session: &Session,
    request: RequestForm,
    to: Option<Color>,
    force: bool,
    consent: &Consent,
    verify: &Verify,
) -> Result<u8, Failure> {
    let is_failover = request.wanted() == ActionName::Failover;
    let question = |dry_run: &Common| {
        let over_objections = force && render::has_objections(dry_run);
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
    if answered.response.common.outcome != Outcome::Switched {
        return Ok(code);
    }
    if !verify.no_wait {
        let seen = see(session, &answered.response, Duration::from_secs(verify.within)).await?;
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

fn other_color(answer: &Common) -> Option<Color> {
    answer.active.map(Color::other)
}

/// Observes, asks and changes. A dry run, or a refusal of the dry run, is the answer.
async fn agreed(
    session: &Session,
    mut request: RequestForm,
    consent: &Consent,
    question: impl Fn(&Common) -> Question,
) -> Result<Answered, Failure> {
    let with_dry_run = || RequestForm {
        dry_run: true,
        ..request.clone()
    };
    if consent.dry_run {
        return session.backend.ask(&with_dry_run()).await;
    }
    if !must_ask(consent.yes, somebody_is_there())? {
        return session.backend.change(&request).await;
    }
    let dry_run = session.backend.ask(&with_dry_run()).await?;
    let would = &dry_run.response;
    if !would.common.outcome.is_dry_run() {
        return Ok(dry_run);
    }
    let question = question(&would.common);
    terminal::note(&plan(session, &request, would, consent, &question));
    confirm::agreed(&question).await?;
    // The change must apply to what was shown: another write since then refuses this one.
    let flag_changes = matches!(
        request.wanted(),
        ActionName::Switch | ActionName::Failover | ActionName::Rollback | ActionName::Drill
    );
    if flag_changes {
        // Replaces the typed expectation: the function has already compared that one.
        request.expect = as_seen(&would.common).or(request.expect);
    }
    session.backend.change(&request).await
}

fn as_seen(dry_run: &Common) -> Option<request::Expect> {
    expected(dry_run.active, dry_run.version)
}

/// What a person reads before the confirmation.
fn plan(
    session: &Session,
    request: &RequestForm,
    dry_run: &Response,
    consent: &Consent,
    question: &Question,
) -> String {
    let common = &dry_run.common;
    let change = match &dry_run.body {
        Body::Change(change) => Change::clone(change),
        _ => Change::default(),
    };
    let paint = session.note_paint;
    let who = requested_by(consent)
        .map(|(who, from)| format!("{who} (from {from})"))
        .unwrap_or_default();
    let (active, version) = (word(common.active), number(common.version));
    let mut rows = vec![
        ("pair", session.pair.clone()),
        ("by", session.backend.describe()),
        ("asked by", who),
        ("why", common.reason.clone()),
    ];
    let to = match question {
        Question::Color { to, .. } => Some(to.as_str()),
        _ => None,
    };
    if let Some(to) = to {
        rows.push(("from, to", format!("{active} (version {version}) -> {to}")));
        let back_dating = render::back_dating(&change);
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
    if request.wanted() == ActionName::Drill {
        let minutes = change.drill.and_then(|drill| drill.duration_minutes);
        let minutes = minutes.map(|minutes| minutes.to_string()).unwrap_or_default();
        rows.push((
            "and back",
            format!("after {minutes} minutes, by the watcher; a real failure in between wins"),
        ));
    }
    let mut shown = terminal::fields(paint, &rows);
    let preconditions = render::preconditions(paint, &common.preconditions);
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

/// What status shows about the version that was written.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// This version is the present one.
    Ours,
    /// An older version is shown: the reading may be stale.
    NotYet,
    /// Something else has been written since, described in words.
    Overtaken(String),
}

fn seen(status: &Common, version: Option<FlagVersion>, active: Option<Color>) -> Seen {
    match status.version {
        None => Seen::Overtaken("the flag has been deleted since".to_owned()),
        standing if standing > version => Seen::Overtaken(format!(
            "version {} was written since, and {} is active",
            number(standing),
            status.active.map_or("no color", Color::as_str)
        )),
        standing if standing == version && status.active == active => Seen::Ours,
        // A re-created flag begins at version 1: it stays older for good, and the limit ends the wait.
        _ => Seen::NotYet,
    }
}

fn overtaken(session: &Session, by: &str) -> u8 {
    session.end_progress();
    terminal::note(&format!(
        "{by}: `mwaa-bluegreen history{}` shows by whom\n",
        session.same_pair()
    ));
    exit::CONFLICT
}

/// Waits until status shows the new version, and it is in force.
async fn see(session: &Session, switched: &Response, limit: Duration) -> Result<u8, Failure> {
    let (version, active) = (switched.common.version, switched.common.active);
    let change = match &switched.body {
        Body::Change(change) => Change::clone(change),
        _ => Change::default(),
    };
    let began = Instant::now();
    let late = |what: &str| {
        Failure::NotInTime(format!(
            "the switch was made, but {what} within {} s (--within); ask `mwaa-bluegreen status`",
            limit.as_secs()
        ))
    };
    loop {
        match session.backend.status().await {
            Ok((_, status, _)) => match seen(&status, version, active) {
                Seen::Ours => break,
                Seen::NotYet => {}
                Seen::Overtaken(by) => return Ok(overtaken(session, &by)),
            },
            Err(failure) => terminal::note(&format!("  still waiting: {}\n", failure.message())),
        }
        if began.elapsed() >= limit {
            return Err(late("the new version was not seen"));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    if !session.json {
        terminal::note(&format!(
            "verified: the flag holds {} at version {}{}\n",
            word(active),
            number(version),
            render::warnings(&change)
        ));
    }
    let Some(effective_from) = change.effective_from else {
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
    let (_, status, _) = session.backend.status().await?;
    if let Seen::Overtaken(by) = seen(&status, version, active) {
        return Ok(overtaken(session, &by));
    }
    if !session.json {
        terminal::note(&format!(
            "in force: DAG runs due from {} on run on {}\n",
            terminal::moment(effective_from),
            word(active)
        ));
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::response::to_json;
    use serde_json::{Value, json};

    use super::*;

    fn common(answer: &Value) -> Common {
        Response::read(answer).common
    }

    #[test]
    fn a_version_that_was_overwritten_or_deleted_is_not_in_force() {
        let told = |status: Value| seen(&common(&status), Some(FlagVersion(3)), Some(Color::Green));
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
        let expected = |answer: Value| as_seen(&common(&answer)).map(|expect| to_json(&expect));
        assert_eq!(
            expected(json!({"active": "blue", "version": 12, "outcome": "would_switch"})),
            Some(json!({"active": "blue", "version": 12}))
        );
        assert_eq!(
            expected(json!({"active": null, "version": 12})),
            Some(json!({"version": 12}))
        );
        assert_eq!(expected(json!({"active": null})), None);
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
        let mut made = request(ActionName::Switch, None, &consent);
        guarded(
            &mut made,
            false,
            &Expect {
                expect_active: None,
                expect_version: None,
            },
        );
        assert_eq!(to_json(&made), json!({"action": "switch", "requested_by": "ana"}));
        let mut made = request(ActionName::Rollback, Some("why".into()), &consent);
        guarded(
            &mut made,
            true,
            &Expect {
                expect_active: Some(Color::Blue),
                expect_version: Some(3),
            },
        );
        assert_eq!(
            to_json(&made),
            json!({"action": "rollback", "reason": "why", "requested_by": "ana", "force": true,
                "expect": {"active": "blue", "version": 3}})
        );
    }
}
