//! `rustdb-migrate attribute`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::attribute::attribute;
use crate::commands::{OutputFile, OutputOptions};

use super::Exit;
use super::options::{Beyond, Common, Reading};
use super::output::note;

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
    /// Write over FILE, decisions made in it included
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    beyond: Beyond,
}

/// Runs the subcommand.
pub fn run(args: &AttributeArgs, common: &Common) -> anyhow::Result<Exit> {
    let outside = [("SOURCE", args.source.as_path())];
    let output = OutputOptions {
        outside: &outside,
        replace: args.force,
        ..OutputOptions::default()
    };
    // What stands in the way is said before the work.
    let opened = args.output.as_ref();
    let opened = opened.map(|path| OutputFile::create(path, &output));
    let opened = opened.transpose()?;
    let mut options = args.reading.open_options(common)?;
    args.beyond.apply(&mut options);
    let file = attribute(&args.source, &options)?;
    match (&args.output, opened) {
        (Some(path), Some(output)) => {
            output.finish(file.text.as_bytes())?;
            let open = file.counts.ambiguous.saturating_add(file.counts.orphan);
            let path = path.display();
            let text =
                format!("{path} written; {open} records are not decided, \"= ?\" marks them");
            note(&text, common);
        }
        _ => io::stdout().lock().write_all(file.text.as_bytes())?,
    }
    Ok(Exit::Done)
}
