//! What CloudFormation's status of a stack means for a rollout.

use super::observed::StackState;

/// The state of a stack with this status. `differs` says whether an update would change it.
#[must_use]
pub fn of_status(name: &str, region: &str, status: &str, reason: Option<&str>, differs: bool) -> StackState {
    let said = |text: &str| match reason {
        Some(reason) => format!("stack {name} is {status}: {reason}{text}"),
        None => format!("stack {name} is {status}{text}"),
    };
    let at_rest = if differs {
        StackState::Differs
    } else {
        StackState::Matches
    };
    match status {
        // A change set that made the stack's name and was never executed.
        "DELETE_COMPLETE" | "REVIEW_IN_PROGRESS" => StackState::Missing,
        "UPDATE_ROLLBACK_COMPLETE" | "UPDATE_FAILED" if differs => StackState::RolledBack(said("")),
        // The last may have been rolled back to what is wanted now.
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE" => at_rest,
        "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => StackState::Unusable(said("")),
        "UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" => StackState::Stuck(said(&format!(
            ": see the stack's events, and bring it to rest with `aws cloudformation continue-update-rollback --stack-name \
             {name} --region {region}`"
        ))),
        "IMPORT_ROLLBACK_FAILED" => StackState::Stuck(said(": repair the import in CloudFormation's console")),
        other if other.ends_with("_IN_PROGRESS") => StackState::Busy(format!("stack {name} is {other}")),
        _ => StackState::Unknown(said(", a status that this version does not know")),
    }
}

/// The state of a color by those of its two stacks.
#[must_use]
pub fn combined(base: StackState, environment: StackState) -> StackState {
    use StackState::{Busy, Differs, Matches, Missing, RolledBack, Stuck, Unknown, Unusable};
    match (base, environment) {
        (unknown @ Unknown(_), _) | (_, unknown @ Unknown(_)) => unknown,
        (stuck @ Stuck(_), _) | (_, stuck @ Stuck(_)) => stuck,
        (busy @ Busy(_), _) | (_, busy @ Busy(_)) => busy,
        (unusable @ Unusable(_), _) | (_, unusable @ Unusable(_)) => unusable,
        // No environment: whatever its base needs, nothing runs on this color.
        (_, Missing) => Missing,
        (rolled_back @ RolledBack(_), _) | (_, rolled_back @ RolledBack(_)) => rolled_back,
        (Missing | Differs, Matches | Differs) | (Matches, Differs) => Differs,
        (Matches, Matches) => Matches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status of botocore's enum `StackStatus`.
    const ALL: [&str; 23] = [
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "CREATE_COMPLETE",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_FAILED",
        "ROLLBACK_COMPLETE",
        "DELETE_IN_PROGRESS",
        "DELETE_FAILED",
        "DELETE_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "REVIEW_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_IN_PROGRESS",
        "IMPORT_ROLLBACK_FAILED",
        "IMPORT_ROLLBACK_COMPLETE",
    ];

    fn of(status: &str, differs: bool) -> StackState {
        of_status("orders-green-environment", "eu-west-1", status, Some("why"), differs)
    }

    #[test]
    fn every_status_has_a_meaning_and_work_under_way_is_never_at_rest() {
        for status in ALL {
            for differs in [false, true] {
                let state = of(status, differs);
                assert!(!matches!(state, StackState::Unknown(_)), "{status}");
                let under_way = status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS";
                assert_eq!(matches!(state, StackState::Busy(_)), under_way, "{status}");
                if differs {
                    assert_ne!(state, StackState::Matches, "{status}");
                }
            }
        }
        assert!(matches!(of("NEW_STATUS", false), StackState::Unknown(_)));
    }

    #[test]
    fn a_rolled_back_update_keeps_its_reason_and_a_stuck_one_its_remedy() {
        assert!(matches!(of("UPDATE_ROLLBACK_COMPLETE", true), StackState::RolledBack(why) if why.contains("why")));
        assert_eq!(of("UPDATE_ROLLBACK_COMPLETE", false), StackState::Matches);
        assert!(matches!(of("UPDATE_ROLLBACK_FAILED", true),
            StackState::Stuck(why) if why.contains("continue-update-rollback --stack-name orders-green-environment")));
    }

    #[test]
    fn a_color_is_finished_only_if_both_its_stacks_are() {
        use StackState::{Busy, Differs, Matches, Missing, RolledBack, Stuck, Unknown, Unusable};
        let text = String::new;
        let all = [
            Matches,
            Differs,
            RolledBack(text()),
            Busy(text()),
            Unusable(text()),
            Stuck(text()),
            Missing,
            Unknown(text()),
        ];
        for base in &all {
            for environment in &all {
                let state = combined(base.clone(), environment.clone());
                assert_eq!(
                    state == Matches,
                    *base == Matches && *environment == Matches,
                    "{base:?} {environment:?}"
                );
                let is_any = |wanted: &StackState| base == wanted || environment == wanted;
                if is_any(&Unknown(text())) {
                    assert_eq!(state, Unknown(text()));
                } else if is_any(&Busy(text())) && !is_any(&Stuck(text())) {
                    assert_eq!(state, Busy(text()));
                }
            }
        }
    }
}
