//! What the databases would look like under one assignment of the records so
//! far: cheap to copy and to compare.

use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use crate::codec::ByteWriter;
use crate::model::Operation;

use super::base::Base;
use super::horizon::Horizon;
use super::problem::{NameId, Problem, Record, Slot, index};
use super::table::Table;

/// The tables of one database.
#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    tables: Vec<(NameId, Rc<Table>)>,
}

/// Every database under one assignment.
#[derive(Debug, Clone)]
pub(super) struct State {
    databases: Vec<Rc<Database>>,
}

impl State {
    /// The databases as the snapshot holds them.
    pub fn of_base(problem: &Problem<'_>, base: &Base, names: impl Fn(NameId) -> bool) -> Self {
        let mut databases = vec![Database::default(); problem.slot_count()];
        for table in base.tables.iter().filter(|table| names(table.name)) {
            if let Some(database) = databases.get_mut(index(table.slot)) {
                database
                    .tables
                    .push((table.name, Rc::new(Table::of_base(table))));
            }
        }
        State {
            databases: databases.into_iter().map(Rc::new).collect(),
        }
    }

    /// A table of a database.
    pub fn table(&self, slot: Slot, name: NameId) -> Option<&Table> {
        let database = self.databases.get(index(slot))?;
        let found = database.tables.iter().find(|(id, _)| *id == name);
        found.map(|(_, table)| table.as_ref())
    }

    /// Whether a database has any of the tables looked at.
    pub fn has_tables(&self, slot: Slot) -> bool {
        self.databases
            .get(index(slot))
            .is_some_and(|d| !d.tables.is_empty())
    }

    /// Applies a record that takes effect on a database.
    pub fn apply(&mut self, slot: Slot, record: &Record<'_>, number_of_record: u32) {
        let Some(database) = self.databases.get_mut(index(slot)) else {
            return;
        };
        let database = Rc::make_mut(database);
        let at = database
            .tables
            .iter()
            .position(|(name, _)| *name == record.table);
        match (record.operation, at) {
            (Operation::CreateTable { schema, .. }, None) => {
                let table = Table::created(&schema.columns);
                database.tables.push((record.table, Rc::new(table)));
            }
            (Operation::DropTable { .. }, Some(at)) => {
                database.tables.remove(at);
            }
            (Operation::RenameTable { .. }, Some(at)) => {
                if let (Some(entry), Some(new)) = (database.tables.get_mut(at), record.renamed_to) {
                    entry.0 = new;
                }
            }
            (_, Some(at)) => {
                if let Some((_, table)) = database.tables.get_mut(at) {
                    Rc::make_mut(table).apply(record, number_of_record);
                }
            }
            (_, None) => {}
        }
    }

    /// What records from `now` on can notice of the state.
    pub fn digest(&self, problem: &Problem<'_>, horizon: &Horizon, now: u32) -> u128 {
        let mut bytes = ByteWriter::new();
        for (slot, database) in self.databases.iter().enumerate() {
            for (name, table) in &database.tables {
                bytes.count(slot);
                bytes.u32(*name);
                bytes.u128(table.digest(problem, horizon, now));
            }
        }
        xxh3_128(bytes.as_slice())
    }
}
