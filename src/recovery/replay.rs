//! One table under the server's true rules (format page, "Server rules").
//!
//! Rows are pushed at the end, positions never shift, a failed statement has no
//! effect. The snapshot's rows are not held here: only their number, which of
//! them are marked dead, and how their columns changed.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::pack_row;
use crate::model::{Column, PackedRow, Table, ValueRef};

use super::named_list::NamedList;

/// A table of the snapshot, or one created after it.
#[derive(Debug, Clone)]
pub struct TableState {
    /// Its name now.
    pub name: String,
    /// Its columns now, which by when they came are those of the stored rows from
    /// 0 on.
    columns: NamedList<Column>,
    /// Its sequences now, in file order.
    sequences: NamedList<(String, i64)>,
    /// Its owner.
    pub owner: Option<String>,
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
    /// Snapshot rows marked dead since, with their xmax.
    pub dead: BTreeMap<u64, u64>,
    /// Row versions pushed since, each with the columns that the table had then;
    /// see [`row_now`](Self::row_now).
    pub appended: Vec<PackedRow>,
    /// The columns of appended rows up to a position, where they are not those of
    /// now: to give every row its Null at every new column would take rows times
    /// columns, of which the files hold neither. A list is no longer than the rows
    /// that were pushed with it are wide.
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
            base: Some(base),
            base_count,
            stored_columns: schema.columns.len(),
            ..TableState::created(schema, &[])
        }
    }

    /// A table created after the snapshot.
    pub fn created(schema: &Table, rows: &[PackedRow]) -> Self {
        TableState {
            name: schema.name.clone(),
            columns: NamedList::new(&schema.columns),
            sequences: NamedList::new(&schema.sequences),
            owner: schema.owner.clone(),
            stored_columns: 0,
            base: None,
            base_count: 0,
            lost: 0..0,
            lost_holds_rows: false,
            dead: BTreeMap::new(),
            appended: rows.to_vec(),
            former: Vec::new(),
        }
    }

    /// The schema as it is now, sequences advanced.
    pub fn schema(&self) -> Table {
        Table {
            name: self.name.clone(),
            columns: self.columns.to_vec(),
            sequences: self.sequences.to_vec(),
            owner: self.owner.clone(),
        }
    }

    /// The columns as they are now.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(|(_, column)| column)
    }

    /// How many they are.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// The columns of now by when they came: they rise.
    pub(super) fn column_ids(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(id, _)| id)
    }

    /// Row versions in all.
    pub fn row_count(&self) -> u64 {
        self.base_count.saturating_add(self.appended.len() as u64)
    }

    /// Rule 2: the row is pushed, sequences rise above its serial values.
    pub fn insert(&mut self, row: &PackedRow) -> Effect {
        if row.arity() != self.column_count() {
            return Effect::None("the row's arity differs from the table's");
        }
        self.advance_sequences(row);
        self.appended.push(row.clone());
        Effect::Applied
    }

    /// Rule 3: the old version ends where the new one begins.
    pub fn update(&mut self, index: u64, row: &PackedRow) -> Effect {
        if row.arity() != self.column_count() {
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
        let row = self.appended.get(at);
        let former = row.and_then(|_| self.former_of(at));
        let ids = row.filter(|_| former.is_none()).map(|_| self.column_ids());
        let former = former.into_iter().flat_map(|former| &former.column_ids);
        let ids = former.copied().chain(ids.into_iter().flatten());
        let known = ids.zip(row.into_iter().flat_map(PackedRow::values));
        let columns = row.map(|_| self.column_ids());
        now(columns.into_iter().flatten(), known)
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
                column_ids: self.column_ids().collect(),
            });
        }
    }

    /// Rule 5: the column is appended, with a Null for every row.
    pub fn add_column(&mut self, column: &Column) -> Effect {
        if self.columns.first(&column.name).is_some() {
            return Effect::Impossible("the column exists already");
        }
        self.keep_columns();
        self.columns.push(column.clone());
        Effect::Applied
    }

    /// Rule 5: the column and its values go; its sequence stays, for a later column of
    /// the name.
    pub fn drop_column(&mut self, name: &str) -> Effect {
        let Some((id, column)) = self.columns.first(name) else {
            return Effect::Impossible("the column does not exist");
        };
        if column.primary_key {
            return Effect::Impossible("the column is the primary key");
        }
        self.keep_columns();
        self.columns.remove(id);
        Effect::Applied
    }

    /// Rule 5: the column keeps its values under a new name. A sequence belongs to the
    /// name: the server draws from 1 for the new one, unless a column had it before.
    pub fn rename_column(&mut self, old: &str, new: &str) -> Effect {
        if self.columns.first(new).is_some() {
            return Effect::Impossible("the new column name is taken");
        }
        let Some((id, _)) = self.columns.first(old) else {
            return Effect::Impossible("the column does not exist");
        };
        self.columns.rename(id, new);
        Effect::Applied
    }

    /// Rule 2: for each SERIAL or BIGSERIAL column of an inserted row the sequence
    /// becomes the larger of what it was and the value plus one.
    fn advance_sequences(&mut self, row: &PackedRow) {
        let columns = || self.columns.iter().map(|(_, column)| column);
        for (column, next) in serial_values(columns, row) {
            advance(&mut self.sequences, column, next);
        }
    }
}

/// The values of a row that has some of the columns of now, and maybe others;
/// both rise. What it lacks is Null.
pub(super) fn now<'v>(
    columns: impl Iterator<Item = usize>,
    known: impl Iterator<Item = (usize, ValueRef<'v>)>,
) -> impl Iterator<Item = ValueRef<'v>> {
    let mut known = known.peekable();
    columns.map(move |column| {
        while known.next_if(|(id, _)| *id < column).is_some() {}
        let value = known.next_if(|(id, _)| *id == column);
        value.map_or(ValueRef::Null, |(_, value)| value)
    })
}

/// The SERIAL and BIGSERIAL columns in which a row holds a number, and what comes
/// after that number.
fn serial_values<'a, I: Iterator<Item = &'a Column>>(
    columns: impl Fn() -> I,
    row: &'a PackedRow,
) -> impl Iterator<Item = (&'a Column, i64)> {
    // Most rows draw from no sequence, and need not be looked at.
    let draws = columns().any(|column| column.data_type.is_serial());
    let values = columns().zip(row.values());
    let values = draws.then_some(values).into_iter().flatten();
    values.filter_map(|(column, value)| {
        let value = match value {
            ValueRef::Integer(value) if column.data_type.is_serial() => value,
            ValueRef::SmallInt(value) if column.data_type.is_serial() => i64::from(value),
            _ => return None,
        };
        Some((column, value.saturating_add(1)))
    })
}

/// Rule 2 for a table by itself.
pub fn advance_sequences(table: &mut Table, row: &PackedRow) {
    let mut sequences = None;
    for (column, next) in serial_values(|| table.columns.iter(), row) {
        let sequences = sequences.get_or_insert_with(|| NamedList::new(&table.sequences));
        advance(sequences, column, next);
    }
    if let Some(sequences) = sequences {
        table.sequences = sequences.to_vec();
    }
}

/// Of sequences of one name, the first counts.
fn advance(sequences: &mut NamedList<(String, i64)>, column: &Column, next: i64) {
    let known = sequences.first(&column.name).map(|(id, _)| id);
    match known.and_then(|id| sequences.get_mut(id)) {
        Some((_, current)) => *current = next.max(*current),
        None => sequences.push((column.name.clone(), next.max(1))),
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
