//! The repaired tables, and the records to apply to them again.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::legacy::{LegacyDir, RowExtent, Snapshot};
use crate::model::Operation;

use crate::recovery::Overlay;
use crate::recovery::attribution::{Attribution, Confidence};
use crate::recovery::cut::is_marker;
use crate::recovery::server_replay::Start;

use super::changed::{Before, Changed};
use super::names::Joined;

/// What is proven of a start: the state before it, and what to apply to it.
#[derive(Debug)]
pub(in crate::recovery) struct Repair<'w> {
    /// The snapshot with the repaired tables as they were before the start.
    pub snapshot: Snapshot,
    /// The records that the start should have applied, by position.
    pub tail: Vec<usize>,
    /// Rows pushed since the start to repaired tables: position, database name.
    later: Vec<(usize, String)>,
    /// The start, which the log proves.
    pub(super) start: Start,
    pub(super) changed: Vec<Changed<'w>>,
    /// Names that foreign keys join.
    pub(super) joined: Joined<'w>,
    /// The snapshot as it was found.
    pub(super) found: &'w Snapshot,
}

impl<'w> Repair<'w> {
    /// Puts right what the only start did.
    pub(super) fn new(
        legacy: &LegacyDir,
        snapshot: &'w Snapshot,
        start: Start,
        changed: Vec<Changed<'w>>,
        joined: Joined<'w>,
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
        remove_tables(&mut before, absent);
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
            joined,
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
            table: name.into(),
            schema: Box::new(schema.clone()),
            rows: Vec::new(),
        };
        let database = overlay.database_or_new(database);
        // Where the table is there, this has no effect.
        overlay.apply(database, &create, 1);
    }
}

/// Takes tables, by database and position, out of a snapshot.
fn remove_tables(snapshot: &mut Snapshot, tables: BTreeSet<(usize, usize)>) {
    for (database, table) in tables.into_iter().rev() {
        if let Some(database) = snapshot.catalog.databases.get_mut(database) {
            database.tables.remove(table);
        }
        if let Some(extents) = snapshot.rows.get_mut(database) {
            extents.remove(table);
        }
    }
}

/// Records of a table that were applied again, and of those the ones whose
/// database is proven or decided, and the ones set aside.
pub(super) fn applied_again(
    legacy: &LegacyDir,
    applied: &Attribution,
    name: &str,
) -> (usize, usize, usize) {
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
