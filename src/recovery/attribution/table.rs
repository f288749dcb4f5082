//! One table under one assignment of the records so far: an overlay over the
//! snapshot's rows, by hashes.

use std::cell::Cell;
use std::rc::Rc;

use rpds::RedBlackTreeMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::codec::ByteWriter;
use crate::model::{Column, Operation, PackedRow, ValueRef};

use super::base::{BaseTable, Standing};
use super::columns::{ColumnId, Columns, change, counts_up};
use super::fading::Fading;
use super::horizon::Horizon;
use super::paged_vec::PagedVec;
use super::problem::{Problem, Record, index, number};
use super::sequences::{NextValue, sequence_of};

/// A row pushed since the snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed {
    /// The record that pushed it, in [`Problem::records`].
    pub record: u32,
    /// The transaction that ended it last; 0 for none.
    pub ended: u64,
    /// The last record that can notice it.
    until: u32,
    /// Which of the table's column lists it was written under.
    epoch: u32,
}

/// What a key fact asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The transaction that looks.
    pub transaction: u64,
    pub column: ColumnId,
    /// The value's hash.
    pub value: u64,
    /// Rows pushed by records before this one count.
    pub before: u32,
}

/// A digest, and the records from which and before which it holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub from: u32,
    pub until: u32,
    pub digest: u128,
}

impl Known {
    /// The digest, where it holds.
    pub fn at(&self, now: u32) -> Option<u128> {
        (self.from..self.until)
            .contains(&now)
            .then_some(self.digest)
    }
}

/// One table of one database.
#[derive(Debug, Clone)]
pub(super) struct Table {
    base: Option<Rc<BaseTable>>,
    /// What the table came from and every change of its columns, as a hash.
    lineage: u64,
    columns: Columns,
    /// The columns that rows were pushed with, the newest last: a list is no longer
    /// than such a row is wide.
    epochs: PagedVec<Rc<[ColumnId]>>,
    /// Whether the newest are the columns of now.
    epoch_is_now: bool,
    /// Rows of the snapshot that were ended since, ascending, and the
    /// transaction that ended each last.
    ended: Vec<(u64, u64)>,
    pushed: PagedVec<Pushed>,
    /// Changed rows that later records can notice.
    noticed: Fading,
    /// Row versions that are visible.
    live: u64,
    sequences: NextValues,
    digest: Cell<Known>,
}

impl Table {
    /// A table as the snapshot holds it.
    pub fn of_base(base: &Rc<BaseTable>) -> Self {
        let mut sequences = NextValues::default();
        for (name, next) in &base.sequences {
            sequences.set(Counter::Sequence(*name), NextValue::of_snapshot(*next));
        }
        for ((id, column), largest) in base.columns.iter().zip(&base.largest) {
            if counts_up(column) && !column.data_type.is_serial() {
                let after = largest.map_or(1, |largest| largest.saturating_add(1));
                sequences.set(Counter::Key(id), NextValue::of_snapshot(after));
            }
        }
        Table {
            sequences,
            lineage: descend(0, u64::from(base.name)),
            live: base.live,
            noticed: Fading::default(),
            base: Some(base.clone()),
            columns: base.columns.clone(),
            epochs: PagedVec::new(),
            epoch_is_now: false,
            ended: Vec::new(),
            pushed: PagedVec::new(),
            digest: Cell::default(),
        }
    }

    /// A table created since, without rows.
    pub fn created(columns: &[Column], shape: u64) -> Self {
        let columns = Columns::new(columns);
        let mut sequences = NextValues::default();
        for (id, column) in columns.iter().filter(|(_, column)| counts_up(column)) {
            sequences.set(Counter::of(id, column), NextValue::of_snapshot(1));
        }
        Table {
            sequences,
            base: None,
            lineage: descend(1, shape),
            live: 0,
            noticed: Fading::default(),
            columns,
            epochs: PagedVec::new(),
            epoch_is_now: false,
            ended: Vec::new(),
            pushed: PagedVec::new(),
            digest: Cell::default(),
        }
    }

