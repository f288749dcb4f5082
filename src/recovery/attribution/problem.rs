//! The tail as the solver sees it: tables and values by number, and for every
//! record how much of what happened before it is known to be logged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{ByteWriter, encode_value};
use crate::finding::Code;
use crate::legacy::{Family, Snapshot, Wal, WalRecord, WideInsert};
use crate::model::{Operation, TablesByName, ValueRef};
use crate::recovery::RunMap;
use crate::report::Report;

use super::sequences::Advance;
use super::{Decision, Decisions};

/// A table name, by number.
pub(super) type NameId = u32;
/// A database, by number: those of the snapshot, those the user named, and
/// last the one that no file names.
pub(super) type Slot = u32;

/// How far hard facts hold at a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// Transactions, lost records or an unclear cut: anything may be unlogged.
    Nothing,
    /// Every change of a schema is logged, but perhaps not every row.
    Schemas,
    /// Everything is logged.
    Everything,
}

/// One record of the tail.
#[derive(Debug, Clone)]
pub(super) struct Record<'w> {
    /// Position in [`Wal::records`].
    pub position: usize,
    /// Its sequence number.
    pub sequence: u64,
    /// What was done.
    pub operation: &'w Operation,
    /// The table as named before the operation.
    pub table: NameId,
    /// The table's name after a rename.
    pub renamed_to: Option<NameId>,
    /// Hashes of the pushed row's values.
    pub values: &'w [u64],
    /// The hash of what a statement on the schema does; 0 for other records.
    pub shape: u64,
    /// The transaction it was written in, as far as the log tells: of a pushed
    /// row its xmin, else the largest one seen so far.
    pub transaction: u64,
    /// What is known of the state before it.
    pub proof: Proof,
    /// Whether rows can have been deleted, or undone, without a record.
    pub rows_vanish: bool,
    /// Whether the record before it in the log is the one before it here.
    pub follows: bool,
    /// What the user decided.
    pub decision: Option<Slot>,
    /// What the user decided for the records of the table that nothing else
    /// decides.
    pub wish: Option<Slot>,
}

/// Databases that existed at the checkpoint and that no file holds any more.
/// They can have had any table, with any rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// None: the snapshot is whole.
    #[default]
    Nothing,
    /// So many.
    Databases(u64),
    /// Nobody knows how many.
    Unknown,
}

impl Missing {
    /// Whether there are, or can be, some.
    pub fn any(self) -> bool {
        !matches!(self, Missing::Nothing | Missing::Databases(0))
    }
}

/// Hashes of the values that the records of the tail push, one after another.
pub(super) fn pushed_hashes(wal: &Wal, tail: &[usize]) -> Vec<u64> {
    let mut bytes = ByteWriter::new();
    let records = tail
        .iter()
        .filter_map(|position| wal.records.get(*position));
    let rows = records.filter_map(|record| record.operation.pushed_row());
    let values = rows.flat_map(|row| row.values());
    values.map(|value| hash(&mut bytes, &value)).collect()
}

/// The tail, prepared.
#[derive(Debug)]
pub(super) struct Problem<'w> {
    /// Databases by slot; the last slot has no name.
    pub databases: Vec<String>,
    /// How many of them the snapshot holds.
    pub snapshot_databases: Slot,
    /// Those that it no longer holds.
    pub missing: Missing,
    /// Table names by number.
    pub names: Vec<String>,
    ids: HashMap<String, NameId>,
    /// The hash of Null.
    pub null: u64,
    /// Whether the server refuses a key that a visible row has: 1.3 takes it.
    pub keys_are_checked: bool,
    /// Whether the server can have kept a row of more values than columns.
    pub wide_rows_land: bool,
    /// What advances a sequence.
    pub sequences: Advance,
    /// The records, in log order.
    pub records: Vec<Record<'w>>,
}

