//! One file a table: header, rows in checksummed blocks, trailer (format page,
//! "Table files").

mod block;
mod block_directory;
mod key_map;
mod live;
mod reader;
mod trailer;
mod verify;
mod writer;

use std::path::PathBuf;

use super::address::Lsn;
use super::frame::MAGIC_LEN;
use super::layout::{TableCounts, TableFiles, TableWriter};
use super::live::{Access, LiveTable};
use super::paths::TablePlace;
use super::verify::{Level, TableCheck};
use crate::engine::row_block::BlockViews;
use crate::error::Result;
use crate::model::{PageStream, RowPart, RowStream};
use crate::work::Threads;

/// After the encoded name of a table.
const SUFFIX: &str = ".db";
/// The same of a file that a checkpoint writes and a batch puts in place.
const NEW_SUFFIX: &str = ".db.new";

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
        _access: &Access,
    ) -> Result<Box<dyn LiveTable>> {
        Ok(Box::new(live::LivePerTable::open(table, counts)?))
    }

    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        _counts: TableCounts,
        shown: (u64, bool),
    ) -> Result<Box<dyn PageStream + 't>> {
        let file = table.open(SUFFIX)?;
        let end = file.len().saturating_sub(trailer::TRAILER_LEN as u64);
        let ends = Box::new(|_| Ok(None));
        let views = BlockViews::<block::BlockHead>::new(table, (file, end), shown, ends);
        Ok(Box::new(views))
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
