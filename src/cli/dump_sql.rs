//! `rustdb-inspect dump --format sql`.

use std::collections::BTreeMap;
use std::io::Write;
use std::slice;

use crate::commands::Directory;
use crate::commands::dump::{Chosen, DamagedTable, RowSink, Selection, dump_rows, whole_tables};
use crate::commands::export::{ExportOptions, plan_script};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::model::{RowBatch, RowSource};
use crate::postgres::plan::{DatabasePlan, Dialect, TablePlan};
use crate::render::sql::{
    CopyRows, END_OF_DATA, InsertRows, push_constraints, push_database, push_database_access,
    push_end_of_database, push_header, push_roles, push_sqlite_database, push_sqlite_end,
    push_sqlite_header, push_sqlite_sequences, push_sqlite_table, push_table, push_table_access,
    push_views,
};
use crate::report::Report;

use super::options::Common;
use super::output::{Output, warn};

/// What the script is to hold.
#[derive(Debug, Clone)]
pub(super) struct SqlOptions {
    /// Tables without their rows.
    pub schema_only: bool,
    /// Databases and their new names.
    pub renames: Vec<(String, String)>,
    /// What else.
    pub export: ExportOptions,
}

/// The chosen tables by their positions in the catalog.
type Places<'c> = BTreeMap<(usize, usize), Chosen<'c>>;

/// Writes the chosen tables as a script for psql. Everything is decided before
/// the first line.
pub(super) fn dump_sql(
    directory: &Directory,
    selection: &Selection,
    chosen: &[Chosen<'_>],
    options: SqlOptions,
    common: &Common,
) -> anyhow::Result<Vec<DamagedTable>> {
    let plan = |chosen: &[Chosen<'_>]| {
        let chosen = (selection, chosen);
        plan_script(directory, chosen, &options.renames, options.export)
    };
    // Half a table would look whole once it is loaded.
    let (chosen, damaged, mut script) = match plan(chosen) {
        Err(Error::Damage(damage)) => {
            let source = (directory as &dyn RowSource, directory.threads());
            let (whole, damaged) = whole_tables(source, chosen)?;
            if damaged.is_empty() {
                return Err(Error::Damage(damage).into());
            }
            let script = plan(&whole)?;
            (whole, damaged, script)
        }
        script => (chosen.to_vec(), Vec::new(), script?),
    };
    let is_sqlite = options.export.dialect == Dialect::Sqlite;
    if is_sqlite {
        // The others are empty.
        script
            .databases
            .retain(|database| !database.tables.is_empty());
        if script.databases.len() > 1 {
            let names = script
                .databases
                .iter()
                .map(|database| database.name.as_str());
            anyhow::bail!(
                "found tables of {} databases, {}, expected one: a file of SQLite holds one database; \
                 choose it with --database",
                script.databases.len(),
                names.collect::<Vec<_>>().join(", ")
            );
        }
    }
    let mut notes = Report::new();
    script.notes().for_each(|note| notes.add(note.clone()));
    warn(&notes, common);
    let places: Places<'_> = chosen.iter().map(|one| (one.at, *one)).collect();
    let mut out = Output::new(common)?;
    let mut text = Vec::new();
    let missing: Vec<Finding> = directory
        .findings()
        .findings()
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .cloned()
        .chain(damaged.iter().map(DamagedTable::finding))
        .collect();
    if is_sqlite {
        push_sqlite_header(&mut text, &missing, options.export.redact);
        for database in &script.databases {
            write_sqlite(
                &mut out,
                &mut text,
                directory,
                (&places, database),
                &options,
            )?;
        }
        push_sqlite_end(&mut text);
        out.write_all(&text)?;
        out.finish()?;
        return Ok(damaged);
    }
    push_header(&mut text, &missing, options.export.redact);
    push_roles(&mut text, &script);
    for database in &script.databases {
        push_database(&mut text, database);
        for table in &database.tables {
            push_table(&mut text, table, !options.schema_only);
            if !options.schema_only {
                out.write_all(&text)?;
                text.clear();
                let own = places.get(&table.at).map_or(&[][..], slice::from_ref);
                write_rows(&mut out, directory, (own, table), options.export.redact)?;
            }
        }
        push_constraints(&mut text, database);
        push_database_access(&mut text, database);
        database
            .tables
            .iter()
            .for_each(|table| push_table_access(&mut text, table));
        push_views(&mut text, database);
        push_end_of_database(&mut text, database);
        out.write_all(&text)?;
        text.clear();
    }
    out.write_all(&text)?;
    out.finish()?;
    Ok(damaged)
}

/// The tables of a database as SQLite reads them.
fn write_sqlite(
    out: &mut Output,
    text: &mut Vec<u8>,
    directory: &Directory,
    (places, database): (&Places<'_>, &DatabasePlan),
    options: &SqlOptions,
) -> anyhow::Result<()> {
    push_sqlite_database(text, database);
    for table in &database.tables {
        let own = places.get(&table.at).map_or(&[][..], slice::from_ref);
        for one in own {
            push_sqlite_table(text, table, one.table);
        }
        out.write_all(text)?;
        text.clear();
        if !options.schema_only {
            let rows = InsertRows::new(table, options.export.redact);
            let render = |_: usize, batch: &RowBatch<'_>, lines: &mut Vec<u8>| {
                let visible = batch.rows().filter(|row| row.is_visible());
                visible.for_each(|row| rows.push(lines, &row));
            };
            let source = (directory as &dyn RowSource, directory.threads());
            dump_rows(source, own, render, &mut Lines(out))?;
        }
        push_sqlite_sequences(text, table);
    }
    Ok(())
}

fn write_rows(
    out: &mut Output,
    directory: &Directory,
    (chosen, table): (&[Chosen<'_>], &TablePlan),
    redact: bool,
) -> anyhow::Result<()> {
    let render = |_: usize, batch: &RowBatch<'_>, lines: &mut Vec<u8>| {
        let mut rows = CopyRows::new(table, redact);
        for row in batch.rows().filter(|row| row.is_visible()) {
            rows.push(lines, &row);
        }
    };
    let source = (directory as &dyn RowSource, directory.threads());
    dump_rows(source, chosen, render, &mut Lines(out))?;
    out.write_all(END_OF_DATA)?;
    Ok(())
}

struct Lines<'o>(&'o mut Output);

impl RowSink<Vec<u8>, anyhow::Error> for Lines<'_> {
    fn table(&mut self, _: &Chosen<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn rows(&mut self, text: &mut Vec<u8>) -> anyhow::Result<()> {
        self.0.write_all(text)?;
        Ok(())
    }
}
