//! A heap page: line pointers at the front, tuples at the back (format page,
//! "Page files").

use super::overflow::RowHead;
use super::page::{
    Bounds, PAGE_HEADER_LEN, PAGE_LEN, PageKind, UPPER_OFFSET, check_zero, narrow, put, seal_page,
};
use crate::engine::address::{Lsn, TableAddress};
use crate::engine::frame::Piece;
use crate::error::Damage;
use crate::finding::Code;

/// Bytes of a line pointer.
pub(super) const SLOT_LEN: usize = 4;
/// Most bytes of a tuple: alone in its page.
pub(super) const MAX_TUPLE_LEN: usize = PAGE_LEN - PAGE_HEADER_LEN - SLOT_LEN;
/// Fewest bytes a tuple takes, so that a reference to another page and slot can
/// replace it at any time.
pub(super) const MIN_TUPLE_ROOM: usize = 4 + 2;

/// Bits of a length in a line pointer; the state stands above them.
const LENGTH_BITS: u32 = 13;
const LENGTH_MASK: u16 = (1 << LENGTH_BITS) - 1;

/// States of line pointers.
mod state {
    pub const UNUSED: u16 = 0;
    pub const ROW: u16 = 1;
    pub const HEAD: u16 = 2;
}

/// What a line pointer leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tuple<'a> {
    /// A whole row.
    Row(Piece<'a>),
    /// The first bytes of a row that goes on in overflow pages.
    Head(RowHead<'a>),
}

/// How far the slots of a page were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotCursor {
    /// The next slot.
    pub slot: u16,
    /// Where the tuple of the slot before starts: the next one ends there or
    /// before.
    floor: usize,
}

impl SlotCursor {
    /// Before the first slot.
    pub(super) const START: SlotCursor = SlotCursor {
        slot: 0,
        floor: PAGE_LEN,
    };
}

/// A heap page whose bounds are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeapPage<'a> {
    page: Piece<'a>,
    slot_count: usize,
    upper: usize,
}

impl<'a> HeapPage<'a> {
    /// Takes in the bounds of a heap page.
    ///
    /// # Errors
    /// `BadPage` when the line pointers do not end at a whole one.
    pub(super) fn new(page: Piece<'a>, bounds: Bounds) -> Result<Self, Damage> {
        let slots_len = bounds.lower - PAGE_HEADER_LEN;
        if !slots_len.is_multiple_of(SLOT_LEN) {
            let found = format!("{slots_len} bytes of line pointers");
            let expected = format!("a multiple of {SLOT_LEN}");
            let at = super::page::LOWER_OFFSET;
            return Err(page.damage(at, Code::BadPage, found, expected));
        }
        Ok(HeapPage {
            page,
            slot_count: slots_len / SLOT_LEN,
            upper: bounds.upper,
        })
    }