impl<'w> Problem<'w> {
    /// Prepares the records of the tail, given by position; `hashes` are those
    /// of [`pushed_hashes`].
    pub fn new(
        snapshot: &Snapshot,
        (wal, hashes): (&'w Wal, &'w [u64]),
        tail: &[usize],
        runs: &RunMap,
        decisions: &Decisions,
        report: &Report,
    ) -> Self {
        let catalog = &snapshot.catalog;
        let mut databases: Vec<String> = catalog.databases.iter().map(|d| d.name.clone()).collect();
        let snapshot_databases = number(databases.len());
        let mut interner = Interner::default();
        let proofs = Proofs::new(snapshot, wal, tail, runs, report);
        let mut left = hashes;
        let mut records: Vec<Record<'w>> = Vec::with_capacity(tail.len());
        for &position in tail {
            let Some(record) = wal.records.get(position) else {
                continue;
            };
            let Some(table) = record.operation.table() else {
                continue;
            };
            let mut slot = |decision: Option<&Decision>| match decision {
                Some(Decision::Database(name)) => Some(slot_of(&mut databases, name)),
                _ => None,
            };
            let own = decisions.of_record(record.sequence);
            let decision = slot(own);
            let of_table = decisions.by_table.get(table).filter(|_| own.is_none());
            let wish = slot(of_table);
            let renamed_to = match &record.operation {
                Operation::RenameTable { new, .. } => Some(interner.id(new)),
                _ => None,
            };
            let row = record.operation.pushed_row();
            let count = row.map_or(0, |row| row.values().count());
            let (values, rest) = left.split_at_checked(count).unwrap_or_default();
            left = rest;
            let before = records.last().map(|r| r.position);
            records.push(Record {
                position,
                sequence: record.sequence,
                operation: &record.operation,
                table: interner.id(table),
                renamed_to,
                values,
                shape: shape(&record.operation),
                transaction: row.map_or(runs.at(position).max_xmin, |row| row.xmin),
                proof: proofs.at(position, table),
                rows_vanish: proofs.rows_vanish,
                follows: before.is_some_and(|before| before + 1 == position),
                decision,
                wish,
            });
        }
        interner.references(snapshot, wal, tail);
        Problem {
            databases,
            snapshot_databases,
            missing: Missing::Nothing,
            names: interner.names,
            ids: interner.ids,
            null: hash(&mut ByteWriter::new(), &ValueRef::Null),
            keys_are_checked: snapshot.family != Family::V1_3,
            wide_rows_land: can_keep_wide_rows(snapshot.family, wal, tail),
            sequences: Advance::new(snapshot, wal),
            records,
        }
    }

    /// Whether records can be of a database that no file names.
    pub fn can_be_young(&self) -> bool {
        let makes = |record: &Record<'_>| matches!(record.operation, Operation::CreateTable { .. });
        self.missing.any() || self.snapshot_databases == 0 || self.records.iter().any(makes)
    }

    /// The database that no file names.
    pub fn unknown(&self) -> Slot {
        number(self.databases.len())
    }

    /// Databases, the unnamed one with them.
    pub fn slot_count(&self) -> usize {
        self.databases.len() + 1
    }

    /// The name of a database; `None` for the one that no file names.
    pub fn database(&self, slot: Slot) -> Option<&str> {
        self.databases.get(index(slot)).map(String::as_str)
    }

    /// The number of a table name.
    pub fn name_id(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }
}

fn slot_of(databases: &mut Vec<String>, name: &str) -> Slot {
    if let Some(known) = databases.iter().position(|d| d == name) {
        return number(known);
    }
    databases.push(name.to_owned());
    number(databases.len() - 1)
}

/// Equal for statements on a schema that do the same to a table.
fn shape(operation: &Operation) -> u64 {
    let text = match operation {
        Operation::CreateTable { schema, .. } => format!("{:?}", schema.columns),
        Operation::AddColumn { column, .. } => format!("+{column:?}"),
        Operation::DropColumn { column, .. } => format!("-{column:?}"),
        Operation::RenameColumn { old, new, .. } => format!("{old:?}={new:?}"),
        _ => return 0,
    };
    xxh3_64(text.as_bytes())
}

/// A count or position as a number; saturates far above any real log.
pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A number as a position.
pub(super) fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The hash by which values are compared: of the tag and the value, as the
/// server's keys compare them. Numbers are compared by value: 1.50 is 1.5, and 0
/// has no sign.
pub(super) fn hash(bytes: &mut ByteWriter, value: &ValueRef<'_>) -> u64 {
    bytes.clear();
    let compared = match *value {
        ValueRef::Numeric(text) => ValueRef::Numeric(plain_decimal(text)),
        ValueRef::Real(0.0) => ValueRef::Real(0.0),
        other => other,
    };
    encode_value(bytes, &compared);
    xxh3_64(bytes.as_slice())
}

/// A decimal number without zeros at its end, and without the sign of a zero.
fn plain_decimal(text: &str) -> &str {
    let short = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    };
    match short.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        true => short,
        false => "0",
    }
}

