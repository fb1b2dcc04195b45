//! Nobody is notified twice of one thing except under its id, never not at all, and never of what is not.

use std::collections::BTreeMap;

use bluegreen_core::audit::{EventType, Mail};
use serde_json::Value;

use super::fact::text;
use super::{Checked, Fact, Rule};
use crate::clock::{HOUR, MINUTE, Milliseconds};
use crate::parameter_store::Version;
use crate::world::World;

/// What was published of one subject: the id, and how many changes there had been.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    id: String,
    changes: u64,
}

/// What people are owed, and what they were notified of.
#[derive(Debug, Default)]
pub struct Notices {
    /// Ids of events that people must be notified of, and when they were published.
    owed: BTreeMap<String, Milliseconds>,
    /// The newest event of each subject.
    said: BTreeMap<String, Said>,
    /// How often the subject may have changed for the watcher, by type of event.
    blocked: u64,
    /// What the newest event about a blocked failover says that it is blocked by.
    blocked_by: Option<String>,
    unknown: u64,
    readiness: u64,
    other: u64,
    /// What the watcher remembers of the standby's readiness: whose, its level, what is red.
    remembered: Value,
    /// When the flag last truly held no color.
    faulty_at: Option<Milliseconds>,
    /// Requests whose answer says that their event is kept, and when.
    kept: BTreeMap<String, Milliseconds>,
    /// The events of the last minutes, as text: longer than any invocation lasts.
    recent: Vec<(Milliseconds, String)>,
}

impl Rule for Notices {
    fn look(&mut self, world: &World, now: Milliseconds) -> Checked {
        if world.active().is_none() {
            self.faulty_at = Some(now);
        }
        Ok(())
    }

