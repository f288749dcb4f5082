//! What the content itself promises: keys, foreign keys, sequences, labels and
//! the text of values. Rows that break a promise are content all the same: the
//! server made such rows itself, so these are warnings.

pub(super) mod keys;
mod rising;
mod rows;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Database, ForeignKey, RowSource, Table};
use crate::report::Report;

use super::Directory;
use super::schema::{databases_by_name, tables_by_name};

use keys::ColumnAt;

pub(super) use rising::Rising;
pub(super) use tally::Tally;

/// Checks every table; several passes over its rows, none of them kept.
///
/// # Errors
/// When rows cannot be read.
pub fn check(directory: &Directory, report: &mut Report) -> Result<()> {
    let behind = known_behind(report);
    for (d, database) in databases_by_name(directory.catalog()) {
        let mut missing = References::of(database, d).missing(directory)?;
        let labels = rows::Labels::of(database);
        for (t, table) in tables_by_name(database) {
            let mut check = TableCheck {
                directory,
                database,
                table,
                at: (d, t),
                report,
            };
            let rise = check.rows(&labels, &behind)?;
            check.keys(Some(rise))?;
            check.foreign_keys(missing.remove(&t).unwrap_or_default());
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
            check.keys(None)?;
        }
    }
    Ok(())
}

/// Sequences that were found behind already, when their cause was: database, table
/// and detail.
type Behind = BTreeSet<(String, String, String)>;

fn known_behind(report: &Report) -> Behind {
    let findings = report.findings().iter();
    let behind = findings.filter(|finding| finding.code == Code::SequenceBehind);
    let named = behind.filter_map(|finding| {
        let (database, table) = (finding.database.clone()?, finding.table.clone()?);
        Some((database, table, finding.detail.clone()?))
    });
    named.collect()
}

/// The foreign keys of a database.
struct References<'c> {
    /// Those that lead to a column that is there.
    found: Vec<keys::Reference<'static>>,
    /// For each foreign key its table and column, and its place in `found`.
    all: Vec<(usize, &'c ForeignKey, usize, Option<usize>)>,
}

/// A foreign key, the position of its column, and the rows that refer to nothing;
/// `None` where what they would refer to does not exist.
type Missing<'c> = (&'c ForeignKey, usize, Option<Tally>);

impl<'c> References<'c> {
    fn of(database: &'c Database, d: usize) -> Self {
        let mut tables: BTreeMap<&str, usize> = BTreeMap::new();
        for (t, table) in database.tables.iter().enumerate() {
            tables.entry(&table.name).or_insert(t);
        }
        // The columns of the tables that are referred to.
        let mut columns: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
        let (mut found, mut all) = (Vec::new(), Vec::new());
        for (t, table) in database.tables.iter().enumerate() {
            for (position, column) in table.columns.iter().enumerate() {
                let Some(key) = &column.foreign_key else {
                    continue;
                };
                let referenced = tables.get(&*key.table).and_then(|to| {
                    let known = columns.entry(*to).or_insert_with(|| {
                        let table = database.tables.get(*to);
                        let columns = table.map_or(&[][..], |table| &table.columns);
                        // Of two columns of one name the first counts.
                        let columns = columns.iter().enumerate().rev();
                        columns.map(|(at, one)| (&*one.name, at)).collect()
                    });
                    Some(column_at((d, *to), *known.get(&*key.column)?))
                });
                let place = referenced.map(|referenced| {
                    found.push((column_at((d, t), position), referenced));
                    found.len().saturating_sub(1)
                });
                all.push((t, key, position, place));
            }
        }
        References { found, all }
    }

    /// By table, in the order of columns.
    fn missing(self, directory: &Directory) -> Result<BTreeMap<usize, Vec<Missing<'c>>>> {
        let tallies = keys::missing_in(directory, &self.found)?;
        let mut missing: BTreeMap<usize, Vec<Missing<'c>>> = BTreeMap::new();
        for (table, key, position, place) in self.all {
            let tally = place.and_then(|place| tallies.get(place).cloned());
            missing
                .entry(table)
                .or_default()
                .push((key, position, tally));
        }
        Ok(missing)
    }
}

