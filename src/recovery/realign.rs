//! Which row an UPDATE or DELETE ended where a table holds rows nobody logged.
//!
//! Statements of a transaction reach memory and not the log, but the row
//! indexes of later records count their rows (format page, "Server rules", 9).
//! A row of the snapshot keeps its index. A row logged since stands at its own
//! index or after it, by its *shift*: how many unlogged rows were pushed before
//! it. A shift never changes, and never falls from one row to a later one; it is
//! 0 for rows pushed while everything was logged. So the shifts that are known
//! bound those between them, and a row version is *allowed* for an index when
//! the shift that the index would give it lies within its bounds.
//!
//! The rule of proof, for an index past the snapshot's rows:
//! - The row is meant whose bounds leave one shift, and that one fits.
//! - An UPDATE means the version that holds the primary key of the new row, when
//!   it is the only one since the snapshot that does, dead ones counted; when an
//!   INSERT pushed it, so that no visible row of the snapshot held the key; when
//!   it is allowed; and when the new row differs from it in one column at most.
//!   Its shift is known from then on.
//! - A row that was never logged is meant when no version is allowed; for an
//!   UPDATE also when no version holds the key, and no allowed one differs in
//!   the key and at most one other column.
//! - Everything else is unproven.
//!
//! An UPDATE inside a transaction can have pushed another version of the same
//! key. One that selects by the key finds both, the earlier first, and is read
//! rightly; the demand on the other columns is against one that selects by
//! something else. What remains takes it that no UPDATE sets one value twice in
//! that way, nor gives an unlogged row the key of another one. Therefore a record
//! read so is at best probable, never certain.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Operation, PackedRow};

use super::TableState;

/// Row versions that a table can have got since the snapshot for one to be
/// looked for among them.
const LOOKED_AT: usize = 16_384;

/// The row that a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// The version at this index of the known rows.
    Row(u64),
    /// One that was never logged.
    Unlogged,
    /// Nothing proves which; perhaps the version at this index.
    Unproven(Option<u64>),
}

/// What is known of the shifts of rows, by database and table.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    tables: BTreeMap<(String, String), Known>,
}

/// What is known of a table's rows, by position among those logged since the
/// snapshot.
#[derive(Debug, Default)]
struct Known {
    shifts: BTreeMap<usize, u64>,
    /// Those that an INSERT pushed.
    inserted: BTreeSet<usize>,
    /// Whether a shift was taken without proof, so that none proves anything.
    guessed: bool,
}

impl Shifts {
    /// The last row was pushed by an INSERT.
    pub(super) fn inserted(&mut self, database: &str, state: &TableState) {
        if let Some(last) = state.appended.len().checked_sub(1) {
            self.known(database, state).inserted.insert(last);
        }
    }

    /// Everything was logged until now: no row of the table is shifted.
    pub(super) fn none_until(&mut self, database: &str, state: &TableState) {
        if let Some(last) = state.appended.len().checked_sub(1) {
            self.known(database, state).shifts = BTreeMap::from([(last, 0)]);
        }
    }

    fn known(&mut self, database: &str, state: &TableState) -> &mut Known {
        let key = (database.to_owned(), state.name.clone());
        self.tables.entry(key).or_default()
    }

    /// The table is no longer the one it was.
    pub(super) fn forget(&mut self, database: &str, table: &str) {
        self.tables.remove(&(database.to_owned(), table.to_owned()));
    }

    /// An UPDATE was taken to end the version at `meant`, without proof: where the
    /// new row bears that out, what is read later is to agree with it.
    pub(super) fn take(
        &mut self,
        database: &str,
        state: &TableState,
        (index, meant): (u64, u64),
        new: &PackedRow,
    ) {
        let at = meant.checked_sub(state.base_count);
        let Some(at) = at.and_then(|at| usize::try_from(at).ok()) else {
            return;
        };
        let old = state.row_now(at);
        if old.is_some_and(|old| alike(&old, new, None)) {
            let known = self.known(database, state);
            known.shifts.insert(at, index.saturating_sub(meant));
            known.guessed = true;
        }
    }

    /// The row that an UPDATE or DELETE of a table ends.
    pub(super) fn meant(
        &mut self,
        database: &str,
        state: &TableState,
        operation: &Operation,
    ) -> Meant {
        let meant = self.by_shifts(database, state, operation);
        match (meant, self.known(database, state).guessed) {
            (Meant::Row(index), true) if index >= state.base_count => Meant::Unproven(Some(index)),
            (Meant::Unlogged, true) => Meant::Unproven(None),
            _ => meant,
        }
    }

