//! `rustdb-inspect dump --format parquet -o DIR`.

use std::io::BufWriter;
use std::path::Path;

use crate::commands::dump::Chosen;
use crate::commands::export::{TypedColumns, typed_columns};
use crate::commands::table_files::TableFiles;
use crate::commands::{Directory, Phase};
use crate::model::RowSource;
use crate::render::{ParquetRows, counted, distinct_names};
use crate::report::Report;

use super::dump::note_names;
use super::options::Common;
use super::output::{note, warn};

/// Writes one file a table into a new directory; rows are read twice, because
/// the types of a file's columns stand before its rows.
pub(super) fn dump_parquet(
    directory: &Directory,
    chosen: &[Chosen<'_>],
    target: &Path,
    common: &Common,
) -> anyhow::Result<()> {
    let mut files = TableFiles::create(target, directory.path())?;
    directory.begin(Phase::Checking);
    let (mut tables, mut notes) = (Vec::new(), Report::new());
    for one in chosen {
        if one.table.columns.is_empty() {
            let name = format!("{}.{}", one.database.name, one.table.name);
            note(
                &format!("{name} has no column, so no file is written for it"),
                common,
            );
            continue;
        }
        note_names(one.database, one.table, common);
        let typed = typed_columns(directory, one)?;
        typed.notes.iter().for_each(|note| notes.add(note.clone()));
        tables.push((one, typed));
    }
    warn(&notes, common);
    directory.begin(Phase::Writing);
    for (one, typed) in &tables {
        write_table(directory, one, typed, &mut files)?;
    }
    directory.check_unchanged()?;
    files.publish()?;
    let count = counted(tables.len(), "table");
    note(&format!("{count} written to {}", target.display()), common);
    Ok(())
}

fn write_table(
    directory: &Directory,
    one: &Chosen<'_>,
    typed: &TypedColumns,
    files: &mut TableFiles,
) -> anyhow::Result<()> {
    let names = distinct_names(one.table).into_iter();
    let columns: Vec<_> = names.zip(typed.types.iter().cloned()).collect();
    let file = BufWriter::new(files.file(one, "parquet")?);
    let mut rows = ParquetRows::new(file, &columns)?;
    let mut stream = directory.open_rows(one.at.0, one.at.1)?;
    while let Some(batch) = stream.next_batch()? {
        for row in batch.rows().filter(|row| row.is_visible()) {
            rows.push(&row)?;
        }
    }
    rows.finish()?;
    Ok(())
}
