//! What the snapshot itself says about the records after the last marker.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{ByteWriter, ContentHash, encode_row};
use crate::error::Result;
use crate::legacy::{Family, RowReader, Snapshot, Wal, WalRecord};
use crate::model::{
    Column, DataType, Operation, PackedRow, RowRef, RowStream, TableAt, TablesByName,
};

use crate::recovery::server_replay::RECORDS_PER_CHECKPOINT;

/// Segments that a checkpoint keeps, the newest by name (format page, "WAL").
pub(super) const SEGMENTS_KEPT: usize = 2;

/// The fewest rows that stand in a snapshot already by no chance.
pub(super) const HELD_LEAST: usize = 3;

/// Where the snapshot stands against the records after the last marker.
pub(super) enum Split {
    /// It holds none of them.
    Before,
    /// It holds all of them.
    After,
    /// It holds those before this position of the log, where the mark is lost.
    At(usize),
    /// It holds some, and no single point separates them.
    Unclear { present: usize, absent: usize },
}

/// What one record says about the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recovery) enum Sign {
    /// The snapshot holds what the record did.
    Present,
    /// It does not.
    Absent,
    /// Nothing tells.
    Silent,
}

/// What each record after a position says.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(in crate::recovery) fn signs(
    records: &[WalRecord],
    after: usize,
    snapshot: &Snapshot,
) -> Result<Vec<Sign>> {
    Evidence::gather(records, after, snapshot).map(|evidence| evidence.signs)
}

pub(super) struct Evidence {
    signs: Vec<Sign>,
    /// Records that only a snapshot written after them can hold so.
    proven: usize,
    /// Records whose rows a key or a counter makes nearly unique.
    telling: usize,
    /// Such ones of tables with a key.
    keyed: usize,
}

impl Evidence {
    /// Asks the snapshot for what each record after the marker would have left.
    pub(super) fn gather(records: &[WalRecord], after: usize, snapshot: &Snapshot) -> Result<Self> {
        let tail = records.get(after..).unwrap_or_default();
        let tables = TablesByName::new(&snapshot.catalog);
        // By table the last record of the tail that gives its rows another shape.
        let reshaped = tail
            .iter()
            .filter_map(|record| Some((reshapes(record)?, record.sequence)));
        let mut last_reshaped = BTreeMap::new();
        for (table, sequence) in reshaped {
            let last = last_reshaped.entry(table).or_insert(sequence);
            *last = sequence.max(*last);
        }
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
        let mut found = wanted.count_in(snapshot, &tables)?;
        // Rows logged before the marker are there anyway: they take their copies first.
        for record in records.get(..after).unwrap_or_default() {
            found.take(record);
        }
        let mut evidence = Evidence {
            signs: Vec::with_capacity(tail.len()),
            proven: 0,
            telling: 0,
            keyed: 0,
        };
        let created: BTreeSet<&str> = tail.iter().filter_map(creates).collect();
        let mut ended = BTreeSet::new();
        // What was pushed before stands as it was logged, or is not to be told.
        let mut reshaped = BTreeSet::new();
        for record in tail {
            let sign = match (record.operation.pushed_row(), record.operation.table()) {
                (Some(_), Some(table)) if !reshaped.contains(table) && found.take(record) => {
                    Sign::Present
                }
                (Some(_), Some(table)) if last_reshaped.contains_key(table) => Sign::Silent,
                (Some(_), Some(_)) => Sign::Absent,
                _ => schema_sign(record, &tables, &last_reshaped),
            };
            evidence.signs.push(sign);
            reshaped.extend(reshapes(record));
            let table = record.operation.table().unwrap_or_default();
            if sign == Sign::Present {
                let keyed = has_key(record, &tables);
                evidence.keyed += usize::from(keyed);
                evidence.telling += usize::from(keyed || counts(record, &tables));
                let refused = keyed && !created.contains(table);
                evidence.proven += usize::from(refused && found.refuses(record, &tables, &ended));
            }
            if let Operation::Update { index, .. } | Operation::Delete { index, .. } =
                &record.operation
            {
                ended.insert((table, *index));
            }
        }
        Ok(evidence)
    }

