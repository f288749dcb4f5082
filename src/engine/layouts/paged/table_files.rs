//! What the layout does with the files of a table.

use std::path::PathBuf;

use super::free_space_map::map_path;
use super::key_index::{index_path, new_path};
use super::page_files::{PagePlace, is_page_file};
use super::{free_space_map, key_index, live, reader, verify, views, whole_units, writer};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{
    Access, Level, LiveTable, TableCheck, TableFiles, TableWriter, WholeUnits,
};
use crate::error::Result;
use crate::model::{PageStream, RowPart, RowStream, Shown};
use crate::work::Threads;

/// The layout `paged`.
#[derive(Debug)]
pub(in crate::engine) struct Paged {
    /// Pages of one file, 1 to [`MAX_PAGES_PER_FILE`].
    pub pages_per_file: u32,
}

impl Paged {
    pub(super) fn place(&self, table: &TablePlace) -> PagePlace {
        PagePlace {
            disk: table.disk.clone(),
            dir: table.file(""),
            address: table.address,
            pages_per_file: self.pages_per_file.max(1),
        }
    }
}

impl TableFiles for Paged {
    fn files(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<PathBuf>> {
        let place = self.place(table);
        let count = place.check_files(counts)?;
        let pages = (0..count).map(|index| place.file(index));
        let map = free_space_map::map_path(&place.dir);
        Ok(pages.chain([map]).collect())
    }

    fn derived_files(&self, table: &TablePlace) -> Vec<PathBuf> {
        let dir = self.place(table).dir;
        vec![free_space_map::map_path(&dir), key_index::index_path(&dir)]
    }

    fn unfinished_files(&self, table: &TablePlace) -> Vec<PathBuf> {
        vec![new_path(&self.place(table).dir)]
    }

    fn present_files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let dir = table.file("");
        if table.disk.kind(&dir)?.is_none() {
            return Ok(Vec::new());
        }
        // What somebody else has put there is none of the table's.
        let derived = [map_path(&dir), index_path(&dir), new_path(&dir)];
        let own = |name: &str| is_page_file(name) || derived.contains(&dir.join(name));
        let entries = table.disk.entries(&dir)?.into_iter();
        let entries = entries.filter(|entry| entry.is_file && own(&entry.name));
        Ok(entries.map(|entry| entry.path).collect())
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

    fn parts(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>> {
        let place = self.place(table);
        reader::parts(&place, place.check_files(counts)?)
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
        counts: TableCounts,
        shown: Shown,
    ) -> Result<Box<dyn PageStream + 't>> {
        let place = self.place(table);
        place.check_files(counts)?;
        let views = views::PageViews::new(place, table.arity, shown);
        Ok(Box::new(views))
    }

    fn whole_units<'t>(
        &self,
        table: &'t TablePlace,
        counts: Option<TableCounts>,
        arity: Option<usize>,
    ) -> Result<Box<dyn WholeUnits + 't>> {
        let _ = arity;
        let units = whole_units::PageUnits::new(self.place(table), counts.unwrap_or_default())?;
        Ok(Box::new(units))
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
