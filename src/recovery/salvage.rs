//! Going on past damage: what to stand on when the snapshot is damaged, gone,
//! replaced by an empty one or without its rows, and what of the log to apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::legacy::{LegacyDir, Loss, Shortfall, Snapshot, WalRecord};
use crate::model::Catalog;
use crate::report::Report;

use super::Cut;
use super::attribution::{Missing, OnAmbiguous};
use super::cut::{CutReason, Sign, is_marker, signs};
use super::cut_snapshot::{self, Damaged};
use super::ground::{Ground, add_database};
use super::pages;
use super::request::Request;
use super::stored::{Extra, StoredRows};
use super::unknown_tables;

/// The database that every server starts with.
const FIRST_DATABASE: &str = "postgres";

/// Finds what to stand on, whatever is wrong with the directory.
///
/// # Errors
/// When files cannot be read.
pub(super) fn ground(legacy: &LegacyDir, request: &Request, report: &mut Report) -> Result<Ground> {
    let snapshot = match &legacy.snapshot {
        Ok(Some(snapshot)) => snapshot,
        Ok(None) => {
            let missing = Finding::new(Code::NoSnapshot).file(legacy.dir.path());
            report.add(missing.severity(Severity::Warning));
            return without_snapshot(legacy, request, report);
        }
        Err(_) => return damaged(legacy, request, report),
    };
    let mut own = Report::new();
    let healthy = Ground::healthy(legacy, snapshot, &mut own)?;
    let records = &legacy.wal.records;
    if own.has(Code::Reinitialised) {
        report.extend(own.with_severity(Code::Reinitialised, Severity::Warning));
        report.add(names_lost(legacy));
        // Where nothing tells which run is the newest, all records are of the
        // old instance.
        let unclear = legacy.wal.gaps.iter().any(|gap| legacy.wal.name_falls(gap));
        let old = match unclear {
            true => 0..records.len(),
            false => 0..last_start(records),
        };
        let mut cut = Cut::new(records, old, CutReason::Salvage);
        if !unclear {
            cut.tail.extend(healthy.cut.tail);
        }
        let cut = (cut, Missing::Unknown);
        return whole_log(legacy, snapshot.clone(), cut, request, report);
    }
    if own.has(Code::RowsNotInSnapshot) {
        report.extend(own.with_severity(Code::RowsNotInSnapshot, Severity::Warning));
        report.add(Finding::new(Code::UnloggedChanges));
        let mut cut = Cut::new(records, 0..records.len(), CutReason::Salvage);
        // What a start replayed stands in the snapshot.
        let signs = signs(records, 0, snapshot)?;
        let held = |at: &usize| signs.get(*at) == Some(&Sign::Present);
        cut.tail.retain(|at| !held(at));
        let cut = (cut, Missing::Nothing);
        let ground = whole_log(legacy, snapshot.clone(), cut, request, report)?;
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

/// What nobody can tell without the snapshot of the instance that wrote the log.
fn names_lost(legacy: &LegacyDir) -> Finding {
    Finding::new(Code::AccountsLost)
        .file(legacy.dir.path())
        .detail("users, grants and the names of other databases are in no file")
}

/// The ground when no database can be read.
fn without_snapshot(legacy: &LegacyDir, request: &Request, report: &mut Report) -> Result<Ground> {
    let mut snapshot = Snapshot {
        family: legacy.family,
        catalog: Catalog::default(),
        rows: Vec::new(),
        evidence: Vec::new(),
    };
    // Others may have been there: what is not decided is kept aside then.
    if request.on_ambiguous != OnAmbiguous::Quarantine {
        add_database(&mut snapshot.catalog, FIRST_DATABASE);
        snapshot.rows.push(Vec::new());
    }
    let records = &legacy.wal.records;
    let cut = Cut::new(records, 0..records.len(), CutReason::Salvage);
    report.add(names_lost(legacy));
    whole_log(legacy, snapshot, (cut, Missing::Unknown), request, report)
}

/// The ground when records are applied that no snapshot was made for: tables
/// that the log only fills, and never creates, are made up from their rows.
fn whole_log(
    legacy: &LegacyDir,
    snapshot: Snapshot,
    (cut, missing): (Cut, Missing),
    request: &Request,
    report: &mut Report,
) -> Result<Ground> {
    let records = &legacy.wal.records;
    if let Some(first) = records.first().filter(|first| first.sequence > 1) {
        let mut finding = Finding::new(Code::RecordsLost)
            .sequence(first.sequence)
            .detail(format!(
                "the log begins with record {}: what the {} before it did is lost",
                first.sequence,
                counted(first.sequence - 1, "record")
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
        missing,
    };
    unknown_tables::make_up(legacy, &mut ground, request, 0, report);
    Ok(ground)
}

/// The ground when the snapshot is damaged: what can be read of it.
fn damaged(legacy: &LegacyDir, request: &Request, report: &mut Report) -> Result<Ground> {
    let Some(salvaged) = legacy.salvaged()? else {
        return without_snapshot(legacy, request, report);
    };
    if let Err(damage) = &legacy.snapshot {
        report.add(Finding::from(damage).severity(Severity::Warning));
    }
    report.add(family_taken(legacy));
    for shortfall in &salvaged.shortfalls {
        report.add(shortfall.finding());
    }
    if salvaged.snapshot.catalog.databases.is_empty() {
        salvaged
            .losses
            .iter()
            .for_each(|loss| report_loss(loss, loss.rows, report));
        return without_snapshot(legacy, request, report);
    }
    let damaged = Damaged {
        is_cut: match salvaged.losses.as_slice() {
            [only] => only.reaches_end(legacy.files.files()),
            _ => false,
        },
        objects_lost: salvaged.shortfalls.iter().any(Shortfall::is_of_tables),
    };
    let mut extras: BTreeMap<(usize, usize), Extra> = BTreeMap::new();
    for (at, announced) in &salvaged.announced {
        extras.entry(*at).or_default().announced = *announced;
    }
    for (at, extent) in &salvaged.beyond {
        let found = &mut extras.entry(*at).or_default().found;
        found.push(StoredRows::Snapshot(extent.clone()));
    }
    let mut ground = Ground {
        cut: after_marker(&legacy.wal.records),
        missing: Missing::Databases(salvaged.missing_databases),
        snapshot: salvaged.snapshot,
        extras,
        is_patched: true,
    };
    let lost = cut_snapshot::leave_out_held(legacy, &mut ground, damaged, report)?;
    for loss in &salvaged.losses {
        let at = loss.at.and_then(|at| lost.get(&at));
        report_loss(loss, at.copied().unwrap_or(loss.rows), report);
    }
    unknown_tables::make_up(legacy, &mut ground, request, 0, report);
    Ok(ground)
}

/// The cut by Checkpoint records alone: content that is missing says nothing.
fn after_marker(records: &[WalRecord]) -> Cut {
    let marker = records.iter().rposition(is_marker);
    let after = marker.map_or(0, |marker| marker + 1);
    Cut::new(records, after..records.len(), CutReason::Marker)
}

/// Which family a damaged file was read as.
fn family_taken(legacy: &LegacyDir) -> Finding {
    let others = legacy.families().iter();
    let others = others.filter(|family| **family != legacy.family);
    let others: Vec<String> = others.map(ToString::to_string).collect();
    let taken = format!("read as family {}", legacy.family);
    Finding::new(Code::FamilyTaken).detail(match others.is_empty() {
        true => taken,
        false => format!("{taken}; as {} it reads as far", others.join(" or ")),
    })
}

fn report_loss(loss: &Loss, rows: u64, report: &mut Report) {
    let len = loss.range.end.saturating_sub(loss.range.start);
    let bytes = counted(len, "byte");
    let mut finding = Finding::new(Code::BytesLost)
        .file(&loss.damage.file)
        .offset(loss.range.start)
        .detail(match (loss.rows, rows) {
            (0, _) => format!("{bytes} could not be read"),
            (_, 0) => {
                format!("{bytes} could not be read; the rows that they held are in the log")
            }
            (_, rows) => format!(
                "{bytes} could not be read; lost: {}",
                counted(rows, "announced row")
            ),
        });
    finding.database = loss.database.as_deref().map(str::to_owned);
    finding.table = loss.table.as_deref().map(str::to_owned);
    report.add(finding);
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
                .detail(format!(
                    "{} of the log could not be read",
                    counted(bad.len, "byte")
                )),
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
