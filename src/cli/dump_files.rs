//! `rustdb-inspect dump -o DIR`: the files of each table, and a manifest.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::commands::content::{ContentHash, HashingRows};
use crate::commands::dump::{Chosen, Rendered, RowSink, dump_rows};
use crate::commands::manifest::{Manifest, ManifestDecision, ManifestFile, ManifestTable, sealed};
use crate::commands::table_files::{TableFile, TableFiles};
use crate::commands::{Directory, Phase};
use crate::finding::Finding;
use crate::model::{Database, RowBatch, RowRef, RowSource, Table};
use crate::render::{CsvRows, RowOptions, counted, distinct_names, json_document};
use crate::report::Report;
use crate::work::Threads;

use super::options::Common;
use super::output::note;

/// What the directory is to hold.
#[derive(Debug)]
pub(super) struct FileOptions {
    /// Its path.
    pub target: PathBuf,
    /// Rows of the longest file; without, each table is one.
    pub rows_per_file: Option<NonZeroUsize>,
    /// Files without rows.
    pub schema_only: bool,
    /// Decisions to be written down.
    pub decisions: ManifestDecision,
    /// What is wrong with tables that it does not hold.
    pub left_out: Vec<Finding>,
}

/// A directory under construction, and what its manifest will say.
pub(super) struct Export<'c> {
    pub directory: &'c Directory,
    /// Threads that it is read and written on.
    pub threads: Threads,
    pub files: TableFiles,
    /// The rows, hashed on their way.
    pub hashing: HashingRows<'c>,
    pub options: FileOptions,
    pub common: &'c Common,
    tables: Vec<ManifestTable>,
}

impl<'c> Export<'c> {
    /// An empty one for these tables.
    pub(super) fn new(
        directory: &'c Directory,
        chosen: &[Chosen<'_>],
        options: FileOptions,
        common: &'c Common,
    ) -> anyhow::Result<Self> {
        let catalog = directory.catalog();
        let in_parts = options.rows_per_file.is_some();
        let (target, source) = (&options.target, directory.path());
        Ok(Export {
            files: TableFiles::create(target, source, (catalog, chosen), in_parts)?,
            hashing: HashingRows::new(directory, catalog),
            threads: directory.threads(),
            directory,
            options,
            common,
            tables: Vec::new(),
        })
    }

    /// Adds a table that is written; `columns` are the name and type of each, and
    /// whether it takes no NULL.
    pub(super) fn add(
        &mut self,
        chosen: &Chosen<'_>,
        hash: ContentHash,
        columns: impl IntoIterator<Item = (String, String, bool)>,
        files: Vec<ManifestFile>,
    ) {
        let hash = (!self.options.schema_only).then_some(hash);
        self.tables
            .push(ManifestTable::new(chosen, hash, columns, files));
    }

    /// Writes the manifest and gives the directory its name.
    pub(super) fn publish(self, format: &'static str, notes: Report) -> anyhow::Result<()> {
        let mut report = self.directory.findings();
        report.extend(notes);
        self.options
            .left_out
            .into_iter()
            .for_each(|one| report.add(one));
        let count = counted(self.tables.len(), "table");
        let manifest = Manifest::new(
            (format, self.directory.source_family()?.to_string()),
            self.options.decisions,
            report.findings(),
            (self.directory.catalog(), self.tables),
        );
        self.directory.check_unchanged()?;
        self.files.publish(&sealed(&json_document(&manifest)?))?;
        let target = self.options.target.display();
        note(&format!("{count} written to {target}"), self.common);
        Ok(())
    }
}

/// Rows that are shared out to files.
pub(super) struct Shares {
    most: usize,
    here: usize,
}

impl Shares {
    /// No row yet; at most so many in a file.
    pub(super) fn new(most: Option<NonZeroUsize>) -> Self {
        Shares {
            most: most.map_or(usize::MAX, NonZeroUsize::get),
            here: 0,
        }
    }

    /// Whether the next row needs another file.
    pub(super) fn is_full(&self) -> bool {
        self.here >= self.most
    }

    /// Counts from here on for the next file.
    pub(super) fn next(&mut self) {
        self.here = 0;
    }

