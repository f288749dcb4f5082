//! From the files to what the server last had: cut, attribution, replay.

use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Severity};
use crate::legacy::{LegacyDir, Snapshot};
use crate::report::Report;

use super::attribution::{self, Attributed, Attribution, Confidence, Decisions, OnAmbiguous};
use super::salvage::{self, Ground};
use super::taint::Taint;
use super::{Cut, Effect, Overlay, RunMap};

/// What to do beyond reading.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Show the snapshot alone.
    pub without_wal: bool,
    /// What the user decided.
    pub decisions: Decisions,
    /// What to do with records whose database stays unknown.
    pub on_ambiguous: OnAmbiguous,
    /// Go on past damage and keep what can be kept.
    pub salvage: bool,
}

/// What the server last had, as far as the files tell.
#[derive(Debug)]
pub struct Recovery {
    /// The databases.
    pub overlay: Overlay,
    /// Which records the snapshot already held.
    pub cut: Cut,
    /// Whose the others are.
    pub attribution: Attribution,
    /// Records that were not applied because their database is unknown, by
    /// their positions in the log.
    pub set_aside: Vec<usize>,
    /// What was found on the way.
    pub report: Report,
}

impl Recovery {
    /// Works out what the server last had.
    ///
    /// # Errors
    /// When the snapshot is missing or damaged, or its rows cannot be read.
    pub fn plan(legacy: &LegacyDir, request: &Request) -> Result<Self> {
        let mut report = Report::new();
        let ground = match (&legacy.snapshot, request.salvage) {
            (Ok(Some(snapshot)), _) if request.without_wal => {
                return Ok(Recovery::of_snapshot(snapshot));
            }
            (_, true) => salvage::ground(legacy, &request.decisions, &mut report)?,
            (Ok(Some(snapshot)), false) => Ground::healthy(legacy, snapshot, &mut report)?,
            (Ok(None), false) => return Err(no_snapshot(legacy)),
            (Err(damage), false) => return Err(damage.clone().into()),
        };
        let mut overlay = ground.overlay();
        let cut = ground.cut;
        let runs = RunMap::new(&legacy.wal);
        let mut attribution = attribution::attribute(
            &ground.snapshot,
            &legacy.wal,
            &cut.tail,
            &runs,
            &request.decisions,
            &mut report,
        )?;
        let set_aside = apply(
            legacy,
            &mut overlay,
            &mut attribution,
            request,
            &runs,
            &mut report,
        );
        overlay.finish();
        if request.salvage {
            salvage::report_log(legacy, cut.first_tail, &mut report);
        } else {
            legacy.wal.report(cut.first_tail, &mut report);
        }
        Ok(Recovery {
            overlay,
            cut,
            attribution,
            set_aside,
            report,
        })
    }
}

impl Recovery {
    /// The snapshot alone.
    fn of_snapshot(snapshot: &Snapshot) -> Self {
        let mut overlay = Overlay::new(snapshot);
        overlay.finish();
        Recovery {
            overlay,
            cut: Cut::default(),
            attribution: Attribution::default(),
            set_aside: Vec::new(),
            report: Report::new(),
        }
    }
}

fn no_snapshot(legacy: &LegacyDir) -> Error {
    let found = match legacy.wal.segments.len() {
        0 => "neither a database file nor WAL segments".to_owned(),
        n => format!("{n} WAL segments and no database file"),
    };
    let path = legacy.dir.path();
    if legacy.wal.segments.is_empty() {
        return Error::NotADataDirectory {
            path: path.to_owned(),
            why: format!(
                "{}: found {found}, expected server_instance.db\n{}",
                Code::NoSnapshot,
                Code::NoSnapshot.remedy()
            ),
        };
    }
    Error::damage(path, 0, Code::NoSnapshot, found, "server_instance.db")
}

