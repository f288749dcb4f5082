//! Rows that are kept packed, and their values.

use super::{ByteWriter, Cursor, encode_value, read_plain_value};
use crate::model::{PackedRow, PlainRow, ValueRef};

/// Packs a row of these values.
pub fn pack_row<'v, V>(values: V, xmin: u64, xmax: Option<u64>) -> PackedRow
where
    V: IntoIterator<Item = ValueRef<'v>>,
    V::IntoIter: ExactSizeIterator,
{
    let values = values.into_iter();
    let mut w = ByteWriter::new();
    w.count(values.len());
    values.for_each(|value| encode_value(&mut w, &value));
    PackedRow::of_plain(&PlainRow {
        values: w.as_slice(),
        xmin,
        xmax,
    })
}

/// What can be asked of the values of a packed row.
pub trait RowValues {
    /// The values, in column order.
    fn values(&self) -> ValuesOf<'_>;

    /// The value at a position.
    fn value(&self, at: usize) -> Option<ValueRef<'_>> {
        self.values().nth(at)
    }
}

impl RowValues for PackedRow {
    fn values(&self) -> ValuesOf<'_> {
        let mut cursor = Cursor::new(self.plain().values);
        // The bytes were checked: nothing ends early.
        let left = cursor.u64().map_or(0, |_| self.arity());
        ValuesOf { cursor, left }
    }
}

/// The values of a packed row.
#[derive(Debug, Clone)]
pub struct ValuesOf<'r> {
    cursor: Cursor<'r>,
    left: usize,
}

impl<'r> Iterator for ValuesOf<'r> {
    type Item = ValueRef<'r>;

    fn next(&mut self) -> Option<ValueRef<'r>> {
        self.left = self.left.checked_sub(1)?;
        read_plain_value(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ValuesOf<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let values = [
            ValueRef::Null,
            ValueRef::SmallInt(-1),
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(-0.0),
            ValueRef::Numeric("12.50"),
            ValueRef::Text("grün"),
            ValueRef::Char("ab "),
            ValueRef::Boolean(true),
            ValueRef::Date("2025-02-30"),
            ValueRef::Timestamp("2025-01-02T03:04:05"),
            ValueRef::TimestampTz("2025-01-02T03:04:05Z"),
            ValueRef::Uuid([7; 16]),
            ValueRef::Json("{}"),
            ValueRef::Bytea(&[0, 0xff]),
            ValueRef::Enum {
                type_name: "mood",
                label: "ok",
            },
        ];
        for count in 0..=values.len() {
            let expected = values.get(..count).unwrap();
            let row = pack_row(expected.iter().copied(), 7, Some(9));
            assert_eq!(row.arity(), count);
            assert!(row.values().eq(expected.iter().copied()));
            assert_eq!(row.values().len(), count);
            assert_eq!(row.value(count), None);
            assert_eq!((row.xmin, row.xmax, row.is_visible()), (7, Some(9), false));
        }
    }
}
