//! Applying the tail to the overlay, and setting aside what cannot be applied.

use crate::finding::{Code, Finding, Severity};
use crate::legacy::WalRecord;
use crate::report::Report;

use super::attribution::{Attributed, Confidence, OnAmbiguous};
use super::plan::Request;
use super::taint::Taint;
use super::{Effect, Overlay, RunMap};

/// A record that was not applied, and what it needs to be applied later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its position in the log.
    pub record: usize,
    /// The transaction that a Delete would write as xmax.
    pub transaction: u64,
    /// Row versions of its table that had been applied before it, in each
    /// database that could own it.
    pub rows_before: Vec<(String, u64)>,
}

/// One pass over the tail.
pub(super) struct Applying<'a> {
    overlay: &'a mut Overlay,
    request: &'a Request,
    runs: &'a RunMap,
    report: &'a mut Report,
    taint: Taint,
    set_aside: Vec<SetAside>,
}

impl<'a> Applying<'a> {
    pub(super) fn new(
        overlay: &'a mut Overlay,
        request: &'a Request,
        runs: &'a RunMap,
        report: &'a mut Report,
    ) -> Self {
        Applying {
            overlay,
            request,
            runs,
            report,
            taint: Taint::default(),
            set_aside: Vec::new(),
        }
    }

    /// The records that were set aside, in log order.
    pub(super) fn finish(self) -> Vec<SetAside> {
        self.set_aside
    }

    /// Records are missing here, of any table.
    pub(super) fn records_lost(&mut self) {
        self.taint.records_lost(self.overlay);
    }

    /// Applies a record to its database, or sets it aside.
    pub(super) fn record(&mut self, attributed: &mut Attributed, record: &WalRecord) {
        let operation = &record.operation;
        let table = operation.table().unwrap_or_default();
        let chosen = self.chosen(attributed);
        // Nothing is to be decided about what changed nothing.
        if let (None, Some(reason), false) = (&chosen, attributed.no_effect, attributed.quarantined)
        {
            let finding = Finding::new(Code::FailedStatement).table(table);
            self.report
                .add(finding.sequence(record.sequence).detail(reason));
            return;
        }
        let Some(name) = chosen else {
            let finding = self
                .undecided(attributed)
                .table(table)
                .sequence(record.sequence);
            self.set_aside(attributed, record, finding);
            return;
        };
        let finding = |code| {
            Finding::new(code)
                .database(&name)
                .table(table)
                .sequence(record.sequence)
        };
        if self.taint.touches(&name, operation, self.overlay) {
            let finding = finding(Code::Ambiguous)
                .severity(self.undecided_severity())
                .detail("it depends on an earlier record whose database is unknown");
            attributed.database = None;
            attributed.confidence = Confidence::Ambiguous;
            self.set_aside(attributed, record, finding);
            return;
        }
        let database = self.overlay.database_or_new(&name);
        let xmax = self.runs.at(attributed.record).max_xmin;
        match self.overlay.apply(database, operation, xmax) {
            Effect::Applied => {}
            Effect::None(reason) => {
                attributed.no_effect = Some(reason);
                self.report
                    .add(finding(Code::FailedStatement).detail(reason));
            }
            Effect::Impossible(reason) => {
                let finding = match attributed.confidence {
                    Confidence::Assigned => finding(Code::AssignmentContradicted),
                    _ => finding(Code::Orphan).severity(self.undecided_severity()),
                };
                attributed.database = None;
                attributed.confidence = Confidence::Orphan;
                self.set_aside(attributed, record, finding.detail(reason));
            }
        }
    }

    fn set_aside(&mut self, attributed: &Attributed, record: &WalRecord, finding: Finding) {
        self.report.add(finding);
        let table = record.operation.table().unwrap_or_default();
        let rows_before = attributed.possible().filter_map(|name| {
            let database = self.overlay.catalog().database_index(name)?;
            let table = self.overlay.table(database, table)?;
            Some((name.to_owned(), table.state().row_count()))
        });
        self.set_aside.push(SetAside {
            record: attributed.record,
            transaction: self.runs.at(attributed.record).max_xmin,
            rows_before: rows_before.collect(),
        });
        self.taint
            .spread(attributed, &record.operation, self.overlay);
    }

    /// The database to apply a record to.
    fn chosen(&self, attributed: &Attributed) -> Option<String> {
        if attributed.quarantined {
            return None;
        }
        if attributed.database.is_some() {
            return attributed.database.clone();
        }
        let best = attributed.possible().next().map(str::to_owned);
        best.filter(|_| self.request.on_ambiguous == OnAmbiguous::Best)
    }

    fn undecided(&self, attributed: &Attributed) -> Finding {
        let code = match attributed.confidence {
            Confidence::Orphan => Code::Orphan,
            _ => Code::Ambiguous,
        };
        if attributed.quarantined {
            let finding = Finding::new(code).severity(Severity::Info);
            return finding.detail("kept aside, as decided");
        }
        let names: Vec<&str> = attributed.possible().collect();
        let detail = match names.is_empty() {
            true => "no database has had such a table".to_owned(),
            false => format!("candidates: {}", names.join(", ")),
        };
        Finding::new(code)
            .severity(self.undecided_severity())
            .detail(detail)
    }

    /// A record that was kept aside, as asked or for want of a candidate, is no
    /// error.
    fn undecided_severity(&self) -> Severity {
        match self.request.on_ambiguous {
            OnAmbiguous::Quarantine | OnAmbiguous::Best => Severity::Warning,
            OnAmbiguous::Refuse => Severity::Error,
        }
    }
}