    /// How many records the snapshot holds, and how many it lacks.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |sign| self.signs.iter().filter(|s| **s == sign).count();
        (count(Sign::Present), count(Sign::Absent))
    }

    /// Where the cut is; whether there can have been a start of which the log
    /// shows nothing is told.
    pub(super) fn split(
        &self,
        wal: &Wal,
        after: usize,
        family: Family,
        hidden_start: bool,
    ) -> Split {
        let (present, absent) = self.counts();
        let unclear = Split::Unclear { present, absent };
        // Since 1.5 rows are deleted and vacuumed without a record, so a record
        // whose row is missing can still lie before the snapshot, and one whose
        // row is there can have pushed it again.
        let logs_changes = wal.logs_ended_versions();
        if self.signs.len() < RECORDS_PER_CHECKPOINT {
            // Fewer records than a checkpoint takes: only a start of the server
            // can have written the snapshot after them. Rows that come back, by
            // UPDATE or into another database, are ordinary and prove nothing.
            // 1.3 takes a key again.
            let proven = self.proven > 0 && logs_changes && family != Family::V1_3;
            if proven && absent == 0 && opened_last(wal) {
                return Split::After;
            }
            let started = present > 0 && self.start_can_have_written(wal, after);
            let replayed = hidden_start && !self.signs.is_empty();
            let unmarked = present >= HELD_LEAST && self.lost_mark(wal, after).is_some();
            return match proven || started || replayed || unmarked {
                true => unclear,
                false => Split::Before,
            };
        }
        if present == 0 {
            return Split::Before;
        }
        if let Some(at) = self.lost_mark(wal, after) {
            return match at < wal.records.len() {
                true => Split::At(at),
                false => Split::After,
            };
        }
        // The snapshot holds the last record before it, whatever was deleted since.
        let last = self.signs.iter().rfind(|sign| **sign != Sign::Silent);
        let ends_with_it = last == Some(&Sign::Present);
        if absent == 0 || (!logs_changes && present > absent && ends_with_it) {
            return Split::After;
        }
        if self.keyed == 0 && present <= absent {
            return Split::Before;
        }
        unclear
    }

    /// Where the log is broken between records that the snapshot holds and those that
    /// it lacks, if there are any: a mark that can no longer be read stood there.
    fn lost_mark(&self, wal: &Wal, after: usize) -> Option<usize> {
        let is = |sign: Sign| move |one: &Sign| *one == sign;
        let last_present = self.signs.iter().rposition(is(Sign::Present))?;
        let first_absent = self.signs.iter().position(is(Sign::Absent));
        let lacking = first_absent.unwrap_or(self.signs.len());
        let between = after + last_present + 1..=after + lacking;
        wal.breaks().into_iter().find(|at| between.contains(at))
    }

    /// Whether a start that the kill ended can have come after the last record:
    /// a start opens a segment first, under the name of its second.
    fn start_can_have_written(&self, wal: &Wal, after: usize) -> bool {
        let at_once = wal
            .records
            .get(after..)
            .and_then(<[_]>::last)
            .is_some_and(|last| {
                let name = wal.segments.get(last.segment).map(|segment| &*segment.name);
                let stem = name.and_then(|name| name.strip_suffix(".wal"));
                let second = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
                second.is_some_and(|second| last.timestamp <= second)
            });
        opened_last(wal) || (at_once && self.telling > 0)
    }
}

