//! Text from others, for a terminal or a mail: it must not move a cursor, start a line, or reorder the text beside it.

use std::fmt::Write as _;

/// Whether a character only displays itself. Others are control characters (an escape sequence needs one), line and
/// paragraph separators, and invisible characters that change the text direction or hide in a word.
#[must_use]
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` on one line, with other characters escaped, such as `\n` and `\u{202e}`. A second call changes nothing.
#[must_use]
pub fn visible(text: &str) -> String {
    if text.chars().all(is_printable) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len().saturating_add(16));
    for character in text.chars() {
        push_visible(&mut shown, character);
    }
    shown
}

/// Adds one character, escaped if it does not only display itself.
pub fn push_visible(shown: &mut String, character: char) {
    match character {
        printable if is_printable(printable) => shown.push(printable),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        other => shown.extend(other.escape_unicode()),
    }
}

/// Equivalent JSON in which characters that do not only display themselves have JSON escapes, such as `\u2028`.
#[must_use]
pub fn json_in_one_line(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_printable(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _a_string_takes_all = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_one_line_says_the_same() {
        let text = "{\"reason\":\"a\u{9b}b\u{202e}c\u{e0041}\u{2028}\u{85}\\n\"}";
        let line = json_in_one_line(text);
        assert_eq!(line, r#"{"reason":"a\u009bb\u202ec\udb40\udc41\u2028\u0085\n"}"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&line), read(text));
    }

    #[test]
    fn what_does_not_show_itself_is_written_out() {
        for (text, shown) in [
            (
                "plain text, ümlaut, 日本語, 👩‍🚀, שלום",
                "plain text, ümlaut, 日本語, 👩‍🚀, שלום",
            ),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7f}", "\\u{7f}"),
            ("safe\u{202e}live", "safe\\u{202e}live"),
            ("\u{2066}x\u{2069}\u{200f}", "\\u{2066}x\\u{2069}\\u{200f}"),
            ("one\u{2028}two\u{2029}", "one\\u{2028}two\\u{2029}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(shown), shown, "twice changes nothing");
        }
    }
}
