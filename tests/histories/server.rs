//! A small model of the server by its documented rules: what a statement does
//! to memory and what it logs. Nothing of the crate's replay.

use std::collections::BTreeMap;

use super::bytes::{
    Column, DataType, Databases, Family, Operation, Row, Table, Value, record, snapshot,
};

/// Records after which the server checkpoints.
const RECORDS_PER_CHECKPOINT: usize = 100;
/// Rows that one UPDATE changes at most: where dead versions match as well,
/// each one again doubles a row, and twenty make a million of it.
const UPDATED_MAX: usize = 256;
/// Bytes at which the server opens another segment.
const SEGMENT_LEN: usize = 1 << 20;

/// What a release logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 1.3: everything; no UNIQUE.
    V1_3,
    /// 1.4: everything.
    V1_4,
    /// 1.5: neither updates nor deletes, and both in place.
    V1_5,
    /// 1.10: neither updates nor deletes; rows are versioned again.
    V1_10,
}

impl Release {
    pub fn family(self) -> Family {
        match self {
            Release::V1_3 => Family::V1_3,
            Release::V1_4 | Release::V1_5 => Family::V1_4,
            Release::V1_10 => Family::V1_10,
        }
    }

    /// Whether a key that a visible row has is refused.
    pub fn checks_keys(self) -> bool {
        self != Release::V1_3
    }

    /// Whether rows of too many values are kept, and small literals leave
    /// sequences where they are.
    pub fn is_since_1_5(self) -> bool {
        matches!(self, Release::V1_5 | Release::V1_10)
    }

    /// Whether every change of a row is in the log.
    pub fn logs_changes(self) -> bool {
        !self.is_since_1_5()
    }
}

/// One file of the log, and what was logged in it.
#[derive(Clone, Default)]
pub(super) struct Segment {
    /// Unix seconds, its name.
    pub opened: u64,
    pub bytes: Vec<u8>,
    pub operations: Vec<Operation>,
}

pub struct Server {
    pub release: Release,
    pub databases: Databases,
    /// Transaction id that rows get.
    pub xid: u64,
    /// Whether what is done is not logged.
    in_transaction: bool,
    sequence: u64,
    /// Unix seconds at sequence 0.
    pub(super) clock: u64,
    pub(super) segments: Vec<Segment>,
    pub snapshot: Vec<u8>,
    /// The database of every record since the last checkpoint.
    pub truth: Vec<(u64, String)>,
    /// The databases at the last checkpoint, and what was logged since.
    pub held: Databases,
    pub tail: Vec<Operation>,
    /// By database and table, where each row version comes from.
    origins: BTreeMap<(String, String), Vec<Origin>>,
    /// By sequence, which row version a logged UPDATE or DELETE ended.
    pub ended: BTreeMap<u64, Origin>,
    /// Whether anything was done in a transaction since the last checkpoint.
    pub unlogged: bool,
    /// Databases of the last checkpoint as they were when they were dropped.
    pub dropped: Databases,
    /// Those of them that were made again, and the last sequence before that.
    pub made_again: BTreeMap<String, u64>,
    /// Whether a kill fell between a snapshot and its mark.
    pub unmarked: bool,
}

/// Where a row version comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The snapshot, at this index.
    Snapshot(u64),
    /// The record of this sequence.
    Logged(u64),
    /// A transaction.
    Unlogged,
}

pub type Predicate<'f> = &'f dyn Fn(&[Value]) -> bool;

impl Server {
    pub fn new(release: Release, databases: &[&str]) -> Self {
        let mut server = Server {
            release,
            databases: databases
                .iter()
                .map(|n| ((*n).to_owned(), Default::default()))
                .collect(),
            xid: 1,
            in_transaction: false,
            sequence: 0,
            clock: 1_700_000_000,
            segments: vec![Segment {
                opened: 0x6b00_0000,
                ..Segment::default()
            }],
            snapshot: Vec::new(),
            truth: Vec::new(),
            held: Databases::new(),
            tail: Vec::new(),
            origins: BTreeMap::new(),
            ended: BTreeMap::new(),
            unlogged: false,
            dropped: Databases::new(),
            made_again: BTreeMap::new(),
            unmarked: false,
        };
        server.checkpoint();
        server
    }

    fn write_snapshot(&mut self) {
        self.snapshot = snapshot(&self.databases, self.release.family());
    }

    /// Whether the files say that every change of a row is logged: by their
    /// family, or because one is.
    pub fn tells_of_changes(&self) -> bool {
        let mut logged = self.segments.iter().flat_map(|one| &one.operations);
        let change = |operation: &Operation| {
            matches!(operation, Operation::Update(..) | Operation::Delete(..))
        };
        self.release == Release::V1_3 || logged.any(change)
    }

