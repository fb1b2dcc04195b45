//! One stack, from whatever it is now to what it shall be. Looks first, each time: an earlier run may have ended anywhere,
//! and CloudFormation goes on without it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bluegreen_core::printable::visible;
use bluegreen_environments::operation::{self, Event, Standing};

use super::stacks::{Found, NewChangeSet, Stacks, Template};
use crate::failure::Failure;
use crate::terminal::{self, span};
use crate::under_way;

/// The first wait between two looks, and the longest: a tenth of the time so far lies between them.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How many looks in a row may fail while CloudFormation works by itself. Each was repeated for half a minute already.
const MOST_FAILED_LOOKS: u32 = 5;

/// After so long without news, a line says that it still goes on.
const SILENCE: Duration = Duration::from_secs(60);

/// How long an operation that was begun may not be seen.
const UNSEEN: Duration = Duration::from_secs(60);

/// A stack as it shall be, with all parameters known.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) template: String,
    /// Where the template lies, if it is too long to be sent.
    pub(crate) template_url: Option<String>,
    pub(crate) template_hash: String,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Whether it gets termination protection.
    pub(crate) protected: bool,
    /// What a person should know about how long it takes.
    pub(crate) patience: &'static str,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// CloudFormation found nothing to change; no update was started.
    Unchanged,
    Created,
    Updated,
}

/// Waits until nothing goes on with the stack; what is left of a failed creation is deleted. The result is a stack that can
/// be updated, or none.
pub(crate) async fn settle(stacks: &Stacks, name: &str) -> Result<Option<Found>, Failure> {
    loop {
        let Some(found) = stacks.describe(name).await? else {
            return Ok(None);
        };
        let status = found.stack.status.clone();
        match Standing::of(Some(&status)) {
            Standing::Absent => return Ok(None),
            Standing::Settled => return Ok(Some(found)),
            Standing::Busy => {
                say(
                    name,
                    &format!("{status}: somebody, or an earlier run, is at it; waiting"),
                );
                let since = stacks.last_operation(&found.id).await?;
                wait(
                    stacks,
                    name,
                    &found.id,
                    &Looking::at(since.first().map(|event| event.id.clone())),
                    "",
                )
                .await?;
            }
            Standing::Leftover => {
                let why = reasons(stacks, &found.id).await?;
                if status == "REVIEW_IN_PROGRESS" {
                    say(
                        name,
                        "REVIEW_IN_PROGRESS: an earlier run got no further than this; taking it away",
                    );
                } else {
                    say(
                        name,
                        &format!("{status}: its creation failed before{why}; taking it away"),
                    );
                }
                remove(stacks, &found, "").await?;
            }
            Standing::Stuck => {
                let why = reasons(stacks, &found.id).await?;
                let help = operation::help(name, stacks.region(), &status);
                return Err(Failure::Aws(format!("stack {name} is {status}{why}; {help}")));
            }
        }
    }
}

/// Waits until nothing goes on with the stack.
pub(crate) async fn wait_while_busy(stacks: &Stacks, name: &str) -> Result<(), Failure> {
    while let Some(found) = stacks.describe(name).await? {
        let status = &found.stack.status;
        if Standing::of(Some(status)) != Standing::Busy {
            break;
        }
        say(
            name,
            &format!("{status}: somebody, or an earlier run, is at it; waiting"),
        );
        let newest = stacks.last_operation(&found.id).await?;
        let looking = Looking::at(newest.first().map(|event| event.id.clone()));
        wait(stacks, name, &found.id, &looking, "").await?;
    }
    Ok(())
}

