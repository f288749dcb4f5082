//! The leaves and inner pages of a tree (format page, "Index"): records of one width, in order.

use super::entry::{ENTRY_LEN, Entry};
use super::packing::{LEAF_START, Packing};
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{
    Bounds, LOWER_OFFSET, PAGE_HEADER_LEN, PageHeader, PageKind, PageSet, bounds_of, put,
    set_bounds,
};
use crate::error::Damage;
use crate::finding::Code;

/// Bytes of a record of an inner page: the least entry below a child, the
/// number of its page.
const CHILD_LEN: usize = ENTRY_LEN + 4;
/// Children of a full inner page.
pub(super) const INNER_CHILDREN: usize = (PAGE_LEN - PAGE_HEADER_LEN) / CHILD_LEN;

/// How the records of a page are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Leaf(Packing),
    Inner,
}

impl Form {
    fn of_page(page: &PageBytes) -> Self {
        match bounds_of(page).kind {
            PageKind::IndexLeaf => Form::Leaf(Packing::of_page(page)),
            _ => Form::Inner,
        }
    }

    fn kind(&self) -> PageKind {
        match self {
            Form::Leaf(_) => PageKind::IndexLeaf,
            Form::Inner => PageKind::IndexInner,
        }
    }

    /// Where the records start.
    fn start(&self) -> usize {
        match self {
            Form::Leaf(_) => LEAF_START,
            Form::Inner => PAGE_HEADER_LEN,
        }
    }

    /// Bytes of a record.
    fn width(&self) -> usize {
        match self {
            Form::Leaf(packing) => packing.width(),
            Form::Inner => CHILD_LEN,
        }
    }
}

/// A leaf or inner page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    records: &'a [u8],
    form: Form,
}

impl<'a> Node<'a> {
    /// The records of a page that was checked when it was read.
    pub(super) fn new(page: &'a PageBytes) -> Self {
        let form = Form::of_page(page);
        let records = form.start()..bounds_of(page).lower;
        Node {
            records: page.get(records).unwrap_or_default(),
            form,
        }
    }

