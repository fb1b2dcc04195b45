//! What happened, for a person to read.

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::{Milliseconds, SECOND, text};
use crate::lambda::Mishap;
use crate::script::{Act, Script};
use crate::weather::{Burst, Fault, Service};

/// Letters of a line; what is longer is a stored value, whose beginning says which it is.
const WIDTH: usize = 280;

/// A timeline, a line each. What a function says again and again is said once, with how often it was said, and the
/// watcher's memory is left out, which says the same; `verbose` has every line as it was told.
pub fn readable(lines: &[(Milliseconds, String)], verbose: bool) -> Vec<String> {
    if verbose {
        return lines
            .iter()
            .map(|(at, line)| format!("{}  {line}", text(*at)))
            .collect();
    }
    let mut readable = Vec::new();
    // What each function said last, and how often it has said so again.
    let mut said: BTreeMap<String, (String, u32)> = BTreeMap::new();
    for (at, line) in lines.iter().filter(|(_, line)| !line.contains(": memory v")) {
        let Some((function, words)) = of_function(line) else {
            flush(&mut said, &mut readable);
            readable.push(shortened(&format!("{}  {line}", text(*at))));
            continue;
        };
        if let Some((last, times)) = said.get_mut(&function)
            && *last == words
        {
            *times += 1;
            continue;
        }
        flush(&mut said, &mut readable);
        said.insert(function, (words, 0));
        readable.push(shortened(&format!("{}  {line}", text(*at))));
    }
    flush(&mut said, &mut readable);
    readable
}

fn flush(said: &mut BTreeMap<String, (String, u32)>, readable: &mut Vec<String>) {
    for (function, (_, times)) in said.iter_mut().filter(|(_, (_, times))| *times > 0) {
        let times = std::mem::take(times);
        readable.push(format!("{:26}{function} says the same {times} times more", ""));
    }
}

/// A line of a function that ends an invocation: the function, and what it said, without instants.
fn of_function(line: &str) -> Option<(String, String)> {
    let (process, rest) = line.split_once(' ')?;
    let (function, _) = process.split_once('#')?;
    let (request, words) = rest.split_once(": ")?;
    if !request.starts_with("r-") {
        return None;
    }
    // Two sayings are the same if only digits differ: how long something has been so, and until when.
    let words = words.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    Some((function.to_owned(), words))
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line.to_owned(),
    }
}

/// What a script is, in words.
pub fn described(script: &Script) -> Vec<String> {
    let settings = match &script.settings[..] {
        [] => "all settings as by default".to_owned(),
        settings => {
            let set: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("settings {}", set.join(", "))
        }
    };
    let mut lines = vec![format!("seed {}, {} days, {settings}", script.seed, script.days)];
    lines.extend(
        script
            .steps
            .iter()
            .map(|step| format!("{}  {}", text(crate::history::BEGIN + step.at), step.act)),
    );
    lines
}

fn span(seconds: i64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn side(is_after: bool) -> &'static str {
    if is_after { "after" } else { "before" }
}

