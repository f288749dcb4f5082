//! A heap page: line pointers at the front, tuples at the back (format page,
//! "Page files").

use crate::engine::pages::address::RowId;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{Bounds, LOWER_OFFSET, PAGE_HEADER_LEN, UPPER_OFFSET, check_zero};
use crate::error::Damage;
use crate::finding::Code;

/// Bytes of a line pointer.
pub(super) const SLOT_LEN: usize = 4;
/// Most bytes of a tuple: alone in its page.
pub(super) const MAX_TUPLE_LEN: usize = PAGE_LEN - PAGE_HEADER_LEN - SLOT_LEN;
/// Fewest bytes a tuple takes, so that a reference to another page and slot can
/// replace it at any time.
pub(super) const MIN_TUPLE_ROOM: usize = MOVED_LEN;
/// Bytes of such a reference.
pub(super) const MOVED_LEN: usize = 4 + 2;

/// Bits of a length in a line pointer; the state stands above them.
const LENGTH_BITS: u32 = 13;
const LENGTH_MASK: u16 = (1 << LENGTH_BITS) - 1;

/// What a line pointer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A whole row.
    Row = 1,
    /// The first bytes of a row that goes on in overflow pages.
    Head = 2,
    /// The place to which the row has moved.
    Moved = 3,
    /// As `Row`, of a row that has moved here.
    MovedRow = 4,
    /// As `Head`, likewise.
    MovedHead = 5,
}

impl State {
    fn of(tag: u16) -> Option<Self> {
        Some(match tag {
            1 => State::Row,
            2 => State::Head,
            3 => State::Moved,
            4 => State::MovedRow,
            5 => State::MovedHead,
            _ => return None,
        })
    }

    /// Of the same row, when it has moved.
    pub(super) fn moved(self) -> Self {
        match self {
            State::Row | State::MovedRow => State::MovedRow,
            State::Head | State::MovedHead => State::MovedHead,
            State::Moved => State::Moved,
        }
    }
}

/// Page and line pointer of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowPlace {
    /// The page.
    pub page: u32,
    /// The line pointer, from 0.
    pub slot: u16,
}

impl RowPlace {
    /// The place that an id names; `None` when there is none.
    pub(super) fn of(id: RowId) -> Option<Self> {
        let [a, b, pages @ .., _, _] = id.0.to_le_bytes();
        let page = u32::from_le_bytes(pages);
        (id.0 >> 48 == 0).then_some(RowPlace {
            page,
            slot: u16::from_le_bytes([a, b]),
        })
    }

    /// The id of the row.
    pub(super) fn id(self) -> RowId {
        RowId(u64::from(self.page) << 16 | u64::from(self.slot))
    }

    /// The place that a tuple of state `Moved` leads to; no place of a page when
    /// it is too short.
    pub(super) fn decode(tuple: &[u8]) -> Self {
        let bytes = tuple.first_chunk().copied();
        let [a, b, c, d, e, f] = bytes.unwrap_or([u8::MAX; MOVED_LEN]);
        RowPlace {
            page: u32::from_le_bytes([a, b, c, d]),
            slot: u16::from_le_bytes([e, f]),
        }
    }

    /// The tuple of state `Moved` that leads here.
    pub(super) fn encode(self) -> [u8; MOVED_LEN] {
        let [a, b, c, d] = self.page.to_le_bytes();
        let [e, f] = self.slot.to_le_bytes();
        [a, b, c, d, e, f]
    }
}

/// A line pointer in use and its tuple.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuple<'a> {
    /// The line pointer.
    pub slot: u16,
    /// What it leads to.
    pub state: State,
    /// The bytes.
    pub piece: Piece<'a>,
}

impl Tuple<'_> {
    /// Where the row is, of a tuple of state `Moved`.
    pub(super) fn target(&self) -> RowPlace {
        RowPlace::decode(self.piece.bytes)
    }
}

