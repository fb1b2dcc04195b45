//! Whether `env apply` and `env destroy` may do what they were asked: what is deployed never stops the color that does the work.

use std::fmt;

use bluegreen_core::color::Color;

use crate::description::Mode;
use crate::rollout::InFlight;
use crate::stack::Layer;

/// The flag as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// There is none.
    Missing,
    /// It names this color.
    Names(Color),
    /// It holds something else.
    Invalid(String),
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("missing"),
            Self::Names(color) => write!(formatter, "{color}"),
            Self::Invalid(value) => write!(formatter, "{value}, which is no color"),
        }
    }
}

/// Why a color's stacks may not be deleted while the flag is so; none if nothing objects. `parameter` is the flag's name.
#[must_use]
pub fn deletion_refusal(pair: &str, parameter: &str, flag: &Flag, color: Color) -> Option<String> {
    let other = color.other();
    match flag {
        Flag::Names(active) if *active == other => None,
        Flag::Names(_) => Some(format!(
            "{color} is active. Switch first, `mwaa-bluegreen switch --to {other} --pair {pair}`, and wait until {color} has finished \
             its runs, `mwaa-bluegreen drained {color} --wait`; `env destroy --all` deletes both"
        )),
        Flag::Invalid(value) => Some(format!(
            "the flag {parameter} holds {value}, which is no color: nothing says that {color} is not the one that works. Write a color \
             with `mwaa-bluegreen switch --to <color> --force --pair {pair}`; `env destroy --all` deletes both"
        )),
        Flag::Missing => Some(format!(
            "there is no flag {parameter}: nothing says that {color} is not the one that works. Create it with `mwaa-bluegreen \
             initialize --to {other} --pair {pair}`, or with `env apply` where there is no controller; `env destroy --all` deletes both"
        )),
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Everything that differs.
    Everything,
    /// One color.
    Color(Color),
    /// The controller alone.
    Controller,
    /// The network alone.
    Network,
}

/// One stack that differs from its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The stack.
    pub stack: String,
    /// What it holds.
    pub layer: Layer,
    /// Its color.
    pub color: Option<Color>,
    /// In what it differs; none if it is to be created.
    pub differences: Option<Vec<String>>,
}

impl Change {
    /// Whether it is there already.
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.differences.is_some()
    }
}

/// The pair, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The pair's name.
    pub pair: String,
    /// The mode that is described.
    pub mode: Mode,
    /// In standard mode, the color that exists.
    pub stays: Color,
    /// The color that the flag names; none without a flag.
    pub active: Option<Color>,
    /// The stacks that standard mode does not have and that are there, in the order of deletion.
    pub surplus: Vec<String>,
    /// Whether the controller is among them.
    pub has_controller: bool,
    /// The flag's name.
    pub flag_parameter: String,
    /// A stack that was deployed with another parameter root than the description has.
    pub moved_root: Option<MovedRoot>,
    /// What is in flight on the standby; none if nobody had to be asked.
    pub in_flight: Option<InFlight>,
    /// The rollout whose hold is in force.
    pub rollout: Option<String>,
    /// Whether a person sees what is foreseen and is asked before anything is changed.
    pub is_asked: bool,
}

/// A stack that was deployed with another parameter root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRoot {
    /// The stack.
    pub stack: String,
    /// The root that it has.
    pub from: String,
    /// The root that the description has.
    pub to: String,
}

/// Why a standby may not be changed while this is in flight on it; none if nothing objects.
#[must_use]
pub fn standby_refusal(standby: Color, in_flight: &InFlight, is_asked: bool) -> Option<String> {
    let way = format!(
        "Wait for them, `mwaa-bluegreen drained {standby} --wait`; or change it under them, `env apply {standby} --force`"
    );
    match in_flight {
        InFlight::Drained => None,
        InFlight::Running(what) => Some(format!(
            "{standby} stands by and has runs in flight ({what}), and a change restarts its environment. {way}"
        )),
        InFlight::Unknown(_) if is_asked => None,
        InFlight::Unknown(why) => Some(format!(
            "it is unknown whether {standby}, which stands by, has runs in flight ({why}), and a change restarts its environment. {way}"
        )),
    }
}

