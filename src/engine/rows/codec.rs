//! Rows as bytes, the same in every layout (format page, "Row codec").
//!
//! Decoding borrows. Texts that rows hold in packed form are printed into a
//! [`TextArena`] that the caller keeps beside the bytes, so that a batch
//! borrows them like any other text.

use super::packed_time::{
    self, DATE_LEN, TIMESTAMP_LEN, TIMESTAMP_TZ_LEN, pack_date, pack_timestamp, pack_timestamp_tz,
};
use crate::codec::{ByteWriter, Cursor, Flaw, unzigzag, zigzag};
use crate::finding::Code;
use crate::model::{RowBatch, RowRef, ValueRef};

mod one_row;
mod walk;

pub(in crate::engine) use walk::{RowSummary, walk_row, walk_row_key};

pub(in crate::engine) use one_row::{RowStart, decode_alone, end_row};

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

/// Appends one row. A new table's rows come as plain bytes and are encoded by
/// [`encode_plain`].
pub(in crate::engine) fn encode_row(w: &mut ByteWriter, row: &RowRef<'_>) {
    w.u8(if row.xmax.is_some() { HAS_XMAX } else { 0 });
    w.varint(row.xmin);
    if let Some(xmax) = row.xmax {
        w.varint(xmax);
    }
    w.varint(row.values.len() as u64);
    row.values.iter().for_each(|value| encode_value(w, value));
}

/// Appends one value.
pub(in crate::engine) fn encode_value(w: &mut ByteWriter, value: &ValueRef<'_>) {
    match *value {
        ValueRef::Null => w.u8(tag::NULL),
        ValueRef::SmallInt(v) => packed(w, tag::SMALL_INT, zigzag(v.into())),
        ValueRef::Integer(v) => packed(w, tag::INTEGER, zigzag(v)),
        ValueRef::Real(v) => {
            w.u8(tag::REAL);
            w.f64(v);
        }
        ValueRef::Numeric(v) => text(w, tag::NUMERIC, v),
        ValueRef::Text(v) => text(w, tag::TEXT, v),
        ValueRef::Char(v) => text(w, tag::CHAR, v),
        ValueRef::Boolean(v) => w.u8(if v { tag::TRUE } else { tag::FALSE }),
        ValueRef::Date(v) => match pack_date(v.as_bytes()) {
            Some(number) => packed(w, tag::PACKED_DATE, number),
            None => text(w, tag::DATE, v),
        },
        ValueRef::Timestamp(v) => match pack_timestamp(v.as_bytes()) {
            Some(number) => packed(w, tag::PACKED_TIMESTAMP, number),
            None => text(w, tag::TIMESTAMP, v),
        },
        ValueRef::TimestampTz(v) => match pack_timestamp_tz(v.as_bytes()) {
            Some(number) => packed(w, tag::PACKED_TIMESTAMP_TZ, number),
            None => text(w, tag::TIMESTAMP_TZ, v),
        },
        ValueRef::Uuid(v) => {
            w.u8(tag::UUID);
            w.raw(&v);
        }
        ValueRef::Json(v) => text(w, tag::JSON, v),
        ValueRef::Bytea(v) => {
            w.u8(tag::BYTEA);
            w.varint_bytes(v);
        }
        ValueRef::Enum { type_name, label } => {
            text(w, tag::ENUM, type_name);
            w.varint_bytes(label.as_bytes());
        }
    }
}

fn packed(w: &mut ByteWriter, tag: u8, number: u64) {
    w.u8(tag);
    w.varint(number);
}

fn text(w: &mut ByteWriter, tag: u8, text: &str) {
    w.u8(tag);
    w.varint_bytes(text.as_bytes());
}

/// A value as it is stored: borrowed, or a text that is yet to be printed.
enum Stored<'a> {
    Value(ValueRef<'a>),
    Date([u8; DATE_LEN]),
    /// Printed in UTC; the last byte is not part of it.
    Timestamp([u8; TIMESTAMP_TZ_LEN]),
    TimestampTz([u8; TIMESTAMP_TZ_LEN]),
}

impl<'a> Stored<'a> {
    #[inline]
    fn read(c: &mut Cursor<'a>) -> Read<Self> {
        let at = c.position();
        Ok(Stored::Value(match c.u8()? {
            tag::NULL => ValueRef::Null,
            tag::SMALL_INT => ValueRef::SmallInt(small_int(c)?),
            tag::INTEGER => ValueRef::Integer(unzigzag(c.varint()?)),
            tag::REAL => ValueRef::Real(c.f64()?),
            tag::NUMERIC => ValueRef::Numeric(c.varint_str()?),
            tag::TEXT => ValueRef::Text(c.varint_str()?),
            tag::CHAR => ValueRef::Char(c.varint_str()?),
            tag::FALSE => ValueRef::Boolean(false),
            tag::TRUE => ValueRef::Boolean(true),
            tag::DATE => ValueRef::Date(c.varint_str()?),
            tag::TIMESTAMP => ValueRef::Timestamp(c.varint_str()?),
            tag::TIMESTAMP_TZ => ValueRef::TimestampTz(c.varint_str()?),
            tag::UUID => ValueRef::Uuid(c.bytes16()?),
            tag::JSON => ValueRef::Json(c.varint_str()?),
            tag::BYTEA => ValueRef::Bytea(c.varint_bytes()?),
            tag::ENUM => ValueRef::Enum {
                type_name: c.varint_str()?,
                label: c.varint_str()?,
            },
            tag::PACKED_DATE => return Ok(Stored::Date(unpack(c, packed_time::unpack_date)?)),
            tag::PACKED_TIMESTAMP => {
                return Ok(Stored::Timestamp(unpack(
                    c,
                    packed_time::unpack_timestamp_tz,
                )?));
            }
            tag::PACKED_TIMESTAMP_TZ => {
                return Ok(Stored::TimestampTz(unpack(
                    c,
                    packed_time::unpack_timestamp_tz,
                )?));
            }
            tag => return Cursor::bad(at, Code::BadTag, tag.into(), "a value tag of 0 to 18"),
        }))
    }

