//! What a user can decide for a whole table at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::finding::Code;
use crate::legacy::LegacyDir;
use crate::recovery::attribution::{Candidate, Decision};
use crate::recovery::{Recovery, Request};

use super::{Backend, Directory};

/// Decisions that are tried at most: each costs as much as the answer did.
const TRIED_MAX: usize = 4;

/// A table with undecided records, and the databases that each of them can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The table, as the records name it.
    pub table: String,
    /// Those databases, likeliest first for the first record; empty when no
    /// single one fits all records.
    pub databases: Vec<String>,
}

/// The tables with undecided records of a directory that was opened by `request`,
/// in the order of the log. The first decision that is open was tried, and
/// contradicts no record.
pub fn undecided(directory: &Directory, request: &Request) -> Vec<Undecided> {
    match directory.backend() {
        Backend::Legacy { legacy, recovery } => {
            let mut tables = of_recovery(legacy, recovery);
            // With a decision that was refused no other can be told.
            let mut request = request.clone();
            if recovery.report.has(Code::AssignmentContradicted) {
                request.decisions.by_table.clear();
            }
            leave_out_refused(&mut tables, (legacy, recovery), &request);
            tables
        }
        Backend::Ours(_) => Vec::new(),
    }
}

/// Each record by itself may fit a database that all of them together do not.
fn leave_out_refused(tables: &mut [Undecided], read: (&LegacyDir, &Recovery), request: &Request) {
    let mut tries = 0..TRIED_MAX;
    let decided = &request.decisions.by_table;
    let open = tables.iter_mut();
    for undecided in open.filter(|one| !decided.contains_key(&one.table)) {
        let candidates = std::mem::take(&mut undecided.databases);
        let refused = |database: &String| {
            tries.next().is_none() || !holds(read, request, &undecided.table, database)
        };
        undecided.databases = candidates.into_iter().skip_while(refused).collect();
        if !undecided.databases.is_empty() {
            return;
        }
    }
}

/// Whether no record contradicts that a table's undecided ones are a database's,
/// and none is nothing there.
fn holds(
    (legacy, recovery): (&LegacyDir, &Recovery),
    request: &Request,
    table: &str,
    database: &str,
) -> bool {
    let mut request = request.clone();
    let decision = Decision::Database(database.to_owned());
    let decided = &mut request.decisions.by_table;
    decided.insert(table.to_owned(), decision);
    Recovery::plan(legacy, &request).is_ok_and(|tried| {
        let more = idle_rows(legacy, &tried, table) > idle_rows(legacy, recovery, table);
        !tried.report.has(Code::AssignmentContradicted) && !more
    })
}

/// How many rows of a table are kept aside as they change nothing.
fn idle_rows(legacy: &LegacyDir, recovery: &Recovery, table: &str) -> usize {
    let tail = recovery.attribution.tail.iter();
    let idle = tail.filter(|attributed| attributed.changes_nothing);
    let records = idle.filter_map(|attributed| legacy.wal.records.get(attributed.record));
    let operations = records.map(|record| &record.operation);
    operations
        .filter(|o| o.table() == Some(table) && o.pushed_row().is_some())
        .count()
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
