//! What is still in flight on the environment that stands by.

use std::time::Duration;

use bluegreen_core::claim::Failure;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::flag::HistoryEntry;
use bluegreen_core::health::{Cause, CauseKind};
use bluegreen_core::in_flight::{InFlight, Unfinished};
use bluegreen_core::response::InFlightAnswer;
use bluegreen_core::time::elapsed;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::invocation::Invocation;
use crate::services::Services;

/// How long the question may take: a silent connection, and then a second try.
const ASKING_TIME: Duration = Duration::from_secs(8);

/// The time that is reserved at the end of the invocation for answering.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// How many times runs that come and go are listed.
const TRIES: u32 = 3;

/// A color's unfinished runs.
pub(crate) struct Asked {
    color: Color,
    unfinished: Unfinished,
}

/// Lists the unfinished runs of this color: one request to its Airflow, up to a hundred of them.
pub(crate) async fn ask(services: &Services, color: Color, invocation: &Invocation) -> Asked {
    let left = elapsed(services.clock.now(), invocation.deadline).saturating_sub(CLOSING_TIME);
    let until = Instant::now()
        .checked_add(left.min(ASKING_TIME))
        .unwrap_or_else(Instant::now);
    let session = services.dags.short_session();
    let mut unfinished = Unfinished::Unknown(Cause::new(
        CauseKind::Unavailable,
        "runs come and go faster than they can be listed",
    ));
    for _ in 0..TRIES {
        match session.in_flight(color, until).await {
            Ok(None) => {}
            Ok(Some(runs)) => {
                unfinished = Unfinished::Listed(runs);
                break;
            }
            Err(cause) => {
                unfinished = Unfinished::Unknown(cause);
                break;
            }
        }
    }
    Asked { color, unfinished }
}

impl Asked {
    /// The field of an answer, in which the active color has none.
    pub(crate) fn answer(
        &self,
        history: Result<&[HistoryEntry], &Failure>,
        now: Timestamp,
    ) -> Both<Option<InFlightAnswer>> {
        let history = history.map_err(|failure| &failure.cause);
        let found = InFlight::of(self.color, &self.unfinished, history, now);
        let mut answer = Both::default();
        *answer.of_mut(self.color) = Some(InFlightAnswer::from(&found));
        answer
    }
}
