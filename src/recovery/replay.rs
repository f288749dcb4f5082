//! One table under the server's true rules (format page, "Server rules").
//!
//! Rows are pushed at the end, positions never shift, a failed statement has no
//! effect. The snapshot's rows are not held here: only their number, which of
//! them are marked dead, and how their columns changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::codec::pack_row;
use crate::model::{Column, PackedRow, Table, ValueRef};

/// A table of the snapshot, or one created after it.
#[derive(Debug, Clone)]
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
    /// The columns of now by when they came, those of the stored rows from 0 on:
    /// they rise, because a new one goes to the end.
    pub column_ids: Vec<usize>,
    /// What the next column is called there.
    next_column_id: usize,
    /// The columns of now by name and by when they came, from the first change of
    /// columns on: to go through all columns at each would take as many steps as
    /// there are pairs of them.
    by_name: Option<BTreeSet<(String, usize)>>,
    /// Snapshot rows marked dead since, with their xmax.
    pub dead: BTreeMap<u64, u64>,
    /// Row versions pushed since, each with the columns that the table had then;
    /// see [`row_now`](Self::row_now).
    pub appended: Vec<PackedRow>,
    /// The columns of appended rows up to a position, where they are not those of
    /// now: to give every row its Null at every new column would take rows times
    /// columns, of which the files hold neither.
    former: Vec<Former>,
}

