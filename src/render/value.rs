//! One value as text: the form that JSON strings, CSV fields and tables share.

use crate::model::ValueRef;

/// What stands for a secret.
pub const REDACTED: &str = "<redacted>";

/// Appends the text of a value; nothing for NULL.
///
/// Non-finite doubles are `NaN`, `Infinity` and `-Infinity`, bytes `\x6869`,
/// an enum value its label; what is stored as text stands as it is stored.
pub fn push_text(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    match *value {
        ValueRef::Null => {}
        ValueRef::SmallInt(v) => push_number(out, &v),
        ValueRef::Integer(v) => push_number(out, &v),
        ValueRef::Real(v) => push_real(out, v),
        ValueRef::Boolean(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
        ValueRef::Numeric(text)
        | ValueRef::Text(text)
        | ValueRef::Char(text)
        | ValueRef::Date(text)
        | ValueRef::Timestamp(text)
        | ValueRef::TimestampTz(text)
        | ValueRef::Json(text)
        | ValueRef::Enum { label: text, .. } => out.extend_from_slice(text.as_bytes()),
        ValueRef::Uuid(bytes) => {
            let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
            let uuid = uuid::Uuid::from_bytes(bytes).hyphenated();
            out.extend_from_slice(uuid.encode_lower(&mut buffer).as_bytes());
        }
        ValueRef::Bytea(bytes) => push_hex(out, bytes),
    }
}

/// Appends an integer or a finite double in the shortest form that reads back.
pub(super) fn push_number<T: serde::Serialize>(out: &mut Vec<u8>, number: &T) {
    // Writing a number to a vector cannot fail.
    let _ = serde_json::to_writer(out, number);
}

fn push_real(out: &mut Vec<u8>, real: f64) {
    match real {
        v if v.is_nan() => out.extend_from_slice(b"NaN"),
        f64::INFINITY => out.extend_from_slice(b"Infinity"),
        f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
        v => push_number(out, &v),
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    out.extend(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]));
}

/// Bytes of a value, for `<redacted len:N>`. Types of a fixed width always give
/// that width, so that the length tells nothing about the value: a Boolean is
/// 1, an enum value 4, whatever its label.
pub fn redacted_len(value: &ValueRef<'_>) -> u64 {
    let len = match value {
        ValueRef::Null => 0,
        ValueRef::Boolean(_) => 1,
        ValueRef::SmallInt(_) => 2,
        ValueRef::Enum { .. } => 4,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Uuid(_) => 16,
        ValueRef::Bytea(bytes) => bytes.len(),
        ValueRef::Numeric(text)
        | ValueRef::Text(text)
        | ValueRef::Char(text)
        | ValueRef::Date(text)
        | ValueRef::Timestamp(text)
        | ValueRef::TimestampTz(text)
        | ValueRef::Json(text) => text.len(),
    };
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Appends `<redacted len:N>`.
pub fn push_redacted(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    out.extend_from_slice(redacted_text(redacted_len(value)).as_bytes());
}

/// `<redacted len:N>`.
pub fn redacted_text(len: u64) -> String {
    format!("<redacted len:{len}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: ValueRef<'_>) -> String {
        let mut out = Vec::new();
        push_text(&mut out, &value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_type_has_the_text_of_the_contract() {
        assert_eq!(text(ValueRef::Null), "");
        assert_eq!(text(ValueRef::SmallInt(-7)), "-7");
        assert_eq!(text(ValueRef::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(ValueRef::Real(2.0)), "2.0");
        assert_eq!(text(ValueRef::Real(f64::NAN)), "NaN");
        assert_eq!(text(ValueRef::Real(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(text(ValueRef::Boolean(true)), "true");
        assert_eq!(text(ValueRef::Bytea(b"hi\xff")), "\\x6869ff");
        assert_eq!(
            text(ValueRef::Uuid([0xab; 16])),
            "abababab-abab-abab-abab-abababababab"
        );
        let label = ValueRef::Enum {
            type_name: "mood",
            label: "ok",
        };
        assert_eq!(text(label), "ok");
    }

    #[test]
    fn a_redacted_length_does_not_tell_a_value_of_fixed_width() {
        let len = |value| redacted_len(&value);
        assert_eq!(len(ValueRef::Boolean(true)), len(ValueRef::Boolean(false)));
        assert_eq!(len(ValueRef::Integer(1)), len(ValueRef::Integer(i64::MAX)));
        assert_eq!(len(ValueRef::Text("é")), 2);
    }
}
