//! Visible rows in the order of their primary keys.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds};

use super::table_slot::RowName;
use crate::error::Result;
use crate::model::{Row, Value};

/// How a row is read by its name.
type ReadRow<'s> = Box<dyn Fn(RowName) -> Result<Row> + 's>;

/// The visible rows of a range of primary keys, each with its name, rising.
pub struct KeyRange<'s> {
    names: std::vec::IntoIter<RowName>,
    read: ReadRow<'s>,
}

impl fmt::Debug for KeyRange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KeyRange");
        shown.field("names", &self.names).finish_non_exhaustive()
    }
}

impl<'s> KeyRange<'s> {
    pub(super) fn new(names: Vec<RowName>, read: ReadRow<'s>) -> Self {
        KeyRange {
            names: names.into_iter(),
            read,
        }
    }
}

impl Iterator for KeyRange<'_> {
    type Item = Result<(RowName, Row)>;

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.names.next()?;
        Some((self.read)(name).map(|row| (name, row)))
    }
}

impl DoubleEndedIterator for KeyRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let name = self.names.next_back()?;
        Some((self.read)(name).map(|row| (name, row)))
    }
}

/// The names of the rows of a range, in the order of the values at position
/// `key`.
///
/// # Errors
/// Those of the rows.
pub(super) fn key_range(
    rows: impl Iterator<Item = Result<(RowName, Row)>>,
    key: usize,
    range: impl RangeBounds<Value>,
) -> Result<Vec<RowName>> {
    let mut found = Vec::new();
    for row in rows {
        let (name, mut row) = row?;
        if key < row.values.len() {
            let value = row.values.swap_remove(key);
            if within(&value, &range) {
                found.push((value, name));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| order(a, b));
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

fn within(value: &Value, range: &impl RangeBounds<Value>) -> bool {
    let after_start = match range.start_bound() {
        Bound::Unbounded => true,
        Bound::Included(start) => order(value, start).is_ge(),
        Bound::Excluded(start) => order(value, start).is_gt(),
    };
    after_start
        && match range.end_bound() {
            Bound::Unbounded => true,
            Bound::Included(end) => order(value, end).is_le(),
            Bound::Excluded(end) => order(value, end).is_lt(),
        }
}

/// First by tag, as the format page lists them, then by value.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::SmallInt(a), Value::SmallInt(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Numeric(a), Value::Numeric(b)) => decimals(a, b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Bytea(a), Value::Bytea(b)) => a.cmp(b),
        (
            Value::Enum { type_name, label },
            Value::Enum {
                type_name: other_type,
                label: other,
            },
        ) => (type_name, label).cmp(&(other_type, other)),
        _ => tag(a).cmp(&tag(b)).then_with(|| text(a).cmp(text(b))),
    }
}

fn tag(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::SmallInt(_) => 1,
        Value::Integer(_) => 2,
        Value::Real(_) => 3,
        Value::Numeric(_) => 4,
        Value::Text(_) => 5,
        Value::Char(_) => 6,
        Value::Boolean(_) => 7,
        Value::Date(_) => 8,
        Value::Timestamp(_) => 9,
        Value::TimestampTz(_) => 10,
        Value::Uuid(_) => 11,
        Value::Json(_) => 12,
        Value::Bytea(_) => 13,
        Value::Enum { .. } => 14,
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text)
        | Value::Char(text)
        | Value::Date(text)
        | Value::Timestamp(text)
        | Value::TimestampTz(text)
        | Value::Json(text) => text,
        _ => "",
    }
}

/// Decimals by size, equal ones and what is none by their bytes.
fn decimals(a: &str, b: &str) -> Ordering {
    let by_size = match (KeyDecimal::read(a), KeyDecimal::read(b)) {
        (Some(left), Some(right)) => left.order(&right),
        // What is no decimal comes last.
        (left, right) => right.is_some().cmp(&left.is_some()),
    };
    by_size.then_with(|| a.cmp(b))
}

/// A decimal as its digits, without zeros at the ends.
struct KeyDecimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> KeyDecimal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty() || !plain(whole) || !plain(fraction) {
            return None;
        }
        let (whole, fraction) = (
            whole.trim_start_matches('0'),
            fraction.trim_end_matches('0'),
        );
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(KeyDecimal {
            negative: digits.len() < text.len() && !is_zero,
            whole,
            fraction,
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        let size = |decimal: &Self| (decimal.whole.len(), decimal.whole, decimal.fraction);
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (negative, _) => match negative {
                true => Ordering::Less,
                false => Ordering::Greater,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_ordered_by_size() {
        let rising = [
            "-10", "-9.5", "-9.49", "-0.1", "0", "0.05", "0.5", "1", "2.50", "10", "100.1", "NaN",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(decimals(a, b), at.cmp(&other), "{a} and {b}");
            }
        }
        assert_eq!(decimals("-0", "0.00"), "-0".cmp("0.00"));
        assert_ne!(decimals("2.5", "2.50"), Ordering::Equal);
    }

    #[test]
    fn a_range_is_of_one_tag_where_its_bounds_are() {
        let range = Value::Integer(2)..=Value::Integer(4);
        assert!(within(&Value::Integer(3), &range));
        for other in [Value::SmallInt(3), Value::Integer(5), Value::Null] {
            assert!(!within(&other, &range), "{other:?}");
        }
        assert!(within(
            &Value::Text("b".into()),
            &(Value::Text("ab".into())..)
        ));
    }
}
