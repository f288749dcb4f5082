//! Which value fits which type without a loss.
//!
//! A value fits when PostgreSQL gives back what was stored: the same number,
//! moment, bytes or truth value, and of a text every character.

use crate::model::ValueRef;

use super::decimal::{Decimal, is_canonical, is_canonical_integer};
use super::json::{is_json, is_kept_by_jsonb};
use super::{EnumType, Moment, PgType};

/// Integers up to here are doubles exactly.
const MAX_EXACT: u64 = 1 << 53;
/// Whether a column of a type takes a value and gives it back. NULL fits every type.
pub fn fits(value: &ValueRef<'_>, of: &PgType) -> bool {
    if let ValueRef::Null = value {
        return true;
    }
    match of {
        PgType::SmallInt => fits_integer(value, i16::MIN.into(), i16::MAX.into()),
        PgType::BigInt => fits_integer(value, i64::MIN, i64::MAX),
        PgType::Double => fits_double(value),
        PgType::SqliteReal => match *value {
            ValueRef::Real(v) => !v.is_nan() && (v != 0.0 || v.is_sign_positive()),
            _ => fits_double(value),
        },
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
            ValueRef::Date(text) | ValueRef::Text(text) => {
                Moment::parse(text).is_some_and(|moment| moment.time.is_none())
            }
            _ => false,
        },
        PgType::Timestamp => moment(value).is_some_and(|moment| !moment.utc),
        // The server knows no zone but UTC.
        PgType::TimestampTz => moment(value).is_some(),
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

/// The moment that a value is, whatever its tag.
pub fn moment(value: &ValueRef<'_>) -> Option<Moment> {
    match *value {
        // No server writes one without a time of day: to make it midnight would be to guess.
        ValueRef::Timestamp(text) | ValueRef::TimestampTz(text) => {
            Moment::parse(text).filter(|moment| moment.time.is_some())
        }
        ValueRef::Date(text) | ValueRef::Text(text) => Moment::parse(text),
        _ => None,
    }
}

/// The integer that a value is, whatever its tag.
pub fn integer(value: &ValueRef<'_>) -> Option<i64> {
    match *value {
        ValueRef::SmallInt(v) => Some(v.into()),
        ValueRef::Integer(v) => Some(v),
        // Without a zero below zero. Printed without an exponent.
        ValueRef::Real(v) if v.fract() == 0.0 && v.abs() <= MAX_EXACT as f64 => {
            (v != 0.0 || v.is_sign_positive()).then(|| v.to_string().parse().ok())?
        }
        ValueRef::Numeric(text) => Decimal::parse(text)?.integer(),
        ValueRef::Text(text) if is_canonical_integer::<i64>(text) => text.parse().ok(),
        _ => None,
    }
}

fn fits_integer(value: &ValueRef<'_>, min: i64, max: i64) -> bool {
    integer(value).is_some_and(|integer| (min..=max).contains(&integer))
}

fn fits_double(value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::Real(_) | ValueRef::SmallInt(_) => true,
        ValueRef::Integer(v) => v.unsigned_abs() <= MAX_EXACT,
        _ => with_decimal(value, |decimal| decimal.fits_double()) == Some(true),
    }
}

fn fits_numeric(value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::SmallInt(_) | ValueRef::Integer(_) => true,
        // It knows no zero below zero.
        ValueRef::Real(v) => v != 0.0 || v.is_sign_positive(),
        _ => with_decimal(value, |_| ()).is_some(),
    }
}

fn fits_bounded(value: &ValueRef<'_>, precision: u8, scale: u8) -> bool {
    with_decimal(value, |decimal| decimal.fits(precision, scale)) == Some(true)
}

/// A value of NUMERIC(precision, scale), whatever its tag, as an integer of the last
/// place; `None` where it would be rounded. The precision is at most 38.
pub fn unscaled(value: &ValueRef<'_>, precision: u8, scale: u8) -> Option<i128> {
    with_decimal(value, |decimal| decimal.unscaled(precision, scale))?
}

/// Digits before and after the point of the decimal that a value is.
pub fn decimal_digits(value: &ValueRef<'_>) -> Option<(usize, usize)> {
    with_decimal(value, |decimal| decimal.digits())
}

/// What is asked of the decimal that a value is, whatever its tag; a double is the
/// shortest one that reads back as it.
pub(super) fn with_decimal<T>(
    value: &ValueRef<'_>,
    ask: impl FnOnce(&Decimal<'_>) -> T,
) -> Option<T> {
    let printed;
    let text = match *value {
        ValueRef::Numeric(text) => text,
        ValueRef::Text(text) if is_canonical(text) => text,
        ValueRef::SmallInt(v) => {
            printed = v.to_string();
            &printed
        }
        ValueRef::Integer(v) => {
            printed = v.to_string();
            &printed
        }
        ValueRef::Real(v) if v.is_finite() && (v != 0.0 || v.is_sign_positive()) => {
            printed = v.to_string();
            &printed
        }
        _ => return None,
    };
    Decimal::parse(text).map(|decimal| ask(&decimal))
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
        ValueRef::Enum { label, .. } | ValueRef::Text(label) => of.has(label),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_counted_in_their_last_place() {
        let of = |text, scale| unscaled(&ValueRef::Numeric(text), 38, scale);
        assert_eq!(of("12.5", 2), Some(1250));
        assert_eq!(of("-0.05", 2), Some(-5));
        assert_eq!(of("7.500", 1), Some(75));
        assert_eq!(of("1e5", 1), None);
        assert_eq!(unscaled(&ValueRef::SmallInt(-3), 38, 2), Some(-300));
        assert_eq!(unscaled(&ValueRef::Real(12.25), 38, 3), Some(12_250));
        let longest = "9".repeat(38);
        assert_eq!(of(&longest, 0), longest.parse().ok());
    }

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
        let zoned = ValueRef::Text("2025-01-02 03:04:05.123456+00");
        assert!(fits(&zoned, &PgType::TimestampTz) && !fits(&zoned, &PgType::Timestamp));
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
        assert!(fits(&ValueRef::Numeric("5.0"), &PgType::BigInt));
        assert!(!fits(&ValueRef::Numeric("5.1"), &PgType::BigInt));
        assert!(fits(&ValueRef::Real(5.0), &PgType::BigInt));
        for real in [-0.0, 0.5, 1e300, f64::NAN, f64::INFINITY] {
            assert!(!fits(&ValueRef::Real(real), &PgType::BigInt), "{real}");
        }
        let price = PgType::Numeric(Some((5, 2)));
        assert!(fits(&ValueRef::Real(12.25), &price) && fits(&ValueRef::Text("7.10"), &price));
        assert!(!fits(&ValueRef::Real(0.125), &price) && !fits(&ValueRef::Real(f64::NAN), &price));
        assert!(!fits(&ValueRef::Text("07.10"), &price) && !fits(&ValueRef::Text("-0.0"), &price));
    }

    #[test]
    fn a_char_that_is_not_padded_does_not_fit() {
        let fits_char = |text| fits(&ValueRef::Char(text), &PgType::Char(5));
        assert!(fits_char("ab   ") && fits_char("é\u{301}   ") && fits_char("abcde"));
        assert!(!fits_char("ab") && !fits_char("abcdef") && !fits_char("") && !fits_char("nul\0a"));
    }
}
