//! One table under the server's true rules (format page, "Server rules").
//!
//! Rows are pushed at the end, positions never shift, a failed statement has no
//! effect. The snapshot's rows are not held here: only their number, which of
//! them are marked dead, and how their columns changed.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::{RowValues, pack_row};
use crate::model::{Column, PackedRow, Table, ValueRef};

/// Where a column of the snapshot's rows comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnOrigin {
    /// The value at this position in the snapshot.
    Stored(usize),
    /// Added after the snapshot: Null.
    Added,
}

/// A table of the snapshot, or one created after it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableState {
    /// The schema as it is now, sequences advanced.
    pub schema: Table,
    /// Database and table in the snapshot; `None` when created after it.
    pub base: Option<(usize, usize)>,
    /// Row versions in the snapshot, those that cannot be read included.
    pub base_count: u64,
    /// Indexes of snapshot rows that were lost to damage.
    pub lost: Range<u64>,
    /// Whether rows were found again inside `lost`, at indexes nobody knows.
    pub lost_holds_rows: bool,
    /// Columns of the stored rows.
    pub stored_columns: usize,
    /// How the snapshot's values map to the columns of now.
    pub columns: Vec<ColumnOrigin>,
    /// Snapshot rows marked dead since, with their xmax.
    pub dead: BTreeMap<u64, u64>,
    /// Row versions pushed since.
    pub appended: Vec<PackedRow>,
}

/// What a logged statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changed the table.
    Applied,
    /// It had failed after logging (rule 6).
    None(&'static str),
    /// It cannot have been logged for this table: a hard fact is broken (rule 7).
    Impossible(&'static str),
}

impl TableState {
    /// A table as the snapshot holds it.
    pub fn of_snapshot(schema: &Table, base: (usize, usize), base_count: u64) -> Self {
        TableState {
            columns: (0..schema.columns.len())
                .map(ColumnOrigin::Stored)
                .collect(),
            stored_columns: schema.columns.len(),
            schema: schema.clone(),
            base: Some(base),
            base_count,
            lost: 0..0,
            lost_holds_rows: false,
            dead: BTreeMap::new(),
            appended: Vec::new(),
        }
    }

    /// A table created after the snapshot.
    pub fn created(schema: &Table, rows: &[PackedRow]) -> Self {
        TableState {
            stored_columns: 0,
            columns: Vec::new(),
            schema: schema.clone(),
            base: None,
            base_count: 0,
            lost: 0..0,
            lost_holds_rows: false,
            dead: BTreeMap::new(),
            appended: rows.to_vec(),
        }
    }

    /// Row versions in all.
    pub fn row_count(&self) -> u64 {
        self.base_count.saturating_add(self.appended.len() as u64)
    }

    /// Rule 2: the row is pushed, sequences rise above its serial values.
    pub fn insert(&mut self, row: &PackedRow) -> Effect {
        if row.arity() != self.schema.columns.len() {
            return Effect::None("the row's arity differs from the table's");
        }
        advance_sequences(&mut self.schema, row);
        self.appended.push(row.clone());
        Effect::Applied
    }

    /// Rule 3: the old version ends where the new one begins.
    pub fn update(&mut self, index: u64, row: &PackedRow) -> Effect {
        if row.arity() != self.schema.columns.len() {
            return Effect::Impossible("the new row's arity differs from the table's");
        }
        match self.end_version(index, row.xmin) {
            Effect::Applied => {
                self.appended.push(row.clone());
                Effect::Applied
            }
            other => other,
        }
    }

    /// Rule 4: the version ends with the current transaction, which the record
    /// does not say: `xmax` is the largest xmin seen in this run, at least 1.
    pub fn delete(&mut self, index: u64, xmax: u64) -> Effect {
        self.end_version(index, xmax)
    }

    fn end_version(&mut self, index: u64, xmax: u64) -> Effect {
        if self.lost.contains(&index) {
            return match self.lost_holds_rows {
                true => Effect::Impossible("the row index lies in a damaged range"),
                // The old version is lost; there is nothing to mark.
                false => Effect::Applied,
            };
        }
        if index < self.base_count {
            self.dead.insert(index, xmax);
            return Effect::Applied;
        }
        let position = usize::try_from(index - self.base_count).ok();
        match position.and_then(|position| self.appended.get_mut(position)) {
            Some(row) => {
                row.xmax = Some(xmax);
                Effect::Applied
            }
            None => Effect::Impossible("the row index is past the table's end"),
        }
    }

    fn change_appended(&mut self, change: impl Fn(&mut Vec<ValueRef<'_>>)) {
        for row in &mut self.appended {
            let mut values = row.values().collect();
            change(&mut values);
            *row = pack_row(values, row.xmin, row.xmax);
        }
    }

    /// Rule 5: the column is appended, with a Null for every row.
    pub fn add_column(&mut self, column: &Column) -> Effect {
        if self.schema.column_index(&column.name).is_some() {
            return Effect::Impossible("the column exists already");
        }
        self.schema.columns.push(column.clone());
        self.columns.push(ColumnOrigin::Added);
        self.change_appended(|values| values.push(ValueRef::Null));
        Effect::Applied
    }

    /// Rule 5: the column and its values go, and its sequence with it.
    pub fn drop_column(&mut self, name: &str) -> Effect {
        let Some(index) = self.schema.column_index(name) else {
            return Effect::Impossible("the column does not exist");
        };
        let dropped = self.schema.columns.remove(index);
        if dropped.primary_key {
            self.schema.columns.insert(index, dropped);
            return Effect::Impossible("the column is the primary key");
        }
        if index < self.columns.len() {
            self.columns.remove(index);
        }
        self.change_appended(|values| {
            if index < values.len() {
                values.remove(index);
            }
        });
        self.schema.sequences.retain(|(column, _)| column != name);
        Effect::Applied
    }

    /// Rule 5: the column keeps its values and its sequence under a new name.
    pub fn rename_column(&mut self, old: &str, new: &str) -> Effect {
        if self.schema.column_index(new).is_some() {
            return Effect::Impossible("the new column name is taken");
        }
        let found = self
            .schema
            .columns
            .iter_mut()
            .find(|column| column.name == old);
        let Some(column) = found else {
            return Effect::Impossible("the column does not exist");
        };
        column.name = new.to_owned();
        for (name, _) in &mut self.schema.sequences {
            if name == old {
                *name = new.to_owned();
            }
        }
        Effect::Applied
    }
}

/// Rule 2: for each SERIAL or BIGSERIAL column of an inserted row the sequence
/// becomes the larger of what it was and the value plus one.
pub fn advance_sequences(table: &mut Table, row: &PackedRow) {
    for (column, value) in table.columns.iter().zip(row.values()) {
        let used = match value {
            ValueRef::Integer(used) if column.data_type.is_serial() => used,
            ValueRef::SmallInt(used) if column.data_type.is_serial() => i64::from(used),
            _ => continue,
        };
        let next = used.saturating_add(1);
        let sequences = &mut table.sequences;
        match sequences.iter_mut().find(|(name, _)| *name == column.name) {
            Some((_, current)) => *current = next.max(*current),
            None => sequences.push((column.name.clone(), next.max(1))),
        }
    }
}
