//! A message: headings, paragraphs, and steps with their commands.

use serde_json::Value;

use crate::color::Color;
use crate::drill::Mode;
use crate::printable::visible;
use crate::request::{ActionName, RequestForm};
use crate::response::to_json;

/// Width of the text in columns; commands are never broken.
const WIDTH: usize = 78;

/// The pair that a message is about, for the commands in it.
#[derive(Debug, Clone, Copy)]
pub struct PairContext<'a> {
    /// Name of the pair.
    pub pair: &'a str,
    /// Name of the flag.
    pub flag: &'a str,
    /// Region of the stack; none where it is not known.
    pub region: Option<&'a str>,
    /// Base URL of the pages of `docs/runbooks/`; none where messages give the file names instead.
    pub runbooks: Option<&'a str>,
}

// -- commands

/// A request that a person can make to the switch-handler.
pub(super) enum SuggestedCommand {
    Status,
    Check,
    Rollback,
    Release,
    Hold,
    Drill,
    Switch(Color),
    ForcedSwitch(Color),
    Failover(Color),
    ForcedFailover(Color),
    Initialize(Color),
}

const SAY_WHY: &str = "say why here";

impl SuggestedCommand {
    /// The command for `mwaa-bluegreen`, without the program's name.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Check => "check".to_owned(),
            Self::Rollback => format!("rollback --reason '{SAY_WHY}'"),
            Self::Release => "release".to_owned(),
            Self::Hold => format!("hold --minutes 120 --reason '{SAY_WHY}'"),
            Self::Drill => format!("drill --mode probe --reason '{SAY_WHY}'"),
            Self::Switch(to) => format!("switch --to {to} --reason '{SAY_WHY}'"),
            Self::ForcedSwitch(to) => format!("switch --to {to} --force --reason '{SAY_WHY}'"),
            Self::Failover(to) => format!("failover --to {to} --reason '{SAY_WHY}'"),
            Self::ForcedFailover(to) => format!("failover --to {to} --force --reason '{SAY_WHY}'"),
            Self::Initialize(to) => format!("initialize --to {to} --force --reason '{SAY_WHY}'"),
        }
    }

    /// The request for the function.
    pub(super) fn request(&self) -> Value {
        let of = RequestForm::of;
        let to = |to: Color, form: RequestForm| RequestForm {
            to: Some(to.into()),
            ..form
        };
        let forced = |form: RequestForm| RequestForm { force: true, ..form };
        let form = match *self {
            Self::Status => of(ActionName::Status),
            Self::Check => of(ActionName::Check),
            Self::Rollback => of(ActionName::Rollback),
            Self::Release => of(ActionName::Release),
            Self::Hold => RequestForm {
                minutes: Some(120),
                ..of(ActionName::Hold)
            },
            Self::Drill => RequestForm {
                mode: Some(Mode::Probe),
                ..of(ActionName::Drill)
            },
            // A color alone is a switch to it.
            Self::Switch(color) => to(color, RequestForm::default()),
            Self::ForcedSwitch(color) => forced(to(color, RequestForm::default())),
            Self::Failover(color) => to(color, of(ActionName::Failover)),
            Self::ForcedFailover(color) => forced(to(color, of(ActionName::Failover))),
            Self::Initialize(color) => forced(to(color, of(ActionName::Initialize))),
        };
        let says_why = !matches!(self, Self::Status | Self::Check | Self::Release);
        to_json(&RequestForm {
            reason: says_why.then(|| SAY_WHY.to_owned()),
            ..form
        })
    }
}

impl PairContext<'_> {
    /// The region comes from an event and goes into a command, so it may only contain the characters of a region name.
    pub(super) fn region_option(self) -> String {
        self.region
            .filter(|region| region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
            .map(|region| format!(" --region {region}"))
            .unwrap_or_default()
    }

    pub(super) fn invoke(self, ask: &SuggestedCommand) -> String {
        format!(
            "printf '%s' '{}' | aws lambda invoke{} --cli-read-timeout 90 --function-name {}-switch-handler --payload \
             fileb:///dev/stdin /dev/stdout",
            ask.request(),
            self.region_option(),
            self.pair
        )
    }

    pub(super) fn flag_history(self) -> String {
        format!(
            "aws ssm get-parameter-history{} --name {}",
            self.region_option(),
            self.flag
        )
    }

    pub(super) fn audit_log(self) -> String {
        format!(
            "aws logs filter-log-events{} --log-group-name /aws/events/{}-audit --query 'events[].[message]' --output text",
            self.region_option(),
            self.pair
        )
    }
}

// -- the text

pub(super) struct MessageBuilder<'a> {
    pub(super) place: PairContext<'a>,
    pub(super) text: String,
}

impl<'a> MessageBuilder<'a> {
    pub(super) fn new(place: PairContext<'a>) -> Self {
        Self {
            place,
            text: String::new(),
        }
    }

    /// Adds one line, whatever the text contains.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(&visible(line));
        self.text.push('\n');
    }

    pub(super) fn heading(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(words);
    }

    pub(super) fn paragraph(&mut self, words: &str) {
        self.wrapped(words, "  ", "  ");
    }

    pub(super) fn bullet(&mut self, words: &str) {
        self.wrapped(words, "- ", "  ");
    }

    pub(super) fn command(&mut self, command: &str) {
        self.line(&format!("      {command}"));
    }

    /// A request to the switch-handler, as a command and as an invocation.
    pub(super) fn step(&mut self, words: &str, ask: &SuggestedCommand) {
        self.paragraph(words);
        self.command(&format!(
            "mwaa-bluegreen --pair {}{} {}",
            self.place.pair,
            self.place.region_option(),
            ask.words()
        ));
        self.paragraph("or:");
        self.command(&self.place.invoke(ask));
    }

    pub(super) fn wrapped(&mut self, words: &str, first: &str, others: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in words.split_whitespace() {
            let length = line.chars().count().saturating_add(word.chars().count());
            if !empty && length >= WIDTH {
                self.line(&line);
                others.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        if !empty {
            self.line(&line);
        }
    }

    pub(super) fn read_more(&mut self, (introduction, runbook): (&str, &str), id: Option<&str>) {
        self.heading("TO READ MORE");
        self.paragraph(introduction);
        self.command(runbook);
        self.paragraph("Everything that happened to this pair, evidence included:");
        self.command(&self.place.audit_log());
        self.paragraph("The flag's own history, without this product:");
        self.command(&self.place.flag_history());
        if let Some(id) = id {
            self.text.push('\n');
            self.line(&format!("Event {id}"));
            self.line("Messages are sent at least once: a repeat carries the same event.");
        }
    }
}
