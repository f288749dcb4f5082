//! Rows as bytes, the same in every layout (format page, "Row codec").
//!
//! Rows travel as plain bytes (format page, "Encoding"): here they are encoded
//! from those, and decoded to them.

use std::ops::Range;

use super::packed_time::{pack_date, pack_timestamp, pack_timestamp_tz};
use crate::codec::{self, ByteWriter, Flaw, split_counted, zigzag};
use crate::model::{RowRef, ValueRef};

mod decode;
mod one_row;
mod quick;
mod walk;

pub(in crate::engine) use decode::{decode_alone, decode_row};
pub(in crate::engine) use one_row::{RowStart, end_row};
pub(in crate::engine) use walk::{RowSummary, walk_row, walk_row_key};

/// Set in the flags of a row that has an xmax.
pub(in crate::engine) const HAS_XMAX: u8 = 1;

/// Most bytes of a row in a layout that states its length.
pub(in crate::engine) const MAX_ROW_LEN: u64 = 1 << 30;

/// Fewest bytes of a row: flags, xmin, value count.
pub(in crate::engine) const MIN_ROW_LEN: u64 = 3;

/// Tags of values. Those up to 14 are the tags of the legacy files.
mod tag {
    pub const NULL: u8 = 0;
    pub const SMALL_INT: u8 = 1;
    pub const INTEGER: u8 = 2;
    pub const REAL: u8 = 3;
    pub const NUMERIC: u8 = 4;
    pub const TEXT: u8 = 5;
    pub const CHAR: u8 = 6;
    pub const FALSE: u8 = 7;
    pub const DATE: u8 = 8;
    pub const TIMESTAMP: u8 = 9;
    pub const TIMESTAMP_TZ: u8 = 10;
    pub const UUID: u8 = 11;
    pub const JSON: u8 = 12;
    pub const BYTEA: u8 = 13;
    pub const ENUM: u8 = 14;
    pub const TRUE: u8 = 15;
    pub const PACKED_DATE: u8 = 16;
    pub const PACKED_TIMESTAMP: u8 = 17;
    pub const PACKED_TIMESTAMP_TZ: u8 = 18;
}

/// The tags of integers.
pub(in crate::engine) const SMALL_INT_TAG: u8 = tag::SMALL_INT;
pub(in crate::engine) const INTEGER_TAG: u8 = tag::INTEGER;

pub(in crate::engine) type Read<T> = Result<T, Flaw>;

/// Appends one row, and says where in the writer the value at position `key`
/// is; nowhere where there is none. `None` when the row's bytes are no plain
/// values: part of it was written then.
#[inline]
pub(in crate::engine) fn encode_row(
    w: &mut ByteWriter,
    row: &RowRef<'_>,
    key: Option<usize>,
) -> Option<Range<usize>> {
    w.u8(if row.xmax.is_some() { HAS_XMAX } else { 0 });
    w.varint(row.xmin);
    if let Some(xmax) = row.xmax {
        w.varint(xmax);
    }
    let (count, mut rest) = row.bytes.split_first_chunk::<8>()?;
    let count = u64::from_le_bytes(*count);
    w.varint(count);
    let mut of_key = 0..0;
    for position in 0..usize::try_from(count).ok()? {
        let start = w.len();
        rest = encode_plain_value(w, rest)?;
        if Some(position) == key {
            of_key = start..w.len();
        }
    }
    rest.is_empty().then_some(of_key)
}

/// Appends one value.
pub(in crate::engine) fn encode_value(w: &mut ByteWriter, value: &ValueRef<'_>) {
    let mut plain = ByteWriter::new();
    codec::encode_value(&mut plain, value);
    // What was encoded just now is whole.
    let _ = encode_plain_value(w, plain.as_slice());
}

/// Appends the value that stands first; what follows it.
#[inline]
fn encode_plain_value<'p>(w: &mut ByteWriter, bytes: &'p [u8]) -> Option<&'p [u8]> {
    let (legacy, rest) = bytes.split_first_chunk::<4>()?;
    let [low, 0, 0, 0] = *legacy else {
        return None;
    };
    Some(match low {
        tag::NULL => {
            w.u8(tag::NULL);
            rest
        }
        tag::SMALL_INT => {
            let (number, rest) = rest.split_first_chunk::<2>()?;
            packed(w, low, zigzag(i16::from_le_bytes(*number).into()));
            rest
        }
        tag::INTEGER => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            packed(w, low, zigzag(i64::from_le_bytes(*number)));
            rest
        }
        tag::REAL => {
            let (real, rest) = rest.split_first_chunk::<8>()?;
            w.u8(low);
            w.raw(real);
            rest
        }
        tag::FALSE => {
            let (truth, rest) = rest.split_first()?;
            w.u8(if *truth == 0 { tag::FALSE } else { tag::TRUE });
            rest
        }
        tag::UUID => {
            let (uuid, rest) = split_counted(rest)?;
            w.u8(low);
            w.raw(uuid);
            rest
        }
        tag::DATE => {
            let (text, rest) = split_counted(rest)?;
            time(w, (low, tag::PACKED_DATE), text, pack_date(text));
            rest
        }
        tag::TIMESTAMP => {
            let (text, rest) = split_counted(rest)?;
            time(w, (low, tag::PACKED_TIMESTAMP), text, pack_timestamp(text));
            rest
        }
        tag::TIMESTAMP_TZ => {
            let (text, rest) = split_counted(rest)?;
            let number = pack_timestamp_tz(text);
            time(w, (low, tag::PACKED_TIMESTAMP_TZ), text, number);
            rest
        }
        tag::NUMERIC | tag::TEXT | tag::CHAR | tag::JSON | tag::BYTEA => {
            let (text, rest) = split_counted(rest)?;
            w.u8(low);
            w.varint_bytes(text);
            rest
        }
        tag::ENUM => {
            let (name, rest) = split_counted(rest)?;
            let (label, rest) = split_counted(rest)?;
            w.u8(low);
            w.varint_bytes(name);
            w.varint_bytes(label);
            rest
        }
        _ => return None,
    })
}

#[inline]
fn packed(w: &mut ByteWriter, tag: u8, number: u64) {
    w.u8(tag);
    w.varint(number);
}

#[inline]
fn time(w: &mut ByteWriter, (tag, packed_tag): (u8, u8), text: &[u8], number: Option<u64>) {
    match number {
        Some(number) => packed(w, packed_tag, number),
        None => {
            w.u8(tag);
            w.varint_bytes(text);
        }
    }
}

#[cfg(test)]
mod tests;
