//! Bounds on what every consistent assignment makes of the databases, and how
//! a record widens them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::model::{Column, Operation, PackedRow};

use super::base::{Base, BaseTable};
use super::columns::{Columns, change};
use super::component::Component;
use super::hashed::HashedMap;
use super::problem::{NameId, Problem, Proof, Record, Slot, reference_hashes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exists {
    No,
    Maybe,
    Yes,
}

/// What is known of one table of one database at a moment.
#[derive(Debug, Clone)]
pub(super) struct TableBounds {
    pub exists: Exists,
    /// Whether its base, columns and bounds are those of the table, if it exists.
    pub known: bool,
    pub base: Option<Rc<BaseTable>>,
    pub columns: Columns,
    /// Changes of the columns since the snapshot.
    pub epoch: u32,
    /// Rows that can have been pushed since the snapshot.
    pub pushed_max: u64,
    /// The last record that can have ended a row pushed since the snapshot.
    pub last_ender: Option<usize>,
}

impl TableBounds {
    pub fn absent() -> Self {
        TableBounds {
            exists: Exists::No,
            known: false,
            base: None,
            columns: Columns::new(&[]),
            epoch: 0,
            pushed_max: 0,
            last_ender: None,
        }
    }

    pub fn of_base(base: &Rc<BaseTable>) -> Self {
        TableBounds {
            exists: Exists::Yes,
            known: true,
            base: Some(base.clone()),
            columns: base.columns.clone(),
            epoch: 0,
            pushed_max: 0,
            last_ender: None,
        }
    }

    pub fn base_count(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.count)
    }
}

/// Database, table, changes of its columns so far, column, value.
type InsertedKey = (Slot, NameId, u32, usize, u64);

/// A record that can have ended a row.
#[derive(Debug)]
pub(super) struct End<'w> {
    /// The record.
    pub at: usize,
    /// The hashes of the new version's values, where there is one.
    pub new: Option<&'w [u64]>,
    /// The databases whose row it can have been, ascending.
    pub open: Rc<[Slot]>,
}

/// Bounds at a moment.
pub(super) struct Bounds<'p, 'w> {
    pub problem: &'p Problem<'w>,
    pub component: &'p Component,
    pub views: HashedMap<(Slot, NameId), TableBounds>,
    /// Table names that a database without a file can own by now, and the rows
    /// it can have pushed there.
    pub ownable: HashMap<NameId, u64>,
    /// Records that can have ended a row of the snapshot, by table name and row.
    pub ends: HashMap<(NameId, u64), Vec<End<'w>>>,
    /// Keys inserted for certain: the record that did.
    pub inserted: HashedMap<InsertedKey, usize>,
    /// Databases to which some push can have brought a value, where a foreign
    /// key asks for it, ascending.
    pub brought: HashedMap<(NameId, u64), Rc<[Slot]>>,
    pub asked: HashSet<u64>,
    /// That of the last record.
    insert_run: Option<InsertRun>,
}

/// Inserts into one table that follow one another in the log: rows of one
/// statement are not checked against one another.
#[derive(Debug, Clone, Copy)]
struct InsertRun {
    table: NameId,
    /// The first of them.
    start: usize,
    /// Where the last stands in the log.
    end: usize,
}

impl<'p, 'w> Bounds<'p, 'w> {
    /// The bounds before the first record.
    pub fn new(problem: &'p Problem<'w>, base: &'p Base, component: &'p Component) -> Self {
        let mut views = HashedMap::default();
        for table in base.named(&component.looked_up) {
            views.insert((table.slot, table.name), TableBounds::of_base(table));
        }
        let has_reference = |column: &Column| column.foreign_key.is_some();
        let mut views_of_base = views.values();
        let mut any = views_of_base.any(|view: &TableBounds| {
            let mut columns = view.columns.iter();
            columns.any(|(_, column)| has_reference(column))
        });
        let mut asked = HashSet::new();
        // What points at a table that the tail writes to is of its component.
        let records = component.records.iter();
        let records = records.filter_map(|at| problem.records.get(*at));
        for record in records.clone() {
            any |= match record.operation {
                Operation::CreateTable { schema, .. } => schema.columns.iter().any(has_reference),
                Operation::AddColumn { column, .. } => has_reference(column),
                _ => false,
            };
        }
        if any {
            for record in records {
                if let Operation::Insert { row, .. } = record.operation {
                    asked.extend(row.values().flat_map(|value| reference_hashes(&value)));
                }
            }
        }
        Bounds {
            problem,
            component,
            views,
            ownable: HashMap::new(),
            ends: HashMap::new(),
            inserted: HashedMap::default(),
            brought: HashedMap::default(),
            asked,
            insert_run: None,
        }
    }

    /// What is known of a table.
    pub fn view(&self, slot: Slot, name: NameId) -> Option<&TableBounds> {
        self.views.get(&(slot, name))
    }

    /// Whether a database stands in the snapshot.
    pub fn in_snapshot(&self, slot: Slot) -> bool {
        slot < self.problem.snapshot_databases
    }

    /// The first of the inserts that an insert can be of one statement with, where
    /// there are any before it.
    pub fn goes_on(&self, record: &Record<'_>) -> Option<usize> {
        let run = self.insert_run?;
        let next = run.table == record.table && run.end + 1 == record.position;
        next.then_some(run.start)
    }

