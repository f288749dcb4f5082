//! The rows that a table held before a start of the server whose replay put
//! rows in the place of others: made anew from the log by the true rules, and
//! proven by applying the server's replay to them.

use std::collections::BTreeSet;

use crate::legacy::Snapshot;
use crate::model::{Operation, PackedRow, Table};

use crate::error::Result;
use crate::recovery::cut::row_hash_owned;
use crate::recovery::replay::{Effect, TableState};
use crate::recovery::runs::RunMap;

use super::standing::{Standing, all_rows};

/// A record and its position in the log.
pub(super) type Logged<'w> = (usize, &'w Operation);

/// What a table held by the true rules after these records, which created it.
pub(super) fn true_rows(
    schema: &Table,
    records: &[Logged<'_>],
    runs: &RunMap,
) -> Option<Vec<PackedRow>> {
    let mut state = TableState::created(schema, &[]);
    for (at, operation) in records {
        let effect = match operation {
            Operation::Insert { row, .. } => state.insert(row),
            Operation::Update { index, row, .. } => state.update(*index, row),
            Operation::Delete { index, .. } => state.delete(*index, runs.at(*at).max_xmin),
            _ => Effect::Applied,
        };
        if effect != Effect::Applied {
            return None;
        }
    }
    Some(state.appended)
}

/// The rows of other databases' tables, if the records can account for so many.
pub(super) fn other_rows(
    snapshot: &Snapshot,
    others: &[&Standing],
    most: usize,
) -> Result<Option<Vec<Vec<PackedRow>>>> {
    let total: u64 = others.iter().map(|standing| standing.count).sum();
    if total > most as u64 {
        return Ok(None);
    }
    let mut all = Vec::new();
    for other in others {
        all.push(match snapshot.extent(other.database, other.table) {
            Some(extent) => all_rows(&extent.first(other.count)?)?,
            None => Vec::new(),
        });
    }
    Ok(Some(all))
}

/// Ways of dealing the records out that are followed before giving up.
const WAYS_MAX: usize = 512;

/// Deals the records of row changes out to the table in question and those of
/// other databases, whose rows are known, in every way that explains all rows
/// and marks of the others. What `judge` makes of the records left for the table
/// itself must be the same for every way that it accepts: a replay that replaced
/// or removed rows does not tell what these were, so one way that fits is no
/// proof. `exists` says whether the table was there at all.
///
/// # Errors
/// Those of `judge`.
pub(super) fn only_way<'w>(
    held: &[Logged<'w>],
    others: &[Vec<PackedRow>],
    exists: bool,
    mut judge: impl FnMut(&[Logged<'w>]) -> Result<Option<Vec<PackedRow>>>,
) -> Result<Option<Vec<PackedRow>>> {
    let dealing = Dealing::new(held, others, exists);
    let mut open = vec![Way::new(others)];
    let mut found: Option<Vec<PackedRow>> = None;
    let mut ways = 0;
    while let Some(way) = open.pop() {
        ways += 1;
        if ways > WAYS_MAX {
            return Ok(None);
        }
        let Some(way) = dealing.follow(way, &mut open) else {
            continue;
        };
        let Some(rows) = judge(&way.own)? else {
            continue;
        };
        if found.as_ref().is_some_and(|found| *found != rows) {
            return Ok(None);
        }
        found = Some(rows);
    }
    Ok(found)
}

/// The records to deal out and the tables that take them.
struct Dealing<'d, 'w> {
    held: &'d [Logged<'w>],
    others: &'d [Vec<PackedRow>],
    exists: bool,
    /// Per record: whether a later one pushes the same row.
    comes_again: Vec<bool>,
}

/// One way of dealing out, up to a record.
#[derive(Clone)]
struct Way<'w> {
    at: usize,
    /// Per other table: rows explained, and which of them were ended.
    others: Vec<(usize, Vec<bool>)>,
    own: Vec<Logged<'w>>,
    own_count: u64,
}

impl Way<'_> {
    fn new(others: &[Vec<PackedRow>]) -> Self {
        let others = others.iter().map(|rows| (0, vec![false; rows.len()]));
        Way {
            at: 0,
            others: others.collect(),
            own: Vec::new(),
            own_count: 0,
        }
    }
}

