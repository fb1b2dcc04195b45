//! The protocols in a small world, explored whole by the model checker `stateright`.
//!
//! The world runs the product's own code: [`bluegreen_core::switch::Switching`] for claim, write and verify,
//! [`bluegreen_core::decision::decide`] and [`bluegreen_core::drill`] for what to do. Only the order of requests around
//! them, which the functions hold, is written down again here ([`Writer`]), one request a step, so that anything may
//! happen between any two of them: another writer, a crash, a lost answer, a stale reading, a hand at the flag, a sick
//! environment, and time.

mod state;
mod store;
mod world;
mod writer;

pub use world::{Budget, Model, World, WorldEvent};
pub use writer::{Fault, Role, Writer};
