//! The exit codes of every command; their meanings are in `arguments::EXIT_CODES`.

pub(crate) const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const REFUSED: u8 = 3;
pub(crate) const CONFLICT: u8 = 4;
pub(crate) const NOT_READY: u8 = 5;
pub(crate) const NOT_CONFIRMED: u8 = 6;
pub(crate) const NOT_IN_TIME: u8 = 7;
pub(crate) const INTERRUPTED: u8 = 130;