    /// Killed after a snapshot was written and before its mark was: by the
    /// hundredth record, or in a start.
    pub fn dies_in_checkpoint(&mut self) {
        self.write_snapshot();
        self.unmarked = true;
    }

    pub fn checkpoint_is_due(&self) -> bool {
        self.tail.len() >= RECORDS_PER_CHECKPOINT
    }

    /// What the server does after each statement.
    pub fn settle(&mut self) {
        if self.checkpoint_is_due() {
            self.checkpoint();
        }
    }

    pub fn checkpoint(&mut self) {
        self.write_snapshot();
        self.log(Operation::Checkpoint(self.clock));
        let surplus = self.segments.len().saturating_sub(2);
        self.segments.drain(..surplus);
        self.dropped.clear();
        self.made_again.clear();
        self.truth.clear();
        self.tail.clear();
        self.ended.clear();
        self.held = self.databases.clone();
        self.origins.clear();
        for (database, tables) in &self.databases {
            for (name, table) in tables {
                let rows = (0..table.rows.len() as u64).map(Origin::Snapshot);
                let key = (database.clone(), name.clone());
                self.origins.insert(key, rows.collect());
            }
        }
        self.unlogged = false;
    }

    /// The snapshot as a kill leaves it, and the segments by name.
    pub fn files(&self) -> (&[u8], Vec<(String, &[u8])>) {
        let segments = self.segments.iter();
        let segments = segments.map(|one| (format!("{:016x}.wal", one.opened), &one.bytes[..]));
        (&self.snapshot, segments.collect())
    }

    pub fn begin(&mut self) {
        self.xid += 1;
        self.in_transaction = true;
    }

    pub fn commit(&mut self) {
        self.in_transaction = false;
    }

    /// BEGIN before what is returned was changed, ROLLBACK now: the database is
    /// as it was, whatever others logged meanwhile.
    pub fn rollback(&mut self, database: &str, before: BTreeMap<String, Table>) {
        self.in_transaction = false;
        self.unlogged = true;
        self.databases.insert(database.to_owned(), before);
    }

    /// What is done from now on, or no more, is not logged: as where the log of
    /// it is gone.
    pub fn quiet(&mut self, quiet: bool) {
        self.in_transaction = quiet;
    }

    /// Which row version a logged record ends, and where a pushed one comes from.
    fn trace(&mut self, database: &str, operation: &Operation) {
        let logged = !self.in_transaction;
        let (table, index) = match operation {
            Operation::Insert(table, row) => {
                let columns = self.table(database, table).map(|table| table.columns.len());
                if columns != Some(row.values.len()) {
                    return;
                }
                (table, None)
            }
            Operation::Update(table, index, _) | Operation::Delete(table, index) => {
                (table, Some(*index as usize))
            }
            Operation::DropTable(table) => {
                self.origins.remove(&(database.to_owned(), table.clone()));
                return;
            }
            Operation::Rename(old, new) => {
                let moved = self.origins.remove(&(database.to_owned(), old.clone()));
                let key = (database.to_owned(), new.clone());
                self.origins.insert(key, moved.unwrap_or_default());
                return;
            }
            _ => return,
        };
        let key = (database.to_owned(), table.clone());
        let origins = self.origins.entry(key).or_default();
        if let (true, Some(index)) = (logged, index) {
            // Rows of one UPDATE are pushed after its last record.
            let origin = origins.get(index).copied();
            self.ended
                .insert(self.sequence + 1, origin.unwrap_or(Origin::Unlogged));
        }
        if !matches!(operation, Operation::Delete(..)) {
            origins.push(match logged {
                true => Origin::Logged(self.sequence + 1),
                false => Origin::Unlogged,
            });
        }
    }

    fn append(&mut self, database: &str, operation: Operation) {
        self.trace(database, &operation);
        if self.in_transaction {
            self.unlogged = true;
            return;
        }
        self.tail.push(operation.clone());
        self.log(operation);
        self.truth.push((self.sequence, database.to_owned()));
    }

    fn log(&mut self, operation: Operation) {
        self.sequence += 1;
        let time = self.clock + self.sequence / 50;
        let bytes = record(self.sequence, time, &operation, self.release.family());
        let last = self.segments.last_mut().unwrap();
        last.bytes.extend(bytes);
        last.operations.push(operation);
        if last.bytes.len() >= SEGMENT_LEN {
            let opened = last.opened + 1;
            self.segments.push(Segment {
                opened,
                ..Segment::default()
            });
        }
    }

    pub fn create_database(&mut self, name: &str) {
        self.databases.entry(name.to_owned()).or_default();
        if self.dropped.contains_key(name) {
            self.made_again.insert(name.to_owned(), self.sequence);
        }
    }

