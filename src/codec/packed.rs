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
