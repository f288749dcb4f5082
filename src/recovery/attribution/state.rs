//! What the databases would look like under one assignment of the records so
//! far: cheap to copy and to compare.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use crate::codec::ByteWriter;
use crate::model::Operation;

use super::base::Base;
use super::classes::{Classes, UNBOUNDED};
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

/// A database of a state, as one of those that stand the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// What later records can notice of it.
    pub digest: u128,
    /// How many databases of its class stand so.
    pub count: u32,
    /// Which of the changed databases; `None` for those as they were at first.
    pub changed: Option<usize>,
}

/// A database that is no longer what it was at first.
#[derive(Debug, Clone)]
struct Changed {
    class: Slot,
    /// The how manieth of its class that changed.
    nth: usize,
    now: Rc<Database>,
}

/// Every database under one assignment. Databases of one class are the same at
/// first, so a state says how many of them stand how, not which.
#[derive(Debug, Clone)]
pub(super) struct State {
    first: Rc<Vec<(Rc<Database>, u32)>>,
    changed: Vec<Changed>,
}

impl State {
    /// The databases as the snapshot holds them, by class.
    pub fn of_base(
        problem: &Problem<'_>,
        base: &Base,
        classes: &Classes,
        names: &BTreeSet<NameId>,
    ) -> Self {
        let mut databases = vec![Database::default(); problem.slot_count()];
        for table in base.of_names(names) {
            if let Some(database) = databases.get_mut(index(table.slot)) {
                let own = Rc::new(Table::of_base(table));
                database.tables.push((table.name, own));
            }
        }
        for database in &mut databases {
            database.tables.sort_by_key(|(name, _)| *name);
        }
        let first = databases.into_iter().zip(0..);
        let first = first.map(|(database, slot)| (Rc::new(database), classes.size(slot)));
        State {
            first: Rc::new(first.collect()),
            changed: Vec::new(),
        }
    }

    /// A database of a class: one that changed, or one as it was at first.
    pub fn database(&self, class: Slot, changed: Option<usize>) -> Option<&Rc<Database>> {
        match changed {
            Some(at) => self.changed.get(at).map(|changed| &changed.now),
            None => self.first.get(index(class)).map(|(first, _)| first),
        }
    }

    /// The databases of a class that changed, and last those that did not, where
    /// some are left. Of databases that no file names some are always left.
    pub fn held(&self, class: Slot, horizon: &Horizon, now: u32, held: &mut Vec<Held>) {
        held.clear();
        let mut changed_count = 0;
        for (at, changed) in self.changed.iter().enumerate() {
            if changed.class != class {
                continue;
            }
            changed_count += 1;
            let digest = changed.now.digest(class, horizon, now);
            match held.iter_mut().find(|held| held.digest == digest) {
                Some(held) => held.count += 1,
                None => held.push(Held {
                    digest,
                    count: 1,
                    changed: Some(at),
                }),
            }
        }
        let Some((first, size)) = self.first.get(index(class)) else {
            return;
        };
        let count = match *size {
            UNBOUNDED => 1,
            size => size.saturating_sub(changed_count),
        };
        if count > 0 {
            held.push(Held {
                digest: first.digest(class, horizon, now),
                count,
                changed: None,
            });
        }
    }

    /// The how manieth database of its class to change a database is, or would be.
    pub fn nth(&self, class: Slot, changed: Option<usize>) -> usize {
        match changed.and_then(|at| self.changed.get(at)) {
            Some(changed) => changed.nth,
            None => self.changed.iter().filter(|c| c.class == class).count(),
        }
    }

    /// Puts a database in place of what it was.
    pub fn set(&mut self, class: Slot, changed: Option<usize>, now: Rc<Database>) {
        let nth = self.nth(class, None);
        match changed.and_then(|at| self.changed.get_mut(at)) {
            Some(changed) => changed.now = now,
            None => self.changed.push(Changed { class, nth, now }),
        }
    }

    /// What records from `now` on can notice of the state: a sum over what
    /// changed, so that which database of a class it is is all one.
    pub fn digest(&self, horizon: &Horizon, now: u32) -> u128 {
        let terms = self.changed.iter().map(|changed| {
            let first = self.first.get(index(changed.class));
            let first = first.map_or(0, |(first, _)| first.digest(changed.class, horizon, now));
            let digest = changed.now.digest(changed.class, horizon, now);
            digest.wrapping_sub(first)
        });
        terms.fold(0, u128::wrapping_add)
    }
}