/// Why not; none if nothing objects.
#[must_use]
pub fn refusal(situation: &Situation, target: Target, force: bool, changes: &[Change]) -> Option<String> {
    let Situation { pair, .. } = situation;
    if let Some(MovedRoot { stack, from, to }) = &situation.moved_root {
        return Some(format!(
            "{stack} keeps its state below {from}, and the file wants ParameterRoot = \"{to}\", where there is no flag of {pair}: both \
             environments would look for one there at the same moment. Take it back; a pair with another root is a new one, with another name"
        ));
    }
    let refusal = match situation.mode {
        Mode::Standard => of_standard(situation, target),
        Mode::BlueGreen => of_pair(situation, target, force, changes),
    };
    refusal.or_else(|| of_network(situation, target, force, changes))
}

/// The network is under both colors, so that no switch helps while it changes.
fn of_network(situation: &Situation, target: Target, force: bool, changes: &[Change]) -> Option<String> {
    let active = situation.active?;
    let change = changes
        .iter()
        .find(|change| change.layer == Layer::Network && change.is_update())?;
    if force && target == Target::Network {
        return None;
    }
    let carries = match situation.mode {
        Mode::Standard => format!("carries {active}, which does all the work"),
        Mode::BlueGreen => format!(
            "carries both colors: {active}, which is active, and its standby feel it at the same moment, and no switch helps"
        ),
    };
    Some(format!(
        "this would change {} ({}), which {carries}; `env apply network --force` does it all the same",
        change.stack,
        change
            .differences
            .iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    ))
}

fn of_standard(situation: &Situation, target: Target) -> Option<String> {
    let Situation {
        pair, stays, active, ..
    } = situation;
    let other = stays.other();
    if target == Target::Controller || target == Target::Color(other) {
        return Some(format!(
            "the file describes {pair} in standard mode, which has {stays} alone; allowed are {stays} and network; for two colors \
             set mode = \"blue-green\""
        ));
    }
    if *active == Some(other) {
        return Some(format!(
            "{other} is active, and {stays} is the one that is to stay: switch first, `mwaa-bluegreen switch --to {stays} --pair {pair}`, \
             and wait until {other} has finished its runs, `mwaa-bluegreen drained {other} --wait`; or set active = \"{other}\""
        ));
    }
    if situation.has_controller {
        return Some(format!(
            "{pair} is blue-green, and the file describes it in standard mode. {stays} is active and stays as it is; `mwaa-bluegreen env destroy \
             --leave standard` deletes {}",
            situation.surplus.join(", ")
        ));
    }
    None
}

