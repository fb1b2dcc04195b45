//! Drives the switch protocol of the core with Parameter Store.

use bluegreen_core::claim::{Outcome, Reply, Step, Switching};

use crate::services::Services;

/// Runs a transition to its end. Happy path: two requests, one after the other.
pub(crate) async fn run(services: &Services, switching: &mut Switching) -> Outcome {
    let store = &services.store;
    switching.of_pair(store.pair());
    let mut step = switching.start();
    loop {
        let reply = match step {
            Step::CreateClaim { record, value } => store.create_claim(&record, &value).await,
            Step::ReadBack { record } => store.read_back(&record).await,
            Step::WriteFlag { value, description } => store.write_flag(value, &description).await,
            Step::ReadHistory => store.history().await.map_or_else(Reply::Failed, Reply::History),
            Step::Wait(duration) => {
                tokio::time::sleep(duration).await;
                Reply::Waited
            }
            Step::Done(outcome) => return *outcome,
        };
        if let Reply::Failed(failure) = &reply {
            tracing::warn!(record = switching.record(), error = %failure.cause, "a request of the switch protocol failed");
        }
        step = switching.next(reply, services.clock.now(), fastrand::f64());
    }
}
