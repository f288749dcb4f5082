//! `rustdb-migrate attribute`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::attribute::attribute;
use crate::commands::{OutputFile, OutputOptions};
use crate::finding::Code;
use crate::render::{counted, cut_text, row_text};
use crate::report::Report;

use super::Exit;
use super::options::{Beyond, Common, ReadArgs};
use super::output::{note, warn};

/// Characters of a row in a comment.
const ROW_CHARS: usize = 300;

/// Writes which database each WAL record belongs to, as a decision file to edit
///
/// `rustdb-migrate upgrade --attribution FILE` obeys the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Each statement has one line, and comments show the values that it writes and, for an update or delete, \
the row that it ends in each database that could own it. With --attribution, what an earlier file decides stands decided.

Ends with 0 when every record has a database or is to be kept aside, else with 3; the file is written in both cases.")]
pub struct AttributeArgs {
    /// Data directory that a server left
    source: PathBuf,
    /// File to write; one that is there stays, unless --force [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over FILE, decisions made in it included
    #[arg(long)]
    force: bool,
    /// Show the length of each value instead of the value
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    reading: ReadArgs,
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
    let file = attribute(&args.source, &options, |row| {
        cut_text(&row_text(&row.columns, &row.values, args.redact), ROW_CHARS)
    })?;
    let contradicted = file.findings.iter();
    let contradicted = contradicted.filter(|finding| finding.code == Code::AssignmentContradicted);
    warn(
        &Report::of(&contradicted.cloned().collect::<Vec<_>>()),
        common,
    );
    match (&args.output, opened) {
        (Some(path), Some(output)) => {
            output.finish(file.text.as_bytes())?;
            let undecided = match file.undecided {
                0 => "every record is decided".to_owned(),
                1 => "1 record is not decided, \"= ?\" marks it".to_owned(),
                open => format!(
                    "{} are not decided, \"= ?\" marks them",
                    counted(open as u64, "record")
                ),
            };
            note(&format!("{} written; {undecided}", path.display()), common);
        }
        _ => io::stdout().lock().write_all(file.text.as_bytes())?,
    }
    Ok(match file.undecided {
        0 => Exit::Done,
        _ => Exit::NeedsDecision,
    })
}
