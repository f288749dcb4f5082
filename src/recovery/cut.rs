//! The cut: which records of the log the snapshot already holds.
//!
//! A Checkpoint record says so where there is one. It can be missing, though:
//! the server writes the snapshot first and marks it afterwards. So the
//! snapshot's own content is asked every time, and what contradicts the marker
//! is named.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::codec::{ByteWriter, ContentHash};
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::legacy::{LegacyDir, RowReader, Snapshot, WalRecord, encode_row};
use crate::model::{Operation, Row, RowRef, RowStream, ValueRef};
use crate::report::Report;

/// Records after which the server checkpoints (format page, "Server rules").
/// Fewer than these cannot have caused a checkpoint that nobody marked.
const RECORDS_PER_CHECKPOINT: usize = 100;

/// Where the tail begins, and why.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Position in the log of the first record after the cut.
    pub first_tail: usize,
    /// Why the cut is there.
    pub reason: CutReason,
    /// Positions of the records to apply, in order.
    pub tail: Vec<usize>,
}

/// Why the cut is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutReason {
    /// No record at all.
    #[default]
    EmptyLog,
    /// The last Checkpoint record.
    Marker,
    /// No Checkpoint record, and the snapshot holds none of the records.
    NoMarker,
    /// The snapshot holds what stands after the last Checkpoint record.
    UnmarkedCheckpoint,
    /// The snapshot was lost, replaced or never held the rows: the whole log.
    Salvage,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordState {
    /// To be applied.
    Tail,
    /// Already there.
    InSnapshot,
    /// A statement that had failed after logging.
    NoEffect,
    /// The snapshot's mark.
    Checkpoint,
    /// Bytes that hold no readable record.
    Unreadable,
}

impl RecordState {
    /// The word that `wal` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordState::Tail => "tail",
            RecordState::InSnapshot => "in-snapshot",
            RecordState::NoEffect => "no-effect",
            RecordState::Checkpoint => "checkpoint",
            RecordState::Unreadable => "unreadable",
        }
    }
}

impl Cut {
    /// Applies the records of some positions, but for Checkpoint records.
    pub(super) fn new(records: &[WalRecord], tail: Range<usize>, reason: CutReason) -> Self {
        let positions = tail
            .clone()
            .zip(records.get(tail.clone()).unwrap_or_default());
        Cut {
            first_tail: tail.start,
            reason,
            tail: positions
                .filter(|(_, record)| !is_marker(record))
                .map(|(at, _)| at)
                .collect(),
        }
    }
}

/// Whether a record is a Checkpoint.
pub(super) fn is_marker(record: &WalRecord) -> bool {
    matches!(record.operation, Operation::Checkpoint { .. })
}

/// Finds the cut.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub fn find_cut(legacy: &LegacyDir, snapshot: &Snapshot, report: &mut Report) -> Result<Cut> {
    let records = &legacy.wal.records;
    let marker = records.iter().rposition(is_marker);
    let after = marker.map_or(0, |marker| marker + 1);
    let reason = match (records.is_empty(), marker) {
        (true, _) => CutReason::EmptyLog,
        (false, Some(_)) => CutReason::Marker,
        (false, None) => CutReason::NoMarker,
    };
    let mut cut = Cut::new(records, after..records.len(), reason);
    let evidence = Evidence::gather(records, after, snapshot)?;
    match evidence.split(records, after, snapshot) {
        Split::Before => {}
        Split::After => {
            let none = records.len()..records.len();
            cut = Cut::new(records, none, CutReason::UnmarkedCheckpoint);
            let mut finding = Finding::new(Code::UnmarkedCheckpoint).detail(format!(
                "the snapshot holds all {} records after the last Checkpoint record",
                records.len() - after
            ));
            if let Some(first) = records.get(after) {
                finding = finding.sequence(first.sequence);
            }
            report.add(finding);
        }
        Split::Unclear { present, absent } => {
            let mut finding = Finding::new(Code::CutUncertain).detail(format!(
                "of {} records after the last Checkpoint record the snapshot holds {present} and lacks {absent}",
                records.len() - after
            ));
            if let Some(first) = records.get(after) {
                finding = finding.sequence(first.sequence);
            }
            report.add(finding);
        }
    }
    report_lost_instance(legacy, snapshot, after, report);
    Ok(cut)
}

