//! What is said of a start that applied records a second time: what it changed,
//! what is not proven, and what was undone.

use crate::finding::{Code, Finding, counted};
use crate::legacy::{LegacyDir, Snapshot};
use crate::model::{Operation, PackedRow, Table, TablesByName, ValueRef};
use crate::recovery::attribution::Attribution;
use crate::recovery::server_replay::Start;
use crate::report::Report;

use super::changed::{Before, Changed, Suspicion};
use super::undo::{Repair, applied_again};

/// The sequence of the record that a start wrote.
fn start_sequence(legacy: &LegacyDir, start: Start) -> u64 {
    let record = legacy.wal.records.get(start.marker);
    record.map_or(0, |record| record.sequence)
}

fn database_name(snapshot: &Snapshot, database: usize) -> &str {
    let found = snapshot.catalog.databases.get(database);
    found.map_or("", |database| database.name.as_str())
}

fn table_of<'s>(snapshot: &'s Snapshot, changed: &Changed<'_>) -> Option<&'s Table> {
    let database = snapshot.catalog.databases.get(changed.own.database)?;
    database.tables.get(changed.own.table)
}

/// Tables about which nothing is proven.
pub(super) fn report_suspicion(
    legacy: &LegacyDir,
    snapshot: &Snapshot,
    suspicion: &Suspicion<'_>,
    report: &mut Report,
) {
    let tables = TablesByName::new(&snapshot.catalog);
    let stands = |name: &str| !tables.named(name).is_empty();
    for (name, why) in suspicion.unproven.iter().filter(|(name, _)| stands(name)) {
        report.add(suspected(legacy, suspicion.start, name, why));
    }
}

/// That nothing is proven about a table.
pub(super) fn suspected(legacy: &LegacyDir, start: Start, table: &str, why: &str) -> Finding {
    let sequence = start_sequence(legacy, start);
    Finding::new(Code::ReplaySuspected)
        .table(table)
        .sequence(sequence)
        .detail(format!(
            "the start that wrote record {sequence} applied the records before it to one database: {why}"
        ))
}

/// What a start changed, as it stands.
pub(super) fn report_changes(
    legacy: &LegacyDir,
    snapshot: &Snapshot,
    start: Start,
    tables: &[Changed<'_>],
    report: &mut Report,
) {
    let sequence = start_sequence(legacy, start);
    for changed in tables {
        let own_name = database_name(snapshot, changed.own.database);
        let finding = |code: Code, detail: String| {
            Finding::new(code)
                .database(own_name)
                .table(changed.name)
                .sequence(sequence)
                .detail(detail)
        };
        let range = pushed_range(changed);
        if changed.before == Some(Before::Absent) && !changed.others.is_empty() {
            let detail = "the start created the table here";
            report.add(finding(Code::ReplayedElsewhere, detail.to_owned()));
        }
        if changed.twice > 0 {
            let detail = format!(
                "the start pushed {range}; {} of them stand before those already",
                changed.twice
            );
            report.add(finding(Code::ReplayedTwice, detail));
        }
        if let Some(Before::Rows(rows)) = &changed.before {
            let detail = format!(
                "the start left {} where {} stood, {} of them pushed or put in another's place",
                counted(changed.own.count, "row version"),
                rows.len(),
                changed.written
            );
            report.add(finding(Code::ReplayedTwice, detail));
        }
        for (database, count) in &changed.elsewhere {
            let name = database_name(snapshot, *database);
            let detail = format!("{count} of {range} that the start pushed stand in {name:?} too");
            report.add(finding(Code::ReplayedElsewhere, detail));
        }
        let known: u64 = changed.elsewhere.iter().map(|(_, count)| *count).sum();
        let known = known.saturating_add(changed.twice);
        let fresh = changed.written.saturating_sub(known);
        if fresh > 0 && snapshot.catalog.databases.len() > 1 {
            let detail = format!(
                "{fresh} of {range} that the start pushed stood nowhere; they came here whichever database they were written for"
            );
            report.add(finding(Code::ReplayedElsewhere, detail));
        }
        report_sequences(legacy, snapshot, start, changed, report);
    }
}

/// `row versions 70 to 202`.
fn pushed_range(changed: &Changed<'_>) -> String {
    let end = changed.own.count;
    match &changed.before {
        Some(Before::Rows(_)) => format!("row versions 0 to {}", end.saturating_sub(1)),
        _ => format!(
            "row versions {} to {}",
            end.saturating_sub(changed.written),
            end.saturating_sub(1)
        ),
    }
}

/// Sequences that the start did not advance over the rows that it pushed.
fn report_sequences(
    legacy: &LegacyDir,
    snapshot: &Snapshot,
    start: Start,
    changed: &Changed<'_>,
    report: &mut Report,
) {
    let Some(table) = table_of(snapshot, changed) else {
        return;
    };
    let records = legacy.wal.records.iter().take(start.marker);
    let rows: Vec<&PackedRow> = records
        .filter_map(|record| match &record.operation {
            Operation::Insert { table, row } if **table == *changed.name => Some(row),
            _ => None,
        })
        .collect();
    for (at, column) in table.columns.iter().enumerate() {
        let Some(next) = table.sequence(&column.name) else {
            continue;
        };
        let used = rows.iter().filter_map(|row| match row.value(at) {
            Some(ValueRef::Integer(used)) => Some(used),
            Some(ValueRef::SmallInt(used)) => Some(i64::from(used)),
            _ => None,
        });
        if let Some(highest) = used.max().filter(|highest| *highest >= next) {
            report.add(
                Finding::new(Code::SequenceBehind)
                    .database(database_name(snapshot, changed.own.database))
                    .table(changed.name)
                    .sequence(start_sequence(legacy, start))
                    .detail(format!(
                        "column {:?}: found next value {next}, expected more than {highest}: the start pushed rows and did not advance it",
                        column.name
                    )),
            );
        }
    }
}

impl Repair<'_> {
    /// Lists what was undone, each with its proof.
    pub fn report(&self, legacy: &LegacyDir, applied: &Attribution, report: &mut Report) {
        let sequence = start_sequence(legacy, self.start);
        for changed in &self.changed {
            let (records, sure, aside) = applied_again(legacy, applied, changed.name);
            let last = changed.own.count.saturating_sub(1);
            let proof = match &changed.before {
                Some(Before::Rows(rows)) => format!(
                    "row versions 0 to {last} replaced by the {} before the start: made from the whole log, they give under the server's replay exactly those found",
                    rows.len()
                ),
                _ if changed.written == 0 && records == 0 => continue,
                before => {
                    let first = changed.own.count.saturating_sub(changed.written);
                    let rows = match changed.written {
                        0 => "no row version removed".to_owned(),
                        count => format!(
                            "{} removed, {first} to {last}: the rows of all records, in order, before record {sequence}, and the rows that the snapshot held stand before them or in other databases",
                            counted(count, "row version")
                        ),
                    };
                    match before {
                        Some(Before::Absent) => format!("{rows}; the table was not there before"),
                        _ => rows,
                    }
                }
            };
            let name = database_name(self.found, changed.own.database);
            report.add(
                Finding::new(Code::RepairedReplay)
                    .database(name)
                    .table(changed.name)
                    .sequence(sequence)
                    .detail(format!(
                        "{proof}; of {} applied again to their own database {sure} are certain and {aside} undecided",
                        counted(records, "record")
                    )),
            );
        }
    }
}
