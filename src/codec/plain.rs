//! Rows as plain bytes: the scheme of the legacy files (format page,
//! "Encoding"), which content hashes and every layout's writer share.
//!
//! A row is its value count, its values, xmin, and one byte 0, or 1 and xmax.
//! Strict: tags in range, booleans 0 or 1, UTF-8, and a UUID of 16 bytes.

use super::{ByteWriter, Cursor, Flaw};
use crate::error::Result as OrError;
use crate::finding::Code;
use crate::model::{PackedRow, RowBatch, RowRef, RowStream, RowVersion, ValueRef};

type Read<T> = Result<T, Flaw>;

/// Fewest bytes of a value: its tag.
pub const MIN_PLAIN_VALUE_LEN: usize = 4;
/// Values beyond the columns of its table that a row may have.
const MOST_EXTRA_VALUES: u64 = 64;
/// Fewest bytes of a row: value count, xmin, xmax option.
pub const MIN_PLAIN_ROW_LEN: usize = 8 + 8 + 1;

/// One value.
///
/// # Errors
/// What is wrong with its bytes.
// Its result is large and of another form than what most callers make of it.
#[inline(always)]
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

/// Checks one row, and says where its values lie from the cursor's start.
///
/// # Errors
/// What is wrong with its bytes; `BadArity` where it has another number of values.
#[inline]
pub fn walk_plain_row(c: &mut Cursor<'_>, arity: usize) -> Read<RowVersion> {
    walk_row(c, arity, 0).map(|(row, _)| row)
}

/// As [`walk_plain_row`], and takes a row of some more values than `arity` too, as
/// servers since 1.5 keep an INSERT of too many (format page, "Server rules", 6);
/// tells whether it is one. Of some more alone, because a damaged count is hardly
/// ever that small.
///
/// # Errors
/// As of [`walk_plain_row`].
#[inline]
pub fn walk_stored_row(c: &mut Cursor<'_>, arity: usize) -> Read<(RowVersion, bool)> {
    walk_row(c, arity, MOST_EXTRA_VALUES)
}

#[inline]
fn walk_row(c: &mut Cursor<'_>, arity: usize, most_extra: u64) -> Read<(RowVersion, bool)> {
    // Nearly every row is whole; what is wrong with another is worked out by
    // reading it again with care.
    let start = c.position();
    if let Some((row, len)) = quick_walk(c.rest(), arity) {
        c.take(len)?;
        let end = start + row.end;
        return Ok((RowVersion { start, end, ..row }, false));
    }
    walk_with_care(c, arity, most_extra)
}

#[cold]
fn walk_with_care(c: &mut Cursor<'_>, arity: usize, most_extra: u64) -> Read<(RowVersion, bool)> {
    let start = c.position();
    let found = c.u64()?;
    let other = || {
        let expected = "as many values as the table has columns";
        Cursor::bad(start, Code::BadArity, found, expected)
    };
    match found.checked_sub(arity as u64) {
        Some(0) => Ok((walk_values(c, start, found)?, false)),
        Some(extra) if extra <= most_extra => match walk_values(c, start, found) {
            Err(Flaw::Bad { .. }) => other(),
            walked => walked.map(|row| (row, true)),
        },
        _ => other(),
    }
}

/// So many values, and the marks behind them.
fn walk_values(c: &mut Cursor<'_>, start: usize, count: u64) -> Read<RowVersion> {
    for _ in 0..count {
        read_plain_value(c)?;
    }
    Ok(RowVersion {
        start,
        end: c.position(),
        xmin: c.u64()?,
        xmax: c.option(Cursor::u64)?,
    })
}

/// The row that stands first, if it is whole, and its length.
#[inline]
fn quick_walk(bytes: &[u8], arity: usize) -> Option<(RowVersion, usize)> {
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
    let end = bytes.len() - rest.len();
    let (xmin, rest) = rest.split_first_chunk::<8>()?;
    let (xmax, rest) = match rest.split_first()? {
        (0, rest) => (None, rest),
        (1, rest) => {
            let (xmax, rest) = rest.split_first_chunk::<8>()?;
            (Some(u64::from_le_bytes(*xmax)), rest)
        }
        _ => return None,
    };
    let row = RowVersion {
        start: 0,
        end,
        xmin: u64::from_le_bytes(*xmin),
        xmax,
    };
    Some((row, bytes.len() - rest.len()))
}