    /// Its columns now.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Row versions in the snapshot.
    pub fn base_count(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.count)
    }

    /// Row versions.
    pub fn count(&self) -> u64 {
        self.base_count().saturating_add(self.pushed.len() as u64)
    }

    /// Row versions that are visible.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// The next value of a column that counts up. Of a sequence that the table does not
    /// have it is 1, as for a SERIAL column whose name was another one before.
    pub fn next_value(&self, id: ColumnId, column: &Column) -> Option<NextValue> {
        let next = self.sequences.next.get(&Counter::of(id, column)).copied();
        let serial = column.data_type.is_serial();
        next.or_else(|| serial.then(|| NextValue::of_snapshot(1)))
    }

    /// The record that pushed a row, if it was pushed since the snapshot.
    pub fn pushed_at(&self, at: u64) -> Option<Pushed> {
        let at = at.checked_sub(self.base_count())?;
        self.pushed.get(usize::try_from(at).ok()?).copied()
    }

    /// The hash of one value of a row: `None` when nobody asked for the row.
    pub fn value(&self, problem: &Problem<'_>, at: u64, column: ColumnId) -> Option<u64> {
        if at < self.base_count() {
            let values = self.base.as_ref()?.row(at)?;
            let held = values.get(column).copied();
            return Some(held.unwrap_or(problem.null));
        }
        let pushed = self.pushed_at(at)?;
        Some(self.pushed_value(problem, pushed, column))
    }

    fn pushed_value(&self, problem: &Problem<'_>, pushed: Pushed, column: ColumnId) -> u64 {
        let epoch = self.epochs.get(index(pushed.epoch));
        let at = epoch.and_then(|ids| ids.binary_search(&column).ok());
        let record = problem.records.get(index(pushed.record));
        let value = at
            .zip(record)
            .and_then(|(at, record)| record.values.get(at));
        value.copied().unwrap_or(problem.null)
    }

    /// Indexes of all row versions that hold a value, ascending, and whether
    /// they are visible; `None` when there are too many to tell.
    pub fn rows_with(
        &self,
        problem: &Problem<'_>,
        horizon: &Horizon,
        column: ColumnId,
        value: u64,
    ) -> Option<Vec<(u64, bool)>> {
        let mut rows = Vec::new();
        if let Some(places) = self.base.as_ref().and_then(|b| b.places(column, value)) {
            if places.overflow {
                return None;
            }
            let live = |(at, standing): &(u64, Standing)| {
                (*at, standing.is_live() && self.ender(*at).is_none())
            };
            rows.extend(places.rows.iter().map(live));
        }
        for record in horizon.pushes_of(value)? {
            let Some(at) = self.pushed.position_by_key(record, |pushed| pushed.record) else {
                continue;
            };
            let Some(pushed) = self.pushed.get(at).copied() else {
                continue;
            };
            if self.pushed_value(problem, pushed, column) == value {
                rows.push((
                    self.base_count().saturating_add(at as u64),
                    pushed.ended == 0,
                ));
            }
        }
        Some(rows)
    }

    /// The transaction that ended a row of the snapshot since, if one did.
    fn ender(&self, at: u64) -> Option<u64> {
        let found = self.ended.binary_search_by_key(&at, |(at, _)| *at);
        found
            .ok()
            .and_then(|place| self.ended.get(place))
            .map(|(_, by)| *by)
    }

    /// Whether a row that a transaction of the tail sees holds a value in a
    /// column; of the rows pushed since the snapshot, those before `before`
    /// count. Of a value that stands too often to be listed, `unlisted` is said.
    pub fn shows(
        &self,
        (problem, horizon): (&Problem<'_>, &Horizon),
        key: Key,
        unlisted: bool,
    ) -> bool {
        if let Some(base) = &self.base {
            let places = base.places(key.column, key.value);
            let shows = |(at, standing): &(u64, Standing)| {
                let ended = self.ender(*at).map(|by| standing.ended(by));
                ended.unwrap_or(*standing).shows(key.transaction)
            };
            if !base.streamed && unlisted {
                return true;
            }
            if let Some(places) = places
                && ((unlisted && places.overflow) || places.rows.iter().any(shows))
            {
                return true;
            }
        }
        let Some(pushes) = horizon.pushes_of(key.value) else {
            return unlisted;
        };
        let pushes = pushes.iter().filter(|record| **record < key.before);
        let mut rows = pushes.filter_map(|record| {
            let at = self
                .pushed
                .position_by_key(record, |pushed| pushed.record)?;
            self.pushed.get(at).copied()
        });
        rows.any(|pushed| {
            let made = problem.records.get(index(pushed.record));
            let ended = Some(pushed.ended).filter(|by| *by > 0);
            let standing = Standing::new(made.map_or(1, |made| made.transaction), ended);
            standing.shows(key.transaction)
                && self.pushed_value(problem, pushed, key.column) == key.value
        })
    }

    fn advance(&mut self, row: &PackedRow) {
        for ((id, column), value) in self.columns.iter().zip(row.values()) {
            let (used, small) = match value {
                ValueRef::Integer(used) if counts_up(column) => (used, false),
                ValueRef::SmallInt(used) if counts_up(column) => (i64::from(used), true),
                _ => continue,
            };
            let known = self.next_value(id, column);
            let mut next = known.unwrap_or(NextValue::of_snapshot(1));
            next.advance(used, small);
            self.sequences.set(Counter::of(id, column), next);
        }
    }

    fn push(&mut self, horizon: &Horizon, record: &Record<'_>, number_of_record: u32) {
        if !self.epoch_is_now {
            self.epochs
                .push(self.columns.iter().map(|(id, _)| id).collect());
            self.epoch_is_now = true;
        }
        let at = self.count();
        let asked = horizon.last_asked(record.values);
        let pushed = Pushed {
            record: number_of_record,
            ended: 0,
            until: asked.max(horizon.last_pointed(at)),
            epoch: number(self.epochs.len().saturating_sub(1)),
        };
        let stage = horizon.stage(pushed.until);
        self.noticed.add(stage, row_digest(at, &pushed));
        self.live = self.live.saturating_add(1);
        self.pushed.push(pushed);
    }

    fn end(&mut self, horizon: &Horizon, at: u64, transaction: u64) {
        let base_count = self.base_count();
        if at >= base_count {
            let place = usize::try_from(at - base_count).unwrap_or(usize::MAX);
            if let Some(pushed) = self.pushed.get_mut(place) {
                let stage = horizon.stage(pushed.until);
                self.noticed.remove(stage, row_digest(at, pushed));
                self.live = self.live.saturating_sub(u64::from(pushed.ended == 0));
                pushed.ended = transaction.max(1);
                self.noticed.add(stage, row_digest(at, pushed));
            }
            return;
        }
        let Some(base) = &self.base else {
            return;
        };
        let until = base.row(at).map_or(0, |values| horizon.last_asked(values));
        let stage = horizon.stage(until);
        match self.ended.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(place) => {
                if let Some((_, by)) = self.ended.get_mut(place) {
                    self.noticed.remove(stage, ended_digest(at, *by));
                    *by = transaction;
                    self.noticed.add(stage, ended_digest(at, transaction));
                }
            }
            Err(place) => {
                let was_live = base.standing(at).is_some_and(Standing::is_live);
                self.live = self.live.saturating_sub(u64::from(was_live));
                self.ended.insert(place, (at, transaction));
                self.noticed.add(stage, ended_digest(at, transaction));
            }
        }
    }

    /// Changes the table by one record that takes effect on it.
    pub fn apply(&mut self, horizon: &Horizon, record: &Record<'_>, number_of_record: u32) {
        self.digest.set(Known::default());
        self.noticed.fade(horizon.stage(number_of_record));
        match record.operation {
            Operation::Insert { row, .. } => {
                self.advance(row);
                self.push(horizon, record, number_of_record);
            }
            Operation::Update { index, .. } => {
                self.end(horizon, *index, record.transaction);
                self.push(horizon, record, number_of_record);
            }
            Operation::Delete { index, .. } => self.end(horizon, *index, record.transaction),
            operation => {
                change(&mut self.columns, operation);
                self.epoch_is_now = false;
                self.lineage = descend(self.lineage, record.shape);
            }
        }
    }

    /// What records from `now` on can notice of the table: two tables of one
    /// digest are one to them. A row matters as long as a record points at it
    /// or asks for a value it holds.
    pub fn digest(&self, horizon: &Horizon, now: u32) -> Known {
        let known = self.digest.get();
        if known.at(now).is_some() {
            return known;
        }
        let mut bytes = ByteWriter::new();
        let (rows, until) = self.noticed.sum_from(horizon.stage(now));
        let mut until = horizon.begin_of(until);
        let mut matters = |last: u32| {
            let matters = last >= now;
            if matters {
                until = until.min(last.saturating_add(1));
            }
            matters
        };
        bytes.u64(self.lineage);
        bytes.u128(rows);
        if matters(horizon.last_index) {
            bytes.u64(self.count());
        }
        if matters(horizon.last_insert) {
            bytes.u128(self.sequences.digest);
        }
        let known = Known {
            from: now,
            until,
            digest: xxh3_128(bytes.as_slice()),
        };
        self.digest.set(known);
        known
    }
}

