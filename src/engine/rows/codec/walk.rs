//! Checks rows without building them, and says what is wrong with one.

use std::ops::Range;

use super::quick::{Checked, Values, quick_row_key};
use super::{HAS_XMAX, Read, tag};
use crate::codec::{Cursor, unzigzag};
use crate::finding::Code;

/// What a walk over one row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct RowSummary<'a> {
    /// Whether a user sees it.
    pub visible: bool,
    /// The bytes of the value that was asked for.
    pub key: Option<&'a [u8]>,
}

/// Checks one row of `arity` values without building it.
///
/// # Errors
/// The flaw of bytes that are no such row.
#[inline]
pub(in crate::engine) fn walk_row<'a>(c: &mut Cursor<'a>, arity: usize) -> Read<RowSummary<'a>> {
    walk_row_key(c, arity, None)
}

/// As [`walk_row`], and gives the bytes of the value at position `key`, if one
/// is asked for.
///
/// # Errors
/// As [`walk_row`].
#[inline]
pub(in crate::engine) fn walk_row_key<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: Option<usize>,
) -> Read<RowSummary<'a>> {
    let position = key.unwrap_or(usize::MAX);
    let Some((row, value)) = quick_row_key(c.rest(), arity, position, &mut Checked) else {
        return walk_with_care(c, arity, key);
    };
    c.take(row.len)?;
    Ok(RowSummary {
        visible: row.xmax.is_none(),
        key: key.map(|_| value),
    })
}

/// Finds out what is wrong with a row, or that nothing is.
#[cold]
fn walk_with_care<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: Option<usize>,
) -> Read<RowSummary<'a>> {
    let bytes = c.rest();
    let (head, value) = read_row(c, arity, key, &mut Checked)?;
    Ok(RowSummary {
        visible: head.xmax.is_none(),
        key: key.and_then(|_| bytes.get(value)),
    })
}

/// What a row has before its values.
pub(super) struct Head {
    pub xmin: u64,
    pub xmax: Option<u64>,
}

impl Head {
    fn read(c: &mut Cursor<'_>, arity: usize) -> Read<Self> {
        let at = c.position();
        let flags = c.u8()?;
        if flags & !HAS_XMAX != 0 {
            return Cursor::bad(
                at,
                Code::UnsupportedVersion,
                flags.into(),
                "row flags of 0 or 1",
            );
        }
        let xmin = c.varint()?;
        let xmax = match flags {
            HAS_XMAX => Some(c.varint()?),
            _ => None,
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

/// Reads one row with care: its head, and where from its start the value at
/// position `key` is.
///
/// # Errors
/// The flaw of bytes that are no such row. Some of its values were given out
/// then.
pub(super) fn read_row(
    c: &mut Cursor<'_>,
    arity: usize,
    key: Option<usize>,
    values: &mut impl Values,
) -> Read<(Head, Range<usize>)> {
    let start = c.position();
    let head = Head::read(c, arity)?;
    let mut of_key = 0..0;
    for position in 0..arity {
        let before = c.position();
        read_value(c, values)?;
        if key == Some(position) {
            of_key = before - start..c.position() - start;
        }
    }
    Ok((head, of_key))
}

fn read_value(c: &mut Cursor<'_>, values: &mut impl Values) -> Read<()> {
    let at = c.position();
    let tag = c.u8()?;
    match tag {
        tag::NULL => values.null(),
        tag::SMALL_INT => values.small_int(small_int(c)?),
        tag::INTEGER => values.integer(unzigzag(c.varint()?)),
        tag::REAL => values.real(c.f64()?.to_le_bytes()),
        tag::FALSE | tag::TRUE => values.boolean(tag == tag::TRUE),
        tag::UUID => values.uuid(&c.bytes16()?),
        tag::BYTEA => values.text(tag, c.varint_bytes()?),
        tag::NUMERIC
        | tag::TEXT
        | tag::CHAR
        | tag::JSON
        | tag::DATE
        | tag::TIMESTAMP
        | tag::TIMESTAMP_TZ => values.text(tag, c.varint_str()?.as_bytes()),
        tag::ENUM => {
            let name = c.varint_str()?;
            values.label(name.as_bytes(), c.varint_str()?.as_bytes());
        }
        tag::PACKED_DATE => return packed(c, |number| values.date(number)),
        tag::PACKED_TIMESTAMP => return packed(c, |number| values.timestamp(number)),
        tag::PACKED_TIMESTAMP_TZ => return packed(c, |number| values.timestamp_tz(number)),
        tag => {
            let expected = "a value tag of 0 to 18";
            return Cursor::bad(at, Code::UnsupportedVersion, tag.into(), expected);
        }
    }
    Ok(())
}

fn small_int(c: &mut Cursor<'_>) -> Read<i16> {
    let at = c.position();
    let number = c.varint()?;
    i16::try_from(unzigzag(number))
        .or_else(|_| Cursor::bad(at, Code::OutOfRange, number, "an integer of 16 bits"))
}

fn packed(c: &mut Cursor<'_>, unpack: impl FnOnce(u64) -> Option<()>) -> Read<()> {
    let at = c.position();
    let number = c.varint()?;
    let expected = "a date of the years 0 to 9999";
    unpack(number).map_or_else(|| Cursor::bad(at, Code::OutOfRange, number, expected), Ok)
}
