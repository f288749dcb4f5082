//! Write amplification: what the records of a legacy log cost the old server,
//! and what they cost a store of ours.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::codec::MadeRows;
use crate::commands::{Backend, Directory};
use crate::engine::Layout;
use crate::error::Result;
use crate::file::{Progress, WrittenBytes};
use crate::legacy::{FRAME_LEN, LegacyDir, Snapshot, SnapshotEncoder};
use crate::model::{Operation, RowSource, RowStream, Table};
use crate::recovery::{Overlay, RECORDS_PER_CHECKPOINT, Recovery};

use super::replay::{RecordTotals, ReplayedRecord, ReplayedTail, replay};

/// Bytes of a Checkpoint record with its frame (format page, "WAL").
const CHECKPOINT_RECORD_LEN: u64 = FRAME_LEN + 8 + 8 + 4 + 8;

/// Records of one checkpoint of a store that waits longer.
const MORE_RECORDS_PER_CHECKPOINT: usize = 10_000;
/// Bytes that each writer may write in all.
const MOST_WRITTEN: u64 = 256 << 20;
/// Of a larger snapshot, how many of it.
const MOST_SNAPSHOTS: u64 = 10;
/// What a change of columns counts beside the table, and what a new table does:
/// each makes and syncs files of its own, which takes as long as so many bytes.
/// Nobody makes hundreds of them between two checkpoints; of a log that claims it,
/// so many are replayed that it takes seconds.
const SCHEMA_CHANGE_LEN: u64 = 2 << 20;
const TABLE_LEN: u64 = 1 << 20;
/// What a table of the snapshot counts with its first record: files of its own are
/// made of it for each run.
const TOUCHED_LEN: u64 = 128 << 10;

/// What the tail of a legacy log costs to write, by who writes it.
#[derive(Debug, Serialize)]
pub struct Writes {
    /// The records that were written again.
    pub replayed: RecordTotals,
    /// The records of the tail that were not, or not everywhere.
    pub left_out: LeftOut,
    /// Whether the old server keeps rows in pages. What it writes of those is
    /// not counted.
    pub rows_in_pages: bool,
    /// Every writer at every distance of checkpoints.
    pub runs: Vec<WriterTotals>,
}

/// Records that nobody, or no store of ours, writes again.
#[derive(Debug, Default, Serialize)]
pub struct LeftOut {
    /// Their database is not known.
    pub unattributed: RecordTotals,
    /// Their statement failed, or ended a row that was never logged.
    pub no_effect: RecordTotals,
    /// Replayed, and refused by a store of ours: a key that a visible row has,
    /// or the end of a version that is ended. The old server allows both.
    pub refused: RecordTotals,
    /// After so many that all writers together would write too much: what they
    /// cost is known by then.
    pub beyond: RecordTotals,
}

/// What one writer wrote.
#[derive(Debug, Serialize)]
pub struct WriterTotals {
    /// `old server`, or a layout.
    pub writer: String,
    /// Records between two checkpoints; there is one at the end too.
    pub checkpoint_every: usize,
    /// How many checkpoints that makes.
    pub checkpoints: usize,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Bytes written to all other files.
    pub file_bytes: u64,
    /// All of them for each byte of the replayed records.
    pub per_logged_byte: f64,
}

/// Writes the tail of a legacy log once more by every writer.
///
/// # Errors
/// When the snapshot cannot be read, or converted; I/O errors.
pub(super) fn measure(directory: &Directory, progress: &Progress) -> Result<Option<Writes>> {
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return Ok(None);
    };
    let Some(mut tail) = tail_of(directory, progress) else {
        return Ok(None);
    };
    let mut left_out = left_out(legacy, recovery);
    let enough = enough(&tail.changes, legacy.files.len());
    let beyond = tail.changes.drain(enough..);
    beyond.for_each(|change| left_out.beyond.add(change.len));
    tail.touched = touched(tail.snapshot, &tail.changes);
    let mut writes = Writes {
        replayed: RecordTotals::default(),
        left_out,
        rows_in_pages: tail.rows_in_pages,
        runs: Vec::new(),
    };
    let lens = tail.changes.iter().map(|change| change.len);
    lens.for_each(|len| writes.replayed.add(len));
    for every in [RECORDS_PER_CHECKPOINT, MORE_RECORDS_PER_CHECKPOINT] {
        let written = old_server(&tail, every)?;
        writes.add_run("old server".into(), (every, &tail), written);
        for layout in [Layout::PerTable, Layout::Append, Layout::Paged] {
            let (written, refused) = replay(&tail, layout, every)?;
            writes.left_out.refused = refused;
            writes.add_run(layout.to_string(), (every, &tail), written);
        }
    }
    Ok(Some(writes))
}

