//! What depends on records that were set aside or lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Operation;

use super::Overlay;
use super::attribution::Attributed;

/// What must not be applied because a record before it was set aside: row
/// indexes count every pushed version, and columns follow every change, so a
/// record that is left out makes the later ones of its table mean other rows.
#[derive(Default)]
pub(super) struct Taint {
    /// By database and table: the first row index that is no longer sure.
    rows_from: BTreeMap<(String, String), u64>,
    /// Tables of which nothing is sure any more.
    tables: BTreeSet<(String, String)>,
    /// Whether records are missing from the log, which may have changed columns.
    lossy: bool,
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
        for database in attributed.possible() {
            let key = (database.to_owned(), table.to_owned());
            match operation {
                Operation::Insert { .. } | Operation::Update { .. } => {
                    let index = overlay.position(database);
                    let state = index.and_then(|index| overlay.table(index, table));
                    let count = state.map_or(0, |table| table.state().row_count());
                    let from = self.rows_from.entry(key).or_insert(count);
                    *from = count.min(*from);
                }
                Operation::Delete { .. } | Operation::Checkpoint { .. } => {}
                Operation::RenameTable { new, .. } => {
                    self.tables.insert((database.to_owned(), new.clone()));
                    self.tables.insert(key);
                }
                _ => {
                    self.tables.insert(key);
                }
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
                let from = self.rows_from.entry((name.clone(), table)).or_insert(count);
                *from = count.min(*from);
            }
        }
    }

    /// Whether a record means something else without those set aside.
    pub(super) fn touches(&self, database: &str, operation: &Operation, overlay: &Overlay) -> bool {
        let Some(table) = operation.table() else {
            return false;
        };
        let key = (database.to_owned(), table.to_owned());
        if self.tables.contains(&key) {
            return true;
        }
        if let Operation::Insert { row, .. } = operation {
            // A lost record may have changed the columns: the row did not fail.
            let index = overlay.position(database);
            let known = index.and_then(|index| overlay.table(index, table));
            let arity = known.map(|table| table.state().schema.columns.len());
            return self.lossy && arity.is_some_and(|arity| arity != row.arity());
        }
        let Some(from) = self.rows_from.get(&key) else {
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
