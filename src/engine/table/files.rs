//! What a layout must be able to do with the files of a table.

use std::fmt;
use std::path::PathBuf;

use super::check::{Level, TableCheck};
use super::live::{Access, LiveTable};
use super::whole_units::WholeUnits;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::error::Result;
use crate::model::{PageStream, RowPart, RowStream, Shown};
use crate::work::Threads;

/// A new table under construction.
pub(in crate::engine) trait TableWriter: Send {
    /// Adds rows after those that were added before.
    ///
    /// # Errors
    /// `RowTooLong`; I/O errors.
    fn push(&mut self, rows: &EncodedRows) -> Result<()>;

    /// Completes the files and says what they hold.
    ///
    /// # Errors
    /// I/O errors.
    fn finish(self: Box<Self>) -> Result<TableCounts>;
}

/// What a layout does with the files of one table.
pub(in crate::engine) trait TableFiles: fmt::Debug + Send + Sync {
    /// The files that hold the table, in the order in which they are read;
    /// `counts` is what the catalog says.
    ///
    /// # Errors
    /// `MissingFile` where it cannot be said which others there are; I/O errors.
    fn files(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<PathBuf>>;

    /// The files among them that are made of the others: no row is lost with one.
    fn derived_files(&self, _table: &TablePlace) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Every file of the table that is there, derived ones too.
    fn present_files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let mut present = Vec::new();
        for path in self.files(table, TableCounts::default())? {
            if table.disk.kind(&path)?.is_some() {
                present.push(path);
            }
        }
        Ok(present)
    }

    /// Where new files stand until they take the place of others: one that a crash left
    /// never came to count.
    fn unfinished_files(&self, table: &TablePlace) -> Vec<PathBuf>;

    /// Starts a new table; its writer may use so many threads.
    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>>;

    /// Position of the value whose key the writer of a table needs.
    fn indexed(&self, table: &TablePlace) -> Option<usize> {
        let _ = table;
        None
    }

    /// Writes a new table on this thread and says what it wrote.
    fn write(&self, table: &TablePlace, lsn: Lsn, rows: &mut dyn RowStream) -> Result<TableCounts> {
        let writer = self.start(table, lsn, Threads::ONE)?;
        write_rows(writer, (table, self.indexed(table)), rows)
    }

    /// The rows in stored order; `counts` is what the catalog says.
    fn open(&self, table: &TablePlace, counts: TableCounts) -> Result<Box<dyn RowStream>> {
        self.open_part(table, counts, &RowPart::ALL)
    }

    /// Parts of the table that can be read at the same time.
    fn parts(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>>;

    /// The rows of one part. Only who reads [`RowPart::ALL`] sees whether the
    /// table is complete.
    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>>;

    /// Opens the table for changes; `counts` is what the catalog says.
    fn live(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Box<dyn LiveTable>>;

    /// The pages, records or blocks of the table, to be shown.
    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        counts: TableCounts,
        shown: Shown,
    ) -> Result<Box<dyn PageStream + 't>>;

    /// The rows that stand in whole units, whatever else is damaged; `counts`
    /// and `arity` are what is known of the table.
    ///
    /// # Errors
    /// When no file can be opened; I/O errors.
    fn whole_units<'t>(
        &self,
        table: &'t TablePlace,
        counts: Option<TableCounts>,
        arity: Option<usize>,
    ) -> Result<Box<dyn WholeUnits + 't>>;

    /// Checks every byte of every file of the table; damage goes to `check`,
    /// and only I/O errors are returned.
    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()>;
}

/// Writes all rows of a stream, of whose values at position `key` the writer
/// needs index keys, and says what the files hold.
///
/// # Errors
/// Those of the stream; `WrongArity` when a row does not fit the table; I/O errors.
pub(in crate::engine) fn write_rows(
    mut writer: Box<dyn TableWriter + '_>,
    (table, key): (&TablePlace, Option<usize>),
    rows: &mut dyn RowStream,
) -> Result<TableCounts> {
    let mut encoded = EncodedRows::default();
    while let Some(batch) = rows.next_batch()? {
        encoded.clear();
        encoded.add(&batch, table, key)?;
        writer.push(&encoded)?;
    }
    writer.finish()
}
