//! What stands for a value that is not to be seen, and the text form of those that are.

use crate::model::ValueRef;

pub(super) use crate::codec::push_number;
pub use crate::codec::push_text;

/// What stands for a secret.
pub const REDACTED: &str = "<redacted>";

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
        _ => value.as_text().map_or(0, str::len),
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

    #[test]
    fn a_redacted_length_does_not_tell_a_value_of_fixed_width() {
        let len = |value| redacted_len(&value);
        assert_eq!(len(ValueRef::Boolean(true)), len(ValueRef::Boolean(false)));
        assert_eq!(len(ValueRef::Integer(1)), len(ValueRef::Integer(i64::MAX)));
        assert_eq!(len(ValueRef::Text("é")), 2);
    }
}