/// Where the snapshot stands against the records after the last marker.
enum Split {
    /// It holds none of them.
    Before,
    /// It holds all of them.
    After,
    /// It holds some, and no single point separates them.
    Unclear { present: usize, absent: usize },
}

/// What one record says about the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Present,
    Absent,
    Silent,
}

struct Evidence {
    signs: Vec<Sign>,
}

impl Evidence {
    /// Asks the snapshot for what each record after the marker would have left.
    fn gather(records: &[WalRecord], after: usize, snapshot: &Snapshot) -> Result<Self> {
        let tail = records.get(after..).unwrap_or_default();
        let reshaped: BTreeSet<&str> = tail.iter().filter_map(reshapes).collect();
        let mut wanted = WantedRows::default();
        for record in records {
            if let (Some(table), Some(row)) =
                (record.operation.table(), record.operation.pushed_row())
            {
                wanted.pushes_by_table.entry(table).or_default().push(row);
            }
        }
        // Only tables that the tail writes to are read.
        let written: BTreeSet<&str> = tail
            .iter()
            .filter(|r| r.operation.pushed_row().is_some())
            .filter_map(|r| r.operation.table())
            .collect();
        wanted
            .pushes_by_table
            .retain(|table, _| written.contains(table));
        let mut found = wanted.count_in(snapshot)?;
        // Rows logged before the marker are there anyway: they take their copies first.
        for record in records.get(..after).unwrap_or_default() {
            found.take(record);
        }
        let signs = tail.iter().map(|record| {
            match (record.operation.pushed_row(), record.operation.table()) {
                (Some(_), Some(table)) if reshaped.contains(table) => Sign::Silent,
                (Some(_), Some(_)) => {
                    if found.take(record) {
                        Sign::Present
                    } else {
                        Sign::Absent
                    }
                }
                _ => schema_sign(record, tail, snapshot),
            }
        });
        Ok(Evidence {
            signs: signs.collect(),
        })
    }

    fn split(&self, records: &[WalRecord], after: usize, snapshot: &Snapshot) -> Split {
        let count = |sign| self.signs.iter().filter(|s| **s == sign).count();
        let (present, absent) = (count(Sign::Present), count(Sign::Absent));
        if present == 0 {
            return Split::Before;
        }
        // Fewer records than a checkpoint takes: the snapshot can hold them only
        // if a start of the server wrote it, and then a key tells; equal rows of
        // a table without a key are ordinary.
        let enough = self.signs.len() >= RECORDS_PER_CHECKPOINT;
        let keyed = self
            .signs
            .iter()
            .zip(records.get(after..).unwrap_or_default());
        let proven = keyed
            .filter(|(sign, record)| **sign == Sign::Present && has_key(record, snapshot))
            .count();
        if absent == 0 && (enough || proven > 0) {
            return Split::After;
        }
        if !enough && proven == 0 {
            return Split::Before;
        }
        // Since 1.5 rows are deleted and vacuumed without a record, so a record
        // whose row is missing can still lie before the snapshot.
        let logs_deletes = records.iter().any(|record| {
            matches!(
                record.operation,
                Operation::Update { .. } | Operation::Delete { .. }
            )
        });
        if enough && !logs_deletes && present > absent {
            return Split::After;
        }
        if proven == 0 && present <= absent {
            return Split::Before;
        }
        Split::Unclear { present, absent }
    }
}

/// The table whose rows get another shape by this record.
fn reshapes(record: &WalRecord) -> Option<&str> {
    match &record.operation {
        Operation::AddColumn { table, .. }
        | Operation::DropColumn { table, .. }
        | Operation::DropTable { table }
        | Operation::RenameTable { old: table, .. } => Some(table),
        _ => None,
    }
}

