//! `rustdb-inspect report`.

use std::path::PathBuf;

use anyhow::Context;
use bytesize::ByteSize;
use serde::Serialize;

use crate::commands::info::{DatabaseInfo, Info, TableInfo, info};
use crate::commands::page_map::{PageMaps, page_maps};
use crate::commands::schema::ColumnSchema;
use crate::commands::stats::{Writes, stats};
use crate::commands::verify::{Level, verify};
use crate::commands::wal::{Log, open_log};
use crate::commands::{OutputFile, OutputOptions, write_output};
use crate::finding::Severity;
use crate::legacy::Family;
use crate::render::html::{ColumnLine, DatabaseSection, Page, TableSection, page_html};
use crate::render::{grouped, utc_text};

use super::Exit;
use super::document::{Head, Source};
use super::next_steps::{Obstacle, after_look};
use super::options::{Common, Format, ReadArgs};
use super::output::{Output, note, word};
use super::report_pages::page_map;
use super::report_timeline::timeline;
use super::report_writes::writes_section;

/// Writes what a directory is and what was found into one HTML page
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The page needs neither a network nor scripts, and holds no value of a row: names of databases, tables and columns only. \
Each record of the log is a sign: a letter and a colour for its database, square when that is certain, round when it is probable. \
Each page of a table is a cell, filled as far as the page is; neighbours share one where there are more than 480. \
The 50 largest tables have such a map.

Of a legacy directory, what its log costs to write is measured as `stats` does it, in a directory for temporary files \
(TMPDIR); --no-wal leaves this out.")]
pub struct ReportArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Rights of FILE, as 644: who beside its owner may read it [default: 600]
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    mode: Option<u32>,
    /// Write over FILE
    #[arg(long)]
    force: bool,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    reading: ReadArgs,
}

/// What was looked at before a page says that all is in order.
const CHECKED: &str = "every byte, as verify does it: structures, keys, foreign keys, sequences";

/// Runs the subcommand.
pub fn run(args: &ReportArgs, common: &Common) -> anyhow::Result<Exit> {
    let outside = [("DIR", args.dir.as_path())];
    let mut output = OutputOptions {
        outside: &outside,
        replace: args.force,
        ..OutputOptions::default()
    };
    if let Some(mode) = args.mode {
        output.mode = mode;
    }
    // What stands in the way is said before the work.
    OutputFile::check(&args.output, &output)?;
    let options = args.reading.open_options(common)?;
    let mut info = info(&args.dir, &options)?;
    let log = match info.wal {
        Some(_) => Some(open_log(&args.dir, &options)?),
        None => None,
    };
    let maps = page_maps(&args.dir, &options, log.as_ref())?;
    // Never greener than `verify`: what only it finds is found here too.
    let verified = verify(&args.dir, &options, Level::Full)?.report;
    for finding in verified.findings().iter().chain(maps.report.findings()) {
        if !info.findings().contains(finding) {
            info.report.add(finding.clone());
        }
    }
    // Only a snapshot that can be read tells what the log is written on top of.
    let writes = match (&log, &info.databases) {
        (Some(_), Some(_)) => stats(&args.dir, &options)?.writes,
        _ => None,
    };
    let words = args.reading.deciding.words();
    let page = page(&info, &words, log.as_ref(), &maps, writes.as_ref());
    write_output(&args.output, &output, page_html(&page).as_bytes()).context("--output")?;
    if args.format == Format::Json {
        let mut out = Output::new(common)?;
        let head = Head {
            next: &after_look(&info, &words),
            ..Head::of(
                "report",
                Source::known(&args.dir, info.identity.clone()),
                &info.report,
            )
        };
        let written = args.output.to_string_lossy().into_owned();
        out.document(&head, &Content { written })?;
        out.finish()?;
    }
    note(&format!("{} written", args.output.display()), common);
    Ok(Exit::from(&info.report))
}

/// What the document says beside what all documents say.
#[derive(Serialize)]
struct Content {
    /// The page's file.
    written: String,
}

/// Rights of a file as octal digits.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected octal digits up to 777".into()),
    }
}

