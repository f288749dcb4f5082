//! One record of the log, as a line for people or for programs.

use serde::Serialize;

use crate::commands::wal::{Log, LogItem, unreadable};
use crate::legacy::WalRecord;
use crate::model::Operation;
use crate::recovery::attribution::{Attributed, Candidate, Confidence};
use crate::render::{escape, utc_text};

/// What a line shows beside the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineOptions {
    /// Whose the record was.
    pub attribute: bool,
}

/// One record or unreadable range, in the shape that scripts rely on.
#[derive(Debug, Serialize)]
pub(super) struct LogLine<'l> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    segment: String,
    offset: u64,
    /// Of an unreadable range: its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'l str>,
    state: &'static str,
    #[serde(flatten)]
    owner: Option<Owner<'l>>,
    /// Why there is no effect, or what is wrong with the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// For people only: what the operation was done with.
    #[serde(skip)]
    what: String,
}

/// Whose a record was; the database is null when nobody can say.
#[derive(Debug, Serialize)]
struct Owner<'l> {
    database: Option<&'l str>,
    confidence: Confidence,
    evidence: &'l [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<&'l [Candidate]>,
}

impl<'l> LogLine<'l> {
    /// The line of an entry.
    pub(super) fn new(log: &'l Log, entry: &LogItem<'l>, options: LineOptions) -> Self {
        match *entry {
            LogItem::Record(position, record) => Self::of_record(log, position, record, options),
            LogItem::Bad(bad) => {
                let range = unreadable(log.wal(), bad);
                let torn = if range.torn { "torn tail: " } else { "" };
                let detail = format!(
                    "{torn}found {}, expected {}",
                    bad.damage.found, bad.damage.expected
                );
                LogLine {
                    sequence: None,
                    segment: range.segment,
                    offset: range.offset,
                    len: Some(range.len),
                    timestamp: None,
                    op: None,
                    table: None,
                    state: "unreadable",
                    owner: None,
                    detail: Some(detail),
                    what: String::new(),
                }
            }
        }
    }

    fn of_record(
        log: &'l Log,
        position: usize,
        record: &'l WalRecord,
        options: LineOptions,
    ) -> Self {
        let segment = log.wal().segment_of(record);
        let attributed = log.attributed(position);
        LogLine {
            sequence: Some(record.sequence),
            segment: segment.map_or_else(String::new, |segment| segment.name.clone()),
            offset: record.offset,
            len: None,
            timestamp: Some(record.timestamp),
            op: Some(record.operation.name()),
            table: record.operation.table(),
            state: log.state(position, record).as_str(),
            owner: attributed.filter(|_| options.attribute).map(Owner::of),
            detail: attributed.and_then(|a| a.no_effect).map(str::to_owned),
            what: what(&record.operation),
        }
    }

    /// The line for people.
    pub(super) fn text(&self) -> String {
        let Some(sequence) = self.sequence else {
            return format!(
                "{:>8}  unreadable   {} bytes at offset {} of {}: {}",
                "-",
                self.len.unwrap_or_default(),
                self.offset,
                self.segment,
                escape(self.detail.as_deref().unwrap_or_default())
            );
        };
        let time = self.timestamp.map_or_else(String::new, utc_text);
        let mut text = format!(
            "{sequence:>8}  {:<11}  {time:<19}  {:<22}  {:<20}",
            self.state,
            self.op.unwrap_or_default(),
            self.table.map_or_else(String::new, escape)
        );
        if let Some(owner) = &self.owner {
            let database = owner.database.map_or_else(|| "?".to_owned(), escape);
            text.push_str(&format!(
                "  {database:<12}  {:<9}",
                owner.confidence.to_string()
            ));
            if !owner.evidence.is_empty() {
                text.push_str(&format!("  [{}]", owner.evidence.join(", ")));
            }
        }
        if !self.what.is_empty() {
            text.push_str(&format!("  {}", escape(&self.what)));
        }
        if let Some(detail) = &self.detail {
            text.push_str(&format!("  ({})", escape(detail)));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl<'l> Owner<'l> {
    fn of(attributed: &'l Attributed) -> Self {
        let open = matches!(
            attributed.confidence,
            Confidence::Probable | Confidence::Ambiguous
        );
        Owner {
            database: attributed.database.as_deref(),
            confidence: attributed.confidence,
            evidence: &attributed.evidence,
            candidates: open.then_some(&*attributed.candidates),
        }
    }
}

/// What an operation was done with, in a few words without a row's values.
pub(super) fn what(operation: &Operation) -> String {
    match operation {
        Operation::CreateTable { schema, .. } => format!("{} columns", schema.columns.len()),
        Operation::Insert { row, .. } => format!("xmin {}", row.xmin),
        Operation::Update { index, row, .. } => format!("row {index}, xmin {}", row.xmin),
        Operation::Delete { index, .. } => format!("row {index}"),
        Operation::AddColumn { column, .. } => format!("{} {}", column.name, column.data_type),
        Operation::DropColumn { column, .. } => column.clone(),
        Operation::RenameColumn { old, new, .. } => format!("{old} to {new}"),
        Operation::RenameTable { new, .. } => format!("to {new}"),
        Operation::DropTable { .. } | Operation::Checkpoint { .. } => String::new(),
    }
}
