//! `wal`: the records of a legacy log, what became of each, and whose it was.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::legacy::{
    BadRange, FRAME_LEN, Family, LegacyDir, Segment, Wal, WalRecord, read_wal_by_family,
};
use crate::recovery::attribution::{Attributed, Counts};
use crate::recovery::{CutReason, RecordState, Recovery};
use crate::report::Report;

use super::{Backend, Look, OpenOptions};

/// A log, as far as its bytes and the snapshot beside it tell.
#[derive(Debug)]
pub enum Log {
    /// Of a directory.
    Directory {
        /// Its files.
        legacy: Box<LegacyDir>,
        /// What the log means, if a snapshot is there to compare with.
        recovery: Option<Box<Recovery>>,
        /// What was found on the way.
        report: Report,
    },
    /// One segment by itself.
    Segment {
        /// Its only segment.
        wal: Box<Wal>,
        /// The family under which most of it decodes.
        family: Family,
    },
}

/// One record, or bytes that hold none.
#[derive(Debug, Clone, Copy)]
pub enum LogItem<'l> {
    /// A record, by its position in the log.
    Record(usize, &'l WalRecord),
    /// Bytes without a readable record.
    Bad(&'l BadRange),
}

/// What the log holds and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogSummary {
    /// The segments, oldest first.
    pub segments: Vec<SegmentSummary>,
    /// Readable records.
    pub records: usize,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Lowest sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<u64>,
    /// Highest sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// Earliest time, in unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_timestamp: Option<u64>,
    /// Latest time, in unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<u64>,
    /// `clean`, `torn-tail`, `gap`, `repeated` or `damaged-middle`.
    pub verdict: &'static str,
    /// Bytes that hold no readable record.
    pub unreadable: Vec<UnreadableRange>,
    /// Why the tail begins where it does; absent when nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<CutReason>,
    /// Records after the cut.
    pub tail: usize,
    /// Those of failed statements.
    pub no_effect: usize,
    /// Those that were not applied, because nobody can say where.
    pub set_aside: usize,
    /// The tail by confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Counts>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentSummary {
    /// Its name.
    pub segment: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its readable records; those that count in another segment are left out.
    pub records: usize,
}

/// Bytes of a segment that hold no readable record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableRange {
    /// The segment.
    pub segment: String,
    /// Where they start.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
    /// Whether they are the torn tail of the newest segment.
    pub torn: bool,
    /// Whether they are zeros and nothing else.
    pub zeros: bool,
    /// Readable records beyond.
    pub records_beyond: usize,
}

/// Opens the log of a directory, or one segment by itself.
///
/// # Errors
/// When the path is neither, or cannot be read.
pub fn open_log(path: &Path, options: &OpenOptions) -> Result<Log> {
    let meta = path
        .metadata()
        .map_err(|error| Error::io("open", path, error))?;
    if meta.is_dir() {
        return of_directory(path, Look::open(path, options)?);
    }
    let name = path.file_name().unwrap_or_default();
    let segment = Segment {
        file: SourceFile::open(path)?,
        name: name.to_string_lossy().into_owned(),
    };
    let families = match options.family {
        Some(family) => vec![family],
        None => Family::ALL.to_vec(),
    };
    let (fitting, wal) = read_wal_by_family(vec![segment], &families)?;
    Ok(Log::Segment {
        wal: Box::new(wal),
        // As for a directory: of several that fit, the newest.
        family: fitting.last().copied().unwrap_or(Family::V1_4),
    })
}

fn of_directory(path: &Path, look: Look) -> Result<Log> {
    let report = look.findings();
    let (legacy, recovery) = match look {
        Look::WithoutSnapshot { legacy, .. } => (legacy, None),
        Look::Whole(directory) => match directory.into_backend() {
            Backend::Legacy { legacy, recovery } => (legacy, Some(recovery)),
            Backend::Ours(_) => {
                return Err(Error::Usage(format!(
                    "{}: found a directory without a legacy WAL, expected one that a server left\nSee what it is with `rustdb-inspect info`.",
                    path.display()
                )));
            }
        },
    };
    Ok(Log::Directory {
        legacy,
        recovery,
        report,
    })
}

impl Log {
    /// The records.
    pub fn wal(&self) -> &Wal {
        match self {
            Log::Segment { wal, .. } => wal,
            Log::Directory { legacy, .. } => &legacy.wal,
        }
    }

    /// The family that its records decode under.
    pub fn family(&self) -> Family {
        match self {
            Log::Segment { family, .. } => *family,
            Log::Directory { legacy, .. } => legacy.family,
        }
    }

    /// What the log means, if a snapshot is there to compare with.
    pub fn recovery(&self) -> Option<&Recovery> {
        match self {
            Log::Segment { .. } => None,
            Log::Directory { recovery, .. } => recovery.as_deref(),
        }
    }

    /// Position of the first record of the tail.
    pub fn first_tail(&self) -> usize {
        match self.recovery() {
            Some(recovery) => recovery.cut.first_tail,
            None => self.wal().after_last_checkpoint(),
        }
    }

    /// What became of a record.
    pub fn state(&self, position: usize, record: &WalRecord) -> RecordState {
        if record.operation.table().is_none() {
            RecordState::Checkpoint
        } else if position < self.first_tail() && self.attributed(position).is_none() {
            RecordState::InSnapshot
        } else if self
            .attributed(position)
            .is_some_and(|attributed| attributed.no_effect.is_some())
        {
            RecordState::NoEffect
        } else {
            RecordState::Tail
        }
    }