/// How many of the changes are replayed. The old server writes everything at each
/// checkpoint, and some layout a whole table: without an end that would be the
/// product of records and bytes.
fn enough(changes: &[ReplayedRecord<'_>], snapshot_len: u64) -> usize {
    let mut left = MOST_WRITTEN.max(snapshot_len.saturating_mul(MOST_SNAPSHOTS));
    let mut touched = BTreeSet::new();
    for (index, change) in changes.iter().enumerate() {
        let checkpoint = match index % RECORDS_PER_CHECKPOINT {
            0 => snapshot_len,
            _ => 0,
        };
        let rewritten = match change.operation {
            Operation::AddColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::RenameColumn { .. } => snapshot_len.saturating_add(SCHEMA_CHANGE_LEN),
            Operation::CreateTable { .. } | Operation::DropTable { .. } => TABLE_LEN,
            _ => 0,
        };
        let first = match touched.insert((change.database, change.operation.table())) {
            true => TOUCHED_LEN,
            false => 0,
        };
        let cost = checkpoint
            .saturating_add(rewritten)
            .saturating_add(first)
            .saturating_add(change.len);
        match left.checked_sub(cost) {
            Some(rest) => left = rest,
            None => return index.max(1),
        }
    }
    changes.len()
}

/// The tables that the changes are about. A store of ours writes nothing for
/// others, so they need not be made for each run.
fn touched(snapshot: &Snapshot, changes: &[ReplayedRecord<'_>]) -> Snapshot {
    let named = changes.iter().map(|c| (c.database, c.operation.table()));
    let named: BTreeSet<_> = named.collect();
    let mut touched = snapshot.clone();
    let databases = touched.catalog.databases.iter_mut();
    for (database, rows) in databases.zip(&mut touched.rows) {
        let name = database.name.as_str();
        let is_named = |table: &Table| named.contains(&(name, Some(table.name.as_str())));
        let keep: Vec<bool> = database.tables.iter().map(is_named).collect();
        let mut kept = keep.iter();
        database
            .tables
            .retain(|_| kept.next().copied().unwrap_or_default());
        let mut kept = keep.iter();
        rows.retain(|_| kept.next().copied().unwrap_or_default());
    }
    touched
}

/// The tail of a legacy directory, if a record of it was applied.
pub(super) fn tail_of<'d>(
    directory: &'d Directory,
    progress: &'d Progress,
) -> Option<ReplayedTail<'d>> {
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return None;
    };
    let Ok(Some(snapshot)) = &legacy.snapshot else {
        return None;
    };
    let tail = ReplayedTail {
        path: directory.path(),
        family: legacy.family,
        snapshot,
        touched: snapshot.clone(),
        changes: changes(legacy, recovery),
        threads: directory.threads(),
        progress,
        rows_in_pages: rows_in_pages(legacy, snapshot),
    };
    (!tail.changes.is_empty()).then_some(tail)
}

impl Writes {
    fn add_run(
        &mut self,
        writer: String,
        (every, tail): (usize, &ReplayedTail<'_>),
        bytes: WrittenBytes,
    ) {
        let all = bytes.log.saturating_add(bytes.files);
        let hundredths = u128::from(all) * 100 / u128::from(self.replayed.bytes.max(1));
        let hundredths = u32::try_from(hundredths).unwrap_or(u32::MAX);
        self.runs.push(WriterTotals {
            writer,
            checkpoint_every: every,
            checkpoints: tail.changes.len().div_ceil(every),
            log_bytes: bytes.log,
            file_bytes: bytes.files,
            per_logged_byte: f64::from(hundredths) / 100.0,
        });
    }
}

fn changes<'d>(legacy: &'d LegacyDir, recovery: &'d Recovery) -> Vec<ReplayedRecord<'d>> {
    let databases = &recovery.overlay.catalog().databases;
    let applied = recovery.applied.iter().filter_map(|applied| {
        let record = legacy.wal.records.get(applied.record)?;
        Some(ReplayedRecord {
            database: databases.get(applied.database)?.name.as_str(),
            operation: applied.realigned.as_deref().unwrap_or(&record.operation),
            xmax: applied.xmax,
            len: record.len.saturating_add(FRAME_LEN),
        })
    });
    applied.collect()
}

fn left_out(legacy: &LegacyDir, recovery: &Recovery) -> LeftOut {
    let applied: BTreeSet<usize> = recovery.applied.iter().map(|a| a.record).collect();
    let aside: BTreeSet<usize> = recovery.set_aside.iter().map(|a| a.record).collect();
    let mut left_out = LeftOut::default();
    for attributed in &recovery.attribution.tail {
        let at = attributed.record;
        let Some(record) = legacy
            .wal
            .records
            .get(at)
            .filter(|_| !applied.contains(&at))
        else {
            continue;
        };
        let kind = match aside.contains(&at) {
            true => &mut left_out.unattributed,
            false => &mut left_out.no_effect,
        };
        kind.add(record.len.saturating_add(FRAME_LEN));
    }
    left_out
}

/// Whether the snapshot is one of a server with page storage, which keeps rows
/// out of it (format page, "Server rules").
fn rows_in_pages(legacy: &LegacyDir, snapshot: &Snapshot) -> bool {
    let mut extents = snapshot.rows.iter().flatten();
    (legacy.family.has_roles() || !legacy.page_dirs.is_empty())
        && extents.all(|extent| extent.count == 0)
}

/// The log, and the whole snapshot at each checkpoint, with its record.
fn old_server(tail: &ReplayedTail<'_>, every: usize) -> Result<WrittenBytes> {
    let mut overlay = Overlay::new(tail.snapshot);
    let mut written = WrittenBytes::default();
    for changes in tail.changes.chunks(every) {
        for change in changes {
            let database = overlay.database_or_new(change.database);
            overlay.apply(database, change.operation, change.xmax);
            written.log = written.log.saturating_add(change.len);
        }
        overlay.finish();
        let rows: &dyn RowSource = match tail.rows_in_pages {
            true => &Rowless,
            false => &overlay,
        };
        let mut len = CountingSink(0);
        SnapshotEncoder::new(&mut len, tail.path, tail.family).write(
            overlay.catalog(),
            rows,
            None,
        )?;
        written.files = written.files.saturating_add(len.0);
        written.log = written.log.saturating_add(CHECKPOINT_RECORD_LEN);
    }
    Ok(written)
}

/// Bytes that go nowhere.
struct CountingSink(u64);

impl io::Write for CountingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tables whose rows are elsewhere.
struct Rowless;

impl RowSource for Rowless {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(Box::new(MadeRows::new(std::iter::empty())))
    }
}
