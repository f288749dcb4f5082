//! `rustdb-migrate attribute`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::attribute::attribute;
use crate::commands::file_outside;

use super::Exit;
use super::options::{Common, Reading};
use super::output::write_output;

/// Writes which database each WAL record belongs to, as a decision file to edit
///
/// `rustdb-migrate upgrade --attribution FILE` obeys the file.
#[derive(Debug, clap::Args)]
pub struct AttributeArgs {
    /// Data directory that a server left
    source: PathBuf,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

/// Runs the subcommand.
pub fn run(args: &AttributeArgs, common: &Common) -> anyhow::Result<Exit> {
    if let Some(file) = &args.output {
        file_outside(file, &args.source)?;
    }
    let file = attribute(&args.source, &args.reading.open_options(common)?)?;
    match &args.output {
        Some(path) => write_output(path, file.text.as_bytes())?,
        None => io::stdout().lock().write_all(file.text.as_bytes())?,
    }
    Ok(Exit::Done)
}
