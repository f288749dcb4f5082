//! A marker that the snapshot contradicts.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::{Code, Finding, counted};
use crate::legacy::{LegacyDir, Snapshot, WalRecord};
use crate::model::Operation;
use crate::report::Report;

use super::evidence::{Sign, signs};

/// A marker that the snapshot contradicts: the instance was replaced by an
/// empty one, or keeps its rows elsewhere.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(super) fn report(
    legacy: &LegacyDir,
    snapshot: &Snapshot,
    after: usize,
    report: &mut Report,
) -> Result<()> {
    let before = legacy.wal.records.get(..after).unwrap_or_default();
    let names: BTreeSet<&str> = table_names(snapshot);
    let no_rows = snapshot
        .rows
        .iter()
        .flatten()
        .all(|extent| extent.count == 0);
    let inserts = |records: &[WalRecord]| {
        records
            .iter()
            .filter(|r| matches!(r.operation, Operation::Insert { .. }))
            .count()
    };
    // Where the tail drops them all, none is there whatever the snapshot held.
    let lost = lost_tables(before) > 0 && lost_tables(&legacy.wal.records) > 0;
    if names.is_empty() && lost {
        report.add(Finding::new(Code::Reinitialised).detail(format!(
            "found a snapshot without tables, expected {} that the log created and {} that it inserted before the last Checkpoint record",
            counted(lost_tables(before), "table"),
            counted(inserts(before), "row")
        )));
        return Ok(());
    }
    let paged = !legacy.page_dirs.is_empty();
    // A start replays the log into the snapshot, where nothing is added since.
    let lacking = match paged && !no_rows {
        true => lacking(before, snapshot, &names)?,
        false => BTreeSet::new(),
    };
    // Page storage logs no CREATE TABLE, so records name tables nobody made.
    if !lacking.is_empty() {
        report.add(Finding::new(Code::RowsNotInSnapshot).detail(format!(
            "found rows missing that the log inserted before the last Checkpoint record, as page storage keeps them elsewhere: {}",
            Vec::from_iter(lacking).join(", ")
        )));
    } else if paged && no_rows {
        let mut finding = Finding::new(Code::RowsNotInSnapshot).detail(format!(
            "found no row in the snapshot, expected those of {} of page files and {}",
            match legacy.page_dirs.len() {
                1 => "1 directory".to_owned(),
                count => format!("{count} directories"),
            },
            counted(inserts(&legacy.wal.records), "logged insert")
        ));
        if let Some(first) = legacy.page_dirs.first() {
            finding = finding.file(&first.path);
        }
        report.add(finding);
    } else if no_rows
        && sequences_advanced(snapshot)
        && inserts(before) > 0
        && logged_rows_expected(before, &names)
    {
        report.add(Finding::new(Code::RowsNotInSnapshot).detail(format!(
            "found no row in the snapshot, expected some of {} that the log inserted before the last Checkpoint record",
            counted(inserts(before), "row")
        )));
    }
    Ok(())
}

/// The tables that records inserted rows into which the snapshot does not hold.
fn lacking<'w>(
    before: &'w [WalRecord],
    snapshot: &Snapshot,
    names: &BTreeSet<&str>,
) -> Result<BTreeSet<&'w str>> {
    let signs = signs(before, 0, snapshot)?;
    let absent = before.iter().zip(signs).filter_map(|(record, sign)| {
        let table = match &record.operation {
            Operation::Insert { table, .. } if sign == Sign::Absent => Some(&**table),
            _ => None,
        };
        table.filter(|table| names.contains(table))
    });
    Ok(absent.collect())
}

fn table_names(snapshot: &Snapshot) -> BTreeSet<&str> {
    let tables = snapshot
        .catalog
        .databases
        .iter()
        .flat_map(|database| &database.tables);
    tables.map(|table| table.name.as_str()).collect()
}

/// How many tables the records leave behind.
fn lost_tables(records: &[WalRecord]) -> usize {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for record in records {
        match &record.operation {
            Operation::DropTable { table } => {
                names.remove(&**table);
            }
            Operation::RenameTable { old, new } => {
                names.remove(&**old);
                names.insert(new);
            }
            other => names.extend(other.table()),
        }
    }
    names.len()
}

/// Whether a sequence has moved although no row is there.
fn sequences_advanced(snapshot: &Snapshot) -> bool {
    let mut tables = snapshot
        .catalog
        .databases
        .iter()
        .flat_map(|database| &database.tables);
    tables.any(|table| table.sequences.iter().any(|(_, next)| *next > 1))
}

/// Whether rows went into tables that are still there and no CREATE TABLE made
/// them in the log: page storage logs none.
fn logged_rows_expected(records: &[WalRecord], names: &BTreeSet<&str>) -> bool {
    let created = records
        .iter()
        .any(|r| matches!(r.operation, Operation::CreateTable { .. }));
    let inserted = records.iter().any(|record| {
        matches!(&record.operation, Operation::Insert { table, .. } if names.contains(&**table))
    });
    inserted && !created
}
