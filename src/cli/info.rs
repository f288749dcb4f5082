//! `rustdb-inspect info`.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;

use crate::commands::info::{Info, TableInfo, info};
use crate::commands::wal::LogSummary;
use crate::finding::Severity;
use crate::legacy::Family;
use crate::render::{Detail, counted, utc_text};

use super::Exit;
use super::document::{DirectoryShown, Head};
use super::next_steps::{Step, after_look, steps_text};
use super::options::{Common, Format, ReadArgs, Salvaging};
use super::output::{DETAILS, Output, warn, word};

/// Shows what a directory is: kind, release family, databases, tables, WAL, findings
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    salvaging: Salvaging,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Ways to go on that are shown without -v: the first screen is for the first
/// look.
const SHOWN_STEPS: usize = 2;

/// Runs the subcommand.
pub fn run(args: &InfoArgs, common: &Common) -> anyhow::Result<Exit> {
    let mut options = args.reading.open_options(common)?;
    options.recovery.salvage = args.salvaging.salvage;
    let info = info(&args.dir, &options)?;
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => {
            let source = DirectoryShown::known(&info.path, info.identity.clone());
            let head = Head {
                next: &after_look(&info, &args.reading.deciding.words()),
                ..Head::of("info", source, &info.report)
            };
            out.document(&head, &info)?;
        }
        Format::Text => show(&mut out, &info, args, common)?,
    }
    out.finish()?;
    Ok(Exit::from(&info.report))
}

/// What it is, whose release, what is in it, what happened to it, what to do
/// next: one screen for an ordinary directory.
fn show(out: &mut Output, info: &Info, args: &InfoArgs, common: &Common) -> anyhow::Result<()> {
    out.field("directory", &info.path.display().to_string())?;
    let what = match &info.layout {
        Some(layout) => format!("{layout}, written by rustdb-migrate"),
        None => "legacy, left by a RustDB server".to_owned(),
    };
    let (files, size) = (counted(info.files, "file"), ByteSize(info.bytes));
    out.field("kind", &format!("{what}; {files}, {size}"))?;
    if let Some(cluster) = &info.cluster {
        out.field("cluster", cluster)?;
    }
    show_family(out, info, common)?;
    show_tables(out, info, common)?;
    for (label, names) in [("users", &info.users), ("roles", &info.roles)] {
        if !names.is_empty() {
            out.field(label, &names.join(", "))?;
        }
    }
    if let Some(wal) = &info.wal {
        show_wal(out, wal, common)?;
    }
    let report = info.report.clone().below(&info.path);
    if common.quiet {
        warn(&report, common);
        return Ok(());
    }
    let steps = after_look(info, &args.reading.deciding.words());
    let tail: &[&str] = if info.wal.is_some() { &["tail"] } else { &[] };
    let words = out.words(&report, tail);
    let below = |detail, shown| {
        let findings = out.findings_text(&report, detail);
        format!(
            "{findings}{}{words}",
            first_steps(&steps, shown, out.width())
        )
    };
    let [_, _, one, line, errors, codes] = DETAILS;
    let ways = match common.verbose {
        0 => vec![
            below(one, SHOWN_STEPS),
            below(line, SHOWN_STEPS),
            below(errors, SHOWN_STEPS),
            below(codes, SHOWN_STEPS),
            below(codes, 1),
        ],
        _ => vec![below(Detail::of_first(usize::MAX), usize::MAX)],
    };
    Ok(out.fitting(0, ways)?)
}

/// Some ways to go on, and how many more there are.
fn first_steps(steps: &[Step], shown: usize, width: Option<u16>) -> String {
    let mut text = steps_text(steps.get(..shown).unwrap_or(steps), width);
    if let more @ 1.. = steps.len().saturating_sub(shown) {
        text.push_str(&format!(
            "or {} (-v shows all)\n",
            counted(more, "other way")
        ));
    }
    text
}

