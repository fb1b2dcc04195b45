//! Whether `env apply` may do what it was asked: what is deployed never stops the color that does the work.

use bluegreen_core::color::Color;

use crate::description::Mode;
use crate::stack::Layer;

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
}

/// Why not; none if nothing objects.
#[must_use]
pub fn refusal(situation: &Situation, target: Target, force: bool, changes: &[Change]) -> Option<String> {
    match situation.mode {
        Mode::Standard => of_standard(situation, target),
        Mode::BlueGreen => of_pair(situation, target, force, changes),
    }
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
    let active = situation.active?;
    let standby = active.other();
    let of = |color: Color| -> Vec<&str> {
        changes
            .iter()
            .filter(|change| change.color == Some(color) && change.is_update())
            .map(|change| change.stack.as_str())
            .collect()
    };
    let (touched, also) = (of(active), of(standby));
    if touched.is_empty() || (force && target == Target::Color(active)) {
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

    fn situation(mode: Mode, active: Option<Color>) -> Situation {
        Situation {
            pair: "orders".to_owned(),
            mode,
            stays: Color::Blue,
            active,
            surplus: Vec::new(),
            has_controller: false,
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
