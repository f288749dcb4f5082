//! `rustdb-inspect wal --explain SEQ`: why this database and not another.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::commands::affected::{Affected, EndedRow, NamedValues, affected};
use crate::commands::wal::{Log, LogItem};
use crate::error::Error;
use crate::legacy::WalRecord;
use crate::recovery::attribution::{Attributed, Candidate, weight_text};
use crate::recovery::{CutReason, RecordState};
use crate::render::{cut_text, escape, row_text, utc_text};

use super::document::Head;
use super::output::{Output, word};
use super::wal_line::{LineOptions, LogLine, what};

#[derive(Serialize)]
struct Content<'l> {
    sequence: u64,
    records: Vec<ExplainedRecord<'l>>,
}

#[derive(Serialize)]
struct ExplainedRecord<'l> {
    #[serde(flatten)]
    line: LogLine<'l>,
    because: String,
    /// What it writes, by column.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<serde_json::Value>,
    /// What it ends, in each database that could own it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ends: Vec<EndsLine>,
    considered: &'l [Candidate],
}

#[derive(Serialize)]
struct EndsLine {
    database: String,
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<serde_json::Value>,
    /// Why the row is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
    /// Whether rows that are not placed could stand before it.
    doubtful: bool,
}

pub(super) struct ExplainOptions<'h> {
    /// As one JSON document with this head.
    pub head: Option<Head<'h>>,
    /// Lengths instead of values.
    pub redact: bool,
}

/// Characters of a row that are shown.
const ROW_CHARS: usize = 2_000;

