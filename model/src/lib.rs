//! The protocols in a small world that the model checker `stateright` explores completely.
//!
//! The world runs the product's own code: [`bluegreen_core::claim::Switching`] for claim, write and verify,
//! [`bluegreen_core::decision::decide`] and [`bluegreen_core::drill`] for what to do. Only the order of requests around
//! them, which the use cases contain, is repeated here ([`Writer`]). One request is one step, so that anything may
//! happen between any two of them: another writer, a crash, a lost answer, a stale reading, a manual edit, an unhealthy
//! environment, and time.

mod state;
mod store;
mod world;
mod writer;

pub use world::{Budget, Model, World, WorldEvent};
pub use writer::{Fault, Role, Writer};
