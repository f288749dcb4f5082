//! Reads the rows of a table, page by page and slot by slot.

use super::heap::{HeapPage, SlotCursor, Tuple};
use super::overflow::{ChainReader, NO_PAGE, check_overflow};
use super::page::{PageHeader, PageKind};
use super::page_files::{PageFiles, PagePlace, whole_pages};
use crate::codec::Cursor;
use crate::engine::address::TableAddress;
use crate::engine::catalog_file::check_dir;
use crate::engine::frame::Piece;
use crate::engine::layout::TableCounts;
use crate::engine::row_codec::{Decoded, TextArena, decode_plain, decode_row, walk_row};
use crate::engine::row_run::{check_end, reserve_text};
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::{PlainBuffer, PlainRows, RowBatch, RowPart, RowStream};

/// Most pages whose rows share a batch.
const BATCH_PAGES: usize = 8;
/// Pages of a part.
const PART_PAGES: u64 = 64;

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
        PageKind::Overflow => check_overflow(&page, bounds).map(|()| None),
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
    /// The page that is not read any more.
    end: u32,
    /// Whether all pages are read.
    whole: bool,
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
    /// Opens some or all pages of a table.
    ///
    /// # Errors
    /// When its directory is missing or something else; I/O errors.
    pub(super) fn open(
        place: PagePlace,
        arity: usize,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Self> {
        check_dir(&*place.disk, &place.dir)?;
        let page = |number: u64| u32::try_from(number).unwrap_or(NO_PAGE);
        Ok(TableReader {
            pages: PageFiles::new(place.clone()),
            chain: ChainReader::new(PageFiles::new(place)),
            arity,
            expected: counts,
            counts: TableCounts::default(),
            page: page(part.from),
            slots: SlotCursor::START,
            end: page(part.to),
            whole: *part == RowPart::ALL,
            arena: Vec::new(),
        })
    }

    /// Goes to the next tuple, and makes room for its texts.
    fn seek(&mut self) -> Result<Next> {
        while self.page < self.end && self.pages.load(self.page)? {
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
        if !self.whole {
            return Ok(());
        }
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
        for page in self.pages.at_hand().take(pages_left(self.page, self.end)) {
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

    fn offers_plain(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        while buffer.is_empty() {
            if self.page >= self.end || !self.pages.load(self.page)? {
                self.check_end()?;
                return Ok(None);
            }
            for page in self.pages.at_hand().take(pages_left(self.page, self.end)) {
                let heap = open_page(page, self.pages.address(), self.page)?;
                while let Some(tuple) = heap.map_or(Ok(None), |heap| heap.next(&mut self.slots))? {
                    let row = match tuple {
                        Tuple::Row(row) => row,
                        Tuple::Head(head) => {
                            self.chain.read(&head, self.page, |_| {})?;
                            head.walk(self.chain.row(), self.arity)?;
                            Piece {
                                bytes: self.chain.row(),
                                ..page
                            }
                        }
                    };
                    let mut c = Cursor::new(row.bytes);
                    let decoded = decode_plain(&mut c, self.arity, buffer);
                    let visible = decoded.map_err(|flaw| row.flaw(flaw))?;
                    check_end(&row, &c)?;
                    self.counts.add(visible);
                }
                self.page = self.page.saturating_add(1);
                self.slots = SlotCursor::START;
            }
        }
        Ok(Some(buffer.rows()))
    }
}

/// Most pages of the next batch.
fn pages_left(page: u32, end: u32) -> usize {
    let left = usize::try_from(end.saturating_sub(page));
    left.unwrap_or(BATCH_PAGES).min(BATCH_PAGES)
}

/// The pages of a table in parts. The last one has no end: what is there too
/// much is met.
///
/// # Errors
/// When a file cannot be opened.
pub(super) fn parts(place: &PagePlace) -> Result<Vec<RowPart>> {
    let Some(last) = place.file_count().checked_sub(1) else {
        return Ok(vec![RowPart::ALL]);
    };
    let file = SourceFile::open_on(&*place.disk, &place.file(last))?;
    let before = last.saturating_mul(place.pages_per_file.into());
    let page_count = before
        .saturating_add(whole_pages(&file))
        .min(NO_PAGE.into());
    let count = page_count.div_ceil(PART_PAGES).max(1);
    let parts = (0..count).map(|part| RowPart {
        place: 0,
        from: part * PART_PAGES,
        to: match part + 1 == count {
            true => u64::MAX,
            false => (part + 1) * PART_PAGES,
        },
    });
    Ok(parts.collect())
}
