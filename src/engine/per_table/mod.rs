//! One file a table: header, rows in checksummed blocks, trailer (format page,
//! "Table files").

mod block;
mod reader;
mod trailer;
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
const SUFFIX: &str = ".db";

/// First bytes of a table's file.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXTABL";

/// Lengths that the format page names: of a block's header, of the rows that
/// may share a block, of a trailer.
#[cfg(test)]
pub(super) const LENS: [usize; 3] = [
    block::BLOCK_HEADER_LEN,
    block::MAX_SHARED_LEN,
    trailer::TRAILER_LEN,
];

/// The layout `per-table`.
#[derive(Debug)]
pub(super) struct PerTable;

impl TableFiles for PerTable {
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        Ok(vec![table.file(SUFFIX)])
    }

    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        _threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>> {
        writer::start(table, lsn)
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
