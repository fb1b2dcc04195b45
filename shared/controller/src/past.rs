//! What earlier observations saw of both environments. This process keeps it between observations, and the memory keeps
//! it between processes.

use std::sync::PoisonError;

use bluegreen_aws::parameter_store::Observed;
use bluegreen_core::color::Both;
use bluegreen_core::health::Past;
use bluegreen_core::memory::Field;
use serde_json::json;

use crate::services::Services;

/// What is known before an observation.
pub(crate) fn known(services: &Services, observed: Option<&Observed>) -> Both<Option<Past>> {
    let seen = services.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Both::from_fn(|color| {
        let noted = observed.and_then(|observed| observed.past.of(color).clone());
        Past::younger(seen.of(color).clone(), noted)
    })
}

/// Keeps what an observation has added.
pub(crate) fn saw(services: &Services, past: &Both<Past>) {
    *services.seen.lock().unwrap_or_else(PoisonError::into_inner) = past.map(|_, past| Some(past.clone()));
}

/// Records it in the memory, if it is new. A failure here does not fail the tick: this process still has what it saw.
pub(crate) async fn note(services: &Services, observed: &Observed, past: &Both<Past>) {
    let is_news = past.map(|color, past| past.is_news_to(observed.past.of(color).as_ref()));
    if !(is_news.blue || is_news.green) {
        return;
    }
    let noted = services
        .store
        .remember(&observed.memory, Field::Past, Some(json!(past)))
        .await;
    if let Err(failure) = noted {
        tracing::warn!(error = %failure.cause, "what was seen of the environments could not be noted");
    }
}
