//! A look at some pages of a table, each by itself.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::chain::{ChainReader, walk_row_of};
use super::free_space_map::entry_of_page;
use super::heap::{HeapPage, RowPlace, State, Tuple};
use super::key_index;
use super::overflow::check_overflow;
use super::page_files::{PageFiles, PagePlace};
use super::page_set::PageSet;
use crate::codec::MultisetHash;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{PageHeader, PageKind, page_in};
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::TableCheck;
use crate::engine::tree::EntrySet;
use crate::error::{Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::sum_of;

/// How pages are looked at.
#[derive(Clone, Copy)]
pub(super) struct PageLook<'s> {
    pub place: &'s PagePlace,
    pub arity: usize,
    /// Position of the primary key, if its values are wanted.
    pub key: Option<usize>,
    /// Whether pages are looked into.
    pub structure: bool,
    /// Whether rows are looked into.
    pub rows: bool,
    /// Overflow pages that were met in the walk or in a chain, but not in both.
    /// No page is in two chains: it states its owner and position.
    pub unowned: &'s Mutex<PageSet>,
}

/// What was found in some pages.
#[derive(Debug, Default)]
pub(super) struct PagesFound {
    /// Bytes that agree with a checksum.
    pub checked: u64,
    /// Whether something was wrong with a page.
    pub damaged: bool,
    pub counts: TableCounts,
    /// What an index must hold.
    pub entries: EntrySet,
    /// Where line pointers say that their rows have moved, and where rows have
    /// moved.
    pub moved: MultisetHash,
    pub moved_here: MultisetHash,
    /// Pages, and what a map must say of them.
    pub map_entries: Vec<(u32, u8)>,
}

impl PagesFound {
    /// Adds what was found in other pages.
    pub(super) fn append(&mut self, other: &PagesFound) {
        self.checked += other.checked;
        self.damaged |= other.damaged;
        self.counts.append(other.counts);
        self.entries.merge(other.entries);
        self.moved.merge(other.moved);
        self.moved_here.merge(other.moved_here);
    }

    /// Reports damage and goes on.
    ///
    /// # Errors
    /// What is no damage.
    pub(super) fn tolerate(
        &mut self,
        check: &mut TableCheck<'_>,
        result: Result<()>,
    ) -> Result<()> {
        match result {
            Err(Error::Damage(damage)) => {
                check.damaged(&damage);
                self.damaged = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// A walk over some pages that goes on past damage.
pub(super) struct PageWalk<'s, 'v> {
    look: PageLook<'s>,
    check: &'s mut TableCheck<'v>,
    chain: ChainReader<PageFiles>,
    found: &'s mut PagesFound,
}

impl<'s, 'v> PageWalk<'s, 'v> {
    /// Before the first page; what is found goes to `found` and `check`.
    pub(super) fn new(
        look: PageLook<'s>,
        found: &'s mut PagesFound,
        check: &'s mut TableCheck<'v>,
    ) -> Self {
        PageWalk {
            look,
            check,
            chain: ChainReader::new(PageFiles::new(look.place.clone())),
            found,
        }
    }

    /// Walks some pages of a file, whose first page has the number `first`.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn pages(
        &mut self,
        file: &Arc<SourceFile>,
        first: u64,
        pages: Range<u64>,
    ) -> Result<()> {
        let offset = |page: u64| page.saturating_mul(PAGE_LEN as u64);
        let mut window = Window::new(file.clone(), offset(pages.start)..offset(pages.end));
        for number in pages {
            window.fill(PAGE_LEN)?;
            let page = page_in(&window);
            let number = u32::try_from(first.saturating_add(number)).unwrap_or(u32::MAX);
            match PageHeader::open(&page, &self.look.place.address, number) {
                Ok(header) => {
                    self.found.checked += PAGE_LEN as u64;
                    if self.look.structure {
                        let looked = self.page(&page, &header, number);
                        self.found.tolerate(self.check, looked)?;
                    }
                }
                Err(damage) => self.found.tolerate(self.check, Err(damage.into()))?,
            }
            window.consume(PAGE_LEN);
        }
        Ok(())
    }

    fn page(&mut self, page: &Piece<'_>, header: &PageHeader, number: u32) -> Result<()> {
        let bounds = header.bounds(page)?;
        self.found
            .map_entries
            .push((number, entry_of_page(&bounds)));
        match bounds.kind {
            PageKind::Heap => self.heap(&HeapPage::new(*page, bounds)?, number),
            _ => {
                sum_of(self.look.unowned).flip(number);
                Ok(check_overflow(page, bounds)?)
            }
        }
    }

    /// Every row of a heap page. Damage in a row is reported, and the next slot
    /// looked at; damage in a line pointer ends the page.
    fn heap(&mut self, heap: &HeapPage<'_>, page: u32) -> Result<()> {
        let mut next = 0;
        while let Some(tuple) = heap.next(&mut next) {
            let slot = tuple.slot;
            match tuple.state {
                State::Row if !self.look.rows => continue,
                State::MovedRow | State::MovedHead => {
                    self.found.moved_here.add(&RowPlace { page, slot }.encode());
                    continue;
                }
                State::Moved => self.found.moved.add(&tuple.target().encode()),
                State::Row | State::Head => {}
            }
            match self.row(&tuple, page) {
                Ok(visible) => self.found.counts.add(visible),
                // Damage of another page by itself is reported when the walk
                // comes to that page.
                Err(Error::Damage(damage))
                    if tuple.state != State::Row
                        && !(damage.code == Code::BrokenChain
                            || damage.code == Code::BadLength
                            || damage.offset == tuple.piece.offset) =>
                {
                    self.found.damaged = true;
                }
                Err(error) => self.found.tolerate(self.check, Err(error))?,
            }
        }
        Ok(())
    }

    /// Checks a row; whether it is visible.
    fn row(&mut self, tuple: &Tuple<'_>, page: u32) -> Result<bool> {
        let row = match tuple.state {
            State::Row => tuple.piece.bytes,
            _ => {
                let unowned = self.look.unowned;
                self.chain
                    .read_tuple(tuple, page, |page| sum_of(unowned).flip(page))?;
                self.chain.row()
            }
        };
        let walked = walk_row_of(tuple, row, self.look.arity, self.look.key)?;
        if walked.visible && tuple.state == State::Moved {
            let found = "a visible row that has moved";
            let expected = "a row that moved when it ended";
            return Err(tuple
                .piece
                .damage(0, Code::BrokenChain, found, expected)
                .into());
        }
        if let Some(value) = walked.key.filter(|_| walked.visible) {
            let slot = tuple.slot;
            let entry = key_index::entry(value, RowPlace { page, slot });
            self.found.entries.add(&entry);
        }
        Ok(walked.visible)
    }
}
