//! Whether the text of a value is written as its type is (format page,
//! "Values").

use crate::model::ValueRef;

/// Whether a value that is stored as text has the form of its type. Values of
/// other types always do.
pub fn is_well_formed(value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::Numeric(text) => is_decimal(text),
        ValueRef::Date(text) => is_date(text),
        ValueRef::Timestamp(text) => is_timestamp(text),
        ValueRef::TimestampTz(text) => text.strip_suffix('Z').is_some_and(is_timestamp),
        ValueRef::Json(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        _ => true,
    }
}

/// Whether values of a tag of the plain encoding are stored as text that has a form.
pub fn has_form(tag: u32) -> bool {
    matches!(tag, 4 | 8 | 9 | 10 | 12)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(unsigned),
    }
}

fn is_timestamp(text: &str) -> bool {
    text.split_once('T')
        .is_some_and(|(date, time)| is_date(date) && is_time(time))
}

/// `2025-01-02`; years of more than four digits carry a sign.
fn is_date(text: &str) -> bool {
    let unsigned = match text.as_bytes() {
        [b'-' | b'+', unsigned @ ..] => unsigned,
        unsigned => unsigned,
    };
    let [year @ .., b'-', m0, m1, b'-', d0, d1] = unsigned else {
        return false;
    };
    let year = number(year).filter(|_| (4..=6).contains(&year.len()));
    let (Some(year), Some(month), Some(day)) = (year, number(&[*m0, *m1]), number(&[*d0, *d1]))
    else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `03:04:05`, with a fraction if there is one; second 60 is a leap second.
fn is_time(text: &str) -> bool {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let mut part = || number(parts.next().filter(|part| part.len() == 2)?.as_bytes());
    let (hour, minute, second) = (part(), part(), part());
    parts.next().is_none()
        && hour.is_some_and(|hour| hour < 24)
        && minute.is_some_and(|minute| minute < 60)
        && second.is_some_and(|second| second <= 60)
        && fraction.is_none_or(is_digits)
}

/// The number of some digits, which may be none.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_a_server_writes_are_well_formed() {
        for value in [
            ValueRef::Date("2025-01-02"),
            ValueRef::Date("2024-02-29"),
            ValueRef::Date("+12345-01-02"),
            ValueRef::Timestamp("2025-01-02T03:04:05"),
            ValueRef::Timestamp("2025-01-02T23:59:60.120"),
            ValueRef::TimestampTz("2025-01-02T03:04:05Z"),
            ValueRef::Numeric("-12.50"),
            ValueRef::Numeric("0"),
            ValueRef::Json("{\"a\":[1,null]}"),
            ValueRef::Text("anything"),
        ] {
            assert!(is_well_formed(&value), "{value:?}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        for value in [
            ValueRef::Date("2025-02-29"),
            ValueRef::Date("2025-13-01"),
            ValueRef::Date("2025-1-1"),
            ValueRef::Date("25-01-01"),
            ValueRef::Date("2025-01-01-"),
            ValueRef::Timestamp("2025-01-02 03:04:05"),
            ValueRef::Timestamp("2025-01-02T24:00:00"),
            ValueRef::Timestamp("2025-01-02T03:04"),
            ValueRef::Timestamp("2025-01-02T03:04:05."),
            ValueRef::TimestampTz("2025-01-02T03:04:05"),
            ValueRef::Numeric(""),
            ValueRef::Numeric("1e5"),
            ValueRef::Numeric("."),
            ValueRef::Json("{"),
        ] {
            assert!(!is_well_formed(&value), "{value:?}");
        }
    }
}
