//! What a user can decide for a whole table at once.

use std::collections::BTreeSet;

use crate::legacy::LegacyDir;
use crate::recovery::Recovery;

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
    let open = recovery.attribution.tail.iter();
    for attributed in open.filter(|a| aside.contains(&a.record) && !a.quarantined) {
        let record = legacy.wal.records.get(attributed.record);
        let Some(table) = record.and_then(|record| record.operation.table()) else {
            continue;
        };
        let possible: Vec<&str> = attributed.possible().collect();
        match tables.iter_mut().find(|known| known.table == table) {
            Some(known) => known.databases.retain(|one| possible.contains(&&**one)),
            None => tables.push(Undecided {
                table: table.to_owned(),
                databases: possible.into_iter().map(str::to_owned).collect(),
            }),
        }
    }
    tables
}
