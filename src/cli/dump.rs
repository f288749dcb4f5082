//! `rustdb-inspect dump`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use crate::commands::dump::{
    Chosen, DamagedTable, RowSink, Selection, dump_rows as stream_rows, whole_tables,
};
use crate::commands::export::ExportOptions;
use crate::commands::manifest::ManifestDecision;
use crate::commands::{Directory, Phase};
use crate::error::{Damage, Error};
use crate::model::{RowBatch, RowRef, RowSource};
use crate::postgres::plan::Dialect;
use crate::render::{CsvRows, JsonRows, RowOptions};
use crate::report::Report;

use super::Exit;
use super::dump_files::{FileOptions, dump_csv, note_names};
use super::dump_options::{DialectOption, ParquetOptions, PartOptions, SqlDumpOptions};
use super::dump_schema::{SchemaOptions, dump_schema};
use super::dump_sql::{SqlOptions, dump_sql};
use super::options::{Common, ReadArgs, Salvaging};
use super::output::{Output, warn};

/// Writes rows or schemas to stdout
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
With sql, the default, psql loads the output into PostgreSQL 15 (psql -v ON_ERROR_STOP=1 -f -): \
a database for each database, with types, keys, owners and grants. Before the first line every row is looked \
at, so that the load does not fail half way: a column whose values its type would refuse becomes wider, a \
constraint that rows break is left out, a name that PostgreSQL cannot take is replaced. Each is said on stderr and in a \
comment. Users, roles, owners and grants come with the whole directory only.

A sequence that would give out a value that is taken is set behind the largest, which is said with the statement. \
--rename creates a database under another name; postgres, which PostgreSQL has already, becomes postgres_rustdb.

With --dialect sqlite the output is for sqlite3 -bail new.db < FILE, one database a file: whole numbers, decimals of up to 15 \
digits and doubles are numbers, bytes are BLOB, dates and everything else are TEXT.

With csv exactly one table must be chosen, because every table has its own columns; or -o names a directory to write, \
which appears when it is complete. With parquet there is always such a directory: a column has its declared type where \
every value fits it without a change, else the narrowest type that holds all of them, a decimal of up to 38 digits, a double, \
or text; that is said on stderr with an example. A column that refuses NULL and holds none is required. A row group \
has at most 1,048,576 rows and about 20 MiB, and more where one value has more.

The directory holds DATABASE/TABLE.csv or .parquet, with --rows-per-file DATABASE/TABLE/part-00000.parquet and so on: a \
name stays as it is written, unless a file system cannot hold it or cannot tell it from another where it ignores case; \
then it is encoded as in the target layouts, rustdb-format(5). manifest.json says of each table its files with rows, \
bytes and hashes, its columns as declared and as written, keys, sequences, and the content hash that rustdb-inspect hash \
shows; its last member, manifest_xxh3_128, is the XXH3 of all its bytes before the comma in front of it. \
rustdb-inspect check DIR proves the directory against it. Each Parquet file names its database, table, schema and \
content hash in its own metadata too. With --schema-only the files have no rows. \
NULL is an empty field of csv, text is always quoted, so that NULL and the empty string differ.

A table that holds the same column name twice shows the second as name#2.

With records whose database is unknown the rows are shown without them and the exit code is 3; \
with damage it is 1, and what can be read is shown: of a damaged table of jsonl the rows up to the damage, \
while sql and -o leave it out, because no half of a table could be told from the whole.")]
pub struct DumpArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    salvaging: Salvaging,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: DumpFormat,
    /// Only this database, by name or pattern as shop_* (repeatable)
    #[arg(short, long, value_name = "NAME")]
    database: Vec<String>,
    /// Only this table, as TABLE or DATABASE.TABLE, or a pattern as shop.* (repeatable)
    #[arg(short, long, value_name = "NAME")]
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
    /// Write csv or parquet into this new directory, one file a table, DATABASE/TABLE.csv, and a manifest.json
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    sql: SqlDumpOptions,
    #[command(flatten)]
    parts: PartOptions,
    #[command(flatten)]
    parquet: ParquetOptions,
    #[arg(long, help = "Values as <redacted len:N>: safe to attach to a ticket")]
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
    if args.parts.rows_per_file.is_some() && args.output.is_none() {
        bail!("--rows-per-file goes with -o only");
    }
    if args.format != DumpFormat::Sql && !args.sql.are_defaults() {
        bail!("--dialect, --rename and --no-roles go with --format sql only");
    }
    if args.sql.dialect == DialectOption::Sqlite && !args.sql.rename.is_empty() {
        bail!(
            "a file of SQLite has the name that you give it; --rename goes with --dialect postgres"
        );
    }
    if args.format == DumpFormat::Parquet {
        check_parquet(args)?;
    } else if !args.parquet.are_defaults() {
        bail!("--compression and --uuid go with --format parquet only");
    }
    if args.include_dead && args.format == DumpFormat::Sql {
        bail!(
            "a table of PostgreSQL holds no dead row versions; --include-dead goes with --format jsonl or csv"
        );
    }
    let mut options = args.reading.open_options(common)?;
    options.recovery.salvage = args.salvaging.salvage;
    let directory = Directory::open(&args.dir, &options)?;
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
            renames: args.sql.rename.clone(),
            export: ExportOptions {
                secrets: args.with_secrets,
                redact: args.redact,
                no_roles: args.sql.no_roles,
                dialect: match args.sql.dialect {
                    DialectOption::Postgres => Dialect::Postgres,
                    DialectOption::Sqlite => Dialect::Sqlite,
                },
            },
        };
        let damaged = dump_sql(&directory, &selection, &chosen, options, common)?;
        directory.check_unchanged()?;
        return ended(&findings, damaged, common);
    }
    if let Some(target) = &args.output {
        let options = |damaged: &[DamagedTable]| FileOptions {
            target: target.clone(),
            rows_per_file: args.parts.rows_per_file,
            schema_only: args.schema_only,
            decisions: decisions(&args.reading),
            left_out: damaged.iter().map(DamagedTable::finding).collect(),
        };
        let written = dump_to_files(args, common, &directory, &chosen, options(&[]));
        let Err(error) = written else {
            return Ok(Exit::from(&findings));
        };
        if !matches!(error.downcast_ref(), Some(Error::Damage(_))) {
            return Err(error);
        }
        // No file of a damaged table could be told from a whole one.
        let source = (&directory as &dyn RowSource, directory.threads());
        let (whole, damaged) = whole_tables(source, &chosen)?;
        if damaged.is_empty() {
            return Err(error);
        }
        dump_to_files(args, common, &directory, &whole, options(&damaged))?;
        return ended(&findings, damaged, common);
    }
    let out = Output::new(common)?;
    let mut damaged = Vec::new();
    if args.schema_only {
        let options = SchemaOptions {
            csv: args.format == DumpFormat::Csv,
            secrets: args.with_secrets,
            redact: args.redact,
        };
        dump_schema(out, &directory, &selection, &chosen, options)?;
    } else {
        damaged = dump_rows(out, args, common, &directory, &chosen)?;
    }
    directory.check_unchanged()?;
    ended(&findings, damaged, common)
}

