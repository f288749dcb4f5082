//! Which databases a record can have been written for, by what holds in every
//! consistent assignment: bounds instead of states, in linear time.
//!
//! Every bound errs to the side of more candidates. A record that one database
//! alone is left for sharpens the bounds of the others, so passes repeat until
//! nothing changes.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::model::{Column, Operation, Row};

use super::base::{Base, BaseTable, only};
use super::component::Component;
use super::facts::Fact;
use super::problem::{NameId, Problem, Proof, Record, Slot, reference_hashes};

/// Passes over a component; each one but the last narrows something.
const PASSES_MAX: usize = 8;

/// Per record of the component: who can own it, and who not for which reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Slots that nothing rules out, ascending.
    pub open: Vec<Vec<Slot>>,
    /// Slots that have such a table at some time and are ruled out.
    pub ruled_out: Vec<Vec<(Slot, Fact)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exists {
    No,
    Maybe,
    Yes,
}

/// What is known of one table of one database at a moment.
#[derive(Debug, Clone)]
struct View {
    exists: Exists,
    /// Whether its base, columns and bounds are those of the table, if it exists.
    known: bool,
    base: Option<Rc<BaseTable>>,
    columns: Rc<Vec<Column>>,
    /// Changes of the columns since the snapshot.
    epoch: u32,
    /// Rows that can have been pushed since the snapshot.
    pushed_max: u64,
    /// Records that can have ended a row pushed since the snapshot.
    enders: Vec<usize>,
}

impl View {
    fn absent() -> Self {
        View {
            exists: Exists::No,
            known: false,
            base: None,
            columns: Rc::new(Vec::new()),
            epoch: 0,
            pushed_max: 0,
            enders: Vec::new(),
        }
    }

    fn of_base(base: &Rc<BaseTable>) -> Self {
        View {
            exists: Exists::Yes,
            known: true,
            base: Some(base.clone()),
            columns: Rc::new(base.table.columns.clone()),
            epoch: 0,
            pushed_max: 0,
            enders: Vec::new(),
        }
    }

    fn base_count(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.count)
    }
}

/// Narrows the candidates of a component's records.
pub(super) fn narrow(problem: &Problem<'_>, base: &Base, component: &Component) -> Candidates {
    let count = component.records.len();
    let all: Vec<Slot> = (0..=problem.unknown()).collect();
    let mut candidates = Candidates {
        open: vec![all; count],
        ruled_out: vec![Vec::new(); count],
    };
    for pass in 0..PASSES_MAX {
        let mut changed = false;
        let mut bounds = Bounds::new(problem, base, component);
        for (at, record) in component.records.iter().enumerate() {
            let Some(record) = problem.records.get(*record) else {
                continue;
            };
            let (Some(open), Some(out)) = (
                candidates.open.get_mut(at),
                candidates.ruled_out.get_mut(at),
            ) else {
                continue;
            };
            let before = open.len();
            open.retain(|slot| match bounds.against(record, *slot) {
                None => true,
                Some(fact) => {
                    if fact != Fact::NoTable || pass > 0 {
                        out.push((*slot, fact));
                    }
                    false
                }
            });
            changed |= open.len() != before;
            bounds.apply(at, record, open);
        }
        if !changed {
            break;
        }
    }
    candidates
}

/// Database, table, changes of its columns so far, column, value.
type InsertedKey = (Slot, NameId, u32, usize, u64);

struct Bounds<'p, 'w> {
    problem: &'p Problem<'w>,
    renames: bool,
    views: HashMap<(Slot, NameId), View>,
    /// Table names that a database without a file can own by now.
    ownable: HashSet<NameId>,
    /// Records that can have ended a row of the snapshot, with the hash
    /// of the new version's values where there is one.
    ends: HashMap<(Slot, NameId, u64), Vec<(usize, Option<Rc<[u64]>>)>>,
    /// Keys inserted for certain: the record that did.
    inserted: HashMap<InsertedKey, usize>,
    /// Values that some push can have brought, where a foreign key asks for them.
    brought: HashSet<(Slot, NameId, u64)>,
    asked: HashSet<u64>,
    /// The start of the run of inserts into one table that reaches the last
    /// record: rows of one statement are not checked against one another.
    insert_run: Option<(NameId, usize)>,
}

