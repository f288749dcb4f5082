//! What depends on records that were set aside or lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Operation;

use super::Overlay;
use super::attribution::{Attributed, Owners};

/// What must not be applied because a record before it was set aside: row
/// indexes count every pushed version, and columns follow every change, so a
/// record that is left out makes the later ones of its table mean other rows.
#[derive(Default)]
pub(super) struct Taint {
    /// By table and database: the first row index that is no longer sure.
    rows_from: BTreeMap<String, BTreeMap<String, u64>>,
    /// Tables of which nothing is sure any more, and where.
    tables: BTreeMap<String, Unsure>,
    /// Whether records are missing from the log, which may have changed columns.
    lossy: bool,
}

/// Databases in which nothing is sure of a table. Records that may be of a
/// thousand databases have one list of them in common, which is taken apart
/// when somebody asks.
#[derive(Default)]
struct Unsure {
    databases: BTreeSet<String>,
    lists: Vec<Owners>,
}

impl Unsure {
    fn add(&mut self, owners: Owners) {
        if !self.lists.last().is_some_and(|last| last.is_same(&owners)) {
            self.lists.push(owners);
        }
    }

    fn contains(&mut self, database: &str) -> bool {
        for owners in self.lists.drain(..) {
            self.databases.extend(owners.names().map(str::to_owned));
        }
        self.databases.contains(database)
    }
}

impl Taint {
    /// A record was set aside in every database that could own it.
    pub(super) fn spread(
        &mut self,
        attributed: &Attributed,
        operation: &Operation,
        overlay: &Overlay,
    ) {
        let table = operation.table().unwrap_or_default();
        match operation {
            Operation::Insert { .. } | Operation::Update { .. } => {
                for database in attributed.possible() {
                    let index = overlay.position(database);
                    let state = index.and_then(|index| overlay.table(index, table));
                    let count = state.map_or(0, |table| table.state().row_count());
                    self.rows_unsure(database, table, count);
                }
            }
            Operation::Delete { .. } | Operation::Checkpoint { .. } => {}
            Operation::RenameTable { new, .. } => {
                self.table_unsure(new, attributed);
                self.table_unsure(table, attributed);
            }
            _ => self.table_unsure(table, attributed),
        }
    }

    fn table_unsure(&mut self, table: &str, attributed: &Attributed) {
        let unsure = self.tables.entry(table.to_owned()).or_default();
        unsure.add(attributed.owners());
    }

    fn rows_unsure(&mut self, database: &str, table: &str, from: u64) {
        let known = self.rows_from.get_mut(table);
        match known.and_then(|databases| databases.get_mut(database)) {
            Some(known) => *known = from.min(*known),
            None => {
                let databases = self.rows_from.entry(table.to_owned()).or_default();
                databases.insert(database.to_owned(), from);
            }
        }
    }

    /// Records are missing here, of any table.
    pub(super) fn records_lost(&mut self, overlay: &mut Overlay) {
        self.lossy = true;
        let databases = overlay.finish().databases.iter();
        let names: Vec<String> = databases.map(|database| database.name.clone()).collect();
        for (index, name) in names.into_iter().enumerate() {
            for (table, count) in overlay.row_counts(index) {
                self.rows_unsure(&name, &table, count);
            }
        }
    }

    /// Whether a record means something else without those set aside.
    pub(super) fn touches(
        &mut self,
        database: &str,
        operation: &Operation,
        overlay: &Overlay,
    ) -> bool {
        let Some(table) = operation.table() else {
            return false;
        };
        let unsure = self.tables.get_mut(table);
        if unsure.is_some_and(|unsure| unsure.contains(database)) {
            return true;
        }
        if let Operation::Insert { row, .. } = operation {
            // A lost record may have changed the columns: the row did not fail.
            let index = overlay.position(database);
            let known = index.and_then(|index| overlay.table(index, table));
            let arity = known.map(|table| table.state().column_count());
            return self.lossy && arity.is_some_and(|arity| arity != row.arity());
        }
        let databases = self.rows_from.get(table);
        let Some(from) = databases.and_then(|databases| databases.get(database)) else {
            return false;
        };
        match operation {
            Operation::Update { index, .. } | Operation::Delete { index, .. } => index >= from,
            // Under its new name the table would look sure again.
            Operation::RenameTable { .. } => true,
            _ => false,
        }
    }
}
