//! From the files to what the server last had: cut, attribution, replay.

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::legacy::{Family, LegacyDir, Snapshot, Wal};
use crate::report::Report;

use super::apply::{Applied, Applying, SetAside};
use super::attribution::{self, Attribution, OnAmbiguous};
use super::cut::{Sign, signs};
use super::ground::Ground;
use super::renames::Renames;
use super::repair;
use super::request::Request;
use super::runs::Transactions;
use super::salvage;
use super::unknown_tables;
use super::{Cut, Overlay, RunMap};

/// What the server last had, as far as the files tell.
#[derive(Debug)]
pub struct Recovery {
    /// The databases.
    pub overlay: Overlay,
    /// Which records the snapshot already held.
    pub cut: Cut,
    /// Whose the others are.
    pub attribution: Attribution,
    /// Records that were not applied because their database is unknown.
    pub set_aside: Vec<SetAside>,
    /// Records of the tail that were applied, in log order; not those that a
    /// repair applied before it.
    pub applied: Vec<Applied>,
    /// What was found on the way.
    pub report: Report,
}

impl Recovery {
    /// Works out what the server last had.
    ///
    /// # Errors
    /// When the snapshot is missing or damaged, or its rows cannot be read.
    pub fn plan(legacy: &LegacyDir, request: &Request) -> Result<Self> {
        let mut report = Report::new().salvaging(request.salvage);
        let mut ground = match (&legacy.snapshot, request.salvage) {
            (Ok(Some(snapshot)), _) if request.without_wal => {
                return Ok(Recovery::of_snapshot(snapshot));
            }
            (_, true) => salvage::ground(legacy, request, &mut report)?,
            (Ok(Some(snapshot)), false) => Ground::healthy(legacy, snapshot, &mut report)?,
            (Ok(None), false) => return Err(no_snapshot(legacy)),
            (Err(damage), false) => return Err(damage.clone().into()),
        };
        let repair = match &legacy.snapshot {
            Ok(Some(snapshot)) if ground.is_whole() => repair::look(
                legacy,
                snapshot,
                &ground.cut,
                request.repair_replay,
                &mut report,
            )?,
            _ => None,
        };
        let mut cut = ground.cut.clone();
        let runs = RunMap::new(&legacy.wal);
        let transactions = runs.transactions_in(legacy.family, &legacy.wal, &cut.tail);
        if let Some(transactions) = transactions.filter(Transactions::began_beside) {
            report.add(Finding::new(Code::UnloggedRows).detail(format!(
                "transaction ids rose from {} to {} after the last checkpoint",
                transactions.before, transactions.after
            )));
        } else if let Some(last) = runs
            .began_before(legacy.family, &legacy.wal, &cut.tail)
            .filter(|_| !legacy.family.has_roles())
        {
            report.add(Finding::new(Code::UnloggedRows).detail(format!(
                "a transaction began before the last checkpoint (transaction ids had risen to {last}): whether it had ended by then is in no file"
            )));
        }
        if !request.salvage && !request.repair_replay {
            let (wal, snapshot) = (&legacy.wal, &ground.snapshot);
            // Beside a table of that name another can be made in a transaction alone.
            let unproven = match transactions {
                Some(_) => attribution::first_unproven(snapshot, wal, &cut.tail, &runs, &report),
                None => usize::MAX,
            };
            unknown_tables::make_up(legacy, &mut ground, request, unproven, &mut report);
        }
        let mut overlay = ground.overlay();
        let attribute = |decisions: &_, report: &mut _| {
            let (wal, tail) = (&legacy.wal, (&*cut.tail, &runs));
            let (snapshot, missing) = (&ground.snapshot, ground.missing);
            attribution::attribute_with_missing(snapshot, wal, tail, decisions, missing, report)
        };
        let (wal, decisions) = (&legacy.wal, &request.decisions);
        let mut attribution = match request.repair_replay {
            // What a start did is undone by decisions alone, whoever made them.
            true => attribute(decisions, &mut report)?,
            false => attribution::attribute_as_edited(wal, decisions, &mut report, attribute)?,
        };
        if report.has(Code::CutUncertain) {
            let decided = |at: usize| {
                let record = legacy.wal.records.get(at);
                record.is_some_and(|record| {
                    let table = record.operation.table().unwrap_or_default();
                    request.decisions.of(record.sequence, table).is_some()
                })
            };
            let first = cut.first_tail;
            let signs = match request.on_ambiguous {
                OnAmbiguous::Best => signs(&legacy.wal.records, first, &ground.snapshot)?,
                OnAmbiguous::Quarantine | OnAmbiguous::Refuse => Vec::new(),
            };
            attribution.leave_open(decided, |at| {
                let sign = at.checked_sub(first).and_then(|at| signs.get(at));
                sign == Some(&Sign::Present)
            });
        }
        let mut set_aside = Vec::new();
        let mut again = Attribution::default();
        let settled = match repair {
            None => None,
            Some(repair) => repair.settle(
                legacy,
                request.on_ambiguous == OnAmbiguous::Refuse,
                &mut report,
                |snapshot, tail, report| {
                    let wal = &legacy.wal;
                    let decisions = &request.decisions;
                    attribution::attribute(snapshot, wal, tail, &runs, decisions, report)
                },
            )?,
        };
        if let Some(settled) = settled {
            let repair = settled.repair;
            again = settled.again;
            overlay = Overlay::new(&repair.snapshot);
            let applying = Applying::new(&mut overlay, request, &runs, &mut report);
            let go_on = || ground.snapshot.go_on();
            (set_aside, _) = apply(legacy, applying, (&mut again, 0), &go_on)?;
            repair.apply_later(legacy, &attribution, &mut overlay);
            repair.report(legacy, &again, &mut report);
            cut.tail.splice(..0, repair.tail.iter().copied());
        }
        let mut applying = Applying::new(&mut overlay, request, &runs, &mut report);
        applying.transactions(transactions);
        applying.wide_inserts(legacy.wal.wide_inserts(legacy.family));
        let tail = (&mut attribution, ground.cut.first_tail);
        let (rest, applied) = apply(legacy, applying, tail, &|| ground.snapshot.go_on())?;
        set_aside.extend(rest);
        attribution.tail.splice(..0, again.tail);
        overlay.finish();
        report_unlogged(legacy, &mut report);
        if request.salvage {
            salvage::report_log(legacy, cut.first_tail, &mut report);
        } else {
            legacy.wal.report(cut.first_tail, &mut report);
        }
        Renames::new(&applied, &legacy.wal).note(&overlay, &mut report);
        Ok(Recovery {
            overlay,
            cut,
            attribution,
            set_aside,
            applied,
            report,
        })
    }
}