/// What a line pointer states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinePointer {
    /// Of the tuple in the page.
    pub offset: usize,
    /// Of the tuple.
    pub len: usize,
    /// The state as a number; 0 when it is not in use.
    pub tag: u16,
}

impl LinePointer {
    /// One in use.
    pub(super) fn new(offset: usize, len: usize, state: State) -> Self {
        let tag = state as u16;
        LinePointer { offset, len, tag }
    }

    /// What it leads to; `None` when it is not in use.
    pub(super) fn state(self) -> Option<State> {
        State::of(self.tag)
    }

    /// Bytes that the tuple takes.
    pub(super) fn room(self) -> usize {
        self.len.max(MIN_TUPLE_ROOM)
    }

    /// The line pointer of a number.
    #[inline]
    pub(super) fn read(page: &[u8], slot: u16) -> Self {
        let bytes = page.get(Self::position(slot)..).unwrap_or_default();
        let [a, b, c, d] = *bytes.first_chunk::<SLOT_LEN>().unwrap_or(&[0; SLOT_LEN]);
        let second = u16::from_le_bytes([c, d]);
        LinePointer {
            offset: u16::from_le_bytes([a, b]).into(),
            len: (second & LENGTH_MASK).into(),
            tag: second >> LENGTH_BITS,
        }
    }

    /// Its bytes.
    pub(super) fn encode(self) -> [u8; SLOT_LEN] {
        use crate::engine::pages::page::narrow;
        let [a, b] = narrow(self.offset).to_le_bytes();
        let [c, d] = (narrow(self.len) | self.tag << LENGTH_BITS).to_le_bytes();
        [a, b, c, d]
    }

    /// Where a line pointer stands in the page.
    pub(super) fn position(slot: u16) -> usize {
        PAGE_HEADER_LEN + usize::from(slot) * SLOT_LEN
    }
}

/// How many line pointers end at `lower`.
pub(super) fn slot_count(lower: usize) -> u16 {
    let count = lower.saturating_sub(PAGE_HEADER_LEN) / SLOT_LEN;
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// How the tuples of a page stand, seen in the order of their line pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each ends where the one before it starts, and the last one starts where
    /// the free bytes end.
    Packed,
    /// None starts before another one ends.
    Falling,
    /// Some stand behind those of earlier line pointers, or on them.
    Other,
}

/// A heap page whose line pointers and free bytes are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeapPage<'a> {
    page: Piece<'a>,
    slot_count: u16,
}

