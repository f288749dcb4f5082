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

/// A decimal as an integer of its last place.
pub(super) fn unscaled(value: &ValueRef<'_>, scale: u8) -> Option<i128> {
    let printed;
    let text = match *value {
        ValueRef::Numeric(text) | ValueRef::Text(text) => text,
        ValueRef::SmallInt(v) => return shifted(v.into(), scale),
        ValueRef::Integer(v) => return shifted(v.into(), scale),
        ValueRef::Real(v) => {
            // Never with an exponent.
            printed = v.to_string();
            &printed
        }
        _ => return None,
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

fn shifted(integer: i128, scale: u8) -> Option<i128> {
    integer.checked_mul(10_i128.checked_pow(scale.into())?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_counted_in_their_last_place() {
        let of = |text, scale| unscaled(&ValueRef::Numeric(text), scale);
        assert_eq!(of("12.5", 2), Some(1250));
        assert_eq!(of("-0.05", 2), Some(-5));
        assert_eq!(of("7.500", 1), Some(75));
        assert_eq!(of("1e5", 1), None);
        assert_eq!(unscaled(&ValueRef::SmallInt(-3), 2), Some(-300));
        assert_eq!(unscaled(&ValueRef::Real(12.25), 3), Some(12_250));
        let longest = "9".repeat(38);
        assert_eq!(of(&longest, 0), longest.parse().ok());
    }
}
