//! What a start of the server changed in one table of the database that it
//! replayed everything into, as far as the files prove it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::legacy::Snapshot;
use crate::model::PackedRow;

use crate::recovery::runs::RunMap;
use crate::recovery::server_replay::{Start, replay};

use super::names::NameLog;
use super::rebuild::{only_way, other_rows, true_rows};
use super::standing::{Standing, are_rows, find_copies, multiset};

/// What a start of the server did, as far as it can be said.
pub(super) struct Suspicion<'w> {
    pub start: Start,
    /// Tables of the database that was replayed into.
    pub changed: Vec<Changed<'w>>,
    /// Tables about which nothing is proven, and why.
    pub unproven: BTreeMap<&'w str, &'static str>,
}

/// What a table held before the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Before {
    /// It was not there.
    Absent,
    /// The first rows of what it holds now.
    First(u64),
    /// Other rows, which the log gives.
    Rows(Vec<PackedRow>),
}

/// What the start changed in one table.
#[derive(Debug)]
pub(super) struct Changed<'w> {
    /// The table's name.
    pub name: &'w str,
    /// The table in the database that was replayed into.
    pub own: Standing,
    /// The tables of that name elsewhere.
    pub others: Vec<Standing>,
    /// What it held before; `None` where the log does not prove it.
    pub before: Option<Before>,
    /// Row versions that the replay pushed or put in the place of others.
    pub written: u64,
    /// Of those, rows that the table held already.
    pub twice: u64,
    /// Of those, rows that tables of other databases hold, by database.
    pub elsewhere: Vec<(usize, u64)>,
}

/// How a table agrees with the replay having gone into its database.
#[derive(Debug)]
pub(super) enum Verdict<'w> {
    /// It holds exactly what the replay makes.
    Same(Changed<'w>),
    /// It cannot have been replayed into.
    Impossible,
    /// Nothing can be said, and why.
    Unknown(&'static str),
}

const NOT_THE_REPLAY: &str = "no single state that the log gives becomes this table by the replay";

/// What is compared: the snapshot of now with the log before a start.
pub(super) struct Comparison<'c> {
    /// The snapshot.
    pub snapshot: &'c Snapshot,
    /// The runs of the log.
    pub runs: &'c RunMap,
    /// Whether the log before the start is complete, from the server's first record.
    pub complete: bool,
    /// Whether no transaction had begun before the snapshot that the start loaded.
    pub no_transaction: bool,
}