fn of_pair(situation: &Situation, target: Target, force: bool, changes: &[Change]) -> Option<String> {
    let of = |color: Color| -> Vec<&str> {
        changes
            .iter()
            .filter(|change| change.color == Some(color) && change.is_update())
            .map(|change| change.stack.as_str())
            .collect()
    };
    let Some(active) = situation.active else {
        let touched = [of(Color::Blue), of(Color::Green)].concat();
        return (situation.has_controller && !touched.is_empty()).then(|| {
            format!(
                "there is no flag {}: nothing says which color works, and this would change {}. Create it first, with the color that \
                 works, `mwaa-bluegreen initialize --to <color> --pair {}`",
                situation.flag_parameter,
                touched.join(" and "),
                situation.pair
            )
        });
    };
    let standby = active.other();
    let (touched, also) = (of(active), of(standby));
    if !force
        && let Some(rollout) = &situation.rollout
        && !(touched.is_empty() && also.is_empty())
    {
        return Some(format!(
            "{rollout} is under way and holds the pair, and this would change {} beside it: let it finish, or end it with \
             `mwaa-bluegreen rollout --abort`; `env apply <color> --force` does it all the same",
            [touched, also].concat().join(" and ")
        ));
    }
    if touched.is_empty() {
        let in_flight = situation.in_flight.as_ref().filter(|_| !force && !also.is_empty())?;
        return standby_refusal(standby, in_flight, situation.is_asked);
    }
    if force && target == Target::Color(active) {
        return None;
    }
    let both = if also.is_empty() {
        String::new()
    } else {
        format!(
            " The standby differs, too ({}), and never do both change at once.",
            also.join(", ")
        )
    };
    let forced = if force {
        format!("--force wants the color named: `env apply {active} --force`")
    } else {
        format!("`env apply {active} --force` does it all the same")
    };
    Some(format!(
        "{active} is active, and this would change {}.{both} `mwaa-bluegreen rollout` changes the standby first, switches to it, and \
         changes {active} when it has finished its runs; `env apply {standby}` changes the standby alone; {forced}",
        touched.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_is_deleted_only_while_the_flag_names_the_other() {
        let told = |flag: &Flag| deletion_refusal("orders", "/mwaa/orders/active-environment", flag, Color::Green);
        assert_eq!(told(&Flag::Names(Color::Blue)), None);
        for (flag, part) in [
            (Flag::Names(Color::Green), "green is active"),
            (
                Flag::Invalid("\"purple\"".to_owned()),
                "holds \"purple\", which is no color",
            ),
            (Flag::Missing, "there is no flag /mwaa/orders/active-environment"),
        ] {
            let text = told(&flag).unwrap();
            assert!(text.contains(part) && text.contains("`env destroy --all`"), "{text}");
        }
    }

    fn situation(mode: Mode, active: Option<Color>) -> Situation {
        Situation {
            pair: "orders".to_owned(),
            mode,
            stays: Color::Blue,
            active,
            surplus: Vec::new(),
            has_controller: false,
            flag_parameter: "/mwaa/orders/active-environment".to_owned(),
            moved_root: None,
            in_flight: None,
            rollout: None,
            is_asked: false,
        }
    }

    #[test]
    fn without_a_flag_nothing_of_a_pair_in_use_is_updated() {
        let mut pair = situation(Mode::BlueGreen, None);
        pair.has_controller = true;
        for target in [Target::Everything, Target::Color(Color::Blue)] {
            let told = refusal(&pair, target, true, &[change(Color::Blue, true)]).unwrap();
            assert!(
                told.contains("there is no flag") && told.contains("initialize --to"),
                "{told}"
            );
        }
        assert_eq!(
            refusal(&pair, Target::Everything, false, &[change(Color::Blue, false)]),
            None
        );
    }

    #[test]
    fn another_root_is_refused_by_name() {
        for mode in [Mode::BlueGreen, Mode::Standard] {
            let mut pair = situation(mode, None);
            pair.moved_root = Some(MovedRoot {
                stack: "orders".to_owned(),
                from: "/mwaa/orders".to_owned(),
                to: "/mwaa/other".to_owned(),
            });
            let told = refusal(&pair, Target::Everything, true, &[]).unwrap();
            assert!(
                told.contains("/mwaa/orders") && told.contains("\"/mwaa/other\""),
                "{told}"
            );
        }
    }

    #[test]
    fn a_standby_with_runs_in_flight_is_changed_only_by_force() {
        let mut pair = situation(Mode::BlueGreen, Some(Color::Blue));
        let green = [change(Color::Green, true)];
        let running = InFlight::Running("2 runs".to_owned());
        let unknown = InFlight::Unknown("no answer".to_owned());
        for (in_flight, is_asked, force, part) in [
            (InFlight::Drained, false, false, None),
            (running.clone(), false, false, Some("2 runs")),
            (running.clone(), true, false, Some("drained green --wait")),
            (running, false, true, None),
            (unknown.clone(), false, false, Some("no answer")),
            (unknown.clone(), true, false, None),
            (unknown, false, true, None),
        ] {
            pair.in_flight = Some(in_flight);
            pair.is_asked = is_asked;
            let told = refusal(&pair, Target::Color(Color::Green), force, &green);
            assert_eq!(told.is_some(), part.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(part.unwrap_or_default()));
            assert_eq!(
                refusal(&pair, Target::Everything, false, &[change(Color::Green, false)]),
                None
            );
        }
        pair.rollout = Some("rollout 1a2b".to_owned());
        let told = refusal(&pair, Target::Color(Color::Green), false, &green).unwrap();
        assert!(told.contains("rollout 1a2b is under way"), "{told}");
        assert_eq!(refusal(&pair, Target::Color(Color::Green), true, &green), None);
        assert_eq!(refusal(&pair, Target::Everything, false, &[]), None);
    }

    #[test]
    fn the_network_under_both_is_changed_only_by_its_name_and_by_force() {
        let network = [Change {
            stack: "orders-network".to_owned(),
            layer: Layer::Network,
            color: None,
            differences: Some(vec!["NatGateways".to_owned()]),
        }];
        for mode in [Mode::BlueGreen, Mode::Standard] {
            let pair = situation(mode, Some(Color::Blue));
            for (target, force, refused) in [
                (Target::Everything, false, true),
                (Target::Network, false, true),
                (Target::Network, true, false),
            ] {
                let told = refusal(&pair, target, force, &network);
                assert_eq!(told.is_some(), refused, "{told:?}");
                assert!(told.is_none_or(|told| told.contains("orders-network (NatGateways)")
                    && told.contains("`env apply network --force`")));
            }
            let mut new = network[0].clone();
            new.differences = None;
            assert_eq!(refusal(&pair, Target::Everything, false, &[new]), None);
            assert_eq!(
                refusal(&situation(mode, None), Target::Everything, false, &network),
                None
            );
        }
    }

    fn change(color: Color, is_update: bool) -> Change {
        Change {
            stack: format!("orders-{color}-environment"),
            layer: Layer::Environment,
            color: Some(color),
            differences: is_update.then(|| vec!["MaxWorkers".to_owned()]),
        }
    }

    #[test]
    fn the_active_is_changed_only_by_its_name_and_by_force() {
        let pair = situation(Mode::BlueGreen, Some(Color::Blue));
        let blue = [change(Color::Blue, true)];
        let both = [change(Color::Blue, true), change(Color::Green, true)];
        for (target, force, changes, refused) in [
            (Target::Everything, false, &blue[..], true),
            (Target::Everything, true, &blue[..], true),
            (Target::Everything, true, &both[..], true),
            (Target::Color(Color::Blue), false, &blue[..], true),
            (Target::Color(Color::Blue), true, &blue[..], false),
            (
                Target::Color(Color::Green),
                false,
                &[change(Color::Green, true)][..],
                false,
            ),
            (Target::Everything, false, &[change(Color::Green, true)][..], false),
            // A creation that failed, or a color that comes back.
            (Target::Everything, false, &[change(Color::Blue, false)][..], false),
            (Target::Everything, false, &[][..], false),
        ] {
            let told = refusal(&pair, target, force, changes);
            assert_eq!(told.is_some(), refused, "{target:?} {force} {changes:?}: {told:?}");
        }
        let told = refusal(&pair, Target::Everything, false, &both).unwrap();
        assert!(
            told.contains("rollout") && told.contains("never do both change at once"),
            "{told}"
        );
    }

    #[test]
    fn a_pair_that_is_not_in_use_may_change_as_a_whole() {
        let pair = situation(Mode::BlueGreen, None);
        let both = [change(Color::Blue, true), change(Color::Green, true)];
        assert_eq!(refusal(&pair, Target::Everything, false, &both), None);
    }

    #[test]
    fn the_way_back_to_standard_begins_with_the_color_that_stays() {
        let mut pair = situation(Mode::Standard, Some(Color::Green));
        pair.has_controller = true;
        pair.surplus = vec!["orders".to_owned(), "orders-green-environment".to_owned()];
        let told = refusal(&pair, Target::Everything, false, &[]).unwrap();
        assert!(told.contains("switch --to blue"), "{told}");
        pair.active = Some(Color::Blue);
        let told = refusal(&pair, Target::Everything, false, &[]).unwrap();
        assert!(
            told.contains("destroy --leave standard` deletes orders, orders-green-environment"),
            "{told}"
        );
        pair.has_controller = false;
        assert_eq!(
            refusal(&pair, Target::Everything, false, &[change(Color::Blue, true)]),
            None
        );
        assert!(refusal(&pair, Target::Controller, false, &[]).is_some());
        assert!(refusal(&pair, Target::Color(Color::Green), false, &[]).is_some());
    }
}
