//! Reads the rows of a table, page by page and slot by slot.

use super::heap::{HeapPage, SlotCursor, Tuple};
use super::overflow::{ChainReader, check_overflow};
use super::page_files::{PageFiles, PagePlace};
use crate::codec::Cursor;
use crate::engine::address::TableAddress;
use crate::engine::catalog_file::check_dir;
use crate::engine::frame::Piece;
use crate::engine::layout::TableCounts;
use crate::engine::page::{PageHeader, PageKind};
use crate::engine::row_codec::{Decoded, TextArena, decode_row, walk_row};
use crate::engine::row_run::{check_end, reserve_text};
use crate::error::{Damage, Error, Result};
use crate::finding::Code;
use crate::model::{RowBatch, RowStream};

/// Most pages whose rows share a batch.
const BATCH_PAGES: usize = 8;

/// Checks a page; the line pointers of a heap page, `None` for an overflow
/// page.
///
/// # Errors
/// What is wrong with the page.
fn open_page<'a>(
    page: Piece<'a>,
    address: &TableAddress,
    number: u32,
) -> Result<Option<HeapPage<'a>>, Damage> {
    let bounds = PageHeader::open(&page, address, number)?.bounds(&page)?;
    match bounds.kind {
        PageKind::Heap => HeapPage::new(page, bounds).map(Some),
        _ => check_overflow(&page, bounds).map(|()| None),
    }
}

/// Checks what was counted in the pages of a table against the catalog.
///
/// # Errors
/// `CountMismatch`.
pub(super) fn check_counts(
    place: &PagePlace,
    found: TableCounts,
    expected: TableCounts,
) -> Result<(), Damage> {
    if found == expected {
        return Ok(());
    }
    Err(Damage {
        file: place.dir.clone(),
        offset: 0,
        code: Code::CountMismatch,
        found: found.to_string(),
        expected: format!("{expected}, as the catalog says"),
    })
}

/// The rows of one table, in stored order.
pub(super) struct TableReader {
    pages: PageFiles,
    chain: ChainReader,
    arity: usize,
    /// What the catalog says, and what was handed out.
    expected: TableCounts,
    counts: TableCounts,
    /// Where the next tuple is.
    page: u32,
    slots: SlotCursor,
    arena: Vec<u8>,
}

/// What the next batch is made of.
enum Next {
    /// Rows in pages.
    Rows,
    /// One wide row, put together and checked.
    Wide,
    End,
}

impl TableReader {
    /// Opens the pages of a table.
    ///
    /// # Errors
    /// When its directory is missing or something else; I/O errors.
    pub(super) fn open(place: PagePlace, arity: usize, counts: TableCounts) -> Result<Self> {
        check_dir(&*place.disk, &place.dir)?;
        Ok(TableReader {
            pages: PageFiles::new(place.clone()),
            chain: ChainReader::new(PageFiles::new(place)),
            arity,
            expected: counts,
            counts: TableCounts::default(),
            page: 0,
            slots: SlotCursor::START,
            arena: Vec::new(),
        })
    }

    /// Goes to the next tuple, and makes room for its texts.
    fn seek(&mut self) -> Result<Next> {
        while self.pages.load(self.page)? {
            let page = open_page(self.pages.first(), self.pages.address(), self.page)?;
            let mut after = self.slots;
            match page.map_or(Ok(None), |page| page.next(&mut after))? {
                None => {
                    self.page = self.page.saturating_add(1);
                    self.slots = SlotCursor::START;
                }
                Some(Tuple::Row(row)) => {
                    let walked = walk_row(&mut Cursor::new(row.bytes), self.arity);
                    let text_len = walked.map_err(|flaw| row.flaw(flaw))?.text_len;
                    reserve_text(&mut self.arena, text_len);
                    return Ok(Next::Rows);
                }
                Some(Tuple::Head(head)) => {
                    self.chain.read(&head, self.page, |_| {})?;
                    let walked = head.walk(self.chain.row(), self.arity)?;
                    reserve_text(&mut self.arena, walked.text_len);
                    self.slots = after;
                    return Ok(Next::Wide);
                }
            }
        }
        self.check_end()?;
        Ok(Next::End)
    }

    fn check_end(&self) -> Result<()> {
        let place = self.pages.place();
        if self.page == 0 && self.expected.rows > 0 {
            let error = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::io("open", &place.file(0), error));
        }
        Ok(check_counts(place, self.counts, self.expected)?)
    }

    /// Rows of the pages at hand, up to a wide one or until their texts fill
    /// the arena.
    fn rows(&mut self) -> Result<RowBatch<'_>> {
        let mut arena = TextArena::new(&mut self.arena);
        let mut batch = RowBatch::new();
        for page in self.pages.at_hand().take(BATCH_PAGES) {
            let heap = open_page(page, self.pages.address(), self.page)?;
            loop {
                let before = self.slots;
                let tuple = heap.map_or(Ok(None), |heap| heap.next(&mut self.slots))?;
                let row = match tuple {
                    None => break,
                    Some(Tuple::Row(row)) => row,
                    Some(Tuple::Head(_)) => {
                        self.slots = before;
                        return Ok(batch);
                    }
                };
                let mut c = Cursor::new(row.bytes);
                let decoded = decode_row(&mut c, self.arity, &mut arena, &mut batch);
                match decoded.map_err(|flaw| row.flaw(flaw))? {
                    Decoded::Row { visible } => self.counts.add(visible),
                    Decoded::NoRoom => {
                        self.slots = before;
                        return Ok(batch);
                    }
                }
                check_end(&row, &c)?;
            }
            self.page = self.page.saturating_add(1);
            self.slots = SlotCursor::START;
        }
        Ok(batch)
    }

    /// The wide row that was put together.
    fn wide(&mut self) -> Result<RowBatch<'_>> {
        let row = Piece {
            path: &self.pages.place().dir,
            offset: 0,
            bytes: self.chain.row(),
        };
        let mut arena = TextArena::new(&mut self.arena);
        let mut batch = RowBatch::new();
        let mut c = Cursor::new(row.bytes);
        let decoded = decode_row(&mut c, self.arity, &mut arena, &mut batch);
        if let Decoded::Row { visible } = decoded.map_err(|flaw| row.flaw(flaw))? {
            self.counts.add(visible);
        }
        Ok(batch)
    }
}

impl RowStream for TableReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        match self.seek()? {
            Next::Rows => self.rows().map(Some),
            Next::Wide => self.wide().map(Some),
            Next::End => Ok(None),
        }
    }
}
