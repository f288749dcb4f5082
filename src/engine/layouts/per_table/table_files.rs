//! What the layout does with the files of a table.

use std::path::PathBuf;

use super::{NEW_SUFFIX, SUFFIX, block, live, reader, trailer, verify, whole_units, writer};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::BlockViews;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{
    Access, Level, LiveTable, TableCheck, TableFiles, TableWriter, WholeUnits,
};
use crate::error::Result;
use crate::model::{PageStream, RowPart, RowStream, Shown};
use crate::work::Threads;

/// The layout `per-table`.
#[derive(Debug)]
pub(in crate::engine) struct PerTable;

impl TableFiles for PerTable {
    fn files(&self, table: &TablePlace, _counts: TableCounts) -> Result<Vec<PathBuf>> {
        Ok(vec![table.file(SUFFIX)])
    }

    fn unfinished_files(&self, table: &TablePlace) -> Vec<PathBuf> {
        vec![table.file(NEW_SUFFIX)]
    }

    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        _threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>> {
        writer::start((table, SUFFIX), lsn)
    }

    fn parts(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>> {
        reader::parts(table, counts)
    }

    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>> {
        Ok(Box::new(reader::TableReader::open(table, counts, part)?))
    }

    fn live(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Box<dyn LiveTable>> {
        Ok(Box::new(live::LivePerTable::open(table, counts, access)?))
    }

    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        _counts: TableCounts,
        shown: Shown,
    ) -> Result<Box<dyn PageStream + 't>> {
        let file = table.open(SUFFIX)?;
        let end = file.len().saturating_sub(trailer::TRAILER_LEN as u64);
        let ends = Box::new(|_| Ok(None));
        let views = BlockViews::<block::BlockHead>::new(table, (file, end), shown, ends);
        Ok(Box::new(views))
    }

    fn whole_units<'t>(
        &self,
        table: &'t TablePlace,
        counts: Option<TableCounts>,
        arity: Option<usize>,
    ) -> Result<Box<dyn WholeUnits + 't>> {
        let _ = counts;
        Ok(Box::new(whole_units::TableUnits::new(table, arity)?))
    }

    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()> {
        verify::verify_table(table, counts, level, check)
    }
}
