//! From the files to what the server last had: cut, attribution, replay.

use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Severity};
use crate::legacy::LegacyDir;
use crate::report::Report;

use super::attribution::{self, Attributed, Attribution, Confidence, Decisions, OnAmbiguous};
use super::{Cut, Effect, Overlay, RunMap, find_cut};

/// What to do beyond reading.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Show the snapshot alone.
    pub without_wal: bool,
    /// What the user decided.
    pub decisions: Decisions,
    /// What to do with records whose database stays unknown.
    pub on_ambiguous: OnAmbiguous,
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
        let snapshot = match &legacy.snapshot {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return Err(no_snapshot(legacy)),
            Err(damage) => return Err(damage.clone().into()),
        };
        let mut overlay = Overlay::new(snapshot);
        let mut report = Report::new();
        if request.without_wal {
            overlay.finish();
            return Ok(Recovery {
                overlay,
                cut: Cut::default(),
                attribution: Attribution::default(),
                set_aside: Vec::new(),
                report,
            });
        }
        let cut = find_cut(legacy, snapshot, &mut report)?;
        let runs = RunMap::new(&legacy.wal);
        let tail: Vec<usize> = cut.tail().collect();
        let mut attribution = attribution::attribute(
            snapshot,
            &legacy.wal,
            &tail,
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
        legacy.wal.report(cut.first_tail, &mut report);
        Ok(Recovery {
            overlay,
            cut,
            attribution,
            set_aside,
            report,
        })
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
    for attributed in &mut attribution.tail {
        let Some(record) = legacy.wal.records.get(attributed.record) else {
            continue;
        };
        let table = record.operation.table().unwrap_or_default();
        let Some(name) = chosen(attributed, request.on_ambiguous) else {
            set_aside.push(attributed.record);
            report.add(undecided(
                attributed,
                request.on_ambiguous,
                record.sequence,
                table,
            ));
            continue;
        };
        let database = overlay.database_or_new(&name);
        let xmax = runs.at(attributed.record).max_xmin;
        match overlay.apply(database, &record.operation, xmax) {
            Effect::Applied => {}
            Effect::None(reason) => {
                attributed.no_effect = Some(reason);
                report.add(
                    Finding::new(Code::FailedStatement)
                        .database(&name)
                        .table(table)
                        .sequence(record.sequence)
                        .detail(reason),
                );
            }
            Effect::Impossible(reason) => {
                set_aside.push(attributed.record);
                let code = match attributed.confidence {
                    Confidence::Assigned => Code::AssignmentContradicted,
                    _ => Code::Orphan,
                };
                attributed.database = None;
                attributed.confidence = Confidence::Orphan;
                report.add(
                    Finding::new(code)
                        .database(&name)
                        .table(table)
                        .sequence(record.sequence)
                        .detail(reason),
                );
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
    let severity = match on_ambiguous {
        OnAmbiguous::Quarantine => Severity::Warning,
        _ => Severity::Error,
    };
    Finding::new(code)
        .severity(severity)
        .table(table)
        .sequence(sequence)
        .detail(detail)
}
