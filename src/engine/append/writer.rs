//! Writes the records of a table, and their index.

use super::record::RecordHead;
use super::{MAGIC, SUFFIX, index_place, row_id};
use crate::codec::ByteWriter;
use crate::engine::address::Lsn;
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_block::BlockWriter;
use crate::engine::row_codec::encode_value;
use crate::engine::tree::{Entry, Sorter, TreeWriter, key_digest};
use crate::error::Result;
use crate::model::RowStream;

/// Writes the files of a table and says what they hold.
///
/// # Errors
/// When a file is there or cannot be written, the stream fails, or a row does
/// not fit the table.
pub(super) fn write_table(
    table: &TablePlace,
    lsn: Lsn,
    rows: &mut dyn RowStream,
) -> Result<TableCounts> {
    let mut writer = BlockWriter::<RecordHead>::create(table, (SUFFIX, MAGIC), lsn)?;
    let mut entries = table.key.map(|key| (key, Sorter::new(&table.dir)));
    let mut key_bytes = ByteWriter::new();
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            writer.push(&row)?;
            if let Some((key, entries)) = &mut entries
                && row.is_visible()
                && let Some(value) = row.values.get(*key)
            {
                key_bytes.clear();
                encode_value(&mut key_bytes, value);
                entries.push(Entry {
                    key: key_digest(key_bytes.as_slice()),
                    value: row_id(writer.block_offset(), writer.position()),
                })?;
            }
        }
    }
    writer.end_block()?;
    let mut counts = writer.counts();
    let data_len = writer.finish()?;
    counts.data_len = data_len;
    if let Some((_, entries)) = entries {
        let mut index = TreeWriter::create(index_place(table), lsn)?;
        entries.finish(|entry| index.push(entry))?;
        index.finish(data_len)?;
    }
    Ok(counts)
}