impl<'a> HeapPage<'a> {
    /// Checks that tuples stand apart from one another, and nothing else
    /// between them. In the pages of a new table they stand in falling order of
    /// their line pointers.
    ///
    /// # Errors
    /// `BadPage` or `UnsupportedVersion`.
    pub(super) fn new(page: Piece<'a>, bounds: Bounds) -> Result<Self, Damage> {
        let slots_len = bounds.lower - PAGE_HEADER_LEN;
        if !slots_len.is_multiple_of(SLOT_LEN) {
            let found = format!("{slots_len} bytes of line pointers");
            let expected = format!("a multiple of {SLOT_LEN}");
            return Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected));
        }
        let heap = HeapPage::checked_before(page, bounds);
        match heap.check_slots(bounds.upper)? {
            Order::Packed => {}
            Order::Falling => heap.check_apart(0..heap.slot_count, bounds.upper)?,
            Order::Other => {
                let mut slots: Vec<_> = (0..heap.slot_count).collect();
                slots.sort_by_key(|slot| std::cmp::Reverse(heap.pointer(*slot).offset));
                heap.check_apart(slots.into_iter(), bounds.upper)?;
            }
        }
        Ok(heap)
    }

    /// A page that was checked when it was read.
    pub(super) fn checked_before(page: Piece<'a>, bounds: Bounds) -> Self {
        HeapPage {
            page,
            slot_count: slot_count(bounds.lower),
        }
    }

    /// Checks each line pointer by itself; how the tuples stand.
    fn check_slots(&self, upper: usize) -> Result<Order, Damage> {
        let (mut floor, mut falling, mut packed) = (PAGE_LEN, true, true);
        for slot in 0..self.slot_count {
            let pointer = self.pointer(slot);
            let LinePointer { offset, len, tag } = pointer;
            let Some(state) = pointer.state() else {
                if tag != 0 {
                    let found = format!("slot state {tag}");
                    return Err(self.bad(slot, Code::UnsupportedVersion, found, "0 to 5"));
                }
                if (offset, len) != (0, 0) {
                    let found = format!("an unused slot of {len} bytes at {offset}");
                    return Err(self.bad(slot, Code::BadPage, found, "zeros"));
                }
                continue;
            };
            if offset < upper || offset + pointer.room() > PAGE_LEN {
                let found = format!("slot {slot} of {len} bytes at {offset}");
                let expected = format!("one between {upper} and {PAGE_LEN}");
                return Err(self.bad(slot, Code::BadPage, found, expected));
            }
            if state == State::Moved && len != MOVED_LEN {
                let found = format!("a place of {len} bytes");
                return Err(self.bad(slot, Code::BadPage, found, MOVED_LEN.to_string()));
            }
            falling &= offset + pointer.room() <= floor;
            packed &= offset + len == floor;
            floor = offset;
        }
        Ok(match falling {
            true if packed && floor == upper => Order::Packed,
            true => Order::Falling,
            false => Order::Other,
        })
    }

    /// Checks tuples from the end of the page to `upper`.
    fn check_apart(&self, slots: impl Iterator<Item = u16>, upper: usize) -> Result<(), Damage> {
        let (mut floor, mut before) = (PAGE_LEN, 0);
        for slot in slots {
            let pointer = self.pointer(slot);
            if pointer.state().is_none() {
                continue;
            }
            let LinePointer { offset, len, .. } = pointer;
            if offset + pointer.room() > floor {
                let found = format!("slot {slot} of {len} bytes at {offset}");
                let expected = format!("an end before {floor}, where slot {before} starts");
                return Err(self.bad(slot.max(before), Code::BadPage, found, expected));
            }
            check_zero(&self.page, offset + len, floor)?;
            (floor, before) = (offset, slot);
        }
        if floor == upper {
            return Ok(());
        }
        // A tuple without a line pointer is what stands there, if anything.
        check_zero(&self.page, upper, floor)?;
        let expected = format!("{floor}, where the first tuple starts");
        let found = format!("upper {upper}");
        Err(self
            .page
            .damage(UPPER_OFFSET, Code::BadPage, found, expected))
    }

    /// The tuple of the next slot in use, from `slot` on, which becomes the one
    /// after it.
    #[inline]
    pub(super) fn next(&self, slot: &mut u16) -> Option<Tuple<'a>> {
        while *slot < self.slot_count {
            let tuple = self.tuple(*slot);
            *slot += 1;
            if tuple.is_some() {
                return tuple;
            }
        }
        None
    }

    /// The tuple of a slot; `None` when it is not in use.
    #[inline]
    pub(super) fn tuple(&self, slot: u16) -> Option<Tuple<'a>> {
        if slot >= self.slot_count {
            return None;
        }
        let pointer = self.pointer(slot);
        let LinePointer { offset, len, .. } = pointer;
        Some(Tuple {
            slot,
            state: pointer.state()?,
            piece: Piece {
                offset: self.page.offset + offset as u64,
                bytes: self
                    .page
                    .bytes
                    .get(offset..offset + len)
                    .unwrap_or_default(),
                ..self.page
            },
        })
    }

    #[inline]
    fn pointer(&self, slot: u16) -> LinePointer {
        LinePointer::read(self.page.bytes, slot)
    }

    fn bad(&self, slot: u16, code: Code, found: String, expected: impl Into<String>) -> Damage {
        let at = LinePointer::position(slot);
        self.page.damage(at, code, found, expected)
    }
}