    fn by_shifts(&mut self, database: &str, state: &TableState, operation: &Operation) -> Meant {
        let (index, new) = match operation {
            Operation::Update { index, row, .. } => (*index, Some(row)),
            Operation::Delete { index, .. } => (*index, None),
            _ => return Meant::Unproven(None),
        };
        let Some(place) = index.checked_sub(state.base_count) else {
            return Meant::Row(index);
        };
        let index_of = |at: usize| state.base_count.saturating_add(at as u64);
        if state.appended.len() > LOOKED_AT {
            return Meant::Unproven(Some(index));
        }
        let known = self.known(database, state);
        let allowed = known.allowed(state, place);
        if let Some(at) = allowed.iter().find(|at| known.is_known(**at)) {
            return Meant::Row(index_of(*at));
        }
        let Some(likeliest) = allowed.last().copied() else {
            return Meant::Unlogged;
        };
        let Some(new) = new else {
            return Meant::Unproven(Some(index_of(likeliest)));
        };
        let like = |key| {
            let mut rows = allowed.iter().rev();
            rows.find(|at| {
                let old = state.row_now(**at);
                old.is_some_and(|old| alike(&old, new, key))
            })
        };
        let Some(column) = key_column(state) else {
            let likeliest = like(None).copied().unwrap_or(likeliest);
            return Meant::Unproven(Some(index_of(likeliest)));
        };
        let key = new.value(column);
        let versions = (0..state.appended.len()).filter_map(|at| Some((at, state.row_now(at)?)));
        let holding = versions.filter(|(_, old)| old.value(column) == key);
        match holding.collect::<Vec<_>>().as_slice() {
            [(at, old)]
                if known.inserted.contains(at)
                    && allowed.contains(at)
                    && alike(old, new, Some(column)) =>
            {
                known.shifts.insert(*at, place.saturating_sub(*at as u64));
                Meant::Row(index_of(*at))
            }
            [] => like(Some(column))
                .map_or(Meant::Unlogged, |at| Meant::Unproven(Some(index_of(*at)))),
            holding => {
                let mut allowed = holding.iter().rev().filter(|(at, _)| allowed.contains(at));
                let likeliest = allowed.next().map_or(likeliest, |(at, _)| *at);
                Meant::Unproven(Some(index_of(likeliest)))
            }
        }
    }
}

impl Known {
    fn at_least(&self, at: usize) -> u64 {
        let before = self.shifts.range(..=at).next_back();
        before.map_or(0, |(_, shift)| *shift)
    }

    fn at_most(&self, at: usize) -> u64 {
        let after = self.shifts.range(at..).next();
        after.map_or(u64::MAX, |(_, shift)| *shift)
    }

    fn is_known(&self, at: usize) -> bool {
        self.at_least(at) == self.at_most(at)
    }

    /// Positions of the versions that can stand at a place, ascending.
    fn allowed(&self, state: &TableState, place: u64) -> Vec<usize> {
        let end = usize::try_from(place)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let mut allowed = Vec::new();
        for at in (0..end.min(state.appended.len())).rev() {
            let shift = place.saturating_sub(at as u64);
            // Shifts fall towards the front, and the index would ask for more.
            if shift > self.at_most(at) {
                break;
            }
            if shift >= self.at_least(at) {
                allowed.push(at);
            }
        }
        allowed.reverse();
        allowed
    }
}

/// The column that is the primary key, where it is one column.
fn key_column(state: &TableState) -> Option<usize> {
    let columns = state.columns().enumerate();
    let mut keys = columns.filter(|(_, column)| column.primary_key);
    let (at, _) = keys.next()?;
    keys.next().is_none().then_some(at)
}

/// Whether one row could have become the other by one new value, and a new key
/// where one is given.
fn alike(old: &PackedRow, new: &PackedRow, key: Option<usize>) -> bool {
    let pairs = old.values().zip(new.values()).enumerate();
    let others = pairs.filter(|(at, _)| Some(*at) != key);
    others.filter(|(_, (old, new))| old != new).count() <= 1
}

