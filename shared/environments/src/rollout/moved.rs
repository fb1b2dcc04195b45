//! Whether somebody has moved the flag back after a rollout had switched.

use bluegreen_core::color::Color;
use bluegreen_core::response::HistoryLine;

use super::hold::RolloutId;
use super::observed::Goal;

/// What moved the flag away from `to`, if that came right after this rollout's own switch to it. `history` has the newest
/// version first. Whoever did it had a reason: the switch is not repeated without a person's consent.
#[must_use]
pub fn moved_away(history: &[HistoryLine], id: &RolloutId, goal: Goal, to: Color) -> Option<String> {
    let mut away: Option<&HistoryLine> = None;
    // Up to the newest switch of any rollout: what is older belongs to a rollout that was followed by another one.
    for line in history.iter().filter(|line| !line.repeat) {
        let Some((other, aborted)) = rollout_of(line) else {
            away = Some(line);
            continue;
        };
        let own = other == id.to_string() && aborted == (goal == Goal::Abort);
        return match away {
            Some(away) if own && line.to == to.as_str() && away.to != line.to => Some(words(away)),
            _ => None,
        };
    }
    None
}

/// The rollout that wrote a version, and whether it was an abort: `switch: rollout 3f2a9c41; by ...`. A person may name a
/// rollout, too: `rollback: rollout 3f2a9c41 is slow; by ...`.
fn rollout_of(line: &HistoryLine) -> Option<(String, bool)> {
    let rest = sentence(line).strip_prefix("rollout ")?;
    let (id, rest) = rest.split_at_checked(8)?;
    let is_id = id.chars().all(|digit| digit.is_ascii_hexdigit());
    let aborted = rest.starts_with(" is aborted;");
    (is_id && (aborted || rest.starts_with(';'))).then(|| (id.to_owned(), aborted))
}

/// A version's description without its kind and its metadata.
fn sentence(line: &HistoryLine) -> &str {
    let told = line.description.as_deref().unwrap_or_default();
    let told = told.rsplit_once(" [effective_from=").map_or(told, |(told, _)| told);
    match told.split_once(": ") {
        Some((kind, rest)) if kind == line.kind.to_string() => rest,
        _ => told,
    }
}

fn words(line: &HistoryLine) -> String {
    let told = match (sentence(line), &line.by) {
        ("", Some(by)) => format!("by {by}"),
        (told, _) => told.to_owned(),
    };
    let version = line
        .version
        .map_or_else(String::new, |version| format!(" (version {version})"));
    format!("{} to {}{version}: {told}", line.kind, line.to)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::flag::FlagVersion;
    use bluegreen_core::transition_kind::Kind;

    use super::*;

    fn line(version: u64, to: &str, kind: Kind, description: &str) -> HistoryLine {
        HistoryLine {
            version: Some(FlagVersion(version)),
            from: None,
            to: to.to_owned(),
            kind: kind.into(),
            written_at: None,
            effective_from: None,
            by: Some("arn:aws:iam::1:user/ana".to_owned()),
            transition: None,
            repeat: false,
            description: Some(description.to_owned()),
        }
    }

    #[test]
    fn only_what_follows_the_rollouts_own_switch_is_a_move_back() {
        let id = RolloutId::of([("a", "1")]);
        let own = format!("switch: rollout {id}; by switch-handler for ana [effective_from=x]");
        let aborted = format!("rollback: rollout {id} is aborted; by switch-handler for ana");
        let switched = line(5, "green", Kind::Switch, &own);
        let back = line(
            6,
            "blue",
            Kind::Rollback,
            "rollback: green is slow; by ana [effective_from=2026-11-27T10:00:00Z]",
        );
        let first = line(4, "blue", Kind::Switch, "switch: maintenance; by ana");
        let of = |history: &[&HistoryLine], goal| {
            let history: Vec<HistoryLine> = history.iter().map(|line| (*line).clone()).collect();
            moved_away(&history, &id, goal, Color::Green)
        };
        let told = of(&[&back, &switched, &first], Goal::Forward).unwrap();
        assert_eq!(told, "rollback to blue (version 6): green is slow; by ana");
        // Also if its reason names the rollout.
        let named = format!("rollback: rollout {id} is slow; by ana");
        assert!(of(&[&line(6, "blue", Kind::Rollback, &named), &switched], Goal::Forward).is_some());
        // A failover counts as well, and the same write carried out twice is one.
        let failover = line(6, "blue", Kind::Failover, "failover: green is unhealthy");
        let repeat = HistoryLine {
            repeat: true,
            ..failover.clone()
        };
        assert!(of(&[&repeat, &failover, &switched], Goal::Forward).is_some());
        // Not: before it has switched; its own switch is the newest; somebody else's rollout, or its abort, came later.
        assert_eq!(of(&[&first], Goal::Forward), None);
        assert_eq!(of(&[], Goal::Forward), None);
        assert_eq!(of(&[&switched, &first], Goal::Forward), None);
        let other = line(
            6,
            "blue",
            Kind::Switch,
            "switch: rollout 00000000; by switch-handler for ana",
        );
        let abort = line(6, "blue", Kind::Rollback, &aborted);
        for later in [&other, &abort] {
            assert_eq!(of(&[later, &switched], Goal::Forward), None);
            let external = line(7, "blue", Kind::External, "");
            assert_eq!(of(&[&external, later, &switched], Goal::Forward), None);
        }
        // An abort has its own switch.
        let went_back = line(7, "green", Kind::Rollback, &aborted);
        assert!(of(&[&line(8, "blue", Kind::External, ""), &went_back], Goal::Abort).is_some());
        assert_eq!(of(&[&back, &switched], Goal::Abort), None);
    }
}