/// Explains every record of a sequence number; there are several only in a log
/// that repeats it.
pub(super) fn explain(
    mut out: Output,
    log: &Log,
    sequence: u64,
    options: ExplainOptions<'_>,
) -> anyhow::Result<()> {
    let found: Vec<(usize, &WalRecord)> = log
        .entries()
        .filter_map(|entry| match entry {
            LogItem::Record(at, record) if record.sequence == sequence => Some((at, record)),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(unknown(log, sequence).into());
    }
    let show = |row: &NamedValues<'_>| row_text(&row.columns, &row.values, options.redact);
    let mut about = match log {
        Log::Directory {
            legacy,
            recovery: Some(recovery),
            ..
        } => affected(legacy, recovery, found.iter().map(|(at, _)| *at), show)?,
        _ => BTreeMap::new(),
    };
    if let Some(head) = options.head {
        let records = found.iter().map(|(at, record)| {
            let about = about.remove(at).unwrap_or_default();
            ExplainedRecord {
                line: LogLine::new(
                    log,
                    &LogItem::Record(*at, record),
                    LineOptions { attribute: true },
                ),
                because: because(log, *at, record),
                values: about.pushed.as_deref().map(json),
                ends: about.ended.into_iter().map(EndsLine::of).collect(),
                considered: log.attributed(*at).map_or(&[][..], |a| &a.candidates),
            }
        });
        let content = Content {
            sequence,
            records: records.collect(),
        };
        out.document(&head, &content)?;
    } else {
        for (at, record) in found {
            let about = about.remove(&at).unwrap_or_default();
            show_record(&mut out, log, (at, record), &about)?;
        }
    }
    out.finish()?;
    Ok(())
}

/// A row's text as part of a document.
fn json(row: &str) -> serde_json::Value {
    serde_json::from_str(row).unwrap_or_default()
}

impl EndsLine {
    fn of(ended: EndedRow<String>) -> Self {
        EndsLine {
            database: ended.database,
            index: ended.index,
            unknown: ended.row.as_ref().err().copied(),
            row: ended.row.ok().as_deref().map(json),
            doubtful: ended.doubtful,
        }
    }
}

fn unknown(log: &Log, sequence: u64) -> Error {
    let summary = log.summary();
    Error::Usage(match (summary.first_sequence, summary.last_sequence) {
        (Some(first), Some(last)) => {
            format!("found no record {sequence}, expected a sequence of the log: {first} to {last}")
        }
        _ => format!("found no record {sequence}: the log holds none"),
    })
}

/// Why the record is in its state.
fn because(log: &Log, position: usize, record: &WalRecord) -> String {
    let cut = log.recovery().map(|recovery| recovery.cut.reason);
    match log.state(position, record) {
        RecordState::Checkpoint => "the server wrote the snapshot just before it".to_owned(),
        RecordState::InSnapshot => match cut {
            Some(CutReason::UnmarkedCheckpoint) => {
                "the snapshot's own content shows that it holds the record".to_owned()
            }
            _ => "a later Checkpoint record says that the snapshot holds it".to_owned(),
        },
        RecordState::NoEffect => {
            let reason = log.attributed(position).and_then(|a| a.no_effect);
            format!("the statement had failed: {}", reason.unwrap_or_default())
        }
        RecordState::Tail if position < log.first_tail() => {
            "it is applied again, because what a start of the server did with it is undone"
                .to_owned()
        }
        RecordState::Tail => match cut {
            Some(reason) => format!("the snapshot does not hold it (cut: {})", word(&reason)),
            None => "no Checkpoint record follows, and no snapshot is there to ask".to_owned(),
        },
        RecordState::Unreadable => String::new(),
    }
}

fn show_record(
    out: &mut Output,
    log: &Log,
    (at, record): (usize, &WalRecord),
    about: &Affected<String>,
) -> anyhow::Result<()> {
    let segment = log.wal().segment_of(record);
    let segment = segment.map_or("", |segment| segment.name.as_str());
    out.field("record", &record.sequence.to_string())?;
    out.field("where", &format!("{segment}, offset {}", record.offset))?;
    out.field("when", &format!("{} UTC", utc_text(record.timestamp)))?;
    let operation = &record.operation;
    let text = format!(
        "{} {} {}",
        operation.name(),
        operation.table().unwrap_or_default(),
        what(operation)
    );
    out.field("operation", text.trim_end())?;
    if let Some(values) = &about.pushed {
        out.field("values", &cut_text(values, ROW_CHARS))?;
    }
    for (nth, ended) in about.ended.iter().enumerate() {
        let row = match &ended.row {
            Ok(row) => cut_text(row, ROW_CHARS),
            Err(why) => format!("not known: {why}"),
        };
        let doubt = match ended.doubtful {
            true => " (or another: rows that are not placed could stand before it)",
            false => "",
        };
        let label = if nth == 0 { "ends" } else { "" };
        let text = format!("in {}, row {}: {row}{doubt}", ended.database, ended.index);
        out.field(label, &text)?;
    }
    let state = log.state(at, record).as_str();
    out.field("state", &format!("{state}: {}", because(log, at, record)))?;
    if let Some(attributed) = log.attributed(at) {
        show_owner(out, attributed)?;
    }
    Ok(())
}

fn show_owner(out: &mut Output, attributed: &Attributed) -> anyhow::Result<()> {
    let database = attributed.database.as_deref().unwrap_or("unknown");
    let confidence = attributed.confidence;
    out.field("database", &format!("{database} ({confidence})"))?;
    if !attributed.evidence.is_empty() {
        out.field("evidence", &attributed.evidence.join(", "))?;
    }
    let first = attributed.candidates.first();
    let first = first.and_then(|candidate| candidate.database.as_deref());
    if let (None, Some(best)) = (&attributed.database, attributed.best.as_deref())
        && first != Some(best)
    {
        let best = escape(best);
        let text = format!(
            "{best} is what --on-ambiguous best takes: likeliest where all records are placed together"
        );
        out.field("best", &text)?;
    }
    if attributed.candidates.is_empty() {
        out.field("candidates", "none")?;
        return Ok(());
    }
    let mut table = out
        .table(&["CANDIDATE", "WEIGHT", "RULED OUT BY", "EVIDENCE"])
        .right(&[1]);
    for candidate in attributed.candidates.iter() {
        let name = candidate.database.as_deref();
        table.row([
            escape(name.unwrap_or("(a database that no file names)")),
            weight_text(candidate.weight),
            candidate.ruled_out.clone().unwrap_or_default(),
            evidence(candidate),
        ]);
    }
    out.write_all(table.text().as_bytes())?;
    let weighed = attributed
        .candidates
        .iter()
        .filter(|one| one.ruled_out.is_none());
    if weighed.count() > 1 {
        show_weights(out, attributed)?;
    }
    Ok(())
}

/// How to read the weights, and what follows from them.
fn show_weights(out: &mut Output, attributed: &Attributed) -> anyhow::Result<()> {
    let weight = "the share of all likelihood that a database has, over every way to give the records of the log to databases";
    out.field("weight", weight)?;
    let of = |candidate: &Candidate| candidate.database.clone();
    let Some(best) = attributed.possible().next() else {
        return Ok(());
    };
    let mut open = attributed
        .candidates
        .iter()
        .filter(|one| one.ruled_out.is_none());
    let taken = open.clone().find(|one| of(one).as_deref() == Some(best));
    let taken = taken.map_or(0.0, |taken| taken.weight);
    let larger = open.any(|one| one.database.is_some() && one.weight > taken);
    if attributed.database.is_none() && !attributed.quarantined {
        let why = match larger {
            true => "the likeliest way for all records together gives it this one",
            false => "no other has a larger weight",
        };
        out.field("best", &format!("--on-ambiguous best takes {best}: {why}"))?;
    }
    Ok(())
}

/// The evidence in words, each with its natural logarithm.
fn evidence(candidate: &Candidate) -> String {
    let parts = candidate.evidence.iter();
    let parts = parts.map(|(word, weight)| format!("{word} {weight:.1}"));
    parts.collect::<Vec<_>>().join(", ")
}
