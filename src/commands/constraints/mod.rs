//! What the content itself promises: keys, foreign keys, sequences, labels and
//! the text of values. Rows that break a promise are content all the same: the
//! server made such rows itself, so these are warnings.

pub(super) mod keys;
mod rows;

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Database, ForeignKey, RowSource, Table};
use crate::report::Report;

use super::Directory;
use super::schema::{databases_by_name, tables_by_name};

use keys::ColumnAt;

/// How many rows of a kind were found, and where the first ones are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    first: Vec<u64>,
}

/// Rows that a finding names.
const ROWS_NAMED: usize = 5;

impl Tally {
    /// Adds a row; the lowest of all are named.
    pub(super) fn add(&mut self, row: u64) {
        self.count = self.count.saturating_add(1);
        let at = self.first.partition_point(|named| *named < row);
        if at < ROWS_NAMED {
            self.first.insert(at, row);
            self.first.truncate(ROWS_NAMED);
        }
    }

    /// Adds those of rows that follow the first `before` ones.
    pub(super) fn append(&mut self, later: &Tally, before: u64) {
        self.count = self.count.saturating_add(later.count);
        let room = ROWS_NAMED.saturating_sub(self.first.len());
        let named = later.first.iter().take(room);
        self.first
            .extend(named.map(|row| before.saturating_add(*row)));
    }

    /// `3 rows ...: row versions 1, 5, 9`: never a value of one.
    pub(super) fn text(&self, what: &str) -> String {
        let first: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let more = match u64::try_from(self.first.len()) {
            Ok(named) if named < self.count => ", ...",
            _ => "",
        };
        format!(
            "{} rows {what}: row versions {}{more}, counted from 0",
            self.count,
            first.join(", ")
        )
    }
}

/// Checks every table; several passes over its rows, none of them kept.
///
/// # Errors
/// When rows cannot be read.
pub fn check(directory: &Directory, report: &mut Report) -> Result<()> {
    for (d, database) in databases_by_name(directory.catalog()) {
        for (t, table) in tables_by_name(database) {
            let mut check = TableCheck {
                directory,
                database,
                table,
                at: (d, t),
                report,
            };
            check.rows()?;
            check.keys()?;
            check.foreign_keys()?;
        }
    }
    Ok(())
}

/// Checks the keys of some tables only, given by their names.
///
/// # Errors
/// When rows cannot be read.
pub fn check_keys(
    directory: &Directory,
    tables: &BTreeSet<String>,
    report: &mut Report,
) -> Result<()> {
    for (d, database) in databases_by_name(directory.catalog()) {
        for (t, table) in tables_by_name(database) {
            if !tables.contains(&table.name) {
                continue;
            }
            let mut check = TableCheck {
                directory,
                database,
                table,
                at: (d, t),
                report,
            };
            check.keys()?;
        }
    }
    Ok(())
}

struct TableCheck<'c> {
    directory: &'c Directory,
    database: &'c Database,
    table: &'c Table,
    at: (usize, usize),
    report: &'c mut Report,
}

impl TableCheck<'_> {
    fn add(&mut self, code: Code, detail: String) {
        self.report.add(
            Finding::new(code)
                .database(&self.database.name)
                .table(&self.table.name)
                .detail(detail),
        );
    }

    /// Sequences, labels, texts: one pass.
    fn rows(&mut self) -> Result<()> {
        let checks = rows::check(self.directory, self.at, self.database, self.table)?;
        for (column, check) in self.table.columns.iter().zip(checks) {
            let name = &column.name;
            let next_behind = check
                .sequence_behind
                .filter(|_| !self.is_named_behind(name));
            if let Some((next, highest)) = next_behind {
                self.add(
                    Code::SequenceBehind,
                    format!(
                        "column {name:?}: found next value {next}, expected more than {highest}"
                    ),
                );
            }
            if check.bad_labels.count > 0 {
                let text = check.bad_labels.text("hold no label of their type");
                self.add(Code::BadEnumLabel, format!("column {name:?}: {text}"));
            }
            if check.bad_texts.count > 0 {
                let text = check.bad_texts.text("are not written as their type is");
                self.add(Code::BadValueText, format!("column {name:?}: {text}"));
            }
        }
        Ok(())
    }

    /// Whether the sequence was found behind already, when its cause was.
    fn is_named_behind(&self, column: &str) -> bool {
        let column = format!("column {column:?}: ");
        self.report.findings().iter().any(|finding| {
            finding.code == Code::SequenceBehind
                && finding.database.as_deref() == Some(&self.database.name)
                && finding.table.as_deref() == Some(&self.table.name)
                && finding
                    .detail
                    .as_ref()
                    .is_some_and(|d| d.starts_with(&column))
        })
    }

    fn keys(&mut self) -> Result<()> {
        for (index, column) in self.table.columns.iter().enumerate() {
            if !column.is_key() {
                continue;
            }
            let kind = match column.primary_key {
                true => "PRIMARY KEY",
                false => "UNIQUE",
            };
            let repeated = keys::repeated(self.directory, self.column(index))?;
            if repeated.count > 0 {
                let text = repeated.text("share their value with another");
                self.add(
                    Code::DuplicateKey,
                    format!("{kind} {:?}: {text}", column.name),
                );
            }
        }
        Ok(())
    }

    fn foreign_keys(&mut self) -> Result<()> {
        for (index, column) in self.table.columns.iter().enumerate() {
            let Some(key) = &column.foreign_key else {
                continue;
            };
            let missing = match self.referenced(key) {
                Some(referenced) => keys::missing(self.directory, self.column(index), referenced)?,
                None if self.directory.row_count(self.at.0, self.at.1) == 0 => continue,
                None => {
                    let detail = format!(
                        "column {:?} refers to {:?}.{:?}, which does not exist",
                        column.name, key.table, key.column
                    );
                    self.add(Code::ForeignKeyMissing, detail);
                    continue;
                }
            };
            if missing.count > 0 {
                let what = format!("refer to no row of {:?}", key.table);
                let text = missing.text(&what);
                self.add(
                    Code::ForeignKeyMissing,
                    format!("column {:?}: {text}", column.name),
                );
            }
        }
        Ok(())
    }

    fn column(&self, column: usize) -> ColumnAt<'static> {
        ColumnAt {
            table: self.at,
            column,
            key: &keys::stored_key,
        }
    }

    fn referenced(&self, key: &ForeignKey) -> Option<ColumnAt<'static>> {
        let table = self.database.table_index(&key.table)?;
        let column = self.database.tables.get(table)?.column_index(&key.column)?;
        Some(ColumnAt {
            table: (self.at.0, table),
            column,
            key: &keys::stored_key,
        })
    }
}
