//! Names as they are chosen on a command line: exact, or with `*` and `?`.

use std::collections::BTreeSet;

/// Whether a pattern stands for a name. `*` is any text, `?` any character, and
/// everything else stands for itself.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last star stands, and what it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(place) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(p) if p == c || *p == '?' => {
                at += 1;
                place += 1;
            }
            _ => match &mut star {
                // The star takes one more character.
                Some((star, end)) => {
                    *end += 1;
                    (at, place) = (*star + 1, *end);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

/// What a pattern stands for among names: the name itself where there is one,
/// else all that it matches.
pub fn is_chosen(pattern: &str, name: &str, known: &BTreeSet<&str>) -> bool {
    name == pattern || matches(pattern, name) && !known.contains(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_question_marks_for_one_character() {
        for (pattern, name) in [
            ("*", ""),
            ("shop.*", "shop.orders"),
            ("*.or?ers", "shop.orders"),
            ("a*b*c", "aXbYbc"),
            ("**x", "x"),
            ("ä?", "äö"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("shop.*", "shopping"),
            ("?", ""),
            ("a*b", "ac"),
            ("", "x"),
            ("[a]", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_pattern_stands_for_itself() {
        let known = BTreeSet::from(["a*", "ab"]);
        assert!(is_chosen("a*", "a*", &known));
        assert!(!is_chosen("a*", "ab", &known));
        assert!(is_chosen("a?", "ab", &known));
    }

    #[test]
    fn many_stars_take_no_longer_than_their_lengths_allow() {
        let pattern = "*a".repeat(2_000);
        assert!(!matches(&pattern, &"a".repeat(1_999)));
    }
}
