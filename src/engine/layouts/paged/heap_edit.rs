//! Changing a heap page in memory, and building a new one.

use super::heap::{LinePointer, MIN_TUPLE_ROOM, RowPlace, SLOT_LEN, State, slot_count};
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::page::{
    Bounds, PAGE_HEADER_LEN, PageKind, PagePos, bounds_of, put, reseal, set_bounds,
};

/// Whether a heap page of these bounds has room for a tuple of `len` bytes and
/// its line pointer.
pub(super) fn fits(bounds: &Bounds, len: usize) -> bool {
    let free_len = bounds.upper.saturating_sub(bounds.lower);
    len.max(MIN_TUPLE_ROOM) + SLOT_LEN <= free_len
}

/// A heap page that is being changed: bounds and line pointers are right after
/// every change, the checksum is not.
#[derive(Debug)]
pub(super) struct HeapEdit<'a> {
    page: &'a mut PageBytes,
    lower: usize,
    upper: usize,
}

impl<'a> HeapEdit<'a> {
    /// A heap page that was checked.
    pub(super) fn new(page: &'a mut PageBytes) -> Self {
        let Bounds { lower, upper, .. } = bounds_of(page);
        HeapEdit { page, lower, upper }
    }

    /// Makes any page an empty one.
    pub(super) fn start(page: &'a mut PageBytes) -> Self {
        page.fill(0);
        let mut edit = HeapEdit {
            page,
            lower: PAGE_HEADER_LEN,
            upper: PAGE_LEN,
        };
        edit.note_bounds();
        edit
    }

    fn note_bounds(&mut self) {
        let bounds = Bounds {
            kind: PageKind::Heap,
            lower: self.lower,
            upper: self.upper,
        };
        set_bounds(self.page, bounds);
    }

    fn free_len(&self) -> usize {
        self.upper.saturating_sub(self.lower)
    }

    /// The slot that the next tuple gets.
    pub(super) fn next_slot(&self) -> u16 {
        slot_count(self.lower)
    }

    /// Adds a tuple, which fits.
    pub(super) fn push(&mut self, state: State, parts: [&[u8]; 2]) {
        let slot = self.next_slot();
        self.lower += SLOT_LEN;
        self.place(slot, state, parts);
    }

    /// Puts a tuple before all others.
    fn place(&mut self, slot: u16, state: State, parts: [&[u8]; 2]) {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        self.upper = self.upper.saturating_sub(len.max(MIN_TUPLE_ROOM));
        self.write(slot, LinePointer::new(self.upper, len, state), parts);
        self.note_bounds();
    }

    fn write(&mut self, slot: u16, pointer: LinePointer, [first, second]: [&[u8]; 2]) {
        put(self.page, pointer.offset, first);
        put(self.page, pointer.offset + first.len(), second);
        put(self.page, LinePointer::position(slot), &pointer.encode());
    }

    /// Replaces the tuple of a slot: in its place if it fits there, else before
    /// all others, else after all tuples were moved together. False, and
    /// nothing is changed, when the page has no room for it.
    pub(super) fn replace(&mut self, slot: u16, state: State, parts: [&[u8]; 2]) -> bool {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let old = LinePointer::read(&*self.page, slot);
        if len <= old.room() {
            self.clear(old);
            self.write(slot, LinePointer::new(old.offset, len, state), parts);
            return true;
        }
        if len <= self.free_len() {
            self.clear(old);
            self.place(slot, state, parts);
            return true;
        }
        self.repack(slot, len, state, parts)
    }

    fn clear(&mut self, old: LinePointer) {
        let room = old.offset..old.offset + old.room();
        self.page.get_mut(room).unwrap_or_default().fill(0);
    }

    /// Moves all tuples to the end, in falling order of their slots.
    fn repack(&mut self, replaced: u16, len: usize, state: State, parts: [&[u8]; 2]) -> bool {
        let before = *self.page;
        let pointers = (0..self.next_slot()).filter_map(|slot| {
            let pointer = LinePointer::read(&before, slot);
            Some((slot, pointer, pointer.state()?))
        });
        let pointers: Vec<_> = pointers.collect();
        let room = |(slot, pointer, _): &(u16, LinePointer, State)| match *slot == replaced {
            true => len.max(MIN_TUPLE_ROOM),
            false => pointer.room(),
        };
        if self.lower + pointers.iter().map(room).sum::<usize>() > PAGE_LEN {
            return false;
        }
        self.page.get_mut(self.lower..).unwrap_or_default().fill(0);
        self.upper = PAGE_LEN;
        for (slot, pointer, old_state) in pointers {
            if slot == replaced {
                self.place(slot, state, parts);
            } else {
                let bytes = before.get(pointer.offset..pointer.offset + pointer.len);
                self.place(slot, old_state, [bytes.unwrap_or_default(), &[]]);
            }
        }
        true
    }

    /// Makes a slot lead to where its row has moved.
    pub(super) fn leave(&mut self, slot: u16, target: RowPlace) {
        self.replace(slot, State::Moved, [&target.encode(), &[]]);
    }
}

/// A heap page of a new table under construction.
#[derive(Debug)]
pub(super) struct HeapBuilder {
    page: Box<PageBytes>,
}

impl HeapBuilder {
    /// An empty page.
    pub(super) fn new() -> Self {
        let mut page = Box::new([0; PAGE_LEN]);
        HeapEdit::start(&mut page);
        HeapBuilder { page }
    }

    /// Whether it has no slot.
    pub(super) fn is_empty(&self) -> bool {
        self.next_slot() == 0
    }

    /// Bytes between line pointers and tuples.
    pub(super) fn free_len(&self) -> usize {
        let bounds = bounds_of(&*self.page);
        bounds.upper.saturating_sub(bounds.lower)
    }

    /// Whether a tuple of `len` bytes and its line pointer fit.
    pub(super) fn fits(&self, len: usize) -> bool {
        fits(&bounds_of(&*self.page), len)
    }

    /// The slot that the next tuple gets.
    pub(super) fn next_slot(&self) -> u16 {
        slot_count(bounds_of(&*self.page).lower)
    }

    /// Adds a whole row, which fits.
    pub(super) fn push_row(&mut self, row: &[u8]) {
        HeapEdit::new(&mut self.page).push(State::Row, [row, &[]]);
    }

    /// Adds the head of a row and its first bytes, which fit.
    pub(super) fn push_head(&mut self, head: &[u8], inline: &[u8]) {
        HeapEdit::new(&mut self.page).push(State::Head, [head, inline]);
    }

    /// Writes the header and gives the bytes of the page.
    pub(super) fn seal(&mut self, address: &TableAddress, number: u32, lsn: Lsn) -> &[u8] {
        reseal(&mut *self.page, address, PagePos { number, lsn });
        &*self.page
    }

    /// Makes it an empty page again.
    pub(super) fn clear(&mut self) {
        HeapEdit::start(&mut self.page);
    }
}
