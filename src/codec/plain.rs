//! Rows as plain bytes: the scheme of the legacy files (format page,
//! "Encoding"), which content hashes and every layout's writer share.
//!
//! A row is its value count, its values, xmin, and one byte 0, or 1 and xmax.
//! Strict: tags in range, booleans 0 or 1, UTF-8, and a UUID of 16 bytes.

use super::{ByteWriter, Cursor, Flaw};
use crate::error::Result as OrError;
use crate::finding::Code;
use crate::model::{
    PackedRow, PlainBuffer, PlainRow, PlainRows, RowBatch, RowRef, RowStream, ValueRef,
};

type Read<T> = Result<T, Flaw>;

/// Fewest bytes of a value: its tag.
pub const MIN_PLAIN_VALUE_LEN: usize = 4;
/// Fewest bytes of a row: value count, xmin, xmax option.
pub const MIN_PLAIN_ROW_LEN: usize = 8 + 8 + 1;

/// One value.
///
/// # Errors
/// What is wrong with its bytes.
#[inline]
pub fn read_plain_value<'a>(c: &mut Cursor<'a>) -> Read<ValueRef<'a>> {
    let at = c.position();
    Ok(match c.u32()? {
        0 => ValueRef::Null,
        1 => ValueRef::SmallInt(c.i16()?),
        2 => ValueRef::Integer(c.i64()?),
        3 => ValueRef::Real(c.f64()?),
        4 => ValueRef::Numeric(c.str()?),
        5 => ValueRef::Text(c.str()?),
        6 => ValueRef::Char(c.str()?),
        7 => ValueRef::Boolean(c.bool()?),
        8 => ValueRef::Date(c.str()?),
        9 => ValueRef::Timestamp(c.str()?),
        10 => ValueRef::TimestampTz(c.str()?),
        11 => {
            let at = c.position();
            match c.u64()? {
                16 => ValueRef::Uuid(c.bytes16()?),
                len => return Cursor::bad(at, Code::BadLength, len, "a UUID of 16 bytes"),
            }
        }
        12 => ValueRef::Json(c.str()?),
        13 => ValueRef::Bytea(c.bytes()?),
        14 => ValueRef::Enum {
            type_name: c.str()?,
            label: c.str()?,
        },
        tag => return Cursor::bad(at, Code::BadTag, tag.into(), "a value tag of 0 to 14"),
    })
}

/// Checks the value count of a row.
///
/// # Errors
/// `BadArity`.
#[inline]
pub fn read_arity(c: &mut Cursor<'_>, arity: usize) -> Read<()> {
    let at = c.position();
    let found = c.u64()?;
    if found == arity as u64 {
        return Ok(());
    }
    Cursor::bad(
        at,
        Code::BadArity,
        found,
        "as many values as the table has columns",
    )
}

/// Checks one row and says its xmin and whether it is visible.
///
/// # Errors
/// What is wrong with its bytes.
#[inline]
pub fn walk_plain_row(c: &mut Cursor<'_>, arity: usize) -> Read<(u64, bool)> {
    // Nearly every row is whole; what is wrong with another is worked out by
    // reading it again with care.
    if let Some((len, xmin, visible)) = quick_walk(c.rest(), arity) {
        c.take(len)?;
        return Ok((xmin, visible));
    }
    read_arity(c, arity)?;
    for _ in 0..arity {
        read_plain_value(c)?;
    }
    let xmin = c.u64()?;
    let xmax = c.option(Cursor::u64)?;
    Ok((xmin, xmax.is_none()))
}