fn show_family(out: &mut Output, info: &Info, common: &Common) -> anyhow::Result<()> {
    let releases = |family: &String| match family.parse::<Family>() {
        Ok(known) => format!("{family} ({})", known.releases()),
        Err(_) => family.clone(),
    };
    let others = info.families.iter().filter(|one| **one != info.family);
    let others: Vec<String> = others.map(releases).collect();
    let mut text = releases(&info.family);
    if !others.is_empty() {
        text.push_str(&format!("; {} fit as well", others.join(", ")));
    }
    out.field("family", &text)?;
    if common.verbose == 0 {
        return Ok(());
    }
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
    let segments = counted(wal.segments.len(), "segment");
    let records = counted(wal.records, "record");
    let mut text = format!("{segments}, {records}, {}", wal.verdict);
    if let Some(last) = wal.last_timestamp {
        text.push_str(&format!("; last {} UTC", utc_text(last)));
    }
    out.field("log", &text)?;
    if common.verbose > 0 {
        for segment in &wal.segments {
            let size = ByteSize(segment.bytes);
            let records = counted(segment.records, "record");
            let text = format!("{}: {size}, {records}", segment.segment);
            out.field("", &text)?;
        }
        if let (Some(first), Some(last)) = (wal.first_sequence, wal.last_sequence) {
            out.field("  sequences", &format!("{first} to {last}"))?;
        }
        if let (Some(first), Some(last)) = (wal.first_timestamp, wal.last_timestamp) {
            let (first, last) = (utc_text(first), utc_text(last));
            out.field("  times", &format!("{first} to {last} UTC"))?;
        }
        for range in &wal.unreadable {
            let beyond = match (range.torn, range.zeros) {
                (true, _) => "torn tail".to_owned(),
                (false, true) => "zeros that lost nothing".to_owned(),
                (false, false) => format!("{} beyond", counted(range.records_beyond, "record")),
            };
            let bytes = counted(range.len, "unreadable byte");
            let offset = range.offset;
            let text = format!("{}: {bytes} at offset {offset}, {beyond}", range.segment);
            out.field("", &text)?;
        }
    }
    out.field("  tail", &tail_text(wal))?;
    Ok(())
}

fn tail_text(wal: &LogSummary) -> String {
    let mut text = counted(wal.tail, "record");
    match &wal.cut {
        Some(cut) => text.push_str(&format!(", cut by {}", word(cut))),
        None => text.push_str(" by Checkpoint records alone"),
    }
    let mut parts = Vec::new();
    let mut part = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    if let Some(counts) = wal.attribution {
        part(counts.certain, "certain");
        part(counts.probable, "probable");
        part(counts.ambiguous, "ambiguous");
        part(counts.orphan, "orphan");
        part(counts.assigned, "assigned");
    }
    part(wal.no_effect as u64, "without effect");
    part(wal.set_aside as u64, "not applied");
    match parts.is_empty() {
        true => text,
        false => format!("{text}: {}", parts.join(", ")),
    }
}

fn show_tables(out: &mut Output, info: &Info, common: &Common) -> anyhow::Result<()> {
    let (Some(databases), Some(totals)) = (&info.databases, &info.totals) else {
        return Ok(());
    };
    writeln!(out)?;
    let mut table = out
        .table(&["DATABASE", "TABLE", "COLUMNS", "LIVE", "DEAD", "SIZE"])
        .right(&[2, 3, 4, 5]);
    let rows = databases.iter().flat_map(|database| {
        let name = &database.database;
        let empty = database.tables.is_empty();
        // A catalog that cannot be read does not say that there is no table.
        let unread = info.findings().iter().any(|finding| {
            finding.severity == Severity::Error && finding.database.as_ref() == Some(name)
        });
        let what = if unread { "(unreadable)" } else { "(no table)" };
        let empty = empty.then(|| vec![name.clone(), what.to_owned()]);
        let tables = database.tables.iter().map(move |one| {
            vec![
                name.clone(),
                one.table.clone(),
                one.schema.columns.len().to_string(),
                one.live.to_string(),
                one.dead.to_string(),
                ByteSize(one.bytes).to_string(),
            ]
        });
        empty.into_iter().chain(tables)
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let more = out.cut_rows(&mut rows, common);
    rows.into_iter().for_each(|row| table.row(row));
    out.write_all(table.text().as_bytes())?;
    out.write_all(more.as_bytes())?;
    out.sentence(&format!(
        "{}, {}, {}, {}, {}",
        counted(totals.databases, "database"),
        counted(totals.tables, "table"),
        counted(totals.columns, "column"),
        counted(totals.live, "row"),
        counted(totals.dead, "dead version"),
    ))?;
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
        let next = one.schema.sequences.get(&column.name);
        table.row([
            column.name.clone(),
            column.data_type.clone(),
            column.constraints().join(" "),
            next.map_or_else(String::new, |next| format!("next {next}")),
        ]);
    }
    writeln!(out)?;
    out.write_all(table.text().as_bytes())?;
    Ok(())
}
