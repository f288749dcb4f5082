//! `rustdb-inspect dump --format parquet -o DIR`.

use bytesize::ByteSize;

use crate::commands::content::read_table;
use crate::commands::dump::{Chosen, Rendered, RowSink, dump_rows};
use crate::commands::export::{TypedColumn, TypedColumns, declared_columns, typed_columns};
use crate::commands::manifest::ManifestFile;
use crate::commands::schema::TableSchema;
use crate::commands::table_files::{TableFile, TableFiles};
use crate::commands::{Directory, Phase};
use crate::error::Error;
use crate::finding::{Code, Finding};
use crate::model::{RowBatch, RowSource};
use crate::render::{
    ParquetBatch, ParquetColumn, ParquetCompression, ParquetRows, counted, names_without_nul,
    parquet_type,
};
use crate::report::Report;

use super::dump_files::{Export, FileOptions, Shares, note_names};
use super::dump_options::{Compression, ParquetOptions, Uuids};
use super::options::Common;
use super::output::{note, warn};

/// Columns of the widest table that is written.
const MAX_COLUMNS: usize = 10_000;
/// Bytes of the address space that an export takes on one thread, and beside them
/// each column of a table.
const EXPORT_LEN: u64 = 80 << 20;
const COLUMN_LEN: u64 = 32 << 10;

/// Writes the tables as Parquet. A table is written in its declared types; where a
/// value does not fit, all of them are looked at, and it is written again.
pub(super) fn dump_parquet(
    directory: &Directory,
    chosen: &[Chosen<'_>],
    parquet: ParquetOptions,
    options: FileOptions,
    common: &Common,
) -> anyhow::Result<()> {
    let compression = match parquet.compression {
        Compression::Zstd => ParquetCompression::Zstd,
        Compression::Snappy => ParquetCompression::Snappy,
        Compression::None => ParquetCompression::None,
    };
    for one in chosen {
        let count = one.table.columns.len();
        if count > MAX_COLUMNS {
            anyhow::bail!(
                "{}.{}: found {count} columns, expected at most {MAX_COLUMNS}, each of which takes memory of its own; \
                 choose other tables with --table, or --format csv",
                one.database.name,
                one.table.name
            );
        }
    }
    let most = chosen.iter().map(|one| one.table.columns.len()).max();
    let columns = u64::try_from(most.unwrap_or_default()).unwrap_or(u64::MAX);
    let needed = EXPORT_LEN.saturating_add(COLUMN_LEN.saturating_mul(columns));
    let threads = directory.threads().beside(needed).map_err(|found| {
        anyhow::anyhow!(
            "found an address space of {}, expected at least {} for {}; \
             raise it (`ulimit -v`), choose other tables with --table, or --format csv",
            ByteSize(found),
            ByteSize(needed),
            counted(columns, "column")
        )
    })?;
    let mut export = Export::new(directory, chosen, options, common)?;
    export.threads = threads;
    let uuid_as_text = parquet.uuid == Uuids::String;
    let mut notes = Report::new();
    directory.begin(Phase::Writing);
    for one in chosen {
        if one.table.columns.is_empty() {
            let finding = Finding::new(Code::TableWithoutFile).database(&one.database.name);
            notes.add(finding.table(&one.table.name));
            read_table(&export.hashing, one.at, threads)?;
            let hash = export.hashing.table(one);
            export.add(one, hash, [], Vec::new());
            continue;
        }
        note_names(one.database, one.table, common);
        let names = names_without_nul(one.table);
        for (column, name) in one.table.columns.iter().zip(&names) {
            if column.name.contains('\0') {
                let table = format!("{}.{}", one.database.name, one.table.name);
                let (column, common) = (&column.name, export.common);
                note(
                    &format!("warning: {table}: column {column:?} is shown as {name:?}"),
                    common,
                );
            }
        }
        let declared = declared_columns(one, uuid_as_text);
        let declared = declared.filter(|_| !export.options.schema_only);
        let written = match declared {
            Some(columns) => write_table(&mut export, one, &columns, compression)?,
            None => None,
        };
        if written.is_some() {
            continue;
        }
        let source = (directory as &dyn RowSource, threads);
        let TypedColumns {
            columns,
            notes: own,
        } = typed_columns(source, one, uuid_as_text)?;
        own.into_iter().for_each(|note| notes.add(note));
        if write_table(&mut export, one, &columns, compression)?.is_none() {
            let table = format!("{}.{}", one.database.name, one.table.name);
            let why = "a value does not fit the type that it was found to fit";
            anyhow::bail!("internal: table {table}: {why}");
        }
    }
    warn(&notes, common);
    export.publish("parquet", notes)
}

/// Writes the files of a table; `None`, and no file, where a value does not fit.
fn write_table(
    export: &mut Export<'_>,
    one: &Chosen<'_>,
    typed: &[TypedColumn],
    compression: ParquetCompression,
) -> anyhow::Result<Option<()>> {
    let names = names_without_nul(one.table).into_iter();
    let columns = names.zip(typed).zip(&one.table.columns);
    let columns = columns.map(|((name, typed), column)| ParquetColumn {
        name,
        of: typed.of.clone(),
        required: typed.required,
        distinct: column.is_key(),
    });
    let columns: Vec<ParquetColumn> = columns.collect();
    let threads = export.threads;
    let schema_only = export.options.schema_only;
    // What the file of the first rows says of all of them must be known before.
    let in_parts = export.options.rows_per_file.is_some() && !schema_only;
    if in_parts {
        read_table(&export.hashing, one.at, threads)?;
    }
    let known = in_parts.then(|| export.hashing.table(one));
    let mut sink = ParquetSink {
        shares: Shares::new(export.options.rows_per_file),
        files: &mut export.files,
        chosen: one,
        columns: &columns,
        how: (compression, threads.get()),
        notes: notes(one)?,
        file: None,
        done: Vec::new(),
    };
    if let Some(hash) = known {
        sink.notes
            .push(("rustdb.content_hash".into(), hash.to_string()));
    }
    let render = |_: usize, batch: &RowBatch<'_>, rows: &mut ParquetBatch| {
        for row in batch.rows().filter(|row| row.is_visible()) {
            if !rows.push(&columns, &row) {
                return;
            }
        }
        rows.seal();
    };
    let source: &dyn RowSource = match in_parts {
        true => export.directory,
        false => &export.hashing,
    };
    let written = match schema_only {
        true => sink.table(one),
        false => dump_rows(
            (source, threads),
            std::slice::from_ref(one),
            render,
            &mut sink,
        ),
    };
    let hash = match known {
        Some(hash) => hash,
        None => export.hashing.table(one),
    };
    match written {
        Ok(()) => {}
        Err(Stop::Refused) => {
            sink.forget()?;
            return Ok(None);
        }
        Err(Stop::Failed(error)) => return Err(error),
    }
    if known.is_none() && !schema_only {
        sink.notes
            .push(("rustdb.content_hash".into(), hash.to_string()));
    }
    sink.close()?;
    let files = sink.done;
    let columns = columns.iter();
    let columns = columns.map(|one| (one.name.clone(), parquet_type(&one.of), one.required));
    export.add(one, hash, columns, files);
    Ok(Some(()))
}

