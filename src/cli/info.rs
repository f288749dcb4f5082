//! `rustdb-inspect info`.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Serialize;

use crate::commands::info::{Info, TableInfo, info};
use crate::commands::wal::LogSummary;
use crate::finding::Finding;
use crate::render::{counted, utc_text};

use super::Exit;
use super::next_steps::{after_look, steps_text};
use super::options::{Common, Format, Reading, Salvaging};
use super::output::{Output, word};

/// Shows what a directory is: kind, release family, databases, tables, WAL, findings
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    salvaging: Salvaging,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Document<'i> {
    #[serde(flatten)]
    info: &'i Info,
    findings: &'i [Finding],
}

/// Runs the subcommand.
pub fn run(args: &InfoArgs, common: &Common) -> anyhow::Result<Exit> {
    let mut options = args.reading.open_options(common)?;
    options.recovery.salvage = args.salvaging.salvage;
    let info = info(&args.dir, &options)?;
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => out.json(&Document {
            info: &info,
            findings: info.findings(),
        })?,
        Format::Text => show(&mut out, &info, args, common)?,
    }
    out.finish()?;
    Ok(Exit::from(&info.report))
}

fn show(out: &mut Output, info: &Info, args: &InfoArgs, common: &Common) -> anyhow::Result<()> {
    out.field("directory", &info.path)?;
    let what = match &info.layout {
        Some(layout) => format!("{layout}, written by rustdb-migrate"),
        None => "legacy, left by a server".to_owned(),
    };
    let size = ByteSize(info.bytes);
    out.field("kind", &format!("{what}; {} files, {size}", info.files))?;
    if let Some(cluster) = &info.cluster {
        out.field("cluster", cluster)?;
    }
    show_family(out, info)?;
    if !info.users.is_empty() {
        out.field("users", &info.users.join(", "))?;
    }
    if !info.roles.is_empty() {
        out.field("roles", &info.roles.join(", "))?;
    }
    if let Some(wal) = &info.wal {
        show_wal(out, wal, common)?;
    }
    show_tables(out, info, common)?;
    if !info.findings().is_empty() && !common.quiet {
        writeln!(out)?;
        out.findings(&info.report, common)?;
        let steps = after_look(info, &args.reading.deciding.words());
        out.write_all(steps_text(&steps).as_bytes())?;
    }
    Ok(())
}

fn show_family(out: &mut Output, info: &Info) -> anyhow::Result<()> {
    let others: Vec<&str> = info
        .families
        .iter()
        .filter(|family| **family != info.family)
        .map(String::as_str)
        .collect();
    let text = match others.as_slice() {
        [] => info.family.clone(),
        others => format!("{}; {} fit as well", info.family, others.join(", ")),
    };
    out.field("family", &text)?;
    for evidence in &info.evidence {
        let said = match (&evidence.code, evidence.offset) {
            (Some(code), Some(offset)) => format!(
                "refused at offset {offset}: {code}: {}",
                evidence.detail.as_deref().unwrap_or_default()
            ),
            _ => "fits".to_owned(),
        };
        let family = format!("{:<5}", evidence.family);
        out.field("", &format!("{}: {family} {said}", evidence.file))?;
    }
    Ok(())
}

