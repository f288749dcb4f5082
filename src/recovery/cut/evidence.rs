//! What the snapshot itself says about the records after the last marker.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::error::Result;
use crate::legacy::{Family, RowReader, Snapshot, Wal, WalRecord};
use crate::model::{Column, DataType, Operation, PackedRow, RowStream, TableAt, TablesByName};

use crate::recovery::server_replay::{RECORDS_PER_CHECKPOINT, start_without_marker};

use super::forms::{Forms, hash_with_nulls, row_hash, row_hash_owned};

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
    /// Records that no database that has the table can have refused, and whose rows
    /// are missing.
    surely_absent: usize,
}

impl Evidence {
    /// Asks the snapshot for what each record after the marker would have left.
    pub(super) fn gather(records: &[WalRecord], after: usize, snapshot: &Snapshot) -> Result<Self> {
        let (before, tail) = records.split_at(after.min(records.len()));
        let tables = TablesByName::new(&snapshot.catalog);
        let forms = Forms::new(tail);
        let pushed: Vec<Option<LoggedRow<'_>>> = tail
            .iter()
            .enumerate()
            .map(|(position, record)| LoggedRow::look(position, record, &forms, &tables))
            .collect();
        let mut wanted = WantedRows::default();
        for pushed in pushed.iter().flatten() {
            let (table, row) = pushed.logged();
            wanted.add(table, row);
            let at_end = pushed.at_end;
            if let Some((table, row)) = at_end.filter(|row| *row != pushed.logged()) {
                wanted.add(table, row);
            }
        }
        let mut logged_before = Vec::new();
        for record in before {
            // Only tables that the tail writes to are read.
            if let (Some(table), Some(row)) =
                (record.operation.table(), record.operation.pushed_row())
                && wanted.by_table.contains_key(table)
            {
                let row = row_hash_owned(row);
                wanted.add(table, row);
                logged_before.push((table, row));
            }
        }
        let mut found = wanted.count_in(snapshot, &tables)?;
        // Rows logged before the marker are there anyway: they take their copies first.
        for row in logged_before {
            found.take(row);
        }
        let mut evidence = Evidence {
            signs: Vec::with_capacity(tail.len()),
            proven: 0,
            telling: 0,
            keyed: 0,
            surely_absent: 0,
        };
        let created: BTreeSet<&str> = tail.iter().filter_map(creates).collect();
        let mut ended = BTreeSet::new();
        // Of a table or a column that comes back the snapshot can hold that of before.
        let mut gone: BTreeSet<(&str, Option<&str>)> = BTreeSet::new();
        for (position, (record, pushed)) in tail.iter().zip(&pushed).enumerate() {
            let sign = match pushed {
                Some(pushed) => match pushed.stands_in(&mut found) {
                    Some(true) if gone.contains(&(pushed.table, None)) => Sign::Silent,
                    Some(true) => Sign::Present,
                    // It may have failed, of a table of another form.
                    Some(false) => match fitting(record, &tables) {
                        (0, 1..) => Sign::Silent,
                        (fitting, all) => {
                            evidence.surely_absent += usize::from(fitting == all && all > 0);
                            Sign::Absent
                        }
                    },
                    None => Sign::Silent,
                },
                None => match schema_sign((position, record), &tables, &forms) {
                    Sign::Present if gives(record).is_some_and(|given| gone.contains(&given)) => {
                        Sign::Silent
                    }
                    sign => sign,
                },
            };
            evidence.signs.push(sign);
            gone.extend(takes_away(record));
            let table = record.operation.table().unwrap_or_default();
            if sign == Sign::Present {
                let keyed = has_key(record, &tables);
                evidence.keyed += usize::from(keyed);
                evidence.telling += usize::from(keyed || counts(record, &tables));
                let refused = |pushed: &LoggedRow<'_>| {
                    pushed.is_insert && found.refuses(pushed, &tables, &ended)
                };
                let asked = pushed
                    .as_ref()
                    .filter(|_| keyed && !created.contains(table));
                evidence.proven += usize::from(asked.is_some_and(refused));
            }
            if let Operation::Update { index, .. } | Operation::Delete { index, .. } =
                &record.operation
            {
                ended.insert((table, *index));
            }
        }
        Ok(evidence)
    }

    /// What each record says.
    pub(super) fn signs(&self) -> &[Sign] {
        &self.signs
    }

    /// How many records cannot have failed, and left nothing.
    pub(super) fn surely_absent(&self) -> usize {
        self.surely_absent
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
        if let Some(at) = start_without_marker(wal, after)
            && let Some((before, behind)) = self.signs.split_at_checked(at - after)
            && before.contains(&Sign::Present)
            && !behind.contains(&Sign::Present)
        {
            return Split::At(at);
        }
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
            let by_no_chance = present >= HELD_LEAST || self.telling > 0;
            let unmarked = by_no_chance && self.lost_mark(wal, after).is_some();
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
        let logged = wal.records.len() > after;
        opened_last(wal) || (logged && ended_at_once(wal) && self.telling > 0)
    }
}

