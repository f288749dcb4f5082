//! Quarantined records of an earlier upgrade, taken up again by decision.
//!
//! Row indexes of the log count every pushed version. So a record that is taken
//! up goes to the place where it would have been: behind the versions that were
//! applied before it and those taken up before it. Then the indexes of later
//! records mean again what the server meant. Where versions of its table are no
//! longer those that it counts, a new row goes to the end, and a record that
//! means a row by its index is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::RowBuffer;
use crate::commands::decided::DecidableNames;
use crate::commands::{Backend, Directory};
use crate::engine::ATTRIBUTION_NAME;
use crate::error::{Error, Result};
use crate::finding::{Code, Finding, counted};
use crate::legacy::{Family, narrowed};
use crate::model::{
    Catalog, Operation, PackedRow, RowBatch, RowPart, RowRef, RowSource, RowStream,
};
use crate::recovery::attribution::Decision;
use crate::recovery::{Decisions, advance_sequences};
use crate::report::Report;

use super::quarantine::{self, Quarantined};

/// A directory with the records of its quarantine that the user decided about.
pub(super) struct TakenUp<'d> {
    directory: &'d Directory,
    /// Its catalog, sequences advanced.
    pub catalog: Catalog,
    tables: BTreeMap<(usize, usize), TakenRows>,
    /// Records that stay in quarantine.
    pub left: Vec<Quarantined>,
}

/// What records that were taken up do to a table.
#[derive(Debug, Clone, Default)]
struct TakenRows {
    /// Row versions with the index at which they stand in the end.
    pushed: Vec<(u64, PackedRow)>,
    /// Versions that end, by index in the end.
    dead: BTreeMap<u64, u64>,
}

impl<'d> TakenUp<'d> {
    /// Applies what the user decided about the directory's quarantine, which
    /// may be absent.
    ///
    /// # Errors
    /// `NeedsDecision` when a decision cannot be carried out as it stands;
    /// damage when the quarantine is no such file.
    pub fn new(
        directory: &'d Directory,
        decisions: &Decisions,
        report: &mut Report,
    ) -> Result<Self> {
        let mut taken = TakenUp {
            directory,
            catalog: directory.catalog().clone(),
            tables: BTreeMap::new(),
            left: Vec::new(),
        };
        let mut records = quarantine::read(directory, report)?;
        if let Backend::Ours(_) = directory.backend() {
            quarantine::beside(directory, ATTRIBUTION_NAME, report)?;
        }
        records.sort_by_key(|record| record.sequence);
        let mut tables: BTreeSet<&str> =
            records.iter().filter_map(|r| r.table.as_deref()).collect();
        if let Backend::Legacy { legacy, .. } = directory.backend() {
            tables.extend(DecidableNames::tables_of(legacy));
        }
        let databases = &directory.catalog().databases;
        let names = DecidableNames {
            tables,
            databases: databases.iter().map(|d| d.name.as_str()).collect(),
            // What is wrong about it is said of the first record that is decided.
            open: true,
            beside: false,
        };
        // A legacy directory has held them against its own names already.
        let resolved = match (directory.backend(), records.is_empty()) {
            (Backend::Legacy { .. }, true) => decisions.clone(),
            _ => names.resolve(decisions)?,
        };
        let decisions = &resolved;
        let mut open: BTreeSet<String> = BTreeSet::new();
        for record in records {
            let table = record.table.clone().unwrap_or_default();
            match decisions.of(record.sequence, &table) {
                Some(Decision::Database(database)) => {
                    if open.contains(&table) {
                        return Err(refused(
                            &record,
                            "an earlier record of its table is undecided",
                        ));
                    }
                    let database = database.clone();
                    taken.record(&record, &database, report)?;
                }
                _ => {
                    open.insert(table);
                    taken.leave(record);
                }
            }
        }
        Ok(taken)
    }

    /// Keeps a record aside; rows taken up before it stand before it.
    fn leave(&mut self, mut record: Quarantined) {
        let table = record.table.clone().unwrap_or_default();
        for (database, before) in &mut record.rows_before {
            let at = self.position(database, &table);
            let pushed = at
                .and_then(|at| self.tables.get(&at))
                .map_or(0, |c| c.pushed.len());
            *before = before.map(|before| before.saturating_add(pushed as u64));
        }
        self.left.push(record);
    }

    fn position(&self, database: &str, table: &str) -> Option<(usize, usize)> {
        let index = self.catalog.database_index(database)?;
        Some((
            index,
            self.catalog.databases.get(index)?.table_index(table)?,
        ))
    }

