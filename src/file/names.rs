//! Names of databases and tables as file names.
//!
//! A name from a file is data: it may hold `/`, `..`, NUL, be a device name on
//! some systems, differ from another only in case, or be longer than a file
//! name may be. The encoding is reversible and its outputs stay distinct on
//! file systems that ignore case or normalise Unicode (format page, "Names").

/// Longest encoded name in bytes: leaves room for prefix and suffix in the 255
/// bytes that file systems allow.
const MAX_ENCODED_LEN: usize = 200;

/// Names that some system or this layout gives a meaning of its own.
const RESERVED: [&str; 5] = ["metadata", "con", "prn", "aux", "nul"];

/// Turns a name into a file name without suffix.
///
/// `a-z`, `0-9`, `_` and `-` stand for themselves; every other byte of the
/// UTF-8 form becomes `%` and two lower-case hex digits, and so does the first
/// byte of a reserved name. A name whose encoding is too long becomes `%long-`
/// and `id`, which is unique among the names of one directory; the catalog
/// holds the name itself.
pub fn encode_name(name: &str, id: usize) -> String {
    let mut encoded = String::new();
    let escape_first = name.is_empty() || is_reserved(name);
    for (index, byte) in name.bytes().enumerate() {
        let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if plain && !(index == 0 && escape_first) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
        if encoded.len() > MAX_ENCODED_LEN {
            return format!("%long-{id}");
        }
    }
    if encoded.is_empty() {
        encoded.push_str("%empty");
    }
    encoded
}

/// Undoes [`encode_name`]; `None` for a text that it does not produce, and for
/// `%long-` names, whose text is in the catalog only.
pub fn decode_name(encoded: &str) -> Option<String> {
    if encoded == "%empty" {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(base16ct::lower::decode_vec(digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Only what the encoder itself writes is accepted: one file, one name.
    (encode_name(&name, 0) == encoded).then_some(name)
}

pub(super) fn is_reserved(name: &str) -> bool {
    let port = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|digit| digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit()))
    };
    RESERVED.contains(&name) || port("com") || port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_become_plain_file_names() {
        for (name, encoded) in [
            ("users", "users"),
            ("Users", "%55sers"),
            ("../../etc", "%2e%2e%2f%2e%2e%2fetc"),
            ("a\0b", "a%00b"),
            ("con", "%63on"),
            ("com1", "%63om1"),
            ("metadata", "%6detadata"),
            ("é", "%c3%a9"),
            ("%41", "%2541"),
            ("", "%empty"),
            (".", "%2e"),
        ] {
            assert_eq!(encode_name(name, 7), encoded);
            assert_eq!(decode_name(encoded).as_deref(), Some(name));
        }
        assert_eq!(encode_name(&"x".repeat(10_000), 7), "%long-7");
        assert_eq!(encode_name(&"x".repeat(200), 7), "x".repeat(200));
        assert_eq!(encode_name(&"x".repeat(201), 7), "%long-7");
    }

    #[test]
    fn only_what_the_encoder_writes_is_decoded() {
        for text in [
            "Users", "%55SERS", "%61", "%", "%4", "%zz", "a.b", "a/b", "%long-7", "", "con",
        ] {
            assert_eq!(decode_name(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_come_back_and_stay_distinct_without_case(a in ".{0,40}", b in ".{0,40}") {
            let (left, right) = (encode_name(&a, 0), encode_name(&b, 1));
            if !left.starts_with("%long-") {
                prop_assert_eq!(decode_name(&left), Some(a.clone()));
            }
            if a != b {
                prop_assert_ne!(left.to_lowercase(), right.to_lowercase());
            }
            prop_assert!(left.bytes().all(|c| c.is_ascii_graphic() && c != b'/' && c != b'.'));
        }
    }
}
