//! Fields of a line that `COPY ... FROM stdin` reads.

/// The letter after the backslash for a byte that COPY gives a meaning.
const fn letter(byte: u8) -> u8 {
    match byte {
        b'\\' => b'\\',
        b'\t' => b't',
        b'\n' => b'n',
        b'\r' => b'r',
        0x08 => b'b',
        0x0b => b'v',
        0x0c => b'f',
        _ => 0,
    }
}

/// Appends a field: what COPY gives a meaning is escaped.
pub fn push_copy(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every text stands for itself, which is seen of many bytes at once.
    let may_mean = |any: bool, byte: &u8| any | (*byte < b' ') | (*byte == b'\\');
    let mut rest = text;
    if !text.iter().fold(false, may_mean) {
        return out.extend_from_slice(text);
    }
    while let Some(at) = rest.iter().position(|byte| letter(*byte) != 0) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            return;
        };
        out.extend_from_slice(&[b'\\', letter(*byte)]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Bytes that [`push_copy`] appends.
pub fn copy_len(text: &[u8]) -> usize {
    let special = text.iter().filter(|byte| letter(**byte) != 0).count();
    text.len().saturating_add(special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_means_something_to_copy_is_escaped() {
        let text = b"\\N\t\\.\r\n\x08\x0b\x0c\x1b'\"\xc3\xa9";
        let mut out = Vec::new();
        push_copy(&mut out, text);
        assert_eq!(out, b"\\\\N\\t\\\\.\\r\\n\\b\\v\\f\x1b'\"\xc3\xa9");
        assert_eq!(copy_len(text), out.len());
    }
}
