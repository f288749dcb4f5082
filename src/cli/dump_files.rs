//! `rustdb-inspect dump --format csv -o DIR`.

use std::io::{BufWriter, Write};
use std::path::Path;

use crate::commands::dump::{Chosen, TextSink, dump_text};
use crate::commands::table_files::TableFiles;
use crate::commands::{Directory, DiskWriter, Phase};
use crate::model::{RowBatch, RowRef, RowSource};
use crate::render::{CsvRows, RowOptions, counted};

use super::dump::note_names;
use super::options::Common;
use super::output::note;

/// Writes one file a table into a new directory.
pub(super) fn dump_files(
    directory: &Directory,
    chosen: &[Chosen<'_>],
    target: &Path,
    options: RowOptions,
    common: &Common,
) -> anyhow::Result<()> {
    let rows = CsvRows::new(options);
    let render = |_: usize, batch: &RowBatch<'_>, text: &mut Vec<u8>| {
        let shown = |row: &RowRef<'_>| options.versions || row.is_visible();
        let shown = batch.rows().filter(shown);
        shown.for_each(|row| rows.push(text, &row));
    };
    let mut writer = FileWriter {
        files: TableFiles::create(target, directory.path())?,
        file: None,
        rows: &rows,
        common,
    };
    directory.begin(Phase::Writing);
    let source = (directory as &dyn RowSource, directory.threads());
    dump_text(source, chosen, render, &mut writer)?;
    writer.close()?;
    directory.check_unchanged()?;
    writer.files.publish()?;
    note(
        &format!(
            "{} written to {}",
            counted(chosen.len(), "table"),
            target.display()
        ),
        common,
    );
    Ok(())
}

struct FileWriter<'c> {
    files: TableFiles,
    /// That of the table at hand.
    file: Option<BufWriter<DiskWriter>>,
    rows: &'c CsvRows,
    common: &'c Common,
}

impl FileWriter<'_> {
    fn close(&mut self) -> anyhow::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.flush()?;
        }
        Ok(())
    }
}

impl TextSink<anyhow::Error> for FileWriter<'_> {
    fn table(&mut self, chosen: &Chosen<'_>) -> anyhow::Result<()> {
        self.close()?;
        note_names(chosen.database, chosen.table, self.common);
        self.file = Some(BufWriter::new(self.files.file(chosen, "csv")?));
        let mut header = Vec::new();
        self.rows.push_header(&mut header, chosen.table);
        self.text(&header)
    }

    fn text(&mut self, text: &[u8]) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(text)?;
        }
        Ok(())
    }
}
