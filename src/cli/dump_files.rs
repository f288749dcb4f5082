//! `rustdb-inspect dump --format csv -o DIR`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::commands::Directory;
use crate::commands::dump::{Chosen, RowSink, dump};
use crate::commands::table_files::TableFiles;
use crate::model::RowBatch;
use crate::render::{CsvRows, RowOptions};

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
    let mut writer = FileWriter {
        files: TableFiles::create(target, directory.path())?,
        file: None,
        rows: CsvRows::new(options),
        versions: options.versions,
        lines: Vec::new(),
        common,
    };
    dump(directory, chosen, &mut writer)?;
    writer.close()?;
    writer.files.publish()?;
    note(
        &format!("{} tables written to {}", chosen.len(), target.display()),
        common,
    );
    Ok(())
}

struct FileWriter<'c> {
    files: TableFiles,
    /// That of the table at hand.
    file: Option<BufWriter<File>>,
    rows: CsvRows,
    versions: bool,
    /// The lines of one batch.
    lines: Vec<u8>,
    common: &'c Common,
}

impl FileWriter<'_> {
    fn close(&mut self) -> anyhow::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.flush()?;
        }
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.lines)?;
        }
        self.lines.clear();
        Ok(())
    }
}

impl RowSink<anyhow::Error> for FileWriter<'_> {
    fn table(&mut self, chosen: &Chosen<'_>) -> anyhow::Result<()> {
        self.close()?;
        note_names(chosen.database, chosen.table, self.common);
        self.file = Some(BufWriter::new(self.files.file(chosen, "csv")?));
        self.rows.push_header(&mut self.lines, chosen.table);
        self.write()
    }

    fn rows(&mut self, batch: &RowBatch<'_>) -> anyhow::Result<()> {
        for row in batch.rows() {
            if row.is_visible() || self.versions {
                self.rows.push(&mut self.lines, &row);
            }
        }
        self.write()
    }
}