impl Comparison<'_> {
    /// Compares one table, if `database` is the one that was replayed into.
    pub fn table<'w>(
        &self,
        database: usize,
        name: &'w str,
        log: &NameLog<'w>,
        tables: &[Standing],
    ) -> Result<Verdict<'w>> {
        let Some(own) = tables.iter().find(|table| table.database == database) else {
            return Ok(match log.creates() {
                true => Verdict::Impossible,
                false => Verdict::Unknown("the database has no such table"),
            });
        };
        let others: Vec<&Standing> = tables.iter().filter(|t| t.database != database).collect();
        match log.is_rewritten() {
            true => self.rewritten(own, others, name, log),
            false => self.extended(own, others, name, log),
        }
    }

    /// A table that the replay only pushed to: its end is what was pushed, and
    /// what the snapshot held of it stands before or in other databases.
    fn extended<'w>(
        &self,
        own: &Standing,
        others: Vec<&Standing>,
        name: &'w str,
        log: &NameLog<'w>,
    ) -> Result<Verdict<'w>> {
        let pushes = log.pushes();
        let extent = self.snapshot.extent(own.database, own.table);
        let first = own.count.checked_sub(pushes.len() as u64);
        let (Some(extent), Some(first)) = (extent, first) else {
            return Ok(Verdict::Impossible);
        };
        if !are_rows(extent, first, pushes.iter().copied())? {
            return Ok(Verdict::Impossible);
        }
        let held = log.held.iter();
        let mut wanted = multiset(held.filter_map(|(_, operation)| operation.pushed_row()));
        let mut looked_at = vec![(own.database, own.table, first)];
        looked_at.extend(others.iter().map(|t| (t.database, t.table, t.count)));
        let copies = find_copies(self.snapshot, &looked_at, &mut wanted)?;
        if wanted.values().any(|missing| *missing > 0) {
            return Ok(Verdict::Impossible);
        }
        let before = match self.complete {
            true => match existed(log, others.len(), first) {
                Some(before) => Some(before),
                None => return Ok(Verdict::Impossible),
            },
            false => None,
        };
        if before == Some(Before::Absent) && !self.no_transaction {
            return Ok(Verdict::Unknown(
                "transactions may have created the table without a record",
            ));
        }
        let elsewhere = others.iter().map(|table| table.database);
        let elsewhere = elsewhere.zip(copies.iter().skip(1).copied());
        let elsewhere = elsewhere.filter(|(_, count)| *count > 0).collect();
        Ok(Verdict::Same(Changed {
            name,
            own: own.clone(),
            others: others.into_iter().cloned().collect(),
            before,
            written: pushes.len() as u64,
            twice: copies.first().copied().unwrap_or_default(),
            elsewhere,
        }))
    }

    /// A table whose rows the replay changed in place: what it held is made
    /// anew, and the server's replay of that must give every row.
    fn rewritten<'w>(
        &self,
        own: &Standing,
        others: Vec<&Standing>,
        name: &'w str,
        log: &NameLog<'w>,
    ) -> Result<Verdict<'w>> {
        if !self.complete {
            return Ok(Verdict::Unknown(
                "the replay changed rows in place, and the log does not reach back to their creation",
            ));
        }
        if !self.no_transaction {
            return Ok(Verdict::Unknown(
                "the replay changed rows in place, and transactions may have changed them without a record",
            ));
        }
        let unknown = Ok(Verdict::Unknown(NOT_THE_REPLAY));
        let pushed = log.held.iter().filter(|(_, o)| o.pushed_row().is_some());
        let Some(other_rows) = other_rows(self.snapshot, &others, pushed.count())? else {
            return unknown;
        };
        let databases = &self.snapshot.catalog.databases;
        let tables = databases.get(own.database).map(|database| &database.tables);
        let schema = tables.and_then(|tables| tables.get(own.table));
        let extent = self.snapshot.extent(own.database, own.table);
        let (Some(schema), Some(extent), Some(creates)) =
            (schema, extent, log.held_creates().checked_sub(others.len()))
        else {
            return unknown;
        };
        let exists = creates > 0;
        let start_of = |rows: &Vec<PackedRow>| exists.then(|| rows.clone());
        let found = only_way(&log.held, &other_rows, exists, |records| {
            let Some(rows) = true_rows(schema, records, self.runs) else {
                return Ok(None);
            };
            let made = replay(start_of(&rows), log.replayed()).unwrap_or_default();
            let same = own.count == made.len() as u64 && are_rows(extent, 0, made.iter())?;
            Ok(same.then_some(rows))
        })?;
        let Some(found) = found else {
            return unknown;
        };
        let rows = start_of(&found);
        let made = replay(rows.clone(), log.replayed()).unwrap_or_default();
        let mut stood = multiset(made.iter());
        let kept = take_copies(&mut stood, rows.as_deref().unwrap_or_default());
        let mut elsewhere = Vec::new();
        for (table, rows) in others.iter().zip(&other_rows) {
            elsewhere.push((table.database, take_copies(&mut stood, rows)));
        }
        elsewhere.retain(|(_, count)| *count > 0);
        let written = own.count.saturating_sub(kept);
        Ok(Verdict::Same(Changed {
            name,
            own: own.clone(),
            others: others.into_iter().cloned().collect(),
            before: Some(rows.map_or(Before::Absent, Before::Rows)),
            written,
            twice: 0,
            elsewhere,
        }))
    }
}

/// Whether the table was there before the start; `None` when the tables that
/// are there need more CREATE TABLEs than were logged.
fn existed(log: &NameLog<'_>, others: usize, first: u64) -> Option<Before> {
    match log.held_creates().checked_sub(others)? {
        0 if first > 0 || !log.creates() => None,
        0 => Some(Before::Absent),
        _ => Some(Before::First(first)),
    }
}

/// Takes the copies of some rows out of a multiset and counts them.
fn take_copies(
    multiset: &mut std::collections::BTreeMap<crate::codec::ContentHash, u64>,
    rows: &[PackedRow],
) -> u64 {
    let mut taken = 0;
    for row in rows {
        let left = multiset.get_mut(&crate::recovery::cut::row_hash_owned(row));
        if let Some(left) = left.filter(|left| **left > 0) {
            *left -= 1;
            taken += 1;
        }
    }
    taken
}
