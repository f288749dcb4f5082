//! `rustdb-inspect check`.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::commands::check::{Agreement, Checked, check, find_directories};
use crate::finding::{directory_fields, expected_fields};
use crate::render::{escape, wrapped};

use super::Exit;
use super::document::{DirectoryShown, Head, outcome};
use super::exit::error_text;
use super::options::{Common, Format};
use super::output::Output;

/// Verifies every data directory below PATH and compares it with expected.json beside it, and every export with its manifest.json
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
What is expected of a directory stands beside it: in expected.json where the directory is named \
data, else in NAME.expected.json. It says family or layout, the WAL's verdict and cut, attribution, \
findings by code, and for each table its row versions and content hashes.

An export, as dump -o writes it, is compared with the manifest.json in it: every file that it names \
must be there with the same bytes, and no other.

--bless writes expected.json where it is missing or differs: the only thing that rustdb-inspect ever \
writes. A file that check did not write is never replaced.")]
pub struct CheckArgs {
    /// Directory to walk; links below it are not followed
    path: PathBuf,
    /// Write down what is found as what is expected
    #[arg(long)]
    bless: bool,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Content {
    checked: usize,
    differing: usize,
    directories: Vec<CheckLine>,
}

#[derive(Serialize)]
struct CheckLine {
    #[serde(flatten, serialize_with = "directory_fields")]
    directory: PathBuf,
    outcome: &'static str,
    #[serde(flatten, serialize_with = "expected_fields")]
    expected: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Columns before what is said of a directory.
const INDENT: &str = "         ";

/// Runs the subcommand.
pub fn run(args: &CheckArgs, common: &Common) -> anyhow::Result<Exit> {
    let mut out = Output::new(common)?;
    let mut exit = Exit::Done;
    let mut lines = Vec::new();
    let directories = find_directories(&args.path)?;
    for directory in &directories {
        let (line, own) = match check(directory, args.bless) {
            Ok(checked) => of_checked(checked),
            Err(error) => {
                let error = error.into();
                let line = CheckLine {
                    directory: directory.clone(),
                    outcome: "unreadable",
                    expected: None,
                    differences: Vec::new(),
                    error: Some(error_text(&error)),
                };
                (line, Exit::of_error(&error))
            }
        };
        exit = exit.and(own);
        if args.format == Format::Text {
            show(&mut out, &line, common)?;
        }
        lines.push(line);
    }
    let good = |line: &&CheckLine| matches!(line.outcome, "same" | "blessed");
    let differing = lines
        .len()
        .saturating_sub(lines.iter().filter(good).count());
    match args.format {
        Format::Json => {
            let content = Content {
                checked: lines.len(),
                differing,
                directories: lines,
            };
            let head = Head {
                command: "check",
                source: Some(DirectoryShown::at(&args.path)),
                outcome: match exit {
                    Exit::Damage => "differs",
                    exit => outcome(exit),
                },
                findings: &[],
                next: &[],
            };
            out.document(&head, &content)?;
        }
        Format::Text => writeln!(out, "{} checked, {differing} differ", lines.len())?,
    }
    out.finish()?;
    Ok(exit)
}

fn of_checked(checked: Checked) -> (CheckLine, Exit) {
    let (outcome, exit, differences) = match checked.outcome {
        Agreement::Same => ("same", Exit::Done, Vec::new()),
        Agreement::Blessed => ("blessed", Exit::Done, Vec::new()),
        Agreement::Missing => ("missing", Exit::Damage, Vec::new()),
        Agreement::Foreign => ("foreign", Exit::Damage, Vec::new()),
        Agreement::Differs(differences) => ("differs", Exit::Damage, differences),
    };
    let line = CheckLine {
        directory: checked.directory,
        outcome,
        expected: Some(checked.expected),
        differences,
        error: None,
    };
    (line, exit)
}

fn show(out: &mut Output, line: &CheckLine, common: &Common) -> anyhow::Result<()> {
    let good = matches!(line.outcome, "same" | "blessed");
    if good && common.quiet {
        return Ok(());
    }
    let directory = escape(&line.directory.display().to_string());
    let expected = line.expected.as_ref();
    let expected = escape(&expected.map_or(String::new(), |path| path.display().to_string()));
    let (word, text) = match line.outcome {
        "same" => ("ok", directory),
        "blessed" => ("blessed", format!("{directory}: {expected}")),
        "missing" => (
            "FAIL",
            format!("{directory}: found no {expected}; --bless writes it"),
        ),
        "foreign" => (
            "FAIL",
            format!("{directory}: {expected} was not written by check"),
        ),
        "differs" => ("FAIL", format!("{directory}: differs from {expected}")),
        _ => {
            let error = line.error.as_deref().unwrap_or_default();
            ("FAIL", format!("{directory}: {error}"))
        }
    };
    let text = wrapped(&text, INDENT, out.width());
    write!(out, "{word:<8} {}", text.trim_start())?;
    for difference in &line.differences {
        let text = wrapped(&escape(difference), INDENT, out.width());
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}
