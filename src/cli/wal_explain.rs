//! `rustdb-inspect wal --explain SEQ`: why this database and not another.

use std::io::Write;

use serde::Serialize;

use crate::commands::wal::{Entry, Log};
use crate::error::Error;
use crate::legacy::WalRecord;
use crate::recovery::attribution::{Attributed, Candidate};
use crate::recovery::{CutReason, RecordState};
use crate::render::{escape, utc_text};

use super::document::Head;
use super::output::{Output, word};
use super::wal_line::{EntryLine, LineOptions, what};

#[derive(Serialize)]
struct Content<'l> {
    sequence: u64,
    records: Vec<Explained<'l>>,
}

#[derive(Serialize)]
struct Explained<'l> {
    #[serde(flatten)]
    line: EntryLine<'l>,
    because: String,
    considered: &'l [Candidate],
}

/// Explains every record of a sequence number; there are several only in a log
/// that repeats it.
pub(super) fn explain(
    mut out: Output,
    log: &Log,
    sequence: u64,
    head: Option<Head<'_>>,
) -> anyhow::Result<()> {
    let found: Vec<(usize, &WalRecord)> = log
        .entries()
        .filter_map(|entry| match entry {
            Entry::Record(at, record) if record.sequence == sequence => Some((at, record)),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(unknown(log, sequence).into());
    }
    if let Some(head) = head {
        let records = found.iter().map(|(at, record)| Explained {
            line: EntryLine::new(
                log,
                &Entry::Record(*at, record),
                LineOptions { attribute: true },
            ),
            because: because(log, *at, record),
            considered: log.attributed(*at).map_or(&[][..], |a| &a.candidates),
        });
        let content = Content {
            sequence,
            records: records.collect(),
        };
        out.document(&head, &content)?;
    } else {
        for (at, record) in found {
            show(&mut out, log, at, record)?;
        }
    }
    out.finish()?;
    Ok(())
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

fn show(out: &mut Output, log: &Log, at: usize, record: &WalRecord) -> anyhow::Result<()> {
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
            format!("{:.3}", candidate.weight),
            candidate.ruled_out.clone().unwrap_or_default(),
            evidence(candidate),
        ]);
    }
    out.write_all(table.text().as_bytes())?;
    Ok(())
}

/// The evidence in words, each with its natural logarithm.
fn evidence(candidate: &Candidate) -> String {
    let parts = candidate.evidence.iter();
    let parts = parts.map(|(word, weight)| format!("{word} {weight:.1}"));
    parts.collect::<Vec<_>>().join(", ")
}