impl<'p, 'w> Bounds<'p, 'w> {
    fn new(problem: &'p Problem<'w>, base: &'p Base, component: &Component) -> Self {
        let mut views = HashMap::new();
        for table in &base.tables {
            if component.looked_up.contains(&table.name) {
                views.insert((table.slot, table.name), View::of_base(table));
            }
        }
        let has_reference = |column: &Column| column.foreign_key.is_some();
        let of_base = base.tables.iter().flat_map(|t| &t.table.columns);
        let mut any = of_base.clone().any(has_reference);
        let mut asked = HashSet::new();
        for record in &problem.records {
            any |= match record.operation {
                Operation::CreateTable { schema, .. } => schema.columns.iter().any(has_reference),
                Operation::AddColumn { column, .. } => has_reference(column),
                _ => false,
            };
        }
        if any {
            for record in &problem.records {
                if let Operation::Insert { row, .. } = record.operation {
                    asked.extend(row.values.iter().flat_map(reference_hashes));
                }
            }
        }
        Bounds {
            problem,
            renames: component.renames,
            views,
            ownable: HashSet::new(),
            ends: HashMap::new(),
            inserted: HashMap::new(),
            brought: HashSet::new(),
            asked,
            insert_run: None,
        }
    }

    fn view(&self, slot: Slot, name: NameId) -> Option<&View> {
        self.views.get(&(slot, name))
    }

    fn in_snapshot(&self, slot: Slot) -> bool {
        slot < self.problem.snapshot_databases
    }

    /// The fact that rules a database out, if there is one.
    fn against(&self, record: &Record<'_>, slot: Slot) -> Option<Fact> {
        if record.decision.is_some_and(|decided| decided != slot) {
            return Some(Fact::Assigned);
        }
        if let Operation::CreateTable { schema, .. } = record.operation {
            return self.against_create(record, slot, &schema.columns);
        }
        if let Operation::DropTable { .. } = record.operation {
            return None;
        }
        if !self.in_snapshot(slot) {
            let ownable = self.ownable.contains(&record.table);
            return (!ownable).then_some(Fact::NoTable);
        }
        let Some(view) = self
            .view(slot, record.table)
            .filter(|v| v.exists != Exists::No)
        else {
            return Some(Fact::NoTable);
        };
        if record.proof < Proof::Schemas {
            return None;
        }
        if let Some(new) = record.renamed_to {
            let taken = self
                .view(slot, new)
                .is_some_and(|v| v.exists == Exists::Yes);
            return taken.then_some(Fact::NameTaken);
        }
        if !view.known {
            return None;
        }
        let column = |name: &str| view.columns.iter().find(|column| column.name == name);
        match record.operation {
            Operation::Insert { row, .. } => self.against_insert(record, slot, view, row),
            Operation::Update { index, row, .. } => {
                if row.values.len() != view.columns.len() {
                    return Some(Fact::Arity);
                }
                past_end(record, view, *index)
            }
            Operation::Delete { index, .. } => past_end(record, view, *index),
            Operation::AddColumn { column: new, .. } => {
                column(&new.name).is_some().then_some(Fact::ColumnExists)
            }
            Operation::DropColumn { column: name, .. } => match column(name) {
                None => Some(Fact::NoColumn),
                Some(column) if column.primary_key => Some(Fact::PrimaryKey),
                Some(_) => None,
            },
            Operation::RenameColumn { old, new, .. } => match (column(old), column(new)) {
                (None, _) => Some(Fact::NoColumn),
                (_, Some(_)) => Some(Fact::NameTaken),
                _ => None,
            },
            _ => None,
        }
    }

