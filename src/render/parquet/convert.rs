//! Values in the numbers of Parquet; `None` for one that its column does not take.

use crate::model::ValueRef;

/// A double; of an integer or a decimal the one that prints back as it.
pub(super) fn double(value: &ValueRef<'_>) -> Option<f64> {
    match *value {
        ValueRef::Real(v) => Some(v),
        ValueRef::SmallInt(v) => Some(v.into()),
        ValueRef::Integer(v) => Some(v as f64),
        ValueRef::Numeric(text) | ValueRef::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The 16 bytes of a UUID.
pub(super) fn uuid(value: &ValueRef<'_>) -> Option<[u8; 16]> {
    match *value {
        ValueRef::Uuid(bytes) => Some(bytes),
        ValueRef::Text(text) => Some(uuid::Uuid::try_parse(text).ok()?.into_bytes()),
        _ => None,
    }
}

/// Appends bytes, also those that are stored as `\x6869`.
pub(super) fn push_bytes(out: &mut Vec<u8>, value: &ValueRef<'_>) -> Option<()> {
    match *value {
        ValueRef::Bytea(bytes) => out.extend_from_slice(bytes),
        ValueRef::Text(text) => {
            let bytes = base16ct::mixed::decode_vec(text.strip_prefix("\\x")?);
            out.extend_from_slice(&bytes.ok()?);
        }
        _ => return None,
    }
    Some(())
}
