//! From the files to what the server last had: cut, attribution, replay.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::legacy::{LegacyDir, Snapshot};
use crate::report::Report;

use super::apply::{Applied, Applying, SetAside};
use super::attribution::{self, Attribution, Decisions, OnAmbiguous};
use super::repair;
use super::salvage::{self, Ground};
use super::{Cut, Overlay, RunMap};

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
    /// Undo what an earlier start of the server did wrong, where it is proven.
    pub repair_replay: bool,
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
        let ground = match (&legacy.snapshot, request.salvage) {
            (Ok(Some(snapshot)), _) if request.without_wal => {
                return Ok(Recovery::of_snapshot(snapshot));
            }
            (_, true) => salvage::ground(legacy, request, &mut report)?,
            (Ok(Some(snapshot)), false) => Ground::healthy(legacy, snapshot, &mut report)?,
            (Ok(None), false) => return Err(no_snapshot(legacy)),
            (Err(damage), false) => return Err(damage.clone().into()),
        };
        let mut overlay = ground.overlay();
        let repair = match ground.is_whole() {
            true => repair::look(
                legacy,
                &ground.snapshot,
                &ground.cut,
                request.repair_replay,
                &mut report,
            )?,
            false => None,
        };
        let mut cut = ground.cut.clone();
        let runs = RunMap::new(&legacy.wal);
        let transactions = runs.transactions_in(&legacy.wal, &cut.tail);
        if let Some(transactions) = transactions {
            report.add(Finding::new(Code::UnloggedRows).detail(format!(
                "transaction ids rose from {} to {} after the last checkpoint",
                transactions.before, transactions.after
            )));
        }
        let mut attribution = attribution::attribute(
            &ground.snapshot,
            &legacy.wal,
            &cut.tail,
            &runs,
            &request.decisions,
            &mut report,
        )?;
        let mut set_aside = Vec::new();
        let mut again = Attribution::default();
        if let Some(repair) = &repair {
            overlay = Overlay::new(&repair.snapshot);
            again = attribution::attribute(
                &repair.snapshot,
                &legacy.wal,
                &repair.tail,
                &runs,
                &request.decisions,
                &mut report,
            )?;
            let applying = Applying::new(&mut overlay, request, &runs, &mut report);
            (set_aside, _) = apply(legacy, applying, &mut again);
            repair.apply_later(legacy, &attribution, &mut overlay);
            repair.report(legacy, &again, &mut report);
            cut.tail.splice(..0, repair.tail.iter().copied());
        }
        let mut applying = Applying::new(&mut overlay, request, &runs, &mut report);
        applying.transactions(transactions);
        applying.meant(repair.map_or_else(BTreeMap::new, |repair| repair.meant()));
        let (rest, applied) = apply(legacy, applying, &mut attribution);
        set_aside.extend(rest);
        attribution.tail.splice(..0, again.tail);
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
            applied,
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
            applied: Vec::new(),
            report: Report::new(),
        }
    }
}

/// Applies every record whose database is known; returns the others, and what
/// was applied.
fn apply(
    legacy: &LegacyDir,
    mut applying: Applying<'_>,
    attribution: &mut Attribution,
) -> (Vec<SetAside>, Vec<Applied>) {
    let mut losses = salvage::loss_positions(legacy).into_iter().peekable();
    for attributed in &mut attribution.tail {
        while losses.next_if(|at| *at <= attributed.record).is_some() {
            applying.records_lost();
        }
        if let Some(record) = legacy.wal.records.get(attributed.record) {
            applying.record(attributed, record);
        }
    }
    applying.finish()
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