fn column_at(table: (usize, usize), column: usize) -> ColumnAt<'static> {
    ColumnAt {
        table,
        column,
        key: &keys::stored_key,
    }
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

    /// Sequences, labels, texts: one pass, which tells of each key whether it rises.
    fn rows(&mut self, labels: &rows::Labels<'_>, behind: &Behind) -> Result<Vec<bool>> {
        let source = (self.directory as &dyn RowSource, self.directory.threads());
        let checks = rows::check(source, self.at, labels, self.table)?;
        let mut rise = Vec::new();
        for (column, check) in self.table.columns.iter().zip(checks) {
            if column.is_key() {
                rise.push(!check.keys.fell());
            }
            let name = &column.name;
            let next_behind = check
                .sequence_behind
                .filter(|_| !self.is_named_behind(name, behind));
            if let Some((next, highest)) = next_behind {
                self.add(
                    Code::SequenceBehind,
                    format!(
                        "column {name:?}: found next value {next}, expected more than {highest}"
                    ),
                );
            }
            if check.bad_labels.count > 0 {
                let text = check.bad_labels.text("holding no label of the type");
                self.add(Code::BadEnumLabel, format!("column {name:?}: {text}"));
            }
            if check.bad_texts.count > 0 {
                let text = check.bad_texts.text("not written as the type is");
                self.add(Code::BadValueText, format!("column {name:?}: {text}"));
            }
        }
        Ok(rise)
    }

    /// Whether the sequence was found behind already, when its cause was.
    fn is_named_behind(&self, column: &str, behind: &Behind) -> bool {
        let column = format!("column {column:?}: ");
        let (database, table) = (self.database.name.clone(), self.table.name.clone());
        let from = (database, table, column);
        let next = behind.range(&from..).next();
        next.is_some_and(|(database, table, detail)| {
            *database == from.0 && *table == from.1 && detail.starts_with(&from.2)
        })
    }

    /// Keys that stand twice; `rise` says of which that is known not to be.
    fn keys(&mut self, rise: Option<Vec<bool>>) -> Result<()> {
        let columns = self.table.columns.iter().enumerate();
        let keys = columns.filter(|(_, column)| column.is_key());
        let (at, keys): (Vec<_>, Vec<_>) = keys
            .map(|(position, column)| (column_at(self.at, position), column))
            .unzip();
        let repeated = match rise {
            Some(rise) => keys::repeated_but(self.directory, &at, &rise)?,
            None => keys::repeated_in(self.directory, &at)?,
        };
        for (column, repeated) in keys.into_iter().zip(repeated) {
            let kind = match column.primary_key {
                true => "PRIMARY KEY",
                false => "UNIQUE",
            };
            if repeated.count > 0 {
                let text = repeated.text("sharing their value with another");
                self.add(
                    Code::DuplicateKey,
                    format!("{kind} {:?}: {text}", column.name),
                );
            }
        }
        Ok(())
    }

    fn foreign_keys(&mut self, missing: Vec<Missing<'_>>) {
        for (key, position, missing) in missing {
            let column = self.table.columns.get(position);
            let name = column.map_or("", |column| &column.name);
            let detail = match missing {
                None if self.directory.row_count(self.at.0, self.at.1) == 0 => continue,
                None => format!(
                    "column {name:?} refers to {:?}.{:?}, which does not exist",
                    key.table, key.column
                ),
                Some(missing) if missing.count > 0 => {
                    let what = format!("referring to no row of {:?}", key.table);
                    format!("column {name:?}: {}", missing.text(&what))
                }
                Some(_) => continue,
            };
            self.add(Code::ForeignKeyMissing, detail);
        }
    }
}