fn page(
    info: &Info,
    reading: &[String],
    log: Option<&Log>,
    maps: &PageMaps,
    writes: Option<&Writes>,
) -> Page {
    let obstacle = Obstacle::of(&info.report);
    Page {
        title: info.path.display().to_string(),
        verdict: judged(info, obstacle).to_owned(),
        // What only waits for a decision is no damage.
        worst: match obstacle {
            Some(Obstacle::Decision) => Some(Severity::Warning),
            _ => info.report.worst(),
        },
        next: next(info, reading),
        facts: facts(info),
        databases: info.databases.as_ref().map(|databases| {
            let section = |database: &DatabaseInfo| DatabaseSection {
                name: database.database.clone(),
                tables: database.tables.iter().map(table).collect(),
            };
            databases.iter().map(section).collect()
        }),
        maps: maps.maps.iter().map(page_map).collect(),
        maps_left_out: maps.left_out,
        timeline: log.map(timeline),
        findings: info.findings().to_vec(),
        writes: writes.map(writes_section),
    }
}

/// A family and the releases that it stands for.
fn family(name: &str) -> String {
    match name.parse::<Family>() {
        Ok(family) => format!("{name} ({})", family.releases()),
        Err(_) => name.to_owned(),
    }
}

/// A number of things whose plural ends in s.
fn many(number: u64, thing: &str) -> String {
    format!(
        "{} {thing}{}",
        grouped(number),
        if number == 1 { "" } else { "s" }
    )
}

/// How the directory stands, in a sentence.
fn judged(info: &Info, obstacle: Option<Obstacle>) -> &'static str {
    match (obstacle, &info.layout) {
        (Some(Obstacle::Decision), _) => {
            "a decision is needed. Nothing is damaged, but only you can say what the findings leave open."
        }
        (Some(Obstacle::Damage), None) => {
            "something is damaged or missing; --salvage keeps what can be kept."
        }
        (Some(Obstacle::Damage), Some(_)) => {
            "something is damaged or missing. Restore the files that are named, or upgrade again from the source."
        }
        (None, _) if info.report.worst().is_some() => {
            "nothing stands in the way; see the findings below."
        }
        (None, _) => "nothing was found that needs attention.",
    }
}

/// What to do next, with its commands.
fn next(info: &Info, reading: &[String]) -> Vec<(&'static str, Vec<String>)> {
    let steps = after_look(info, reading).into_iter();
    steps.map(|step| (step.purpose, step.commands)).collect()
}

fn table(table: &TableInfo) -> TableSection {
    TableSection {
        name: table.table.clone(),
        columns: table
            .schema
            .columns
            .iter()
            .map(|one| column(table, one))
            .collect(),
        live: table.live,
        dead: table.dead,
        size: ByteSize(table.bytes).to_string(),
        bytes: table.bytes,
    }
}

fn column(table: &TableInfo, column: &ColumnSchema) -> ColumnLine {
    let mut marks = column.constraints();
    if let Some(next) = table.schema.sequences.get(&column.name) {
        marks.push(format!("next value {next}"));
    }
    ColumnLine {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        marks: marks.join(", "),
    }
}

fn facts(info: &Info) -> Vec<(&'static str, String)> {
    let kind = match &info.layout {
        Some(layout) => format!("written by rustdb-migrate as {layout}"),
        None => "left by a RustDB server".to_owned(),
    };
    let mut facts = vec![
        ("kind", kind),
        ("family", family(&info.family)),
        (
            "files",
            format!("{}, {}", grouped(info.files), ByteSize(info.bytes)),
        ),
        ("checked", CHECKED.to_owned()),
    ];
    if let Some(totals) = &info.totals {
        facts.push((
            "holds",
            format!(
                "{}, {}, {}, {}",
                many(totals.databases, "database"),
                many(totals.tables, "table"),
                many(totals.live, "row"),
                many(totals.dead, "dead row version")
            ),
        ));
    }
    for (label, names) in [("users", &info.users), ("roles", &info.roles)] {
        if !names.is_empty() {
            facts.push((label, names.join(", ")));
        }
    }
    let Some(wal) = &info.wal else {
        return facts;
    };
    facts.push((
        "log",
        format!(
            "{}, {}, {}, {}",
            many(wal.segments.len() as u64, "segment"),
            ByteSize(wal.bytes),
            many(wal.records as u64, "record"),
            wal.verdict
        ),
    ));
    if let (Some(first), Some(last)) = (wal.first_timestamp, wal.last_timestamp) {
        facts.push((
            "times",
            format!("{} to {} UTC", utc_text(first), utc_text(last)),
        ));
    }
    if let Some(cut) = &wal.cut {
        let tail = many(wal.tail as u64, "record");
        facts.push(("tail", format!("{tail}, cut by {}", word(cut))));
    }
    let decided = wal.attribution.as_ref().map_or(0, |counts| counts.assigned);
    if decided > 0 {
        let records = many(decided, "record");
        facts.push(("decided", format!("{records} placed by your decision")));
    }
    facts
}
