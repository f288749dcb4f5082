//! `rustdb-migrate attribute`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::attribute::attribute;
use crate::commands::file_outside;

use super::Exit;
use super::options::{Beyond, Common, Reading};
use super::output::{note, write_output};

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
    #[command(flatten)]
    beyond: Beyond,
}

/// Runs the subcommand.
pub fn run(args: &AttributeArgs, common: &Common) -> anyhow::Result<Exit> {
    if let Some(file) = &args.output {
        file_outside(file, &args.source)?;
    }
    let mut options = args.reading.open_options(common)?;
    args.beyond.apply(&mut options);
    let file = attribute(&args.source, &options)?;
    match &args.output {
        Some(path) => {
            write_output(path, file.text.as_bytes())?;
            let open = file.counts.ambiguous.saturating_add(file.counts.orphan);
            let path = path.display();
            let text =
                format!("{path} written; {open} records are not decided, \"= ?\" marks them");
            note(&text, common);
        }
        None => io::stdout().lock().write_all(file.text.as_bytes())?,
    }
    Ok(Exit::Done)
}
