//! `dump`: which tables, and their rows one after the other.

use crate::error::{Error, Result};
use crate::model::{Catalog, Database, RowBatch, RowSource, Table};

use super::nearest;
use super::schema::{databases_by_name, tables_by_name};

/// Which tables to show; without names, all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Databases, by exact name.
    pub databases: Vec<String>,
    /// Tables, by exact name: `table` in every database, or `database.table`.
    pub tables: Vec<String>,
}

/// One table chosen.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'c> {
    /// Its database.
    pub database: &'c Database,
    /// Itself.
    pub table: &'c Table,
    /// Their positions in the catalog.
    pub at: (usize, usize),
}

/// Receives the rows of the chosen tables.
pub trait RowSink<E> {
    /// Before the rows of a table, also of an empty one.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn table(&mut self, chosen: &Chosen<'_>) -> std::result::Result<(), E>;

    /// Some rows of the table, in stored order, dead ones included.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn rows(&mut self, batch: &RowBatch<'_>) -> std::result::Result<(), E>;
}

impl Selection {
    /// The tables chosen, databases and tables in name order.
    ///
    /// # Errors
    /// `Usage` when a name is there for no database or table, with the nearest
    /// that is.
    pub fn choose<'c>(&self, catalog: &'c Catalog) -> Result<Vec<Chosen<'c>>> {
        self.check(catalog)?;
        let mut chosen = Vec::new();
        for (d, database) in databases_by_name(catalog) {
            if !self.databases.is_empty() && !self.databases.contains(&database.name) {
                continue;
            }
            for (t, table) in tables_by_name(database) {
                if self.wants(&database.name, &table.name) {
                    chosen.push(Chosen {
                        database,
                        table,
                        at: (d, t),
                    });
                }
            }
        }
        if chosen.is_empty() && !self.tables.is_empty() {
            return Err(Error::Usage(format!(
                "found no table {} in the chosen databases",
                self.tables.join(", ")
            )));
        }
        Ok(chosen)
    }

    /// Whether a database's schema is wanted as a whole.
    pub fn wants_database(&self, database: &str) -> bool {
        self.tables.is_empty()
            && (self.databases.is_empty() || self.databases.iter().any(|name| name == database))
    }

    /// Whether everything is wanted, accounts included.
    pub fn wants_all(&self) -> bool {
        self.tables.is_empty() && self.databases.is_empty()
    }

    fn wants(&self, database: &str, table: &str) -> bool {
        self.tables.is_empty()
            || self
                .tables
                .iter()
                .any(|name| name == table || is_qualified(name, database, table))
    }

    fn check(&self, catalog: &Catalog) -> Result<()> {
        let databases: Vec<&str> = catalog.databases.iter().map(|d| d.name.as_str()).collect();
        for name in &self.databases {
            if !databases.contains(&name.as_str()) {
                return Err(unknown("database", name, databases));
            }
        }
        for name in &self.tables {
            let known = catalog.databases.iter().any(|database| {
                let mut tables = database.tables.iter();
                tables.any(|t| *name == t.name || is_qualified(name, &database.name, &t.name))
            });
            if !known {
                let tables = catalog.databases.iter().flat_map(|d| &d.tables);
                return Err(unknown("table", name, tables.map(|t| t.name.as_str())));
            }
        }
        Ok(())
    }
}

fn is_qualified(name: &str, database: &str, table: &str) -> bool {
    let rest = name
        .strip_prefix(database)
        .and_then(|r| r.strip_prefix('.'));
    rest == Some(table)
}

fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Error {
    Error::Usage(format!(
        "found no {what} {name:?}{}",
        nearest::hint(name, known)
    ))
}

/// Streams the chosen tables into a sink, one after the other.
///
/// # Errors
/// When rows cannot be read, or the sink fails.
pub fn dump<E: From<Error>>(
    rows: &dyn RowSource,
    chosen: &[Chosen<'_>],
    sink: &mut dyn RowSink<E>,
) -> std::result::Result<(), E> {
    for one in chosen {
        sink.table(one)?;
        let mut stream = rows.open_rows(one.at.0, one.at.1)?;
        while let Some(batch) = stream.next_batch()? {
            sink.rows(&batch)?;
        }
    }
    Ok(())
}