/// Applies every record whose database is known; returns the others.
fn apply(
    legacy: &LegacyDir,
    overlay: &mut Overlay,
    attribution: &mut Attribution,
    request: &Request,
    runs: &RunMap,
    report: &mut Report,
) -> Vec<usize> {
    let mut set_aside = Vec::new();
    let mut taint = Taint::default();
    let mut losses = salvage::loss_positions(legacy).into_iter().peekable();
    for attributed in &mut attribution.tail {
        while losses.next_if(|at| *at <= attributed.record).is_some() {
            taint.records_lost(overlay);
        }
        let Some(record) = legacy.wal.records.get(attributed.record) else {
            continue;
        };
        let operation = &record.operation;
        let table = operation.table().unwrap_or_default();
        let Some(name) = chosen(attributed, request.on_ambiguous) else {
            set_aside.push(attributed.record);
            taint.spread(attributed, operation, overlay);
            report.add(undecided(
                attributed,
                request.on_ambiguous,
                record.sequence,
                table,
            ));
            continue;
        };
        let finding = |code| {
            Finding::new(code)
                .database(&name)
                .table(table)
                .sequence(record.sequence)
        };
        if taint.touches(&name, operation, overlay) {
            set_aside.push(attributed.record);
            attributed.database = None;
            attributed.confidence = Confidence::Ambiguous;
            taint.spread(attributed, operation, overlay);
            let finding = finding(Code::Ambiguous)
                .detail("it depends on an earlier record whose database is unknown");
            report.add(finding.severity(undecided_severity(request.on_ambiguous)));
            continue;
        }
        let database = overlay.database_or_new(&name);
        let xmax = runs.at(attributed.record).max_xmin;
        match overlay.apply(database, operation, xmax) {
            Effect::Applied => {}
            Effect::None(reason) => {
                attributed.no_effect = Some(reason);
                report.add(finding(Code::FailedStatement).detail(reason));
            }
            Effect::Impossible(reason) => {
                set_aside.push(attributed.record);
                let code = match attributed.confidence {
                    Confidence::Assigned => Code::AssignmentContradicted,
                    _ => Code::Orphan,
                };
                attributed.database = None;
                attributed.confidence = Confidence::Orphan;
                taint.spread(attributed, operation, overlay);
                let severity = match code {
                    Code::Orphan => undecided_severity(request.on_ambiguous),
                    _ => Severity::Error,
                };
                report.add(finding(code).severity(severity).detail(reason));
            }
        }
    }
    set_aside
}

/// The database to apply a record to.
fn chosen(attributed: &Attributed, on_ambiguous: OnAmbiguous) -> Option<String> {
    if attributed.database.is_some() {
        return attributed.database.clone();
    }
    if on_ambiguous != OnAmbiguous::Best {
        return None;
    }
    let mut possible = attributed
        .candidates
        .iter()
        .filter(|c| c.ruled_out.is_none());
    possible.find_map(|candidate| candidate.database.clone())
}

fn undecided(
    attributed: &Attributed,
    on_ambiguous: OnAmbiguous,
    sequence: u64,
    table: &str,
) -> Finding {
    let code = match attributed.confidence {
        Confidence::Orphan => Code::Orphan,
        _ => Code::Ambiguous,
    };
    let names: Vec<&str> = attributed
        .candidates
        .iter()
        .filter(|candidate| candidate.ruled_out.is_none())
        .map(|candidate| {
            candidate
                .database
                .as_deref()
                .unwrap_or("a database no file names")
        })
        .collect();
    let detail = match names.is_empty() {
        true => "no database has had such a table".to_owned(),
        false => format!("candidates: {}", names.join(", ")),
    };
    Finding::new(code)
        .severity(undecided_severity(on_ambiguous))
        .table(table)
        .sequence(sequence)
        .detail(detail)
}

/// A record that was kept aside, as asked or for want of a candidate, is no error.
fn undecided_severity(on_ambiguous: OnAmbiguous) -> Severity {
    match on_ambiguous {
        OnAmbiguous::Quarantine | OnAmbiguous::Best => Severity::Warning,
        OnAmbiguous::Refuse => Severity::Error,
    }
}
