//! Drills: practice failovers that prove, again and again, that the standby can do the work.

mod window;

pub use window::{BadWindow, BlockedWindows};

/// Standing choices about drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillPolicy {
    /// How long the drilled colour works, unless the request says otherwise.
    pub hold_minutes: u32,
    /// When none may start.
    pub blocked_windows: BlockedWindows,
    /// After how many days without one, or any other transition, a person is told; 0 means never.
    pub overdue_days: u32,
}
