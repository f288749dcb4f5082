//! Records appended to a file, with an index (format page, "Append files").

mod entry;
mod index;
mod reader;
mod record;
mod verify;
mod writer;

use std::path::PathBuf;

use super::address::Lsn;
use super::frame::MAGIC_LEN;
use super::layout::{TableCounts, TableFiles, TableWriter};
use super::paths::TablePlace;
use super::verify::{Level, TableCheck};
use crate::error::Result;
use crate::model::{RowPart, RowStream};
use crate::work::Threads;

/// After the encoded name of a table.
const SUFFIX: &str = ".dat";
/// First bytes of the data.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXAPND";

/// What the format page names, by its name there.
#[cfg(test)]
pub(super) const LIMITS: [(&str, u64); 6] = [
    ("RECORD_HEAD_LEN", record::RECORD_HEAD_LEN as u64),
    ("MAX_RECORD_LEN", record::MAX_RECORD_LEN as u64),
    ("ENTRY_LEN", entry::ENTRY_LEN as u64),
    ("INDEX_BLOCK_LEN", index::INDEX_BLOCK_LEN as u64),
    ("INDEX_BLOCK_ENTRIES", index::INDEX_BLOCK_ENTRIES as u64),
    ("INDEX_TRAILER_LEN", index::INDEX_TRAILER_LEN as u64),
];

/// The layout `append`.
#[derive(Debug)]
pub(super) struct Append;

impl TableFiles for Append {
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let index = table.key.map(|_| table.file(index::SUFFIX));
        Ok([table.file(SUFFIX)].into_iter().chain(index).collect())
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

    fn parts(&self, table: &TablePlace, _counts: TableCounts) -> Result<Vec<RowPart>> {
        reader::parts(table)
    }

    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>> {
        Ok(Box::new(reader::TableReader::open(table, counts, part)?))
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