/// Length, xmin and visibility of the row that stands first, if it is whole.
#[inline]
fn quick_walk(bytes: &[u8], arity: usize) -> Option<(usize, u64, bool)> {
    let (found, mut rest) = bytes.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*found) != arity as u64 {
        return None;
    }
    for _ in 0..arity {
        let (tag, after) = rest.split_first_chunk::<4>()?;
        rest = match u32::from_le_bytes(*tag) {
            0 => after,
            1 => after.get(2..)?,
            2 | 3 => after.get(8..)?,
            4 | 5 | 6 | 8 | 9 | 10 | 12 => skip_text(after)?,
            7 => match after.split_first()? {
                (0 | 1, after) => after,
                _ => return None,
            },
            11 => match after.split_first_chunk::<8>()? {
                (len, after) if u64::from_le_bytes(*len) == 16 => after.get(16..)?,
                _ => return None,
            },
            13 => split_counted(after)?.1,
            14 => skip_text(skip_text(after)?)?,
            _ => return None,
        };
    }
    let (xmin, rest) = rest.split_first_chunk::<8>()?;
    let (visible, rest) = match rest.split_first()? {
        (0, rest) => (true, rest),
        (1, rest) => (false, rest.get(8..)?),
        _ => return None,
    };
    Some((bytes.len() - rest.len(), u64::from_le_bytes(*xmin), visible))
}

/// The bytes that a u64 length announces, and those after them.
#[inline]
pub fn split_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
}

#[inline]
fn skip_text(bytes: &[u8]) -> Option<&[u8]> {
    let (text, rest) = split_counted(bytes)?;
    (is_ascii(text) || std::str::from_utf8(text).is_ok()).then_some(rest)
}

/// Whether every byte is ASCII; quick also for the short texts of rows.
#[inline]
pub fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let (words, _) = bytes.as_chunks::<8>();
    let seen = words.iter().fold(0, |seen, chunk| seen | word(chunk));
    let last = match bytes.last_chunk::<8>() {
        Some(chunk) => word(chunk),
        None => bytes.iter().fold(0, |seen, byte| seen | u64::from(*byte)),
    };
    (seen | last) & HIGH_BITS == 0
}

/// Appends one value.
pub fn encode_value(w: &mut ByteWriter, value: &ValueRef<'_>) {
    let mut text = |tag: u32, text: &str| {
        w.u32(tag);
        w.str(text);
    };
    match *value {
        ValueRef::Numeric(v) => text(4, v),
        ValueRef::Text(v) => text(5, v),
        ValueRef::Char(v) => text(6, v),
        ValueRef::Date(v) => text(8, v),
        ValueRef::Timestamp(v) => text(9, v),
        ValueRef::TimestampTz(v) => text(10, v),
        ValueRef::Json(v) => text(12, v),
        ValueRef::Null => w.u32(0),
        ValueRef::SmallInt(v) => {
            w.u32(1);
            w.i16(v);
        }
        ValueRef::Integer(v) => {
            w.u32(2);
            w.i64(v);
        }
        ValueRef::Real(v) => {
            w.u32(3);
            w.f64(v);
        }
        ValueRef::Boolean(v) => {
            w.u32(7);
            w.bool(v);
        }
        ValueRef::Uuid(v) => {
            w.u32(11);
            w.bytes(&v);
        }
        ValueRef::Bytea(v) => {
            w.u32(13);
            w.bytes(v);
        }
        ValueRef::Enum { type_name, label } => {
            w.u32(14);
            w.str(type_name);
            w.str(label);
        }
    }
}

/// Appends one row.
pub fn encode_row(w: &mut ByteWriter, row: &RowRef<'_>) {
    w.count(row.values.len());
    row.values.iter().for_each(|value| encode_value(w, value));
    encode_versions(w, row.xmin, row.xmax);
}

/// Appends one row whose values are bytes already.
pub fn encode_plain_row(w: &mut ByteWriter, row: &PlainRow<'_>) {
    w.raw(row.values);
    encode_versions(w, row.xmin, row.xmax);
}

fn encode_versions(w: &mut ByteWriter, xmin: u64, xmax: Option<u64>) {
    w.u64(xmin);
    w.bool(xmax.is_some());
    if let Some(xmax) = xmax {
        w.u64(xmax);
    }
}

