//! `rustdb-inspect wal`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use serde::Serialize;

use crate::commands::wal::{KindStats, Log, LogItem, LogSummary, kinds, open_log};
use crate::commands::{Identity, nearest};
use crate::error::Class;
use crate::legacy::WalRecord;
use crate::model::Operation;
use crate::render::utc_text;
use crate::report::Report;

use super::Exit;
use super::document::{Head, Source, outcome};
use super::options::{Beyond, Common, Deciding};
use super::output::{Output, warn, word};
use super::wal_explain::{ExplainOptions, explain};
use super::wal_line::{LineOptions, LogLine};

/// Shows the records of a legacy WAL, what became of each, and the log's verdict
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A segment by itself is read without its snapshot: what became of its records then follows from \
Checkpoint records alone, and nothing can be attributed.

With jsonl every line is a record or an unreadable range; the verdict is on stderr.")]
pub struct WalArgs {
    /// Data directory that a server left, or one segment
    #[arg(value_name = "DIR|SEGMENT")]
    path: PathBuf,
    #[command(flatten)]
    deciding: Deciding,
    #[command(flatten)]
    beyond: Beyond,
    /// First sequence to show
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Last sequence to show
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Only records of this table, by its name at that moment; NAME or DATABASE.NAME (repeatable)
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// Only this operation, as Insert or AlterTableRename (repeatable)
    #[arg(long, value_name = "OPERATION")]
    op: Vec<String>,
    /// Only records of this database; shows attribution too (repeatable)
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Show at most this many records
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show whose each record of the tail was, and how sure that is
    #[arg(long)]
    attribute: bool,
    /// Show why a record belongs to its database and not to another
    #[arg(long, value_name = "SEQ", conflicts_with = "stats")]
    explain: Option<u64>,
    /// With --explain: show the length of each value instead of the value
    #[arg(long)]
    redact: bool,
    /// Show figures by operation instead of records
    #[arg(long)]
    stats: bool,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: WalFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum WalFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON object a record
    Jsonl,
}

#[derive(Serialize)]
struct Content<'d> {
    family: String,
    verdict: &'static str,
    wal: LogSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<LogLine<'d>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Vec<KindStats>>,
}

/// Runs the subcommand.
pub fn run(args: &WalArgs, common: &Common) -> anyhow::Result<Exit> {
    let mut options = args.deciding.open_options()?;
    args.beyond.apply(&mut options);
    let log = open_log(&args.path, &options)?;
    check(args, &log)?;
    let out = Output::new(common)?;
    if let Some(sequence) = args.explain {
        let findings = beside(&log);
        let options = ExplainOptions {
            head: (args.format != WalFormat::Text).then(|| head(args, &log, &findings)),
            redact: args.redact,
        };
        explain(out, &log, sequence, options)?;
        return Ok(exit(&log));
    }
    match args.format {
        WalFormat::Text => show(out, &log, args, common)?,
        WalFormat::Json => show_json(out, &log, args)?,
        WalFormat::Jsonl => show_lines(out, &log, args, common)?,
    }
    Ok(exit(&log))
}

/// A log that waits for a decision can be shown; what is damaged, be it the
/// snapshot beside it, decides how the command ends.
fn exit(log: &Log) -> Exit {
    match beside(log).class() {
        Some(Class::Damage) => Exit::Damage,
        _ => Exit::from(&log.damage()),
    }
}

fn check(args: &WalArgs, log: &Log) -> anyhow::Result<()> {
    for op in &args.op {
        if !Operation::NAMES
            .iter()
            .any(|name| name.eq_ignore_ascii_case(op))
        {
            bail!(
                "--op: found no operation {op:?}{}\nThere are {}.",
                nearest::hint(op, Operation::NAMES),
                Operation::NAMES.join(", ")
            );
        }
    }
    for name in &args.table {
        let tables = log.tables();
        if !tables.contains(name.as_str()) && !is_of_database(log, name) {
            bail!(
                "--table: found no record of {name:?}{}",
                nearest::hint(name, tables)
            );
        }
    }
    if let Some(recovery) = log.recovery() {
        let databases = recovery.overlay.catalog().databases.iter();
        let known: Vec<&str> = databases.map(|database| database.name.as_str()).collect();
        for name in &args.database {
            if !known.contains(&name.as_str()) {
                bail!(
                    "--database: found no database {name:?}{}",
                    nearest::hint(name, known)
                );
            }
        }
    }
    let asks = args.attribute || args.explain.is_some() || !args.database.is_empty();
    if asks && matches!(log, Log::Segment { .. }) {
        bail!(
            "{}: found one segment, expected a data directory: only its snapshot tells whose a record was",
            args.path.display()
        );
    }
    Ok(())
}

/// Whether a name is that of a database and, after a dot, of a table in the log.
fn is_of_database(log: &Log, name: &str) -> bool {
    let tables = log.tables();
    let catalog = log.recovery().map(|recovery| recovery.overlay.catalog());
    let databases = catalog.into_iter().flat_map(|catalog| &catalog.databases);
    let mut rest = databases.filter_map(|database| {
        let rest = name.strip_prefix(database.name.as_str())?;
        rest.strip_prefix('.')
    });
    rest.any(|table| tables.contains(table))
}

impl WalArgs {
    fn attributes(&self) -> bool {
        self.attribute || !self.database.is_empty()
    }

    /// Whether records are chosen by what they are, not by where they stand.
    fn is_filtered(&self) -> bool {
        !self.table.is_empty() || !self.op.is_empty() || !self.database.is_empty()
    }

