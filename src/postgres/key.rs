//! When two values are equal to PostgreSQL, whose keys know neither the stored
//! tag nor trailing zeros.

use crate::codec::{push_text, sortable};
use crate::model::ValueRef;

use super::decimal::Decimal;
use super::{PgType, moment};

/// Bytes of the longest value that an index takes for sure: an entry must fit
/// into a third of a page.
pub const MAX_KEY_LEN: usize = 2600;

/// A byte that no text starts with.
const NO_TEXT: u8 = 0xff;

/// Appends bytes that are equal for equal values of a column of this type;
/// false for NULL, which equals nothing.
pub fn push_key(out: &mut Vec<u8>, value: &ValueRef<'_>, of: &PgType) -> bool {
    if let ValueRef::Null = value {
        return false;
    }
    let start = out.len();
    match of {
        PgType::SmallInt | PgType::BigInt | PgType::Numeric(_) => push_number(out, value),
        PgType::Double | PgType::SqliteReal => push_double(out, value),
        PgType::Date | PgType::Timestamp | PgType::TimestampTz => match moment(value) {
            Some(moment) => push_integer(out, moment.micros()),
            None => push_text(out, value),
        },
        PgType::Char(_) => {
            push_text(out, value);
            while out.len() > start && out.ends_with(b" ") {
                out.pop();
            }
        }
        PgType::Bytea => {
            push_text(out, value);
            out.get_mut(start..)
                .unwrap_or_default()
                .make_ascii_lowercase();
        }
        _ => push_text(out, value),
    }
    true
}

fn push_number(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    let printed;
    let text = match *value {
        ValueRef::SmallInt(v) => return push_integer(out, v.into()),
        ValueRef::Integer(v) => return push_integer(out, v),
        ValueRef::Real(v) => {
            // Never with an exponent.
            printed = v.to_string();
            &printed
        }
        ValueRef::Numeric(text) | ValueRef::Text(text) => text,
        _ => "",
    };
    match Decimal::parse(text) {
        Some(decimal) => match decimal.integer() {
            Some(integer) => push_integer(out, integer),
            None => decimal.push_canonical(out),
        },
        None => out.extend_from_slice(text.as_bytes()),
    }
}

/// Keys of integers that rise do so too.
fn push_integer(out: &mut Vec<u8>, integer: i64) {
    out.push(NO_TEXT);
    out.extend_from_slice(&sortable(integer).to_be_bytes());
}

fn push_double(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    let double = match *value {
        ValueRef::Real(v) => v,
        ValueRef::SmallInt(v) => v.into(),
        // What fits a double at all gives back its digits.
        ValueRef::Integer(v) => v.to_string().parse().unwrap_or(f64::NAN),
        ValueRef::Numeric(text) | ValueRef::Text(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    let one = match double.is_nan() {
        true => f64::NAN,
        // Minus zero becomes zero.
        false => double + 0.0,
    };
    out.extend_from_slice(&one.to_bits().to_be_bytes());
}

/// Whether a foreign key from a column of one type to a column of another can
/// be created.
pub fn comparable(from: &PgType, to: &PgType) -> bool {
    use PgType::{
        BigInt, Boolean, Bytea, Char, Date, Double, Enum, Numeric, SmallInt, SqliteReal, Text,
        TextBytes, Timestamp, TimestampTz, Uuid, Varchar,
    };
    match (from, to) {
        (SmallInt | BigInt, SmallInt | BigInt | Numeric(_)) => true,
        (Numeric(_), Numeric(_)) | (Double, Double) | (SqliteReal, SqliteReal) => true,
        (Text | Varchar(_), Text | Varchar(_)) | (Char(_), Char(_)) => true,
        (Enum(a), Enum(b)) => a.name == b.name,
        (Boolean, Boolean)
        | (Date, Date)
        | (Timestamp, Timestamp)
        | (TimestampTz, TimestampTz)
        | (Uuid, Uuid)
        | (Bytea, Bytea)
        | (TextBytes, TextBytes) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_does_not_know_the_tag() {
        let same = |a: ValueRef<'_>, b: ValueRef<'_>, of: PgType| {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            assert!(push_key(&mut x, &a, &of) && push_key(&mut y, &b, &of));
            x == y
        };
        use ValueRef::{Char, Date, Integer, Numeric, Real, SmallInt, Text, Timestamp};
        assert!(same(SmallInt(5), Integer(5), PgType::BigInt));
        assert!(same(SmallInt(5), Numeric("5.00"), PgType::Numeric(None)));
        assert!(same(Real(5.0), Numeric("5"), PgType::Numeric(None)));
        assert!(same(SmallInt(0), Numeric("-0.0"), PgType::Numeric(None)));
        let lowest = Numeric("-9223372036854775808.0");
        assert!(same(Integer(i64::MIN), lowest, PgType::Numeric(None)));
        let more = Numeric("18446744073709551621");
        assert!(!same(Integer(5), more, PgType::Numeric(None)));
        assert!(!same(Integer(5), Numeric("-5"), PgType::Numeric(None)));
        assert!(!same(Integer(5), Numeric("5.5"), PgType::Numeric(None)));
        assert!(!same(
            Real(f64::INFINITY),
            Real(f64::NAN),
            PgType::Numeric(None)
        ));
        assert!(same(Real(0.0), Real(-0.0), PgType::Double));
        assert!(same(Real(0.5), Numeric("0.50"), PgType::Double));
        assert!(same(Text("2025-01-02"), Date("2025-01-02"), PgType::Text));
        let midnight = Timestamp("2025-01-02T00:00:00.000");
        assert!(same(midnight, Date("2025-01-02"), PgType::Timestamp));
        let (a, b) = (
            Timestamp("2025-01-02T03:04:10"),
            Timestamp("2025-01-02T03:04:1"),
        );
        assert!(!same(a, b, PgType::Timestamp));
        let zoned = Text("2025-01-02 00:00:00+00");
        assert!(same(midnight, zoned, PgType::TimestampTz));
        assert!(same(Char("a "), Char("a  "), PgType::Char(3)));
        assert!(!same(Text("a "), Text("a"), PgType::Text));
        assert!(!push_key(&mut Vec::new(), &ValueRef::Null, &PgType::Text));
    }
}
