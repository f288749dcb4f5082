//! The values of rows, and rows that are kept packed.

use super::{ByteWriter, Cursor, encode_value, read_plain_value, split_value};
use crate::model::{PackedRow, Row, RowRef, Value, ValueRef};

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
    PackedRow::of(&RowRef {
        bytes: w.as_slice(),
        xmin,
        xmax,
    })
}

impl<'a> RowRef<'a> {
    /// The values, in column order.
    #[inline]
    pub fn values(&self) -> ValuesOf<'a> {
        let mut cursor = Cursor::new(self.bytes);
        // The bytes were checked: nothing ends early.
        let left = cursor.u64().map_or(0, |_| self.arity());
        ValuesOf { cursor, left }
    }

    /// The values as their tags and bytes, in column order.
    #[inline]
    pub fn plain_values(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let counted = self.bytes.split_first_chunk::<8>();
        let mut rest = counted.map_or(&[][..], |(_, values)| values);
        std::iter::from_fn(move || {
            let (tag, value, after) = split_value(rest)?;
            rest = after;
            Some((tag, value))
        })
    }

    /// The value at a position.
    pub fn value(&self, at: usize) -> Option<ValueRef<'a>> {
        self.values().nth(at)
    }

    /// Copies the row.
    pub fn to_owned(&self) -> Row {
        Row {
            values: self.values().map(|value| value.to_owned()).collect(),
            xmin: self.xmin,
            xmax: self.xmax,
        }
    }
}

impl PackedRow {
    /// The values, in column order.
    pub fn values(&self) -> ValuesOf<'_> {
        self.as_row().values()
    }

    /// The value at a position.
    pub fn value(&self, at: usize) -> Option<ValueRef<'_>> {
        self.values().nth(at)
    }
}

impl Row {
    /// Packs the row.
    pub fn pack(&self) -> PackedRow {
        pack_row(self.values.iter().map(Value::as_ref), self.xmin, self.xmax)
    }
}

/// A cursor over the values of a row.
#[derive(Debug, Clone)]
pub struct ValuesOf<'r> {
    cursor: Cursor<'r>,
    left: usize,
}

impl<'r> Iterator for ValuesOf<'r> {
    type Item = ValueRef<'r>;

    #[inline]
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
            let row_ref = row.as_row();
            let plain = row_ref.plain_values().map(|(tag, bytes)| {
                assert_eq!(bytes[..4], tag.to_le_bytes());
                read_plain_value(&mut Cursor::new(bytes)).unwrap()
            });
            assert!(plain.eq(expected.iter().copied()));
            assert_eq!(row.values().len(), count);
            assert_eq!(row.value(count), None);
            assert_eq!((row.xmin, row.xmax, row.is_visible()), (7, Some(9), false));
        }
    }
}
