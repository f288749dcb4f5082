//! Applying the tail to the overlay, and setting aside what cannot be applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::finding::{Code, Finding, Severity, counted};
use crate::legacy::{Wal, WalRecord, WideInsert, WideInserts, narrowed};
use crate::model::Operation;
use crate::report::Report;

use super::attribution::{Attributed, Confidence, OnAmbiguous};
use super::realign::{Meant, Shifts, at_index};
use super::request::Request;
use super::runs::Transactions;
use super::taint::Taint;
use super::{Effect, Overlay, RunMap};

/// Candidates that a finding names.
const NAMED_MAX: usize = 16;

/// A record that was not applied, and what it needs to be applied later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its position in the log.
    pub record: usize,
    /// The transaction that a Delete would write as xmax.
    pub transaction: u64,
    /// Row versions of its table that had been applied before it, in each
    /// database that could own it.
    /// As with candidates, records with the same share them.
    pub rows_before: Arc<[(String, u64)]>,
    /// Databases in which a later record made, renamed or dropped its table, or changed
    /// its columns: what it says is of a form that is no more.
    pub reshaped_in: Vec<String>,
}

/// A record that changed its database, and what it then meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Its position in the log.
    pub record: usize,
    /// The position of the database that it changed, in the catalog after it.
    pub database: usize,
    /// What it did, where that is not what it says.
    pub realigned: Option<Box<Operation>>,
    /// What a Delete wrote as xmax.
    pub xmax: u64,
}

/// One pass over the tail.
pub(super) struct Applying<'a> {
    overlay: &'a mut Overlay,
    request: &'a Request,
    runs: &'a RunMap,
    report: &'a mut Report,
    taint: Taint,
    /// Whether the user left a record out: what counts it then means other rows.
    left_out: bool,
    shifts: Shifts,
    /// The first record whose row index may count rows that nobody logged.
    unlogged_from: usize,
    wide: Option<WideInserts>,
    set_aside: Vec<SetAside>,
    applied: Vec<Applied>,
    /// The last record that changed the form of a table, by its database and name.
    reshaped: BTreeMap<(usize, String), usize>,
}

