//! Reads the rows of a table, page by page and slot by slot.

use super::chain::{ChainReader, walk_row_of};
use super::heap::State;
use super::overflow::NO_PAGE;
use super::page_files::{PageFiles, PagePlace, check_len, whole_pages};
use super::page_source::PageSource;
use crate::codec::Cursor;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::check_dir;
use crate::engine::rows::codec::{Decoded, TextArena, decode_plain, decode_row, walk_row};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::{check_end, reserve_text};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::model::{PlainBuffer, PlainRows, RowBatch, RowPart, RowStream};

/// Most pages whose rows share a batch.
const BATCH_PAGES: usize = 8;
/// Pages of a part.
const PART_PAGES: u64 = 64;

/// The rows of one table, in stored order.
pub(super) struct TableReader<S> {
    pages: S,
    chain: ChainReader<S>,
    arity: usize,
    /// What the catalog says, and what was handed out.
    expected: TableCounts,
    counts: TableCounts,
    /// Where the next tuple is.
    page: u32,
    slot: u16,
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
    /// One row that was put together and checked.
    Joined,
    End,
}

impl TableReader<PageFiles> {
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
        let pages = || PageFiles::new(place.clone());
        let mut reader = TableReader::new((pages(), pages()), arity, counts);
        let page = |number: u64| u32::try_from(number).unwrap_or(NO_PAGE);
        (reader.page, reader.end) = (page(part.from), page(part.to));
        reader.whole = *part == RowPart::ALL;
        Ok(reader)
    }
}

impl<S: PageSource> TableReader<S> {
    /// The rows of pages: one source for line pointers, one for what they lead
    /// to.
    pub(super) fn new((pages, joined): (S, S), arity: usize, counts: TableCounts) -> Self {
        TableReader {
            pages,
            chain: ChainReader::new(joined),
            arity,
            expected: counts,
            counts: TableCounts::default(),
            page: 0,
            slot: 0,
            end: NO_PAGE,
            whole: true,
            arena: Vec::new(),
        }
    }

    /// Goes to the next tuple of a row, and makes room for its texts.
    fn seek(&mut self) -> Result<Next> {
        while self.page < self.end && self.pages.load(self.page)? {
            let heap = self.pages.heap(self.pages.first(), self.page)?;
            let mut after = self.slot;
            let Some(tuple) = heap.and_then(|heap| heap.next(&mut after)) else {
                self.page = self.page.saturating_add(1);
                self.slot = 0;
                continue;
            };
            match tuple.state {
                State::Row => {
                    let row = tuple.piece;
                    let walked = walk_row(&mut Cursor::new(row.bytes), self.arity);
                    let text_len = walked.map_err(|flaw| row.flaw(flaw))?.text_len;
                    reserve_text(&mut self.arena, text_len);
                    return Ok(Next::Rows);
                }
                State::Head | State::Moved => {
                    self.chain.read_tuple(&tuple, self.page, |_| {})?;
                    let (walked, _) = walk_row_of(&tuple, self.chain.row(), self.arity, None)?;
                    reserve_text(&mut self.arena, walked.text_len);
                    self.slot = after;
                    return Ok(Next::Joined);
                }
                State::MovedRow | State::MovedHead => self.slot = after,
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
        Ok(self.counts.check(self.expected, &place.dir, 0)?)
    }

    /// Rows of the pages at hand, up to one that is put together or until their texts fill
    /// the arena.
    fn rows(&mut self) -> Result<RowBatch<'_>> {
        let mut arena = TextArena::new(&mut self.arena);
        let mut batch = RowBatch::new();
        for page in self.pages.at_hand().take(pages_left(self.page, self.end)) {
            let heap = self.pages.heap(page, self.page)?;
            loop {
                let before = self.slot;
                let Some(tuple) = heap.and_then(|heap| heap.next(&mut self.slot)) else {
                    break;
                };
                let row = match tuple.state {
                    State::Row => tuple.piece,
                    State::MovedRow | State::MovedHead => continue,
                    State::Head | State::Moved => {
                        self.slot = before;
                        return Ok(batch);
                    }
                };
                let mut c = Cursor::new(row.bytes);
                let decoded = decode_row(&mut c, self.arity, &mut arena, &mut batch);
                match decoded.map_err(|flaw| row.flaw(flaw))? {
                    Decoded::Row { visible } => self.counts.add(visible),
                    Decoded::NoRoom => {
                        self.slot = before;
                        return Ok(batch);
                    }
                }
                check_end(&row, &c)?;
            }
            self.page = self.page.saturating_add(1);
            self.slot = 0;
        }
        Ok(batch)
    }

    /// The row that was put together.
    fn joined(&mut self) -> Result<RowBatch<'_>> {
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

impl<S: PageSource> RowStream for TableReader<S> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        match self.seek()? {
            Next::Rows => self.rows().map(Some),
            Next::Joined => self.joined().map(Some),
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
                let heap = self.pages.heap(page, self.page)?;
                while let Some(tuple) = heap.and_then(|heap| heap.next(&mut self.slot)) {
                    let row = match tuple.state {
                        State::Row => tuple.piece,
                        State::MovedRow | State::MovedHead => continue,
                        State::Head | State::Moved => {
                            self.chain.read_tuple(&tuple, self.page, |_| {})?;
                            walk_row_of(&tuple, self.chain.row(), self.arity, None)?;
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
                self.slot = 0;
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
    // A file is never longer than its pages, whatever it says of itself.
    check_len(&file, place.pages_per_file, true)?;
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
