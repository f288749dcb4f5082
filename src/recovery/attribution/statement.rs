//! Records that one statement can have logged together, and how likely it would
//! have looked so in one database.
//!
//! An UPDATE or DELETE finds its rows first and logs one record for each, in
//! ascending order. What selects exactly the rows of a record and its
//! followers, dead versions with them, is likely to be the statement.

use crate::model::Operation;

use super::candidates::Candidates;
use super::check::{Lookup, Trial};
use super::component::Component;
use super::evidence::{self, Clue, Model, Selecting};
use super::facts::Fact;
use super::problem::{Problem, Proof, Record, Slot, number};
use super::state::Database;
use super::table::Table;

/// Records of one statement that are looked at.
const STATEMENT_MAX: usize = 4096;

/// The weight of what an UPDATE changed below which the predicates that select
/// its row are not looked for: none could make up for it.
const UNLIKE: f64 = -15.0;

/// One reading of a record and its followers, in one database.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Records of the component it spans.
    pub len: usize,
    /// Logarithm of its likelihood, and where it comes from.
    pub clues: Vec<Clue>,
    /// Whether the records take effect.
    pub effect: bool,
}

impl Reading {
    /// The logarithm of its likelihood, as a model believes the evidence.
    pub fn weight(&self, model: Model) -> f64 {
        self.clues.iter().map(|clue| model.weight(*clue)).sum()
    }
}

/// What readings are made from.
#[derive(Clone, Copy)]
pub(super) struct Readings<'p, 'w> {
    /// The tail and its horizon.
    pub lookup: Lookup<'p, 'w>,
    /// The records that belong together.
    pub component: &'p Component,
    /// Who can own them.
    pub candidates: &'p Candidates,
    /// How far the evidence is believed.
    pub model: Model,
}

impl<'p, 'w> Readings<'p, 'w> {
    fn problem(&self) -> &'p Problem<'w> {
        self.lookup.problem
    }

    /// The record at a place of the component.
    pub fn record(&self, place: usize) -> Option<(usize, &'p Record<'w>)> {
        let at = *self.component.records.get(place)?;
        self.problem().records.get(at).map(|record| (at, record))
    }

    /// The number in [`Problem::records`] of the record at a place; `u32::MAX`
    /// past the last one.
    pub fn number(&self, place: usize) -> u32 {
        self.record(place).map_or(u32::MAX, |(at, _)| number(at))
    }

    /// Every reading of the record at `place` in a database.
    pub fn of(&self, database: &Database, slot: Slot, place: usize) -> Vec<Reading> {
        let Some((at, record)) = self.record(place) else {
            return Vec::new();
        };
        // Rows of one statement are hardly ever equal in a key, so here they
        // are checked against one another.
        let keys_before = u32::try_from(at).unwrap_or(u32::MAX);
        let outcome = self.lookup.check(database, record, keys_before);
        let mut clues = Vec::new();
        if let Trial::Breaks(fact) = outcome {
            match unless_unlogged(fact, record) {
                Some(clue) => clues.push(clue),
                None => return Vec::new(),
            }
        }
        let table = database.table(record.table);
        match (record.operation, table) {
            (Operation::Insert { row, .. }, Some(table)) => {
                if outcome == Trial::NoEffect {
                    clues.push(("failed-statement", evidence::FAILED_INSERT));
                } else {
                    evidence::insert(&self.lookup, database, record, table, row, &mut clues);
                }
                vec![Reading {
                    len: 1,
                    clues,
                    effect: outcome != Trial::NoEffect,
                }]
            }
            (Operation::Update { index, .. } | Operation::Delete { index, .. }, Some(table)) => {
                self.of_rows(slot, place, record, table, *index, &clues)
            }
            _ => {
                let unknown = slot == self.problem().unknown();
                let effect = outcome == Trial::Applies;
                evidence::reshape(record, unknown, database.has_tables(), effect, &mut clues);
                vec![Reading {
                    len: 1,
                    clues,
                    effect,
                }]
            }
        }
    }