    fn against_create(&self, record: &Record<'_>, slot: Slot, columns: &[Column]) -> Option<Fact> {
        if record.proof < Proof::Schemas {
            return None;
        }
        for key in columns
            .iter()
            .filter_map(|column| column.foreign_key.as_ref())
        {
            let name = self.problem.name_id(&key.table)?;
            if name == record.table {
                continue;
            }
            if !self.in_snapshot(slot) {
                if !self.ownable.contains(&name) {
                    return Some(Fact::NoReferencedKey);
                }
                continue;
            }
            match self.view(slot, name) {
                None => return Some(Fact::NoReferencedKey),
                Some(view) if view.exists == Exists::No => return Some(Fact::NoReferencedKey),
                Some(view) if view.known => {
                    let mut columns = view.columns.iter();
                    if !columns.any(|c| c.name == key.column && c.primary_key) {
                        return Some(Fact::NoReferencedKey);
                    }
                }
                Some(_) => {}
            }
        }
        None
    }

    fn against_insert(
        &self,
        record: &Record<'_>,
        slot: Slot,
        view: &View,
        row: &Row,
    ) -> Option<Fact> {
        // Another arity: logged, and without effect.
        if row.values.len() != view.columns.len() || record.proof < Proof::Everything {
            return None;
        }
        for (at, (column, value)) in view.columns.iter().zip(&row.values).enumerate() {
            if value.is_null() {
                continue;
            }
            let hash = record.values.get(at).copied().unwrap_or_default();
            if column.is_key() && self.key_is_taken(slot, record.table, view, at, hash) {
                return Some(Fact::KeyTaken);
            }
            if let Some(key) = &column.foreign_key {
                let name = self.problem.name_id(&key.table)?;
                let hashes = reference_hashes(value);
                if !self.can_be_referenced(slot, name, &key.column, &hashes) {
                    return Some(Fact::NoReference);
                }
            }
        }
        None
    }

    /// Whether a visible row has the key in every consistent assignment.
    fn key_is_taken(&self, slot: Slot, name: NameId, view: &View, at: usize, hash: u64) -> bool {
        if self.renames {
            return false;
        }
        let run_start = match self.insert_run {
            Some((table, start)) if table == name => start,
            _ => usize::MAX,
        };
        if let Some(&inserted) = self.inserted.get(&(slot, name, view.epoch, at, hash)) {
            let ended = view.enders.last().is_some_and(|ender| *ender > inserted);
            if inserted < run_start && !ended {
                return true;
            }
        }
        // Columns that moved since the snapshot are not looked up there.
        let Some(base) = &view.base else {
            return false;
        };
        if view.epoch > 0 {
            return false;
        }
        let Some(places) = base.places(at, hash) else {
            return false;
        };
        let visible = places.rows.iter().filter(|(_, visible)| *visible);
        visible.into_iter().any(|(row, _)| {
            let Some(ends) = self.ends.get(&(slot, name, *row)) else {
                return true;
            };
            ends.iter().all(|(ender, new)| {
                let keeps = new.as_ref().is_some_and(|new| new.get(at) == Some(&hash));
                let ended_again = view.enders.last().is_some_and(|last| last > ender);
                keeps && !ended_again
            })
        })
    }

    /// Whether some consistent assignment has a row with the key.
    fn can_be_referenced(&self, slot: Slot, name: NameId, column: &str, hashes: &[u64]) -> bool {
        let Some(view) = self.view(slot, name) else {
            return false;
        };
        if view.exists == Exists::No {
            return false;
        }
        let (true, false, 0, Some(base)) = (view.known, self.renames, view.epoch, &view.base)
        else {
            return true;
        };
        let Some(at) = base.column(column) else {
            return true;
        };
        let brought = |hash: &u64| self.brought.contains(&(slot, name, *hash));
        hashes
            .iter()
            .any(|hash| base.places(at, *hash).is_some() || brought(hash))
    }