/// Whether a value equals none, itself included, so that no key is taken by it.
pub(super) fn equals_none(value: &ValueRef<'_>) -> bool {
    match value {
        ValueRef::Real(number) => number.is_nan(),
        other => other.is_null(),
    }
}

/// The hashes under which a referenced key may stand: the tag of a literal
/// follows its size, that of a SERIAL default does not.
pub(super) fn reference_hashes(value: &ValueRef<'_>) -> Vec<u64> {
    let mut bytes = ByteWriter::new();
    let mut hashes = vec![hash(&mut bytes, value)];
    match value {
        ValueRef::SmallInt(v) => {
            hashes.push(hash(&mut bytes, &ValueRef::Integer(i64::from(*v))));
        }
        ValueRef::Integer(v) => {
            if let Ok(small) = i16::try_from(*v) {
                hashes.push(hash(&mut bytes, &ValueRef::SmallInt(small)));
            }
        }
        _ => {}
    }
    hashes
}

#[derive(Default)]
struct Interner {
    names: Vec<String>,
    ids: HashMap<String, NameId>,
}

impl Interner {
    fn id(&mut self, name: &str) -> NameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = number(self.names.len());
        self.ids.insert(name.to_owned(), id);
        self.names.push(name.to_owned());
        id
    }

    /// Names the tables that the foreign keys of the tail's tables point at.
    fn references(&mut self, snapshot: &Snapshot, wal: &Wal, tail: &[usize]) {
        let touched = self.ids.clone();
        let tables = snapshot.catalog.databases.iter().flat_map(|d| &d.tables);
        let of_snapshot = tables
            .filter(|table| touched.contains_key(&table.name))
            .flat_map(|table| &table.columns);
        let records = tail
            .iter()
            .filter_map(|position| wal.records.get(*position));
        let of_tail = records.flat_map(|record| match &record.operation {
            Operation::CreateTable { schema, .. } => schema.columns.as_slice(),
            Operation::AddColumn { column, .. } => std::slice::from_ref(&**column),
            _ => &[],
        });
        for column in of_snapshot.chain(of_tail) {
            if let Some(key) = &column.foreign_key {
                self.id(&key.table);
            }
        }
    }
}

/// Per record of the log, how far hard facts hold before it.
struct Proofs<'w> {
    first_tail: usize,
    /// Records before this position were written before any transaction began.
    logged_before: usize,
    level: Proof,
    /// Whether rows can be deleted without a record: by releases that log no
    /// DELETE, and by transactions.
    rows_vanish: bool,
    /// Tables that a database can have which the snapshot lacks.
    doubted: BTreeSet<&'w str>,
}

impl<'w> Proofs<'w> {
    fn new(
        snapshot: &Snapshot,
        wal: &'w Wal,
        tail: &[usize],
        runs: &RunMap,
        report: &Report,
    ) -> Self {
        let first_tail = tail.first().copied().unwrap_or(0);
        let run = runs.at(first_tail).run;
        let in_run = |position: &usize| runs.at(*position).run == run;
        // A pushed row of xmin 1 proves that no transaction had begun before it.
        let proving = (first_tail..wal.records.len())
            .filter(in_run)
            .rfind(|position| {
                let record = wal.records.get(*position);
                record
                    .and_then(|r| r.operation.pushed_row())
                    .is_some_and(|row| row.xmin == 1)
            });
        let intact_before = first_break(wal, first_tail);
        let logged_before = proving.map_or(0, |last| last + 1).min(intact_before);
        let run_start = (0..=first_tail).rfind(|p| !in_run(p)).map_or(0, |p| p + 1);
        let of_run = wal.records.get(run_start..).unwrap_or_default();
        let of_release = level_of_run(snapshot.family, of_run.iter().map(|r| &r.operation));
        let level = match is_whole(wal, tail, report) {
            false => Proof::Nothing,
            true => of_release,
        };
        let transactions = runs.transactions_in(snapshot.family, wal, tail);
        let transactions = transactions.is_some_and(|found| found.began_beside());
        Proofs {
            rows_vanish: of_release < Proof::Everything || transactions,
            first_tail,
            logged_before,
            level,
            doubted: made_more_often(wal.records.get(..first_tail).unwrap_or_default(), snapshot),
        }
    }

    fn at(&self, position: usize, table: &str) -> Proof {
        let logged = (self.first_tail..self.logged_before).contains(&position);
        match logged && !self.doubted.contains(table) {
            true => self.level,
            false => Proof::Nothing,
        }
    }
}