    fn of_rows(
        &self,
        slot: Slot,
        place: usize,
        record: &Record<'_>,
        table: &Table,
        first: u64,
        clues: &[Clue],
    ) -> Vec<Reading> {
        let columns = table.columns();
        if let Operation::Update { .. } = record.operation {
            let mut clues = clues.to_vec();
            evidence::set(&self.changed(place, 1, table, &[first]), 1, &mut clues);
            let reading = Reading {
                len: 1,
                clues,
                effect: true,
            };
            if reading.weight(Model::Full) < UNLIKE {
                return vec![reading];
            }
        }
        let run = self.run(slot, place, record, table);
        let mut by_len: Vec<(usize, Vec<Selecting>)> = Vec::new();
        for (id, column) in columns.iter() {
            let Some(value) = table.value(self.problem(), first, id) else {
                continue;
            };
            if value == self.problem().null {
                continue;
            }
            let rows = table.rows_with(self.problem(), self.lookup.horizon, id, value);
            let all_follow = |rows: &Vec<(u64, bool)>| {
                let indexes = rows.iter().map(|(at, _)| at);
                rows.len() <= run.len() && indexes.eq(run.iter().take(rows.len()))
            };
            let Some(rows) = rows.filter(all_follow) else {
                continue;
            };
            let by = Selecting {
                is_key: column.is_key(),
                rows: rows.len(),
                visible: rows.iter().filter(|(_, visible)| *visible).count(),
            };
            match by_len.iter_mut().find(|(len, _)| *len == rows.len()) {
                Some((_, selecting)) => selecting.push(by),
                None => by_len.push((rows.len(), vec![by])),
            }
        }
        for len in [1, run.len()] {
            if by_len.iter().all(|(known, _)| *known != len) {
                by_len.push((len, Vec::new()));
            }
        }
        by_len.sort_by_key(|(len, _)| *len);
        let mut readings = Vec::new();
        for (len, selecting) in by_len {
            let mut clues = clues.to_vec();
            clues.push(evidence::predicate(&selecting, columns, table));
            if matches!(record.operation, Operation::Update { .. }) {
                let changed = self.changed(place, len, table, &run);
                evidence::set(&changed, len, &mut clues);
            }
            readings.push(Reading {
                len,
                clues,
                effect: true,
            });
        }
        readings
    }

    /// Row indexes of the records from `place` on that can be of one statement.
    fn run(&self, slot: Slot, place: usize, first: &Record<'_>, table: &Table) -> Vec<u64> {
        let is_update = matches!(first.operation, Operation::Update { .. });
        let mut run: Vec<u64> = Vec::new();
        for place in place..place.saturating_add(STATEMENT_MAX) {
            let Some((_, record)) = self.record(place) else {
                break;
            };
            let at = match record.operation {
                Operation::Update { index, .. } if is_update => *index,
                Operation::Delete { index, .. } if !is_update => *index,
                _ => break,
            };
            let starts = run.is_empty();
            let open = self.candidates.open.get(place);
            let possible = open.is_some_and(|open| open.binary_search(&slot).is_ok());
            let ascends = run.last().is_none_or(|last| at > *last);
            let within = at < table.count() && record.table == first.table;
            let continues = record.follows && possible && ascends && within;
            if !(starts || continues) {
                break;
            }
            run.push(at);
        }
        run
    }

    /// Columns that the first `len` records of a run changed.
    fn changed(&self, place: usize, len: usize, table: &Table, run: &[u64]) -> Vec<(bool, bool)> {
        let mut changed = Vec::new();
        for (at, (id, column)) in table.columns().iter().enumerate() {
            let (mut differs, mut same) = (false, true);
            let mut set_to = None;
            for (offset, row) in run.iter().take(len).enumerate() {
                let record = self.record(place.saturating_add(offset));
                let Some(new) = record.and_then(|(_, record)| record.values.get(at)) else {
                    continue;
                };
                let old = table.value(self.problem(), *row, id);
                differs |= old.is_some_and(|old| old != *new);
                same &= *set_to.get_or_insert(*new) == *new;
            }
            if differs {
                changed.push((column.is_key(), same));
            }
        }
        // The likeliest order: what costs most is what differs besides.
        changed.sort_unstable();
        changed
    }
}

/// A fact that would be broken, where rows or changes that nobody logged can
/// explain it.
fn unless_unlogged(fact: Fact, record: &Record<'_>) -> Option<Clue> {
    match fact {
        _ if record.proof == Proof::Everything => None,
        Fact::KeyTaken if record.rows_vanish => Some(("key-taken", evidence::VANISHED)),
        Fact::KeyTaken => Some(("key-taken", evidence::UNLOGGED)),
        Fact::NoReference => Some(("reference-missing", evidence::UNLOGGED)),
        Fact::PastEnd { .. } => Some(("past-end", evidence::UNLOGGED)),
        _ => None,
    }
}

/// The place after a reading.
pub(super) fn after(place: usize, reading: &Reading) -> usize {
    place.saturating_add(reading.len.max(1))
}
