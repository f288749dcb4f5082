//! The rows that a table held before a start of the server whose replay put
//! rows in the place of others: made anew from the log by the true rules, and
//! proven by applying the server's replay to them.

use crate::legacy::Snapshot;
use crate::model::{Operation, Row, RowStream, Table};

use crate::error::Result;
use crate::legacy::RowReader;
use crate::recovery::replay::{Effect, TableState};
use crate::recovery::runs::RunMap;

use super::standing::Standing;

/// A record and its position in the log.
pub(super) type Logged<'w> = (usize, &'w Operation);

/// What a table held by the true rules after these records, which created it.
pub(super) fn true_rows(schema: &Table, records: &[Logged<'_>], runs: &RunMap) -> Option<Vec<Row>> {
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
) -> Result<Option<Vec<Vec<Row>>>> {
    let total: u64 = others.iter().map(|standing| standing.count).sum();
    if total > most as u64 {
        return Ok(None);
    }
    let mut all = Vec::new();
    for other in others {
        let mut rows = Vec::new();
        if let Some(extent) = snapshot.extent(other.database, other.table) {
            let mut reader = RowReader::new(&extent.first(other.count)?);
            while let Some(batch) = reader.next_batch()? {
                rows.extend(batch.rows().map(|row| row.to_owned()));
            }
        }
        all.push(rows);
    }
    Ok(Some(all))
}

/// The records of row changes that none of the other databases' tables accounts
/// for; `None` when a row or a mark of theirs stays unexplained. The choice
/// among several is a guess: what follows from it is proven afterwards.
pub(super) fn not_of_others<'w>(
    held: &[Logged<'w>],
    others: &[Vec<Row>],
) -> Option<Vec<Logged<'w>>> {
    let mut others: Vec<Other<'_>> = others.iter().map(|rows| Other::new(rows)).collect();
    // Which versions an Update ended is known before any Delete is placed.
    let pushes = held.iter().filter(|(_, o)| o.pushed_row().is_some());
    pushes.for_each(|(_, operation)| {
        take(&mut others, operation);
    });
    others.iter_mut().for_each(|other| other.next = 0);
    let rest = held.iter().copied();
    let rest: Vec<Logged<'w>> = rest
        .filter(|(_, operation)| !take(&mut others, operation))
        .filter(|(_, operation)| !matches!(operation, Operation::CreateTable { .. }))
        .collect();
    let explained = others.iter().all(Other::is_explained);
    explained.then_some(rest)
}

/// Gives an operation to the first table that it can have made so.
fn take(others: &mut [Other<'_>], operation: &Operation) -> bool {
    others.iter_mut().any(|other| other.take(operation))
}

/// A table of another database, as far as its history was followed.
struct Other<'r> {
    rows: &'r [Row],
    next: usize,
    ended: Vec<bool>,
}

impl<'r> Other<'r> {
    fn new(rows: &'r [Row]) -> Self {
        Other {
            rows,
            next: 0,
            ended: vec![false; rows.len()],
        }
    }

    fn take(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Insert { row, .. } => self.is_next(row) && self.push(),
            Operation::Update { index, row, .. } => {
                let Some(at) = self.marked(*index).filter(|_| self.is_next(row)) else {
                    return false;
                };
                self.end(at);
                self.push()
            }
            Operation::Delete { index, .. } => {
                let open = |at: &usize| self.ended.get(*at) == Some(&false);
                let Some(at) = self.marked(*index).filter(open) else {
                    return false;
                };
                self.end(at);
                true
            }
            _ => false,
        }
    }

    fn is_next(&self, row: &Row) -> bool {
        let next = self.rows.get(self.next);
        next.is_some_and(|next| next.values == row.values && next.xmin == row.xmin)
    }

    fn push(&mut self) -> bool {
        self.next += 1;
        true
    }

    /// A version that was there and has ended.
    fn marked(&self, index: u64) -> Option<usize> {
        let at = usize::try_from(index).ok().filter(|at| *at < self.next)?;
        let row = self.rows.get(at)?;
        (!row.is_visible()).then_some(at)
    }

    fn end(&mut self, at: usize) {
        if let Some(ended) = self.ended.get_mut(at) {
            *ended = true;
        }
    }

    fn is_explained(&self) -> bool {
        let mut marks = self.rows.iter().zip(&self.ended);
        self.next == self.rows.len() && marks.all(|(row, ended)| row.is_visible() || *ended)
    }
}
