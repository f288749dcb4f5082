//! Going on past damage: what to stand on when the snapshot is damaged, gone,
//! replaced by an empty one or without its rows, and what of the log to apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::{Code, Finding, Severity};
use crate::legacy::{LegacyDir, Loss, RowExtent, Snapshot, WalRecord, salvage_snapshot};
use crate::model::{Catalog, Database, Operation};
use crate::report::Report;

use super::attribution::Decisions;
use super::cut::{CutReason, is_marker};
use super::pages;
use super::stored::StoredRows;
use super::unknown_tables;
use super::{Cut, Overlay, find_cut};

/// The database that every server starts with.
const FIRST_DATABASE: &str = "postgres";

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
}

/// What a table has beside the rows that the snapshot gives it.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// Rows that were announced, readable or not.
    pub announced: u64,
    /// Rows found elsewhere, in order.
    pub found: Vec<StoredRows>,
    /// Whether rows existed before the log begins, so that row indexes mean
    /// nothing.
    pub indexes_unknown: bool,
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

/// Finds what to stand on, whatever is wrong with the directory.
///
/// # Errors
/// When files cannot be read.
pub(super) fn ground(
    legacy: &LegacyDir,
    decisions: &Decisions,
    report: &mut Report,
) -> Result<Ground> {
    let snapshot = match &legacy.snapshot {
        Ok(Some(snapshot)) => snapshot,
        Ok(None) => return without_snapshot(legacy, decisions, report),
        Err(_) => return damaged(legacy, report),
    };
    let mut own = Report::new();
    let healthy = Ground::healthy(legacy, snapshot, &mut own)?;
    let records = &legacy.wal.records;
    if own.has(Code::Reinitialised) {
        report.extend(own.with_severity(Code::Reinitialised, Severity::Warning));
        let old = 0..last_start(records);
        let mut cut = Cut::new(records, old, CutReason::Salvage);
        cut.tail.extend(healthy.cut.tail);
        return whole_log(legacy, snapshot.clone(), cut, decisions, report);
    }
    if own.has(Code::RowsNotInSnapshot) {
        report.extend(own.with_severity(Code::RowsNotInSnapshot, Severity::Warning));
        report.add(Finding::new(Code::UnloggedChanges));
        let cut = Cut::new(records, 0..records.len(), CutReason::Salvage);
        let ground = whole_log(legacy, snapshot.clone(), cut, decisions, report)?;
        return pages::add_pages(legacy, ground, report);
    }
    report.extend(own);
    Ok(healthy)
}

/// Where the newest run of the server begins: at its start it opens a segment
/// with a Checkpoint record.
fn last_start(records: &[WalRecord]) -> usize {
    let neighbours = records.windows(2).enumerate().rev();
    let mut starts = neighbours.filter_map(|(at, pair)| match pair {
        [before, after] if before.segment != after.segment && is_marker(after) => Some(at + 1),
        _ => None,
    });
    let last_marker = || records.iter().rposition(is_marker).unwrap_or(0);
    starts.next().unwrap_or_else(last_marker)
}

