//! One value as text: the form that JSON strings, CSV fields, SQL and tables share.

use crate::model::ValueRef;

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
pub fn push_number<T: serde::Serialize>(out: &mut Vec<u8>, number: &T) {
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

/// Appends bytes as `\x6869`.
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    out.reserve(bytes.len().saturating_mul(2));
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    for byte in bytes {
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
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
}
