//! One seed is one history: nothing but the seed decides what happens.

use crate::history::play;
use crate::script::Script;

#[test]
fn a_seed_gives_the_same_history_each_time_and_another_seed_another() {
    // Without optimization the product's futures need more than the stack of a test's thread.
    let played = |seed: u64| {
        let history = std::thread::Builder::new().stack_size(64 << 20);
        let history = history.spawn(move || play(&Script::of(seed, 1), true, None).unwrap());
        history.unwrap().join().unwrap()
    };
    let (first, again) = (played(20), played(20));
    assert!(first.timeline.len() > 50, "{} lines", first.timeline.len());
    for (first, again) in first.timeline.iter().zip(&again.timeline) {
        assert_eq!(first, again);
    }
    assert_eq!(first.timeline.len(), again.timeline.len());
    assert_eq!(first.requests, again.requests);
    assert_ne!(first.timeline, played(21).timeline);
}