fn has_key(record: &WalRecord, snapshot: &Snapshot) -> bool {
    let Some(name) = record.operation.table() else {
        return false;
    };
    let mut tables = snapshot.catalog.databases.iter().filter_map(|database| {
        database
            .table_index(name)
            .and_then(|index| database.tables.get(index))
    });
    // In every database that has the table, so that none could hold it twice.
    let keyed = |table: &crate::model::Table| table.columns.iter().any(|column| column.is_key());
    tables.clone().next().is_some() && tables.all(keyed)
}

/// What a schema change says, where nothing later in the tail undoes it.
fn schema_sign(record: &WalRecord, tail: &[WalRecord], snapshot: &Snapshot) -> Sign {
    let tables = |name: &str| {
        let databases = snapshot.catalog.databases.iter();
        databases
            .filter_map(|db| db.table_index(name).and_then(|at| db.tables.get(at)))
            .collect::<Vec<_>>()
    };
    let later = |name: &str| {
        let changes = tail.iter().filter(|other| other.sequence > record.sequence);
        changes.filter_map(reshapes).any(|table| table == name)
    };
    match &record.operation {
        Operation::CreateTable { table, .. } if !later(table) => match tables(table).is_empty() {
            true => Sign::Absent,
            // The statement may have failed because the table was there.
            false => Sign::Silent,
        },
        Operation::AddColumn { table, column } if !later(table) => {
            let having = tables(table);
            let held = having
                .iter()
                .filter(|t| t.column_index(&column.name).is_some())
                .count();
            match held {
                0 => Sign::Absent,
                n if n == having.len() => Sign::Present,
                _ => Sign::Silent,
            }
        }
        Operation::RenameTable { old, new } if !later(new) => {
            match (tables(old).is_empty(), tables(new).is_empty()) {
                (true, false) => Sign::Present,
                (false, true) => Sign::Absent,
                _ => Sign::Silent,
            }
        }
        _ => Sign::Silent,
    }
}

#[derive(Default)]
struct WantedRows<'w> {
    pushes_by_table: BTreeMap<&'w str, Vec<&'w Row>>,
}

/// Copies of logged rows that the snapshot holds, by table and content.
struct FoundRows {
    copies: BTreeMap<(String, ContentHash), u64>,
}

/// Rows beyond the logged ones that are looked at from a table's end: rows of
/// transactions stand between, and no record tells how many.
const SLACK_ROWS: u64 = 4096;

impl WantedRows<'_> {
    /// Counts the logged rows at the ends of the tables of that name. Pushes go
    /// to the end, so nothing before can be one of them.
    fn count_in(&self, snapshot: &Snapshot) -> Result<FoundRows> {
        let mut copies = BTreeMap::new();
        for (name, rows) in &self.pushes_by_table {
            let wanted: BTreeSet<ContentHash> =
                rows.iter().map(|row| row_hash_owned(row)).collect();
            for (d, database) in snapshot.catalog.databases.iter().enumerate() {
                let extent = database
                    .table_index(name)
                    .and_then(|t| snapshot.extent(d, t));
                let Some(extent) = extent else { continue };
                let last = (rows.len() as u64)
                    .saturating_mul(2)
                    .saturating_add(SLACK_ROWS);
                let mut reader = RowReader::starting_at(extent, extent.count.saturating_sub(last))?;
                while let Some(batch) = reader.next_batch()? {
                    for row in batch.rows() {
                        let hash = row_hash(&row);
                        if wanted.contains(&hash) {
                            *copies.entry(((*name).to_owned(), hash)).or_insert(0) += 1;
                        }
                    }
                }
            }
        }
        Ok(FoundRows { copies })
    }
}