/// The value that stands first in plain bytes that were checked, as its tag and its
/// bytes, and those after it: for who looks into few of them.
#[inline]
pub fn split_value(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (tag, after) = bytes.split_first_chunk::<4>()?;
    let tag = u32::from_le_bytes(*tag);
    let rest = match tag {
        0 => after,
        1 => after.get(2..)?,
        2 | 3 => after.get(8..)?,
        7 => after.get(1..)?,
        14 => split_counted(split_counted(after)?.1)?.1,
        _ => split_counted(after)?.1,
    };
    let value = bytes.get(..bytes.len() - rest.len())?;
    Some((tag, value, rest))
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
    w.raw(row.bytes);
    w.u64(row.xmin);
    w.bool(row.xmax.is_some());
    if let Some(xmax) = row.xmax {
        w.u64(xmax);
    }
}

/// Rows that are made on the way, or that nobody else holds as plain bytes.
#[derive(Debug, Default)]
pub struct RowBuffer {
    bytes: ByteWriter,
    versions: Vec<RowVersion>,
}

impl RowBuffer {
    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.versions.clear();
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Adds a row of these values.
    pub fn push<'v>(
        &mut self,
        values: impl IntoIterator<Item = ValueRef<'v>>,
        xmin: u64,
        xmax: Option<u64>,
    ) {
        let start = self.bytes.len();
        self.bytes.u64(0);
        let mut count = 0;
        for value in values {
            encode_value(&mut self.bytes, &value);
            count += 1;
        }
        self.bytes.put_u64(start, count);
        self.end_row(xmin, xmax);
    }

    /// Adds a row as it stands.
    pub fn push_row(&mut self, row: &RowRef<'_>) {
        self.bytes.raw(row.bytes);
        self.end_row(row.xmin, row.xmax);
    }

    /// Where the value count and the values of the next row are written, which
    /// [`end_row`](Self::end_row) completes.
    #[inline]
    pub fn next_row(&mut self) -> &mut ByteWriter {
        &mut self.bytes
    }

    /// Completes a row of the bytes written since the row before.
    #[inline]
    pub fn end_row(&mut self, xmin: u64, xmax: Option<u64>) {
        self.versions.push(RowVersion {
            start: self.versions.last().map_or(0, |last| last.end),
            end: self.bytes.len(),
            xmin,
            xmax,
        });
    }

    /// Takes back the bytes written since the last complete row.
    pub fn abandon_row(&mut self) {
        let end = self.versions.last().map_or(0, |last| last.end);
        self.bytes.truncate(end);
    }

    /// The rows. Who gets them may leave some out: the buffer is cleared before
    /// others are added.
    pub fn batch(&mut self) -> RowBatch<'_> {
        RowBatch::new(self.bytes.as_slice(), &mut self.versions)
    }
}

/// Bytes of made rows that share a batch, unless the first of them has more.
const MADE_BATCH_LEN: usize = 64 * 1024;

/// The rows of an iterator as a stream.
#[derive(Debug)]
pub struct MadeRows<I> {
    rows: I,
    batch: RowBuffer,
}

impl<I: Iterator<Item = PackedRow>> MadeRows<I> {
    /// These rows, in their order.
    pub fn new(rows: I) -> Self {
        let batch = RowBuffer::default();
        MadeRows { rows, batch }
    }
}

impl<I: Iterator<Item = PackedRow>> RowStream for MadeRows<I> {
    fn next_batch(&mut self) -> OrError<Option<RowBatch<'_>>> {
        self.batch.clear();
        while self.batch.bytes.len() < MADE_BATCH_LEN
            && let Some(row) = self.rows.next()
        {
            self.batch.push_row(&row.as_row());
        }
        Ok((!self.batch.is_empty()).then(|| self.batch.batch()))
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
            let mut rows = RowBuffer::default();
            rows.push(values, 5, xmax);
            let batch = rows.batch();
            let row = batch.rows().next().unwrap();
            encode_row(&mut w, &row);
            let whole = w.as_slice();
            let quick_walk = |bytes: &[u8], arity| {
                let (row, len) = quick_walk(bytes, arity)?;
                Some((row.start, row.end, row.xmin, row.xmax, len))
            };
            let end = row.bytes.len();
            assert_eq!(
                quick_walk(whole, values.len()),
                Some((0, end, 5, xmax, whole.len()))
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
                let read = walk_with_care(&mut careful, values.len(), 0).map(|(row, _)| row);
                let quick = quick_walk(&flipped, values.len());
                let expected = read
                    .ok()
                    .map(|row| (row.start, row.end, row.xmin, row.xmax, careful.position()));
                assert_eq!(quick, expected, "byte {at}");
            }
        }
    }
}
