//! The run report: which DAG runs next to a transition were executed, by which color, and which by nobody.
//!
//! A run's state does not show this: the guard ends a standby's run as `success`, with all its tasks skipped. What
//! shows it is whether a task other than the guard did anything. Where that is not known, the report claims nothing:
//! the run is `unjudged`.

mod compare;
mod judge;
mod period;
mod report;
mod reported;
mod runs;

pub use crate::airflow::{GUARD_TASK, NextRun, Run, Task, since_of};
pub use compare::compare;
pub use period::{HandedOver, LATEST_START, Period, last_hand_over};
pub use report::{
    CREATION_GRACE, Counts, LATE_AFTER, Late, NAMED, RunEntry, RunOutcome, RunReport, UnansweredQuestion,
};
pub use reported::{Reported, STALE};
pub use runs::{EnvironmentRuns, to_look_up};

#[cfg(test)]
mod tests;
