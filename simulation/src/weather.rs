//! What goes wrong with requests: bursts of faults, each with its own random numbers, so that a history without one of
//! them meets the others as before.

use std::collections::BTreeMap;

use bluegreen_core::color::Color;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::clock::Milliseconds;

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Parameter Store.
    ParameterStore,
    /// MWAA's own API.
    Mwaa,
    /// Airflow's API, by MWAA's InvokeRestApi.
    Airflow,
    /// CloudWatch.
    CloudWatch,
    /// EventBridge's PutEvents.
    EventBridge,
    /// SNS.
    Sns,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Refused: too many requests.
    Throttle,
    /// Refused: an error of the service, before it did anything.
    ServerError,
    /// Nothing is carried out and nothing is answered.
    Silence,
    /// Carried out, but the answer is lost.
    LostAnswer,
    /// Carried out after so many milliseconds.
    Slow(i64),
    /// A reading of how things were so many milliseconds ago.
    Stale(i64),
    /// Refused: no permission.
    Denied,
    /// Carried out, but the answer is HTML.
    Garbage,
    /// A part of the answer is missing.
    Partial,
}

/// Faults of one kind for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// The service.
    pub service: Service,
    /// Only requests about this color.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// Only this operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What happens.
    pub fault: Fault,
    /// How long, in seconds.
    pub seconds: i64,
    /// To how many of a hundred requests.
    pub percent: u8,
}

#[derive(Debug)]
struct Active {
    burst: Burst,
    until: Milliseconds,
    rng: Rng,
}

/// All that goes wrong now.
#[derive(Debug, Default)]
pub struct Weather {
    active: Vec<Active>,
    /// The end of the last burst at each service, and of those of one color.
    services: BTreeMap<(Service, Option<Color>), Milliseconds>,
    /// Until when a process last stood still.
    still_until: Milliseconds,
}

impl Weather {
    /// A burst begins.
    pub fn begin(&mut self, burst: Burst, seed: u64, now: Milliseconds) {
        let until = now + burst.seconds * 1000;
        let service = self.services.entry((burst.service, burst.color)).or_default();
        *service = (*service).max(until);
        self.active.push(Active {
            burst,
            until,
            rng: Rng::with_seed(seed),
        });
    }

    /// A process stands still so long in the middle of a request: for it that is a request that is not answered.
    pub fn stands_still(&mut self, milliseconds: Milliseconds, now: Milliseconds) {
        self.still_until = self.still_until.max(now + milliseconds);
    }

    /// Everything is well again.
    pub fn clear(&mut self, now: Milliseconds) {
        self.active.clear();
        for until in self.services.values_mut().chain([&mut self.still_until]) {
            *until = (*until).min(now);
        }
    }

    /// For how long nothing has gone wrong with requests; negative while something does.
    pub fn fair_for(&self, now: Milliseconds) -> Milliseconds {
        self.fair_but_for(|_, _| false, now)
    }

    /// The same, without what goes wrong at these services.
    pub fn fair_but_for(&self, excepted: impl Fn(Service, Option<Color>) -> bool, now: Milliseconds) -> Milliseconds {
        let others = self.services.iter();
        let others = others.filter(|((service, color), _)| !excepted(*service, *color));
        now - others
            .map(|(_, until)| *until)
            .fold(self.still_until, Milliseconds::max)
    }

    /// Whether nothing goes wrong now.
    pub fn is_fair(&mut self, now: Milliseconds) -> bool {
        self.active.retain(|active| active.until > now);
        self.active.is_empty()
    }

    /// What happens to one request.
    pub fn fault(
        &mut self,
        service: Service,
        operation: &str,
        color: Option<Color>,
        now: Milliseconds,
    ) -> Option<Fault> {
        if self.is_fair(now) {
            return None;
        }
        let mut found = None;
        for active in &mut self.active {
            let burst = &active.burst;
            let fits = burst.service == service
                && (burst.color.is_none() || burst.color == color)
                && burst.operation.as_deref().is_none_or(|wanted| wanted == operation);
            if fits && active.rng.u8(0..100) < burst.percent && found.is_none() {
                found = Some(burst.fault);
            }
        }
        found
    }
}
