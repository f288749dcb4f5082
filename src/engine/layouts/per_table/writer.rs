//! Writes a table's file.

use super::MAGIC;
use super::block::BlockHead;
use super::trailer::Trailer;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::BlockWriter;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::engine::table::TableWriter;
use crate::error::Result;

/// Starts the file of a table, under this suffix.
///
/// # Errors
/// When a file is there or cannot be written.
pub(super) fn start<'t>(
    (table, suffix): (&'t TablePlace, &str),
    lsn: Lsn,
) -> Result<Box<dyn TableWriter + 't>> {
    let blocks = BlockWriter::create(table, (suffix, MAGIC), lsn)?;
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