/// Who takes a record: the table in question, or one of the others.
type Taker = Option<usize>;

impl<'d, 'w> Dealing<'d, 'w> {
    fn new(held: &'d [Logged<'w>], others: &'d [Vec<PackedRow>], exists: bool) -> Self {
        let mut seen = BTreeSet::new();
        let mut comes_again: Vec<bool> = held
            .iter()
            .rev()
            .map(|(_, operation)| {
                let row = operation.pushed_row();
                row.is_some_and(|row| !seen.insert(row_hash_owned(row)))
            })
            .collect();
        comes_again.reverse();
        Dealing {
            held,
            others,
            exists,
            comes_again,
        }
    }

    /// Follows a way to its end; where it forks, the other branches are left in
    /// `open`. `None` when it leads nowhere.
    fn follow(&self, mut way: Way<'w>, open: &mut Vec<Way<'w>>) -> Option<Way<'w>> {
        while let Some(logged) = self.held.get(way.at) {
            if matches!(logged.1, Operation::CreateTable { .. }) {
                way.at += 1;
                continue;
            }
            let mut takers = self.takers(&way, logged.1).into_iter();
            let first = takers.next()?;
            open.extend(takers.map(|taker| {
                let mut branch = way.clone();
                self.give(&mut branch, taker, *logged);
                branch
            }));
            self.give(&mut way, first, *logged);
        }
        let mut explained = way.others.iter().zip(self.others);
        let whole = explained.all(|((next, ended), rows)| {
            let mut marks = rows.iter().zip(ended);
            *next == rows.len() && marks.all(|(row, ended)| row.is_visible() || *ended)
        });
        whole.then_some(way)
    }

    /// Who can take a record.
    fn takers(&self, way: &Way<'_>, operation: &Operation) -> Vec<Taker> {
        let places = way.others.iter().zip(self.others).enumerate();
        let others = places.filter(|(_, ((next, _), rows))| can_take(rows, *next, operation));
        let others: Vec<Taker> = others.map(|(place, _)| Some(place)).collect();
        let own = self.exists
            && match operation {
                Operation::Update { index, .. } | Operation::Delete { index, .. } => {
                    *index < way.own_count
                }
                _ => true,
            };
        // The row that another table needs next must come from somewhere.
        let needed = operation.pushed_row().is_some() && !others.is_empty();
        let spared = !needed || self.comes_again.get(way.at) == Some(&true);
        let own = (own && spared).then_some(None);
        others.into_iter().chain(own).collect()
    }

    fn give(&self, way: &mut Way<'w>, taker: Taker, logged: Logged<'w>) {
        way.at += 1;
        let pushed = logged.1.pushed_row().is_some();
        let Some(place) = taker else {
            way.own.push(logged);
            way.own_count += u64::from(pushed);
            return;
        };
        let Some((next, ended)) = way.others.get_mut(place) else {
            return;
        };
        *next += usize::from(pushed);
        if let Operation::Update { index, .. } | Operation::Delete { index, .. } = logged.1 {
            let ended = usize::try_from(*index)
                .ok()
                .and_then(|at| ended.get_mut(at));
            ended.into_iter().for_each(|ended| *ended = true);
        }
    }
}

/// Whether a table of which so many rows are explained can owe its next state
/// to an operation.
fn can_take(rows: &[PackedRow], next: usize, operation: &Operation) -> bool {
    let is_next = |row: &PackedRow| {
        let next = rows.get(next);
        next.is_some_and(|next| row_hash_owned(next) == row_hash_owned(row))
    };
    let has_ended = |index: u64| {
        let at = usize::try_from(index).ok().filter(|at| *at < next);
        at.and_then(|at| rows.get(at))
            .is_some_and(|row| !row.is_visible())
    };
    match operation {
        Operation::Insert { row, .. } => is_next(row),
        Operation::Update { index, row, .. } => is_next(row) && has_ended(*index),
        Operation::Delete { index, .. } => has_ended(*index),
        _ => false,
    }
}
