//! A small server that leaves the files a real one would.
//!
//! It follows the rules of the format page ("What the running server does"):
//! records first, memory second, a checkpoint after 100 records. What it holds
//! in memory when it is killed is the truth that a tool must find again.

use std::collections::BTreeMap;

use super::model::{
    Column, Database, Family, Instance, Operation, Row, Since, Table, Value, WalEntry,
    encode_instance, frame,
};

/// Records between two checkpoints.
const RECORDS_PER_CHECKPOINT: u32 = 100;
/// A segment is closed when an append took it to this length.
const SEGMENT_LIMIT: usize = 1 << 20;
/// Segments that a checkpoint keeps.
const SEGMENTS_KEPT: usize = 2;

/// Files by path below the data directory.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One statement's share in the log: what it does to one table.
type Change = Operation;

pub struct Server {
    pub(super) family: Family,
    /// What the server holds in memory.
    pub instance: Instance,
    /// Database of every record that the snapshot does not hold yet.
    pub tail: BTreeMap<u64, String>,
    /// Database of every such record whose statement failed.
    pub no_effect: BTreeMap<u64, String>,
    /// Rows stay out of the snapshot and CREATE TABLE out of the log.
    pub page_storage: bool,
    /// Die in the next checkpoint, between the snapshot and its record.
    pub dies_in_checkpoint: bool,
    /// See [`SEGMENT_LIMIT`]; small ones keep a fixture of many segments small.
    pub segment_limit: usize,
    /// Unix seconds; one passes with every statement.
    pub clock: u64,
    pub(super) dead: bool,
    pub(super) snapshot: Vec<u8>,
    pub(super) segments: Vec<(String, Vec<u8>)>,
    sequence: u64,
    pub(super) transaction: u64,
    since_checkpoint: u32,
}

impl Server {
    /// A server that starts on what it has just loaded: it checkpoints at once.
    pub fn start(family: Family, clock: u64, instance: Instance) -> Self {
        let mut server = Server {
            family,
            instance,
            tail: BTreeMap::new(),
            no_effect: BTreeMap::new(),
            page_storage: false,
            dies_in_checkpoint: false,
            segment_limit: SEGMENT_LIMIT,
            clock,
            dead: false,
            snapshot: Vec::new(),
            segments: Vec::new(),
            sequence: 0,
            transaction: 1,
            since_checkpoint: 0,
        };
        server.open_segment();
        server.checkpoint();
        server
    }

    /// What is on disk after a kill.
    pub fn killed(&self) -> Files {
        let mut files = Files::new();
        files.insert("server_instance.db".into(), self.snapshot.clone());
        for (name, bytes) in &self.segments {
            files.insert(format!("wal/{name}"), bytes.clone());
        }
        files
    }

    pub fn database(&mut self, name: &str) -> &mut Database {
        let mut databases = self.instance.databases.iter_mut();
        &mut databases.find(|(key, _)| key == name).unwrap().1
    }

    pub fn table(&mut self, database: &str, name: &str) -> &mut Table {
        let mut tables = self.database(database).tables.iter_mut();
        &mut tables.find(|(key, _)| key == name).unwrap().1
    }

    /// CREATE DATABASE, which is not logged.
    pub fn create_database(&mut self, name: &str) {
        let database = Database {
            name: name.into(),
            tables: Vec::new(),
            enums: Vec::new(),
            views: Since(Vec::new()),
            table_metadata: Since(Vec::new()),
        };
        self.instance.databases.push((name.into(), database));
    }

    /// BEGIN and COMMIT around nothing: the next transaction has another id.
    pub fn empty_transaction(&mut self) {
        self.transaction += 1;
    }

    /// INSERT of one row in a transaction that is over: nothing is logged.
    pub fn insert_unlogged(&mut self, database: &str, table: &str, values: Vec<Value>) {
        let row = self.version(values);
        self.apply(database, &Change::Insert(table.into(), row));
    }