/// How a dump ended in which these tables are not, or not to their last row.
fn ended(findings: &Report, damaged: Vec<DamagedTable>, common: &Common) -> anyhow::Result<Exit> {
    let mut damaged = damaged.into_iter();
    let Some(first) = damaged.next() else {
        return Ok(Exit::from(findings));
    };
    let mut others = Report::new();
    damaged.for_each(|table| others.add(table.finding()));
    warn(&others, common);
    Err(Error::from(first.damage).into())
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
    if args.include_dead || args.redact {
        bail!(
            "--format parquet writes visible rows with their values; \
             --include-dead and --redact go with --format jsonl or csv"
        );
    }
    Ok(())
}

fn row_options(args: &DumpArgs) -> RowOptions {
    RowOptions {
        typed: args.typed,
        versions: args.include_dead,
        redact: args.redact,
    }
}

/// What was decided, to be written down.
fn decisions(reading: &ReadArgs) -> ManifestDecision {
    let file = reading.deciding.attribution.as_ref();
    ManifestDecision {
        assign: reading.deciding.assign.clone(),
        attribution: file.map(|path| path.display().to_string()),
        without_wal: reading.no_wal,
    }
}

fn dump_to_files(
    args: &DumpArgs,
    common: &Common,
    directory: &Directory,
    chosen: &[Chosen<'_>],
    options: FileOptions,
) -> anyhow::Result<()> {
    #[cfg(feature = "parquet")]
    if args.format == DumpFormat::Parquet {
        let parquet = args.parquet;
        return super::dump_parquet::dump_parquet(directory, chosen, parquet, options, common);
    }
    dump_csv(directory, chosen, row_options(args), options, common)
}

fn dump_rows(
    out: Output,
    args: &DumpArgs,
    common: &Common,
    directory: &Directory,
    chosen: &[Chosen<'_>],
) -> anyhow::Result<Vec<DamagedTable>> {
    let options = row_options(args);
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
    let mut writer = TextWriter {
        out,
        csv,
        common,
        damaged: Vec::new(),
    };
    let source = (directory as &dyn RowSource, directory.threads());
    if json.iter().all(|json| json.line_len() < LONG_LINE_LEN) || args.format == DumpFormat::Csv {
        stream_rows(source, chosen, render, &mut writer)?;
    } else {
        // The lines of some rows are many times as long as the rows.
        let mut line = Vec::new();
        for (one, json) in chosen.iter().zip(&json) {
            writer.table(one)?;
            let mut write = || -> anyhow::Result<()> {
                let mut rows = directory.open_rows(one.at.0, one.at.1)?;
                while let Some(batch) = rows.next_batch()? {
                    for row in batch.rows() {
                        if options.versions || row.is_visible() {
                            line.clear();
                            json.push(&mut line, &row);
                            writer.rows(&mut line)?;
                        }
                    }
                }
                Ok(())
            };
            if let Err(error) = write() {
                match error.downcast()? {
                    Error::Damage(damage) => writer.damaged(one, *damage)?,
                    other => return Err(other.into()),
                }
            }
        }
    }
    writer.out.finish()?;
    Ok(writer.damaged)
}

/// Bytes of names in a line of JSON from which rows are written one by one.
const LONG_LINE_LEN: usize = 16 * 1024;

struct TextWriter<'c> {
    out: Output,
    csv: Option<CsvRows>,
    common: &'c Common,
    damaged: Vec<DamagedTable>,
}

impl RowSink<Vec<u8>, anyhow::Error> for TextWriter<'_> {
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

    fn rows(&mut self, text: &mut Vec<u8>) -> anyhow::Result<()> {
        self.out.write_all(text)?;
        Ok(())
    }

    fn damaged(&mut self, chosen: &Chosen<'_>, damage: Damage) -> anyhow::Result<()> {
        self.damaged.push(DamagedTable::new(chosen, damage));
        Ok(())
    }
}
