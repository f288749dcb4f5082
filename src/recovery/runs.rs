//! Runs of the server: from one start to the next.
//!
//! Transaction ids restart at 1 with the server, so what a record's xmin means
//! depends on its run (format page, "Visibility").

use crate::legacy::{Family, Wal, WalRecord};

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

/// Transactions that ran beside the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transactions {
    /// The largest xmin before the tail.
    pub before: u64,
    /// The largest xmin of the tail.
    pub after: u64,
    /// The first record that may have been written after one of them began.
    pub from: usize,
}

impl Transactions {
    /// Whether one of them began beside the tail.
    pub fn began_beside(&self) -> bool {
        self.after > self.before
    }
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

    /// Transactions that can have changed rows beside the tail in the newest run. Each
    /// BEGIN adds one to xmin, and neither it nor what follows is logged, nor its end:
    /// one that began before the tail can have gone on beside it. Since 2.0 every
    /// statement takes a number of its own: where xmin rises by one from each pushed
    /// row to the next, nothing is missing between them.
    pub fn transactions_in(
        &self,
        family: Family,
        wal: &Wal,
        tail: &[usize],
    ) -> Option<Transactions> {
        let (first, last) = (*tail.first()?, self.at(*tail.last()?));
        let start = first.checked_sub(1).map(|before| self.at(before));
        let before = start
            .filter(|start| start.run == last.run)
            .map_or(1, |start| start.max_xmin);
        let records = tail.iter().filter(|at| self.at(**at).run == last.run);
        let pushed: Vec<(usize, u64)> = records
            .filter_map(|at| Some((*at, wal.records.get(*at)?.operation.pushed_row()?.xmin)))
            .collect();
        let numbered = can_number(family)
            && pushed.len() > 1
            && pushed
                .windows(2)
                .all(|pair| matches!(pair, [(_, a), (_, b)] if a.checked_add(1) == Some(*b)));
        // None had begun when rows of 1 were pushed.
        let none_before = pushed.iter().rfind(|(_, xmin)| before == 1 && *xmin == 1);
        (last.max_xmin > 1 && !numbered).then_some(Transactions {
            before,
            after: last.max_xmin,
            from: none_before.map_or(first, |(at, _)| at.saturating_add(1)),
        })
    }

    /// The largest transaction id of the run that wrote the tail, where one above 1
    /// was drawn before it: a BEGIN did that, and nothing is logged of its end. What
    /// a COMMIT brings, or a ROLLBACK takes back, after the checkpoint stands in no
    /// file. Since 2.0 every statement draws one, and nothing can be told.
    pub fn began_before(&self, family: Family, wal: &Wal, tail: &[usize]) -> Option<u64> {
        let last = tail.last().copied();
        let last = last.or_else(|| wal.records.len().checked_sub(1))?;
        let last = self.at(last);
        let of_run = |at: &usize| self.at(*at).run == last.run;
        let pushed = (0..wal.records.len()).filter(of_run).filter_map(|at| {
            let row = wal.records.get(at)?.operation.pushed_row();
            row.map(|row| row.xmin)
        });
        let mut previous = None;
        let mut all = 0_u64;
        let mut rising = 0_u64;
        for xmin in pushed {
            let rises = previous.is_some_and(|before: u64| before < xmin);
            (all, rising) = (all + 1, rising + u64::from(rises));
            previous = Some(xmin);
        }
        // Where nearly each row has a number of its own.
        let numbered = can_number(family) && all > 1 && rising + 1 == all;
        (last.max_xmin > 1 && !numbered).then_some(last.max_xmin)
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

/// Whether a server of this family can give each statement a number of its own.
fn can_number(family: Family) -> bool {
    family >= Family::V1_10
}
