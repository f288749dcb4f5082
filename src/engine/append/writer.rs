//! Writes the records of a table, and their index.

use super::record::RecordHead;
use super::{MAGIC, SUFFIX, index_place, row_id};
use crate::engine::address::Lsn;
use crate::engine::encoded::EncodedRows;
use crate::engine::layout::{TableCounts, TableWriter};
use crate::engine::paths::TablePlace;
use crate::engine::row_block::BlockWriter;
use crate::engine::tree::{Entry, Sorter, TreeWriter};
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
        entries: table.key.map(|_| Sorter::new(&table.disk, &table.dir)),
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
        self.records.push(rows, |range, (record, first)| {
            let Some(entries) = entries else {
                return Ok(());
            };
            let placed = rows.rows().iter().zip(rows.keys());
            let placed = placed.skip(range.start).take(range.len());
            for ((row, key), position) in placed.zip(first..) {
                if row.visible {
                    let (key, value) = (*key, row_id(record, position));
                    entries.push(Entry { key, value })?;
                }
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<TableCounts> {
        self.records.end_block()?;
        let data_len = self.records.finish()?;
        if let Some(entries) = self.entries {
            let mut index = TreeWriter::create(index_place(self.table), self.lsn)?;
            entries.finish(self.threads, |entry| index.push(entry))?;
            index.finish(data_len)?;
        }
        Ok(TableCounts {
            data_len,
            ..self.records.counts()
        })
    }
}