    /// What a record can have changed, in each of the databases it can be of.
    fn apply(&mut self, at: usize, record: &Record<'_>, open: &[Slot]) {
        self.insert_run = match (record.operation, self.insert_run) {
            (Operation::Insert { .. }, Some((table, start)))
                if table == record.table && record.follows =>
            {
                Some((table, start))
            }
            (Operation::Insert { .. }, _) => Some((record.table, at)),
            _ => None,
        };
        let resolved = only(open).is_some();
        if open.iter().any(|slot| !self.in_snapshot(*slot)) {
            match (record.operation, record.renamed_to) {
                (Operation::CreateTable { .. }, _) => {
                    self.ownable.insert(record.table);
                }
                (_, Some(new)) => {
                    self.ownable.insert(new);
                }
                _ => {}
            }
        }
        let snapshot_databases = self.problem.snapshot_databases;
        for &slot in open.iter().filter(|slot| **slot < snapshot_databases) {
            match record.operation {
                Operation::Insert { row, .. } => self.pushed(at, record, slot, resolved, row),
                Operation::Update { index, .. } => {
                    self.ended(at, record, slot, *index);
                    self.brings(record, slot);
                    self.view_mut(slot, record.table).pushed_max += 1;
                }
                Operation::Delete { index, .. } => self.ended(at, record, slot, *index),
                _ => self.reshaped(record, slot, resolved),
            }
        }
    }

    fn view_mut(&mut self, slot: Slot, name: NameId) -> &mut View {
        self.views.entry((slot, name)).or_insert_with(View::absent)
    }

    fn brings(&mut self, record: &Record<'_>, slot: Slot) {
        for hash in record
            .values
            .iter()
            .filter(|hash| self.asked.contains(hash))
        {
            self.brought.insert((slot, record.table, *hash));
        }
    }

    fn pushed(&mut self, at: usize, record: &Record<'_>, slot: Slot, resolved: bool, row: &Row) {
        self.brings(record, slot);
        let view = self
            .views
            .entry((slot, record.table))
            .or_insert_with(View::absent);
        view.pushed_max += 1;
        let takes_effect = view.known
            && view.exists == Exists::Yes
            && view.columns.len() == row.values.len()
            && record.proof == Proof::Everything;
        if !resolved || !takes_effect {
            return;
        }
        let values = record.values.iter();
        for (column, (definition, hash)) in view.columns.iter().zip(values).enumerate() {
            if definition.is_key() {
                let key = (slot, record.table, view.epoch, column, *hash);
                self.inserted.insert(key, at);
            }
        }
    }

    fn ended(&mut self, at: usize, record: &Record<'_>, slot: Slot, index: u64) {
        let view = self
            .views
            .entry((slot, record.table))
            .or_insert_with(View::absent);
        if index >= view.base_count() {
            view.enders.push(at);
            return;
        }
        let new = matches!(record.operation, Operation::Update { .. });
        let new = new.then(|| record.values.clone());
        let ends = self.ends.entry((slot, record.table, index)).or_default();
        ends.push((at, new));
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
                    *target = View {
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
                let columns = Rc::make_mut(&mut view.columns);
                match operation {
                    Operation::AddColumn { column, .. } => columns.push(column.clone()),
                    Operation::DropColumn { column, .. } => columns.retain(|c| c.name != *column),
                    Operation::RenameColumn { old, new, .. } => {
                        if let Some(column) = columns.iter_mut().find(|c| c.name == *old) {
                            column.name.clone_from(new);
                        }
                    }
                    _ => {}
                }
            }
            _ => view.known = false,
        }
    }
}

fn past_end(record: &Record<'_>, view: &View, index: u64) -> Option<Fact> {
    let count = view.base_count().saturating_add(view.pushed_max);
    let past = record.proof == Proof::Everything && index >= count;
    past.then_some(Fact::PastEnd { index, count })
}