    pub fn create_table(&mut self, database: &str, table: Table) {
        let change = Change::CreateTable(table.name.clone(), table);
        if self.page_storage {
            self.apply(database, &change);
        } else {
            self.statement(database, vec![change]);
        }
    }

    /// CREATE TABLE in a transaction that is over: nothing is logged.
    pub fn create_table_unlogged(&mut self, database: &str, table: Table) {
        self.apply(database, &Change::CreateTable(table.name.clone(), table));
    }

    pub fn drop_table(&mut self, database: &str, table: &str) {
        self.statement(database, vec![Change::DropTable(table.into())]);
    }

    /// INSERT of several rows in one statement.
    pub fn insert(&mut self, database: &str, table: &str, rows: Vec<Vec<Value>>) {
        let changes = rows.into_iter().map(|values| {
            let row = self.version(values);
            Change::Insert(table.into(), row)
        });
        let changes = changes.collect();
        self.statement(database, changes);
    }

    /// UPDATE of some row versions; logged by releases before 1.5 only.
    pub fn update(&mut self, database: &str, table: &str, rows: Vec<(u64, Vec<Value>)>) {
        let changes: Vec<_> = rows
            .into_iter()
            .map(|(index, values)| Change::Update(table.into(), index, self.version(values)))
            .collect();
        self.logged_before_1_5(database, changes);
    }

    /// DELETE of some row versions; logged by releases before 1.5 only.
    pub fn delete(&mut self, database: &str, table: &str, rows: &[u64]) {
        let changes = rows.iter().map(|at| Change::Delete(table.into(), *at));
        self.logged_before_1_5(database, changes.collect());
    }

    pub fn add_column(&mut self, database: &str, table: &str, column: Column) {
        self.statement(database, vec![Change::AddColumn(table.into(), column)]);
    }

    pub fn drop_column(&mut self, database: &str, table: &str, column: &str) {
        let change = Change::DropColumn(table.into(), column.into());
        self.statement(database, vec![change]);
    }

    pub fn rename_column(&mut self, database: &str, table: &str, old: &str, new: &str) {
        let change = Change::RenameColumn(table.into(), old.into(), new.into());
        self.statement(database, vec![change]);
    }

    pub fn rename_table(&mut self, database: &str, old: &str, new: &str) {
        let change = Change::RenameTable(old.into(), new.into());
        self.statement(database, vec![change]);
    }

    /// Writes the snapshot, then its record, then forgets old segments.
    pub fn checkpoint(&mut self) {
        self.write_snapshot();
        self.since_checkpoint = 0;
        if self.dies_in_checkpoint {
            self.dead = true;
            return;
        }
        self.log(Change::Checkpoint(self.clock));
        self.since_checkpoint = 0;
        let surplus = self.segments.len().saturating_sub(SEGMENTS_KEPT);
        self.segments.drain(..surplus);
    }

    fn write_snapshot(&mut self) {
        let mut written = self.instance.clone();
        if self.page_storage {
            let databases = written.databases.iter_mut();
            let tables = databases.flat_map(|(_, database)| &mut database.tables);
            tables.for_each(|(_, table)| table.rows.clear());
        }
        self.snapshot = encode_instance(self.family, &written);
        self.tail.clear();
        self.no_effect.clear();
    }

    fn version(&self, values: Vec<Value>) -> Row {
        Row {
            values,
            xmin: self.transaction,
            xmax: None,
        }
    }

    fn logged_before_1_5(&mut self, database: &str, changes: Vec<Change>) {
        if self.family <= Family::V1_4 {
            self.statement(database, changes);
        } else {
            changes.iter().for_each(|c| self.apply(database, c));
        }
    }

    /// Logs all changes of a statement, then makes them, then perhaps
    /// checkpoints.
    fn statement(&mut self, database: &str, changes: Vec<Change>) {
        assert!(!self.dead, "a statement after the server died");
        self.clock += 1;
        let first = self.sequence + 1;
        for change in &changes {
            let sequence = self.log(change.clone());
            self.tail.insert(sequence, database.into());
        }
        for (sequence, change) in (first..).zip(&changes) {
            if self.fails(database, change) {
                let database = self.tail.remove(&sequence).unwrap();
                self.no_effect.insert(sequence, database);
            } else {
                self.apply(database, change);
            }
        }
        if self.since_checkpoint >= RECORDS_PER_CHECKPOINT {
            self.checkpoint();
        }
    }

