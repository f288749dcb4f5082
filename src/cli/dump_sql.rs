//! `rustdb-inspect dump --format sql`.

use std::io::Write;

use crate::commands::Directory;
use crate::commands::dump::{Chosen, RowSink, Selection, dump_rows};
use crate::commands::export::{ExportOptions, plan_script};
use crate::finding::{Finding, Severity};
use crate::model::{RowBatch, RowSource};
use crate::postgres::plan::TablePlan;
use crate::render::sql::{
    CopyRows, END_OF_DATA, push_constraints, push_database, push_database_access,
    push_end_of_database, push_header, push_roles, push_table, push_table_access, push_views,
};
use crate::report::Report;

use super::options::Common;
use super::output::{Output, warn};

/// What the script is to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct SqlOptions {
    /// Tables without their rows.
    pub schema_only: bool,
    /// What else.
    pub export: ExportOptions,
}

/// Writes the chosen tables as a script for psql. Everything is decided before
/// the first line.
pub(super) fn dump_sql(
    directory: &Directory,
    selection: &Selection,
    chosen: &[Chosen<'_>],
    options: SqlOptions,
    common: &Common,
) -> anyhow::Result<()> {
    let script = plan_script(directory, selection, chosen, options.export)?;
    let mut notes = Report::new();
    script.notes().for_each(|note| notes.add(note.clone()));
    warn(&notes, common);
    let mut out = Output::new(common)?;
    let mut text = Vec::new();
    let missing: Vec<Finding> = directory
        .findings()
        .findings()
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .cloned()
        .collect();
    push_header(&mut text, &missing, options.export.redact);
    push_roles(&mut text, &script);
    for database in &script.databases {
        push_database(&mut text, database);
        for table in &database.tables {
            push_table(&mut text, table, !options.schema_only);
            if !options.schema_only {
                out.write_all(&text)?;
                text.clear();
                let own = chosen.iter().filter(|one| one.at == table.at);
                let own: Vec<Chosen<'_>> = own.copied().collect();
                write_rows(&mut out, directory, (&own, table), options.export.redact)?;
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
