//! Reads the rows of a table, page by page and slot by slot.

use super::chain::{ChainReader, walk_row_of};
use super::heap::State;
use super::overflow::NO_PAGE;
use super::page_files::{PageFiles, PagePlace, check_len, whole_pages};
use super::page_source::PageSource;
use crate::codec::{Cursor, RowBuffer};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::check_dir;
use crate::engine::rows::codec::decode_row;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::check_end;
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::model::{RowBatch, RowPart, RowStream};

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
    rows: RowBuffer,
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
            rows: RowBuffer::default(),
        }
    }

    fn check_end(&self) -> Result<()> {
        if !self.whole {
            return Ok(());
        }
        let place = self.pages.place();
        if self.page == 0 && self.expected.rows > 0 {
            return Err(Error::missing_file(&place.file(0)));
        }
        let counted = self.counts.check(self.expected, &place.dir, 0);
        if counted.is_err() {
            // Which file is lost says more than how many rows are.
            place.check_files(self.expected)?;
        }
        Ok(counted?)
    }
}

impl<S: PageSource> RowStream for TableReader<S> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.rows.clear();
        while self.rows.is_empty() {
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
                    let decoded = decode_row(&mut c, self.arity, &mut self.rows);
                    let visible = decoded.map_err(|flaw| row.flaw(flaw))?;
                    check_end(&row, &c)?;
                    self.counts.add(visible);
                }
                self.page = self.page.saturating_add(1);
                self.slot = 0;
            }
        }
        Ok(Some(self.rows.batch()))
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
pub(super) fn parts(place: &PagePlace, file_count: u64) -> Result<Vec<RowPart>> {
    let Some(last) = file_count.checked_sub(1) else {
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