/// What is left of a record once its row is looked for.
enum Meaning {
    /// It means what it says.
    AsLogged,
    /// It means this.
    Realigned(Operation),
    /// It ended a row that was never logged, and nothing else.
    NoEffect,
    /// Nothing proves which row it ended.
    Unproven,
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
            left_out: false,
            shifts: Shifts::default(),
            unlogged_from: usize::MAX,
            wide: None,
            set_aside: Vec::new(),
            applied: Vec::new(),
            reshaped: BTreeMap::new(),
        }
    }

    /// Says what is known of transactions beside the tail.
    pub(super) fn transactions(&mut self, transactions: Option<Transactions>) {
        self.unlogged_from = transactions.map_or(usize::MAX, |found| found.from);
    }

    /// Says what became of rows of more values than columns; without it, they failed.
    pub(super) fn wide_inserts(&mut self, wide: WideInserts) {
        self.wide = Some(wide);
    }

    /// The records that were set aside, and those that were applied, in log
    /// order.
    pub(super) fn finish(mut self, wal: &Wal) -> (Vec<SetAside>, Vec<Applied>) {
        for aside in &mut self.set_aside {
            let record = wal.records.get(aside.record);
            let table = record.and_then(|record| record.operation.table());
            let table = table.unwrap_or_default().to_owned();
            let databases = aside.rows_before.iter().map(|(name, _)| name);
            let reshaped = databases.filter(|name| {
                let at = self.overlay.position(name).map(|at| (at, table.clone()));
                let last = at.and_then(|at| self.reshaped.get(&at));
                last.is_some_and(|last| *last > aside.record)
            });
            aside.reshaped_in = reshaped.cloned().collect();
        }
        (self.set_aside, self.applied)
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
            let refused = attributed.quarantined && self.can_be_refused(attributed, record);
            match attributed.changes_nothing || refused {
                true => self.set_aside(attributed, record, finding),
                false => self.aside_and_taint(attributed, record, finding),
            }
            return;
        };
        let finding = |code| {
            Finding::new(code)
                .database(&name)
                .table(table)
                .sequence(record.sequence)
        };
        // Who decided knew what the records before it are.
        let suspect = attributed.confidence != Confidence::Assigned || self.left_out;
        if suspect && self.taint.touches(&name, operation, self.overlay) {
            let finding = finding(Code::Ambiguous)
                .severity(self.undecided_severity())
                .detail("it depends on an earlier record whose database is unknown");
            attributed.withdraw(Confidence::Ambiguous);
            self.aside_and_taint(attributed, record, finding);
            return;
        }
        let database = self.overlay.database_or_new(&name);
        let realigned = match self.read(attributed, database, &name, record) {
            Meaning::AsLogged => None,
            Meaning::Realigned(other) => Some(other),
            Meaning::NoEffect => return,
            Meaning::Unproven => {
                let finding = finding(Code::Ambiguous)
                    .severity(self.undecided_severity())
                    .detail("its row index counts rows that were never logged, and nothing proves which row is meant");
                attributed.withdraw(Confidence::Ambiguous);
                self.aside_and_taint(attributed, record, finding);
                // Nor is there a place at which it could be taken up later.
                if let Some(aside) = self.set_aside.last_mut() {
                    aside.rows_before = Arc::new([]);
                }
                return;
            }
        };
        let narrowed = self.narrowed(database, record);
        if let (Some((_, kept)), Some(row)) = (&narrowed, record.operation.pushed_row()) {
            let values = counted(row.arity(), "value");
            // Whose it is can be certain, and what became of it is decided all the same.
            let decisions = &self.request.decisions;
            let decided = decisions.of(record.sequence, table).is_some()
                || self.request.on_ambiguous == OnAmbiguous::Best;
            if *kept == WideInsert::Unknown && !decided {
                let finding = finding(Code::Ambiguous)
                    .severity(self.undecided_severity())
                    .detail(format!(
                        "it has {values}, more than there are columns: releases since 1.5 keep the first ones, 1.4 refuses it, and nothing tells which ran; a database keeps it, `quarantine` leaves it out"
                    ));
                attributed.withdraw(Confidence::Ambiguous);
                self.aside_and_taint(attributed, record, finding);
                return;
            }
            self.report.add(finding(Code::ExtraValues).detail(values));
        }
        let narrowed = narrowed.map(|(operation, _)| operation);
        let realigned = realigned.or(narrowed);
        let xmax = self.runs.at(attributed.record).max_xmin;
        let operation = realigned.as_ref().unwrap_or(operation);
        match self.overlay.apply(database, operation, xmax) {
            Effect::Applied => {
                self.note_reshaped(attributed.record, database, &record.operation);
                self.note_shifts(attributed, database, &name, &record.operation);
                self.applied.push(Applied {
                    record: attributed.record,
                    database,
                    realigned: realigned.map(Box::new),
                    xmax,
                });
            }
            // What was decided of a row does not make it nothing.
            Effect::None(reason)
                if attributed.confidence == Confidence::Probable
                    || attributed.confidence == Confidence::Assigned
                        && operation.pushed_row().is_some() =>
            {
                let finding = finding(Code::Ambiguous).severity(Severity::Warning);
                let detail = format!("{reason}: it changes nothing there, and is kept aside");
                attributed.withdraw(Confidence::Ambiguous);
                attributed.changes_nothing = true;
                self.set_aside(attributed, record, finding.detail(detail));
            }
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
                attributed.withdraw(Confidence::Orphan);
                self.aside_and_taint(attributed, record, finding.detail(reason));
            }
        }
    }

    /// An INSERT of more values than columns as servers since 1.5 show its row: the
    /// first values.
    fn narrowed(&self, database: usize, record: &WalRecord) -> Option<(Operation, WideInsert)> {
        let Operation::Insert { table, row } = &record.operation else {
            return None;
        };
        let kept = self.wide.as_ref()?.of(record);
        if kept == WideInsert::Refused {
            return None;
        }
        let state = self.overlay.table(database, table)?.state();
        let columns = state.column_count();
        (row.arity() > columns).then(|| {
            let row = narrowed(row.clone(), columns);
            let table = table.clone();
            (Operation::Insert { table, row }, kept)
        })
    }

    /// Whether a record can be an INSERT of too many values in whichever database: who
    /// leaves it out says that it was refused, and then nothing counts it.
    fn can_be_refused(&self, attributed: &Attributed, record: &WalRecord) -> bool {
        let Operation::Insert { table, row } = &record.operation else {
            return false;
        };
        let kept = self.wide.as_ref().map(|wide| wide.of(record));
        let is_wide = |name: &str| {
            let database = self.overlay.position(name);
            let table = database.and_then(|database| self.overlay.table(database, table));
            table.is_some_and(|table| row.arity() > table.state().column_count())
        };
        kept == Some(WideInsert::Unknown) && attributed.possible().all(is_wide)
    }

    /// What a record means where rows that nobody logged may stand before the
    /// row it points at.
    fn read(
        &mut self,
        attributed: &mut Attributed,
        database: usize,
        name: &str,
        record: &WalRecord,
    ) -> Meaning {
        let (table, index, new) = match &record.operation {
            Operation::Update { table, index, row } => (table, *index, Some(row)),
            Operation::Delete { table, index } => (table, *index, None),
            _ => return Meaning::AsLogged,
        };
        let state = self.overlay.table(database, table).map(|t| t.state());
        let fits = |columns: usize| new.is_none_or(|row| row.arity() == columns);
        let Some(state) = state.filter(|state| fits(state.column_count())) else {
            return Meaning::AsLogged;
        };
        let suspect = attributed.record >= self.unlogged_from || index >= state.row_count();
        if attributed.past_logged || !suspect || self.unlogged_from == usize::MAX {
            return Meaning::AsLogged;
        }
        let finding = Finding::new(Code::UnloggedRows)
            .database(name)
            .table(&**table);
        let finding = finding.sequence(record.sequence);
        let guess = self.request.on_ambiguous == OnAmbiguous::Best
            || attributed.confidence == Confidence::Assigned;
        let (meant, proven) = match self.shifts.meant(name, state, &record.operation) {
            Meant::Unproven(likeliest) if guess => {
                if let (Some(meant), Some(new)) = (likeliest, new) {
                    self.shifts.take(name, state, (index, meant), new);
                }
                let meant = likeliest.map_or(Meant::Unlogged, Meant::Row);
                (meant, false)
            }
            meant => (meant, true),
        };
        let how = match proven {
            true => "is",
            false => "is taken for, without proof,",
        };
        match (meant, new) {
            (Meant::Row(meant), _) if meant == index && proven => Meaning::AsLogged,
            (Meant::Row(meant), _) => {
                attributed.add_evidence("realigned");
                let detail = format!("row index {index} {how} that of the row known as {meant}");
                self.report.add(finding.detail(detail));
                Meaning::Realigned(at_index(&record.operation, meant))
            }
            (Meant::Unlogged, new) => {
                attributed.add_evidence("unlogged-row");
                let detail = format!("row index {index} {how} that of a row that was never logged");
                self.report.add(finding.detail(detail));
                match new {
                    // The new version is all that is known of the row.
                    Some(row) => Meaning::Realigned(Operation::Insert {
                        table: table.clone(),
                        row: row.clone(),
                    }),
                    None => {
                        attributed.no_effect = Some("the row it ended was never logged");
                        Meaning::NoEffect
                    }
                }
            }
            (Meant::Unproven(_), _) => Meaning::Unproven,
        }
    }

    /// Keeps which tables have another form since a record.
    fn note_reshaped(&mut self, record: usize, database: usize, operation: &Operation) {
        if operation.pushed_row().is_some() || operation.ends_version() {
            return;
        }
        let new = match operation {
            Operation::RenameTable { new, .. } => Some(new.as_str()),
            _ => None,
        };
        for table in operation.table().into_iter().chain(new) {
            self.reshaped.insert((database, table.to_owned()), record);
        }
    }

    /// Keeps what a record says of the places of later rows.
    fn note_shifts(
        &mut self,
        attributed: &Attributed,
        database: usize,
        name: &str,
        operation: &Operation,
    ) {
        let table = operation.table().unwrap_or_default();
        match operation {
            Operation::Insert { .. } | Operation::Update { .. } => {
                let Some(table) = self.overlay.table(database, table) else {
                    return;
                };
                if let Operation::Insert { .. } = operation {
                    self.shifts.inserted(name, table.state());
                }
                if attributed.past_logged {
                    self.shifts.none_until(name, table.state());
                }
            }
            Operation::RenameTable { new, .. } => {
                self.shifts.forget(name, table);
                self.shifts.forget(name, new);
            }
            Operation::CreateTable { .. } | Operation::DropTable { .. } => {
                self.shifts.forget(name, table);
            }
            _ => {}
        }
    }

    fn set_aside(&mut self, attributed: &Attributed, record: &WalRecord, finding: Finding) {
        self.report.add(finding);
        let table = record.operation.table().unwrap_or_default();
        let rows_before = || {
            attributed.possible().filter_map(|name| {
                let database = self.overlay.position(name)?;
                let table = self.overlay.table(database, table)?;
                Some((name, table.state().row_count()))
            })
        };
        let last = self.set_aside.last().map(|last| &last.rows_before);
        let same = last.filter(|last| {
            let last = last.iter().map(|(name, count)| (name.as_str(), *count));
            last.eq(rows_before())
        });
        let rows_before = same.cloned().unwrap_or_else(|| {
            let owned = rows_before().map(|(name, count)| (name.to_owned(), count));
            owned.collect()
        });
        self.set_aside.push(SetAside {
            record: attributed.record,
            transaction: self.runs.at(attributed.record).max_xmin,
            rows_before,
            reshaped_in: Vec::new(),
        });
    }

    /// Sets a record aside that may have changed what later ones mean.
    fn aside_and_taint(&mut self, attributed: &Attributed, record: &WalRecord, finding: Finding) {
        self.left_out |= attributed.quarantined;
        self.set_aside(attributed, record, finding);
        self.taint
            .spread(attributed, &record.operation, self.overlay);
    }

    /// The database to apply a record to.
    fn chosen(&self, attributed: &Attributed) -> Option<String> {
        if attributed.quarantined {
            return None;
        }
        if let Some(database) = &attributed.database {
            return Some(database.to_string());
        }
        let best = attributed.best.as_deref().map(str::to_owned);
        let best = best.or_else(|| attributed.possible().next().map(str::to_owned));
        best.filter(|_| {
            self.request.on_ambiguous == OnAmbiguous::Best && !attributed.changes_nothing
        })
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
            false => {
                let shown = names.get(..NAMED_MAX).unwrap_or(&names).join(", ");
                match names.len().saturating_sub(NAMED_MAX) {
                    0 => format!("candidates: {shown}"),
                    more => format!("candidates: {shown} and {more} more"),
                }
            }
        };
        if attributed.changes_nothing {
            let why = match self.report.has(Code::CutUncertain) {
                true => "the snapshot holds such a row already",
                false => "it changes nothing in any database that a file names",
            };
            let finding = Finding::new(code).severity(Severity::Warning);
            return finding.detail(format!("{why}, so it is kept aside; {detail}"));
        }
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
