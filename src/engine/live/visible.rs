//! The visible rows of a table of a store, for who writes it anew.

use std::path::Path;
use std::sync::Mutex;

use super::table_slot::TableSlot;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::TableFiles;
use crate::error::{Error, Result};
use crate::file::{Progress, Watch};
use crate::model::{RowBatch, RowPart, RowSource, RowStream, SummedRows, VisibleRows, sum_of};

/// The visible rows of one table, until the work is to stop. They come from its
/// files in parts, unless some of its changes are in no file yet.
pub(super) struct VisibleTable<'t> {
    files: &'t dyn TableFiles,
    slot: &'t TableSlot,
    progress: &'t Progress,
    /// Row versions that were read, dead ones too.
    read: Mutex<u64>,
}

impl<'t> VisibleTable<'t> {
    /// The visible rows of a table whose files are `files`.
    pub(super) fn new(
        files: &'t dyn TableFiles,
        slot: &'t TableSlot,
        progress: &'t Progress,
    ) -> Self {
        VisibleTable {
            files,
            slot,
            progress,
            read: Mutex::default(),
        }
    }

    fn stream<'r>(&'r self, rows: Box<dyn RowStream + 'r>) -> Box<dyn RowStream + 'r> {
        let count = |read: &mut u64, batch: &mut RowBatch<'_>| *read += batch.len() as u64;
        Box::new(UntilStopped {
            rows: VisibleRows(Box::new(SummedRows::new(rows, &self.read, count))),
            path: &self.slot.place.dir,
            progress: self.progress,
        })
    }
}

impl RowSource for VisibleTable<'_> {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.slot.live.counts().live
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(self.stream(self.slot.live.rows()?))
    }

    fn parts(&self, _: usize, _: usize) -> Result<Vec<RowPart>> {
        match self.slot.changed {
            true => Ok(vec![RowPart::ALL]),
            false => self.files.parts(&self.slot.place, self.slot.live.counts()),
        }
    }

    fn open_part(&self, _: usize, _: usize, part: &RowPart) -> Result<Box<dyn RowStream + '_>> {
        // Changes that are in no file yet come with the whole alone.
        if *part == RowPart::ALL {
            return self.open_rows(0, 0);
        }
        let counts = self.slot.live.counts();
        Ok(self.stream(self.files.open_part(&self.slot.place, counts, part)?))
    }

    /// The rows that come from here are the visible ones: how many versions were
    /// read is known here alone.
    fn check_total(&self, _: usize, _: usize, _: u64, live: u64) -> Result<()> {
        let stated = self.slot.live.counts();
        let found = TableCounts {
            rows: *sum_of(&self.read),
            live,
            ..stated
        };
        Ok(found.check(stated, &self.slot.place.file(""), 0)?)
    }
}

struct UntilStopped<'r> {
    rows: VisibleRows<'r>,
    path: &'r Path,
    progress: &'r Progress,
}

impl RowStream for UntilStopped<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let go_on = self.progress.go_on();
        go_on.map_err(|error| Error::io("compact", self.path, error))?;
        self.rows.next_batch()
    }
}
