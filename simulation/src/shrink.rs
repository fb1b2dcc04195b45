//! Shrinking: the shortest history that breaks the same rule.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::child::{self, Wanted};
use crate::clock::{DAY, MINUTE, Milliseconds};
use crate::outcome::Broken;
use crate::script::{Act, Script, Step};

/// How much shrinking may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Histories to play.
    pub tries: u32,
    /// Time.
    pub time: Duration,
    /// Histories at once.
    pub jobs: usize,
}

/// A history that was made shorter.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The history.
    pub script: Script,
    /// Histories that were played for it.
    pub tries: u32,
    /// Whether it ended because its bounds were reached.
    pub is_early: bool,
}

/// Plays candidates.
trait Plays {
    /// When each of these breaks the rule; in order, and `None` for one that does not, or was not played.
    async fn play(&mut self, candidates: &[Script]) -> Vec<Option<Milliseconds>>;
    /// How many at once.
    fn width(&self) -> usize;
    /// Whether no more may be played.
    fn is_over(&self) -> bool;
}

/// Makes a history shorter that broke a rule, in processes of its own.
pub async fn shrink(script: Script, broken: &Broken, bounds: Bounds) -> Shrunk {
    let mut plays = Children {
        rule: broken.rule.clone(),
        bounds,
        until: Instant::now() + bounds.time,
        tries: 0,
    };
    let at = broken.at.unwrap_or(script.days * DAY);
    let script = Search {
        best: script,
        at,
        plays: &mut plays,
    }
    .run()
    .await;
    Shrunk {
        script,
        tries: plays.tries,
        is_early: plays.is_over(),
    }
}

struct Children {
    rule: String,
    bounds: Bounds,
    until: Instant,
    tries: u32,
}

impl Plays for Children {
    async fn play(&mut self, candidates: &[Script]) -> Vec<Option<Milliseconds>> {
        let mut broken = vec![None; candidates.len()];
        let mut children = JoinSet::new();
        for (number, script) in candidates.iter().cloned().enumerate() {
            self.tries += 1;
            children.spawn(async move {
                let latest = script.days * DAY;
                (number, latest, child::play(script, Wanted::default()).await)
            });
        }
        // What is under way when the time is over counts as whole: its process ends with `children`.
        while let Ok(Some(joined)) = tokio::time::timeout_at(self.until, children.join_next()).await {
            if let Ok((number, latest, Ok(outcome))) = joined
                && let Some(found) = outcome.broken.filter(|found| found.rule == self.rule)
            {
                broken[number] = Some(found.at.unwrap_or(latest));
                // The first of the candidates is taken, so that the result does not depend on which is faster.
                if broken[..number].is_empty() {
                    break;
                }
            }
        }
        broken
    }

    fn width(&self) -> usize {
        self.bounds.jobs
    }

    fn is_over(&self) -> bool {
        self.tries >= self.bounds.tries || Instant::now() >= self.until
    }
}

struct Search<'a, P> {
    best: Script,
    /// When the best one breaks the rule.
    at: Milliseconds,
    plays: &'a mut P,
}

