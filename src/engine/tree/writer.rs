//! Writes the tree of entries that come in order: every page is full but the
//! last one of each level.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::entry::Entry;
use super::meta::{META_PAGE, Meta};
use super::node::{Node, NodeMut, fill_leaf};
use super::packing::Packing;
use super::place::TreePlace;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::page::{PagePos, reseal, too_many_pages};
use crate::error::{Error, Result};
use crate::file::{BulkWriter, DiskFile};

/// Bytes gathered before they are written out.
const BUFFER_LEN: usize = 32 * PAGE_LEN;

/// A tree under construction. Of each level one page is in memory; a page is
/// written when it is full, or at the end.
#[derive(Debug)]
pub(in crate::engine) struct TreeWriter {
    place: TreePlace,
    lsn: Lsn,
    out: BufWriter<BulkWriter>,
    /// The page under construction of each level, leaves first.
    levels: Vec<Box<PageBytes>>,
    /// The entries of the leaf under construction: they go into its page all at
    /// once, when it is closed. What they have in common tells how many fit.
    leaf: Vec<Entry>,
    packing: Packing,
    capacity: usize,
    /// The number that the next page gets.
    next: u32,
    entry_count: u64,
    last: Option<Entry>,
}

impl TreeWriter {
    /// Starts a new file.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn create(place: TreePlace, lsn: Lsn) -> Result<Self> {
        let file = place.disk.create(&place.path)?;
        Self::over(file, place, lsn)
    }

    /// Starts over in an empty file.
    fn over(file: Arc<dyn DiskFile>, place: TreePlace, lsn: Lsn) -> Result<Self> {
        let mut writer = TreeWriter {
            place,
            lsn,
            out: BufWriter::with_capacity(BUFFER_LEN, BulkWriter::new(file)),
            levels: vec![empty_page(true)],
            leaf: Vec::new(),
            packing: Packing::of(Entry::MIN),
            capacity: 0,
            next: META_PAGE,
            entry_count: 0,
            last: None,
        };
        // The first page is written when all others are.
        writer.put(&[0; PAGE_LEN])?;
        Ok(writer)
    }

    fn put(&mut self, page: &PageBytes) -> Result<u32> {
        let number = self.next;
        let next = number.checked_add(1);
        self.next = next.ok_or_else(|| too_many_pages(&self.place.path))?;
        let written = self.out.write_all(page);
        written.map_err(|error| Error::io("write", &self.place.path, error))?;
        Ok(number)
    }

    /// Whether an entry may come next.
    pub(super) fn takes(&self, entry: Entry) -> bool {
        self.last.is_none_or(|last| last <= entry)
    }

    /// Hands all entries to `take`, in order; none of them is left.
    ///
    /// # Errors
    /// I/O errors, and those of `take`.
    pub(super) fn undo(&mut self, mut take: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        let io = |error| Error::io("write again", &self.place.path, error);
        self.out.flush().map_err(io)?;
        self.out.get_mut().finish().map_err(io)?;
        let file = self.out.get_ref().file().clone();
        let mut page = [0; PAGE_LEN];
        for number in META_PAGE + 1..self.next {
            let offset = u64::from(number) * PAGE_LEN as u64;
            file.read_exact_at(&mut page, offset).map_err(io)?;
            let node = Node::new(&page);
            if node.is_leaf() {
                node.entries().try_for_each(&mut take)?;
            }
        }
        self.leaf.drain(..).try_for_each(take)?;
        file.set_len(0).map_err(io)?;
        *self = TreeWriter::over(file, self.place.clone(), self.lsn)?;
        Ok(())
    }

    /// Adds the next entry. One that does not come after the entry before it
    /// is left out: no tree has an entry twice.
    ///
    /// # Errors
    /// `Internal` when it comes before that entry; I/O errors.
    pub(in crate::engine) fn push(&mut self, entry: Entry) -> Result<()> {
        if self.last.is_some_and(|last| last >= entry) {
            if self.last == Some(entry) {
                return Ok(());
            }
            let path = self.place.path.display();
            return Err(Error::Internal(format!("{path}: entries fall")));
        }
        self.last = Some(entry);
        self.entry_count += 1;
        if self.leaf.is_empty() {
            self.start_leaf(entry);
        }
        if !self.packing.takes(entry) {
            self.packing = self.packing.with(entry);
            self.capacity = self.packing.capacity();
        }
        if self.leaf.len() >= self.capacity {
            let mut page = self.leaf_page();
            let (low, number) = self.close(&mut page, 0)?;
            self.add(1, low, number)?;
            self.start_leaf(entry);
        }
        self.leaf.push(entry);
        Ok(())
    }

    /// The next leaf starts with an entry.
    fn start_leaf(&mut self, entry: Entry) {
        self.packing = Packing::of(entry);
        self.capacity = self.packing.capacity();
    }

    /// The page of the leaf under construction, and none of its entries left.
    fn leaf_page(&mut self) -> Box<PageBytes> {
        let mut page = Box::new([0; PAGE_LEN]);
        fill_leaf(&mut page, &self.leaf);
        self.leaf.clear();
        page
    }

    /// Adds a record to a level above the leaves; a page that is full goes to
    /// its file, and to the level above.
    fn add(&mut self, level: usize, entry: Entry, child: u32) -> Result<()> {
        let (mut entry, mut child) = (entry, child);
        for level in level.. {
            if level == self.levels.len() {
                self.levels.push(empty_page(false));
            }
            let Some(page) = self.levels.get_mut(level) else {
                return Ok(());
            };
            if Node::new(page).has_room(entry) {
                NodeMut::new(page).push(entry, child);
                return Ok(());
            }
            let mut full = std::mem::replace(page, empty_page(false));
            NodeMut::new(page).push(entry, child);
            (entry, child) = self.close(&mut full, level)?;
        }
        Ok(())
    }

    /// Writes a page; what the level above says of it. The first page of a
    /// level starts with the least entry that there can be.
    fn close(&mut self, page: &mut PageBytes, level: usize) -> Result<(Entry, u32)> {
        let is_first = self.levels.len() == level + 1;
        let low = match is_first {
            true => Entry::MIN,
            false => Node::new(page).entry(0),
        };
        let (number, lsn) = (self.next, self.lsn);
        reseal(page, &self.place.address, PagePos { number, lsn });
        Ok((low, self.put(page)?))
    }

    /// Writes the rest; the file, which was synced in part at most.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn finish(mut self, stamp: u64) -> Result<Arc<dyn DiskFile>> {
        let mut root = META_PAGE;
        let mut level = 0;
        let leaf = self.leaf_page();
        if let Some(first) = self.levels.first_mut() {
            *first = leaf;
        }
        // The last page of a level may make the one above it overflow, and so
        // bring about another level.
        while let Some(page) = self.levels.get_mut(level) {
            let mut page = std::mem::replace(page, empty_page(true));
            let (low, number) = self.close(&mut page, level)?;
            level += 1;
            match level == self.levels.len() {
                true => root = number,
                false => self.add(level, low, number)?,
            }
        }
        let meta = Meta {
            root,
            height: u32::try_from(self.levels.len()).unwrap_or(u32::MAX),
            page_count: self.next,
            entry_count: self.entry_count,
            stamp,
        };
        let meta = meta.encode(&self.place.address, self.lsn);
        let io = |error| Error::io("write", &self.place.path, error);
        let out = self.out.into_inner();
        let mut out = out.map_err(|error| io(error.into_error()))?;
        out.finish().map_err(io)?;
        let file = out.file().clone();
        file.write_all_at(&meta, 0).map_err(io)?;
        Ok(file)
    }
}

fn empty_page(is_leaf: bool) -> Box<PageBytes> {
    let mut page = Box::new([0; PAGE_LEN]);
    NodeMut::empty(&mut page, is_leaf);
    page
}