impl fmt::Display for Act {
    #[allow(
        unreachable_patterns,
        reason = "an act that has no words yet is shown as it is written down"
    )]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Burst(burst) => burst.fmt(formatter),
            Self::SchedulerStops(color) => write!(formatter, "{color}'s scheduler dies"),
            Self::Heals(color) => write!(formatter, "{color} works again"),
            Self::WebServerStops(color) => write!(formatter, "{color}'s web server stops answering"),
            Self::DatabaseStops(color) => write!(formatter, "{color}'s metadata database becomes unhealthy"),
            Self::Unavailable(color) => write!(formatter, "MWAA calls {color} UNAVAILABLE; its scheduler does not run"),
            Self::Alarm(color, true) => write!(formatter, "{color}'s health alarm fires"),
            Self::Alarm(color, false) => write!(formatter, "{color}'s health alarm is over"),
            Self::Update {
                color,
                seconds,
                without_scheduler,
                rolls_back,
                by_aws,
            } => {
                let what = if *by_aws { "maintenance by AWS" } else { "an update" };
                let without = if *without_scheduler {
                    ", without a scheduler"
                } else {
                    ""
                };
                let end = if *rolls_back { "; it is rolled back" } else { "" };
                write!(
                    formatter,
                    "{what} of {color} begins, for {}{without}{end}",
                    span(*seconds)
                )
            }
            Self::Deleted(color) => write!(formatter, "{color} is deleted"),
            Self::Made(color, seconds) => write!(formatter, "{color} is made again, which takes {}", span(*seconds)),
            Self::Asks { request, twice } => {
                let again = if *twice {
                    ", and the request is delivered twice"
                } else {
                    ""
                };
                write!(formatter, "a person asks {request}{again}")
            }
            Self::WritesFlag(value) => write!(formatter, "a person writes the flag with the AWS CLI: {value:?}"),
            Self::DeletesFlag => formatter.write_str("a person deletes the flag"),
            Self::WritesHold(value) => write!(formatter, "a person writes the hold with the AWS CLI: {value:?}"),
            Self::Mishap(function, Mishap::Kill(request, is_after)) => {
                let (name, number, when) = (function.name(), request + 1, side(*is_after));
                write!(
                    formatter,
                    "the next invocation of the {name} is killed {when} its request {number} is carried out"
                )
            }
            Self::Mishap(function, Mishap::KillAtWrite(write, is_after)) => {
                let (name, number, when) = (function.name(), write + 1, side(*is_after));
                write!(
                    formatter,
                    "within 20 min a {name} is killed {when} its write {number} is carried out"
                )
            }
            Self::Mishap(function, Mishap::Freeze(request, milliseconds)) => {
                let (name, number, span) = (function.name(), request + 1, span(milliseconds / SECOND));
                write!(
                    formatter,
                    "the next invocation of the {name} stands still for {span} at its request {number}"
                )
            }
            Self::Drifts(function, ahead) => {
                let name = function.name();
                write!(formatter, "the clock of the {name} is {ahead} ms ahead")
            }
            Self::Recycled => formatter.write_str("Lambda ends all idle instances; clocks are right again"),
            Self::ExtraTick => formatter.write_str("an alarm's event invokes the health-watcher"),
            Self::Events {
                seconds,
                lost,
                doubled,
                late,
            } => {
                let span = span(*seconds);
                write!(
                    formatter,
                    "for {span}, of 100 events {lost} are lost, {doubled} delivered twice, and {late} late by minutes"
                )
            }
            Self::ScheduleStops(seconds) => write!(formatter, "the schedule invokes nobody for {}", span(*seconds)),
            other => write!(formatter, "{other:?}"),
        }
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = match self.service {
            Service::ParameterStore => "Parameter Store",
            Service::Mwaa => "MWAA",
            Service::Airflow => "Airflow's API",
            Service::CloudWatch => "CloudWatch",
            Service::EventBridge => "EventBridge",
            Service::Sns => "SNS",
        };
        let fault = match self.fault {
            Fault::Throttle => "are throttled".to_owned(),
            Fault::ServerError => "meet an error of the service".to_owned(),
            Fault::Silence => "are not answered".to_owned(),
            Fault::LostAnswer => "are carried out, and the answer is lost".to_owned(),
            Fault::Slow(more) => format!("take {more} ms more"),
            Fault::Stale(lag) => format!("read what was true {lag} ms ago"),
            Fault::Denied => "are denied".to_owned(),
            Fault::Garbage => "are carried out, and answered with HTML".to_owned(),
            Fault::Partial => "are answered in part".to_owned(),
        };
        let of = self.color.map(|color| format!(" about {color}")).unwrap_or_default();
        let operation = self
            .operation
            .as_deref()
            .map(|operation| format!(" {operation}"))
            .unwrap_or_default();
        write!(
            formatter,
            "for {}, {} of 100 requests to {service}{operation}{of} {fault}",
            span(self.seconds),
            self.percent
        )
    }
}
