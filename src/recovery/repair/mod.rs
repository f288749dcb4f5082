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
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::Code;
use crate::legacy::{LegacyDir, RowExtent, Snapshot, WalRecord};
use crate::model::Operation;
use crate::report::Report;

use super::attribution::{Attribution, Confidence};
use super::cut::is_marker;
use super::runs::RunMap;
use super::server_replay::{Start, is_complete, starts};
use super::{Cut, Overlay};

use changed::{Before, Changed, Comparison, Verdict};
use names::{NameLog, by_name, neighbours};
use standing::{Standing, standing};

/// What is proven of a start: the state before it, and what to apply to it.
#[derive(Debug)]
pub(super) struct Repair<'w> {
    /// The snapshot with the repaired tables as they were before the start.
    pub snapshot: Snapshot,
    /// The records that the start should have applied, by position.
    pub tail: Vec<usize>,
    /// Rows pushed since the start to repaired tables: position, database name.
    later: Vec<(usize, String)>,
    start: Start,
    changed: Vec<Changed<'w>>,
    /// The snapshot as it was found.
    found: &'w Snapshot,
}

/// What a start of the server did, as far as it can be said.
struct Suspicion<'w> {
    start: Start,
    /// Tables of the database that was replayed into.
    changed: Vec<Changed<'w>>,
    /// Tables about which nothing is proven, and why.
    unproven: BTreeMap<&'w str, &'static str>,
}

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
    let proven = found.iter().rev().find(|start| start.opens_segment);
    let Some(start) = proven.copied() else {
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
    withdraw_neighbours(snapshot, &names, &mut suspicion);
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
    Repair::new(legacy, snapshot, start, proven).map(Some)
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
    for (name, log) in names {
        match (
            log.obstacle,
            standing(comparison.snapshot, name, &log.later)?,
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
    snapshot: &'w Snapshot,
    names: &BTreeMap<&'w str, NameLog<'w>>,
    suspicion: &mut Suspicion<'w>,
) {
    let joined = neighbours(snapshot, names);
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

impl<'w> Repair<'w> {
    fn new(
        legacy: &LegacyDir,
        snapshot: &'w Snapshot,
        start: Start,
        changed: Vec<Changed<'w>>,
    ) -> Result<Self> {
        let mut before = snapshot.clone();
        let mut later = Vec::new();
        let mut absent: BTreeSet<(usize, usize)> = BTreeSet::new();
        for table in &changed {
            let own = (table.own.database, table.own.table);
            let stands = std::iter::once(&table.own).chain(&table.others);
            for standing in stands {
                let at = (standing.database, standing.table);
                let database = before.catalog.databases.get(at.0);
                let name = database.map_or_else(String::new, |database| database.name.clone());
                later.extend(standing.later.iter().map(|record| (*record, name.clone())));
                let Some(extent) = snapshot.extent(at.0, at.1) else {
                    continue;
                };
                let extent = match (&table.before, at == own) {
                    (Some(Before::Rows(rows)), true) => {
                        RowExtent::of_rows(extent.file.path(), rows, extent.arity)?
                    }
                    (Some(Before::First(count)), true) => extent.first(*count)?,
                    (Some(Before::Absent) | None, true) => {
                        absent.insert(at);
                        extent.first(0)?
                    }
                    (_, false) => extent.first(standing.count)?,
                };
                if let Some(place) = before.rows.get_mut(at.0).and_then(|d| d.get_mut(at.1)) {
                    *place = extent;
                }
            }
        }
        for (database, table) in absent.into_iter().rev() {
            if let Some(database) = before.catalog.databases.get_mut(database) {
                database.tables.remove(table);
            }
            if let Some(extents) = before.rows.get_mut(database) {
                extents.remove(table);
            }
        }
        later.sort();
        let names: BTreeSet<&str> = changed.iter().map(|table| table.name).collect();
        let records = legacy.wal.records.iter().enumerate();
        let unheld = records.take(start.marker).skip(start.unheld);
        let tail = unheld.filter(|(_, record)| {
            let table = record.operation.table();
            !is_marker(record) && table.is_some_and(|table| names.contains(table))
        });
        Ok(Repair {
            tail: tail.map(|(at, _)| at).collect(),
            snapshot: before,
            later,
            start,
            changed,
            found: snapshot,
        })
    }

    /// Adds the rows that were pushed since the start behind those of the
    /// records that were applied again. A table that only the start had made
    /// stays where it was used since, by these rows or the `tail`.
    pub fn apply_later(&self, legacy: &LegacyDir, tail: &Attribution, overlay: &mut Overlay) {
        let of_tail = tail.tail.iter();
        let of_tail = of_tail.filter_map(|a| Some((a.record, a.database.as_deref()?)));
        let of_later = self.later.iter().map(|(at, name)| (*at, name.as_str()));
        for (at, name) in of_later.clone().chain(of_tail) {
            self.keep_used(legacy, at, name, overlay);
        }
        for (at, name) in of_later {
            if let Some(record) = legacy.wal.records.get(at) {
                let database = overlay.database_or_new(name);
                overlay.apply(database, &record.operation, 1);
            }
        }
    }

    fn keep_used(&self, legacy: &LegacyDir, at: usize, database: &str, overlay: &mut Overlay) {
        let record = legacy.wal.records.get(at);
        let Some(name) = record.and_then(|record| record.operation.table()) else {
            return;
        };
        let found = self.found.catalog.databases.iter();
        let found = found.filter(|found| found.name == database);
        let mut tables = found.flat_map(|found| &found.tables);
        let is_changed = self.changed.iter().any(|changed| changed.name == name);
        let Some(schema) = tables.find(|table| table.name == name && is_changed) else {
            return;
        };
        let create = Operation::CreateTable {
            table: name.to_owned(),
            schema: schema.clone(),
            rows: Vec::new(),
        };
        let database = overlay.database_or_new(database);
        // Where the table is there, this has no effect.
        overlay.apply(database, &create, 1);
    }

    /// Lists what was undone, each with its proof.
    pub fn report(&self, legacy: &LegacyDir, applied: &Attribution, report: &mut Report) {
        claims::report_repairs(legacy, self, applied, report);
    }
}

/// Records of a table that were applied again, and of those the ones whose
/// database is proven or decided, and the ones set aside.
fn applied_again(legacy: &LegacyDir, applied: &Attribution, name: &str) -> (usize, usize, usize) {
    let of_table = applied.tail.iter().filter(|attributed| {
        let record = legacy.wal.records.get(attributed.record);
        record.and_then(|record| record.operation.table()) == Some(name)
    });
    let (mut all, mut sure, mut aside) = (0, 0, 0);
    for attributed in of_table {
        all += 1;
        match attributed.confidence {
            Confidence::Certain | Confidence::Assigned => sure += 1,
            Confidence::Probable => {}
            Confidence::Ambiguous | Confidence::Orphan => aside += 1,
        }
    }
    (all, sure, aside)
}
