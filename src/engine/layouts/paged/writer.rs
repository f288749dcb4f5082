//! Writes the pages of a new table.

use super::free_space_map::{MapWriter, entry_of};
use super::heap::MAX_TUPLE_LEN;
use super::heap_edit::HeapBuilder;
use super::overflow::{NO_PAGE, NewOverflowPage, PART_LEN, ROW_HEAD_LEN, encode_head, inline_len};
use super::page_appender::PageAppender;
use super::page_files::PagePlace;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::page::PagePos;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::MAX_ROW_LEN;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::engine::table::TableWriter;
use crate::error::{Error, Result};

/// Starts the files of a table.
///
/// # Errors
/// When a file is there or cannot be written.
pub(super) fn start(
    table: &TablePlace,
    place: PagePlace,
    lsn: Lsn,
) -> Result<Box<dyn TableWriter + '_>> {
    place.disk.create_dir(&place.dir)?;
    let map = MapWriter::create(&place, lsn)?;
    Ok(Box::new(PageWriter {
        table,
        lsn,
        pages: PageAppender::new(place),
        map,
        heap: HeapBuilder::new(),
        placed: None,
        overflow_count: 0,
        scratch: vec![0; PAGE_LEN],
        counts: TableCounts::default(),
    }))
}

struct PageWriter<'t> {
    table: &'t TablePlace,
    lsn: Lsn,
    pages: PageAppender,
    map: MapWriter,
    /// The heap page under construction.
    heap: HeapBuilder,
    /// Its number, once overflow pages were written after it; until then it
    /// gets the next number when it is full.
    placed: Option<u32>,
    /// Overflow pages written since it was placed.
    overflow_count: u32,
    scratch: Vec<u8>,
    counts: TableCounts,
}

impl PageWriter<'_> {
    /// Adds a row that needs overflow pages. They follow the heap page that
    /// holds the head, which goes on being filled.
    fn push_wide(&mut self, row: &[u8]) -> Result<()> {
        let row_len = u32::try_from(row.len()).ok();
        let Some(row_len) = row_len.filter(|len| u64::from(*len) <= MAX_ROW_LEN) else {
            return Err(Error::RowTooLong {
                table: self.table.file("").display().to_string(),
                len: row.len() as u64,
                most: MAX_ROW_LEN,
            });
        };
        let inline = row.split_at_checked(inline_len(row.len()));
        let (inline, rest) = inline.unwrap_or_default();
        if !self.heap.fits(ROW_HEAD_LEN + inline.len()) {
            self.end_page()?;
        }
        let owner = (self.place_heap()?, self.heap.next_slot());
        let head = encode_head(row_len, self.pages.next());
        self.heap.push_head(&head, inline);
        let mut parts = rest.chunks(PART_LEN).peekable();
        for position in 0.. {
            let Some(part) = parts.next() else {
                break;
            };
            let number = self.pages.next();
            let next = match parts.peek() {
                Some(_) => number.saturating_add(1),
                None => NO_PAGE,
            };
            let part = NewOverflowPage {
                owner,
                position,
                next,
                row_len,
                part,
            };
            self.scratch.fill(0);
            part.encode(
                &mut self.scratch,
                &self.table.address,
                PagePos {
                    number,
                    lsn: self.lsn,
                },
            );
            self.pages.push(&self.scratch)?;
            self.overflow_count += 1;
        }
        Ok(())
    }

    /// Gives the heap page a number, and room among the pages.
    fn place_heap(&mut self) -> Result<u32> {
        if let Some(number) = self.placed {
            return Ok(number);
        }
        let number = self.pages.next();
        self.scratch.fill(0);
        self.pages.push(&self.scratch)?;
        self.placed = Some(number);
        Ok(number)
    }

    fn end_page(&mut self) -> Result<()> {
        if self.heap.is_empty() {
            return Ok(());
        }
        let number = self.placed.unwrap_or(self.pages.next());
        let page = self.heap.seal(&self.table.address, number, self.lsn);
        match self.placed.take() {
            Some(number) => self.pages.replace(number, page)?,
            None => self.pages.push(page)?,
        }
        self.map.push(entry_of(self.heap.free_len()))?;
        for _ in 0..std::mem::take(&mut self.overflow_count) {
            self.map.push(0)?;
        }
        self.heap.clear();
        Ok(())
    }
}

impl TableWriter for PageWriter<'_> {
    fn push(&mut self, rows: &EncodedRows) -> Result<()> {
        let mut start = 0;
        for row in rows.rows() {
            let bytes = rows.bytes(start, row.end);
            start = row.end;
            if bytes.len() > MAX_TUPLE_LEN {
                self.push_wide(bytes)?;
            } else {
                if !self.heap.fits(bytes.len()) {
                    self.end_page()?;
                }
                self.heap.push_row(bytes);
            }
            self.counts.add(row.visible);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<TableCounts> {
        self.end_page()?;
        self.pages.finish()?;
        self.map.finish()?;
        Ok(self.counts)
    }
}