    fn record(&mut self, record: &Quarantined, database: &str, report: &mut Report) -> Result<()> {
        let operation = record.operation(self.directory.path())?;
        let name = operation.table().unwrap_or_default().to_owned();
        let finding = |code: Code| {
            Finding::new(code)
                .database(database)
                .table(&name)
                .sequence(record.sequence)
        };
        let Some(place) = record.rows_before.get(database) else {
            let why = format!("{database} had no such table then, or it has another form since");
            return Err(refused_with(record, &why, &again(database, &name)));
        };
        let Some(at) = self.position(database, &name) else {
            return Err(refused(
                record,
                "the database it is assigned to has no such table",
            ));
        };
        let changes = self.tables.entry(at).or_default();
        let index = place.map(|before| before.saturating_add(changes.pushed.len() as u64));
        let databases = self.catalog.databases.get_mut(at.0);
        let Some(table) = databases.and_then(|database| database.tables.get_mut(at.1)) else {
            return Ok(());
        };
        match operation {
            Operation::Insert { row, .. } => {
                // Who decided that it stands says so of its first values (format page,
                // "Server rules", 6).
                let columns = table.columns.len();
                let is_wide = row.arity() > columns && record.family != Family::V1_3.to_string();
                let row = match is_wide {
                    true => {
                        let values = counted(row.arity(), "value");
                        report.add(finding(Code::ExtraValues).detail(values));
                        narrowed(row, columns)
                    }
                    false => row,
                };
                if row.arity() != table.columns.len() {
                    report.add(finding(Code::FailedStatement));
                    return Ok(());
                }
                advance_sequences(table, &row);
                // Where no place is known, behind all others.
                changes.pushed.push((index.unwrap_or(u64::MAX), row));
            }
            Operation::Update {
                index: old, row, ..
            } => {
                let index = index.ok_or_else(|| shifted(record, database, &name))?;
                if old >= index || row.arity() != table.columns.len() {
                    return Err(refused(
                        record,
                        "its row index is past the end of the table",
                    ));
                }
                changes.dead.insert(old, row.xmin);
                changes.pushed.push((index, row));
            }
            Operation::Delete { index: old, .. } => {
                let index = index.ok_or_else(|| shifted(record, database, &name))?;
                if old >= index {
                    return Err(refused(
                        record,
                        "its row index is past the end of the table",
                    ));
                }
                changes.dead.insert(old, record.transaction);
            }
            _ => {
                return Err(refused(
                    record,
                    "it changes a schema; upgrade again from the legacy directory",
                ));
            }
        }
        report.add(finding(Code::TakenUp));
        Ok(())
    }

    /// Visible row versions of a table.
    ///
    /// # Errors
    /// When its rows cannot be read.
    pub fn live_count(&self, database: usize, table: usize) -> Result<u64> {
        if !self.tables.contains_key(&(database, table)) {
            return self.directory.live_count(database, table);
        }
        let mut live = 0;
        let mut rows = self.open_rows(database, table)?;
        while let Some(batch) = rows.next_batch()? {
            live += batch.rows().filter(|row| row.is_visible()).count() as u64;
        }
        Ok(live)
    }
}

fn refused(record: &Quarantined, why: &str) -> Error {
    refused_with(record, why, Code::AssignmentContradicted.remedy())
}

/// A row is meant by its index, and the indexes of its table are others now.
fn shifted(record: &Quarantined, database: &str, table: &str) -> Error {
    let why = format!(
        "row versions of {table} were removed or changed since, so the row that it means is not known"
    );
    refused_with(record, &why, &again(database, table))
}

/// What can be done where the legacy directory alone tells what a record means.
fn again(database: &str, table: &str) -> String {
    format!(
        "Upgrade again from the directory that the server left: `rustdb-migrate upgrade LEGACY NEW --assign {table}={database}`."
    )
}

fn refused_with(record: &Quarantined, why: &str, remedy: &str) -> Error {
    Error::NeedsDecision(format!(
        "{}: record {} cannot be taken up: {why}\n{remedy}",
        Code::AssignmentContradicted,
        record.sequence,
    ))
}

impl RowSource for TakenUp<'_> {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        let pushed = self
            .tables
            .get(&(database, table))
            .map_or(0, |c| c.pushed.len());
        self.directory
            .row_count(database, table)
            .saturating_add(pushed as u64)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.directory.open_rows(database, table)?;
        match self.tables.get(&(database, table)) {
            None => Ok(rows),
            Some(changes) => Ok(Box::new(Merged {
                rows,
                dead: &changes.dead,
                pushed: changes.pushed.iter().peekable(),
                index: 0,
                merged: RowBuffer::default(),
            })),
        }
    }

    // Rows that were taken up stand between others: such a table is one part.
    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        match self.tables.contains_key(&(database, table)) {
            true => Ok(vec![RowPart::ALL]),
            false => self.directory.parts(database, table),
        }
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        match self.tables.contains_key(&(database, table)) {
            true => self.open_rows(database, table),
            false => self.directory.open_part(database, table, part),
        }
    }

    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        match self.tables.contains_key(&(database, table)) {
            // Nothing is stored of what a table will be.
            true => Ok(()),
            false => self.directory.check_total(database, table, rows, live),
        }
    }
}

/// Stored rows with those taken up at their places.
struct Merged<'s> {
    rows: Box<dyn RowStream + 's>,
    dead: &'s BTreeMap<u64, u64>,
    pushed: std::iter::Peekable<std::slice::Iter<'s, (u64, PackedRow)>>,
    index: u64,
    merged: RowBuffer,
}

impl RowStream for Merged<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let stored = self.rows.next_batch()?;
        let ended = stored.is_none();
        let mut stored = stored.iter().flat_map(RowBatch::rows);
        self.merged.clear();
        loop {
            let index = self.index;
            let xmax = self.dead.get(&index).copied();
            let pushed = self.pushed.next_if(|(at, _)| ended || *at <= index);
            let row = pushed.map(|(_, row)| row.as_row());
            let Some(row) = row.or_else(|| stored.next()) else {
                break;
            };
            self.merged.push_row(&RowRef {
                xmax: xmax.or(row.xmax),
                ..row
            });
            self.index += 1;
        }
        Ok((!self.merged.is_empty()).then(|| self.merged.batch()))
    }
}
