//! Text for people: colors, tables, times.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use bluegreen_core::printable::{json_in_one_line, push_visible, visible};
use bluegreen_core::time::{elapsed, to_second};
use jiff::Timestamp;

use crate::connection::When;
use crate::failure::Failure;

/// Whether to print colors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Faint,
    Good,
    Bad,
    Doubtful,
    Blue,
    Green,
}

impl Paint {
    /// Decides by `--color`, `NO_COLOR`, and whether the stream is a terminal.
    pub(crate) fn new(when: When, no_color: bool, stream: &impl IsTerminal) -> Self {
        Self {
            on: match when {
                When::Always => true,
                When::Never => false,
                When::Auto => !no_color && stream.is_terminal(),
            },
        }
    }

    pub(crate) fn text(self, look: Style, text: &str) -> String {
        let code = match look {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Doubtful => "33",
            Style::Blue => "1;34",
            Style::Green => "1;32",
        };
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The style of a word in an answer.
pub(crate) fn look_of(word: &str) -> Style {
    match word {
        "blue" => Style::Blue,
        "green" => Style::Green,
        "healthy" | "passed" | "ready" | "succeeded" => Style::Good,
        "unhealthy" | "objects" | "not_ready" | "failed" | "refused" | "blocked" | "conflict" | "red" | "lost"
        | "doubled" => Style::Bad,
        "suspect" | "maintenance" | "unknown" | "partial" | "interrupted" | "pending" | "amber" | "late" => {
            Style::Doubtful
        }
        _ => Style::Plain,
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell(Style, String);

impl Cell {
    pub(crate) fn new(look: Style, text: impl AsRef<str>) -> Self {
        Self(look, visible(text.as_ref()))
    }

    /// A cell in the style of its word.
    pub(crate) fn word(text: impl AsRef<str>) -> Self {
        Self::new(look_of(text.as_ref()), text)
    }

    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Style::Plain, text)
    }
}

/// An aligned table, indented by two; the last column is not padded.
pub(crate) fn table(paint: Paint, header: &[&str], rows: &[Vec<Cell>]) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = header.iter().map(|text| width(text)).collect();
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(&cell.1));
        }
    }
    let head: Vec<Cell> = header.iter().map(|text| Cell::new(Style::Faint, *text)).collect();
    let mut out = String::new();
    for row in (!header.iter().all(|text| text.is_empty()))
        .then_some(&head)
        .into_iter()
        .chain(rows)
    {
        out.push_str("  ");
        let last = row.len().saturating_sub(1);
        for (index, (cell, column)) in row.iter().zip(&widths).enumerate() {
            out.push_str(&paint.text(cell.0, &cell.1));
            if index < last {
                let gap = column.saturating_sub(width(&cell.1)).saturating_add(2);
                out.extend(std::iter::repeat_n(' ', gap));
            }
        }
        let kept = out.trim_end_matches(' ').len();
        out.truncate(kept);
        out.push('\n');
    }
    out
}

/// Formats `name  value` lines.
pub(crate) fn fields(paint: Paint, fields: &[(&str, String)]) -> String {
    let rows: Vec<Vec<Cell>> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![Cell::new(Style::Faint, *name), Cell::plain(value)])
        .collect();
    table(paint, &["", ""], &rows)
}

/// Formats as `2026-11-23 11:14:41Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    to_second(at).replacen('T', " ", 1)
}

/// Formats as `2026-11-23 11:14:41Z (3 h ago)`, or `(in 9 s)`.
pub(crate) fn moment_and_age(at: Timestamp, now: Timestamp) -> String {
    let distance = if at > now {
        format!(
            "in {}",
            span(elapsed(now, at).saturating_add(Duration::from_millis(500)))
        )
    } else {
        format!("{} ago", span(elapsed(at, now)))
    };
    format!("{} ({distance})", moment(at))
}

/// Formats as `9 s`, `4 min`, `3 h` or `12 d`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (divisor, unit) = match seconds {
        0..=119 => (1, "s"),
        120..=7199 => (60, "min"),
        7200..=172_799 => (3600, "h"),
        _ => (86400, "d"),
    };
    format!("{} {unit}", seconds.checked_div(divisor).unwrap_or_default())
}

/// Formats as `1 version` or `2 versions`.
pub(crate) fn count(number: usize, one: &str) -> String {
    let mut text = format!("{number} {one}");
    if number != 1 {
        text.push('s');
    }
    text
}

/// Writes text for people to the standard output.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    write_out(&harmless(text))
}

/// Writes an answer for scripts, unchanged. On a terminal, characters that would act on it are written as JSON escapes.
pub(crate) fn json(text: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() {
        let lines: Vec<String> = text.lines().map(json_in_one_line).collect();
        write_out(&format!("{}\n", lines.join("\n")))
    } else {
        write_out(&format!("{text}\n"))
    }
}

