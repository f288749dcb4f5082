//! The pages of a tree (format page, "Index"): records of one width, in order.

use super::{ENTRY_LEN, Entry};
use crate::codec::Cursor;
use crate::engine::address::{Lsn, TableAddress};
use crate::engine::buffer_pool::PageBytes;
use crate::engine::frame::Piece;
use crate::engine::page::{
    Bounds, LOWER_OFFSET, PAGE_HEADER_LEN, PAGE_LEN, PageHeader, PageKind, PageSet, bounds_of,
    check_zero, put, seal_page, set_bounds,
};
use crate::error::Damage;
use crate::finding::Code;

/// Bytes of a record of an inner page: the least entry below a child, the
/// number of its page.
const CHILD_LEN: usize = ENTRY_LEN + 4;
/// Entries of a full leaf.
pub(super) const LEAF_ENTRIES: usize = (PAGE_LEN - PAGE_HEADER_LEN) / ENTRY_LEN;
/// Children of a full inner page.
pub(super) const INNER_CHILDREN: usize = (PAGE_LEN - PAGE_HEADER_LEN) / CHILD_LEN;
/// Most levels. A page is split when it is full only, so that each level has a
/// hundredth of the pages of the one below it, and page numbers end before.
pub(super) const MAX_HEIGHT: u32 = 8;
/// The page that says where the others are.
pub(super) const META_PAGE: u32 = 0;

const ROOT_OFFSET: usize = PAGE_HEADER_LEN;
const HEIGHT_OFFSET: usize = ROOT_OFFSET + 4;
const PAGE_COUNT_OFFSET: usize = HEIGHT_OFFSET + 4;
const ENTRY_COUNT_OFFSET: usize = PAGE_COUNT_OFFSET + 4 + 4;
const STAMP_OFFSET: usize = ENTRY_COUNT_OFFSET + 8;
const META_END: usize = STAMP_OFFSET + 8;

/// What the first page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Meta {
    /// The page on top.
    pub root: u32,
    /// Levels; 1 when the root is a leaf.
    pub height: u32,
    /// Pages, this one among them.
    pub page_count: u32,
    /// Entries of all leaves.
    pub entry_count: u64,
    /// What the owner wrote to see whether the index is that of its rows.
    pub stamp: u64,
}

impl Meta {
    /// The sealed page.
    pub(super) fn encode(&self, address: &TableAddress, lsn: Lsn) -> PageBytes {
        let mut page = [0; PAGE_LEN];
        put(&mut page, ROOT_OFFSET, &self.root.to_le_bytes());
        put(&mut page, HEIGHT_OFFSET, &self.height.to_le_bytes());
        put(&mut page, PAGE_COUNT_OFFSET, &self.page_count.to_le_bytes());
        let count = self.entry_count.to_le_bytes();
        put(&mut page, ENTRY_COUNT_OFFSET, &count);
        put(&mut page, STAMP_OFFSET, &self.stamp.to_le_bytes());
        let bounds = Bounds {
            kind: PageKind::IndexMeta,
            lower: META_END,
            upper: PAGE_LEN,
        };
        seal_page(&mut page, address, (META_PAGE, lsn), bounds);
        page
    }

    /// Reads the page.
    ///
    /// # Errors
    /// What is wrong with it; `OutOfRange` when it leads nowhere.
    pub(super) fn decode(page: &Piece<'_>, address: &TableAddress) -> Result<Self, Damage> {
        let header = PageHeader::open_in(PageSet::Index, page, address, META_PAGE)?;
        let bounds = header.bounds(page)?;
        let expected = (PageKind::IndexMeta, META_END, PAGE_LEN);
        if (bounds.kind, bounds.lower, bounds.upper) != expected {
            let found = format!("{:?} of {} bytes", bounds.kind, bounds.lower);
            let expected = format!("the first page of an index, of {META_END} bytes");
            return Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected));
        }
        check_zero(page, PAGE_COUNT_OFFSET + 4, ENTRY_COUNT_OFFSET)?;
        let mut c = Cursor::new(page.bytes.get(ROOT_OFFSET..).unwrap_or_default());
        let mut read = || {
            let (root, height, page_count, _) = (c.u32()?, c.u32()?, c.u32()?, c.u32()?);
            Ok(Meta {
                root,
                height,
                page_count,
                entry_count: c.u64()?,
                stamp: c.u64()?,
            })
        };
        let meta = read().map_err(|flaw| page.flaw(flaw))?;
        if !(1..=MAX_HEIGHT).contains(&meta.height) || !(1..meta.page_count).contains(&meta.root) {
            let found = format!(
                "root {}, {} levels, {} pages",
                meta.root, meta.height, meta.page_count
            );
            let expected = format!("a root among the pages and 1 to {MAX_HEIGHT} levels");
            return Err(page.damage(ROOT_OFFSET, Code::OutOfRange, found, expected));
        }
        Ok(meta)
    }
}

/// A leaf or inner page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    records: &'a [u8],
    width: usize,
}