    /// Bytes of arena that the value needs.
    fn text_len(&self) -> usize {
        match self {
            Stored::Value(_) => 0,
            Stored::Date(_) => DATE_LEN,
            Stored::Timestamp(_) => TIMESTAMP_LEN,
            Stored::TimestampTz(_) => TIMESTAMP_TZ_LEN,
        }
    }

    /// The value itself; `None` when the arena is full.
    #[inline]
    fn print(self, arena: &mut TextArena<'a>) -> Option<ValueRef<'a>> {
        Some(match self {
            Stored::Value(value) => value,
            Stored::Date(text) => ValueRef::Date(arena.put(&text)?),
            Stored::Timestamp(text) => {
                ValueRef::Timestamp(arena.put(text.first_chunk::<TIMESTAMP_LEN>()?)?)
            }
            Stored::TimestampTz(text) => ValueRef::TimestampTz(arena.put(&text)?),
        })
    }
}

fn small_int(c: &mut Cursor<'_>) -> Read<i16> {
    let at = c.position();
    let number = c.varint()?;
    i16::try_from(unzigzag(number))
        .or_else(|_| Cursor::bad(at, Code::OutOfRange, number, "an integer of 16 bits"))
}

fn unpack<const N: usize>(
    c: &mut Cursor<'_>,
    unpack: impl FnOnce(u64) -> Option<[u8; N]>,
) -> Read<[u8; N]> {
    let at = c.position();
    let number = c.varint()?;
    unpack(number).map_or_else(
        || {
            Cursor::bad(
                at,
                Code::OutOfRange,
                number,
                "a date of the years 0 to 9999",
            )
        },
        Ok,
    )
}

/// Room for texts that rows hold in packed form.
pub(in crate::engine) struct TextArena<'a> {
    free: &'a mut [u8],
}

impl<'a> TextArena<'a> {
    /// All of `room` is free.
    pub(in crate::engine) fn new(room: &'a mut [u8]) -> Self {
        TextArena { free: room }
    }

    fn put<const N: usize>(&mut self, text: &[u8; N]) -> Option<&'a str> {
        let (taken, free) = std::mem::take(&mut self.free).split_first_chunk_mut::<N>()?;
        self.free = free;
        *taken = *text;
        std::str::from_utf8(taken).ok()
    }
}

/// What a row has before its values.
struct Head {
    xmin: u64,
    xmax: Option<u64>,
}

impl Head {
    #[inline]
    fn read(c: &mut Cursor<'_>, arity: usize) -> Read<Self> {
        let at = c.position();
        let flags = c.u8()?;
        if flags & !HAS_XMAX != 0 {
            return Cursor::bad(at, Code::BadTag, flags.into(), "row flags of 0 or 1");
        }
        let xmin = c.varint()?;
        let xmax = if flags == HAS_XMAX {
            Some(c.varint()?)
        } else {
            None
        };
        let at = c.position();
        let found = c.varint()?;
        if found != arity as u64 {
            let expected = "as many values as the table has columns";
            return Cursor::bad(at, Code::BadArity, found, expected);
        }
        Ok(Head { xmin, xmax })
    }
}

/// Whether a row was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Decoded {
    /// It was, and is visible or not.
    Row {
        /// Whether a user sees it.
        visible: bool,
    },
    /// It was not: the arena is full. Batch and cursor are as before.
    NoRoom,
}

/// Adds one row of `arity` values to a batch.
///
/// # Errors
/// When the bytes are no such row; the batch keeps its complete rows.
pub(in crate::engine) fn decode_row<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    arena: &mut TextArena<'a>,
    batch: &mut RowBatch<'a>,
) -> Read<Decoded> {
    let start = c.clone();
    let decoded = decode_values(c, arity, arena, batch);
    match decoded {
        Ok(Decoded::Row { .. }) => {}
        Ok(Decoded::NoRoom) => {
            batch.abandon_row();
            *c = start;
        }
        Err(_) => batch.abandon_row(),
    }
    decoded
}

#[inline]
fn decode_values<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    arena: &mut TextArena<'a>,
    batch: &mut RowBatch<'a>,
) -> Read<Decoded> {
    let head = Head::read(c, arity)?;
    for _ in 0..arity {
        match Stored::read(c)?.print(arena) {
            Some(value) => batch.push_value(value),
            None => return Ok(Decoded::NoRoom),
        }
    }
    batch.end_row(head.xmin, head.xmax);
    Ok(Decoded::Row {
        visible: head.xmax.is_none(),
    })
}

mod plain;
mod quick;

pub(in crate::engine) use plain::{Room, decode_plain, encode_plain};

#[cfg(test)]
mod tests;