/// Writes text that contains only this product's own words, in a format of its own.
pub(crate) fn raw(text: &str) -> Result<(), Failure> {
    write_out(text)
}

fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::File(format!("the output cannot be written: {error}")),
        })
}

/// Writes to the standard error; a failure here cannot be reported.
pub(crate) fn note(text: &str) {
    let _nobody_listens = std::io::stderr().lock().write_all(harmless(text).as_bytes());
}

/// The second line of defense for every text for people. Line breaks, this product's own colors and its own cursor
/// movements pass; anything else that would act on the terminal is written out.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let own = own_sequence(rest);
        let length = if own > 0 {
            shown.push_str(rest.get(..own).unwrap_or_default());
            own
        } else {
            match character {
                '\n' => shown.push('\n'),
                '\r' if own_sequence(rest.get(1..).unwrap_or_default()) > 0 => shown.push('\r'),
                other => push_visible(&mut shown, other),
            }
            character.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    shown
}

/// The length of this product's own sequence at the beginning of `text`; zero if there is none.
fn own_sequence(text: &str) -> usize {
    let Some(inside) = text.strip_prefix("\x1b[") else {
        return 0;
    };
    let after = inside.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    let parameters = inside.len().saturating_sub(after.len());
    match after.as_bytes().first() {
        Some(b'm' | b'K' | b'J' | b'A') => parameters.saturating_add(3),
        _ => 0,
    }
}

/// The standard error, one line at a time: the warnings of `--direct`.
pub(crate) struct Lines;

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        note(&format!("{}\n", visible(text.trim_end_matches('\n'))));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// At most `width` characters of every line, so that it is one line on the terminal. Colors have no width.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let mut cut = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut seen, mut in_escape, mut dropped) = (0_usize, false, false);
        for c in line.chars() {
            if c == '\x1b' {
                in_escape = true;
            }
            if in_escape {
                cut.push(c);
                in_escape = c != 'm';
            } else if seen < width {
                cut.push(c);
                seen = seen.saturating_add(1);
            } else {
                dropped = true;
            }
        }
        if dropped && line.contains('\x1b') {
            cut.push_str("\x1b[0m");
        }
        let _a_string_takes_all = writeln!(cut);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { on: false };

    #[test]
    fn columns_are_aligned_whatever_the_colors() {
        let rows = vec![
            vec![Cell::word("blue"), Cell::word("healthy"), Cell::plain("a")],
            vec![Cell::word("green"), Cell::word("unknown"), Cell::plain("")],
        ];
        assert_eq!(
            table(PLAIN, &["COLOR", "VERDICT", "WHY"], &rows),
            "  COLOR  VERDICT  WHY\n  blue   healthy  a\n  green  unknown\n"
        );
        let colored = table(Paint { on: true }, &["COLOR", "VERDICT", "WHY"], &rows);
        assert!(
            colored.contains("\x1b[1;34mblue\x1b[0m   \x1b[32mhealthy\x1b[0m  a"),
            "{colored:?}"
        );
    }

    #[test]
    fn only_our_own_sequences_act_on_the_terminal() {
        for (text, shown) in [
            ("\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
            ("\r\x1b[K  line", "\r\x1b[K  line"),
            ("\x1b[3A\r\x1b[Jview", "\x1b[3A\r\x1b[Jview"),
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("\x1b[2;2H", "\\u{1b}[2;2H"),
            ("\x1b[?1049h\x1b", "\\u{1b}[?1049h\\u{1b}"),
            ("good\rbad", "good\\rbad"),
            ("\u{9b}2J \u{202e}evil", "\\u{9b}2J \\u{202e}evil"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn a_cell_holds_no_sequence_at_all() {
        let row = vec![Cell::word("\x1b[1;32mhealthy"), Cell::plain("a\nb"), Cell::plain("c")];
        assert_eq!(
            table(PLAIN, &["", "", ""], &[row]),
            "  \\u{1b}[1;32mhealthy  a\\nb  c\n"
        );
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at: Timestamp = "2026-11-23T11:14:41.811Z".parse().unwrap();
        let after = |seconds| bluegreen_core::time::after(at, Duration::from_secs(seconds));
        assert_eq!(moment_and_age(at, after(3 * 3600)), "2026-11-23 11:14:42Z (3 h ago)");
        assert_eq!(moment_and_age(after(9), at), "2026-11-23 11:14:51Z (in 9 s)");
        assert_eq!(span(Duration::from_secs(119)), "119 s");
        assert_eq!(span(Duration::from_secs(121)), "2 min");
    }

    #[test]
    fn a_cut_line_keeps_its_colors() {
        assert_eq!(
            cut("abcdef\n\x1b[1mabc\x1b[0mdef", 4),
            "abcd\n\x1b[1mabc\x1b[0md\x1b[0m\n"
        );
    }
}
