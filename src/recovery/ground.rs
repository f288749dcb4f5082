//! What recovery stands on: a snapshot, what goes with it, and which records of
//! the log to apply.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::legacy::{LegacyDir, RowExtent, Snapshot, WalRecord};
use crate::model::{Catalog, Database, Operation, PackedRow};
use crate::report::Report;

use super::attribution::Missing;
use super::cut::CutReason;
use super::stored::Extra;
use super::{Cut, Overlay, find_cut};

/// What to stand on.
pub(super) struct Ground {
    /// The catalog and the rows that can be read.
    pub snapshot: Snapshot,
    /// What goes with the snapshot, by the positions of database and table.
    pub extras: BTreeMap<(usize, usize), Extra>,
    /// Which records to apply.
    pub cut: Cut,
    /// Whether the snapshot is what could be read of a damaged one.
    pub is_patched: bool,
    /// Databases that it no longer holds.
    pub missing: Missing,
}

impl Ground {
    /// A directory that is read as it stands.
    pub(super) fn healthy(
        legacy: &LegacyDir,
        snapshot: &Snapshot,
        report: &mut Report,
    ) -> Result<Self> {
        let cut = find_cut(legacy, snapshot, report)?;
        Ok(Ground {
            snapshot: snapshot.clone(),
            extras: BTreeMap::new(),
            cut,
            is_patched: false,
            missing: Missing::Nothing,
        })
    }

    /// Whether it is the snapshot as it stands, and the tail as it was cut.
    pub(super) fn is_whole(&self) -> bool {
        self.extras.is_empty() && !self.is_patched && self.cut.reason != CutReason::Salvage
    }

    /// The overlay to apply the tail to.
    pub(super) fn overlay(&self) -> Overlay {
        let mut overlay = Overlay::new(&self.snapshot);
        for (at, extra) in &self.extras {
            overlay.add_extra(*at, extra.clone());
        }
        overlay
    }
}

/// Adds a database without tables to a catalog.
pub(super) fn add_database(catalog: &mut Catalog, name: &str) {
    catalog.databases.push(Database {
        name: name.to_owned(),
        tables: Vec::new(),
        enums: Vec::new(),
        views: Vec::new(),
        table_grants: Vec::new(),
    });
}

/// An extent without rows, for a table that no snapshot holds.
pub(super) fn no_rows(legacy: &LegacyDir, arity: usize) -> Option<RowExtent> {
    let segment = legacy.wal.segments.first()?;
    Some(RowExtent::empty(segment.file.clone(), 0, arity))
}

/// The table that an Insert writes to, with its row.
pub(super) fn inserted(record: &WalRecord) -> Option<(&str, &PackedRow)> {
    match &record.operation {
        Operation::Insert { table, row } => Some((table, row)),
        _ => None,
    }
}