/// What a file says of itself.
fn notes(one: &Chosen<'_>) -> anyhow::Result<Vec<(String, String)>> {
    let schema = serde_json::to_string(&TableSchema::from(one.table))?;
    Ok(vec![
        ("rustdb.database".into(), one.database.name.clone()),
        ("rustdb.table".into(), one.table.name.clone()),
        ("rustdb.schema".into(), schema),
    ])
}

impl Rendered for ParquetBatch {
    fn clear(&mut self) {
        self.clear();
    }
}

/// Why a table is not written to its end.
enum Stop {
    /// A value does not fit its column.
    Refused,
    Failed(anyhow::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Stop::Failed(error.into())
    }
}

struct ParquetSink<'c> {
    files: &'c mut TableFiles,
    chosen: &'c Chosen<'c>,
    columns: &'c [ParquetColumn],
    how: (ParquetCompression, usize),
    notes: Vec<(String, String)>,
    shares: Shares,
    /// The one at hand.
    file: Option<ParquetRows<TableFile>>,
    done: Vec<ManifestFile>,
}

impl ParquetSink<'_> {
    fn open(&mut self) -> Result<(), Stop> {
        let file = self.files.file(self.chosen, self.done.len(), "parquet")?;
        let (compression, threads) = self.how;
        self.file = Some(ParquetRows::new(file, self.columns, compression, threads)?);
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        if let Some(file) = self.file.take() {
            let file = file.finish(self.notes.clone())?;
            self.done.push(file.finish(self.shares.here())?);
        }
        Ok(())
    }

    /// Removes what is written.
    fn forget(mut self) -> anyhow::Result<()> {
        self.close()?;
        for file in &self.done {
            self.files.remove(file.path.as_ref())?;
        }
        Ok(())
    }
}

impl RowSink<ParquetBatch, Stop> for ParquetSink<'_> {
    fn table(&mut self, _: &Chosen<'_>) -> Result<(), Stop> {
        self.open()
    }

    fn rows(&mut self, batch: &mut ParquetBatch) -> Result<(), Stop> {
        if batch.is_refused() {
            return Err(Stop::Refused);
        }
        let mut from = 0;
        while from < batch.len() {
            if self.shares.is_full() {
                self.close()?;
                self.shares.next();
                self.open()?;
            }
            let to = from.saturating_add(self.shares.take(batch.len().saturating_sub(from)));
            if let Some(file) = &mut self.file {
                file.write(batch, from, to)?;
            }
            from = to;
        }
        Ok(())
    }
}