impl FoundRows {
    /// Takes one copy of the row that a record pushed.
    fn take(&mut self, record: &WalRecord) -> bool {
        let (Some(table), Some(row)) = (record.operation.table(), record.operation.pushed_row())
        else {
            return false;
        };
        let copies = self
            .copies
            .get_mut(&(table.to_owned(), row_hash_owned(row)));
        match copies {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// The values and xmin: what stays when the version is marked dead later.
pub(super) fn row_hash(row: &RowRef<'_>) -> ContentHash {
    let mut bytes = ByteWriter::new();
    encode_row(&mut bytes, &RowRef { xmax: None, ..*row });
    ContentHash::of(bytes.as_slice())
}

pub(super) fn row_hash_owned(row: &Row) -> ContentHash {
    let values: Vec<ValueRef<'_>> = row.values.iter().map(|value| value.as_ref()).collect();
    row_hash(&RowRef {
        values: &values,
        xmin: row.xmin,
        xmax: None,
    })
}

/// A marker that the snapshot contradicts: the instance was replaced by an
/// empty one, or keeps its rows elsewhere.
fn report_lost_instance(
    legacy: &LegacyDir,
    snapshot: &Snapshot,
    after: usize,
    report: &mut Report,
) {
    let before = legacy.wal.records.get(..after).unwrap_or_default();
    let names: BTreeSet<&str> = table_names(snapshot);
    let no_rows = snapshot
        .rows
        .iter()
        .flatten()
        .all(|extent| extent.count == 0);
    let inserts = |records: &[WalRecord]| {
        records
            .iter()
            .filter(|r| matches!(r.operation, Operation::Insert { .. }))
            .count()
    };
    if names.is_empty() && lost_tables(before) > 0 {
        report.add(Finding::new(Code::Reinitialised).detail(format!(
            "found a snapshot without tables, expected {} tables that the log created and {} rows that it inserted before the last Checkpoint record",
            lost_tables(before),
            inserts(before)
        )));
        return;
    }
    let paged = !legacy.page_dirs.is_empty();
    let pages_hold_rows = paged && no_rows;
    // Page storage logs no CREATE TABLE, so records name tables nobody made.
    if pages_hold_rows {
        let mut finding = Finding::new(Code::RowsNotInSnapshot).detail(format!(
            "found no row in the snapshot, expected those of {} directories of page files and {} logged inserts",
            legacy.page_dirs.len(),
            inserts(&legacy.wal.records)
        ));
        if let Some(first) = legacy.page_dirs.first() {
            finding = finding.file(&first.path);
        }
        report.add(finding);
    } else if no_rows
        && sequences_advanced(snapshot)
        && inserts(before) > 0
        && logged_rows_expected(before, &names)
    {
        report.add(Finding::new(Code::RowsNotInSnapshot).detail(format!(
            "found no row in the snapshot, expected some of {} rows that the log inserted before the last Checkpoint record",
            inserts(before)
        )));
    }
}

fn table_names(snapshot: &Snapshot) -> BTreeSet<&str> {
    let tables = snapshot
        .catalog
        .databases
        .iter()
        .flat_map(|database| &database.tables);
    tables.map(|table| table.name.as_str()).collect()
}

/// How many tables the records leave behind.
fn lost_tables(records: &[WalRecord]) -> usize {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for record in records {
        match &record.operation {
            Operation::DropTable { table } => {
                names.remove(table.as_str());
            }
            Operation::RenameTable { old, new } => {
                names.remove(old.as_str());
                names.insert(new);
            }
            other => names.extend(other.table()),
        }
    }
    names.len()
}

/// Whether a sequence has moved although no row is there.
fn sequences_advanced(snapshot: &Snapshot) -> bool {
    let mut tables = snapshot
        .catalog
        .databases
        .iter()
        .flat_map(|database| &database.tables);
    tables.any(|table| table.sequences.iter().any(|(_, next)| *next > 1))
}

/// Whether rows went into tables that are still there and no CREATE TABLE made
/// them in the log: page storage logs none.
fn logged_rows_expected(records: &[WalRecord], names: &BTreeSet<&str>) -> bool {
    let created = records
        .iter()
        .any(|r| matches!(r.operation, Operation::CreateTable { .. }));
    let inserted = records.iter().any(|record| {
        matches!(&record.operation, Operation::Insert { table, .. } if names.contains(table.as_str()))
    });
    inserted && !created
}
