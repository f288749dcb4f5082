//! `rustdb-inspect dump`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use crate::commands::dump::{Chosen, Selection, TextSink, dump_text};
use crate::commands::export::ExportOptions;
use crate::commands::{Directory, Phase};
use crate::model::{Database, RowBatch, RowRef, RowSource, Table};
use crate::render::{CsvRows, JsonRows, RowOptions, distinct_names};

use super::Exit;
use super::dump_files::dump_files;
use super::dump_schema::{SchemaOptions, dump_schema};
use super::dump_sql::{SqlOptions, dump_sql};
use super::options::{Common, Reading};
use super::output::{Output, note, warn};

/// Writes rows or schemas to stdout
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
With sql, the default, psql loads the output into PostgreSQL 15 (psql -v ON_ERROR_STOP=1 -f -): \
a database for each database, with types, keys, owners and grants. Before the first line every row is looked \
at, so that the load does not fail half way: a column whose values its type would refuse becomes wider, a \
constraint that rows break is left out, a name that PostgreSQL cannot take is replaced. Each is said on stderr and in a \
comment. Users, roles, owners and grants come with the whole directory only.

With csv exactly one table must be chosen, because every table has its own columns; or -o names a directory to write, \
which appears when it is complete. With parquet there is always such a directory: a column has its declared type where \
every value fits it exactly, else text, which is said on stderr; it needs a build with \
--features parquet. Names become file names as in the target layouts, rustdb-format(5). \
NULL is an empty field, text is always quoted, so that NULL and the empty string differ.

A table that holds the same column name twice shows the second as name#2.

With records whose database is unknown the rows are shown without them and the exit code is 3; \
with damage it is 1, and what can be read is shown.")]
pub struct DumpArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: DumpFormat,
    /// Only this database, by its exact name (repeatable)
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Only this table, by its exact name or as DATABASE.TABLE (repeatable)
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// Columns, sequences, types, views and accounts instead of rows
    #[arg(long)]
    schema_only: bool,
    /// The stored type of each value (jsonl)
    #[arg(long, conflicts_with = "schema_only")]
    typed: bool,
    /// Also row versions that are no longer visible, each with xmin and xmax
    #[arg(long, conflicts_with = "schema_only")]
    include_dead: bool,
    /// Show password hashes, with --schema-only or as comments of sql
    #[arg(long, conflicts_with = "redact")]
    with_secrets: bool,
    /// Write csv or parquet into this new directory, one file a table: DATABASE/TABLE.csv
    #[arg(short, long, value_name = "DIR", conflicts_with = "schema_only")]
    output: Option<PathBuf>,
    /// Values as <redacted len:N>: safe to attach to a ticket
    #[arg(long)]
    redact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DumpFormat {
    /// Statements for PostgreSQL
    #[default]
    Sql,
    /// One JSON object a line
    Jsonl,
    /// One table, with a header line
    Csv,
    /// Typed columns, with -o; where it was built in
    Parquet,
}

impl DumpArgs {
    /// Whether it makes a directory of files.
    pub(super) fn writes_files(&self) -> bool {
        self.output.is_some()
    }
}

