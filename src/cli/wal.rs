//! `rustdb-inspect wal`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use serde::Serialize;

use crate::commands::name_pattern::matches;
use crate::commands::wal::{KindStats, Log, LogItem, LogSummary, kinds, open_log};
use crate::commands::{Identity, nearest};
use crate::error::Class;
use crate::legacy::WalRecord;
use crate::model::Operation;
use crate::render::{counted, utc_text};
use crate::report::Report;

use super::Exit;
use super::document::{DirectoryShown, Head, outcome};
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
    /// Only records of this table, by its name at that moment, as TABLE or DATABASE.TABLE, or a pattern as shop.* (repeatable)
    #[arg(short, long, value_name = "NAME")]
    table: Vec<String>,
    /// Only this operation, as Insert or AlterTableRename (repeatable)
    #[arg(long, value_name = "OPERATION")]
    op: Vec<String>,
    /// Only records of this database, by name or pattern as shop_*; shows attribution too (repeatable)
    #[arg(short, long, value_name = "NAME")]
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

/// Names of tables among which the nearest is looked for.
const MOST_NAMES: usize = 10_000;

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
    let (databases, tables) = (databases(log), log.tables());
    for name in &args.table {
        if Table::new(name, &tables, &databases).is_none() {
            let whole = databases.iter().flat_map(|database| {
                let tables = tables.iter();
                tables.map(move |table| format!("{database}.{table}"))
            });
            let whole: Vec<String> = whole.take(MOST_NAMES).collect();
            let known = tables.iter().copied();
            bail!(
                "--table: found no record of {name:?}{}",
                nearest::hint(name, known.chain(whole.iter().map(String::as_str)))
            );
        }
    }
    for name in &args.database {
        if log.recovery().is_some() && chosen(name, &databases).is_empty() {
            bail!(
                "--database: found no database {name:?}{}",
                nearest::hint(name, databases)
            );
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

/// The databases that are known; none of one segment.
fn databases(log: &Log) -> BTreeSet<&str> {
    let catalog = log.recovery().map(|recovery| recovery.overlay.catalog());
    let databases = catalog.into_iter().flat_map(|catalog| &catalog.databases);
    databases.map(|database| database.name.as_str()).collect()
}

/// Those that a name or pattern stands for.
fn chosen<'n>(name: &str, known: &BTreeSet<&'n str>) -> BTreeSet<&'n str> {
    match known.get(name) {
        Some(name) => BTreeSet::from([*name]),
        None => {
            let known = known.iter().copied();
            known.filter(|known| matches(name, known)).collect()
        }
    }
}

/// What a name of a table stands for in a log.
struct Table<'l> {
    /// Tables, whosever they are.
    names: BTreeSet<&'l str>,
    /// What it can mean as DATABASE.TABLE: both may hold dots.
    of: Vec<(BTreeSet<&'l str>, BTreeSet<&'l str>)>,
}

impl<'l> Table<'l> {
    /// `None` where it stands for nothing.
    fn new(name: &str, tables: &BTreeSet<&'l str>, databases: &BTreeSet<&'l str>) -> Option<Self> {
        let dots = name.match_indices('.');
        let of = dots.filter_map(|(at, dot)| {
            let (database, rest) = name.split_at_checked(at)?;
            let table = chosen(rest.strip_prefix(dot)?, tables);
            let of = chosen(database, databases);
            (!of.is_empty() && !table.is_empty()).then_some((of, table))
        });
        let found = Table {
            names: chosen(name, tables),
            of: of.collect(),
        };
        (!found.names.is_empty() || !found.of.is_empty()).then_some(found)
    }

    fn has(&self, table: &str, database: Option<&str>) -> bool {
        let mut of = self.of.iter();
        let whose = |(of, tables): &(BTreeSet<&str>, BTreeSet<&str>)| {
            database.is_some_and(|name| of.contains(name)) && tables.contains(table)
        };
        self.names.contains(table) || of.any(whose)
    }
}

/// The records that are asked for.
struct Wanted<'l> {
    tables: Vec<Table<'l>>,
    databases: BTreeSet<&'l str>,
}

impl WalArgs {
    fn attributes(&self) -> bool {
        self.attribute || !self.database.is_empty()
    }

    /// Whether records are chosen by what they are, not by where they stand.
    fn is_filtered(&self) -> bool {
        !self.table.is_empty() || !self.op.is_empty() || !self.database.is_empty()
    }

    fn wants(&self, log: &Log, entry: &LogItem<'_>, wanted: &Wanted<'_>) -> bool {
        let inside = |sequence: u64| {
            self.from.is_none_or(|from| sequence >= from) && self.to.is_none_or(|to| sequence <= to)
        };
        match entry {
            LogItem::Record(position, record) => {
                inside(record.sequence) && self.wants_record(log, (*position, record), wanted)
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

    fn wants_record(
        &self,
        log: &Log,
        (position, record): (usize, &WalRecord),
        wanted: &Wanted<'_>,
    ) -> bool {
        let operation = &record.operation;
        let op = operation.name();
        let attributed = || log.attributed(position)?.database.as_deref();
        let new = match operation {
            Operation::RenameTable { new, .. } => Some(new.as_str()),
            _ => None,
        };
        let is_table = |table: &Table<'_>| {
            let mut names = operation.table().into_iter().chain(new);
            names.any(|name| table.has(name, attributed()))
        };
        (self.op.is_empty() || self.op.iter().any(|name| name.eq_ignore_ascii_case(op)))
            && (self.table.is_empty() || wanted.tables.iter().any(is_table))
            && (self.database.is_empty()
                || attributed().is_some_and(|name| wanted.databases.contains(name)))
    }

    fn entries<'l>(&'l self, log: &'l Log) -> impl Iterator<Item = LogItem<'l>> {
        let (tables, databases) = (log.tables(), databases(log));
        let named = self.database.iter();
        let wanted = Wanted {
            tables: self
                .table
                .iter()
                .filter_map(|name| Table::new(name, &tables, &databases))
                .collect(),
            databases: named.flat_map(|name| chosen(name, &databases)).collect(),
        };
        log.entries()
            .filter(move |entry| self.wants(log, entry, &wanted))
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
    let source = DirectoryShown::known(&args.path, Identity::legacy(log.family()));
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
            (false, false) => format!(", {} beyond", counted(range.records_beyond, "record")),
        };
        text.push_str(&format!(
            "; {} dropped at offset {} of {}{beyond}",
            counted(range.len, "byte"),
            range.offset,
            range.segment
        ));
    }
    let cut = wal
        .cut
        .as_ref()
        .map_or_else(String::new, |cut| format!(", cut: {}", word(cut)));
    text.push_str(&format!(
        "; {}, {} in the tail{cut}",
        counted(wal.records, "record"),
        wal.tail
    ));
    if let (Some(first), Some(last)) = (wal.first_timestamp, wal.last_timestamp) {
        text.push_str(&format!("; {} to {} UTC", utc_text(first), utc_text(last)));
    }
    text
}