/// Deploys the stack by a change set, if `may_execute` consents once that is made and nothing is left but to execute it.
/// Refuses to replace an environment, or what it stands on.
pub(crate) async fn deploy_if(
    stacks: &Stacks,
    wanted: &Wanted,
    may_execute: impl AsyncFnOnce() -> Result<(), Failure>,
) -> Result<Done, Failure> {
    let name = &wanted.name;
    let before = settle(stacks, name).await?;
    let is_creation = before.is_none();
    // Before the change set is made: whatever begins after it is seen, also if another run executes it first.
    let newest = match &before {
        Some(found) => newest_event(stacks, &found.id).await?,
        None => None,
    };
    let change_set = operation::change_set_name(&wanted.template_hash, &wanted.parameters);
    if !make_change_set(stacks, wanted, &change_set, is_creation).await? {
        if let Some(found) = &before {
            protect(stacks, wanted, found).await?;
        }
        return Ok(Done::Unchanged);
    }
    let id = stacks.describe(name).await?.ok_or_else(|| gone(name))?.id;
    if before.as_ref().is_some_and(|found| found.id != id) {
        return Err(gone(name));
    }
    if let Err(failure) = may_execute().await {
        take_away(stacks, name, &change_set, is_creation).await?;
        return Err(failure);
    }
    if let Err(failure) = stacks.execute(name, &change_set).await {
        // The answer may have been lost, or another run was faster with the same change.
        match stacks.change_set(name, &change_set).await? {
            Some(found) if found.is_executed() => {}
            Some(_) => return Err(failure),
            // Executing one change set deletes all others, and so does a second run that makes this one anew.
            None => {
                return Err(Failure::Aws(format!(
                    "the change set {change_set} of stack {name} was deleted before it could be executed: somebody else changes the \
                     stack at the same time; wait until they are done, and repeat the command ({failure})"
                )));
            }
        }
    }
    let looking = Looking {
        newest,
        must_begin: true,
    };
    let (status, events) = wait(stacks, name, &id, &looking, wanted.patience).await?;
    if Standing::of(Some(&status)) == Standing::Absent {
        return Err(gone(name));
    }
    if operation::has_failed(&status) {
        let help = operation::help(name, stacks.region(), &status);
        let next = if is_creation {
            "once that is mended, repeat the command: it takes away what is left of this try"
        } else if Standing::of(Some(&status)) == Standing::Stuck {
            &help
        } else {
            "it is as it was before; once that is mended, repeat the command"
        };
        return Err(failed(name, &status, &events, next));
    }
    if let Some(found) = stacks.describe(name).await? {
        protect(stacks, wanted, &found).await?;
    }
    Ok(if is_creation { Done::Created } else { Done::Updated })
}

/// Somebody else was at it.
fn gone(name: &str) -> Failure {
    Failure::Aws(format!(
        "stack {name} was deleted in the meantime by somebody else: wait until they are done, and repeat the command"
    ))
}

async fn newest_event(stacks: &Stacks, id: &str) -> Result<Option<String>, Failure> {
    let newest = stacks.last_operation(id).await?;
    Ok(newest.first().map(|event| event.id.clone()))
}