    fn log(&mut self, operation: Change) -> u64 {
        self.sequence += 1;
        self.since_checkpoint += 1;
        let entry = WalEntry {
            sequence: self.sequence,
            timestamp: self.clock,
            operation,
        };
        let (_, segment) = self.segments.last_mut().unwrap();
        segment.extend(frame(self.family, &entry));
        if segment.len() >= self.segment_limit {
            self.open_segment();
        }
        self.sequence
    }

    pub(super) fn open_segment(&mut self) {
        let name = format!("{:016x}.wal", self.clock);
        // Two opened within one second are one file.
        if self.segments.last().is_none_or(|(last, _)| *last != name) {
            self.segments.push((name, Vec::new()));
        }
    }

    /// The three statements that fail after they were logged.
    fn fails(&mut self, database: &str, change: &Change) -> bool {
        let tables = &self.database(database).tables;
        let find = |name: &str| tables.iter().find(|(key, _)| key == name);
        match change {
            Change::CreateTable(name, _) => find(name).is_some(),
            Change::DropTable(name) => find(name).is_none(),
            Change::Insert(name, row) => {
                let (_, table) = find(name).expect("INSERT into a table that exists");
                row.values.len() != table.columns.len()
            }
            _ => false,
        }
    }

    fn apply(&mut self, database: &str, change: &Change) {
        let transaction = self.transaction;
        match change {
            Change::CreateTable(name, table) => {
                let entry = (name.clone(), table.clone());
                self.database(database).tables.push(entry);
            }
            Change::DropTable(name) => {
                self.database(database)
                    .tables
                    .retain(|(key, _)| key != name);
            }
            Change::Insert(name, row) => push(self.table(database, name), row.clone(), true),
            Change::Update(name, index, row) => {
                let table = self.table(database, name);
                version(table, *index).xmax = Some(row.xmin);
                push(table, row.clone(), false);
            }
            Change::Delete(name, index) => {
                let table = self.table(database, name);
                version(table, *index).xmax = Some(transaction);
            }
            Change::AddColumn(name, column) => {
                let table = self.table(database, name);
                table.columns.push(column.clone());
                table
                    .rows
                    .iter_mut()
                    .for_each(|r| r.values.push(Value::Null));
            }
            Change::DropColumn(name, column) => {
                let table = self.table(database, name);
                let at = position(table, column);
                table.columns.remove(at);
                table
                    .rows
                    .iter_mut()
                    .for_each(|r| drop(r.values.remove(at)));
            }
            Change::RenameColumn(name, old, new) => {
                let table = self.table(database, name);
                let at = position(table, old);
                table.columns[at].name.clone_from(new);
            }
            Change::RenameTable(old, new) => {
                let mut tables = self.database(database).tables.iter_mut();
                let (key, table) = tables.find(|(key, _)| key == old).unwrap();
                key.clone_from(new);
                table.name.clone_from(new);
            }
            Change::Checkpoint(_) => {}
        }
    }
}

fn version(table: &mut Table, index: u64) -> &mut Row {
    &mut table.rows[usize::try_from(index).unwrap()]
}

fn position(table: &Table, column: &str) -> usize {
    table.columns.iter().position(|c| c.name == column).unwrap()
}

/// Pushes a version at the end; only an INSERT moves the sequences on.
fn push(table: &mut Table, row: Row, inserted: bool) {
    assert_eq!(row.values.len(), table.columns.len(), "{}", table.name);
    if inserted {
        for (name, next) in &mut table.sequences {
            let at = table.columns.iter().position(|c| c.name == *name);
            if let Some(Value::Integer(value)) = at.map(|at| &row.values[at]) {
                *next = (*next).max(value + 1);
            }
        }
    }
    table.rows.push(row);
}
