//! From the files to what the server last had: cut, attribution, replay.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Severity};
use crate::legacy::LegacyDir;
use crate::model::Operation;
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
    let mut taint = Taint::default();
    for attributed in &mut attribution.tail {
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
        if taint.touches(&name, operation) {
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
                report.add(finding(code).detail(reason));
            }
        }
    }
    set_aside
}

/// What must not be applied because a record before it was set aside: row
/// indexes count every pushed version, and columns follow every change, so a
/// record that is left out makes the later ones of its table mean other rows.
#[derive(Default)]
struct Taint {
    /// By database and table: the first row index that is no longer sure.
    rows_from: BTreeMap<(String, String), u64>,
    /// Tables of which nothing is sure any more.
    tables: BTreeSet<(String, String)>,
}

impl Taint {
    /// A record was set aside in every database that could own it.
    fn spread(&mut self, attributed: &Attributed, operation: &Operation, overlay: &Overlay) {
        let possible = attributed
            .candidates
            .iter()
            .filter(|c| c.ruled_out.is_none());
        let table = operation.table().unwrap_or_default();
        for database in possible.filter_map(|candidate| candidate.database.as_deref()) {
            let key = (database.to_owned(), table.to_owned());
            match operation {
                Operation::Insert { .. } | Operation::Update { .. } => {
                    let index = overlay.catalog().database_index(database);
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

    /// Whether a record means something else without those set aside.
    fn touches(&self, database: &str, operation: &Operation) -> bool {
        let Some(table) = operation.table() else {
            return false;
        };
        let key = (database.to_owned(), table.to_owned());
        if self.tables.contains(&key) {
            return true;
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

/// A record kept aside on request is no error.
fn undecided_severity(on_ambiguous: OnAmbiguous) -> Severity {
    match on_ambiguous {
        OnAmbiguous::Quarantine => Severity::Warning,
        OnAmbiguous::Refuse | OnAmbiguous::Best => Severity::Error,
    }
}
