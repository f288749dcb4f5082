//! Reads the records of a table, and the rows in them.

use std::sync::Arc;

use super::record::RecordHead;
use super::{MAGIC, SUFFIX};
use crate::engine::address::TableAddress;
use crate::engine::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_block::{Block, BlockWalk, Head, block_parts};
use crate::engine::row_run::{RowRun, plain_run};
use crate::error::{Damage, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::{PlainBuffer, PlainRows, RowBatch, RowPart, RowStream};

/// All records of a file.
pub(super) fn records(file: &Arc<SourceFile>, address: TableAddress) -> BlockWalk<RecordHead> {
    BlockWalk::new(file, address, FILE_HEADER_LEN as u64..file.len())
}

/// Checks what was counted in the records against the catalog: a file that is
/// cut where a record ends is found by nothing else.
///
/// # Errors
/// `CountMismatch`.
pub(super) fn check_counts(
    file: &SourceFile,
    found: TableCounts,
    expected: TableCounts,
) -> Result<(), Damage> {
    if found == expected {
        return Ok(());
    }
    Err(Damage {
        file: file.path().to_owned(),
        offset: file.len(),
        code: Code::CountMismatch,
        found: found.to_string(),
        expected: format!("{expected}, as the catalog says"),
    })
}

/// The rows of one table, in stored order.
pub(super) struct TableReader {
    records: BlockWalk<RecordHead>,
    arity: usize,
    /// Whether all records are read.
    whole: bool,
    /// What the catalog says, and what was handed out.
    expected: TableCounts,
    counts: TableCounts,
    /// The record at hand, while it has rows that were not handed out.
    record: Option<(Block<RecordHead>, RowRun)>,
    arena: Vec<u8>,
}

impl TableReader {
    /// Opens all or some of the data of a table. The index is not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or belongs elsewhere.
    pub(super) fn open(table: &TablePlace, counts: TableCounts, part: &RowPart) -> Result<Self> {
        let file = table.open(SUFFIX)?;
        FileHeader::read(&file, MAGIC, table.address)??;
        let whole = *part == RowPart::ALL;
        let records = match whole {
            true => records(&file, table.address),
            false => BlockWalk::of_part(&file, table.address, part),
        };
        Ok(TableReader {
            records,
            arity: table.arity,
            whole,
            expected: counts,
            counts: TableCounts::default(),
            record: None,
            arena: Vec::new(),
        })
    }
}

impl TableReader {
    fn check_end(&self) -> Result<()> {
        if self.whole {
            check_counts(self.records.file(), self.counts, self.expected)?;
        }
        Ok(())
    }
}

/// The records of a table in parts.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn parts(table: &TablePlace) -> Result<Vec<RowPart>> {
    let file = SourceFile::open_on(&*table.disk, &table.file(SUFFIX))?;
    let range = (FILE_HEADER_LEN as u64).min(file.len())..file.len();
    block_parts::<RecordHead>(&file, range, |_| {})
}

impl RowStream for TableReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if self.record.is_none() {
            let record = self.records.advance()?;
            self.record = record.map(|r| (r, RowRun::new(r.head.extent().row_count)));
        }
        let Some((record, mut run)) = self.record.take() else {
            self.check_end()?;
            return Ok(None);
        };
        let rows = self.records.rows(&record);
        let batch = run.next_batch(rows, self.arity, &mut self.arena, &mut self.counts)?;
        self.record = (!run.is_over()).then_some((record, run));
        Ok(Some(batch))
    }

    fn offers_plain(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        let Some(record) = self.records.advance()? else {
            self.check_end()?;
            return Ok(None);
        };
        let rows = self.records.rows(&record);
        let row_count = record.head.extent().row_count;
        plain_run(&rows, row_count, self.arity, buffer, &mut self.counts)?;
        Ok(Some(buffer.rows()))
    }
}