    /// How many of these rows go into the file at hand.
    pub(super) fn take(&mut self, rows: usize) -> usize {
        let taken = rows.min(self.most.saturating_sub(self.here));
        self.here = self.here.saturating_add(taken);
        taken
    }

    /// Rows in the file at hand.
    pub(super) fn here(&self) -> u64 {
        u64::try_from(self.here).unwrap_or(u64::MAX)
    }
}

/// Writes the tables as CSV.
pub(super) fn dump_csv(
    directory: &Directory,
    chosen: &[Chosen<'_>],
    rows: RowOptions,
    options: FileOptions,
    common: &Common,
) -> anyhow::Result<()> {
    let csv = CsvRows::new(rows);
    let render = |_: usize, batch: &RowBatch<'_>, lines: &mut SplitLines| {
        let shown = |row: &RowRef<'_>| rows.versions || row.is_visible();
        for row in batch.rows().filter(shown) {
            csv.push(&mut lines.text, &row);
            lines.ends.push(lines.text.len());
        }
    };
    let mut export = Export::new(directory, chosen, options, common)?;
    directory.begin(Phase::Writing);
    for one in chosen {
        note_names(one.database, one.table, common);
        let mut sink = CsvSink {
            shares: Shares::new(export.options.rows_per_file),
            files: &mut export.files,
            chosen: one,
            csv: &csv,
            file: None,
            done: Vec::new(),
        };
        if export.options.schema_only {
            sink.table(one)?;
        } else {
            let source = (&export.hashing as &dyn RowSource, export.threads);
            dump_rows(source, std::slice::from_ref(one), render, &mut sink)?;
        }
        sink.close()?;
        let files = sink.done;
        let names = distinct_names(one.table).into_iter();
        let columns = names.map(|name| (name, "text".to_owned(), false));
        let hash = export.hashing.table(one);
        export.add(one, hash, columns, files);
    }
    export.publish("csv", Report::new())
}

/// Lines, and where each ends.
#[derive(Default)]
struct SplitLines {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Rendered for SplitLines {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

struct CsvSink<'c> {
    files: &'c mut TableFiles,
    chosen: &'c Chosen<'c>,
    csv: &'c CsvRows,
    shares: Shares,
    /// The one at hand.
    file: Option<TableFile>,
    done: Vec<ManifestFile>,
}

impl CsvSink<'_> {
    fn open(&mut self) -> anyhow::Result<()> {
        let mut file = self.files.file(self.chosen, self.done.len(), "csv")?;
        let mut header = Vec::new();
        self.csv.push_header(&mut header, self.chosen.table);
        file.write_all(&header)?;
        self.file = Some(file);
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        if let Some(file) = self.file.take() {
            self.done.push(file.finish(self.shares.here())?);
        }
        Ok(())
    }
}

impl RowSink<SplitLines, anyhow::Error> for CsvSink<'_> {
    fn table(&mut self, _: &Chosen<'_>) -> anyhow::Result<()> {
        self.open()
    }

    fn rows(&mut self, lines: &mut SplitLines) -> anyhow::Result<()> {
        let (mut text, mut ends) = (lines.text.as_slice(), lines.ends.as_slice());
        let mut before = 0;
        while !ends.is_empty() {
            if self.shares.is_full() {
                self.close()?;
                self.shares.next();
                self.open()?;
            }
            let taken = self.shares.take(ends.len());
            let (here, rest) = ends.split_at_checked(taken).unwrap_or_default();
            let end = here.last().copied().unwrap_or(before);
            let (lines, later) = text
                .split_at_checked(end.saturating_sub(before))
                .unwrap_or_default();
            if let Some(file) = &mut self.file {
                file.write_all(lines)?;
            }
            (text, ends, before) = (later, rest, end);
        }
        Ok(())
    }
}

/// Says which columns are shown under another name.
pub(super) fn note_names(database: &Database, table: &Table, common: &Common) {
    let names = distinct_names(table);
    for (column, name) in table.columns.iter().zip(&names) {
        if column.name != *name {
            let text = format!(
                "warning: {}.{} has a second column {:?}; it is shown as {name:?}",
                database.name, table.name, column.name
            );
            note(&text, common);
        }
    }
}