/// The columns that appended rows were pushed with.
#[derive(Debug, Clone, PartialEq)]
struct Former {
    /// The position after the last of them.
    end: usize,
    column_ids: Vec<usize>,
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
            column_ids: (0..schema.columns.len()).collect(),
            next_column_id: schema.columns.len(),
            by_name: None,
            stored_columns: schema.columns.len(),
            schema: schema.clone(),
            base: Some(base),
            base_count,
            lost: 0..0,
            lost_holds_rows: false,
            dead: BTreeMap::new(),
            appended: Vec::new(),
            former: Vec::new(),
        }
    }

    /// A table created after the snapshot.
    pub fn created(schema: &Table, rows: &[PackedRow]) -> Self {
        TableState {
            stored_columns: 0,
            column_ids: (0..schema.columns.len()).collect(),
            next_column_id: schema.columns.len(),
            by_name: None,
            schema: schema.clone(),
            base: None,
            base_count: 0,
            lost: 0..0,
            lost_holds_rows: false,
            dead: BTreeMap::new(),
            appended: rows.to_vec(),
            former: Vec::new(),
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

    /// An appended row with the columns of now.
    pub fn row_now(&self, at: usize) -> Option<PackedRow> {
        let row = self.appended.get(at)?;
        Some(match self.former_of(at) {
            None => row.clone(),
            Some(_) => {
                let values: Vec<ValueRef<'_>> = self.values_now(at).collect();
                pack_row(values, row.xmin, row.xmax)
            }
        })
    }

    /// Its values alone; none where there is no such row.
    pub fn values_now(&self, at: usize) -> impl Iterator<Item = ValueRef<'_>> {
        let former = self.former_of(at);
        let ids = former.map_or(&self.column_ids, |former| &former.column_ids);
        let values = self.appended.get(at).map(PackedRow::values);
        let known = ids.iter().copied().zip(values.into_iter().flatten());
        let columns = self.appended.get(at).map_or(&[][..], |_| &self.column_ids);
        now(columns, known)
    }

    fn former_of(&self, at: usize) -> Option<&Former> {
        let after = self.former.partition_point(|former| former.end <= at);
        self.former.get(after)
    }

    /// The columns are about to change: rows until now keep theirs.
    fn keep_columns(&mut self) {
        let end = self.appended.len();
        if self.former.last().map_or(0, |former| former.end) < end {
            self.former.push(Former {
                end,
                column_ids: self.column_ids.clone(),
            });
        }
    }

    /// The columns by name, and where the first of a name stands.
    fn find_column(&mut self, name: &str) -> (&mut BTreeSet<(String, usize)>, Option<usize>) {
        let named = self.schema.columns.iter().zip(&self.column_ids);
        let named = named.map(|(column, id)| (column.name.clone(), *id));
        let by_name = self.by_name.get_or_insert_with(|| named.collect());
        let mut from = by_name.range((name.to_owned(), 0)..);
        let first = from.next().filter(|(found, _)| found == name);
        let at = first.and_then(|(_, id)| self.column_ids.binary_search(id).ok());
        (by_name, at)
    }

    /// Rule 5: the column is appended, with a Null for every row.
    pub fn add_column(&mut self, column: &Column) -> Effect {
        let id = self.next_column_id;
        let (by_name, None) = self.find_column(&column.name) else {
            return Effect::Impossible("the column exists already");
        };
        by_name.insert((column.name.clone(), id));
        self.keep_columns();
        self.schema.columns.push(column.clone());
        self.column_ids.push(id);
        self.next_column_id = self.next_column_id.saturating_add(1);
        Effect::Applied
    }

    /// Rule 5: the column and its values go, and its sequence with it.
    pub fn drop_column(&mut self, name: &str) -> Effect {
        let Some(index) = self.find_column(name).1 else {
            return Effect::Impossible("the column does not exist");
        };
        let columns = &self.schema.columns;
        if columns.get(index).is_some_and(|column| column.primary_key) {
            return Effect::Impossible("the column is the primary key");
        }
        self.keep_columns();
        self.schema.columns.remove(index);
        if index < self.column_ids.len() {
            let id = self.column_ids.remove(index);
            self.find_column(name).0.remove(&(name.to_owned(), id));
        }
        self.schema.sequences.retain(|(column, _)| column != name);
        Effect::Applied
    }

    /// Rule 5: the column keeps its values and its sequence under a new name.
    pub fn rename_column(&mut self, old: &str, new: &str) -> Effect {
        if self.find_column(new).1.is_some() {
            return Effect::Impossible("the new column name is taken");
        }
        let Some(index) = self.find_column(old).1 else {
            return Effect::Impossible("the column does not exist");
        };
        if let Some(id) = self.column_ids.get(index).copied() {
            let by_name = self.find_column(old).0;
            by_name.remove(&(old.to_owned(), id));
            by_name.insert((new.to_owned(), id));
        }
        let Some(column) = self.schema.columns.get_mut(index) else {
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

/// The values of a row that has some of the columns of now, and maybe others;
/// both rise. What it lacks is Null.
pub(super) fn now<'v>(
    columns: &[usize],
    known: impl Iterator<Item = (usize, ValueRef<'v>)>,
) -> impl Iterator<Item = ValueRef<'v>> {
    let mut known = known.peekable();
    columns.iter().map(move |column| {
        while known.next_if(|(id, _)| id < column).is_some() {}
        let value = known.next_if(|(id, _)| id == column);
        value.map_or(ValueRef::Null, |(_, value)| value)
    })
}

/// Rule 2: for each SERIAL or BIGSERIAL column of an inserted row the sequence
/// becomes the larger of what it was and the value plus one.
pub fn advance_sequences(table: &mut Table, row: &PackedRow) {
    // Most rows draw from no sequence.
    if !table
        .columns
        .iter()
        .any(|column| column.data_type.is_serial())
    {
        return;
    }
    let known = table.sequences.iter().enumerate();
    // Of sequences of one name, the first counts.
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    known.for_each(|(place, (name, _))| {
        places.entry(name).or_insert(place);
    });
    let (mut used, mut new) = (Vec::new(), Vec::new());
    for (column, value) in table.columns.iter().zip(row.values()) {
        let value = match value {
            ValueRef::Integer(value) if column.data_type.is_serial() => value,
            ValueRef::SmallInt(value) if column.data_type.is_serial() => i64::from(value),
            _ => continue,
        };
        let place = *places.entry(&column.name).or_insert_with(|| {
            new.push((column.name.clone(), 1));
            table.sequences.len() + new.len() - 1
        });
        used.push((place, value.saturating_add(1)));
    }
    table.sequences.extend(new);
    for (place, next) in used {
        if let Some((_, current)) = table.sequences.get_mut(place) {
            *current = next.max(*current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DataType;

    fn column(name: &str) -> Column {
        Column {
            name: name.into(),
            data_type: DataType::Integer,
            nullable: true,
            primary_key: false,
            unique: false,
            foreign_key: None,
        }
    }

    #[test]
    fn rows_follow_the_columns_that_come_and_go() {
        let schema = Table {
            name: "t".into(),
            columns: vec![column("a"), column("b")],
            sequences: Vec::new(),
            owner: None,
        };
        let row = |values: &[i64]| pack_row(values.iter().copied().map(ValueRef::Integer), 1, None);
        let mut state = TableState::of_snapshot(&schema, (0, 0), 0);
        state.insert(&row(&[1, 2]));
        state.add_column(&column("c"));
        state.insert(&row(&[3, 4, 5]));
        state.drop_column("a");
        state.add_column(&column("a"));
        state.insert(&row(&[6, 7, 8]));
        state.add_column(&column("d"));
        state.drop_column("b");
        let null = ValueRef::Null;
        let int = ValueRef::Integer;
        // The columns of now: c, the second a, d.
        let expected = [
            [null, null, null],
            [int(5), null, null],
            [int(7), int(8), null],
        ];
        for (at, expected) in expected.iter().enumerate() {
            assert!(state.values_now(at).eq(expected.iter().copied()), "{at}");
            let whole = state.row_now(at).unwrap();
            assert!(whole.values().eq(expected.iter().copied()), "{at}");
        }
        assert_eq!(state.values_now(3).count(), 0);
        assert!(state.row_now(3).is_none());
    }
}