/// Runs the subcommand.
pub fn run(args: &DumpArgs, common: &Common) -> anyhow::Result<Exit> {
    if args.typed && args.format != DumpFormat::Jsonl {
        bail!("--typed goes with --format jsonl only");
    }
    let to_files = matches!(args.format, DumpFormat::Csv | DumpFormat::Parquet);
    if args.output.is_some() && !to_files {
        bail!("-o goes with --format csv or parquet only");
    }
    if args.format == DumpFormat::Parquet {
        check_parquet(args)?;
    }
    if args.include_dead && args.format == DumpFormat::Sql {
        bail!(
            "a table of PostgreSQL holds no dead row versions; --include-dead goes with --format jsonl or csv"
        );
    }
    let directory = Directory::open(&args.dir, &args.reading.open_options(common)?)?;
    let selection = Selection {
        databases: args.database.clone(),
        tables: args.table.clone(),
    };
    let chosen = selection.choose(directory.catalog())?;
    let findings = directory.findings();
    warn(&findings, common);
    if args.format == DumpFormat::Sql {
        let options = SqlOptions {
            schema_only: args.schema_only,
            export: ExportOptions {
                secrets: args.with_secrets,
                redact: args.redact,
            },
        };
        dump_sql(&directory, &selection, &chosen, options, common)?;
        directory.check_unchanged()?;
        return Ok(Exit::from(&findings));
    }
    let out = Output::new(common)?;
    if args.schema_only {
        let options = SchemaOptions {
            csv: args.format == DumpFormat::Csv,
            secrets: args.with_secrets,
            redact: args.redact,
        };
        dump_schema(out, &directory, &selection, &chosen, options)?;
    } else {
        dump_rows(out, args, common, &directory, &chosen)?;
    }
    directory.check_unchanged()?;
    Ok(Exit::from(&findings))
}

fn check_parquet(args: &DumpArgs) -> anyhow::Result<()> {
    if cfg!(not(feature = "parquet")) {
        bail!(
            "this program was built without Parquet\n\
             Build it with `cargo install --locked --path . --features parquet`."
        );
    }
    if args.output.is_none() {
        bail!("--format parquet writes files; name a directory for them with -o");
    }
    if args.include_dead || args.redact || args.schema_only {
        bail!(
            "--format parquet writes visible rows with their values; \
             --include-dead, --redact and --schema-only go with --format jsonl or csv"
        );
    }
    Ok(())
}

fn dump_rows(
    out: Output,
    args: &DumpArgs,
    common: &Common,
    directory: &Directory,
    chosen: &[Chosen<'_>],
) -> anyhow::Result<()> {
    let options = RowOptions {
        typed: args.typed,
        versions: args.include_dead,
        redact: args.redact,
    };
    if let Some(target) = &args.output {
        drop(out);
        #[cfg(feature = "parquet")]
        if args.format == DumpFormat::Parquet {
            return super::dump_parquet::dump_parquet(directory, chosen, target, common);
        }
        return dump_files(directory, chosen, target, options, common);
    }
    if args.format == DumpFormat::Csv && chosen.len() != 1 {
        bail!(
            "--format csv writes one table, and {} are chosen; choose one with --table DATABASE.TABLE, or a directory with -o",
            chosen.len()
        );
    }
    let json = chosen
        .iter()
        .map(|one| JsonRows::new(&one.database.name, one.table, options));
    let json: Vec<_> = json.collect();
    let csv = (args.format == DumpFormat::Csv).then(|| CsvRows::new(options));
    let render = |table: usize, batch: &RowBatch<'_>, text: &mut Vec<u8>| {
        let shown = |row: &RowRef<'_>| options.versions || row.is_visible();
        match (&csv, json.get(table)) {
            (Some(csv), _) => {
                let rows = batch.rows().filter(shown);
                rows.for_each(|row| csv.push(text, &row));
            }
            (None, Some(json)) => {
                let rows = batch.rows().filter(shown);
                rows.for_each(|row| json.push(text, &row));
            }
            (None, None) => {}
        }
    };
    directory.begin(Phase::Writing);
    let mut writer = TextWriter { out, csv, common };
    let source = (directory as &dyn RowSource, directory.threads());
    dump_text(source, chosen, render, &mut writer)?;
    writer.out.finish()?;
    Ok(())
}

struct TextWriter<'c> {
    out: Output,
    csv: Option<CsvRows>,
    common: &'c Common,
}

impl TextSink<anyhow::Error> for TextWriter<'_> {
    fn table(&mut self, chosen: &Chosen<'_>) -> anyhow::Result<()> {
        let Chosen {
            database, table, ..
        } = chosen;
        note_names(database, table, self.common);
        if let Some(rows) = &self.csv {
            let mut header = Vec::new();
            rows.push_header(&mut header, table);
            self.out.write_all(&header)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> anyhow::Result<()> {
        self.out.write_all(text)?;
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
