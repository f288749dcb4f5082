//! Sentences on a terminal.

/// A text in lines of at most `width` characters, each after `indent`; as one
/// line where no width is given. A word that is longer, as a path, stands whole.
pub fn wrapped(text: &str, indent: &str, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let mut lines = String::new();
    let mut at = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        match at {
            0 => at = indent.len(),
            _ if at + 1 + len > width => {
                lines.push('\n');
                at = indent.len();
            }
            _ => {
                lines.push(' ');
                lines.push_str(word);
                at += 1 + len;
                continue;
            }
        }
        lines.push_str(indent);
        lines.push_str(word);
        at += len;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words_and_a_long_word_stands_whole() {
        let text = "one two three /a/path/that/is/long end";
        let expected = "  one two\n  three\n  /a/path/that/is/long\n  end\n";
        assert_eq!(wrapped(text, "  ", Some(10)), expected);
        assert_eq!(wrapped(text, "", None), format!("{text}\n"));
    }
}
