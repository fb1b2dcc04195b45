//! Whether a person confirms a change.

use std::io::{IsTerminal, Write as _};

use bluegreen_core::color::Color;

use crate::failure::Failure;
use crate::terminal;

/// What has to be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The flag will change. At 3 a.m. people type `y` before they read the screen, but not the color's name.
    Color {
        to: Color,
        /// Preconditions object, and will be skipped.
        over_objections: bool,
        /// The active is declared failed.
        is_failover: bool,
    },
    /// The same if the color is not known beforehand.
    Word { word: &'static str, to_do: String },
    /// Something that is as easy to undo as to do.
    YesOrNo { to_do: String },
}

impl Question {
    pub(crate) fn prompt(&self) -> String {
        match self {
            Self::YesOrNo { to_do } => format!("{to_do}? [y/N] "),
            Self::Color {
                to, is_failover: true, ..
            } => format!("Type {} to fail over to {to}: ", self.wanted()),
            Self::Color { to, .. } => format!("Type {} to switch to {to}: ", self.wanted()),
            Self::Word { to_do, .. } => format!("Type {} to {to_do}: ", self.wanted()),
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Color {
                to,
                over_objections: true,
                ..
            } => format!("force {to}"),
            Self::Color { to, .. } => to.to_string(),
            Self::Word { word, .. } => (*word).to_owned(),
            Self::YesOrNo { .. } => "y".to_owned(),
        }
    }

    /// Whether the typed text confirms; the end of the input does not.
    pub(crate) fn agrees(&self, typed: &str) -> bool {
        let typed = typed.trim();
        match self {
            Self::YesOrNo { .. } => matches!(typed.to_ascii_lowercase().as_str(), "y" | "yes"),
            _ => typed.split_whitespace().collect::<Vec<_>>().join(" ") == self.wanted(),
        }
    }
}

/// Whether somebody can read a question and answer it.
pub(crate) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether to ask at all: not with `--yes`. If nobody can answer, nothing may change.
pub(crate) fn must_ask(yes: bool, somebody_there: bool) -> Result<bool, Failure> {
    match (yes, somebody_there) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(Failure::NotConfirmed(
            "there is no terminal to ask on: the standard input or the standard error is not a terminal; nothing was changed: \
             look at it with --dry-run, then give --yes"
                .to_owned(),
        )),
    }
}

/// Asks; an error if the answer is another than yes.
pub(crate) async fn agreed(question: &Question) -> Result<(), Failure> {
    if question.agrees(&typed(&question.prompt()).await?) {
        Ok(())
    } else {
        Err(Failure::NotConfirmed("not confirmed; nothing was changed".to_owned()))
    }
}

/// Reads one line from the terminal; the end of the input is an empty line.
pub(crate) async fn typed(prompt: &str) -> Result<String, Failure> {
    terminal::note(prompt);
    let line = tokio::task::spawn_blocking(|| {
        let _nobody_listens = std::io::stderr().flush();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    match line.await {
        Ok(Ok(line)) => {
            if !line.ends_with('\n') {
                terminal::note("\n");
            }
            Ok(line)
        }
        _ => Err(Failure::NotConfirmed(
            "the terminal cannot be read; nothing was changed".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_asked_for_agree() {
        let plain = Question::Color {
            to: Color::Green,
            over_objections: false,
            is_failover: false,
        };
        let forced = Question::Color {
            to: Color::Green,
            over_objections: true,
            is_failover: true,
        };
        let restore = Question::Word {
            word: "rollback",
            to_do: "go back".into(),
        };
        let hold = Question::YesOrNo {
            to_do: "Place the hold".into(),
        };
        for (question, agree, refuse) in [
            (
                &plain,
                &["green", " green\n"][..],
                &["", "y", "yes", "blue", "GREEN", "greenn", "force green"][..],
            ),
            (
                &forced,
                &["force green", "force  green "],
                &["", "green", "force", "force blue"],
            ),
            (&restore, &["rollback"], &["", "y", "blue"]),
            (&hold, &["y", "Y", "yes\n"], &["", "n", "no", "ja", "green"]),
        ] {
            for typed in agree {
                assert!(question.agrees(typed), "{typed:?} to {:?}", question.prompt());
            }
            for typed in refuse {
                assert!(!question.agrees(typed), "{typed:?} to {:?}", question.prompt());
            }
        }
        assert_eq!(plain.prompt(), "Type green to switch to green: ");
        assert_eq!(forced.prompt(), "Type force green to fail over to green: ");
    }

    #[test]
    fn where_nobody_can_answer_nothing_happens() {
        assert!(must_ask(false, true).unwrap());
        assert!(!must_ask(true, false).unwrap() && !must_ask(true, true).unwrap());
        assert_eq!(
            must_ask(false, false).unwrap_err().code(),
            crate::failure::exit::NOT_CONFIRMED
        );
    }
}