    pub fn drop_database(&mut self, name: &str) {
        let gone = self.databases.remove(name).unwrap_or_default();
        if self.held.contains_key(name) && !self.dropped.contains_key(name) {
            self.dropped.insert(name.to_owned(), gone);
        }
    }

    /// Whether the server shows a row now: transaction ids restart with it.
    pub fn shows(&self, row: &Row) -> bool {
        row.xmin <= self.xid && row.xmax.is_none_or(|end| end > self.xid)
    }

    pub fn table(&self, database: &str, table: &str) -> Option<&Table> {
        self.databases.get(database)?.get(table)
    }

    fn table_mut(&mut self, database: &str, table: &str) -> Option<&mut Table> {
        self.databases.get_mut(database)?.get_mut(table)
    }

    pub fn create(&mut self, database: &str, name: &str, columns: Vec<Column>) -> bool {
        let Some(tables) = self.databases.get(database) else {
            return false;
        };
        let references = columns
            .iter()
            .filter_map(|column| column.foreign_key.as_ref());
        for (parent, key) in references {
            let parent = tables.get(parent);
            let found = parent.and_then(|t| t.columns.iter().find(|c| c.name == *key));
            if !found.is_some_and(|column| column.primary_key) {
                return false;
            }
        }
        let serial = columns
            .iter()
            .filter(|column| column.data_type == DataType::Serial);
        let table = Table {
            name: name.to_owned(),
            sequences: serial.map(|column| (column.name.clone(), 1)).collect(),
            columns,
            rows: Vec::new(),
        };
        self.append(
            database,
            Operation::CreateTable(name.to_owned(), table.clone()),
        );
        let tables = self.databases.get_mut(database).unwrap();
        let fresh = !tables.contains_key(name);
        if fresh {
            tables.insert(name.to_owned(), table);
        }
        fresh
    }

    pub fn drop_table(&mut self, database: &str, name: &str) -> bool {
        if !self.databases.contains_key(database) {
            return false;
        }
        self.append(database, Operation::DropTable(name.to_owned()));
        self.databases
            .get_mut(database)
            .unwrap()
            .remove(name)
            .is_some()
    }

    /// `None` for a value is DEFAULT.
    pub fn insert(&mut self, database: &str, name: &str, rows: &[Vec<Option<Value>>]) -> bool {
        let Some(table) = self.table(database, name) else {
            return false;
        };
        let mut ready = Vec::new();
        let mut sequences = table.sequences.clone();
        for given in rows {
            let mut values = Vec::new();
            for (at, value) in given.iter().enumerate() {
                let column = table.columns.get(at);
                values.push(match (value, column) {
                    (Some(value), _) => value.clone(),
                    (None, Some(column)) if column.data_type == DataType::Serial => {
                        let next = sequences.entry(column.name.clone()).or_insert(1);
                        *next += 1;
                        Value::Integer(*next - 1)
                    }
                    (None, _) => Value::Null,
                });
            }
            if values.len() == table.columns.len() && !self.valid(database, table, &values) {
                return false;
            }
            ready.push(Row {
                values,
                xmin: self.xid,
                xmax: None,
            });
        }
        for row in &ready {
            self.append(database, Operation::Insert(name.to_owned(), row.clone()));
        }
        let since_1_5 = self.release.is_since_1_5();
        let table = self.table_mut(database, name).unwrap();
        for mut row in ready {
            let wide = row.values.len() > table.columns.len();
            if row.values.len() != table.columns.len() && !(wide && since_1_5) {
                return false;
            }
            // It keeps them all, and shows the first ones.
            row.values.truncate(table.columns.len());
            for (column, value) in table.columns.iter().zip(&row.values) {
                // Since 1.5 a small literal, which is a SmallInt, leaves it where it is.
                let n = match value {
                    Value::SmallInt(_) if since_1_5 => None,
                    _ => value.number(),
                };
                if let (DataType::Serial, Some(n)) = (column.data_type, n) {
                    let next = table.sequences.entry(column.name.clone()).or_insert(1);
                    *next = (*next).max(n + 1);
                }
            }
            table.rows.push(row);
        }
        true
    }

    fn valid(&self, database: &str, table: &Table, values: &[Value]) -> bool {
        for (at, (column, value)) in table.columns.iter().zip(values).enumerate() {
            if *value == Value::Null {
                continue;
            }
            let same = |row: &&Row| self.shows(row) && row.values[at] == *value;
            let is_key = column.primary_key || column.unique;
            if is_key && self.release.checks_keys() && table.rows.iter().any(|r| same(&r)) {
                return false;
            }
            if let Some((parent, key)) = &column.foreign_key {
                let Some(parent) = self.table(database, parent) else {
                    return false;
                };
                let Some(at) = parent.columns.iter().position(|c| c.name == *key) else {
                    return false;
                };
                let mut rows = parent.rows.iter().filter(|row| self.shows(row));
                if !rows.any(|row| row.values[at] == *value) {
                    return false;
                }
            }
        }
        true
    }

