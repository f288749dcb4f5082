//! Runs of the server: from one start to the next.
//!
//! Transaction ids restart at 1 with the server, so what a record's xmin means
//! depends on its run (format page, "Visibility").

use crate::legacy::{Wal, WalRecord};

/// Per record: the number of its run, and the largest xmin seen in that run up
/// to and including it.
#[derive(Debug, Clone, Default)]
pub struct RunMap {
    runs: Vec<RunPoint>,
}

/// One record's place in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunPoint {
    /// Rises with every fall of xmin.
    pub run: u32,
    /// At least 1.
    pub max_xmin: u64,
}

impl RunMap {
    /// Finds the runs: xmin never falls within one. A new segment alone is no
    /// proof of a restart, because a full segment is followed by a new one too;
    /// a segment that opens with a Checkpoint record is what a start leaves.
    pub fn new(wal: &Wal) -> Self {
        let mut runs = Vec::with_capacity(wal.records.len());
        let mut point = RunPoint {
            run: 0,
            max_xmin: 1,
        };
        let mut before: Option<&WalRecord> = None;
        for record in &wal.records {
            let xmin = record.operation.pushed_row().map(|row| row.xmin);
            let opens_segment = before.is_some_and(|before| before.segment != record.segment);
            let checkpoint = record.operation.table().is_none();
            let fell = xmin.is_some_and(|xmin| xmin < point.max_xmin);
            if fell || (opens_segment && checkpoint) {
                point = RunPoint {
                    run: point.run.saturating_add(1),
                    max_xmin: 1,
                };
            }
            point.max_xmin = point.max_xmin.max(xmin.unwrap_or(1));
            runs.push(point);
            before = Some(record);
        }
        RunMap { runs }
    }

    /// The place of a record, by its position in [`Wal::records`].
    pub fn at(&self, record: usize) -> RunPoint {
        let first = RunPoint {
            run: 0,
            max_xmin: 1,
        };
        self.runs.get(record).copied().unwrap_or(first)
    }
}
