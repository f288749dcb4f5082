//! Which value fits which type without a loss.
//!
//! A value fits when PostgreSQL gives back what was stored: the same number,
//! moment, bytes or truth value, and of a text every character.

use crate::codec::is_well_formed;
use crate::model::ValueRef;

use super::decimal::{Decimal, is_canonical_integer};
use super::json::{is_json, is_kept_by_jsonb};
use super::{EnumType, PgType};

/// Integers up to here are doubles exactly.
const MAX_EXACT: u64 = 1 << 53;
/// Digits of a second's fraction that a timestamp keeps.
const FRACTION_DIGITS: usize = 6;
/// Bytes of `2025-01-02`.
const DATE_LEN: usize = 10;
/// Bytes of `2025-01-02T03:04:05`.
const TIMESTAMP_LEN: usize = 19;

/// Whether a column of a type takes a value and gives it back. NULL fits every type.
pub fn fits(value: &ValueRef<'_>, of: &PgType) -> bool {
    if let ValueRef::Null = value {
        return true;
    }
    match of {
        PgType::SmallInt => fits_integer(value, i16::MIN.into(), i16::MAX.into()),
        PgType::BigInt => fits_integer(value, i64::MIN, i64::MAX),
        PgType::Double => fits_double(value),
        PgType::Numeric(None) => fits_numeric(value),
        PgType::Numeric(Some((precision, scale))) => fits_bounded(value, *precision, *scale),
        PgType::Text => !value.as_text().is_some_and(|text| text.contains('\0')),
        PgType::Varchar(max) => fits_varchar(value, *max),
        PgType::Char(n) => value.as_text().is_some_and(|text| {
            // A shorter one would come back padded.
            count(text.chars()) == *n && !text.contains('\0')
        }),
        PgType::Boolean => matches!(value, ValueRef::Boolean(_)),
        PgType::Date => match *value {
            ValueRef::Date(text) | ValueRef::Text(text) => is_date(text),
            _ => false,
        },
        PgType::Timestamp => match *value {
            ValueRef::Timestamp(text) => is_timestamp(text),
            ValueRef::Date(text) => is_date(text),
            _ => false,
        },
        // The server knows no zone but UTC.
        PgType::TimestampTz => match *value {
            ValueRef::TimestampTz(text) => text.strip_suffix('Z').is_some_and(is_timestamp),
            ValueRef::Timestamp(text) => is_timestamp(text),
            ValueRef::Date(text) => is_date(text),
            _ => false,
        },
        PgType::Uuid => match *value {
            ValueRef::Uuid(_) => true,
            ValueRef::Text(text) => is_uuid(text),
            _ => false,
        },
        PgType::Json => fits_json(value, is_json),
        PgType::Jsonb => fits_json(value, is_kept_by_jsonb),
        PgType::Bytea => match *value {
            ValueRef::Bytea(_) => true,
            ValueRef::Text(text) => is_hex(text),
            _ => false,
        },
        PgType::Enum(of) => is_label(value, of),
        PgType::TextBytes => true,
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

fn fits_integer(value: &ValueRef<'_>, min: i64, max: i64) -> bool {
    let within = |v: i64| (min..=max).contains(&v);
    match *value {
        ValueRef::SmallInt(v) => within(v.into()),
        ValueRef::Integer(v) => within(v),
        ValueRef::Numeric(text) | ValueRef::Text(text) => {
            is_canonical_integer::<i64>(text) && text.parse().is_ok_and(within)
        }
        _ => false,
    }
}

fn fits_double(value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::Real(_) | ValueRef::SmallInt(_) => true,
        ValueRef::Integer(v) => v.unsigned_abs() <= MAX_EXACT,
        ValueRef::Numeric(text) => {
            Decimal::parse(text).is_some_and(|decimal| decimal.fits_double())
        }
        _ => false,
    }
}

fn fits_numeric(value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::SmallInt(_) | ValueRef::Integer(_) => true,
        // It knows no zero below zero.
        ValueRef::Real(v) => v != 0.0 || v.is_sign_positive(),
        ValueRef::Numeric(text) => Decimal::parse(text).is_some(),
        ValueRef::Text(text) => is_canonical_integer::<i64>(text),
        _ => false,
    }
}

fn fits_bounded(value: &ValueRef<'_>, precision: u8, scale: u8) -> bool {
    let fits = |text: &str| Decimal::parse(text).is_some_and(|d| d.fits(precision, scale));
    match *value {
        ValueRef::SmallInt(v) => fits(&v.to_string()),
        ValueRef::Integer(v) => fits(&v.to_string()),
        ValueRef::Numeric(text) => fits(text),
        ValueRef::Text(text) => is_canonical_integer::<i64>(text) && fits(text),
        _ => false,
    }
}

