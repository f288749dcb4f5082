//! The rows of a table's file with the changes that it does not hold yet.

use super::RowChanges;
use crate::codec::RowBuffer;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::decode_run;
use crate::error::Result;
use crate::model::{RowBatch, RowStream};

/// All versions in stored order: those of the file, then the new ones.
pub(in crate::engine) struct MergedRows<'t> {
    file: Box<dyn RowStream + 't>,
    /// Rows of the file.
    file_rows: u64,
    arity: usize,
    changes: &'t RowChanges,
    /// Index of the row that comes next.
    next_row: u64,
    /// The group that comes next.
    group: usize,
    rows: RowBuffer,
}

impl<'t> MergedRows<'t> {
    /// The rows that `file` gives, which are `file_rows` many, and the changes.
    pub(in crate::engine) fn new(
        file: Box<dyn RowStream + 't>,
        file_rows: u64,
        arity: usize,
        changes: &'t RowChanges,
    ) -> Self {
        MergedRows {
            file,
            file_rows,
            arity,
            changes,
            next_row: 0,
            group: 0,
            rows: RowBuffer::default(),
        }
    }
}

/// Ends the versions of a batch whose first row has the index `first`.
fn end_versions(batch: &mut RowBatch<'_>, first: u64, changes: &RowChanges) {
    let after = first.saturating_add(batch.len() as u64);
    for (index, xmax) in changes.ended().range(first..after) {
        let position = usize::try_from(index - first).unwrap_or(usize::MAX);
        // Only visible versions are ended.
        batch.end_version(position, *xmax);
    }
}

impl RowStream for MergedRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let first = self.next_row;
        if first < self.file_rows {
            // The file's reader checks that it gives as many as it should.
            let Some(mut batch) = self.file.next_batch()? else {
                return Ok(None);
            };
            self.next_row = first.saturating_add(batch.len() as u64);
            end_versions(&mut batch, first, self.changes);
            return Ok(Some(batch));
        }
        if self.group == 0 {
            // Its totals are checked where it ends.
            self.file.next_batch()?;
        }
        let Some(group) = self.changes.groups().get(self.group) else {
            return Ok(None);
        };
        let row_count = u32::try_from(group.row_count()).unwrap_or(u32::MAX);
        let rows = self.changes.piece(group.bytes());
        let mut counts = TableCounts::default();
        decode_run(&rows, row_count, self.arity, &mut self.rows, &mut counts)?;
        self.group += 1;
        let mut batch = self.rows.batch();
        self.next_row = first.saturating_add(batch.len() as u64);
        end_versions(&mut batch, first, self.changes);
        Ok(Some(batch))
    }
}
