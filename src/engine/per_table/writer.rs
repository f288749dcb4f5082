//! Writes a table's file.

use super::block::BlockHead;
use super::trailer::Trailer;
use super::{MAGIC, SUFFIX};
use crate::engine::address::Lsn;
use crate::engine::encoded::EncodedRows;
use crate::engine::layout::{TableCounts, TableWriter};
use crate::engine::paths::TablePlace;
use crate::engine::row_block::BlockWriter;
use crate::error::Result;

/// Starts the file of a table.
///
/// # Errors
/// When a file is there or cannot be written.
pub(super) fn start(table: &TablePlace, lsn: Lsn) -> Result<Box<dyn TableWriter + '_>> {
    let blocks = BlockWriter::create(table, (SUFFIX, MAGIC), lsn)?;
    Ok(Box::new(Writer { table, blocks }))
}

struct Writer<'t> {
    table: &'t TablePlace,
    blocks: BlockWriter<'t, BlockHead>,
}

impl TableWriter for Writer<'_> {
    fn push(&mut self, rows: &EncodedRows) -> Result<()> {
        self.blocks.push(rows, |_, _| Ok(()))
    }

    fn finish(mut self: Box<Self>) -> Result<TableCounts> {
        self.blocks.end_block()?;
        let (blocks, chain) = self.blocks.blocks();
        let counts = self.blocks.counts();
        let totals = Trailer {
            counts,
            blocks,
            chain,
        };
        let trailer = totals.encode(&self.table.address, self.blocks.block_offset());
        self.blocks.put(&trailer)?;
        self.blocks.finish()?;
        Ok(counts)
    }
}
