//! Options of `rustdb-inspect dump` that go with one format.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Compression {
    /// Zstandard: takes less room
    Zstd,
    /// What every reader knows
    #[default]
    Snappy,
    /// Not at all
    None,
}

/// What a column of UUIDs becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Uuids {
    /// Text, which Spark reads too
    #[default]
    String,
    /// 16 bytes with the logical type UUID
    Native,
}

/// Of Parquet.
#[derive(Debug, Clone, Copy, Args)]
pub struct ParquetOptions {
    /// How to compress (parquet)
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub compression: Compression,
    /// What a column of UUIDs becomes (parquet)
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub uuid: Uuids,
}

impl ParquetOptions {
    /// Whether none of them is given another value.
    pub(super) fn are_defaults(&self) -> bool {
        self.compression == Compression::default() && self.uuid == Uuids::default()
    }
}

/// Of a directory of files.
#[derive(Debug, Clone, Copy, Args)]
pub struct PartOptions {
    /// With -o: at most N rows in a file, DATABASE/TABLE/part-00000.parquet and so on
    #[arg(long, value_name = "N")]
    pub rows_per_file: Option<NonZeroUsize>,
}

/// Who reads sql.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DialectOption {
    /// PostgreSQL 15: psql -v ON_ERROR_STOP=1 -f FILE
    #[default]
    Postgres,
    /// SQLite 3, one database a file: sqlite3 -bail new.db < FILE
    Sqlite,
}

/// Of SQL.
#[derive(Debug, Clone, Args)]
pub struct SqlDumpOptions {
    /// Who reads the statements (sql)
    #[arg(long, value_enum, value_name = "WHO", default_value_t)]
    pub dialect: DialectOption,
    /// Create DATABASE under another name (sql, repeatable)
    #[arg(long, value_name = "DATABASE=NAME", value_parser = rename)]
    pub rename: Vec<(String, String)>,
    /// Leave users, roles, owners and grants out (sql)
    #[arg(long)]
    pub no_roles: bool,
}

impl SqlDumpOptions {
    /// Whether none of them is given.
    pub(super) fn are_defaults(&self) -> bool {
        self.dialect == DialectOption::default() && self.rename.is_empty() && !self.no_roles
    }
}

fn rename(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=');
    let both = both.filter(|(database, name)| !database.is_empty() && !name.is_empty());
    let both = both.ok_or("expected DATABASE=NAME")?;
    Ok((both.0.to_owned(), both.1.to_owned()))
}
