//! Text for Parameter Store: shortened, and without what Parameter Store would take for a reference.

/// `text` cut to at most `limit` characters, with an ellipsis where something was cut.
#[must_use]
pub fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Parameter Store rejects a value with `{{`, which refers to another parameter there (`CloudFormation`'s page on
/// `AWS::SSM::Parameter`). For an Airflow operator it is ordinary text of a reason. In JSON it can only occur within a
/// string, where the second brace can be escaped.
#[must_use]
pub fn as_value(json: String) -> String {
    if json.contains("{{") {
        json.replace("{{", "{\\u007b")
    } else {
        json
    }
}

/// The same for text that is not JSON, such as a Description. The rule for those is not documented, so they may be
/// rejected, too. The text becomes longer: measure it afterwards.
#[must_use]
pub fn without_references(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        // Brace by brace, because two pairs overlap in three braces.
        if character == '{' && written.ends_with('{') {
            written.push(' ');
        }
        written.push(character);
    }
    written
}

/// The first value that is at most `most` bytes long when it is sent. `with` builds values with room for fewer and
/// fewer characters in their texts. The result is the last one if none fits.
#[must_use]
pub fn fitting(most: usize, mut with: impl FnMut(usize) -> String) -> String {
    // From the longest text of a request down to a length that fits however its letters are escaped.
    let mut value = String::new();
    for room in [500, 300, 150, 75, 30] {
        value = as_value(with(room));
        if value.len() <= most {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_in_a_reason_refers_to_no_other_parameter() {
        let reason = "{{ ds }} is wrong, {{{{ too {{{";
        let text = as_value(serde_json::json!({"reason": reason, "more": {"of": {}}}).to_string());
        assert!(!text.contains("{{"), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["reason"],
            reason
        );
        assert_eq!(as_value("plain".to_owned()), "plain");
    }

    #[test]
    fn no_two_braces_meet_in_a_text() {
        for (text, written) in [
            ("{{ ds }}", "{ { ds }}"),
            ("{{{", "{ { {"),
            ("{{{{", "{ { { {"),
            ("{a}{b", "{a}{b"),
            ("", ""),
        ] {
            assert_eq!(without_references(text), written);
        }
    }
}