/// Adds the rows of a batch to a buffer of plain rows.
pub fn buffer_rows(batch: &RowBatch<'_>, buffer: &mut PlainBuffer) {
    let mut w = ByteWriter::new();
    for row in batch.rows() {
        w.clear();
        encode_row(&mut w, &row);
        buffer_row(w.as_slice(), row.is_visible(), buffer);
    }
}

/// Adds packed rows to a buffer of plain rows.
pub fn buffer_packed(rows: &[PackedRow], buffer: &mut PlainBuffer) {
    let mut w = ByteWriter::new();
    for row in rows {
        w.clear();
        encode_plain_row(&mut w, &row.plain());
        buffer_row(w.as_slice(), row.is_visible(), buffer);
    }
}

fn buffer_row(bytes: &[u8], visible: bool, buffer: &mut PlainBuffer) {
    let room = buffer.room(bytes.len()).get_mut(..bytes.len());
    room.unwrap_or_default().copy_from_slice(bytes);
    buffer.filled_row(bytes.len(), visible);
}

/// Reads any stream as plain rows, by the shortest way that the stream has.
pub struct PlainReader<'s> {
    stream: Box<dyn RowStream + 's>,
    buffer: PlainBuffer,
}

impl<'s> PlainReader<'s> {
    /// The rows of a stream.
    pub fn new(stream: Box<dyn RowStream + 's>) -> Self {
        PlainReader {
            stream,
            buffer: PlainBuffer::default(),
        }
    }

    /// The next rows; `None` after the last ones.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn next_rows(&mut self) -> OrError<Option<PlainRows<'_>>> {
        self.buffer.clear();
        if self.stream.offers_plain()? {
            return self.stream.next_plain(&mut self.buffer);
        }
        let Some(batch) = self.stream.next_batch()? else {
            return Ok(None);
        };
        buffer_rows(&batch, &mut self.buffer);
        Ok(Some(self.buffer.rows()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_told_at_every_length_and_place() {
        for len in 0..40 {
            let mut bytes = vec![b'a'; len];
            assert!(is_ascii(&bytes));
            for at in 0..len {
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "{at} of {len}");
                bytes[at] = 0x7f;
            }
        }
    }

    #[test]
    fn the_quick_walk_and_the_careful_one_agree() {
        let values = [
            ValueRef::Null,
            ValueRef::SmallInt(1),
            ValueRef::Real(1.5),
            ValueRef::Text("grün und länger als acht"),
            ValueRef::Boolean(true),
            ValueRef::Uuid([7; 16]),
            ValueRef::Bytea(&[0xff; 9]),
            ValueRef::Enum {
                type_name: "mood",
                label: "ok",
            },
        ];
        for xmax in [None, Some(9)] {
            let mut w = ByteWriter::new();
            let row = RowRef {
                values: &values,
                xmin: 5,
                xmax,
            };
            encode_row(&mut w, &row);
            let whole = w.as_slice();
            assert_eq!(
                quick_walk(whole, values.len()),
                Some((whole.len(), 5, xmax.is_none()))
            );
            for len in 0..whole.len() {
                let cut = whole.get(..len).unwrap();
                assert_eq!(quick_walk(cut, values.len()), None);
                assert!(matches!(
                    walk_plain_row(&mut Cursor::new(cut), values.len()),
                    Err(Flaw::Short { .. })
                ));
            }
            for at in 0..whole.len() {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 0xff;
                let mut careful = Cursor::new(&flipped);
                let read = (|| {
                    read_arity(&mut careful, values.len())?;
                    for _ in 0..values.len() {
                        read_plain_value(&mut careful)?;
                    }
                    Ok::<_, Flaw>((careful.u64()?, careful.option(Cursor::u64)?.is_none()))
                })();
                let quick = quick_walk(&flipped, values.len());
                let expected = read
                    .ok()
                    .map(|(xmin, live)| (careful.position(), xmin, live));
                assert_eq!(quick, expected, "byte {at}");
            }
        }
    }
}