/// Whether there is something to execute.
async fn make_change_set(stacks: &Stacks, wanted: &Wanted, name: &str, is_creation: bool) -> Result<bool, Failure> {
    let stack = &wanted.name;
    let new = NewChangeSet {
        stack,
        name,
        is_creation,
        template: match &wanted.template_url {
            Some(url) => Template::Url(url),
            None => Template::Text(&wanted.template),
        },
        parameters: &wanted.parameters,
    };
    if !stacks.create_change_set(&new).await? {
        // Of an earlier run, and perhaps made for another state of the stack.
        stacks.delete_change_set(stack, name).await?;
        if !stacks.create_change_set(&new).await? {
            return Err(Failure::Aws(format!(
                "the change set {name} of stack {stack} is there, and does not go away: somebody else runs this command at \
                 the same time; wait until they are done"
            )));
        }
    }
    let began = Instant::now();
    let found = loop {
        let found = stacks.change_set(stack, name).await?.ok_or_else(|| {
            Failure::Aws(format!(
                "the change set {name} of stack {stack} is gone: somebody else runs this command at the same time; wait \
                 until they are done, and repeat it"
            ))
        })?;
        if !found.is_pending() {
            break found;
        }
        pause(began).await;
    };
    if found.status == "FAILED" {
        take_away(stacks, stack, name, is_creation).await?;
        if operation::is_empty(&found.reason) && !is_creation {
            return Ok(false);
        }
        return Err(Failure::Aws(format!(
            "CloudFormation refuses the change of stack {stack}: {}{}; nothing was changed",
            found.reason,
            advised(&found.reason)
        )));
    }
    let replaced = operation::replacing(&found.changes);
    if !is_creation && !replaced.is_empty() {
        let told: Vec<String> = replaced
            .iter()
            .map(|change| {
                let how = match (change.action.as_str(), change.replacement.as_str()) {
                    ("Modify", "Conditional") => "perhaps replace",
                    ("Modify", _) => "replace",
                    _ => "remove",
                };
                format!("{how} {} ({})", change.resource, change.kind)
            })
            .collect();
        stacks.delete_change_set(stack, name).await?;
        return Err(Failure::Refused(format!(
            "the change of stack {stack} would {}: nothing was changed. An environment cannot be replaced in place. Take the \
             change back, or let `mwaa-bluegreen rollout` replace the standby's environment, never the active's",
            told.join(", ")
        )));
    }
    if !found.is_executable() {
        take_away(stacks, stack, name, is_creation).await?;
        return Err(Failure::Aws(format!(
            "the change set {name} of stack {stack} cannot be executed ({} {}): {}; repeat the command",
            found.status, found.execution, found.reason
        )));
    }
    Ok(true)
}

/// Takes away a change set that is not executed, and the empty stack that the first one of a stack makes.
async fn take_away(stacks: &Stacks, stack: &str, change_set: &str, is_creation: bool) -> Result<(), Failure> {
    stacks.delete_change_set(stack, change_set).await?;
    if !is_creation {
        return Ok(());
    }
    match stacks.describe(stack).await? {
        Some(found) if found.stack.status == "REVIEW_IN_PROGRESS" => remove(stacks, &found, "").await,
        _ => Ok(()),
    }
}

async fn protect(stacks: &Stacks, wanted: &Wanted, found: &Found) -> Result<(), Failure> {
    if wanted.protected && !found.protected {
        stacks.protect(&wanted.name, true).await?;
    }
    Ok(())
}

/// Deletes a stack and waits for its end. Its termination protection must be off.
pub(crate) async fn remove(stacks: &Stacks, found: &Found, patience: &str) -> Result<(), Failure> {
    let name = &found.stack.name;
    let newest = newest_event(stacks, &found.id).await?;
    // By its id: another run may have deleted it meanwhile, and made a new one of that name.
    stacks.delete(&found.id).await?;
    let looking = Looking {
        newest,
        must_begin: true,
    };
    let (status, events) = wait(stacks, name, &found.id, &looking, patience).await?;
    if operation::has_failed(&status) {
        return Err(failed(
            name,
            &status,
            &events,
            "what could be deleted is gone; once that is mended, repeat the command",
        ));
    }
    Ok(())
}

/// From which event on, and whether an operation must be seen to begin: after a request, the stack may be shown as it was
/// before for a moment.
#[derive(Debug, Clone)]
pub(crate) struct Looking {
    newest: Option<String>,
    must_begin: bool,
}

impl Looking {
    fn at(newest: Option<String>) -> Self {
        Self {
            newest,
            must_begin: false,
        }
    }
}

