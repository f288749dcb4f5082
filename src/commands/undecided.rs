//! What a user can decide for a whole table at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::legacy::LegacyDir;
use crate::recovery::Recovery;
use crate::recovery::attribution::Candidate;

use super::{Backend, Directory};

/// A table with undecided records, and the databases that each of them can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The table, as the records name it.
    pub table: String,
    /// Those databases, likeliest first for the first record; empty when no
    /// single one fits all records.
    pub databases: Vec<String>,
}

/// The tables with undecided records of a directory, in the order of the log.
pub fn undecided(directory: &Directory) -> Vec<Undecided> {
    match directory.backend() {
        Backend::Legacy { legacy, recovery } => of_recovery(legacy, recovery),
        Backend::Ours(_) => Vec::new(),
    }
}

fn of_recovery(legacy: &LegacyDir, recovery: &Recovery) -> Vec<Undecided> {
    let aside: BTreeSet<usize> = recovery.set_aside.iter().map(|one| one.record).collect();
    let mut tables: Vec<Undecided> = Vec::new();
    // By name: the position, and the candidates that were looked at last.
    let mut known: BTreeMap<&str, (usize, Arc<[Candidate]>)> = BTreeMap::new();
    let open = recovery.attribution.tail.iter();
    for attributed in open.filter(|a| aside.contains(&a.record) && !a.quarantined) {
        let record = legacy.wal.records.get(attributed.record);
        let Some(table) = record.and_then(|record| record.operation.table()) else {
            continue;
        };
        let candidates = &attributed.candidates;
        let Some((at, last)) = known.get_mut(table) else {
            known.insert(table, (tables.len(), candidates.clone()));
            tables.push(Undecided {
                table: table.to_owned(),
                databases: attributed.possible().map(str::to_owned).collect(),
            });
            continue;
        };
        // Most records share those of the one before.
        if !Arc::ptr_eq(last, candidates) {
            let possible: BTreeSet<&str> = attributed.possible().collect();
            if let Some(undecided) = tables.get_mut(*at) {
                undecided.databases.retain(|one| possible.contains(&**one));
            }
            *last = candidates.clone();
        }
    }
    tables
}
