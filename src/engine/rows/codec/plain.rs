//! Plain rows into the row codec and back, without a detour over values.

use super::quick::{Outline, Values, quick_row};
use super::walk::walk_row;
use super::{HAS_XMAX, Read, TextArena, decode_row, tag};
use crate::codec::{Cursor, buffer_rows, split_counted, zigzag};
use crate::engine::rows::packed_time::{pack_date, pack_timestamp, pack_timestamp_tz};
use crate::model::{PlainBuffer, PlainRow, RowBatch};

/// Room for encoded rows; what is free of it gets shorter.
pub(in crate::engine) struct Room<'r> {
    free: &'r mut [u8],
}

impl<'r> Room<'r> {
    /// All of `room` is free.
    pub(in crate::engine) fn new(room: &'r mut [u8]) -> Self {
        Room { free: room }
    }

    /// Bytes that are free.
    pub(in crate::engine) fn len(&self) -> usize {
        self.free.len()
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let (taken, free) = std::mem::take(&mut self.free).split_first_chunk_mut::<N>()?;
        *taken = bytes;
        self.free = free;
        Some(())
    }

    #[inline]
    fn put_all(&mut self, bytes: &[u8]) -> Option<()> {
        let free = std::mem::take(&mut self.free);
        let (taken, free) = free.split_at_mut_checked(bytes.len())?;
        taken.copy_from_slice(bytes);
        self.free = free;
        Some(())
    }

    #[inline]
    fn varint(&mut self, mut number: u64) -> Option<()> {
        while number >= 0x80 {
            let [low, ..] = number.to_le_bytes();
            self.put([low | 0x80])?;
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        self.put([low])
    }

    #[inline]
    fn packed(&mut self, tag: u8, number: u64) -> Option<()> {
        self.put([tag])?;
        self.varint(number)
    }

    #[inline]
    fn encoded_text(&mut self, tag: u8, text: &[u8]) -> Option<()> {
        self.packed(tag, text.len() as u64)?;
        self.put_all(text)
    }

    #[inline]
    fn time(
        &mut self,
        (tag, packed_tag): (u8, u8),
        text: &[u8],
        packed: Option<u64>,
    ) -> Option<()> {
        match packed {
            Some(number) => self.packed(packed_tag, number),
            None => self.encoded_text(tag, text),
        }
    }
}

/// Appends a plain row, as [`encode_row`](super::encode_row) does, and says how
/// many bytes were free before and after the value at position `key`. `None`
/// when the bytes are no plain row, or the room is shorter than the row.
#[inline]
pub(in crate::engine) fn encode_plain(
    room: &mut Room<'_>,
    row: &PlainRow<'_>,
    key: Option<usize>,
) -> Option<(usize, usize)> {
    room.put([if row.xmax.is_some() { HAS_XMAX } else { 0 }])?;
    room.varint(row.xmin)?;
    if let Some(xmax) = row.xmax {
        room.varint(xmax)?;
    }
    let (count, mut rest) = row.values.split_first_chunk::<8>()?;
    let count = u64::from_le_bytes(*count);
    room.varint(count)?;
    let mut key_free = (0, 0);
    for position in 0..usize::try_from(count).ok()? {
        let before = room.len();
        rest = encode_plain_value(room, rest)?;
        if Some(position) == key {
            key_free = (before, room.len());
        }
    }
    rest.is_empty().then_some(key_free)
}

/// Appends the value that stands first; what follows it.
#[inline]
fn encode_plain_value<'p>(room: &mut Room<'_>, bytes: &'p [u8]) -> Option<&'p [u8]> {
    let (legacy, rest) = bytes.split_first_chunk::<4>()?;
    let [low, 0, 0, 0] = *legacy else {
        return None;
    };
    Some(match low {
        tag::NULL => {
            room.put([tag::NULL])?;
            rest
        }
        tag::SMALL_INT => {
            let (number, rest) = rest.split_first_chunk::<2>()?;
            room.packed(low, zigzag(i16::from_le_bytes(*number).into()))?;
            rest
        }
        tag::INTEGER => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            room.packed(low, zigzag(i64::from_le_bytes(*number)))?;
            rest
        }
        tag::REAL => {
            let (real, rest) = rest.split_first_chunk::<8>()?;
            room.put([low])?;
            room.put(*real)?;
            rest
        }
        tag::FALSE => {
            let (truth, rest) = rest.split_first()?;
            room.put([if *truth == 0 { tag::FALSE } else { tag::TRUE }])?;
            rest
        }
        tag::UUID => {
            let (uuid, rest) = split_counted(rest)?;
            room.put([low])?;
            room.put_all(uuid)?;
            rest
        }
        tag::DATE => {
            let (text, rest) = split_counted(rest)?;
            room.time((low, tag::PACKED_DATE), text, pack_date(text))?;
            rest
        }
        tag::TIMESTAMP => {
            let (text, rest) = split_counted(rest)?;
            room.time((low, tag::PACKED_TIMESTAMP), text, pack_timestamp(text))?;
            rest
        }
        tag::TIMESTAMP_TZ => {
            let (text, rest) = split_counted(rest)?;
            room.time(
                (low, tag::PACKED_TIMESTAMP_TZ),
                text,
                pack_timestamp_tz(text),
            )?;
            rest
        }
        tag::NUMERIC | tag::TEXT | tag::CHAR | tag::JSON | tag::BYTEA => {
            let (text, rest) = split_counted(rest)?;
            room.encoded_text(low, text)?;
            rest
        }
        tag::ENUM => {
            let (name, rest) = split_counted(rest)?;
            let (label, rest) = split_counted(rest)?;
            room.encoded_text(low, name)?;
            room.varint(label.len() as u64)?;
            room.put_all(label)?;
            rest
        }
        _ => return None,
    })
}