    /// Checks a page that was read.
    ///
    /// # Errors
    /// What is wrong with it; its records may be in any order.
    pub(super) fn check(
        page: &Piece<'_>,
        address: &TableAddress,
        number: u32,
    ) -> Result<(), Damage> {
        let header = PageHeader::open_in(PageSet::Index, page, address, number)?;
        let bounds = header.bounds(page)?;
        let whole = match bounds.kind {
            _ if bounds.upper != PAGE_LEN => false,
            PageKind::IndexLeaf => {
                let width = Packing::check(page)?.width();
                let len = bounds.lower.checked_sub(LEAF_START);
                len.is_some_and(|len| len.is_multiple_of(width))
            }
            PageKind::IndexInner => {
                let len = bounds.lower - PAGE_HEADER_LEN;
                len > 0 && len.is_multiple_of(CHILD_LEN)
            }
            _ => false,
        };
        if whole {
            return Ok(());
        }
        let found = format!("{:?} up to byte {}", bounds.kind, bounds.lower);
        let expected = "a leaf or inner page with whole records";
        Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected))
    }

    /// Whether it has entries and no children.
    pub(super) fn is_leaf(&self) -> bool {
        matches!(self.form, Form::Leaf(_))
    }

    /// How many records there are.
    pub(super) fn count(&self) -> usize {
        self.records.len() / self.form.width()
    }

    /// Whether a record with this entry fits.
    pub(super) fn has_room(&self, entry: Entry) -> bool {
        let count = self.count();
        match self.form {
            Form::Leaf(_) if count == 0 => true,
            Form::Leaf(packing) => count < packing.with(entry).capacity(),
            Form::Inner => count < INNER_CHILDREN,
        }
    }

    fn record(&self, at: usize) -> &'a [u8] {
        self.records
            .get(at * self.form.width()..)
            .unwrap_or_default()
    }

    /// The entry of a leaf, or the least entry below a child.
    #[inline]
    pub(super) fn entry(&self, at: usize) -> Entry {
        let record = self.record(at);
        match self.form {
            Form::Leaf(packing) => packing.unpack(record),
            Form::Inner => Entry::from_bytes(record),
        }
    }

    /// All entries, or the least ones below each child.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        let node = *self;
        (0..node.count()).map(move |at| node.entry(at))
    }

    /// The page of a child; 0, which is none, beyond the last one.
    pub(super) fn child(&self, at: usize) -> u32 {
        let number = self.record(at).get(ENTRY_LEN..).unwrap_or_default();
        number
            .first_chunk()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// The first record for which `is_before` does not hold.
    pub(super) fn search(&self, is_before: impl Fn(Entry) -> bool) -> usize {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match is_before(self.entry(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

/// Puts entries, which fit, into a page without any.
pub(super) fn fill_leaf(page: &mut PageBytes, entries: &[Entry]) {
    let packing = Packing::of_all(entries);
    packing.write(page);
    let end = LEAF_START + entries.len() * packing.width();
    let room = page.get_mut(LEAF_START..end).unwrap_or_default();
    let records = room.chunks_exact_mut(packing.width());
    for (entry, record) in entries.iter().zip(records) {
        packing.pack(*entry, record);
    }
    set_bounds(page, bounds(PageKind::IndexLeaf, end));
}

fn bounds(kind: PageKind, lower: usize) -> Bounds {
    Bounds {
        kind,
        lower,
        upper: PAGE_LEN,
    }
}

/// A page that is being changed.
#[derive(Debug)]
pub(super) struct NodeMut<'a> {
    page: &'a mut PageBytes,
    form: Form,
    count: usize,
}

impl<'a> NodeMut<'a> {
    /// A page that was checked.
    pub(super) fn new(page: &'a mut PageBytes) -> Self {
        let node = Node::new(page);
        let (form, count) = (node.form, node.count());
        NodeMut { page, form, count }
    }

    /// Makes a page of zeros an empty leaf or an inner page without children.
    pub(super) fn empty(page: &'a mut PageBytes, is_leaf: bool) -> Self {
        if is_leaf {
            fill_leaf(page, &[]);
            return NodeMut::new(page);
        }
        let (form, count) = (Form::Inner, 0);
        let mut node = NodeMut { page, form, count };
        node.set_count(0);
        node
    }

    fn set_count(&mut self, count: usize) {
        self.count = count;
        let lower = self.offset(count);
        set_bounds(self.page, bounds(self.form.kind(), lower));
    }

    fn offset(&self, at: usize) -> usize {
        self.form.start() + at * self.form.width()
    }

    /// Puts a record at a position of a page that has room for it. `child` is
    /// of no meaning in a leaf.
    pub(super) fn insert(&mut self, at: usize, entry: Entry, child: u32) {
        if let Form::Leaf(packing) = self.form
            && (self.count == 0 || !packing.takes(entry))
        {
            return self.insert_wider(at, entry);
        }
        let (from, end) = (self.offset(at), self.offset(self.count));
        let width = self.form.width();
        if from > end || end + width > PAGE_LEN {
            return;
        }
        self.page.copy_within(from..end, from + width);
        let record = self.page.get_mut(from..from + width).unwrap_or_default();
        match self.form {
            Form::Leaf(packing) => packing.pack(entry, record),
            Form::Inner => {
                put(record, 0, &entry.to_bytes());
                put(record, ENTRY_LEN, &child.to_le_bytes());
            }
        }
        self.set_count(self.count + 1);
    }

    /// Writes all entries of a leaf anew, with one that has other bytes than
    /// they have in common.
    fn insert_wider(&mut self, at: usize, entry: Entry) {
        let mut entries = self.take_from(0);
        entries.insert(at.min(entries.len()), entry);
        self.refill(&entries);
    }

    /// Puts entries into a leaf from which all were taken.
    fn refill(&mut self, entries: &[Entry]) {
        fill_leaf(self.page, entries);
        self.form = Form::of_page(self.page);
        self.count = entries.len();
    }

    /// Adds a record at the end of a page that has room.
    pub(super) fn push(&mut self, entry: Entry, child: u32) {
        self.insert(self.count, entry, child);
    }

    /// Takes a record away.
    pub(super) fn remove(&mut self, at: usize) {
        let (to, from, end) = (
            self.offset(at),
            self.offset(at + 1),
            self.offset(self.count),
        );
        if from > end {
            return;
        }
        self.page.copy_within(from..end, to);
        self.truncate(self.count - 1);
    }

    /// Moves the records from a position on to a page of zeros.
    pub(super) fn split_off(&mut self, at: usize, right: &mut PageBytes) {
        match self.form {
            Form::Leaf(_) => {
                fill_leaf(right, &self.take_from(at));
                // What is left may have more in common.
                let left = self.take_from(0);
                self.refill(&left);
            }
            Form::Inner => {
                let moved = self.page.get(self.offset(at)..self.offset(self.count));
                put(right, PAGE_HEADER_LEN, moved.unwrap_or_default());
                NodeMut::empty(right, false).set_count(self.count - at);
                self.truncate(at);
            }
        }
    }

    /// Takes the entries of a leaf from a position on.
    fn take_from(&mut self, at: usize) -> Vec<Entry> {
        let entries = Node::new(self.page).entries().skip(at).collect();
        self.truncate(at);
        entries
    }

    fn truncate(&mut self, count: usize) {
        let freed = self.offset(count)..self.offset(self.count);
        self.page.get_mut(freed).unwrap_or_default().fill(0);
        self.set_count(count);
    }
}
