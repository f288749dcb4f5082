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

/// Of a directory of files.
#[derive(Debug, Clone, Copy, Args)]
pub struct PartOptions {
    /// With -o: at most N rows in a file, DATABASE/TABLE/part-00000.parquet and so on
    #[arg(long, value_name = "N")]
    pub rows_per_file: Option<NonZeroUsize>,
}
