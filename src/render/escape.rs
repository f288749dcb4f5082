//! Text from files on a terminal.

/// Control characters as escapes, everything else as it stands: text from a
/// file must not move a cursor or change a colour.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_direction(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// As [`escape`], for messages of several lines: line ends stay.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escape).collect();
    lines.join("\n")
}

/// Characters that break lines or turn the writing direction and so can make text look like
/// another.
fn is_direction(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_become_text() {
        assert_eq!(
            escape("a\x1b[31mb\r\n\u{9b}\u{202e}é"),
            "a\\u{1b}[31mb\\r\\n\\u{9b}\\u{202e}é"
        );
        assert_eq!(escape_lines("a\x07\nb"), "a\\u{7}\nb");
    }
}
