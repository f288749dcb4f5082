//! What the layout does with the files of a table.

use std::path::PathBuf;

use super::ends::EndList;
use super::{
    INDEX_SUFFIX, NEW_INDEX_SUFFIX, SUFFIX, live, reader, record, verify, whole_units, writer,
};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::BlockViews;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{
    Access, Level, LiveTable, TableCheck, TableFiles, TableWriter, WholeUnits,
};
use crate::error::{Error, Result};
use crate::model::{PageStream, RowPart, RowStream, Shown};
use crate::work::Threads;

/// The layout `append`.
#[derive(Debug)]
pub(in crate::engine) struct Append;

impl TableFiles for Append {
    fn files(&self, table: &TablePlace, _counts: TableCounts) -> Result<Vec<PathBuf>> {
        let index = table.key.map(|_| table.file(INDEX_SUFFIX));
        Ok([table.file(SUFFIX)].into_iter().chain(index).collect())
    }

    fn derived_files(&self, table: &TablePlace) -> Vec<PathBuf> {
        vec![table.file(INDEX_SUFFIX)]
    }

    fn unfinished_files(&self, table: &TablePlace) -> Vec<PathBuf> {
        vec![table.file(NEW_INDEX_SUFFIX)]
    }

    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>> {
        writer::start(table, lsn, threads)
    }

    fn indexed(&self, table: &TablePlace) -> Option<usize> {
        table.key
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
        Ok(Box::new(live::LiveAppend::open(table, counts, access)?))
    }

    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        counts: TableCounts,
        shown: Shown,
    ) -> Result<Box<dyn PageStream + 't>> {
        let file = table.open(SUFFIX)?;
        let end = file.len().min(counts.data_len);
        // Damaged ends are shown where they stand.
        let ends = match reader::collect_ends(&file, &table.address, end) {
            Err(Error::Damage(_)) => EndList::default(),
            ends => ends?,
        };
        let ends = Box::new(move |index| ends.get(index));
        let views = BlockViews::<record::RecordHead>::new(table, (file, end), shown, ends);
        Ok(Box::new(views))
    }

    fn whole_units<'t>(
        &self,
        table: &'t TablePlace,
        counts: Option<TableCounts>,
        arity: Option<usize>,
    ) -> Result<Box<dyn WholeUnits + 't>> {
        let data_len = counts.map(|counts| counts.data_len);
        let units = whole_units::RecordUnits::new(table, data_len, arity)?;
        Ok(Box::new(units))
    }

    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()> {
        verify::verify_table(table, (counts, level), check)
    }
}