/// What counts up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counter {
    /// A key that an application counts up.
    Key(ColumnId),
    /// A sequence, by the hash of its name: it belongs to whatever SERIAL column has
    /// that name (format page, "Server rules", 2).
    Sequence(u64),
}

impl Counter {
    fn of(id: ColumnId, column: &Column) -> Self {
        match column.data_type.is_serial() {
            true => Counter::Sequence(sequence_of(&column.name)),
            false => Counter::Key(id),
        }
    }
}

/// Next values of all that counts up.
#[derive(Debug, Clone, Default)]
struct NextValues {
    next: RedBlackTreeMap<Counter, NextValue>,
    /// A sum over all, so that a change of one needs no look at the others.
    digest: u128,
}

impl NextValues {
    fn set(&mut self, counter: Counter, next: NextValue) {
        if let Some(before) = self.next.get(&counter) {
            self.digest = self.digest.wrapping_sub(next_digest(counter, *before));
        }
        self.digest = self.digest.wrapping_add(next_digest(counter, next));
        self.next.insert_mut(counter, next);
    }
}

fn next_digest(counter: Counter, next: NextValue) -> u128 {
    let mut bytes = ByteWriter::new();
    let (is_sequence, number) = match counter {
        Counter::Key(column) => (false, column as u64),
        Counter::Sequence(name) => (true, name),
    };
    bytes.bool(is_sequence);
    bytes.u64(number);
    bytes.i64(next.after_any);
    bytes.i64(next.after_integers);
    xxh3_128(bytes.as_slice())
}

/// A changed row as one term of a sum, so that the order of changes is all one.
fn row_digest(at: u64, pushed: &Pushed) -> u128 {
    let mut bytes = ByteWriter::new();
    bytes.u64(at);
    bytes.u32(pushed.record);
    bytes.u32(pushed.epoch);
    bytes.u64(pushed.ended);
    xxh3_128(bytes.as_slice())
}

/// The same of a row of the snapshot.
fn ended_digest(at: u64, transaction: u64) -> u128 {
    let mut bytes = ByteWriter::new();
    bytes.u64(at);
    bytes.u64(transaction);
    xxh3_128(bytes.as_slice())
}

/// A hash of what was, and what came to it.
fn descend(lineage: u64, change: u64) -> u64 {
    let mut bytes = ByteWriter::new();
    bytes.u64(lineage);
    bytes.u64(change);
    xxh3_64(bytes.as_slice())
}