impl Recovery {
    /// What tables that records name are called now, in the log that this was worked
    /// out from.
    pub fn renames<'w>(&self, wal: &'w Wal) -> Renames<'w> {
        Renames::new(&self.applied, wal)
    }

    /// The snapshot alone.
    fn of_snapshot(snapshot: &Snapshot) -> Self {
        let mut overlay = Overlay::new(snapshot);
        overlay.finish();
        Recovery {
            overlay,
            cut: Cut::default(),
            attribution: Attribution::default(),
            set_aside: Vec::new(),
            applied: Vec::new(),
            report: Report::new(),
        }
    }
}

/// Applies every record whose database is known; returns the others, and what
/// was applied. Records lost before `first_tail` are in the snapshot.
fn apply(
    legacy: &LegacyDir,
    mut applying: Applying<'_>,
    (attribution, first_tail): (&mut Attribution, usize),
    go_on: &dyn Fn() -> Result<()>,
) -> Result<(Vec<SetAside>, Vec<Applied>)> {
    let losses = salvage::loss_positions(legacy);
    // What the snapshot holds cannot be missing from the tail.
    let mut losses = losses
        .into_iter()
        .skip_while(|at| *at < first_tail)
        .peekable();
    for attributed in &mut attribution.tail {
        go_on()?;
        while losses.next_if(|at| *at <= attributed.record).is_some() {
            applying.records_lost();
        }
        if let Some(record) = legacy.wal.records.get(attributed.record) {
            applying.record(attributed, record);
        }
    }
    Ok(applying.finish(&legacy.wal))
}

/// Says what may be missing because it is never logged: in every release what
/// a last transaction did, since 1.5 also updates and deletes; nothing else tells
/// whether they ran since the last checkpoint.
fn report_unlogged(legacy: &LegacyDir, report: &mut Report) {
    let logged = match legacy.family {
        Family::V1_3 => true,
        // Of releases 1.4.0 to 1.9.0, which share it, the first log them.
        Family::V1_4 => legacy.wal.logs_ended_versions(),
        _ => false,
    };
    if legacy.wal.segments.is_empty() {
        return;
    }
    if !logged && !report.has(Code::UnloggedChanges) {
        let detail = "recent UPDATEs, DELETEs, transactions may be lost";
        report.add(Finding::new(Code::UnloggedChanges).detail(detail));
    }
    if logged && !report.has(Code::UnloggedRows) {
        let detail = "a last transaction (BEGIN to COMMIT) may be missing";
        report.add(Finding::new(Code::UnloggedTransactions).detail(detail));
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
