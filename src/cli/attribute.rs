//! `rustdb-migrate attribute`.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::commands::attribute::{DecisionFile, attribute};
use crate::commands::{Identity, OutputFile, OutputOptions};
use crate::finding::{Code, written_fields};
use crate::recovery::attribution::Counts;
use crate::render::{counted, cut_text, row_text};
use crate::report::Report;

use super::Exit;
use super::document::{DirectoryShown, Head, outcome};
use super::next_steps::{after_attribute, steps_text};
use super::options::{Beyond, Common, Format, ReadArgs};
use super::output::{Output, error_width, note, warn};

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
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Content<'f> {
    /// The file that was written.
    #[serde(flatten, serialize_with = "written_fields")]
    written: Option<PathBuf>,
    /// Its text, where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<&'f str>,
    undecided: usize,
    attribution: Counts,
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
    if let Some(output) = opened {
        output.finish(file.text.as_bytes())?;
    }
    let exit = match file.undecided {
        0 => Exit::Done,
        _ => Exit::NeedsDecision,
    };
    let steps = args.output.as_ref().map_or_else(Vec::new, |path| {
        after_attribute(&args.source, path, std::env::args_os())
    });
    let mut out = Output::new(common)?;
    match (args.format, &args.output) {
        (Format::Json, path) => {
            let identity = Identity::legacy(file.family);
            let head = Head {
                command: "attribute",
                source: Some(DirectoryShown::known(&args.source, identity)),
                outcome: outcome(exit),
                findings: &file.findings,
                next: &steps,
            };
            let content = Content {
                written: path.clone(),
                decisions: path.is_none().then_some(&file.text),
                undecided: file.undecided,
                attribution: file.counts,
            };
            out.document(&head, &content)?;
        }
        (Format::Text, None) => {
            warn(&contradicted(&file), common);
            out.write_all(file.text.as_bytes())?;
        }
        (Format::Text, Some(path)) => {
            warn(&contradicted(&file), common);
            let undecided = match file.undecided {
                0 => "every record is decided".to_owned(),
                1 => "1 record is not decided, \"= ?\" marks it".to_owned(),
                open => format!(
                    "{} are not decided, \"= ?\" marks them",
                    counted(open as u64, "record")
                ),
            };
            note(&format!("{} written; {undecided}", path.display()), common);
            steps_text(&steps, error_width())
                .lines()
                .for_each(|line| note(line, common));
        }
    }
    out.finish()?;
    Ok(exit)
}

/// The decisions that the files prove wrong; the rest of what was found is
/// said by what obeys them.
fn contradicted(file: &DecisionFile) -> Report {
    let found = file.findings.iter();
    let found = found.filter(|finding| finding.code == Code::AssignmentContradicted);
    Report::of(&found.cloned().collect::<Vec<_>>())
}
