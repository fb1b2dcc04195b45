//! What histories found: the shortest history of each, and what must hold in it now.

use serde_json::json;

use crate::clock::{HOUR, MINUTE};
use crate::history::play;
use crate::script::{Act, Script, Step};
use crate::weather::{Burst, Fault, Service};

/// One delivery of a drill's request was blocked and reported so, because MWAA gave it no readable answer; the other one,
/// two seconds younger, began the drill, which had another outcome under the same id.
#[test]
fn a_drill_that_was_reported_to_be_blocked_does_not_begin() {
    let request = json!({"action": "drill", "reason": "exercise", "duration_minutes": 5, "requested_by": "ana"});
    for seed in 0..SEEDS {
        let script = Script {
            seed,
            days: 1,
            settings: vec![("READINESS_INTERVAL_MINUTES".to_owned(), "0".to_owned())],
            steps: vec![
                Step {
                    id: 1,
                    at: HOUR,
                    act: Act::Burst(Burst {
                        service: Service::Mwaa,
                        color: None,
                        operation: None,
                        fault: Fault::Garbage,
                        seconds: 60,
                        percent: 30,
                    }),
                },
                Step {
                    id: 2,
                    at: HOUR + MINUTE / 4,
                    act: Act::Asks {
                        request: request.clone(),
                        twice: true,
                    },
                },
            ],
            told: Vec::new(),
        };
        let violation = play(&script, false, None).unwrap().violation;
        assert_eq!(violation, None, "seed {seed}");
    }
}

/// Before it was mended, seed 32 found it. Where requests of the simulation change, another one does.
const SEEDS: u64 = 40;
