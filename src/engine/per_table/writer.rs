//! Writes a table's file.

use super::MAGIC;
use super::block::BlockHead;
use super::trailer::Trailer;
use crate::engine::address::Lsn;
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_block::BlockWriter;
use crate::error::Result;
use crate::model::RowStream;

/// Writes the file of a table under this suffix and says what it holds.
///
/// # Errors
/// When the file is there or cannot be written, the stream fails, or a row does
/// not fit the table.
pub(super) fn write_table(
    (table, suffix): (&TablePlace, &str),
    lsn: Lsn,
    rows: &mut dyn RowStream,
) -> Result<TableCounts> {
    let mut writer = BlockWriter::<BlockHead>::create(table, (suffix, MAGIC), lsn)?;
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            writer.push(&row)?;
        }
    }
    writer.end_block()?;
    let (blocks, chain) = writer.blocks();
    let counts = writer.counts();
    let totals = Trailer {
        counts,
        blocks,
        chain,
    };
    let trailer = totals.encode(&table.address, writer.block_offset());
    writer.put(&trailer)?;
    writer.finish()?;
    Ok(counts)
}
