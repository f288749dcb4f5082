//! `rustdb-inspect verify`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::ValueEnum;
use serde::Serialize;

use crate::commands::OpenOptions;
use crate::commands::verify::{Level, Verification, verify};
use crate::finding::{Finding, Severity, file_fields};
use crate::render::{counted, escape};
use crate::report::Report;

use super::Exit;
use super::after_error::after_error;
use super::document::{DirectoryShown, Head, error_findings, outcome};
use super::exit::error_text;
use super::next_steps::{Step, steps_text};
use super::options::{Common, Format, ReadArgs};
use super::output::{Output, warn};

/// Checks every checksum, structure and constraint
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Legacy files carry no checksums: at every level they are decoded strictly and the WAL is judged. \
Rows that break a key or a foreign key are warnings, because the old server made such rows itself.")]
pub struct VerifyArgs {
    /// Data directories, legacy or upgraded
    #[arg(required = true)]
    dir: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    /// How much to check; each level includes those before it
    #[arg(long, value_enum, default_value_t)]
    level: LevelArg,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LevelArg {
    /// Every checksum, or strict decoding where there is none
    Checksums,
    /// Also places, counts, and the verdict on the WAL
    Structure,
    /// Also keys, foreign keys, sequences, enum labels and dates
    #[default]
    Full,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Level {
        match level {
            LevelArg::Checksums => Level::Checksums,
            LevelArg::Structure => Level::Structure,
            LevelArg::Full => Level::Full,
        }
    }
}

/// Lines of the sum, where the name of the directory is not very long.
const SUMMARY_LINES: usize = 2;

#[derive(Serialize)]
struct Content<'v> {
    level: Level,
    result: &'static str,
    directories: &'v [DirectoryLine],
}

#[derive(Serialize)]
struct DirectoryLine {
    #[serde(flatten)]
    source: DirectoryShown,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    bytes: u64,
    checked: u64,
    unchecked: u64,
    files: Vec<FileLine>,
    findings: Vec<Finding>,
    /// What to do next where nothing could be verified.
    #[serde(skip)]
    next: Vec<Step>,
}

#[derive(Serialize)]
struct FileLine {
    #[serde(flatten, serialize_with = "file_fields")]
    file: Option<PathBuf>,
    bytes: u64,
    checked: u64,
    unchecked: u64,
}

/// Runs the subcommand.
pub fn run(args: &VerifyArgs, common: &Common) -> anyhow::Result<Exit> {
    let options = args.reading.open_options(common)?;
    let level = args.level.into();
    let mut out = Output::new(common)?;
    let mut exit = Exit::Done;
    let mut directories = Vec::new();
    for dir in &args.dir {
        let (one, own) = line(dir, &options, level);
        exit = exit.and(own);
        if args.format == Format::Text {
            show(&mut out, &one, common)?;
            // Without its findings a directory is only a line of the sum.
            continue;
        }
        directories.push(one);
    }
    if args.format == Format::Json {
        let next: Vec<Step> = directories
            .iter_mut()
            .flat_map(|one| one.next.drain(..))
            .collect();
        let all = directories.iter().flat_map(|one| &one.findings);
        let head = Head {
            command: "verify",
            source: directories.first().map(|one| one.source.clone()),
            outcome: outcome(exit),
            findings: &all.cloned().collect::<Vec<_>>(),
            next: &next,
        };
        let content = Content {
            level,
            result: result_word(exit),
            directories: &directories,
        };
        out.document(&head, &content)?;
    }
    out.finish()?;
    Ok(exit)
}

fn result_word(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "ok",
        Exit::Damage => "damaged",
        Exit::CannotRun => "unreadable",
        Exit::NeedsDecision => "needs-decision",
    }
}

fn line(dir: &Path, options: &OpenOptions, level: Level) -> (DirectoryLine, Exit) {
    let verification = match verify(dir, options, level) {
        Ok(verification) => verification,
        Err(error) => {
            let error = anyhow::Error::from(error);
            let words: Vec<OsString> = std::env::args_os().collect();
            let exit = Exit::of_error(&error);
            let line = DirectoryLine {
                source: DirectoryShown::at(dir),
                result: result_word(exit),
                error: Some(error_text(&error)),
                bytes: 0,
                checked: 0,
                unchecked: 0,
                files: Vec::new(),
                findings: error_findings(&error),
                next: after_error(&words, (Some(dir), None), &error),
            };
            return (line, exit);
        }
    };
    let exit = Exit::from(&verification.report);
    (of_verification(dir, verification, exit), exit)
}

fn of_verification(dir: &Path, verification: Verification, exit: Exit) -> DirectoryLine {
    let files = &verification.coverage.files;
    let sum = |pick: fn(&FileLine) -> u64, files: &[FileLine]| {
        files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(pick(file)))
    };
    let files: Vec<FileLine> = files
        .iter()
        .map(|file| FileLine {
            file: Some(file.path.clone()),
            bytes: file.len,
            checked: file.checked,
            unchecked: file.unchecked,
        })
        .collect();
    DirectoryLine {
        source: DirectoryShown::known(dir, verification.identity),
        result: result_word(exit),
        error: None,
        bytes: sum(|file| file.bytes, &files),
        checked: sum(|file| file.checked, &files),
        unchecked: sum(|file| file.unchecked, &files),
        files,
        findings: verification.report.findings().to_vec(),
        next: Vec::new(),
    }
}

fn show(out: &mut Output, line: &DirectoryLine, common: &Common) -> anyhow::Result<()> {
    if let Some(error) = &line.error {
        writeln!(
            out,
            "{}: {}: {error}",
            escape(&line.source.shown()),
            line.result
        )?;
        if !common.quiet {
            out.write_all(steps_text(&line.next, out.width()).as_bytes())?;
        }
        return Ok(());
    }
    let found = Report::of(&line.findings);
    match common.quiet {
        true => warn(&found, common),
        false => out.findings(&found, common, SUMMARY_LINES)?,
    }
    if common.verbose > 0 {
        let mut table = out
            .table(&["BYTES", "CHECKED", "UNCHECKED", "FILE"])
            .right(&[0, 1, 2]);
        for file in &line.files {
            table.row([
                file.bytes.to_string(),
                file.checked.to_string(),
                file.unchecked.to_string(),
                file.file
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect(),
            ]);
        }
        out.write_all(table.text().as_bytes())?;
    }
    let count = |severity| {
        let found = line.findings.iter();
        found.filter(|finding| finding.severity == severity).count()
    };
    let unchecked = match line.unchecked {
        0 => String::new(),
        bytes => format!(", {} unchecked", ByteSize(bytes)),
    };
    let text = format!(
        "{}: {} ({}): {} of {} in {} checked{unchecked}; {}, {}",
        line.source.shown(),
        line.result,
        line.source.kind(),
        ByteSize(line.checked),
        ByteSize(line.bytes),
        counted(line.files.len(), "file"),
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
    );
    let text = out.wrapped(&escape(&text));
    out.write_all(text.trim_start().as_bytes())?;
    Ok(())
}