/// Waits until CloudFormation is done, and tells each step. Returns the status, and the events of the operation, newest first.
async fn wait(
    stacks: &Stacks,
    name: &str,
    id: &str,
    looking: &Looking,
    patience: &str,
) -> Result<(String, Vec<Event>), Failure> {
    let began = Instant::now();
    let mut told_at = began;
    let mut seen: Vec<Event> = Vec::new();
    let mut failed_looks = 0_u32;
    let mut settled_at: Option<Instant> = None;
    let result = loop {
        let newest = seen.first().map(|event| event.id.clone()).or(looking.newest.clone());
        let (found, mut events) = match look(stacks, id, newest.as_deref()).await {
            Ok(looked) => looked,
            Err(failure) => {
                failed_looks = failed_looks.saturating_add(1);
                if failed_looks >= MOST_FAILED_LOOKS {
                    break Err(Failure::Aws(format!(
                        "{failure}; CloudFormation goes on with stack {name} by itself: repeat the command, which then waits for it"
                    )));
                }
                say(name, &format!("cannot be seen at the moment, looking again: {failure}"));
                pause(began).await;
                continue;
            }
        };
        failed_looks = 0;
        let status = found.map_or_else(|| "DELETE_COMPLETE".to_owned(), |found| found.stack.status);
        for line in operation::news(&events) {
            // The beginning: how long it will take.
            let patience = if line.ends_with("_IN_PROGRESS") { patience } else { "" };
            say(name, &format!("{:>7}  {line}{patience}", span(began.elapsed())));
            told_at = Instant::now();
        }
        events.append(&mut seen);
        seen = events;
        let has_ended = !looking.must_begin || status == "DELETE_COMPLETE" || operation::ended(&seen).is_some();
        if Standing::of(Some(&status)) == Standing::Busy {
            settled_at = None;
        } else if has_ended {
            break Ok((status, seen));
        } else if settled_at.get_or_insert_with(Instant::now).elapsed() > UNSEEN {
            break Err(Failure::Aws(format!(
                "CloudFormation took the request for stack {name}, and after {} its events do not show that it was carried out (the stack \
                 is {status}): repeat the command, which looks first",
                span(began.elapsed())
            )));
        }
        under_way::note(
            id,
            format!(
                "CloudFormation goes on with stack {name} ({status}) by itself; the same command again waits for it"
            ),
        );
        if told_at.elapsed() > SILENCE {
            told_at = Instant::now();
            say(
                name,
                &format!("still {status} after {}{patience}", span(began.elapsed())),
            );
        }
        pause(began).await;
    };
    under_way::done(id);
    result
}

/// The events, and only then the status: a status from before the last event says nothing about the end.
async fn look(stacks: &Stacks, id: &str, since: Option<&str>) -> Result<(Option<Found>, Vec<Event>), Failure> {
    let events = stacks.events(id, since).await?;
    Ok((stacks.describe(id).await?, events))
}

/// Waits a tenth of the time since then.
async fn pause(began: Instant) {
    let wait = began.elapsed().checked_div(10).unwrap_or_default();
    let wait = wait.clamp(FIRST_WAIT, LONGEST_WAIT);
    // Some more, or less: several stacks must not be asked for in step.
    tokio::time::sleep(wait.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
}

fn failed(name: &str, status: &str, events: &[Event], next: &str) -> Failure {
    let causes = operation::causes(events);
    let why = if causes.is_empty() {
        String::new()
    } else {
        format!(": {}", causes.join("; then "))
    };
    let advice = causes
        .iter()
        .find_map(|cause| operation::advice(cause))
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default();
    Failure::Aws(format!("stack {name} is {status}{why}{advice}; {next}"))
}

async fn reasons(stacks: &Stacks, id: &str) -> Result<String, Failure> {
    let causes = operation::causes(&stacks.last_operation(id).await?);
    Ok(causes.first().map(|cause| format!(" ({cause})")).unwrap_or_default())
}

fn advised(reason: &str) -> String {
    operation::advice(reason)
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default()
}

/// One line of progress.
pub(crate) fn say(name: &str, text: &str) {
    terminal::note(&format!("{}  {}\n", visible(name), visible(text)));
}
