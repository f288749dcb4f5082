//! The log of a report, sign by sign.

use std::collections::BTreeSet;

use crate::commands::wal::{Log, LogItem};
use crate::legacy::WalRecord;
use crate::recovery::{Confidence, RecordState, RunMap};
use crate::render::html::{Mark, RecordMark, Sureness, Timeline};
use crate::render::utc_text;

/// Records up to which each has a sign of its own; of more, neighbours that are
/// alike share one.
const MAX_SINGLE: usize = 1000;
/// Signs of the longest timeline.
const MAX_MARKS: usize = 4000;

/// The signs of a log.
pub(super) fn timeline(log: &Log) -> Timeline {
    let owners = log.recovery().into_iter();
    let owners = owners.flat_map(|recovery| &recovery.attribution.tail);
    let databases: BTreeSet<&str> = owners.filter_map(|one| one.database.as_deref()).collect();
    let mut signs = Signs {
        log,
        runs: RunMap::new(log.wal()),
        databases: databases.into_iter().map(str::to_owned).collect(),
        single: log.wal().records.len() - log.first_tail().min(log.wal().records.len())
            <= MAX_SINGLE,
        marks: Vec::new(),
        pending: None,
        place: None,
    };
    for entry in log.entries() {
        signs.entry(entry);
    }
    signs.flush();
    let left_out = signs.marks.len().saturating_sub(MAX_MARKS);
    signs.marks.truncate(MAX_MARKS);
    Timeline {
        verdict: format!("The log is judged {}.", log.wal().verdict().as_str()),
        databases: signs.databases,
        marks: signs.marks,
        left_out,
    }
}

/// Neighbours that share a sign.
struct Pending {
    mark: RecordMark,
    first: u64,
    last: u64,
    count: usize,
    says: String,
}

struct Signs<'l> {
    log: &'l Log,
    runs: RunMap,
    databases: Vec<String>,
    single: bool,
    marks: Vec<(Mark, String)>,
    pending: Option<Pending>,
    /// Segment and run of the record before.
    place: Option<(usize, u32)>,
}

impl Signs<'_> {
    fn entry(&mut self, entry: LogItem<'_>) {
        match entry {
            LogItem::Bad(bad) => {
                self.flush();
                let what = if bad.torn { "torn tail" } else { "damage" };
                let says = format!("{what}: {} bytes at offset {}", bad.len, bad.offset);
                self.marks.push((Mark::Damage, says));
            }
            LogItem::Record(position, record) => {
                self.boundary(position, record);
                match self.log.state(position, record) {
                    RecordState::Checkpoint | RecordState::Unreadable => {
                        self.flush();
                        let time = utc_text(record.timestamp);
                        let says = format!("record {}: checkpoint, {time}", record.sequence);
                        self.marks.push((Mark::Checkpoint, says));
                    }
                    state => self.record(position, record, state),
                }
            }
        }
    }

    fn boundary(&mut self, position: usize, record: &WalRecord) {
        let place = (record.segment, self.runs.at(position).run);
        let before = self.place.replace(place);
        let segment = self.log.wal().segment_of(record);
        let name = segment.map_or("", |segment| segment.name.as_str());
        let (mark, what) = match before {
            Some(before) if before == place => return,
            Some((_, run)) if run != place.1 => (Mark::Start, "the server started"),
            _ => (Mark::Segment, "segment"),
        };
        self.flush();
        self.marks.push((mark, format!("{what}: {name}")));
    }

    fn record(&mut self, position: usize, record: &WalRecord, state: RecordState) {
        let (mark, whose) = self.whose(position, state);
        let alike = self.pending.as_mut().filter(|pending| pending.mark == mark);
        // What the snapshot holds already always shares signs.
        let may_share = !self.single || mark == RecordMark::InSnapshot;
        if let Some(pending) = alike.filter(|_| may_share) {
            pending.last = record.sequence;
            pending.count = pending.count.saturating_add(1);
            return;
        }
        self.flush();
        let table = record.operation.table().unwrap_or_default();
        self.pending = Some(Pending {
            mark,
            first: record.sequence,
            last: record.sequence,
            count: 1,
            says: format!("{} {table}, {whose}", record.operation.name()),
        });
    }

    fn whose(&self, position: usize, state: RecordState) -> (RecordMark, String) {
        let attributed = self.log.attributed(position);
        match state {
            RecordState::InSnapshot => (RecordMark::InSnapshot, "in the snapshot".into()),
            RecordState::NoEffect => (RecordMark::NoEffect, "no effect".into()),
            _ => {
                let database = attributed.and_then(|one| one.database.as_deref());
                let sureness = match attributed.map(|one| one.confidence) {
                    Some(Confidence::Certain | Confidence::Assigned) => Sureness::Certain,
                    Some(Confidence::Probable) => Sureness::Probable,
                    Some(Confidence::Orphan) => Sureness::Orphan,
                    Some(Confidence::Ambiguous) | None => Sureness::Ambiguous,
                };
                let index = database.and_then(|name| {
                    let databases = &self.databases;
                    databases
                        .binary_search_by(|one| one.as_str().cmp(name))
                        .ok()
                });
                let says = match (database, attributed) {
                    (Some(name), Some(one)) => format!("database {name}, {}", one.confidence),
                    (None, Some(one)) => one.confidence.to_string(),
                    (_, None) => "of an unknown database".to_owned(),
                };
                (RecordMark::Tail(index, sureness), says)
            }
        }
    }

    fn flush(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let says = match pending.count {
            1 => format!("record {}: {}", pending.first, pending.says),
            count => format!(
                "{count} records, {} to {}: first {}",
                pending.first, pending.last, pending.says
            ),
        };
        self.marks.push((Mark::Record(pending.mark), says));
    }
}