/// The same UPDATE or DELETE of another row.
pub(super) fn at_index(operation: &Operation, index: u64) -> Operation {
    let mut moved = operation.clone();
    if let Operation::Update { index: at, .. } | Operation::Delete { index: at, .. } = &mut moved {
        *at = index;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pack_row;
    use crate::model::{Column, DataType, Table, ValueRef};

    fn state(base_count: u64, keys: &[i64]) -> TableState {
        keyed(base_count, keys, true)
    }

    fn keyed(base_count: u64, keys: &[i64], has_key: bool) -> TableState {
        let column = |name: &str, primary_key| Column {
            name: name.into(),
            data_type: DataType::Integer,
            nullable: true,
            primary_key,
            unique: false,
            foreign_key: None,
        };
        let schema = Table {
            name: "t".into(),
            columns: vec![
                column("id", has_key),
                column("a", false),
                column("b", false),
            ],
            sequences: Vec::new(),
            owner: None,
        };
        let mut state = TableState::of_snapshot(&schema, (0, 0), base_count);
        state.appended = keys.iter().map(|key| row(*key, *key * 10)).collect();
        state
    }

    fn row(key: i64, value: i64) -> PackedRow {
        pack_row([key, value, value + 1].map(ValueRef::Integer), 1, None)
    }

    /// Every row pushed by an INSERT.
    fn shifts_of(state: &TableState) -> Shifts {
        let mut shifts = Shifts::default();
        shifts.known("d", state).inserted = (0..state.appended.len()).collect();
        shifts
    }

    /// A row with another value in one column.
    fn changed(key: i64) -> PackedRow {
        let values = [key, -1, key * 10 + 1].map(ValueRef::Integer);
        pack_row(values, 1, None)
    }

    fn update(index: u64, row: PackedRow) -> Operation {
        let table = "t".into();
        Operation::Update { table, index, row }
    }

    fn delete(index: u64) -> Operation {
        let table = "t".into();
        Operation::Delete { table, index }
    }

    #[test]
    fn a_row_of_the_snapshot_keeps_its_index() {
        let state = state(5, &[7]);
        let meant = Shifts::default().meant("d", &state, &update(4, row(99, 0)));
        assert_eq!(meant, Meant::Row(4));
    }

    #[test]
    fn the_only_version_with_the_key_is_meant_and_fixes_its_shift() {
        let state = state(5, &[1, 2, 3, 4]);
        let mut shifts = shifts_of(&state);
        // The rows 2 and 4 are two places further on than known.
        assert_eq!(
            shifts.meant("d", &state, &update(8, changed(2))),
            Meant::Row(6)
        );
        assert_eq!(
            shifts.meant("d", &state, &delete(9)),
            Meant::Unproven(Some(7))
        );
        assert_eq!(
            shifts.meant("d", &state, &update(10, changed(4))),
            Meant::Row(8)
        );
        // What lies between two equal shifts has the same one.
        assert_eq!(shifts.meant("d", &state, &delete(9)), Meant::Row(7));
        // What lies before them is not proven: one or two rows may stand there.
        assert_eq!(
            shifts.meant("d", &state, &delete(6)),
            Meant::Unproven(Some(5))
        );
    }

    #[test]
    fn a_key_that_no_version_holds_is_that_of_an_unlogged_row() {
        let state = state(5, &[1, 2]);
        let mut shifts = shifts_of(&state);
        assert_eq!(
            shifts.meant("d", &state, &update(7, row(9, 500))),
            Meant::Unlogged
        );
        // Unless a row could have got the key.
        let given = shifts.meant("d", &state, &update(7, row(9, 20)));
        assert_eq!(given, Meant::Unproven(Some(6)));
    }

    #[test]
    fn a_key_that_two_versions_hold_proves_nothing() {
        let state = state(0, &[1, 1, 2]);
        let meant = shifts_of(&state).meant("d", &state, &update(3, changed(1)));
        assert_eq!(meant, Meant::Unproven(Some(1)));
    }

    #[test]
    fn a_version_that_an_update_pushed_proves_nothing() {
        let state = state(0, &[1, 2]);
        let meant = Shifts::default().meant("d", &state, &update(1, changed(1)));
        assert_eq!(meant, Meant::Unproven(Some(0)));
    }

    #[test]
    fn two_other_values_prove_nothing() {
        let state = state(0, &[1, 2]);
        let meant = shifts_of(&state).meant("d", &state, &update(1, row(1, 5)));
        assert_eq!(meant, Meant::Unproven(Some(0)));
    }

    #[test]
    fn what_was_taken_without_proof_is_agreed_with_and_proves_nothing() {
        let state = keyed(0, &[1, 2], false);
        let mut shifts = shifts_of(&state);
        // Of rows without a key the one that differs least.
        let new = changed(1);
        let meant = shifts.meant("d", &state, &update(1, new.clone()));
        assert_eq!(meant, Meant::Unproven(Some(0)));
        shifts.take("d", &state, (1, 0), &new);
        assert_eq!(shifts.meant("d", &state, &delete(0)), Meant::Unproven(None));
        assert_eq!(
            shifts.meant("d", &state, &delete(2)),
            Meant::Unproven(Some(1))
        );
    }

    #[test]
    fn where_everything_was_logged_nothing_is_shifted() {
        let known = state(0, &[1, 2]);
        let mut shifts = Shifts::default();
        shifts.none_until("d", &known);
        let state = state(0, &[1, 2, 3]);
        assert_eq!(shifts.meant("d", &state, &delete(1)), Meant::Row(1));
        assert_eq!(
            shifts.meant("d", &state, &delete(2)),
            Meant::Unproven(Some(2))
        );
        assert_eq!(
            shifts.meant("d", &state, &delete(3)),
            Meant::Unproven(Some(2))
        );
    }
}
