//! Rows decoded: the row codec into plain bytes.

use super::quick::{Values, quick_row};
use super::walk::read_row;
use super::{Read, tag};
use crate::codec::{ByteWriter, Cursor, RowBuffer};
use crate::model::PackedRow;

/// Adds one row of `arity` values to a buffer; whether it is visible.
///
/// # Errors
/// When the bytes are no such row; the buffer is as before.
#[inline]
pub(in crate::engine) fn decode_row(
    c: &mut Cursor<'_>,
    arity: usize,
    rows: &mut RowBuffer,
) -> Read<bool> {
    let w = rows.next_row();
    w.count(arity);
    if let Some(row) = quick_row(c.rest(), arity, &mut Plain(w)) {
        c.take(row.len)?;
        rows.end_row(row.xmin, row.xmax);
        return Ok(row.xmax.is_none());
    }
    rows.abandon_row();
    decode_with_care(c, arity, rows)
}

/// Rows that are out of the ordinary, damaged or not.
#[cold]
fn decode_with_care(c: &mut Cursor<'_>, arity: usize, rows: &mut RowBuffer) -> Read<bool> {
    let w = rows.next_row();
    w.count(arity);
    match read_row(c, arity, None, &mut Plain(w)) {
        Ok((row, _)) => {
            rows.end_row(row.xmin, row.xmax);
            Ok(row.xmax.is_none())
        }
        Err(flaw) => {
            rows.abandon_row();
            Err(flaw)
        }
    }
}

/// One row that has `bytes` for itself; `None` when they are no such row.
pub(in crate::engine) fn decode_alone(bytes: &[u8], arity: usize) -> Option<PackedRow> {
    let mut rows = RowBuffer::default();
    decode_row(&mut Cursor::new(bytes), arity, &mut rows).ok()?;
    rows.batch().rows().next().map(|row| PackedRow::of(&row))
}

/// Appends plain values.
struct Plain<'w>(&'w mut ByteWriter);

impl Plain<'_> {
    /// A value with its tag as one piece.
    #[inline]
    fn put<const N: usize, const M: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        let mut whole = [0; M];
        let (tags, value) = whole.split_at_mut(4);
        tags.copy_from_slice(&u32::from(tag).to_le_bytes());
        value.copy_from_slice(&bytes);
        self.0.raw(&whole);
    }
}

impl Values for Plain<'_> {
    #[inline]
    fn null(&mut self) {
        self.put::<0, 4>(tag::NULL, []);
    }

    #[inline]
    fn small_int(&mut self, value: i16) {
        self.put::<2, 6>(tag::SMALL_INT, value.to_le_bytes());
    }

    #[inline]
    fn integer(&mut self, value: i64) {
        self.put::<8, 12>(tag::INTEGER, value.to_le_bytes());
    }

    #[inline]
    fn real(&mut self, bytes: [u8; 8]) {
        self.put::<8, 12>(tag::REAL, bytes);
    }

    #[inline]
    fn boolean(&mut self, value: bool) {
        self.put::<1, 5>(tag::FALSE, [value.into()]);
    }

    #[inline]
    fn text(&mut self, tag: u8, text: &[u8]) {
        self.put::<8, 12>(tag, (text.len() as u64).to_le_bytes());
        self.0.raw(text);
    }

    fn uuid(&mut self, bytes: &[u8; 16]) {
        self.text(tag::UUID, bytes);
    }

    fn label(&mut self, name: &[u8], label: &[u8]) {
        self.text(tag::ENUM, name);
        self.0.bytes(label);
    }
}