/// The tables that these records made more often than the snapshot has them: a
/// statement failed, or another database has one, of which a snapshot of another
/// moment does not tell.
fn made_more_often<'w>(logged: &'w [WalRecord], snapshot: &Snapshot) -> BTreeSet<&'w str> {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for record in logged {
        let (gone, new) = match &record.operation {
            Operation::CreateTable { table, .. } => (None, Some(&**table)),
            Operation::DropTable { table } => (Some(&**table), None),
            Operation::RenameTable { old, new } => (Some(&**old), Some(&**new)),
            _ => continue,
        };
        if let Some(count) = gone.and_then(|table| made.get_mut(table)) {
            *count = count.saturating_sub(1);
        }
        if let Some(table) = new {
            *made.entry(table).or_default() += 1;
        }
    }
    if made.is_empty() {
        return BTreeSet::new();
    }
    let tables = TablesByName::new(&snapshot.catalog);
    made.retain(|table, count| *count > tables.named(table).len());
    made.into_keys().collect()
}

/// The position in the log from which on a table can be where no record says.
pub fn first_unproven(
    snapshot: &Snapshot,
    wal: &Wal,
    tail: &[usize],
    runs: &RunMap,
    report: &Report,
) -> usize {
    let proofs = Proofs::new(snapshot, wal, tail, runs, report);
    match proofs.level {
        Proof::Nothing => proofs.first_tail,
        Proof::Schemas | Proof::Everything => proofs.logged_before,
    }
}

/// Whether the tail is all that followed a snapshot that is whole itself.
fn is_whole(wal: &Wal, tail: &[usize], report: &Report) -> bool {
    let lost = [
        Code::CutUncertain,
        Code::MixedTimes,
        Code::NoSnapshot,
        Code::BytesLost,
        Code::RecordsLost,
        Code::AccountsLost,
        Code::RowsNotInSnapshot,
    ];
    let neighbours = tail.windows(2);
    let mut pairs = neighbours.filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
    let ends = tail
        .last()
        .is_none_or(|last| *last + 1 == wal.records.len());
    ends && pairs.all(|(a, b)| a + 1 == b) && !lost.into_iter().any(|code| report.has(code))
}

/// The first position of the tail before which a record may be missing.
fn first_break(wal: &Wal, first_tail: usize) -> usize {
    let breaks = wal.breaks();
    let first = breaks.range(first_tail..).next();
    let first = first.copied().unwrap_or(usize::MAX);
    // Without a checkpoint before it, only sequence 1 is known to be the first.
    let is_first = wal
        .records
        .get(first_tail)
        .is_some_and(|record| record.sequence <= 1);
    match first_tail == 0 && !is_first {
        true => first_tail,
        false => first,
    }
}

/// Whether a server that wrote one of these records can have kept a row of more values
/// than columns.
fn can_keep_wide_rows(family: Family, wal: &Wal, tail: &[usize]) -> bool {
    let wide = wal.wide_inserts(family);
    let mut records = tail.iter().filter_map(|at| wal.records.get(*at));
    records.any(|record| wide.of(record) != WideInsert::Refused)
}

/// What a run logs: releases since 1.5 neither updates nor deletes, and with
/// page storage no CREATE TABLE (format page, "Server rules", 12 and 13).
fn level_of_run<'o>(family: Family, mut run: impl Iterator<Item = &'o Operation> + Clone) -> Proof {
    if family == Family::V1_3 || run.clone().any(Operation::ends_version) {
        return Proof::Everything;
    }
    match run.any(|operation| matches!(operation, Operation::CreateTable { .. })) {
        true => Proof::Schemas,
        false => Proof::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value() {
        let numeric = |text| hash(&mut ByteWriter::new(), &ValueRef::Numeric(text));
        for equal in [
            ["1.5", "1.50"],
            ["0", "-0.00"],
            ["10", "10.000"],
            ["-3.10", "-3.1"],
        ] {
            assert_eq!(numeric(equal[0]), numeric(equal[1]), "{equal:?}");
        }
        for other in [["10", "1"], ["100", "10.0"], ["-1.5", "1.5"]] {
            assert_ne!(numeric(other[0]), numeric(other[1]), "{other:?}");
        }
        let real = |number| hash(&mut ByteWriter::new(), &ValueRef::Real(number));
        assert_eq!(real(0.0), real(-0.0));
        assert!(equals_none(&ValueRef::Real(f64::NAN)) && !equals_none(&ValueRef::Real(1.0)));
    }
}
