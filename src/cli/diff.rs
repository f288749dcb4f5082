//! `rustdb-inspect diff`.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::commands::Directory;
use crate::commands::diff::{Diff, DiffOptions, Difference, Example, TableDiff, diff};
use crate::model::Table;
use crate::render::{counted, distinct_names, escape, push_redacted, push_text};
use crate::report::Report;

use super::Exit;
use super::document::{DirectoryShown, Head};
use super::options::{Common, Format, ReadArgs};
use super::output::{Output, warn};

/// Characters of a value that a line for people shows.
const SHOWN_CHARS: usize = 60;

/// Shows what two directories of any kinds hold differently
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Compared are schemas, sequences, accounts, grants and rows; rows as multisets, so that their \
order means nothing. The kinds of the directories, layouts and releases, are no difference. \
Exits with 1 when something differs.")]
pub struct DiffArgs {
    /// One data directory
    a: PathBuf,
    /// The other
    b: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    /// Compare every row version with its xmin and xmax, not only what a user sees
    #[arg(long)]
    include_dead: bool,
    /// Example rows to show a table and side
    #[arg(long, value_name = "N", default_value_t = DiffOptions::default().examples)]
    examples: usize,
    #[arg(long, help = "Values as <redacted len:N>: safe to attach to a ticket")]
    redact: bool,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Content<'d> {
    equal: bool,
    a: DirectoryShown,
    b: DirectoryShown,
    differences: &'d [Difference],
    tables: Vec<TableLine<'d>>,
}

#[derive(Serialize)]
struct TableLine<'d> {
    database: &'d str,
    table: &'d str,
    only_in_a: u64,
    only_in_b: u64,
    examples_a: Vec<ExampleLine>,
    examples_b: Vec<ExampleLine>,
}

#[derive(Serialize)]
struct ExampleLine {
    /// Position among the table's row versions.
    version: u64,
    xmin: u64,
    xmax: Option<u64>,
    values: Vec<ValueLine>,
}

#[derive(Serialize)]
struct ValueLine {
    column: String,
    #[serde(rename = "type")]
    tag: &'static str,
    /// The text of the value, null for NULL.
    value: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: &DiffArgs, common: &Common) -> anyhow::Result<Exit> {
    let options = args.reading.open_options(common)?;
    let a = Directory::open(&args.a, &options)?;
    let b = Directory::open(&args.b, &options)?;
    let found = diff(
        &a,
        &b,
        &DiffOptions {
            versions: args.include_dead,
            examples: args.examples,
        },
    )?;
    let mut report = a.findings();
    report.extend(b.findings());
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => show_json(&mut out, args, (&a, &b), &found, &report)?,
        Format::Text => {
            warn(&report, common);
            show(&mut out, args, &found)?;
        }
    }
    out.finish()?;
    let differs = match found.is_empty() {
        true => Exit::Done,
        false => Exit::Damage,
    };
    Ok(differs.and(Exit::from(&report)))
}

fn show_json(
    out: &mut Output,
    args: &DiffArgs,
    (a, b): (&Directory, &Directory),
    found: &Diff,
    report: &Report,
) -> anyhow::Result<()> {
    let tables = found.tables.iter().map(|one| TableLine {
        database: &one.database,
        table: &one.table.name,
        only_in_a: one.rows.only_in_a,
        only_in_b: one.rows.only_in_b,
        examples_a: lines(&one.table, &one.rows.examples_a, args.redact),
        examples_b: lines(&one.table, &one.rows.examples_b, args.redact),
    });
    let content = Content {
        equal: found.is_empty(),
        a: DirectoryShown::of(a),
        b: DirectoryShown::of(b),
        differences: &found.differences,
        tables: tables.collect(),
    };
    let mut head = Head::of("diff", DirectoryShown::of(a), report);
    // As the exit code has it: a difference outweighs what is undecided.
    if !found.is_empty() && matches!(Exit::from(report), Exit::Done | Exit::NeedsDecision) {
        head.outcome = "differs";
    }
    out.document(&head, &content)
}

fn lines(table: &Table, examples: &[Example], redact: bool) -> Vec<ExampleLine> {
    let names = distinct_names(table);
    let line = |example: &Example| {
        let values = example.row.values.iter().enumerate().map(|(i, value)| {
            let value = value.as_ref();
            let mut text = Vec::new();
            match redact {
                true => push_redacted(&mut text, &value),
                false => push_text(&mut text, &value),
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            ValueLine {
                column: names.get(i).cloned().unwrap_or_default(),
                tag: value.tag_name(),
                value: (value.tag_name() != "Null").then_some(text),
            }
        });
        ExampleLine {
            version: example.index,
            xmin: example.row.xmin,
            xmax: example.row.xmax,
            values: values.collect(),
        }
    };
    examples.iter().map(line).collect()
}

fn show(out: &mut Output, args: &DiffArgs, found: &Diff) -> anyhow::Result<()> {
    for one in &found.differences {
        let place = [&one.database, &one.table];
        let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
        let place = match place.is_empty() {
            true => String::new(),
            false => format!("{}: ", place.join(".")),
        };
        let said = match (one.only_in, &one.detail) {
            (Some("a"), _) => "only in A".to_owned(),
            (Some(_), _) => "only in B".to_owned(),
            (None, detail) => detail.clone().unwrap_or_default(),
        };
        let text = format!("{place}{} {}: {said}", one.what, one.name);
        writeln!(out, "{}", escape(&text))?;
    }
    for one in &found.tables {
        show_table(out, args, one)?;
    }
    if found.is_empty() {
        writeln!(out, "equal content")?;
    } else {
        let (things, tables) = (found.differences.len(), found.tables.len());
        writeln!(
            out,
            "{} beside rows, {} with other rows",
            counted(things, "difference"),
            counted(tables, "table")
        )?;
    }
    Ok(())
}

fn show_table(out: &mut Output, args: &DiffArgs, one: &TableDiff) -> anyhow::Result<()> {
    let name = format!("{}.{}", one.database, one.table.name);
    let (a, b) = (one.rows.only_in_a, one.rows.only_in_b);
    let a = counted(a, "row");
    writeln!(out, "{}: {a} only in A, {b} only in B", escape(&name))?;
    for (mark, examples) in [('A', &one.rows.examples_a), ('B', &one.rows.examples_b)] {
        for line in lines(&one.table, examples, args.redact) {
            let values: Vec<String> = line.values.iter().map(value_text).collect();
            let versions = match (args.include_dead, line.xmax) {
                (false, _) => String::new(),
                (true, None) => format!(" (xmin {})", line.xmin),
                (true, Some(xmax)) => format!(" (xmin {}, xmax {xmax})", line.xmin),
            };
            writeln!(
                out,
                "  {mark}, version {}{versions}: {}",
                line.version,
                values.join(", ")
            )?;
        }
    }
    Ok(())
}

fn value_text(line: &ValueLine) -> String {
    let text = match &line.value {
        None => "NULL".to_owned(),
        Some(value) => {
            let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
            if shown.len() < value.len() {
                shown.push_str("...");
            }
            shown
        }
    };
    escape(&format!("{}={text}", line.column))
}