/// Whether the last record was logged within the second in which its segment was
/// opened: a start in that second opens no other.
pub(super) fn ended_at_once(wal: &Wal) -> bool {
    wal.records.last().is_some_and(|last| {
        let name = wal.segments.get(last.segment).map(|segment| &*segment.name);
        let stem = name.and_then(|name| name.strip_suffix(".wal"));
        let second = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
        second.is_some_and(|second| last.timestamp <= second)
    })
}

/// How many tables of a record's name have as many columns as the row that it pushed
/// has values, and how many there are.
fn fitting(record: &WalRecord, tables: &TablesByName<'_>) -> (usize, usize) {
    let arity = record.operation.pushed_row().map(PackedRow::arity);
    let table = record.operation.table().unwrap_or_default();
    let named = tables.named(table);
    let fits = |at: &&TableAt<'_>| Some(at.schema.columns.len()) == arity;
    (named.iter().filter(fits).count(), named.len())
}

/// Whether a start opened a segment and wrote nothing whole into it.
pub(super) fn opened_last(wal: &Wal) -> bool {
    let mut segments = wal.segments.iter();
    let newest = wal.segments.len().checked_sub(1);
    let torn = wal
        .bad
        .iter()
        .any(|bad| bad.torn && bad.offset == 0 && Some(bad.segment) == newest);
    torn || segments.any(|segment| segment.file.is_empty())
}

/// The table that a record makes, or gives its name to.
fn creates(record: &WalRecord) -> Option<&str> {
    match &record.operation {
        Operation::CreateTable { table, .. } => Some(table),
        Operation::RenameTable { new, .. } => Some(new),
        _ => None,
    }
}

/// The table, or the column of one, that is there since a record.
fn gives(record: &WalRecord) -> Option<(&str, Option<&str>)> {
    match &record.operation {
        Operation::AddColumn { table, column } => Some((table, Some(&column.name))),
        Operation::RenameTable { new, .. } => Some((new, None)),
        _ => None,
    }
}