impl<'a> Node<'a> {
    /// The records of a page that was checked when it was read.
    pub(super) fn new(page: &'a PageBytes) -> Self {
        let bounds = bounds_of(page);
        Node {
            records: page.get(PAGE_HEADER_LEN..bounds.lower).unwrap_or_default(),
            width: width(bounds.kind == PageKind::IndexLeaf),
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
        let len = bounds.lower - PAGE_HEADER_LEN;
        let whole = match bounds.kind {
            _ if bounds.upper != PAGE_LEN => false,
            PageKind::IndexLeaf => len.is_multiple_of(ENTRY_LEN),
            PageKind::IndexInner => len > 0 && len.is_multiple_of(CHILD_LEN),
            _ => false,
        };
        if whole {
            return Ok(());
        }
        let found = format!("{:?} with {len} bytes of records", bounds.kind);
        let expected = "a leaf or inner page with whole records";
        Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected))
    }

    /// Whether it has entries and no children.
    pub(super) fn is_leaf(&self) -> bool {
        self.width == ENTRY_LEN
    }

    /// How many records there are.
    pub(super) fn count(&self) -> usize {
        self.records.len() / self.width
    }

    /// Whether no record fits any more.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= capacity(self.is_leaf())
    }

    fn record(&self, at: usize) -> &'a [u8] {
        let records = self.records.get(at * self.width..).unwrap_or_default();
        records.get(..self.width).unwrap_or_default()
    }

    /// The entry of a leaf, or the least entry below a child.
    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry::from_bytes(self.record(at))
    }

    /// The page of a child; 0, which is none, beyond the last one.
    pub(super) fn child(&self, at: usize) -> u32 {
        let number = self.record(at).get(ENTRY_LEN..).unwrap_or_default();
        u32::from_le_bytes(number.try_into().unwrap_or_default())
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

fn width(is_leaf: bool) -> usize {
    if is_leaf { ENTRY_LEN } else { CHILD_LEN }
}

fn capacity(is_leaf: bool) -> usize {
    if is_leaf {
        LEAF_ENTRIES
    } else {
        INNER_CHILDREN
    }
}

/// A page that is being changed.
#[derive(Debug)]
pub(super) struct NodeMut<'a> {
    page: &'a mut PageBytes,
    is_leaf: bool,
    count: usize,
}

impl<'a> NodeMut<'a> {
    /// A page that was checked.
    pub(super) fn new(page: &'a mut PageBytes) -> Self {
        let node = Node::new(page);
        let (is_leaf, count) = (node.is_leaf(), node.count());
        NodeMut {
            page,
            is_leaf,
            count,
        }
    }

    /// Makes a page of zeros an empty one.
    pub(super) fn empty(page: &'a mut PageBytes, is_leaf: bool) -> Self {
        let mut node = NodeMut {
            page,
            is_leaf,
            count: 0,
        };
        node.set_count(0);
        node
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            kind: match self.is_leaf {
                true => PageKind::IndexLeaf,
                false => PageKind::IndexInner,
            },
            lower: self.offset(self.count),
            upper: PAGE_LEN,
        }
    }

    fn set_count(&mut self, count: usize) {
        self.count = count;
        let bounds = self.bounds();
        set_bounds(self.page, bounds);
    }

    fn offset(&self, at: usize) -> usize {
        PAGE_HEADER_LEN + at * width(self.is_leaf)
    }

    /// Puts a record at a position of a page that has room. `child` is of no
    /// meaning in a leaf.
    pub(super) fn insert(&mut self, at: usize, entry: Entry, child: u32) {
        let (from, end) = (self.offset(at), self.offset(self.count));
        let record_len = width(self.is_leaf);
        if from > end || end + record_len > PAGE_LEN {
            return;
        }
        self.page.copy_within(from..end, from + record_len);
        put(self.page, from, &entry.to_bytes());
        if !self.is_leaf {
            put(self.page, from + ENTRY_LEN, &child.to_le_bytes());
        }
        self.set_count(self.count + 1);
    }

    /// Adds a record at the end of a page that has room.
    pub(super) fn push(&mut self, entry: Entry, child: u32) {
        self.insert(self.count, entry, child);
    }

    /// Puts entries into an empty leaf; they fit.
    pub(super) fn fill(&mut self, entries: &[Entry]) {
        for (at, entry) in entries.iter().take(LEAF_ENTRIES).enumerate() {
            put(
                self.page,
                PAGE_HEADER_LEN + at * ENTRY_LEN,
                &entry.to_bytes(),
            );
        }
        self.set_count(entries.len().min(LEAF_ENTRIES));
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
        let moved = self.page.get(self.offset(at)..self.offset(self.count));
        put(right, PAGE_HEADER_LEN, moved.unwrap_or_default());
        NodeMut::empty(right, self.is_leaf).set_count(self.count - at);
        self.truncate(at);
    }

    fn truncate(&mut self, count: usize) {
        let freed = self.offset(count)..self.offset(self.count);
        self.page.get_mut(freed).unwrap_or_default().fill(0);
        self.set_count(count);
    }
}
