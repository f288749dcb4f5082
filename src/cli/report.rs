//! `rustdb-inspect report`.

use std::path::PathBuf;

use anyhow::Context;
use bytesize::ByteSize;

use crate::commands::info::{DatabaseInfo, Info, TableInfo, info};
use crate::commands::page_map::{PageMaps, page_maps};
use crate::commands::stats::{Writes, stats};
use crate::commands::wal::{Log, open_log};
use crate::commands::{OutputFile, OutputOptions, write_output};
use crate::finding::Severity;
use crate::render::html::{DatabasePart, Page, TablePart, page_html};
use crate::render::{counted, utc_text};

use super::Exit;
use super::next_steps::{Obstacle, after_look, quoted, upgrade_of};
use super::options::{Common, Reading};
use super::output::{note, word};
use super::report_pages::page_map;
use super::report_timeline::timeline;
use super::report_writes::writes_part;

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
    /// Write over FILE
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Runs the subcommand.
pub fn run(args: &ReportArgs, common: &Common) -> anyhow::Result<Exit> {
    let outside = [("DIR", args.dir.as_path())];
    let output = OutputOptions {
        outside: &outside,
        replace: args.force,
        ..OutputOptions::default()
    };
    // What stands in the way is said before the work.
    OutputFile::check(&args.output, &output)?;
    let options = args.reading.open_options(common)?;
    let mut info = info(&args.dir, &options)?;
    let log = match info.wal {
        Some(_) => Some(open_log(&args.dir, &options)?),
        None => None,
    };
    let maps = page_maps(&args.dir, &options, log.as_ref())?;
    info.report.extend(maps.report.clone());
    // Only a snapshot that can be read tells what the log is written on top of.
    let writes = match (&log, &info.databases) {
        (Some(_), Some(_)) => stats(&args.dir, &options)?.writes,
        _ => None,
    };
    let page = page(&info, log.as_ref(), &maps, writes.as_ref());
    write_output(&args.output, &output, page_html(&page).as_bytes()).context("--output")?;
    note(&format!("{} written", args.output.display()), common);
    Ok(Exit::from(&info.report))
}

fn page(info: &Info, log: Option<&Log>, maps: &PageMaps, writes: Option<&Writes>) -> Page {
    let obstacle = Obstacle::of(&info.report);
    Page {
        title: info.path.clone(),
        verdict: judged(info, obstacle).to_owned(),
        // What only waits for a decision is no damage.
        worst: match obstacle {
            Some(Obstacle::Decision) => Some(Severity::Warning),
            _ => info.report.worst(),
        },
        next: next(info),
        facts: facts(info),
        databases: info.databases.as_ref().map(|databases| {
            let part = |database: &DatabaseInfo| DatabasePart {
                name: database.database.clone(),
                tables: database.tables.iter().map(table).collect(),
            };
            databases.iter().map(part).collect()
        }),
        maps: maps.maps.iter().map(page_map).collect(),
        maps_left_out: maps.left_out,
        timeline: log.map(timeline),
        findings: info.findings().to_vec(),
        writes: writes.map(writes_part),
    }
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
fn next(info: &Info) -> Vec<(&'static str, Vec<String>)> {
    let steps = after_look(info).into_iter();
    let mut next: Vec<_> = steps.map(|step| (step.purpose, step.commands)).collect();
    if info.report.class().is_none() {
        let source = quoted(&info.path);
        let dump = format!("rustdb-inspect dump {source} > dump.sql");
        let write = match info.layout {
            None => (
                "to write it in a layout that can be checked",
                upgrade_of(info),
            ),
            Some(_) => ("to check it", format!("rustdb-inspect verify {source}")),
        };
        next.push((write.0, vec![write.1]));
        next.push(("to load it into PostgreSQL", vec![dump]));
    } else if info.layout.is_some() {
        let verify = format!("rustdb-inspect verify {}", quoted(&info.path));
        next.push(("to see all that is wrong", vec![verify]));
    }
    next
}

fn table(table: &TableInfo) -> TablePart {
    TablePart {
        name: table.table.clone(),
        columns: table.schema.columns.len(),
        live: table.live,
        dead: table.dead,
        size: ByteSize(table.bytes).to_string(),
        bytes: table.bytes,
    }
}

fn facts(info: &Info) -> Vec<(&'static str, String)> {
    let kind = match &info.layout {
        Some(layout) => format!("written by rustdb-migrate as {layout}"),
        None => "left by a RustDB server".to_owned(),
    };
    let mut facts = vec![
        ("kind", kind),
        ("family", info.family.clone()),
        ("files", format!("{}, {}", info.files, ByteSize(info.bytes))),
    ];
    if let Some(totals) = &info.totals {
        facts.push((
            "holds",
            format!(
                "{}, {}, {}, {}",
                counted(totals.databases, "database"),
                counted(totals.tables, "table"),
                counted(totals.live, "row"),
                counted(totals.dead, "dead row version")
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
            counted(wal.segments.len(), "segment"),
            ByteSize(wal.bytes),
            counted(wal.records, "record"),
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
        facts.push(("tail", format!("{} records, by {}", wal.tail, word(cut))));
    }
    facts
}