/// Adds one row of `arity` values to a buffer of plain rows; whether it is
/// visible.
///
/// # Errors
/// When the bytes are no such row; the buffer is as before.
pub(in crate::engine) fn decode_plain(
    c: &mut Cursor<'_>,
    arity: usize,
    buffer: &mut PlainBuffer,
) -> Read<bool> {
    let bytes = c.rest();
    let most = MAX_GROWTH.saturating_mul(arity.saturating_add(1));
    let room = buffer.room(bytes.len().saturating_add(most));
    let room_len = room.len();
    let Some((row, left)) = decode_quickly(bytes, arity, room) else {
        return decode_with_care(c, arity, buffer);
    };
    c.take(row.len)?;
    buffer.filled_row(room_len - left, row.xmax.is_none());
    Ok(row.xmax.is_none())
}

/// Most bytes that a value, or what stands around the values, is longer plain
/// than encoded: a timestamp of one byte after its tag takes 4 + 8 + 20.
const MAX_GROWTH: usize = 32;

#[inline]
fn decode_quickly(bytes: &[u8], arity: usize, room: &mut [u8]) -> Option<(Outline, usize)> {
    let mut plain = Room::new(room);
    plain.put((arity as u64).to_le_bytes())?;
    let row = quick_row(bytes, arity, &mut plain)?;
    plain.put(row.xmin.to_le_bytes())?;
    match row.xmax {
        None => plain.put([0])?,
        Some(xmax) => {
            plain.put([1])?;
            plain.put(xmax.to_le_bytes())?;
        }
    }
    Some((row, plain.len()))
}

impl Room<'_> {
    /// A plain value with its tag as one piece.
    #[inline]
    fn plain<const N: usize, const M: usize>(&mut self, tag: u8, bytes: [u8; N]) -> Option<()> {
        let mut whole = [0; M];
        let (tags, value) = whole.split_at_mut(4);
        tags.copy_from_slice(&u32::from(tag).to_le_bytes());
        value.copy_from_slice(&bytes);
        self.put(whole)
    }
}

/// Appends plain values.
impl Values for Room<'_> {
    #[inline]
    fn null(&mut self) -> Option<()> {
        self.plain::<0, 4>(tag::NULL, [])
    }

    #[inline]
    fn small_int(&mut self, value: i16) -> Option<()> {
        self.plain::<2, 6>(tag::SMALL_INT, value.to_le_bytes())
    }

    #[inline]
    fn integer(&mut self, value: i64) -> Option<()> {
        self.plain::<8, 12>(tag::INTEGER, value.to_le_bytes())
    }

    #[inline]
    fn real(&mut self, bytes: [u8; 8]) -> Option<()> {
        self.plain::<8, 12>(tag::REAL, bytes)
    }

    #[inline]
    fn boolean(&mut self, value: bool) -> Option<()> {
        self.plain::<1, 5>(tag::FALSE, [value.into()])
    }

    #[inline]
    fn text(&mut self, tag: u8, text: &[u8]) -> Option<()> {
        self.plain::<8, 12>(tag, (text.len() as u64).to_le_bytes())?;
        self.put_all(text)
    }

    fn uuid(&mut self, bytes: &[u8; 16]) -> Option<()> {
        Values::text(self, tag::UUID, bytes)
    }

    fn label(&mut self, name: &[u8], label: &[u8]) -> Option<()> {
        Values::text(self, tag::ENUM, name)?;
        self.put((label.len() as u64).to_le_bytes())?;
        self.put_all(label)
    }
}

/// Rows that are out of the ordinary, damaged or not.
fn decode_with_care(c: &mut Cursor<'_>, arity: usize, buffer: &mut PlainBuffer) -> Read<bool> {
    let mut after = c.clone();
    let summary = walk_row(&mut after, arity)?;
    let mut room = vec![0; summary.text_len];
    let mut batch = RowBatch::new();
    let mut again = c.clone();
    decode_row(
        &mut again,
        arity,
        &mut TextArena::new(&mut room),
        &mut batch,
    )?;
    buffer_rows(&batch, buffer);
    *c = after;
    Ok(summary.visible)
}