    /// The tuple of the next slot in use. Tuples lie in falling order of their
    /// slots, so that no two can share a byte.
    ///
    /// # Errors
    /// `BadPage` or `BadTag`; the cursor stays where it was.
    #[inline]
    pub(super) fn next(&self, cursor: &mut SlotCursor) -> Result<Option<Tuple<'a>>, Damage> {
        while usize::from(cursor.slot) < self.slot_count {
            let (offset, length, state) = self.slot(cursor.slot);
            if state == state::UNUSED {
                if (offset, length) != (0, 0) {
                    let found = format!("an unused slot of {length} bytes at {offset}");
                    return Err(self.bad(cursor.slot, Code::BadPage, found, "zeros"));
                }
                cursor.slot += 1;
                continue;
            }
            if !matches!(state, state::ROW | state::HEAD) {
                let found = format!("slot state {state}");
                return Err(self.bad(cursor.slot, Code::BadTag, found, "0, 1 or 2"));
            }
            let room_end = offset + length.max(MIN_TUPLE_ROOM);
            if offset < self.upper || room_end > cursor.floor {
                let found = format!("slot {} of {length} bytes at {offset}", cursor.slot);
                let expected = format!("one between {} and {}", self.upper, cursor.floor);
                return Err(self.bad(cursor.slot, Code::BadPage, found, expected));
            }
            let end = offset + length;
            check_zero(&self.page, end, cursor.floor)?;
            let tuple = Piece {
                offset: self.page.offset + offset as u64,
                bytes: self.page.bytes.get(offset..end).unwrap_or_default(),
                ..self.page
            };
            let tuple = match state {
                state::ROW => Tuple::Row(tuple),
                _ => Tuple::Head(RowHead::decode(tuple, cursor.slot)?),
            };
            cursor.slot += 1;
            cursor.floor = offset;
            return Ok(Some(tuple));
        }
        if cursor.floor == self.upper {
            return Ok(None);
        }
        let found = format!("upper {}", self.upper);
        let expected = format!("{}, where the last tuple starts", cursor.floor);
        Err(self
            .page
            .damage(UPPER_OFFSET, Code::BadPage, found, expected))
    }

    /// Offset, length and state that a line pointer states.
    #[inline]
    fn slot(&self, slot: u16) -> (usize, usize, u16) {
        let at = PAGE_HEADER_LEN + usize::from(slot) * SLOT_LEN;
        let bytes = self.page.bytes.get(at..).unwrap_or_default();
        let [a, b, c, d] = *bytes.first_chunk::<SLOT_LEN>().unwrap_or(&[0; SLOT_LEN]);
        let second = u16::from_le_bytes([c, d]);
        (
            usize::from(u16::from_le_bytes([a, b])),
            usize::from(second & LENGTH_MASK),
            second >> LENGTH_BITS,
        )
    }

    fn bad(&self, slot: u16, code: Code, found: String, expected: impl Into<String>) -> Damage {
        let at = PAGE_HEADER_LEN + usize::from(slot) * SLOT_LEN;
        self.page.damage(at, code, found, expected)
    }
}

/// A heap page under construction.
#[derive(Debug)]
pub(super) struct HeapBuilder {
    bytes: Vec<u8>,
    lower: usize,
    upper: usize,
}

impl HeapBuilder {
    /// An empty page.
    pub(super) fn new() -> Self {
        HeapBuilder {
            bytes: vec![0; PAGE_LEN],
            lower: PAGE_HEADER_LEN,
            upper: PAGE_LEN,
        }
    }

    /// Whether it has no slot.
    pub(super) fn is_empty(&self) -> bool {
        self.lower == PAGE_HEADER_LEN
    }

    /// Bytes between line pointers and tuples.
    pub(super) fn free_len(&self) -> usize {
        self.upper - self.lower
    }

    /// Whether a tuple of `len` bytes and its line pointer fit.
    pub(super) fn fits(&self, len: usize) -> bool {
        len.max(MIN_TUPLE_ROOM) + SLOT_LEN <= self.free_len()
    }

    /// The slot that the next tuple gets.
    pub(super) fn next_slot(&self) -> u16 {
        narrow((self.lower - PAGE_HEADER_LEN) / SLOT_LEN)
    }

    /// Adds a whole row, which fits.
    pub(super) fn push_row(&mut self, row: &[u8]) {
        self.push(state::ROW, [row, &[]]);
    }

    /// Adds the head of a row and its first bytes, which fit.
    pub(super) fn push_head(&mut self, head: &[u8], inline: &[u8]) {
        self.push(state::HEAD, [head, inline]);
    }

    fn push(&mut self, state: u16, parts: [&[u8]; 2]) {
        let [first, second] = parts;
        let len = first.len() + second.len();
        self.upper -= len.max(MIN_TUPLE_ROOM);
        put(&mut self.bytes, self.upper, first);
        if !second.is_empty() {
            put(&mut self.bytes, self.upper + first.len(), second);
        }
        let [a, b] = narrow(self.upper).to_le_bytes();
        let [c, d] = (narrow(len) | state << LENGTH_BITS).to_le_bytes();
        put(&mut self.bytes, self.lower, &[a, b, c, d]);
        self.lower += SLOT_LEN;
    }

    /// Writes the header and gives the bytes of the page.
    pub(super) fn seal(&mut self, address: &TableAddress, number: u32, lsn: Lsn) -> &[u8] {
        let bounds = Bounds {
            kind: PageKind::Heap,
            lower: self.lower,
            upper: self.upper,
        };
        seal_page(&mut self.bytes, address, (number, lsn), bounds);
        &self.bytes
    }

    /// Makes it an empty page again.
    pub(super) fn clear(&mut self) {
        self.bytes.fill(0);
        (self.lower, self.upper) = (PAGE_HEADER_LEN, PAGE_LEN);
    }
}
