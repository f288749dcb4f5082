//! What the server itself does with its log when it starts: a model of the
//! wrong replay (format page, "Server start").
//!
//! It loads the snapshot, applies every record of every segment to whichever
//! database comes first, whether the snapshot held it already or not, and
//! checkpoints the result.

use crate::legacy::{Wal, WalRecord};
use crate::model::{Operation, PackedRow, ValueRef};

/// Records after which the server checkpoints (format page, "Server rules").
/// Fewer than these cannot have caused a checkpoint that nobody marked.
pub const RECORDS_PER_CHECKPOINT: usize = 100;

/// Whether a record is a Checkpoint.
pub(super) fn is_marker(record: &WalRecord) -> bool {
    matches!(record.operation, Operation::Checkpoint { .. })
}

/// A start of the server over a log that already held records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Position of the Checkpoint record that the start wrote.
    pub marker: usize,
    /// Position of the first record that the snapshot did not hold then.
    pub unheld: usize,
}

/// Bytes after which a running server opens another segment (format page, "WAL").
const SEGMENT_LEN: u64 = 1 << 20;

/// The starts that the log shows, oldest first: a running server checkpoints
/// after so many records and opens a segment after so many bytes, so a Checkpoint
/// record after fewer records, or one that opens a segment after a shorter one,
/// was written by a start. Where records are missing nothing is proven; those
/// before the first one that is left were replayed too.
pub(super) fn starts(wal: &Wal) -> Vec<Start> {
    let mut found = Vec::new();
    let reaches_back = wal.records.first().is_some_and(|r| r.sequence == 1);
    let mut unheld = reaches_back.then_some(0);
    for (marker, record) in wal.records.iter().enumerate() {
        if !is_marker(record) {
            continue;
        }
        if let Some(unheld) = unheld {
            let held_any = wal.records.get(..marker).unwrap_or_default();
            let before = marker.checked_sub(1).and_then(|at| wal.records.get(at));
            let before = before.filter(|before| before.segment != record.segment);
            let short = before
                .and_then(|before| wal.segments.get(before.segment))
                .is_some_and(|segment| segment.file.len() < SEGMENT_LEN);
            let start = Start { marker, unheld };
            if (marker - unheld < RECORDS_PER_CHECKPOINT || short)
                && (!reaches_back || !held_any.iter().all(is_marker))
                && is_intact(wal, start)
            {
                found.push(start);
            }
        }
        unheld = Some(marker + 1);
    }
    found
}

/// The last position behind another where a start opened a segment whose first record,
/// its Checkpoint record, is missing: a running server opens one after more bytes.
pub(super) fn start_without_marker(wal: &Wal, after: usize) -> Option<usize> {
    let breaks = wal.breaks();
    let mut behind = breaks.into_iter().rev().take_while(|at| *at > after);
    behind.find(|at| {
        let segment_of = |at: usize| wal.records.get(at).map(|record| record.segment);
        let before = at.checked_sub(1).and_then(segment_of);
        let opened = segment_of(*at).filter(|segment| before.is_some_and(|b| b != *segment));
        let ended = before.and_then(|segment| wal.segments.get(segment));
        opened.is_some() && ended.is_some_and(|ended| ended.file.len() < SEGMENT_LEN)
    })
}

/// Whether every record from the Checkpoint record before a start to its own
/// can be read.
fn is_intact(wal: &Wal, start: Start) -> bool {
    let damaged = wal.bad.iter().map(|bad| bad.records_before);
    let jumps = wal.gaps.iter().chain(&wal.repeats).map(|jump| jump.record);
    let mut breaks = damaged.chain(jumps);
    !breaks.any(|at| (start.unheld..=start.marker).contains(&at))
}

/// Whether every record before a position can be read, from the first that the
/// server ever wrote.
pub(super) fn is_complete(wal: &Wal, before: usize) -> bool {
    let first = wal.records.first().is_some_and(|r| r.sequence == 1);
    let damaged = wal.bad.iter().map(|bad| bad.records_before);
    let jumps = wal.gaps.iter().chain(&wal.repeats).map(|jump| jump.record);
    first && !damaged.chain(jumps).any(|at| at <= before)
}

/// Whether the server can read a record back: it writes decimals as text, which
/// it does not understand.
pub(super) fn is_read_back(operation: &Operation) -> bool {
    let row = operation.pushed_row();
    let mut values = row.into_iter().flat_map(PackedRow::values);
    !values.any(|value| matches!(value, ValueRef::Numeric(_)))
}

/// The rows of a table of the first database after the server applied
/// operations on the tables of that name; `None` while there is no table.
pub(super) fn replay<'o>(
    start: Option<Vec<PackedRow>>,
    operations: impl Iterator<Item = &'o Operation>,
) -> Option<Vec<PackedRow>> {
    let mut table = start;
    for operation in operations.filter(|operation| is_read_back(operation)) {
        if let Operation::CreateTable { .. } = operation {
            table.get_or_insert_default();
            continue;
        }
        let Some(rows) = &mut table else {
            continue;
        };
        match operation {
            Operation::Insert { row, .. } => rows.push(row.clone()),
            Operation::Update { index, row, .. } => {
                if let Some(old) = position(*index).and_then(|at| rows.get_mut(at)) {
                    row.clone_into(old);
                }
            }
            Operation::Delete { index, .. } => {
                if let Some(at) = position(*index).filter(|at| *at < rows.len()) {
                    rows.remove(at);
                }
            }
            _ => {}
        }
    }
    table
}

fn position(index: u64) -> Option<usize> {
    usize::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pack_row;

    fn row(value: i64) -> PackedRow {
        pack_row([ValueRef::Integer(value)], 1, None)
    }

    fn insert(value: i64) -> Operation {
        Operation::Insert {
            table: "t".into(),
            row: row(value),
        }
    }

    #[test]
    fn update_replaces_in_place_and_delete_shifts() {
        let operations = [
            insert(3),
            Operation::Update {
                table: "t".into(),
                index: 0,
                row: row(9),
            },
            Operation::Delete {
                table: "t".into(),
                index: 1,
            },
        ];
        let start = Some(vec![row(1), row(2)]);
        let left = replay(start, operations.iter());
        assert_eq!(left, Some(vec![row(9), row(3)]));
    }

    #[test]
    fn what_the_server_cannot_read_or_place_changes_nothing() {
        let decimal = pack_row([ValueRef::Numeric("1.50")], 1, None);
        let operations = [
            Operation::Insert {
                table: "t".into(),
                row: decimal,
            },
            Operation::Delete {
                table: "t".into(),
                index: 7,
            },
        ];
        let left = replay(Some(vec![row(1)]), operations.iter());
        assert_eq!(left, Some(vec![row(1)]));
        assert_eq!(replay(None, [insert(1)].iter()), None);
    }
}