/// The table, or the column of one, that is not what it was since a record.
fn takes_away(record: &WalRecord) -> Vec<(&str, Option<&str>)> {
    match &record.operation {
        Operation::DropTable { table } => vec![(table, None)],
        Operation::RenameTable { old, new } => vec![(old, None), (new, None)],
        Operation::DropColumn { table, column } => vec![(table, Some(column))],
        Operation::RenameColumn { table, old, .. } => vec![(table, Some(old))],
        _ => Vec::new(),
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
    (position, record): (usize, &WalRecord),
    tables: &TablesByName<'_>,
    forms: &Forms<'_>,
) -> Sign {
    let tables = |name: &str| tables.named(name);
    let goes = |name: &str| forms.goes_behind(name, position);
    match &record.operation {
        Operation::CreateTable { table, .. } if !goes(table) => match tables(table).is_empty() {
            true => Sign::Absent,
            // The statement may have failed because the table was there.
            false => Sign::Silent,
        },
        Operation::AddColumn { table, column } if !forms.changes_behind(table, position) => {
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
        Operation::RenameTable { old, new } if !goes(new) => {
            match (tables(old).is_empty(), tables(new).is_empty()) {
                (true, false) => Sign::Present,
                (false, true) => Sign::Absent,
                _ => Sign::Silent,
            }
        }
        _ => Sign::Silent,
    }
}

/// A row that a record pushed.
struct LoggedRow<'w> {
    table: &'w str,
    row: ContentHash,
    /// Where it stands at the end of the log and what it is there, if that is known.
    at_end: Option<(&'w str, ContentHash)>,
    is_insert: bool,
}

impl<'w> LoggedRow<'w> {
    fn look(
        position: usize,
        record: &'w WalRecord,
        forms: &Forms<'w>,
        tables: &TablesByName<'_>,
    ) -> Option<Self> {
        let (table, row) = (record.operation.table()?, record.operation.pushed_row()?);
        let hash = row_hash_owned(row);
        let at_end = forms.at_end(position, table, tables);
        Some(LoggedRow {
            table,
            row: hash,
            at_end: at_end.map(|(table, nulls)| match nulls {
                0 => (table, hash),
                _ => (table, hash_with_nulls(row, nulls)),
            }),
            is_insert: matches!(record.operation, Operation::Insert { .. }),
        })
    }

    /// The table and the row of the record.
    fn logged(&self) -> (&'w str, ContentHash) {
        (self.table, self.row)
    }

    /// Takes a copy of the row, as it was logged or as it stands at the end; whether
    /// there is one, none where that is not to be told.
    fn stands_in(&self, found: &mut FoundRows<'w>) -> Option<bool> {
        match found.take(self.logged()) {
            true => Some(true),
            false => self.at_end.map(|row| found.take(row)),
        }
    }
}

/// Rows that are looked for, by table.
#[derive(Default)]
struct WantedRows<'w> {
    by_table: BTreeMap<&'w str, (u64, BTreeSet<ContentHash>)>,
}

/// Copies of logged rows that the snapshot holds, by table and content.
struct FoundRows<'w> {
    copies: BTreeMap<(&'w str, ContentHash), u64>,
    /// Where those stand that are not ended: the database and the row.
    live: BTreeMap<(&'w str, ContentHash), Vec<(usize, u64)>>,
}

/// Rows beyond the logged ones that are looked at from a table's end: rows of
/// transactions stand between, and no record tells how many.
pub(super) const SLACK_ROWS: u64 = 4096;

impl<'w> WantedRows<'w> {
    fn add(&mut self, table: &'w str, row: ContentHash) {
        let (times, rows) = self.by_table.entry(table).or_default();
        *times += 1;
        rows.insert(row);
    }

    /// Counts the logged rows at the ends of the tables of that name. Pushes go
    /// to the end, so nothing before can be one of them.
    fn count_in(&self, snapshot: &Snapshot, tables: &TablesByName<'_>) -> Result<FoundRows<'w>> {
        let mut copies = BTreeMap::new();
        let mut live: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, (times, wanted)) in &self.by_table {
            for table in tables.named(name) {
                let d = table.database;
                let extent = snapshot.extent(d, table.table);
                let Some(extent) = extent else { continue };
                let last = times.saturating_mul(2).saturating_add(SLACK_ROWS);
                let mut at = extent.count.saturating_sub(last);
                let mut reader = RowReader::starting_at(extent, at)?;
                while let Some(batch) = reader.next_batch()? {
                    for row in batch.rows() {
                        let hash = row_hash(&row);
                        if wanted.contains(&hash) {
                            let key = (*name, hash);
                            if row.xmax.is_none() {
                                live.entry(key).or_default().push((d, at));
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

impl<'w> FoundRows<'w> {
    /// Whether no database that has the table could take an INSERT's row after
    /// the snapshot: a key in a row that it shows, and that nothing has `ended`
    /// since, is taken. Rows of equal xmin are shown to one another.
    fn refuses(
        &self,
        pushed: &LoggedRow<'_>,
        tables: &TablesByName<'_>,
        ended: &BTreeSet<(&str, u64)>,
    ) -> bool {
        let live = self.live.get(&pushed.logged());
        tables.named(pushed.table).iter().all(|at| {
            let own = |(home, _): &&(usize, u64)| *home == at.database;
            let mut live = live.into_iter().flatten().filter(own);
            live.any(|(_, row)| !ended.contains(&(pushed.table, *row)))
        })
    }

    /// Takes one copy of a row of a table.
    fn take(&mut self, row: (&'w str, ContentHash)) -> bool {
        match self.copies.get_mut(&row) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}