    fn wants(&self, log: &Log, entry: &LogItem<'_>) -> bool {
        let inside = |sequence: u64| {
            self.from.is_none_or(|from| sequence >= from) && self.to.is_none_or(|to| sequence <= to)
        };
        match entry {
            LogItem::Record(position, record) => {
                inside(record.sequence) && self.wants_record(log, *position, record)
            }
            LogItem::Bad(bad) => {
                let records = &log.wal().records;
                let before = bad
                    .records_before
                    .checked_sub(1)
                    .and_then(|at| records.get(at));
                let after = records.get(bad.records_before);
                let mut around = before.into_iter().chain(after).peekable();
                !self.is_filtered()
                    && (around.peek().is_none() || around.any(|record| inside(record.sequence)))
            }
        }
    }

    fn wants_record(&self, log: &Log, position: usize, record: &WalRecord) -> bool {
        let operation = &record.operation;
        let op = operation.name();
        let attributed = || log.attributed(position)?.database.as_deref();
        let has_name = |name: &str| {
            operation.table() == Some(name)
                || matches!(operation, Operation::RenameTable { new, .. } if new == name)
        };
        let is_table = |name: &String| {
            let whose = attributed().and_then(|database| name.strip_prefix(database));
            let of_database = whose.and_then(|rest| rest.strip_prefix('.'));
            has_name(name) || of_database.is_some_and(has_name)
        };
        (self.op.is_empty() || self.op.iter().any(|name| name.eq_ignore_ascii_case(op)))
            && (self.table.is_empty() || self.table.iter().any(is_table))
            && (self.database.is_empty()
                || attributed().is_some_and(|name| self.database.iter().any(|one| one == name)))
    }

    fn entries<'l>(&'l self, log: &'l Log) -> impl Iterator<Item = LogItem<'l>> {
        log.entries()
            .filter(|entry| self.wants(log, entry))
            .take(self.limit.unwrap_or(usize::MAX))
    }

    fn lines<'l>(&'l self, log: &'l Log) -> impl Iterator<Item = LogLine<'l>> {
        let options = LineOptions {
            attribute: self.attributes(),
        };
        self.entries(log)
            .map(move |entry| LogLine::new(log, &entry, options))
    }

    fn kinds(&self, log: &Log) -> Vec<KindStats> {
        kinds(self.entries(log).filter_map(|entry| match entry {
            LogItem::Record(_, record) => Some(record),
            LogItem::Bad(_) => None,
        }))
    }
}

/// Everything found beyond what the log's own lines show.
fn beside(log: &Log) -> Report {
    log.findings()
}

/// The head of a document.
fn head<'r>(args: &WalArgs, log: &Log, findings: &'r Report) -> Head<'r> {
    let source = Source::known(&args.path, Identity::legacy(log.family()));
    Head {
        outcome: outcome(exit(log)),
        ..Head::of("wal", source, findings)
    }
}

fn show_json(mut out: Output, log: &Log, args: &WalArgs) -> anyhow::Result<()> {
    let findings = beside(log);
    let summary = log.summary();
    let content = Content {
        family: log.family().to_string(),
        verdict: summary.verdict,
        wal: summary,
        records: (!args.stats).then(|| args.lines(log).collect()),
        stats: args.stats.then(|| args.kinds(log)),
    };
    out.document(&head(args, log, &findings), &content)?;
    out.finish()?;
    Ok(())
}

fn show_lines(mut out: Output, log: &Log, args: &WalArgs, common: &Common) -> anyhow::Result<()> {
    if args.stats {
        bail!("--stats has one answer, not one a record; choose --format json or --format text");
    }
    for line in args.lines(log) {
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    out.finish()?;
    warn(&beside(log), common);
    super::output::note(&verdict_text(&log.summary()), common);
    Ok(())
}

fn show(mut out: Output, log: &Log, args: &WalArgs, common: &Common) -> anyhow::Result<()> {
    if args.stats {
        let mut table = out
            .table(&["OPERATION", "RECORDS", "%", "BYTES"])
            .right(&[1, 2, 3]);
        for kind in args.kinds(log) {
            let percent = format!("{:.2}", kind.percent);
            let (count, bytes) = (kind.count.to_string(), kind.bytes.to_string());
            table.row([kind.op.to_owned(), count, percent, bytes]);
        }
        out.write_all(table.text().as_bytes())?;
    } else {
        // Lines and not a table: a log can hold more records than a table
        // should be laid out for.
        for line in args.lines(log) {
            writeln!(out, "{}", line.text())?;
        }
    }
    out.flush()?;
    warn(&beside(log), common);
    writeln!(out, "{}", verdict_text(&log.summary()))?;
    out.finish()?;
    Ok(())
}

/// The last line: how the log as a whole stands.
fn verdict_text(wal: &LogSummary) -> String {
    let mut text = format!("verdict: {}", wal.verdict);
    for range in &wal.unreadable {
        let beyond = match (range.torn, range.zeros) {
            (true, _) => String::new(),
            (false, true) => ", zeros".to_owned(),
            (false, false) => format!(", {} records beyond", range.records_beyond),
        };
        text.push_str(&format!(
            "; {} bytes dropped at offset {} of {}{beyond}",
            range.len, range.offset, range.segment
        ));
    }
    let cut = wal
        .cut
        .as_ref()
        .map_or_else(String::new, |cut| format!(", cut: {}", word(cut)));
    text.push_str(&format!(
        "; {} records, {} in the tail{cut}",
        wal.records, wal.tail
    ));
    if let (Some(first), Some(last)) = (wal.first_timestamp, wal.last_timestamp) {
        text.push_str(&format!("; {} to {} UTC", utc_text(first), utc_text(last)));
    }
    text
}