fn show_wal(out: &mut Output, wal: &LogSummary, common: &Common) -> anyhow::Result<()> {
    let size = ByteSize(wal.bytes);
    let segments = counted(wal.segments.len(), "segment");
    let records = counted(wal.records, "record");
    out.field("wal", &format!("{segments}, {size}, {records}"))?;
    if common.verbose > 0 {
        for segment in &wal.segments {
            let size = ByteSize(segment.bytes);
            let records = counted(segment.records, "record");
            let text = format!("{}: {size}, {records}", segment.segment);
            out.field("", &text)?;
        }
    }
    if let (Some(first), Some(last)) = (wal.first_sequence, wal.last_sequence) {
        out.field("  sequences", &format!("{first} to {last}"))?;
    }
    if let (Some(first), Some(last)) = (wal.first_timestamp, wal.last_timestamp) {
        let (first, last) = (utc_text(first), utc_text(last));
        out.field("  times", &format!("{first} to {last} UTC"))?;
    }
    out.field("  verdict", wal.verdict)?;
    for range in &wal.unreadable {
        let beyond = match (range.torn, range.zeros) {
            (true, _) => "torn tail".to_owned(),
            (false, true) => "zeros that lost nothing".to_owned(),
            (false, false) => format!("{} records beyond", range.records_beyond),
        };
        let text = format!(
            "{}: {} unreadable bytes at offset {}, {beyond}",
            range.segment, range.len, range.offset
        );
        out.field("", &text)?;
    }
    if let Some(cut) = &wal.cut {
        out.field("  cut", &word(cut))?;
    }
    out.field("  tail", &tail_text(wal))?;
    Ok(())
}

fn tail_text(wal: &LogSummary) -> String {
    let mut text = format!("{} records", wal.tail);
    if wal.cut.is_none() {
        text.push_str(" by Checkpoint records alone");
    }
    if let Some(counts) = wal.attribution {
        for (count, name) in [
            (counts.certain, "certain"),
            (counts.probable, "probable"),
            (counts.ambiguous, "ambiguous"),
            (counts.orphan, "orphan"),
            (counts.assigned, "assigned"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {name}"));
            }
        }
    }
    for (count, name) in [
        (wal.no_effect, "without effect"),
        (wal.set_aside, "not applied"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {name}"));
        }
    }
    text
}

fn show_tables(out: &mut Output, info: &Info, common: &Common) -> anyhow::Result<()> {
    let (Some(databases), Some(totals)) = (&info.databases, &info.totals) else {
        return Ok(());
    };
    writeln!(out)?;
    let mut table = out
        .table(&["DATABASE", "TABLE", "COLUMNS", "LIVE", "DEAD", "SIZE"])
        .right(&[2, 3, 4, 5]);
    for database in databases {
        if database.tables.is_empty() {
            table.row([database.database.clone(), "(no table)".to_owned()]);
        }
        for one in &database.tables {
            table.row([
                database.database.clone(),
                one.table.clone(),
                one.schema.columns.len().to_string(),
                one.live.to_string(),
                one.dead.to_string(),
                ByteSize(one.bytes).to_string(),
            ]);
        }
    }
    out.write_all(table.text().as_bytes())?;
    writeln!(
        out,
        "{}, {}, {}, {} live and {} dead row versions",
        counted(totals.databases, "database"),
        counted(totals.tables, "table"),
        counted(totals.columns, "column"),
        totals.live,
        totals.dead
    )?;
    if common.verbose > 0 {
        for database in databases {
            for one in &database.tables {
                show_columns(out, &database.database, one)?;
            }
        }
    }
    Ok(())
}

fn show_columns(out: &mut Output, database: &str, one: &TableInfo) -> anyhow::Result<()> {
    let mut table = out.table(&[&format!("{database}.{}", one.table), "TYPE", "", ""]);
    for column in &one.schema.columns {
        let mut marks = Vec::new();
        if column.primary_key {
            marks.push("PRIMARY KEY".to_owned());
        }
        if column.unique {
            marks.push("UNIQUE".to_owned());
        }
        if !column.nullable {
            marks.push("NOT NULL".to_owned());
        }
        if let Some((table, column)) = &column.references {
            marks.push(format!("REFERENCES {table}({column})"));
        }
        let next = one.schema.sequences.get(&column.name);
        table.row([
            column.name.clone(),
            column.data_type.clone(),
            marks.join(" "),
            next.map_or_else(String::new, |next| format!("next {next}")),
        ]);
    }
    writeln!(out)?;
    out.write_all(table.text().as_bytes())?;
    Ok(())
}
