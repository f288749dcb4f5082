//! `dump`: which tables, and their rows one after the other.

use std::collections::BTreeSet;

use crate::error::{Damage, Error, Result};
use crate::finding::Finding;
use crate::model::{Catalog, Database, RowBatch, RowPart, RowSource, RowStream, Table};
use crate::work::{Threads, in_order};

use super::name_pattern::{is_chosen, matches};
use super::nearest;
use super::schema::{databases_by_name, tables_by_name};

/// Which tables to show; without names, all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Databases, by name or pattern.
    pub databases: Vec<String>,
    /// Tables, by name or pattern: `table` in every database, or
    /// `database.table`.
    pub tables: Vec<String>,
}

/// One table chosen.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'c> {
    /// The database that the table belongs to.
    pub database: &'c Database,
    /// Itself.
    pub table: &'c Table,
    /// Their positions in the catalog.
    pub at: (usize, usize),
}

impl Selection {
    /// The tables chosen, databases and tables in name order.
    ///
    /// # Errors
    /// `Usage` when a name is there for no database or table, with the nearest
    /// that is.
    pub fn choose<'c>(&self, catalog: &'c Catalog) -> Result<Vec<Chosen<'c>>> {
        let known = table_names(catalog).collect();
        self.check(catalog, &known)?;
        let mut chosen = Vec::new();
        for (d, database) in databases_by_name(catalog) {
            if !self.wants_name(&database.name) {
                continue;
            }
            for (t, table) in tables_by_name(database) {
                if self.wants(&known, &database.name, &table.name) {
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
        self.tables.is_empty() && self.wants_name(database)
    }

    fn wants_name(&self, database: &str) -> bool {
        let mut names = self.databases.iter();
        self.databases.is_empty() || names.any(|name| matches(name, database))
    }

    /// Whether everything is wanted, accounts included.
    pub fn wants_all(&self) -> bool {
        self.tables.is_empty() && self.databases.is_empty()
    }

    fn wants(&self, known: &BTreeSet<&str>, database: &str, table: &str) -> bool {
        let mut names = self.tables.iter();
        self.tables.is_empty() || names.any(|name| is_chosen_table(name, known, database, table))
    }

    fn check(&self, catalog: &Catalog, all: &BTreeSet<&str>) -> Result<()> {
        for name in &self.databases {
            if !database_names(catalog).any(|one| matches(name, one)) {
                return Err(unknown("database", name, database_names(catalog)));
            }
        }
        for name in &self.tables {
            let known = catalog.databases.iter().any(|database| {
                let mut tables = database.tables.iter();
                tables.any(|table| is_chosen_table(name, all, &database.name, &table.name))
            });
            if !known {
                return Err(unknown("table", name, table_names(catalog)));
            }
        }
        Ok(())
    }
}

fn database_names(catalog: &Catalog) -> impl Iterator<Item = &str> {
    catalog
        .databases
        .iter()
        .map(|database| database.name.as_str())
}

/// Whether a name or pattern stands for a table, by itself or after its
/// database and a dot.
fn is_chosen_table(name: &str, known: &BTreeSet<&str>, database: &str, table: &str) -> bool {
    let qualified = format!("{database}.{table}");
    name == qualified || is_chosen(name, table, known) || matches(name, &qualified)
}

fn table_names(catalog: &Catalog) -> impl Iterator<Item = &str> {
    let tables = catalog.databases.iter().flat_map(|d| &d.tables);
    tables.map(|table| table.name.as_str())
}

fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Error {
    Error::Usage(format!(
        "found no {what} {name:?}{}",
        nearest::hint(name, known)
    ))
}

/// What rows become on their way to a [`RowSink`].
pub trait Rendered: Default + Send {
    /// Forgets the rows.
    fn clear(&mut self);
}

impl Rendered for Vec<u8> {
    fn clear(&mut self) {
        self.clear();
    }
}

/// Receives the rendered rows of the chosen tables.
pub trait RowSink<R, E> {
    /// Before the rows of a table, also of an empty one.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn table(&mut self, chosen: &Chosen<'_>) -> std::result::Result<(), E>;

    /// Some rows, in stored order.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn rows(&mut self, rendered: &mut R) -> std::result::Result<(), E>;

    /// The rows of the table end here, and the others cannot be read. Whoever
    /// takes it is handed the next table.
    ///
    /// # Errors
    /// The damage itself where no other table is wanted then.
    fn damaged(&mut self, chosen: &Chosen<'_>, damage: Damage) -> std::result::Result<(), E>
    where
        E: From<Error>,
    {
        let _ = chosen;
        Err(Error::from(damage).into())
    }
}

/// A table that cannot be read to its last row.
#[derive(Debug, Clone)]
pub struct DamagedTable {
    /// Its database, and itself.
    pub names: (String, String),
    /// Where reading ended.
    pub damage: Damage,
}

impl DamagedTable {
    /// What is wrong with a table.
    pub fn new(chosen: &Chosen<'_>, damage: Damage) -> Self {
        let names = (chosen.database.name.clone(), chosen.table.name.clone());
        DamagedTable { names, damage }
    }

    /// The finding for it.
    pub fn finding(&self) -> Finding {
        let (database, table) = &self.names;
        Finding::from(&self.damage).database(database).table(table)
    }
}

/// Reads the chosen tables, and tells those that are whole from the others.
///
/// # Errors
/// When rows cannot be read for another reason than damage.
pub fn whole_tables<'c>(
    source: (&dyn RowSource, Threads),
    chosen: &[Chosen<'c>],
) -> Result<(Vec<Chosen<'c>>, Vec<DamagedTable>)> {
    let mut probe = Probe::default();
    dump_rows(source, chosen, |_, _, _: &mut Vec<u8>| {}, &mut probe)?;
    let whole = chosen.iter().filter(|one| !probe.at.contains(&one.at));
    Ok((whole.copied().collect(), probe.damaged))
}

#[derive(Default)]
struct Probe {
    at: BTreeSet<(usize, usize)>,
    damaged: Vec<DamagedTable>,
}

impl RowSink<Vec<u8>, Error> for Probe {
    fn table(&mut self, _: &Chosen<'_>) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn damaged(&mut self, chosen: &Chosen<'_>, damage: Damage) -> Result<()> {
        self.at.insert(chosen.at);
        self.damaged.push(DamagedTable::new(chosen, damage));
        Ok(())
    }
}

/// Streams the rows of the chosen tables into a sink. `render` makes what the sink
/// takes, on several threads, of the rows of a table by its position among those
/// chosen. Damage ends it, unless the sink takes it and goes on with the next table.
///
/// # Errors
/// When rows cannot be read, or the sink fails.
pub fn dump_rows<R: Rendered, E: From<Error> + Send>(
    (rows, threads): (&dyn RowSource, Threads),
    chosen: &[Chosen<'_>],
    render: impl Fn(usize, &RowBatch<'_>, &mut R) + Sync,
    sink: &mut dyn RowSink<R, E>,
) -> std::result::Result<(), E> {
    let parts = parts(rows, chosen)?;
    let part_of = |job: usize| {
        let (table, part) = parts.get(job)?;
        Some((*table, chosen.get(*table)?, part))
    };
    let read_part = |job: usize, done: &mut Done<R>| {
        let part = part_of(job).filter(|(.., part)| **part != RowPart::ALL);
        if let Some((table, one, part)) = part {
            let mut stream = rows.open_part(one.at.0, one.at.1, part)?;
            while let Some(batch) = stream.next_batch()? {
                done.add(&batch);
                render(table, &batch, &mut done.rendered);
            }
        }
        Ok(())
    };
    let work = |job: usize, done: &mut Done<R>| {
        done.clear();
        done.read = read_part(job, done);
        Ok(())
    };
    let mut at = None;
    let (mut counts, mut is_damaged) = ((0, 0), false);
    in_order(threads, parts.len(), work, |job, done| {
        let Some((table, one, part)) = part_of(job) else {
            return Ok(());
        };
        if at.replace(table) != Some(table) {
            (counts, is_damaged) = ((0, 0), false);
            sink.table(one)?;
        }
        if is_damaged {
            return Ok(());
        }
        let read = match *part == RowPart::ALL {
            // The whole of a table may be large: it is not held in memory.
            true => {
                let opened = rows.open_rows(one.at.0, one.at.1);
                let render = |batch: &RowBatch<'_>, into: &mut R| render(table, batch, into);
                opened.map(|stream| all_rows(stream, render, done, sink))
            }
            false => {
                sink.rows(&mut done.rendered)?;
                counts = (counts.0 + done.rows, counts.1 + done.live);
                let read = std::mem::replace(&mut done.read, Ok(()));
                let is_last = part_of(job + 1).is_none_or(|(next, ..)| next != table);
                read.and_then(|()| match is_last {
                    true => rows.check_total(one.at.0, one.at.1, counts.0, counts.1),
                    false => Ok(()),
                })
                .map(|()| Ok(Ok(())))
            }
        };
        let read = match read {
            Ok(read) => read?,
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => Ok(()),
            Err(Error::Damage(damage)) => {
                is_damaged = true;
                sink.damaged(one, *damage)
            }
            Err(other) => Err(other.into()),
        }
    })
}

/// Hands all rows of a table to a sink; what reading says is the inner result.
fn all_rows<R: Rendered, E>(
    mut stream: Box<dyn RowStream + '_>,
    render: impl Fn(&RowBatch<'_>, &mut R),
    done: &mut Done<R>,
    sink: &mut dyn RowSink<R, E>,
) -> std::result::Result<Result<()>, E> {
    loop {
        match stream.next_batch() {
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
            Ok(Some(batch)) => {
                done.clear();
                render(&batch, &mut done.rendered);
            }
        }
        sink.rows(&mut done.rendered)?;
    }
}

/// The parts of all chosen tables.
fn parts(rows: &dyn RowSource, chosen: &[Chosen<'_>]) -> Result<Vec<(usize, RowPart)>> {
    let mut parts = Vec::new();
    for (table, one) in chosen.iter().enumerate() {
        let own = match rows.parts(one.at.0, one.at.1) {
            // Is said when they are read.
            Err(Error::Damage(_)) => vec![RowPart::ALL],
            own => own?,
        };
        parts.extend(own.into_iter().map(|part| (table, part)));
    }
    Ok(parts)
}

/// A part that was rendered, as far as it could be read.
struct Done<R> {
    rendered: R,
    rows: u64,
    live: u64,
    read: Result<()>,
}

impl<R: Rendered> Default for Done<R> {
    fn default() -> Self {
        Done {
            rendered: R::default(),
            rows: 0,
            live: 0,
            read: Ok(()),
        }
    }
}

impl<R: Rendered> Done<R> {
    fn clear(&mut self) {
        self.rendered.clear();
        (self.rows, self.live) = (0, 0);
    }

    fn add(&mut self, batch: &RowBatch<'_>) {
        self.rows += batch.len() as u64;
        self.live += batch.rows().filter(|row| row.is_visible()).count() as u64;
    }
}