fn without_snapshot(
    legacy: &LegacyDir,
    decisions: &Decisions,
    report: &mut Report,
) -> Result<Ground> {
    report.add(
        Finding::new(Code::NoSnapshot)
            .severity(Severity::Warning)
            .file(legacy.dir.path()),
    );
    let mut catalog = Catalog::default();
    add_database(&mut catalog, FIRST_DATABASE);
    let snapshot = Snapshot {
        family: legacy.family,
        catalog,
        rows: vec![Vec::new()],
        evidence: Vec::new(),
    };
    let records = &legacy.wal.records;
    let cut = Cut::new(records, 0..records.len(), CutReason::Salvage);
    report.add(
        Finding::new(Code::AccountsLost)
            .file(legacy.dir.path())
            .detail("users, grants and the names of other databases are in no file"),
    );
    whole_log(legacy, snapshot, cut, decisions, report)
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

/// The ground when records are applied that no snapshot was made for: tables
/// that the log only fills, and never creates, are made up from their rows.
fn whole_log(
    legacy: &LegacyDir,
    snapshot: Snapshot,
    cut: Cut,
    decisions: &Decisions,
    report: &mut Report,
) -> Result<Ground> {
    let records = &legacy.wal.records;
    if let Some(first) = records.first().filter(|first| first.sequence > 1) {
        let mut finding = Finding::new(Code::RecordsLost)
            .sequence(first.sequence)
            .detail(format!(
                "the log begins with record {}: what the {} records before it did is lost",
                first.sequence,
                first.sequence - 1
            ));
        if let Some(segment) = legacy.wal.segment_of(first) {
            finding = finding.file(segment.file.path());
        }
        report.add(finding);
    }
    let mut ground = Ground {
        snapshot,
        extras: BTreeMap::new(),
        cut,
        is_patched: false,
    };
    unknown_tables::make_up(legacy, &mut ground, decisions, report);
    Ok(ground)
}

/// The ground when the snapshot is damaged: what can be read of it.
fn damaged(legacy: &LegacyDir, report: &mut Report) -> Result<Ground> {
    let Some((file, form)) = legacy.damaged_file() else {
        return without_snapshot(legacy, &Decisions::default(), report);
    };
    let salvaged = salvage_snapshot(file, &form, legacy.family)?;
    if let Err(damage) = &legacy.snapshot {
        report.add(Finding::from(damage).severity(Severity::Warning));
    }
    salvaged
        .losses
        .iter()
        .for_each(|loss| report_loss(loss, report));
    let mut extras: BTreeMap<(usize, usize), Extra> = BTreeMap::new();
    for (at, announced) in salvaged.announced {
        extras.entry(at).or_default().announced = announced;
    }
    for (at, extent) in salvaged.beyond {
        extras
            .entry(at)
            .or_default()
            .found
            .push(StoredRows::Snapshot(extent));
    }
    // The marker alone: content that is missing says nothing about the cut.
    let records = &legacy.wal.records;
    let after = records
        .iter()
        .rposition(is_marker)
        .map_or(0, |marker| marker + 1);
    let cut = Cut::new(records, after..records.len(), CutReason::Marker);
    Ok(Ground {
        snapshot: salvaged.snapshot,
        extras,
        cut,
        is_patched: true,
    })
}

fn report_loss(loss: &Loss, report: &mut Report) {
    let len = loss.range.end.saturating_sub(loss.range.start);
    let mut finding = Finding::new(Code::BytesLost)
        .file(&loss.damage.file)
        .offset(loss.range.start)
        .detail(match loss.rows {
            0 => format!("{len} bytes could not be read"),
            rows => format!("{len} bytes could not be read; {rows} announced rows are lost"),
        });
    finding.database = loss.database.clone();
    finding.table = loss.table.clone();
    report.add(finding);
}

/// An extent without rows, for a table that no snapshot holds.
pub(super) fn no_rows(legacy: &LegacyDir, arity: usize) -> Option<RowExtent> {
    let segment = legacy.wal.segments.first()?;
    Some(RowExtent::empty(segment.file.clone(), 0, arity))
}

/// The table that an Insert writes to, with its row.
pub(super) fn inserted(record: &WalRecord) -> Option<(&str, &crate::model::PackedRow)> {
    match &record.operation {
        Operation::Insert { table, row } => Some((table, row)),
        _ => None,
    }
}

/// Positions in the log before which records are missing or unreadable.
pub(super) fn loss_positions(legacy: &LegacyDir) -> BTreeSet<usize> {
    let wal = &legacy.wal;
    let damaged = wal
        .bad
        .iter()
        .filter(|bad| !bad.is_harmless())
        .map(|bad| bad.records_before);
    damaged
        .chain(wal.gaps.iter().map(|gap| gap.record))
        .collect()
}

/// What is wrong with the log, and what of it is lost for good: records that
/// the snapshot holds anyway are not.
pub(super) fn report_log(legacy: &LegacyDir, first_tail: usize, report: &mut Report) {
    let mut own = Report::new();
    legacy.wal.report(first_tail, &mut own);
    for finding in own.findings() {
        let severity = finding.severity.min(Severity::Warning);
        report.add(finding.clone().severity(severity));
    }
    let lost = |at: usize| at >= first_tail;
    for bad in legacy
        .wal
        .bad
        .iter()
        .filter(|bad| !bad.is_harmless() && lost(bad.records_before))
    {
        report.add(
            Finding::new(Code::BytesLost)
                .file(&bad.damage.file)
                .offset(bad.offset)
                .detail(format!("{} bytes of the log could not be read", bad.len)),
        );
    }
    for gap in legacy.wal.gaps.iter().filter(|gap| lost(gap.record)) {
        report.add(
            Finding::new(Code::RecordsLost)
                .sequence(gap.after)
                .detail(format!(
                    "the records from {} to {} are missing",
                    gap.before.saturating_add(1),
                    gap.after.saturating_sub(1)
                )),
        );
    }
}