/// What the longest printed form of a value that is not text needs.
fn fits_varchar(value: &ValueRef<'_>, max: u64) -> bool {
    let chars = match *value {
        ValueRef::SmallInt(v) => count(v.to_string().chars()),
        ValueRef::Integer(v) => count(v.to_string().chars()),
        ValueRef::Boolean(_) => 5,
        ValueRef::Real(_) => 24,
        ValueRef::Uuid(_) => 36,
        ValueRef::Bytea(bytes) => count(bytes.iter()).saturating_mul(2).saturating_add(2),
        ref other => match other.as_text() {
            Some(text) if !text.contains('\0') => count(text.chars()),
            _ => return false,
        },
    };
    chars <= max
}

/// Years 1 to 9999: others PostgreSQL writes in another way.
fn is_date(text: &str) -> bool {
    text.len() == DATE_LEN && !text.starts_with("0000") && is_well_formed(&ValueRef::Date(text))
}

/// As a date; no leap second, which would become the next minute, and no
/// fraction that would be rounded.
fn is_timestamp(text: &str) -> bool {
    let Some((whole, rest)) = text.split_at_checked(TIMESTAMP_LEN) else {
        return false;
    };
    let fraction = rest.strip_prefix('.').unwrap_or(rest);
    text.get(..DATE_LEN).is_some_and(is_date)
        && is_well_formed(&ValueRef::Timestamp(text))
        && !whole.ends_with(":60")
        && fraction.trim_end_matches('0').len() <= FRACTION_DIGITS
}

/// In the form in which it is printed.
fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}

/// `\x6869`, as BYTEA literals stand in the files.
fn is_hex(text: &str) -> bool {
    text.strip_prefix("\\x").is_some_and(|digits| {
        digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Numbers and truth values are JSON as they are printed.
fn fits_json(value: &ValueRef<'_>, is_kept: fn(&str) -> bool) -> bool {
    match *value {
        ValueRef::SmallInt(_) | ValueRef::Integer(_) | ValueRef::Boolean(_) => true,
        ValueRef::Real(v) => v.is_finite() && (v != 0.0 || v.is_sign_positive()),
        ValueRef::Json(text) | ValueRef::Text(text) | ValueRef::Numeric(text) => is_kept(text),
        _ => false,
    }
}

fn is_label(value: &ValueRef<'_>, of: &EnumType) -> bool {
    match *value {
        ValueRef::Enum { label, .. } | ValueRef::Text(label) => {
            of.labels.iter().any(|one| one == label)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_would_come_back_otherwise_do_not_fit() {
        let timestamp = |text| fits(&ValueRef::Timestamp(text), &PgType::Timestamp);
        for text in [
            "2025-01-02T03:04:05",
            "0001-01-01T00:00:00.5",
            "9999-12-31T23:59:59.999999000",
        ] {
            assert!(timestamp(text), "{text}");
        }
        for text in [
            "2016-12-31T23:59:60",
            "2016-12-31T23:59:60.5",
            "2025-01-02T03:04:05.1234567",
            "+12345-01-02T03:04:05",
            "0000-01-01T00:00:00",
            "-044-01-01T00:00:00",
            "2025-02-30T00:00:00",
            "2025-01-02",
            "é025-01-02T03:04:05",
        ] {
            assert!(!timestamp(text), "{text}");
        }
        let date = |text| fits(&ValueRef::Date(text), &PgType::Date);
        assert!(date("2024-02-29") && date("0001-01-01"));
        assert!(!date("2025-02-29") && !date("0000-01-01") && !date("+12345-01-02"));
        assert!(fits(&ValueRef::Date("2025-01-02"), &PgType::TimestampTz));
    }

    #[test]
    fn numbers_fit_where_no_digit_is_lost() {
        let two53 = 1_i64 << 53;
        assert!(fits(&ValueRef::Integer(two53), &PgType::Double));
        assert!(!fits(&ValueRef::Integer(two53 + 1), &PgType::Double));
        assert!(fits(&ValueRef::Integer(32767), &PgType::SmallInt));
        assert!(!fits(&ValueRef::Integer(32768), &PgType::SmallInt));
        assert!(fits(&ValueRef::Real(-0.0), &PgType::Double));
        assert!(!fits(&ValueRef::Real(-0.0), &PgType::Numeric(None)));
        assert!(fits(&ValueRef::Text("5"), &PgType::BigInt));
        assert!(!fits(&ValueRef::Text("05"), &PgType::BigInt));
        assert!(!fits(&ValueRef::Numeric("5.0"), &PgType::BigInt));
    }

    #[test]
    fn a_char_that_is_not_padded_does_not_fit() {
        let fits_char = |text| fits(&ValueRef::Char(text), &PgType::Char(5));
        assert!(fits_char("ab   ") && fits_char("é\u{301}   ") && fits_char("abcde"));
        assert!(!fits_char("ab") && !fits_char("abcdef") && !fits_char("") && !fits_char("nul\0a"));
    }
}