    /// Whose a record of the tail was.
    pub fn attributed(&self, position: usize) -> Option<&Attributed> {
        self.recovery()?.attribution.of_record(position)
    }

    /// Records and unreadable ranges, in file order.
    pub fn entries(&self) -> impl Iterator<Item = LogItem<'_>> {
        let wal = self.wal();
        let mut bad = wal.bad.iter().peekable();
        let mut records = wal.records.iter().enumerate().peekable();
        std::iter::from_fn(move || {
            let next = records.peek().map_or(usize::MAX, |(position, _)| *position);
            match bad.next_if(|bad| bad.records_before <= next) {
                Some(bad) => Some(LogItem::Bad(bad)),
                None => records
                    .next()
                    .map(|(at, record)| LogItem::Record(at, record)),
            }
        })
    }

    /// The tables that its records name.
    pub fn tables(&self) -> BTreeSet<&str> {
        self.wal().table_names()
    }

    /// What is wrong with the log itself, and nothing else.
    pub fn damage(&self) -> Report {
        let mut report = Report::new();
        let first_tail = match self.recovery() {
            Some(recovery) => recovery.cut.first_tail,
            None => 0,
        };
        self.wal().report(first_tail, &mut report);
        report
    }

    /// Everything found on the way.
    pub fn findings(&self) -> Report {
        match self {
            Log::Directory { report, .. } => report.clone(),
            Log::Segment { .. } => self.damage(),
        }
    }

    /// The log in figures.
    pub fn summary(&self) -> LogSummary {
        summary_of(self.wal(), self.recovery())
    }
}

/// The log of a directory in figures.
pub(super) fn summary(legacy: &LegacyDir, recovery: Option<&Recovery>) -> LogSummary {
    summary_of(&legacy.wal, recovery)
}

fn summary_of(wal: &Wal, recovery: Option<&Recovery>) -> LogSummary {
    let mut counts = vec![0_usize; wal.segments.len()];
    for record in &wal.records {
        if let Some(count) = counts.get_mut(record.segment) {
            *count = count.saturating_add(1);
        }
    }
    let segments = wal.segments.iter().zip(counts);
    let segments = segments.map(|(segment, records)| SegmentSummary {
        segment: segment.name.clone(),
        bytes: segment.file.len(),
        records,
    });
    let sequences = || wal.records.iter().map(|record| record.sequence);
    let timestamps = || wal.records.iter().map(|record| record.timestamp);
    // Asked not to apply the log, a recovery has not looked at it either.
    let compared =
        recovery.filter(|r| r.cut.reason != CutReason::EmptyLog || wal.records.is_empty());
    let tail = match compared {
        Some(recovery) => recovery.cut.tail.len(),
        None => wal
            .records
            .len()
            .saturating_sub(wal.after_last_checkpoint()),
    };
    LogSummary {
        segments: segments.collect(),
        records: wal.records.len(),
        bytes: wal.byte_len,
        first_sequence: sequences().min(),
        last_sequence: sequences().max(),
        first_timestamp: timestamps().min(),
        last_timestamp: timestamps().max(),
        verdict: wal.verdict().as_str(),
        unreadable: wal.bad.iter().map(|bad| unreadable(wal, bad)).collect(),
        cut: compared.map(|recovery| recovery.cut.reason),
        tail,
        no_effect: compared.map_or(0, |recovery| {
            let tail = recovery.attribution.tail.iter();
            tail.filter(|a| a.no_effect.is_some()).count()
        }),
        set_aside: compared.map_or(0, |recovery| recovery.set_aside.len()),
        attribution: compared.map(|recovery| recovery.attribution.counts()),
    }
}

/// A range in the shape that is printed.
pub fn unreadable(wal: &Wal, bad: &BadRange) -> UnreadableRange {
    let segment = wal.segments.get(bad.segment);
    UnreadableRange {
        segment: segment.map_or_else(String::new, |segment| segment.name.clone()),
        offset: bad.offset,
        len: bad.len,
        torn: bad.torn,
        zeros: bad.zeros,
        records_beyond: wal.records_beyond(bad),
    }
}

/// One kind of operation in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindStats {
    /// The operation.
    pub op: &'static str,
    /// Records.
    pub count: u64,
    /// Their share of all records, in percent.
    pub percent: f64,
    /// Their bytes, frames included.
    pub bytes: u64,
}

/// Records by kind, most frequent first.
pub fn kinds<'r>(records: impl Iterator<Item = &'r WalRecord>) -> Vec<KindStats> {
    let mut kinds: Vec<KindStats> = Vec::new();
    let mut total = 0_u64;
    for record in records {
        let op = record.operation.name();
        let bytes = record.len.saturating_add(FRAME_LEN);
        total = total.saturating_add(1);
        match kinds.iter_mut().find(|kind| kind.op == op) {
            Some(kind) => {
                kind.count = kind.count.saturating_add(1);
                kind.bytes = kind.bytes.saturating_add(bytes);
            }
            None => kinds.push(KindStats {
                op,
                count: 1,
                percent: 0.0,
                bytes,
            }),
        }
    }
    for kind in &mut kinds {
        // Two decimals; no log has so many records that a double miscounts.
        kind.percent = (kind.count as f64 / total as f64 * 10_000.0).round() / 100.0;
    }
    kinds.sort_by(|a, b| b.count.cmp(&a.count).then(a.op.cmp(b.op)));
    kinds
}
