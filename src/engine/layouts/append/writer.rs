//! Writes the records of a table, and their index.

use super::record::RecordHead;
use super::{MAGIC, SUFFIX, index_place, row_id};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::BlockWriter;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::engine::table::TableWriter;
use crate::engine::tree::{Entry, TreeBuilder};
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
    let records = BlockWriter::create(table, (SUFFIX, MAGIC), lsn)?;
    let index = table
        .key
        .map(|_| TreeBuilder::create(index_place(table), lsn, &table.dir));
    Ok(Box::new(Writer {
        threads,
        records,
        index: index.transpose()?,
    }))
}

struct Writer<'t> {
    threads: Threads,
    records: BlockWriter<'t, RecordHead>,
    index: Option<TreeBuilder>,
}

impl TableWriter for Writer<'_> {
    fn push(&mut self, rows: &EncodedRows) -> Result<()> {
        let index = &mut self.index;
        self.records.push(rows, |range, (record, first)| {
            let Some(index) = index else {
                return Ok(());
            };
            let placed = rows.rows().iter().zip(rows.keys());
            let placed = placed.skip(range.start).take(range.len());
            for ((row, key), position) in placed.zip(first..) {
                if row.visible {
                    let (key, value) = (*key, row_id(record, position));
                    index.push(Entry { key, value })?;
                }
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<TableCounts> {
        self.records.end_block()?;
        let data_len = self.records.finish()?;
        if let Some(index) = self.index {
            index.finish(self.threads, data_len)?;
        }
        Ok(TableCounts {
            data_len,
            ..self.records.counts()
        })
    }
}