impl<P: Plays> Search<'_, P> {
    async fn run(mut self) -> Script {
        self.end_early().await;
        self.only_the_last().await;
        self.drop_steps().await;
        self.drop_settings().await;
        self.close_gaps().await;
        self.simplify().await;
        // What is simpler may need less.
        self.drop_steps().await;
        self.end_early().await;
        self.best
    }

    /// Takes the first candidate that still breaks the rule; its number.
    async fn take(&mut self, candidates: Vec<Script>) -> Option<usize> {
        let width = self.plays.width().max(1);
        for (chunk, candidates) in candidates.chunks(width).enumerate() {
            if self.plays.is_over() {
                return None;
            }
            let broken = self.plays.play(candidates).await;
            let found = candidates.iter().zip(broken).enumerate();
            for (number, (script, at)) in found {
                if let Some(at) = at {
                    (self.best, self.at) = (script.clone(), at);
                    return Some(chunk * width + number);
                }
            }
        }
        None
    }

    fn with_steps(&self, steps: Vec<Step>) -> Script {
        Script {
            steps,
            ..self.best.clone()
        }
    }

    /// Nothing after the violation matters, except that the next trouble ends a peace early.
    async fn end_early(&mut self) {
        let days = (self.at / DAY + 1).min(self.best.days);
        let kept = |after: Milliseconds| -> Vec<Step> {
            let until = self.at + after;
            self.best
                .steps
                .iter()
                .filter(|step| step.at <= until)
                .cloned()
                .collect()
        };
        let candidates: Vec<Script> = [0, MINUTE * 20]
            .into_iter()
            .map(|after| Script {
                days,
                ..self.with_steps(kept(after))
            })
            .filter(|candidate| *candidate != self.best)
            .collect();
        self.take(candidates).await;
    }

    /// Most violations have their causes shortly before them.
    async fn only_the_last(&mut self) {
        let all = self.best.steps.len();
        let candidates = std::iter::successors(Some(4_usize), |few| Some(few * 2))
            .take_while(|few| *few < all)
            .map(|few| {
                let steps = self.best.steps[all - few..].to_vec();
                let whole_days = steps.first().map_or(0, |step| step.at / DAY * DAY);
                moved(&self.with_steps(steps), 0, whole_days)
            })
            .collect();
        self.take(candidates).await;
    }

    /// Drops half of the steps, then quarters, and in the end each one.
    async fn drop_steps(&mut self) {
        let mut size = self.best.steps.len().div_ceil(2);
        while size > 0 && !self.plays.is_over() {
            let before = self.best.steps.len();
            let mut from = 0;
            while from < self.best.steps.len() {
                let candidates: Vec<Script> = (from..self.best.steps.len())
                    .step_by(size)
                    .map(|at| {
                        let mut steps = self.best.steps.clone();
                        steps.drain(at..(at + size).min(steps.len()));
                        self.with_steps(steps)
                    })
                    .collect();
                match self.take(candidates).await {
                    Some(number) => from += number * size,
                    None => break,
                }
            }
            let is_less = self.best.steps.len() < before;
            if size > 1 {
                size = size.div_ceil(2).min(self.best.steps.len());
            } else if !is_less {
                break;
            }
        }
    }

    async fn drop_settings(&mut self) {
        let candidates = vec![Script {
            settings: Vec::new(),
            ..self.best.clone()
        }];
        if self.best.settings.is_empty() || self.take(candidates).await.is_some() {
            return;
        }
        loop {
            let candidates = (0..self.best.settings.len())
                .map(|number| {
                    let mut candidate = self.best.clone();
                    candidate.settings.remove(number);
                    candidate
                })
                .collect();
            if self.take(candidates).await.is_none() {
                break;
            }
        }
    }

    /// Takes out whole days without trouble, so that the time of day stays.
    async fn close_gaps(&mut self) {
        loop {
            let mut before = 0;
            let mut candidates = Vec::new();
            for (number, step) in self.best.steps.iter().enumerate() {
                let days = (step.at - before) / DAY;
                if days > 0 {
                    candidates.push(moved(&self.best, number, days * DAY));
                }
                before = step.at;
            }
            if self.take(candidates).await.is_none() {
                break;
            }
        }
    }

    /// Whole minutes, and troubles that are the same for every request.
    async fn simplify(&mut self) {
        let all: Vec<Step> = self.best.steps.iter().map(simple).collect();
        if all == self.best.steps || self.take(vec![self.with_steps(all)]).await.is_some() {
            return;
        }
        let mut from = 0;
        while from < self.best.steps.len() {
            let candidates: Vec<(usize, Script)> = (from..self.best.steps.len())
                .filter_map(|at| {
                    let mut steps = self.best.steps.clone();
                    steps[at] = simple(&steps[at]);
                    let is_in_order = steps.is_sorted_by_key(|step| step.at);
                    (is_in_order && steps != self.best.steps).then(|| (at, self.with_steps(steps)))
                })
                .collect();
            let (numbers, candidates): (Vec<usize>, Vec<Script>) = candidates.into_iter().unzip();
            match self.take(candidates).await {
                Some(number) => from = numbers[number] + 1,
                None => break,
            }
        }
    }
}

