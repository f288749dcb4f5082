//! Values in the numbers of Parquet. That a value fits its column is known
//! before ([`fits`](crate::postgres::fits)); what does not is `None`.

use crate::model::ValueRef;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: i32 = 719_468;
const DAYS_A_CYCLE: i32 = 146_097;
const YEARS_A_CYCLE: i32 = 400;
const MICROS_A_SECOND: i64 = 1_000_000;
const FRACTION_DIGITS: usize = 6;
/// Bytes of `2025-01-02`.
const DATE_LEN: usize = 10;

/// An integer, also one that is stored as its digits.
pub(super) fn integer(value: &ValueRef<'_>) -> Option<i64> {
    match *value {
        ValueRef::SmallInt(v) => Some(v.into()),
        ValueRef::Integer(v) => Some(v),
        ValueRef::Numeric(text) | ValueRef::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A double; of an integer or a decimal the one that prints back as it.
pub(super) fn double(value: &ValueRef<'_>) -> Option<f64> {
    match *value {
        ValueRef::Real(v) => Some(v),
        ValueRef::SmallInt(v) => Some(v.into()),
        ValueRef::Integer(v) => Some(v as f64),
        ValueRef::Numeric(text) => text.parse().ok(),
        _ => None,
    }
}

/// A decimal as an integer of its last place.
pub(super) fn unscaled(value: &ValueRef<'_>, scale: u8) -> Option<i128> {
    let printed;
    let text = match *value {
        ValueRef::Numeric(text) | ValueRef::Text(text) => text,
        ref other => {
            printed = integer(other)?.to_string();
            &printed
        }
    };
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0'));
    let digits = whole.bytes().chain(fraction.take(scale.into()));
    let mut number = 0_i128;
    for digit in digits {
        let digit = char::from(digit).to_digit(10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number * sign)
}

/// Days since 1970-01-01 of `2025-01-02`, by the calendar in cycles of 400
/// years that begin in March.
pub(super) fn days(text: &str) -> Option<i32> {
    let mut parts = text.split('-').map(str::parse::<i32>);
    let mut part = || parts.next()?.ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let year = year - i32::from(month <= 2);
    let (cycle, of_cycle) = (
        year.div_euclid(YEARS_A_CYCLE),
        year.rem_euclid(YEARS_A_CYCLE),
    );
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let day = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
    Some(cycle * DAYS_A_CYCLE + day - EPOCH_DAY)
}

/// Microseconds since 1970-01-01 of `2025-01-02T03:04:05.6`; of a date, of its
/// midnight.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(DATE_LEN)?;
    let seconds = i64::from(days(date)?) * 86_400;
    let time = time.trim_start_matches('T').trim_end_matches('Z');
    if time.is_empty() {
        return seconds.checked_mul(MICROS_A_SECOND);
    }
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = whole.split(':').map(str::parse::<i64>);
    let mut part = || parts.next()?.ok();
    let (hour, minute, second) = (part()?, part()?, part()?);
    let seconds = seconds + hour * 3600 + minute * 60 + second;
    let zeros = std::iter::repeat('0');
    let fraction: String = fraction
        .chars()
        .chain(zeros)
        .take(FRACTION_DIGITS)
        .collect();
    seconds
        .checked_mul(MICROS_A_SECOND)?
        .checked_add(fraction.parse().ok()?)
}

/// The 16 bytes of a UUID.
pub(super) fn uuid(value: &ValueRef<'_>) -> Option<[u8; 16]> {
    match *value {
        ValueRef::Uuid(bytes) => Some(bytes),
        ValueRef::Text(text) => Some(uuid::Uuid::try_parse(text).ok()?.into_bytes()),
        _ => None,
    }
}

/// Bytes, also those that are stored as `\x6869`.
pub(super) fn bytes(value: &ValueRef<'_>) -> Option<Vec<u8>> {
    match *value {
        ValueRef::Bytea(bytes) => Some(bytes.to_vec()),
        ValueRef::Text(text) => base16ct::mixed::decode_vec(text.strip_prefix("\\x")?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_by_any_calendar() {
        // As `date -u -d DATE +%s` says, in days.
        for (text, count) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2025-01-02", 20_090),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(days(text), Some(count), "{text}");
        }
    }

    #[test]
    fn moments_keep_their_fraction() {
        assert_eq!(micros("1970-01-01T00:00:01.5Z"), Some(1_500_000));
        assert_eq!(micros("1969-12-31T23:59:59.999999"), Some(-1));
        assert_eq!(
            micros("2025-01-02"),
            Some(20_090 * 86_400 * MICROS_A_SECOND)
        );
    }

    #[test]
    fn decimals_are_counted_in_their_last_place() {
        let of = |text, scale| unscaled(&ValueRef::Numeric(text), scale);
        assert_eq!(of("12.5", 2), Some(1250));
        assert_eq!(of("-0.05", 2), Some(-5));
        assert_eq!(of("7.500", 1), Some(75));
        assert_eq!(of("1e5", 1), None);
        assert_eq!(unscaled(&ValueRef::SmallInt(-3), 2), Some(-300));
        let longest = "9".repeat(38);
        assert_eq!(of(&longest, 0), longest.parse().ok());
    }
}
