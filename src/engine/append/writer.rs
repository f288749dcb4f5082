//! Writes the records of a table, and their index.

use super::entry::{Entry, Sorter};
use super::index::write_index;
use super::record::RecordHead;
use super::{MAGIC, SUFFIX};
use crate::engine::address::Lsn;
use crate::engine::encoded::EncodedRows;
use crate::engine::layout::{TableCounts, TableWriter};
use crate::engine::paths::TablePlace;
use crate::engine::row_block::BlockWriter;
use crate::error::Result;
use crate::work::Threads;

/// Starts the files of a table.
///
/// # Errors
/// When a file is there or cannot be written.
pub(super) fn start(
    table: &TablePlace,
    lsn: Lsn,
    threads: Threads,
) -> Result<Box<dyn TableWriter + '_>> {
    Ok(Box::new(Writer {
        table,
        lsn,
        threads,
        records: BlockWriter::create(table, (SUFFIX, MAGIC), lsn)?,
        entries: table.key.map(|_| Sorter::new(&table.dir)),
    }))
}

struct Writer<'t> {
    table: &'t TablePlace,
    lsn: Lsn,
    threads: Threads,
    records: BlockWriter<'t, RecordHead>,
    entries: Option<Sorter>,
}

impl TableWriter for Writer<'_> {
    fn push(&mut self, rows: &EncodedRows) -> Result<()> {
        let entries = &mut self.entries;
        self.records.push(rows, |range, offset| {
            let Some(entries) = entries else {
                return Ok(());
            };
            let visible = rows.rows().iter().zip(rows.keys());
            let visible = visible.skip(range.start).take(range.len());
            for (_, key) in visible.filter(|(row, _)| row.visible) {
                let key = *key;
                entries.push(Entry { key, offset })?;
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<TableCounts> {
        self.records.end_block()?;
        let counts = self.records.counts();
        let data_len = self.records.finish()?;
        if let Some(entries) = self.entries {
            write_index(self.table, self.lsn, (entries, self.threads), data_len)?;
        }
        Ok(counts)
    }
}
