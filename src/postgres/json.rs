//! JSON texts that jsonb keeps: it drops what stands twice in an object, takes
//! no NUL, and reads every number as a numeric.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Bytes of the longest text that is tried: beyond it jsonb has bounds of its own.
const MAX_LEN: usize = 16 * 1024 * 1024;
/// Characters of the longest number: far below the digits of a numeric.
const MAX_NUMBER_LEN: usize = 300;
/// Digits of the longest exponent, likewise.
const MAX_EXPONENT_DIGITS: usize = 3;

/// Lists and objects inside one another: the server's parser calls itself for each.
const MAX_DEPTH: usize = 128;

/// Whether a text is JSON.
pub(super) fn is_json(text: &str) -> bool {
    is_shallow(text) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The bytes of a JSON text outside its strings, of which the opening quotation
/// mark is left.
fn outside_strings(text: &str) -> impl Iterator<Item = u8> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().filter(move |byte| {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            return false;
        }
        in_string = *byte == b'"';
        true
    })
}

/// Counts what opens and closes outside strings.
fn is_shallow(text: &str) -> bool {
    let mut depth = 0_usize;
    for byte in outside_strings(text) {
        match byte {
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

/// Whether jsonb keeps everything that a JSON text says.
pub(super) fn is_kept_by_jsonb(text: &str) -> bool {
    text.len() <= MAX_LEN && serde_json::from_str::<Kept>(text).is_ok() && numbers_are_short(text)
}

/// Looks at numbers only: in a text that is JSON they start outside strings.
fn numbers_are_short(text: &str) -> bool {
    let (mut len, mut exponent) = (0_usize, None);
    for byte in outside_strings(text) {
        match byte {
            // A string ends no number that is JSON.
            b'"' => {}
            b'0'..=b'9' | b'.' | b'-' | b'+' => {
                len = len.saturating_add(1);
                if byte.is_ascii_digit() {
                    exponent = exponent.map(|digits: usize| digits.saturating_add(1));
                }
            }
            b'e' | b'E' if len > 0 => exponent = Some(0),
            _ => (len, exponent) = (0, None),
        }
        if len > MAX_NUMBER_LEN || exponent.is_some_and(|digits| digits > MAX_EXPONENT_DIGITS) {
            return false;
        }
    }
    true
}

/// A name of an object: of most the text itself.
#[derive(serde::Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

/// A value without a NUL and without a name that stands twice in an object.
struct Kept;

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kept)
    }
}

impl<'de> Visitor<'de> for Kept {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that jsonb keeps")
    }

    fn visit_unit<E: Error>(self) -> Result<Kept, E> {
        Ok(Kept)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Kept, E> {
        Ok(Kept)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Kept, E> {
        Ok(Kept)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Kept, E> {
        Ok(Kept)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Kept, E> {
        // A numeric has no sign of zero.
        match number == 0.0 && number.is_sign_negative() {
            true => Err(E::custom("a negative zero")),
            false => Ok(Kept),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kept, E> {
        match text.contains('\0') {
            true => Err(E::custom("a NUL")),
            false => Ok(Kept),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kept, A::Error> {
        while items.next_element::<Kept>()?.is_some() {}
        Ok(Kept)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kept, A::Error> {
        let mut names = BTreeSet::new();
        while let Some((Name(name), _)) = entries.next_entry::<Name<'_>, Kept>()? {
            if name.contains('\0') || !names.insert(name) {
                return Err(A::Error::custom("a name with a NUL or twice"));
            }
        }
        Ok(Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_keeps_what_it_can_print_again() {
        for text in [
            "{\"a\": [1, null, \"x\"], \"b\": {\"a\": 1}}",
            "5",
            " \"e9999\" ",
            "1e99",
            "-0.5",
        ] {
            assert!(is_kept_by_jsonb(text), "{text}");
        }
        for text in [
            "{\"a\":1,\"a\":2}",
            "\"\\u0000\"",
            "{\"\\u0000\":1}",
            "\"\\ud800\"",
            "1e1000",
            "[1e-2000]",
            "-0",
            "{\"a\": [-0.0]}",
            "",
            "{",
        ] {
            assert!(!is_kept_by_jsonb(text), "{text}");
        }
        assert!(!is_kept_by_jsonb(&"1".repeat(301)));
        assert!(!is_kept_by_jsonb(&format!("[0.{}]", "1".repeat(400))));
        assert!(is_json("{\"a\":1,\"a\":2}") && is_json("\"\\u0000\"") && !is_json("nul"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(!is_json(&deep) && !is_kept_by_jsonb(&deep));
    }
}
