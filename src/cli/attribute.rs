//! `rustdb-migrate attribute`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::commands::attribute::attribute;
use crate::commands::file_outside;
use crate::error::Error;
use crate::finding::Code;
use crate::render::{counted, cut_text, row_text};
use crate::report::Report;

use super::Exit;
use super::options::{Beyond, Common, Reading};
use super::output::{note, warn, write_output};

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
    /// Replace a FILE that is there
    #[arg(long)]
    force: bool,
    /// Show the length of each value instead of the value
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    beyond: Beyond,
}

/// Runs the subcommand.
pub fn run(args: &AttributeArgs, common: &Common) -> anyhow::Result<Exit> {
    if let Some(file) = &args.output {
        file_outside(file, &args.source)?;
        keep_decisions(file, args.force)?;
    }
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
    match &args.output {
        Some(path) => {
            write_output(path, file.text.as_bytes())?;
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
        None => io::stdout().lock().write_all(file.text.as_bytes())?,
    }
    Ok(match file.undecided {
        0 => Exit::Done,
        _ => Exit::NeedsDecision,
    })
}

/// What somebody has decided by hand is not written over.
fn keep_decisions(file: &Path, force: bool) -> Result<(), Error> {
    let is_there = file.symlink_metadata().is_ok_and(|meta| meta.is_file());
    match is_there && !force {
        true => Err(Error::NeedsDecision(format!(
            "--output: {} is there already and may hold decisions\nChoose another name (with `--attribution {}` to go on with them), or replace it with --force.",
            file.display(),
            file.display()
        ))),
        false => Ok(()),
    }
}
