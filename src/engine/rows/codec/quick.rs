//! The quick way through a row that is whole, as nearly every one is. What is
//! wrong with another is worked out by reading it again with care.

use super::{HAS_XMAX, tag};
use crate::codec::{is_ascii, unzigzag};
use crate::engine::rows::packed_time::{
    TIMESTAMP_LEN, is_date, is_timestamp, unpack_date, unpack_timestamp_tz,
};

/// What is to be done with the values of a row. Tags are those of the legacy
/// files, texts are UTF-8. `None` is said of a number that no text packs to.
pub(super) trait Values {
    /// NULL.
    fn null(&mut self);
    /// A SmallInt.
    fn small_int(&mut self, value: i16);
    /// An Integer.
    fn integer(&mut self, value: i64);
    /// The bytes of a Real.
    fn real(&mut self, bytes: [u8; 8]);
    /// A Boolean.
    fn boolean(&mut self, value: bool);
    /// A text, or the bytes of a Bytea.
    fn text(&mut self, tag: u8, text: &[u8]);
    /// A Date that is stored as a number.
    #[inline]
    fn date(&mut self, number: u64) -> Option<()> {
        self.text(tag::DATE, &unpack_date(number)?);
        Some(())
    }
    /// A Timestamp that is stored as a number.
    #[inline]
    fn timestamp(&mut self, number: u64) -> Option<()> {
        let text = unpack_timestamp_tz(number)?;
        self.text(tag::TIMESTAMP, text.get(..TIMESTAMP_LEN)?);
        Some(())
    }
    /// A TimestampTz that is stored as a number.
    #[inline]
    fn timestamp_tz(&mut self, number: u64) -> Option<()> {
        self.text(tag::TIMESTAMP_TZ, &unpack_timestamp_tz(number)?);
        Some(())
    }
    /// A Uuid.
    fn uuid(&mut self, bytes: &[u8; 16]);
    /// An enum value: name of its type, label.
    fn label(&mut self, name: &[u8], label: &[u8]);
}

/// Values that are checked and nothing else.
pub(super) struct Checked;

impl Values for Checked {
    fn null(&mut self) {}
    fn small_int(&mut self, _: i16) {}
    fn integer(&mut self, _: i64) {}
    fn real(&mut self, _: [u8; 8]) {}
    fn boolean(&mut self, _: bool) {}
    fn text(&mut self, _: u8, _: &[u8]) {}
    fn date(&mut self, number: u64) -> Option<()> {
        is_date(number).then_some(())
    }
    fn timestamp(&mut self, number: u64) -> Option<()> {
        is_timestamp(number).then_some(())
    }
    fn timestamp_tz(&mut self, number: u64) -> Option<()> {
        is_timestamp(number).then_some(())
    }
    fn uuid(&mut self, _: &[u8; 16]) {}
    fn label(&mut self, _: &[u8], _: &[u8]) {}
}

/// What stands around the values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline {
    /// Bytes of the row.
    pub len: usize,
    pub xmin: u64,
    pub xmax: Option<u64>,
}

/// Reads the row of `arity` values that stands first; `None` when anything
/// about it is out of the ordinary. Some of its values were given out then.
#[inline]
pub(super) fn quick_row(bytes: &[u8], arity: usize, values: &mut impl Values) -> Option<Outline> {
    quick_row_key(bytes, arity, usize::MAX, values).map(|(row, _)| row)
}

/// As [`quick_row`], and gives the bytes of the value at position `key`; none
/// when there is no such value.
#[inline]
pub(super) fn quick_row_key<'a>(
    bytes: &'a [u8],
    arity: usize,
    key: usize,
    values: &mut impl Values,
) -> Option<(Outline, &'a [u8])> {
    let (flags, rest) = bytes.split_first()?;
    let (xmin, rest) = varint(rest)?;
    let (xmax, rest) = match *flags {
        0 => (None, rest),
        HAS_XMAX => {
            let (xmax, rest) = varint(rest)?;
            (Some(xmax), rest)
        }
        _ => return None,
    };
    let (count, mut rest) = varint(rest)?;
    if count != arity as u64 {
        return None;
    }
    let mut key_bytes = Default::default();
    for position in 0..arity {
        let after = quick_value(rest, values)?;
        if position == key {
            key_bytes = rest.get(..rest.len() - after.len())?;
        }
        rest = after;
    }
    let len = bytes.len() - rest.len();
    Some((Outline { len, xmin, xmax }, key_bytes))
}

#[inline]
fn quick_value<'a>(bytes: &'a [u8], values: &mut impl Values) -> Option<&'a [u8]> {
    let (tag, rest) = bytes.split_first()?;
    Some(match *tag {
        tag::NULL => {
            values.null();
            rest
        }
        tag::SMALL_INT => {
            let (number, rest) = varint(rest)?;
            values.small_int(i16::try_from(unzigzag(number)).ok()?);
            rest
        }
        tag::INTEGER => {
            let (number, rest) = varint(rest)?;
            values.integer(unzigzag(number));
            rest
        }
        tag::REAL => {
            let (real, rest) = rest.split_first_chunk()?;
            values.real(*real);
            rest
        }
        tag::FALSE | tag::TRUE => {
            values.boolean(*tag == tag::TRUE);
            rest
        }
        tag::UUID => {
            let (uuid, rest) = rest.split_first_chunk()?;
            values.uuid(uuid);
            rest
        }
        tag::BYTEA => {
            let (bytes, rest) = counted(rest)?;
            values.text(*tag, bytes);
            rest
        }
        tag::NUMERIC
        | tag::TEXT
        | tag::CHAR
        | tag::JSON
        | tag::DATE
        | tag::TIMESTAMP
        | tag::TIMESTAMP_TZ => {
            let (text, rest) = text(rest)?;
            values.text(*tag, text);
            rest
        }
        tag::ENUM => {
            let (name, rest) = text(rest)?;
            let (label, rest) = text(rest)?;
            values.label(name, label);
            rest
        }
        tag::PACKED_DATE => {
            let (number, rest) = varint(rest)?;
            values.date(number)?;
            rest
        }
        tag::PACKED_TIMESTAMP => {
            let (number, rest) = varint(rest)?;
            values.timestamp(number)?;
            rest
        }
        tag::PACKED_TIMESTAMP_TZ => {
            let (number, rest) = varint(rest)?;
            values.timestamp_tz(number)?;
            rest
        }
        _ => return None,
    })
}

/// A varint of at most nine bytes.
#[inline]
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut number = u64::from(first & 0x7f);
    if first & 0x80 == 0 {
        return Some((number, rest));
    }
    for shift in (7..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // Not in its shortest form.
            return (*byte != 0).then_some((number, rest));
        }
    }
    None
}

#[inline]
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

#[inline]
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = counted(bytes)?;
    (is_ascii(text) || std::str::from_utf8(text).is_ok()).then_some((text, rest))
}
