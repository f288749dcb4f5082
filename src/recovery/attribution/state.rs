//! What the databases would look like under one assignment of the records so
//! far: cheap to copy and to compare.

use std::cell::Cell;
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use crate::codec::ByteWriter;
use crate::model::Operation;

use super::base::Base;
use super::horizon::Horizon;
use super::problem::{NameId, Problem, Record, Slot, index, number};
use super::table::{Known, Table};

/// The tables of one database.
#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    tables: Vec<(NameId, Rc<Table>)>,
    digest: Cell<Known>,
}

impl Database {
    /// A table, by its name now.
    pub fn table(&self, name: NameId) -> Option<&Table> {
        let found = self.tables.iter().find(|(id, _)| *id == name);
        found.map(|(_, table)| table.as_ref())
    }

    /// Whether it has any of the tables looked at.
    pub fn has_tables(&self) -> bool {
        !self.tables.is_empty()
    }

    /// The database after some records that take effect on it.
    pub fn after<'r, 'w: 'r>(
        &self,
        horizon: &Horizon,
        records: impl Iterator<Item = (usize, &'r Record<'w>)>,
    ) -> Rc<Self> {
        let mut database = self.clone();
        for (at, record) in records {
            database.apply(horizon, record, number(at));
        }
        Rc::new(database)
    }

    fn apply(&mut self, horizon: &Horizon, record: &Record<'_>, number_of_record: u32) {
        self.digest.set(Known::default());
        let mut tables = self.tables.iter();
        let at = tables.position(|(name, _)| *name == record.table);
        match (record.operation, at) {
            (Operation::CreateTable { schema, .. }, None) => {
                let table = Table::created(&schema.columns, record.shape);
                self.tables.push((record.table, Rc::new(table)));
                self.tables.sort_by_key(|(name, _)| *name);
            }
            (Operation::DropTable { .. }, Some(at)) => {
                self.tables.remove(at);
            }
            (Operation::RenameTable { .. }, Some(at)) => {
                if let (Some(entry), Some(new)) = (self.tables.get_mut(at), record.renamed_to) {
                    entry.0 = new;
                }
                self.tables.sort_by_key(|(name, _)| *name);
            }
            (_, Some(at)) => {
                if let Some((_, table)) = self.tables.get_mut(at) {
                    Rc::make_mut(table).apply(horizon, record, number_of_record);
                }
            }
            (_, None) => {}
        }
    }

    /// What records from `now` on can notice of it.
    pub fn digest(&self, slot: Slot, horizon: &Horizon, now: u32) -> u128 {
        if let Some(digest) = self.digest.get().at(now) {
            return digest;
        }
        let mut known = Known {
            from: now,
            until: u32::MAX,
            digest: 0,
        };
        if !self.tables.is_empty() {
            let mut bytes = ByteWriter::new();
            bytes.u32(slot);
            for (name, table) in &self.tables {
                let table = table.digest(horizon, now);
                known.until = known.until.min(table.until);
                bytes.u32(*name);
                bytes.u128(table.digest);
            }
            known.digest = xxh3_128(bytes.as_slice());
        }
        self.digest.set(known);
        known.digest
    }
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
                let own = Rc::new(Table::of_base(table));
                database.tables.push((table.name, own));
            }
        }
        for database in &mut databases {
            database.tables.sort_by_key(|(name, _)| *name);
        }
        State {
            databases: databases.into_iter().map(Rc::new).collect(),
        }
    }

    /// A database.
    pub fn database(&self, slot: Slot) -> Option<&Rc<Database>> {
        self.databases.get(index(slot))
    }

    /// Puts a database in place of what it was.
    pub fn set(&mut self, slot: Slot, database: Rc<Database>) {
        if let Some(place) = self.databases.get_mut(index(slot)) {
            *place = database;
        }
    }

    /// What records from `now` on can notice of the state: a sum over its
    /// databases, so that a change of one needs only that one again.
    pub fn digest(&self, horizon: &Horizon, now: u32) -> u128 {
        let databases = self.databases.iter().zip(0..);
        let digests = databases.map(|(database, slot)| database.digest(slot, horizon, now));
        digests.fold(0, u128::wrapping_add)
    }

    /// What records from `now` on can notice of some databases.
    pub fn digests(&self, slots: &[Slot], horizon: &Horizon, now: u32) -> Vec<u128> {
        let digest = |slot: &Slot| {
            let database = self.database(*slot);
            database.map_or(0, |database| database.digest(*slot, horizon, now))
        };
        slots.iter().map(digest).collect()
    }
}
