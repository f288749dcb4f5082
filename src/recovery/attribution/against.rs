//! The facts against a database, as far as the bounds prove them.

use crate::model::{Column, Operation, PackedRow};

use super::bounds::{Bounds, Exists, TableBounds};
use super::facts::Fact;
use super::problem::{NameId, Proof, Record, Slot, equals_none, reference_hashes};

impl Bounds<'_, '_> {
    /// The fact that rules a database out, if there is one.
    pub fn against(&self, record: &Record<'_>, slot: Slot) -> Option<Fact> {
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
            return self.against_young(record);
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
        let column = |name: &str| view.columns.first(name).map(|(_, column)| column);
        match record.operation {
            Operation::Insert { row, .. } => self.against_insert(record, slot, view, row),
            Operation::Update { index, row, .. } => {
                if row.arity() != view.columns.len() {
                    return Some(Fact::Arity);
                }
                past_end(record, view, *index)
            }
            Operation::Delete { index, .. } => past_end(record, view, *index),
            other => Fact::of_column_change(other, column),
        }
    }

    /// The fact against every database that no file names: its tables are made
    /// by records of the tail. Of databases that are lost nothing is known.
    fn against_young(&self, record: &Record<'_>) -> Option<Fact> {
        if self.problem.missing.any() {
            return None;
        }
        let Some(&count) = self.ownable.get(&record.table) else {
            return Some(Fact::NoTable);
        };
        match record.operation {
            Operation::Update { index, .. } | Operation::Delete { index, .. }
                if record.proof == Proof::Everything && *index >= count =>
            {
                let index = *index;
                Some(Fact::PastEnd { index, count })
            }
            _ => None,
        }
    }

    /// Whether a record inserts a row of as many values as its table of a database has
    /// columns.
    pub fn fits(&self, record: &Record<'_>, slot: Slot) -> bool {
        let Operation::Insert { row, .. } = record.operation else {
            return false;
        };
        let view = self.view(slot, record.table);
        view.is_some_and(|view| view.known && view.columns.len() == row.arity())
    }

    /// Whether a record would have changed nothing in a database, in every
    /// consistent assignment, where every change of a schema is logged: the
    /// statement had failed after it was logged. Of a row of too many values that can
    /// have landed; not where it `fits` another database.
    pub fn is_idle(&self, record: &Record<'_>, slot: Slot, fits: bool) -> bool {
        if !self.in_snapshot(slot) {
            let ownable = self.ownable.contains_key(&record.table);
            let drops = matches!(record.operation, Operation::DropTable { .. });
            return drops && !ownable && !self.problem.missing.any();
        }
        let view = self.view(slot, record.table);
        let exists = view.map_or(Exists::No, |view| view.exists);
        match record.operation {
            Operation::CreateTable { .. } => exists == Exists::Yes,
            Operation::DropTable { .. } => exists == Exists::No,
            Operation::Insert { row, .. } => view.is_some_and(|view| {
                let can_land = self.problem.wide_rows_land && !fits;
                let lands = can_land && row.arity() > view.columns.len();
                view.known && exists == Exists::Yes && view.columns.len() != row.arity() && !lands
            }),
            _ => false,
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
                if !self.problem.missing.any() && !self.ownable.contains_key(&name) {
                    return Some(Fact::NoReferencedKey);
                }
                continue;
            }
            match self.view(slot, name) {
                None => return Some(Fact::NoReferencedKey),
                Some(view) if view.exists == Exists::No => return Some(Fact::NoReferencedKey),
                Some(view) if view.known => {
                    if !view.columns.named(&key.column).any(|(_, c)| c.primary_key) {
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
        view: &TableBounds,
        row: &PackedRow,
    ) -> Option<Fact> {
        // Another arity: logged, and without effect.
        if row.arity() != view.columns.len() || record.proof < Proof::Everything {
            return None;
        }
        for (at, ((_, column), value)) in view.columns.iter().zip(row.values()).enumerate() {
            if equals_none(&value) {
                continue;
            }
            let hash = record.values.get(at).copied().unwrap_or_default();
            let is_checked = column.is_key() && self.problem.keys_are_checked;
            if is_checked && self.key_is_taken(record, slot, view, at, hash) {
                return Some(Fact::KeyTaken);
            }
            if let Some(key) = &column.foreign_key {
                let name = self.problem.name_id(&key.table)?;
                let hashes = reference_hashes(&value);
                if !self.can_be_referenced(record, slot, name, &key.column, &hashes) {
                    return Some(Fact::NoReference);
                }
            }
        }
        None
    }

    /// Whether a row that the record's run could see has the key in every
    /// consistent assignment.
    fn key_is_taken(
        &self,
        record: &Record<'_>,
        slot: Slot,
        view: &TableBounds,
        at: usize,
        hash: u64,
    ) -> bool {
        let name = record.table;
        if self.component.renames {
            return false;
        }
        let run_start = self.goes_on(record).unwrap_or(usize::MAX);
        if let Some(&inserted) = self.inserted.get(&(slot, name, view.epoch, at, hash)) {
            let ended = view.last_ender.is_some_and(|ender| ender > inserted);
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
        let mut rows = places.rows.iter();
        rows.any(|(row, standing)| {
            if !standing.shows(record.transaction) {
                return false;
            }
            let Some(ends) = self.ends.get(&(name, *row)) else {
                return true;
            };
            let mut ends = ends
                .iter()
                .filter(|end| end.open.binary_search(&slot).is_ok());
            ends.all(|end| {
                let new = end.new.as_ref();
                let keeps = new.is_some_and(|new| new.get(at) == Some(&hash));
                let ended_again = view.last_ender.is_some_and(|last| last > end.at);
                keeps && !ended_again
            })
        })
    }

    /// Whether some consistent assignment has a row with the key that the
    /// record's run could see.
    fn can_be_referenced(
        &self,
        record: &Record<'_>,
        slot: Slot,
        name: NameId,
        column: &str,
        hashes: &[u64],
    ) -> bool {
        let Some(view) = self.view(slot, name) else {
            return false;
        };
        if view.exists == Exists::No {
            return false;
        }
        let (true, false, 0, Some(base)) =
            (view.known, self.component.renames, view.epoch, &view.base)
        else {
            return true;
        };
        let Some(at) = base.column(column).filter(|_| base.streamed) else {
            return true;
        };
        let brought = |hash: &u64| {
            let brought = self.brought.get(&(name, *hash));
            brought.is_some_and(|slots| slots.binary_search(&slot).is_ok())
        };
        let stands = |hash: &u64| {
            base.places(at, *hash).is_some_and(|places| {
                let mut rows = places.rows.iter();
                places.overflow || rows.any(|(_, standing)| standing.shows(record.transaction))
            })
        };
        hashes.iter().any(|hash| stands(hash) || brought(hash))
    }
}

fn past_end(record: &Record<'_>, view: &TableBounds, index: u64) -> Option<Fact> {
    let count = view.base_count().saturating_add(view.pushed_max);
    let past = record.proof == Proof::Everything && index >= count;
    past.then_some(Fact::PastEnd { index, count })
}