/// The same history with the steps from this number on earlier, and fewer days.
fn moved(script: &Script, from: usize, by: Milliseconds) -> Script {
    let mut moved = script.clone();
    for step in &mut moved.steps[from..] {
        step.at -= by;
    }
    moved.days -= by / DAY;
    moved
}

fn simple(step: &Step) -> Step {
    let mut simple = step.clone();
    simple.at -= simple.at % MINUTE;
    let whole_minutes = |seconds: &mut i64| *seconds = (*seconds + 59) / 60 * 60;
    match &mut simple.act {
        Act::Burst(burst) => {
            burst.percent = 100;
            whole_minutes(&mut burst.seconds);
        }
        Act::Update { seconds, .. } | Act::Made(_, seconds) | Act::ScheduleStops(seconds) => whole_minutes(seconds),
        _ => {}
    }
    simple
}

#[cfg(test)]
mod tests {
    use bluegreen_core::color::Color;

    use super::*;

    /// Breaks the rule if both of blue's and green's schedulers die in order, under one setting.
    struct Synthetic {
        left: u32,
        played: u32,
    }

    impl Plays for Synthetic {
        async fn play(&mut self, candidates: &[Script]) -> Vec<Option<Milliseconds>> {
            self.left = self.left.saturating_sub(1);
            self.played += 1;
            candidates
                .iter()
                .map(|script| {
                    let at = |wanted: &Act| script.steps.iter().find(|step| step.act == *wanted).map(|step| step.at);
                    let blue = at(&Act::SchedulerStops(Color::Blue))?;
                    let green = at(&Act::SchedulerStops(Color::Green))?;
                    let is_set = script.settings.iter().any(|(name, _)| name == "COOLDOWN_SECONDS");
                    (blue < green && green < script.days * DAY && is_set).then_some(green)
                })
                .collect()
        }

        fn width(&self) -> usize {
            3
        }

        fn is_over(&self) -> bool {
            self.left == 0
        }
    }

    fn long() -> Script {
        let mut script = Script::of(7, 60);
        script.settings = [
            ("ON_FLAG_FAULT", "restore"),
            ("COOLDOWN_SECONDS", "0"),
            ("FAILURE_WINDOW_SECONDS", "60"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        script.steps.retain(|step| !matches!(step.act, Act::SchedulerStops(_)));
        for (id, at, color) in [
            (1001, 20 * DAY + 12_345, Color::Blue),
            (1002, 41 * DAY + 99_999, Color::Green),
        ] {
            script.steps.push(Step {
                id,
                at,
                act: Act::SchedulerStops(color),
            });
        }
        script.steps.sort_by_key(|step| step.at);
        script
    }

    async fn shrunk(left: u32) -> (Script, u32) {
        let script = long();
        let mut plays = Synthetic { left, played: 0 };
        let search = Search {
            best: script,
            at: 41 * DAY + 99_999,
            plays: &mut plays,
        };
        (search.run().await, plays.played)
    }

    #[tokio::test]
    async fn only_the_steps_and_settings_that_break_the_rule_are_left() {
        let (script, played) = shrunk(1000).await;
        let steps: Vec<(u64, Milliseconds)> = script.steps.iter().map(|step| (step.id, step.at)).collect();
        assert_eq!(steps, [(1001, 0), (1002, MINUTE)]);
        assert_eq!(script.settings, [("COOLDOWN_SECONDS".to_owned(), "0".to_owned())]);
        assert_eq!(script.days, 1);
        assert!(played < 60, "{played} rounds");
    }

    #[tokio::test]
    async fn what_has_been_reached_is_kept_when_the_bounds_are() {
        let (script, played) = shrunk(4).await;
        assert_eq!(played, 4);
        assert!(script.steps.len() < long().steps.len());
        let mut plays = Synthetic { left: 1, played: 0 };
        assert!(plays.play(&[script]).await[0].is_some());
    }
}
