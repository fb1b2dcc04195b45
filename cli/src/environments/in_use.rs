//! A pair in use, before `env apply` changes something under it: who holds it, what is in flight on its standby, and whether
//! all that is still so when the change is about to be executed.

use bluegreen_core::color::Color;
use bluegreen_core::response::Status;
use bluegreen_environments::description::{Description, Mode};
use bluegreen_environments::names;
use bluegreen_environments::permission::{self, Change, MovedRoot};
use bluegreen_environments::rollout::{HoldReason, InFlight};
use bluegreen_environments::stack::Layer;

use super::arguments::Apply;
use super::world::{Flag, World};
use crate::backend::Backend;
use crate::failure::Failure;

/// What the pair's function says.
#[derive(Debug, Default)]
pub(super) struct InUse {
    pub(super) in_flight: Option<InFlight>,
    /// The rollout whose hold is in force.
    pub(super) rollout: Option<String>,
    hold: Option<String>,
}

impl InUse {
    /// Asks only if an environment of a pair in use is to be changed.
    pub(super) async fn look(description: &Description, world: &World, changes: &[Change]) -> Self {
        let touches = changes
            .iter()
            .any(|change| change.is_update() && (change.color.is_some() || change.layer == Layer::Network));
        match standby(description, world) {
            Some(standby) if touches => Self::ask(world, standby).await,
            _ => Self::default(),
        }
    }

    async fn ask(world: &World, standby: Color) -> Self {
        match status(world).await {
            Ok(status) => Self::of(&status, standby),
            Err(failure) => Self {
                in_flight: Some(InFlight::Unknown(format!(
                    "the pair's function does not say it: {failure}"
                ))),
                ..Self::default()
            },
        }
    }

    fn of(status: &Status, standby: Color) -> Self {
        let reason = status.held.as_ref().and_then(|held| HoldReason::read(&held.reason));
        Self {
            in_flight: Some(InFlight::of(status.in_flight.of(standby).as_ref(), standby)),
            rollout: reason.map(|reason| format!("rollout {}", reason.id)),
            hold: status.hold.clone(),
        }
    }

    /// What a person should know before they agree.
    pub(super) fn notes(&self) -> Vec<String> {
        let hold = self.hold.as_ref().map(|hold| format!("the pair is held: {hold}"));
        let unknown = match &self.in_flight {
            Some(InFlight::Unknown(why)) => Some(format!("what is in flight on the standby is unknown: {why}")),
            Some(InFlight::Running(what)) => Some(format!("in flight on the standby: {what}")),
            _ => None,
        };
        hold.into_iter().chain(unknown).collect()
    }
}

async fn status(world: &World) -> Result<Status, Failure> {
    let backend = Backend::open(&world.connection).await?;
    let (_, _, status) = backend.status().await?;
    Ok(status)
}

/// The standby of a pair in use.
fn standby(description: &Description, world: &World) -> Option<Color> {
    let controller = names::stack(&description.name, Layer::Controller, None);
    world.standing(&description.region, &controller)?;
    match (&world.flag, description.mode) {
        (Flag::Names(active), Mode::BlueGreen) => Some(active.other()),
        _ => None,
    }
}

/// A stack that was deployed with another parameter root than the one described.
pub(super) fn moved_root(description: &Description, world: &World) -> Option<MovedRoot> {
    let to = description.parameter_root();
    let stacks = [
        (Layer::Controller, None, description.region.as_str()),
        (Layer::Base, Some(Color::Blue), description.region_of(Color::Blue)),
        (Layer::Base, Some(Color::Green), description.region_of(Color::Green)),
    ];
    stacks.into_iter().find_map(|(layer, color, region)| {
        let stack = names::stack(&description.name, layer, color);
        let found = world.standing(region, &stack)?;
        let given = found.stack.parameters.get("ParameterRoot")?;
        let from = if given.is_empty() {
            names::parameter_root(&description.name)
        } else {
            given.clone()
        };
        (from != to).then(|| MovedRoot {
            stack,
            from,
            to: to.clone(),
        })
    })
}

/// Right before a stack is changed: an error if the flag has moved since that was decided, or the standby has work now.
pub(super) async fn still_so(
    description: &Description,
    world: &World,
    stack: &str,
    color: Option<Color>,
    options: &Apply,
    known: &InUse,
) -> Result<(), Failure> {
    let flag = world.read_flag(description).await?;
    if flag != world.flag {
        return Err(Failure::Refused(format!(
            "the flag {} was {} when this was decided, and is {flag} now: stack {stack} was not changed; repeat the command, which \
             decides anew",
            description.flag(),
            world.flag
        )));
    }
    let standby = standby(description, world).filter(|standby| color == Some(*standby) && !options.force);
    let Some(standby) = standby else {
        return Ok(());
    };
    let in_use = InUse::ask(world, standby).await;
    if let Some(rollout) = &in_use.rollout {
        return Err(Failure::Refused(format!(
            "stack {stack} was not changed: {rollout} is under way since this was decided"
        )));
    }
    // A person has agreed to what is unknown only if it was unknown then.
    let is_agreed = !options.consent.yes && matches!(known.in_flight, Some(InFlight::Unknown(_)));
    let refusal = in_use
        .in_flight
        .and_then(|in_flight| permission::standby_refusal(standby, &in_flight, is_agreed));
    refusal.map_or(Ok(()), |refusal| {
        Err(Failure::Refused(format!("stack {stack} was not changed: {refusal}")))
    })
}