    fn happened(&mut self, world: &World, fact: &Fact, now: Milliseconds) -> Checked {
        match fact {
            Fact::Published(event) => self.published(world, event, now),
            Fact::Delivered(id) => {
                self.owed.remove(id);
                Ok(())
            }
            Fact::GivenUp(id) => {
                // It is among the dead letters, whose alarm fires (docs/features/notifications.md).
                self.owed.remove(id);
                if world.weather.fair_for(now) > HOUR + 2 * MINUTE {
                    return Err((
                        "everybody-notified",
                        format!("{id} was given up, and nothing went wrong"),
                    ));
                }
                Ok(())
            }
            Fact::Stored { name, version, .. } => {
                if *name == world.names.memory() {
                    self.memory_written(version.as_ref());
                }
                if name == world.names.flag() {
                    self.look(world, now)?;
                }
                if name == world.names.flag() || *name == world.names.hold() || *name == world.names.drill() {
                    self.other += 1;
                }
                Ok(())
            }
            Fact::Ended {
                request_id,
                answer: Err(error),
                ..
            } if error.contains("the event is kept") => {
                // A tick may have published it while the request still tried to.
                if !self.recent.iter().any(|(_, event)| names(event, request_id)) {
                    self.kept.entry(request_id.clone()).or_insert(now);
                }
                Ok(())
            }
            Fact::Ended { process, answer, .. } if process.starts_with("health-watcher") => {
                self.ticked(answer.as_ref().ok());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn peace(&mut self, _world: &World, now: Milliseconds) -> Checked {
        if let Some((id, at)) = self.owed.iter().find(|(_, at)| now - **at > 30 * MINUTE) {
            let what = format!("nobody was notified of {id}, published at {}", crate::clock::text(*at));
            return Err(("everybody-notified", what));
        }
        // The longest METRICS_INTERVAL_MINUTES here is half an hour.
        if let Some((request, at)) = self.kept.iter().find(|(_, at)| now - **at > HOUR) {
            let what = format!(
                "the event of {request}, kept at {}, was never published",
                crate::clock::text(*at)
            );
            return Err(("what-is-kept-is-published", what));
        }
        Ok(())
    }
}

/// Whether a request is named in a text.
fn names(text: &str, request: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|word| word == request)
}

impl Notices {
    /// What a tick saw may end a condition, so that the next one is another.
    fn ticked(&mut self, answer: Option<&Value>) {
        let Some(answer) = answer else {
            // It may have got as far as forgetting.
            self.blocked += 1;
            self.unknown += 1;
            return;
        };
        if !matches!(text(answer, "/decision"), "blocked" | "observe-only") {
            self.blocked += 1;
        }
        let active = text(answer, "/active");
        if !matches!(
            text(answer, &format!("/verdicts/{active}/verdict")),
            "unknown" | "suspect"
        ) {
            self.unknown += 1;
        }
    }

    fn memory_written(&mut self, version: Option<&Version>) {
        let memory: Value = version
            .and_then(|version| serde_json::from_str(&version.value).ok())
            .unwrap_or_default();
        let of = |field: &str| {
            memory
                .pointer(&format!("/readiness/{field}"))
                .cloned()
                .unwrap_or_default()
        };
        let remembered = Value::Array(vec![of("standby"), of("level"), of("red")]);
        if remembered != self.remembered {
            self.remembered = remembered;
            self.readiness += 1;
        }
    }

    fn published(&mut self, world: &World, event: &Value, now: Milliseconds) -> Checked {
        let id = text(event, "/detail/id").to_owned();
        let kind = text(event, "/detail-type");
        if kind == "Flag Fault" && self.faulty_at.is_none_or(|at| now - at > 5 * MINUTE) && world.active().is_some() {
            return Err((
                "faults-are-true",
                format!("{id} was published, and the flag holds a color"),
            ));
        }
        let text = event.to_string();
        self.kept.retain(|request, _| !names(&text, request));
        self.recent.retain(|(at, _)| now - at < 2 * MINUTE);
        self.recent.push((now, text));
        let is_repeat = self.said.values().any(|said| said.id == id);
        if !is_repeat && is_mailed(event) {
            self.owed.insert(id.clone(), now);
        }
        // Blocked by something else in between: then it has changed back (docs of alert_dedup: said again when it changes).
        if kind == "Failover Blocked" && id.rsplit_once(':').map(|(subject, _)| subject) != self.blocked_by.as_deref() {
            self.blocked += 1;
            self.blocked_by = id.rsplit_once(':').map(|(subject, _)| subject.to_owned());
        }
        let Some((subject, changes)) = self.subject(kind, &id) else {
            return Ok(());
        };
        let before = self.said.insert(
            subject.clone(),
            Said {
                id: id.clone(),
                changes,
            },
        );
        match before {
            Some(before) if before.id != id && before.changes == changes => Err((
                "notified-once",
                format!(
                    "{kind} of one and the same ({subject}) has the ids {} and {id}",
                    before.id
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What an event is about, without what only distinguishes one time from the next; and the count of changes.
    fn subject(&self, kind: &str, id: &str) -> Option<(String, u64)> {
        match kind {
            "Failover Blocked" => Some((id.rsplit_once(':')?.0.to_owned(), self.blocked)),
            "Environment Unknown" => Some((id.rsplit_once(':')?.0.to_owned(), self.unknown)),
            "Drill Overdue" => Some((kind.to_owned(), self.other)),
            // The same findings may be red again after fewer of them were; another standby's are news.
            "Readiness Changed" => Some((kind.to_owned(), self.readiness)),
            // A version, a hold's change, a drill: the id is the subject.
            _ => None,
        }
    }
}

/// Whether the rule of template.yaml passes an event on to be mailed.
pub fn is_mailed(event: &Value) -> bool {
    match EventType::parse(text(event, "/detail-type")).map(|kind| kind.entry().mail) {
        Some(Mail::No) => false,
        Some(Mail::Unless { outcome, .. }) => text(event, "/detail/outcome") != outcome,
        Some(Mail::Yes) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{ended, event, ticked, world, write, write_flag};

    fn broken(checked: &Checked) -> &'static str {
        checked.as_ref().map_or_else(|(rule, _)| *rule, |()| "")
    }

    #[test]
    fn one_block_under_two_ids_is_found() {
        let (world, mut rule) = (world(), Notices::default());
        let blocked = |since: u32| {
            event(
                "Failover Blocked",
                &format!("p:f:v1-1:blocked:hold:{since}"),
                &json!({}),
            )
        };
        let still = ticked(json!({"decision": "blocked"}));
        let over = ticked(json!({"decision": "none"}));
        assert_eq!(rule.happened(&world, &blocked(1), 0), Ok(()));
        assert_eq!(rule.happened(&world, &still, 0), Ok(()));
        assert_eq!(rule.happened(&world, &blocked(1), 0), Ok(()), "a repeat");
        assert_eq!(rule.happened(&world, &over, 0), Ok(()));
        assert_eq!(rule.happened(&world, &blocked(2), 0), Ok(()), "it was over in between");
        assert_eq!(rule.happened(&world, &still, 0), Ok(()));
        assert_eq!(broken(&rule.happened(&world, &blocked(3), 0)), "notified-once");
        let more = event("Failover Blocked", "p:f:v1-1:blocked:hold+cooldown:4", &json!({}));
        assert_eq!(rule.happened(&world, &more, 0), Ok(()), "something else objects, too");
        assert_eq!(rule.happened(&world, &blocked(5), 0), Ok(()), "and no longer");
        assert_eq!(broken(&rule.happened(&world, &blocked(6), 0)), "notified-once");
    }

    #[test]
    fn one_doubt_under_two_ids_is_found() {
        let (world, mut rule) = (world(), Notices::default());
        let unknown = |since: u32| event("Environment Unknown", &format!("p:f:v1-1:unknown:{since}"), &json!({}));
        let tick =
            |verdict| ticked(json!({"decision": "none", "active": "blue", "verdicts": {"blue": {"verdict": verdict}}}));
        assert_eq!(rule.happened(&world, &unknown(1), 0), Ok(()));
        assert_eq!(rule.happened(&world, &tick("suspect"), 0), Ok(()));
        let mut other = Notices::default();
        assert_eq!(other.happened(&world, &unknown(1), 0), Ok(()));
        assert_eq!(other.happened(&world, &tick("healthy"), 0), Ok(()));
        assert_eq!(other.happened(&world, &unknown(2), 0), Ok(()));
        assert_eq!(broken(&rule.happened(&world, &unknown(2), 0)), "notified-once");
    }

    #[test]
    fn the_same_readiness_twice_in_a_row_is_found() {
        let (mut world, mut rule) = (world(), Notices::default());
        let memory = world.names.memory();
        let mut red = |rule: &mut Notices, at: u32, names: &[&str], standby: &str| {
            let readiness = json!({"readiness": {"level": "red", "red": names, "standby": standby}, "at": at});
            let fact = write(&mut world, &memory, &readiness.to_string(), None, "health-watcher#1");
            rule.happened(&world, &fact, 0).unwrap();
            rule.happened(
                &world,
                &event("Readiness Changed", &format!("p:f:readiness:{at}"), &json!({})),
                0,
            )
        };
        assert_eq!(red(&mut rule, 1, &["a"], "green"), Ok(()));
        assert_eq!(red(&mut rule, 2, &["a", "b"], "green"), Ok(()), "one more");
        assert_eq!(red(&mut rule, 3, &["a", "b"], "blue"), Ok(()), "the other one's");
        assert_eq!(broken(&red(&mut rule, 4, &["a", "b"], "blue")), "notified-once");
        let world = crate::invariants::testing::world();
        let overdue = |last: u32| event("Drill Overdue", &format!("p:f:drill-overdue:{last}"), &json!({}));
        assert_eq!(rule.happened(&world, &overdue(1), 0), Ok(()));
        assert_eq!(rule.happened(&world, &overdue(1), 0), Ok(()));
        assert_eq!(broken(&rule.happened(&world, &overdue(2), 0)), "notified-once");
    }

    #[test]
    fn whoever_is_not_notified_is_found() {
        let (world, mut rule) = (world(), Notices::default());
        let now = world.now();
        let fact = event("Environment Transition", "p:f:v1-1", &json!({}));
        rule.happened(&world, &fact, now).unwrap();
        assert_eq!(rule.peace(&world, now + 10 * MINUTE), Ok(()));
        assert_eq!(broken(&rule.peace(&world, now + HOUR)), "everybody-notified");
        rule.happened(&world, &Fact::Delivered("p:f:v1-1".to_owned()), now)
            .unwrap();
        assert_eq!(rule.peace(&world, now + HOUR), Ok(()));
        let given_up = Fact::GivenUp("p:f:v1-1".to_owned());
        assert_eq!(broken(&rule.happened(&world, &given_up, now)), "everybody-notified");
    }

    #[test]
    fn what_is_kept_and_never_published_is_found() {
        let (world, mut rule) = (world(), Notices::default());
        let kept = ended(
            "switch-handler#1",
            "r-4",
            Err("AuditUndelivered: no; the event is kept, and the watcher publishes it"),
        );
        let later = 61 * MINUTE;
        assert_eq!(rule.happened(&world, &kept, 0), Ok(()));
        let other = event("Failovers Acknowledged", "p:f:acknowledged:r-45", &json!({}));
        assert_eq!(rule.happened(&world, &other, 0), Ok(()));
        assert_eq!(rule.peace(&world, later - 2 * MINUTE), Ok(()), "there is time left");
        assert_eq!(broken(&rule.peace(&world, later)), "what-is-kept-is-published");
        let its_own = event("Failovers Acknowledged", "p:f:acknowledged:r-4", &json!({}));
        assert_eq!(rule.happened(&world, &its_own, later), Ok(()));
        let checked = rule.peace(&world, later);
        assert_ne!(broken(&checked), "what-is-kept-is-published");
    }

    #[test]
    fn what_a_tick_publishes_before_the_request_gives_up_is_published() {
        let (world, mut rule) = (world(), Notices::default());
        let drill = event("Drill Finished", "p:f:drill:r-4", &json!({"outcome": "succeeded"}));
        assert_eq!(rule.happened(&world, &drill, 0), Ok(()));
        let kept = ended(
            "switch-handler#1",
            "r-4",
            Err("AuditUndelivered: no; the event is kept"),
        );
        assert_eq!(rule.happened(&world, &kept, 8), Ok(()));
        assert_ne!(broken(&rule.peace(&world, 61 * MINUTE)), "what-is-kept-is-published");
    }

    #[test]
    fn what_is_not_mailed_is_owed_to_nobody() {
        let finished = |outcome: &str| json!({"detail-type": "Drill Finished", "detail": {"outcome": outcome}});
        assert!(is_mailed(&finished("failed")) && !is_mailed(&finished("succeeded")));
        assert!(!is_mailed(&json!({"detail-type": "Run Report"})) && is_mailed(&json!({"detail-type": "of tomorrow"})));
    }

    #[test]
    fn a_fault_of_a_flag_that_has_none_is_found() {
        let (mut world, mut rule) = (world(), Notices::default());
        let fault = event("Flag Fault", "p:f:v1-1:fault", &json!({}));
        let now = world.now();
        assert_eq!(rule.happened(&world, &fault, now), Ok(()), "there is none");
        let written = write_flag(&mut world, "blue", None, "a person");
        let mut rule = Notices::default();
        rule.happened(&world, &written, now).unwrap();
        assert_eq!(broken(&rule.happened(&world, &fault, now)), "faults-are-true");
        let written = write_flag(&mut world, "purple", None, "a person");
        rule.happened(&world, &written, now).unwrap();
        assert_eq!(rule.happened(&world, &fault, now), Ok(()));
    }
}