    fn matching(&self, database: &str, name: &str, matches: Predicate<'_>) -> Vec<usize> {
        let rows = self
            .table(database, name)
            .map_or(&[][..], |table| &table.rows);
        let found = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| matches(&row.values));
        found.map(|(at, _)| at).collect()
    }

    /// Returns the number of rows.
    pub fn update(
        &mut self,
        database: &str,
        name: &str,
        matches: Predicate<'_>,
        set: &dyn Fn(&mut Vec<Value>),
    ) -> usize {
        let found = self.matching(database, name, matches);
        if found.len() > UPDATED_MAX {
            return 0;
        }
        let xid = self.xid;
        if self.release == Release::V1_5 {
            let Some(table) = self.table_mut(database, name) else {
                return 0;
            };
            found.iter().for_each(|at| set(&mut table.rows[*at].values));
            self.unlogged |= !found.is_empty();
            return found.len();
        }
        let logged = self.release.logs_changes();
        self.unlogged |= !logged && !found.is_empty();
        let mut pushed = Vec::new();
        for at in &found {
            let mut new = self.table(database, name).unwrap().rows[*at].clone();
            set(&mut new.values);
            (new.xmin, new.xmax) = (xid, None);
            if logged {
                self.append(
                    database,
                    Operation::Update(name.to_owned(), *at as u64, new.clone()),
                );
            }
            pushed.push(new);
        }
        if let Some(table) = self.table_mut(database, name) {
            found.iter().for_each(|at| table.rows[*at].xmax = Some(xid));
            table.rows.extend(pushed);
        }
        found.len()
    }

    pub fn delete(&mut self, database: &str, name: &str, matches: Predicate<'_>) -> usize {
        let found = self.matching(database, name, matches);
        let xid = self.xid;
        if self.release == Release::V1_5 {
            if let Some(table) = self.table_mut(database, name) {
                table.rows.retain(|row| !matches(&row.values));
            }
            self.unlogged |= !found.is_empty();
            return found.len();
        }
        let logged = self.release.logs_changes();
        self.unlogged |= !logged && !found.is_empty();
        for at in found.iter().filter(|_| logged) {
            self.append(database, Operation::Delete(name.to_owned(), *at as u64));
        }
        if let Some(table) = self.table_mut(database, name) {
            found.iter().for_each(|at| table.rows[*at].xmax = Some(xid));
        }
        found.len()
    }

    pub fn add_column(&mut self, database: &str, name: &str, column: Column) -> bool {
        let Some(table) = self.table(database, name) else {
            return false;
        };
        if table.columns.iter().any(|c| c.name == column.name) {
            return false;
        }
        self.append(
            database,
            Operation::AddColumn(name.to_owned(), column.clone()),
        );
        let table = self.table_mut(database, name).unwrap();
        table.columns.push(column);
        table
            .rows
            .iter_mut()
            .for_each(|row| row.values.push(Value::Null));
        true
    }

    pub fn drop_column(&mut self, database: &str, name: &str, column: &str) -> bool {
        let columns = self
            .table(database, name)
            .map(|table| table.columns.clone());
        let at = columns
            .iter()
            .flatten()
            .position(|c| c.name == column && !c.primary_key);
        let Some(at) = at else {
            return false;
        };
        self.append(
            database,
            Operation::DropColumn(name.to_owned(), column.to_owned()),
        );
        let table = self.table_mut(database, name).unwrap();
        table.columns.remove(at);
        table.rows.iter_mut().for_each(|row| {
            row.values.remove(at);
        });
        true
    }

    pub fn rename_column(&mut self, database: &str, name: &str, old: &str, new: &str) -> bool {
        let columns = self
            .table(database, name)
            .map_or(&[][..], |table| &table.columns);
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        if !has(old) || has(new) {
            return false;
        }
        let (from, to) = (old.to_owned(), new.to_owned());
        self.append(database, Operation::RenameColumn(name.to_owned(), from, to));
        let table = self.table_mut(database, name).unwrap();
        for column in table.columns.iter_mut().filter(|column| column.name == old) {
            column.name = new.to_owned();
        }
        // Its sequence stays under the old name.
        true
    }

    pub fn rename(&mut self, database: &str, old: &str, new: &str) -> bool {
        if self.table(database, old).is_none() || self.table(database, new).is_some() {
            return false;
        }
        self.append(database, Operation::Rename(old.to_owned(), new.to_owned()));
        let tables = self.databases.get_mut(database).unwrap();
        let mut table = tables.remove(old).unwrap();
        table.name = new.to_owned();
        tables.insert(new.to_owned(), table);
        true
    }
}
