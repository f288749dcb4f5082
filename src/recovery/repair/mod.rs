//! Damage that an earlier start of the server did: found always, undone on
//! request and only where it is proven (format page, "Server start").
//!
//! A start applies every record of the log to one database, also those that the
//! snapshot held. So the state before it follows where three things agree: the
//! log proves the start, exactly one database holds what the replay makes, row
//! by row, and what was there before is given by the snapshot or the log. Then
//! the records that the snapshot did not hold are a tail like any other.

mod changed;
mod claims;
mod names;
mod rebuild;
mod settle;
mod standing;
mod undo;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::Code;
use crate::legacy::{LegacyDir, Snapshot, WalRecord};
use crate::model::TablesByName;
use crate::report::Report;

use super::Cut;
use super::cut::is_marker;
use super::runs::RunMap;
use super::server_replay::{Start, is_complete, starts};

use changed::{Comparison, Suspicion, Verdict};
use names::{Joined, NameLog, by_name, neighbours};
use standing::{Standing, standing};

pub(super) use undo::Repair;

/// Looks for damage that an earlier start did, and reports what is not undone;
/// gives what can be undone, if that is `wanted`.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(super) fn look<'w>(
    legacy: &'w LegacyDir,
    snapshot: &'w Snapshot,
    cut: &Cut,
    wanted: bool,
    report: &mut Report,
) -> Result<Option<Repair<'w>>> {
    let lost = [
        Code::Reinitialised,
        Code::RowsNotInSnapshot,
        Code::CutUncertain,
    ];
    // Since family 2.3 rows are in no snapshot and a start changes none.
    if legacy.family.has_roles() || lost.iter().any(|code| report.has(*code)) {
        return Ok(None);
    }
    let found = starts(&legacy.wal);
    let Some(start) = found.last().copied() else {
        return Ok(None);
    };
    let names = by_name(&legacy.wal.records, start, cut.first_tail);
    let runs = RunMap::new(&legacy.wal);
    let comparison = Comparison {
        snapshot,
        runs: &runs,
        complete: found.len() == 1 && is_complete(&legacy.wal, start.marker),
        no_transaction: no_transaction(&legacy.wal.records, start),
    };
    let mut suspicion = compare(&comparison, start, &names)?;
    if !comparison.complete {
        let why = match found.len() {
            1 => "the start replayed records that are no longer in the log",
            _ => "the server was started several times over these records",
        };
        let names = suspicion.changed.iter().map(|changed| changed.name);
        suspicion.unproven.extend(names.map(|name| (name, why)));
    }
    if !is_complete(&legacy.wal, start.marker) {
        let why = "the start replayed records that are no longer in the log";
        let rest = with_rows(snapshot).filter(|name| !names.contains_key(name));
        suspicion.unproven.extend(rest.map(|name| (name, why)));
    }
    let joined = neighbours(snapshot, &names);
    withdraw_neighbours(&joined, &names, &mut suspicion);
    let (proven, doubtful): (Vec<_>, Vec<_>) = std::mem::take(&mut suspicion.changed)
        .into_iter()
        .partition(|changed| !suspicion.unproven.contains_key(changed.name));
    let undone = wanted && !proven.is_empty();
    claims::report_changes(legacy, snapshot, start, &doubtful, report);
    claims::report_suspicion(legacy, snapshot, &suspicion, report);
    if !undone {
        claims::report_changes(legacy, snapshot, start, &proven, report);
        return Ok(None);
    }
    Repair::new(legacy, snapshot, start, proven, joined).map(Some)
}

/// The names of the tables that hold rows.
fn with_rows(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let databases = snapshot.catalog.databases.iter().zip(&snapshot.rows);
    databases.flat_map(|(database, extents)| {
        let tables = database.tables.iter().zip(extents);
        let filled = tables.filter(|(_, extent)| extent.count > 0);
        filled.map(|(table, _)| table.name.as_str())
    })
}

/// Whether no transaction had begun when the snapshot was written that a start
/// loaded: each row has xmin 1, and one of them came after all that it held, or
/// as the last thing.
fn no_transaction(records: &[WalRecord], start: Start) -> bool {
    let before = records.get(..start.marker).unwrap_or_default();
    let rows = before.iter().filter_map(|r| r.operation.pushed_row());
    let mut last = before.iter().enumerate().rev();
    let last_row = last.find(|(_, record)| record.operation.pushed_row().is_some());
    let mut held = before.iter().take(start.unheld).rev();
    let last_held = held.find(|record| !is_marker(record));
    let at_the_end = last_held.is_none_or(|record| record.operation.pushed_row().is_some());
    let after = last_row.is_some_and(|(at, _)| at >= start.unheld);
    rows.into_iter().all(|row| row.xmin == 1) && (after || at_the_end)
}

/// Finds the one database that holds what the replay makes.
fn compare<'w>(
    comparison: &Comparison<'_>,
    start: Start,
    names: &BTreeMap<&'w str, NameLog<'w>>,
) -> Result<Suspicion<'w>> {
    let mut unproven: BTreeMap<&str, &'static str> = BTreeMap::new();
    let mut tables: BTreeMap<&str, Vec<Standing>> = BTreeMap::new();
    let stored = TablesByName::new(&comparison.snapshot.catalog);
    for (name, log) in names {
        match (
            log.obstacle,
            standing(comparison.snapshot, stored.named(name), &log.later)?,
        ) {
            (Some(why), _) => {
                unproven.insert(name, why);
            }
            (None, None) => {
                unproven.insert(name, "rows changed since the start without a record");
            }
            (None, Some(found)) => {
                tables.insert(name, found);
            }
        }
    }
    let mut possible = Vec::new();
    for database in 0..comparison.snapshot.catalog.databases.len() {
        let mut unknown: BTreeMap<&str, &'static str> = BTreeMap::new();
        let mut changed = Vec::new();
        let mut impossible = false;
        for (name, tables) in &tables {
            let Some(log) = names.get(name) else { continue };
            match comparison.table(database, name, log, tables)? {
                Verdict::Same(same) => changed.push(same),
                Verdict::Unknown(why) => {
                    unknown.insert(name, why);
                }
                Verdict::Impossible => {
                    impossible = true;
                    break;
                }
            }
        }
        // A table that the replay left empty would look so in any database.
        if !impossible && changed.iter().any(|changed| changed.written > 0) {
            possible.push((changed, unknown));
        }
    }
    let why = match possible.len() {
        0 => "no database holds what the replay makes",
        _ => "several databases hold what the replay makes",
    };
    let mut changed = Vec::new();
    match (possible.pop(), possible.is_empty()) {
        (Some((same, unknown)), true) => {
            changed = same;
            unproven.extend(unknown);
        }
        _ => unproven.extend(tables.keys().map(|name| (*name, why))),
    }
    Ok(Suspicion {
        start,
        changed,
        unproven,
    })
}

/// A table's records are placed with the help of the tables that foreign keys
/// join to it, so it is left alone when one of those is.
fn withdraw_neighbours<'w>(
    joined: &Joined<'w>,
    names: &BTreeMap<&'w str, NameLog<'w>>,
    suspicion: &mut Suspicion<'w>,
) {
    let mut left_alone: Vec<&str> = suspicion.unproven.keys().copied().collect();
    while let Some(name) = left_alone.pop() {
        for neighbour in joined.get(name).into_iter().flatten().copied() {
            if names.contains_key(neighbour) && !suspicion.unproven.contains_key(neighbour) {
                let why = "a table that a foreign key joins to it is not proven";
                suspicion.unproven.insert(neighbour, why);
                left_alone.push(neighbour);
            }
        }
    }
}
