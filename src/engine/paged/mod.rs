//! Slotted pages of 8 KB in files of many (format page, "Page files").

mod chain;
mod checksums;
mod free_space_map;
mod heap;
mod heap_edit;
mod key_index;
mod live;
mod live_map;
mod overflow;
mod page_files;
mod page_set;
mod page_source;
mod pool_pages;
mod reader;
mod row_pages;
mod run_writer;
mod verify;
mod views;
mod writer;

use std::path::PathBuf;

use super::address::Lsn;
use super::layout::{TableCounts, TableFiles, TableWriter};
use super::live::{Access, LiveTable};
use super::paths::TablePlace;
use super::verify::{Level, TableCheck};
use crate::error::Result;
use crate::model::{PageStream, RowPart, RowStream};
use crate::work::Threads;

pub use page_files::MAX_PAGES_PER_FILE;
use page_files::PagePlace;

/// What the format page names, by its name there.
#[cfg(test)]
pub(super) const LIMITS: [(&str, u64); 10] = [
    ("MAX_PAGES_PER_FILE", MAX_PAGES_PER_FILE as u64),
    ("PAGE_LEN", super::page::PAGE_LEN as u64),
    ("PAGE_HEADER_LEN", super::page::PAGE_HEADER_LEN as u64),
    ("MIN_TUPLE_ROOM", heap::MIN_TUPLE_ROOM as u64),
    ("MAX_TUPLE_LEN", heap::MAX_TUPLE_LEN as u64),
    ("MIN_INLINE_LEN", overflow::MIN_INLINE_LEN as u64),
    ("PART_LEN", overflow::PART_LEN as u64),
    ("NO_PAGE", overflow::NO_PAGE as u64),
    ("MAP_BLOCK_PAGES", free_space_map::MAP_BLOCK_PAGES as u64),
    ("MAP_UNIT", free_space_map::MAP_UNIT as u64),
];

/// The layout `paged`.
#[derive(Debug)]
pub(super) struct Paged {
    /// Pages of one file, 1 to [`MAX_PAGES_PER_FILE`].
    pub pages_per_file: u32,
}

impl Paged {
    fn place(&self, table: &TablePlace) -> PagePlace {
        PagePlace {
            disk: table.disk.clone(),
            dir: table.file(""),
            address: table.address,
            pages_per_file: self.pages_per_file.max(1),
        }
    }
}

impl TableFiles for Paged {
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let place = self.place(table);
        let pages = (0..place.file_count()).map(|index| place.file(index));
        let map = free_space_map::map_path(&place.dir);
        Ok(pages.chain([map]).collect())
    }

    fn present_files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let dir = table.file("");
        if table.disk.kind(&dir)?.is_none() {
            return Ok(Vec::new());
        }
        let entries = table.disk.entries(&dir)?;
        Ok(entries.into_iter().map(|entry| entry.path).collect())
    }

    fn live(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Box<dyn LiveTable>> {
        let place = self.place(table);
        let live = live::LivePaged::open(table, place, counts, access)?;
        Ok(Box::new(live))
    }

    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        _threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>> {
        writer::start(table, self.place(table), lsn)
    }

    fn parts(&self, table: &TablePlace, _counts: TableCounts) -> Result<Vec<RowPart>> {
        reader::parts(&self.place(table))
    }

    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>> {
        let place = self.place(table);
        let reader = reader::TableReader::open(place, table.arity, counts, part)?;
        Ok(Box::new(reader))
    }

    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        _counts: TableCounts,
        (from, with_rows): (u64, bool),
    ) -> Result<Box<dyn PageStream + 't>> {
        let shown = (from, with_rows);
        let views = views::PageViews::new(self.place(table), table.arity, shown);
        Ok(Box::new(views))
    }

    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()> {
        verify::verify_table(&self.place(table), table, (counts, level), check)
    }
}

#[cfg(test)]
mod tests;