    /// What a record can have changed, in each of the databases it can be of.
    pub fn apply(&mut self, at: usize, record: &Record<'w>, open: &Rc<[Slot]>) {
        self.insert_run = match record.operation {
            Operation::Insert { .. } => Some(InsertRun {
                table: record.table,
                start: self.goes_on(record).unwrap_or(at),
                end: record.position,
            }),
            _ => None,
        };
        let resolved = self.component.only(open).is_some();
        if open.iter().any(|slot| !self.in_snapshot(*slot)) {
            self.can_be_young(record);
        }
        let named = open.partition_point(|slot| *slot < self.problem.snapshot_databases);
        let open = match open.get(..named) {
            Some(named) if named.len() < open.len() => &named.into(),
            _ => open,
        };
        if let Operation::Update { index, .. } | Operation::Delete { index, .. } = record.operation
        {
            self.ended(at, record, open, *index);
        }
        self.brings(record, open);
        for &slot in &**open {
            match record.operation {
                Operation::Insert { row, .. } => self.pushed(at, record, slot, resolved, row),
                Operation::Update { .. } => self.view_mut(slot, record.table).pushed_max += 1,
                Operation::Delete { .. } => {}
                _ => self.reshaped(record, slot, resolved),
            }
        }
    }

    /// What a record can have made of databases that no file names: rows are
    /// counted as if all were one database's.
    fn can_be_young(&mut self, record: &Record<'_>) {
        match (record.operation, record.renamed_to) {
            (Operation::CreateTable { .. }, _) => {
                self.ownable.entry(record.table).or_default();
            }
            (_, Some(new)) => {
                let rows = self.ownable.get(&record.table).copied();
                *self.ownable.entry(new).or_default() += rows.unwrap_or_default();
            }
            (Operation::Insert { .. } | Operation::Update { .. }, None) => {
                if let Some(rows) = self.ownable.get_mut(&record.table) {
                    *rows += 1;
                }
            }
            _ => {}
        }
    }

    fn view_mut(&mut self, slot: Slot, name: NameId) -> &mut TableBounds {
        self.views
            .entry((slot, name))
            .or_insert_with(TableBounds::absent)
    }

    fn brings(&mut self, record: &Record<'_>, open: &Rc<[Slot]>) {
        if self.asked.is_empty() {
            return;
        }
        for hash in record.values.iter() {
            if !self.asked.contains(hash) {
                continue;
            }
            let known = self.brought.entry((record.table, *hash));
            let known = known.or_insert_with(|| open.clone());
            if open.iter().any(|slot| known.binary_search(slot).is_err()) {
                let mut all: Vec<Slot> = known.iter().chain(open.iter()).copied().collect();
                all.sort_unstable();
                all.dedup();
                *known = all.into();
            }
        }
    }

    fn pushed(
        &mut self,
        at: usize,
        record: &Record<'_>,
        slot: Slot,
        resolved: bool,
        row: &PackedRow,
    ) {
        let view = self
            .views
            .entry((slot, record.table))
            .or_insert_with(TableBounds::absent);
        view.pushed_max += 1;
        let takes_effect = view.known
            && view.exists == Exists::Yes
            && view.columns.len() == row.arity()
            && record.proof == Proof::Everything;
        if !resolved || !takes_effect {
            return;
        }
        let values = record.values.iter();
        for (column, ((_, definition), hash)) in view.columns.iter().zip(values).enumerate() {
            if definition.is_key() {
                let key = (slot, record.table, view.epoch, column, *hash);
                self.inserted.insert(key, at);
            }
        }
    }

    /// A row was ended: one of the snapshot, or one pushed since.
    fn ended(&mut self, at: usize, record: &Record<'w>, open: &Rc<[Slot]>, index: u64) {
        for &slot in &**open {
            let view = self.view_mut(slot, record.table);
            if index >= view.base_count() {
                view.last_ender = Some(at);
            }
        }
        let new = matches!(record.operation, Operation::Update { .. });
        let ends = self.ends.entry((record.table, index)).or_default();
        ends.push(End {
            at,
            new: new.then_some(record.values),
            open: open.clone(),
        });
    }

    /// A change of the schema: exact where only this database can be meant.
    fn reshaped(&mut self, record: &Record<'_>, slot: Slot, resolved: bool) {
        let view = self.view_mut(slot, record.table);
        match record.operation {
            Operation::CreateTable { .. } => {
                if view.exists != Exists::Yes {
                    view.exists = Exists::Maybe;
                    view.known = false;
                }
            }
            Operation::DropTable { .. } => {
                if view.exists == Exists::Yes {
                    view.exists = Exists::Maybe;
                }
            }
            Operation::RenameTable { .. } => {
                let moved = view.clone();
                view.exists = if resolved { Exists::No } else { Exists::Maybe };
                let Some(new) = record.renamed_to else {
                    return;
                };
                let target = self.view_mut(slot, new);
                if resolved {
                    *target = TableBounds {
                        exists: Exists::Yes,
                        ..moved
                    };
                } else {
                    target.exists = Exists::Maybe;
                    target.known = false;
                }
            }
            operation if resolved && view.known => {
                view.epoch += 1;
                change(&mut view.columns, operation);
            }
            _ => view.known = false,
        }
    }
}
