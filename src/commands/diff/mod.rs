//! `diff`: what two directories hold differently, whatever their kinds.
//!
//! Hashes of tables are compared first; only tables that differ are read again.

mod rows;
mod schema;

use crate::error::Result;
use crate::file::Phase;
use crate::model::{Database, RowSource, Table, TableAt, TablesByName};

use super::Directory;
use super::content::{Content, hash_content};

pub use rows::{DiffOptions, Example, RowDiff};
pub use schema::Difference;

/// A table whose rows differ.
#[derive(Debug, Clone)]
pub struct TableDiff {
    /// The database that it belongs to, on both sides.
    pub database: String,
    /// Its schema in A, or in B where A has no such table.
    pub table: Table,
    /// What differs.
    pub rows: RowDiff,
}

/// What two directories hold differently.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// Everything but rows, in the order of databases, tables and names.
    pub differences: Vec<Difference>,
    /// Tables whose rows differ, in name order.
    pub tables: Vec<TableDiff>,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && self.tables.is_empty()
    }
}

/// Compares two directories.
///
/// # Errors
/// When rows of either cannot be read.
pub fn diff(a: &Directory, b: &Directory, options: &DiffOptions) -> Result<Diff> {
    a.begin(Phase::Checking);
    let in_a = hash_content(a.catalog(), a, a.threads())?;
    b.begin(Phase::Checking);
    let hashes = (in_a, hash_content(b.catalog(), b, b.threads())?);
    let (of_a, of_b) = (
        TablesByName::new(a.catalog()),
        TablesByName::new(b.catalog()),
    );
    let mut diff = Diff {
        differences: schema::differences(a.catalog(), b.catalog()),
        tables: Vec::new(),
    };
    for (left, right) in schema::pairs(&a.catalog().databases, &b.catalog().databases, name_of) {
        let tables = schema::pairs(tables_of(left), tables_of(right), table_name_of);
        for (in_a, in_b) in tables {
            let Some((database, table)) = first(left, right).zip(first(in_a, in_b)) else {
                continue;
            };
            let differ = hash_of(&hashes.0, database, table, options)
                != hash_of(&hashes.1, database, table, options);
            if !differ {
                continue;
            }
            let sides = (side((a, &of_a), left, in_a), side((b, &of_b), right, in_b));
            let rows = rows::diff_rows(sides.0, sides.1, options)?;
            if rows.only_in_a + rows.only_in_b > 0 {
                diff.tables.push(TableDiff {
                    database: database.name.clone(),
                    table: table.clone(),
                    rows,
                });
            }
        }
    }
    Ok(diff)
}

fn name_of(database: &Database) -> &str {
    &database.name
}

fn table_name_of(table: &Table) -> &str {
    &table.name
}

fn tables_of(database: Option<&Database>) -> &[Table] {
    database.map_or(&[], |database| &database.tables)
}

fn first<'t, T>(a: Option<&'t T>, b: Option<&'t T>) -> Option<&'t T> {
    a.or(b)
}

fn hash_of(
    content: &Content,
    database: &Database,
    table: &Table,
    options: &DiffOptions,
) -> Option<crate::codec::ContentHash> {
    let found = content.table(&database.name, &table.name)?;
    Some(match options.versions {
        true => found.versions_hash,
        false => found.hash,
    })
}

/// The rows of one side's table, if it has the table.
fn side<'s>(
    (directory, tables): (&'s Directory, &TablesByName<'_>),
    database: Option<&Database>,
    table: Option<&Table>,
) -> Option<rows::TableRows<'s>> {
    let databases = &directory.catalog().databases;
    let name = &database?.name;
    let of_database =
        |at: &&TableAt<'_>| databases.get(at.database).map(|own| &own.name) == Some(name);
    let found = tables.named(&table?.name).iter().find(of_database)?;
    let rows: &dyn RowSource = directory;
    Some(rows::TableRows {
        rows,
        at: (found.database, found.table),
    })
}