/// Whether a start opened a segment and wrote nothing into it.
pub(super) fn opened_last(wal: &Wal) -> bool {
    let mut segments = wal.segments.iter();
    segments.any(|segment| segment.file.is_empty())
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

/// The table that a record makes, or gives its name to.
fn creates(record: &WalRecord) -> Option<&str> {
    match &record.operation {
        Operation::CreateTable { table, .. } => Some(table),
        Operation::RenameTable { new, .. } => Some(new),
        _ => None,
    }
}

/// Whether every table of a record's name has a key.
pub(in crate::recovery) fn has_key(record: &WalRecord, tables: &TablesByName<'_>) -> bool {
    all_have(record, tables, Column::is_key)
}

/// Whether every table of a record's name has a column that counts.
fn counts(record: &WalRecord, tables: &TablesByName<'_>) -> bool {
    let counter =
        |column: &Column| matches!(column.data_type, DataType::Serial | DataType::BigSerial);
    all_have(record, tables, counter)
}

/// Whether every table of a record's name, so that none could hold its row
/// twice, has such a column.
fn all_have(record: &WalRecord, tables: &TablesByName<'_>, such: impl Fn(&Column) -> bool) -> bool {
    let named = record.operation.table().map(|name| tables.named(name));
    let has_one = |at: &TableAt<'_>| at.schema.columns.iter().any(&such);
    named.is_some_and(|named| !named.is_empty() && named.iter().all(has_one))
}

/// What a schema change says, where nothing later in the tail undoes it.
fn schema_sign(
    record: &WalRecord,
    tables: &TablesByName<'_>,
    last_reshaped: &BTreeMap<&str, u64>,
) -> Sign {
    let tables = |name: &str| tables.named(name);
    let later = |name: &str| last_reshaped.get(name) > Some(&record.sequence);
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
                .filter(|at| at.schema.column_index(&column.name).is_some())
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
    pushes_by_table: BTreeMap<&'w str, Vec<&'w PackedRow>>,
}

/// Copies of logged rows that the snapshot holds, by table and content.
struct FoundRows {
    copies: BTreeMap<(String, ContentHash), u64>,
    /// Where those stand that are not ended: the database and the row.
    live: BTreeMap<(String, ContentHash), Vec<(usize, u64)>>,
}

/// Rows beyond the logged ones that are looked at from a table's end: rows of
/// transactions stand between, and no record tells how many.
pub(super) const SLACK_ROWS: u64 = 4096;

impl WantedRows<'_> {
    /// Counts the logged rows at the ends of the tables of that name. Pushes go
    /// to the end, so nothing before can be one of them.
    fn count_in(&self, snapshot: &Snapshot, tables: &TablesByName<'_>) -> Result<FoundRows> {
        let mut copies = BTreeMap::new();
        let mut live: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, rows) in &self.pushes_by_table {
            let wanted: BTreeSet<ContentHash> =
                rows.iter().map(|row| row_hash_owned(row)).collect();
            for table in tables.named(name) {
                let d = table.database;
                let extent = snapshot.extent(d, table.table);
                let Some(extent) = extent else { continue };
                let last = (rows.len() as u64)
                    .saturating_mul(2)
                    .saturating_add(SLACK_ROWS);
                let mut at = extent.count.saturating_sub(last);
                let mut reader = RowReader::starting_at(extent, at)?;
                while let Some(batch) = reader.next_batch()? {
                    for row in batch.rows() {
                        let hash = row_hash(&row);
                        if wanted.contains(&hash) {
                            let key = ((*name).to_owned(), hash);
                            if row.xmax.is_none() {
                                live.entry(key.clone()).or_default().push((d, at));
                            }
                            *copies.entry(key).or_insert(0) += 1;
                        }
                        at += 1;
                    }
                }
            }
        }
        Ok(FoundRows { copies, live })
    }
}

impl FoundRows {
    /// Whether no database that has the table could take an INSERT's row after
    /// the snapshot: a key in a row that it shows, and that nothing has `ended`
    /// since, is taken. Rows of equal xmin are shown to one another.
    fn refuses(
        &self,
        record: &WalRecord,
        tables: &TablesByName<'_>,
        ended: &BTreeSet<(&str, u64)>,
    ) -> bool {
        let Operation::Insert { table, row } = &record.operation else {
            return false;
        };
        let live = self.live.get(&(table.to_string(), row_hash_owned(row)));
        tables.named(table).iter().all(|at| {
            let own = |(home, _): &&(usize, u64)| *home == at.database;
            let mut live = live.into_iter().flatten().filter(own);
            live.any(|(_, row)| !ended.contains(&(&**table, *row)))
        })
    }

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
pub(in crate::recovery) fn row_hash(row: &RowRef<'_>) -> ContentHash {
    let mut bytes = ByteWriter::new();
    encode_row(&mut bytes, &RowRef { xmax: None, ..*row });
    ContentHash::of(bytes.as_slice())
}

pub(in crate::recovery) fn row_hash_owned(row: &PackedRow) -> ContentHash {
    row_hash(&row.as_row())
}
