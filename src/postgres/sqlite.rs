//! Values as SQLite reads them in a statement, through its command line.

use crate::model::ValueRef;

use super::{PgType, integer};

/// Digits of a decimal that every version of SQLite reads as the nearest double.
const SURE_DIGITS: usize = 15;
/// Exponents of ten, likewise.
const SURE_EXPONENT: i32 = 20;
/// The largest power of two that is an integer of 64 bits.
const MAX_SHIFT: i32 = 62;
/// Bits of a double's fraction, and what its exponent counts from.
const FRACTION_BITS: i32 = 52;
const BIAS: i32 = 1075;

/// Whether a text stands between quotation marks as it is; another becomes digits:
/// the command line drops what it takes for the end of a line.
fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, 0..=8 | 11..=31))
}

/// Bytes of a text in a statement, about.
pub fn sqlite_len(text: &str) -> usize {
    match is_plain(text) {
        true => text.len().saturating_add(text.matches('\'').count()),
        false => text.len().saturating_mul(2),
    }
}

/// Appends a text.
pub fn push_sqlite_text(out: &mut Vec<u8>, text: &str) {
    if !is_plain(text) {
        out.extend_from_slice(b"CAST(");
        push_blob(out, text.as_bytes());
        out.extend_from_slice(b" AS TEXT)");
        return;
    }
    out.push(b'\'');
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\'\'");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\'');
}

/// Appends bytes, `X'6869'`.
fn push_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    out.extend_from_slice(b"X\'");
    for byte in bytes {
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.push(b'\'');
}

/// Appends a value of a column of this type, which it fits.
pub fn push_sqlite(out: &mut Vec<u8>, value: &ValueRef<'_>, of: &PgType) {
    let mut text = Vec::new();
    match (of, value) {
        (_, ValueRef::Null) => return out.extend_from_slice(b"NULL"),
        (PgType::BigInt, _) => {
            let integer = integer(value).unwrap_or_default();
            return out.extend_from_slice(integer.to_string().as_bytes());
        }
        (PgType::SqliteReal, ValueRef::Integer(v)) => {
            return out.extend_from_slice(v.to_string().as_bytes());
        }
        (PgType::SqliteReal, ValueRef::SmallInt(v)) => {
            return out.extend_from_slice(v.to_string().as_bytes());
        }
        (PgType::SqliteReal, ValueRef::Real(v)) => return push_real(out, *v),
        (PgType::SqliteReal, _) => {
            let real = value.as_text().and_then(|text| text.parse().ok());
            return push_real(out, real.unwrap_or_default());
        }
        (PgType::Boolean, ValueRef::Boolean(v)) => return out.push(b'0' + u8::from(*v)),
        (PgType::Bytea, ValueRef::Bytea(bytes)) => return push_blob(out, bytes),
        (PgType::Bytea, _) => {
            let digits = value.as_text().and_then(|text| text.strip_prefix("\\x"));
            let bytes = base16ct::mixed::decode_vec(digits.unwrap_or_default());
            return push_blob(out, &bytes.unwrap_or_default());
        }
        _ => crate::codec::push_text(&mut text, value),
    }
    push_sqlite_text(out, &String::from_utf8_lossy(&text));
}

/// Appends a double: as a decimal where SQLite surely reads it back, else as an
/// integer times or over powers of two, which is exact.
fn push_real(out: &mut Vec<u8>, real: f64) {
    if real.is_infinite() {
        let text: &[u8] = if real > 0.0 { b"9e999" } else { b"-9e999" };
        return out.extend_from_slice(text);
    }
    let shortest = format!("{real:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let exponent: i32 = exponent.parse().unwrap_or(i32::MAX);
    if count <= SURE_DIGITS && exponent.abs() <= SURE_EXPONENT {
        let dot = if real.fract() == 0.0 { ".0" } else { "" };
        return out.extend_from_slice(format!("{real}{dot}").as_bytes());
    }
    let bits = real.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let stored = i32::try_from(bits >> FRACTION_BITS & 0x7ff).unwrap_or_default();
    let (mut integer, mut power) = match stored {
        0 => (fraction, 1 - BIAS),
        _ => (fraction | 1 << FRACTION_BITS, stored - BIAS),
    };
    let zeros = integer.trailing_zeros();
    integer >>= zeros;
    power = power.saturating_add_unsigned(zeros);
    let sign = if real.is_sign_negative() { "-" } else { "" };
    out.extend_from_slice(format!("CAST({sign}{integer} AS REAL)").as_bytes());
    let operator = if power < 0 { '/' } else { '*' };
    let mut rest = power.abs();
    while rest > 0 {
        let step = rest.min(MAX_SHIFT);
        out.extend_from_slice(format!("{operator}{}", 1_u64 << step).as_bytes());
        rest -= step;
    }
}
