//! `rustdb-inspect dump --format sql`.

use std::io::Write;

use crate::commands::Directory;
use crate::commands::dump::{Chosen, Selection};
use crate::commands::export::{ExportOptions, plan_script};
use crate::finding::{Finding, Severity};
use crate::model::RowSource;
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
                write_rows(&mut out, directory, table, options.export.redact)?;
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
    table: &TablePlan,
    redact: bool,
) -> anyhow::Result<()> {
    let mut rows = CopyRows::new(table, redact);
    let mut lines = Vec::new();
    let mut stream = directory.open_rows(table.at.0, table.at.1)?;
    while let Some(batch) = stream.next_batch()? {
        lines.clear();
        for row in batch.rows().filter(|row| row.is_visible()) {
            rows.push(&mut lines, &row);
        }
        out.write_all(&lines)?;
    }
    out.write_all(END_OF_DATA)?;
    Ok(())
}
