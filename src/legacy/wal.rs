//! The write-ahead log: framing, order, torn tail against damage.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Family, decode};
use crate::codec::{Cursor, Flaw};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::{Code, counted};
use crate::model::Operation;

/// Bytes before a record: its length.
pub const FRAME_LEN: u64 = 4;
/// Fewest bytes of a record: sequence, timestamp, operation tag.
pub(super) const MIN_RECORD_LEN: u64 = 8 + 8 + 4;

/// One decoded record and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct WalRecord {
    /// Rises by one over the whole server.
    pub sequence: u64,
    /// When it was logged, in unix seconds.
    pub timestamp: u64,
    /// What was done.
    pub operation: Operation,
    /// Position of its segment in [`Wal::segments`].
    pub segment: usize,
    /// File offset of its frame.
    pub offset: u64,
    /// Bytes of the record, without its frame.
    pub len: u64,
}

/// Bytes of a segment that hold no readable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRange {
    /// Position of the segment in [`Wal::segments`].
    pub segment: usize,
    /// Where it starts.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
    /// How many records of the log come before it.
    pub records_before: usize,
    /// Whether it is the torn tail of the newest segment.
    pub torn: bool,
    /// Whether every byte is zero. Where it is not torn, nothing is missing:
    /// the sequences on both sides follow each other.
    pub zeros: bool,
    /// Whether the frame was whole and only its content does not decode.
    pub framed: bool,
    /// What is wrong with the bytes.
    pub damage: Damage,
}

impl BadRange {
    /// Whether no record was lost with it.
    pub fn is_harmless(&self) -> bool {
        self.torn || self.zeros
    }
}

/// Records of a segment that stand in another one too, byte by byte, and count
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Position of the segment in [`Wal::segments`].
    pub segment: usize,
    /// Where they start.
    pub offset: u64,
    /// How many bytes they are.
    pub len: u64,
    /// How many records they are.
    pub records: usize,
    /// Position of the segment whose records count.
    pub of: usize,
}

/// One segment file.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Open for reading.
    pub file: Arc<SourceFile>,
    /// The name of its file in `wal/`.
    pub name: String,
}

/// How the log as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The records follow one another, and nothing else stands beside them but
    /// zeros and copies.
    Clean,
    /// The newest segment ends inside a record.
    TornTail,
    /// Sequences are missing.
    Gap,
    /// Sequences stand twice, in records that differ.
    Repeated,
    /// A record in the middle cannot be read.
    DamagedMiddle,
}

impl Verdict {
    /// The word that `wal` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::TornTail => "torn-tail",
            Verdict::Gap => "gap",
            Verdict::Repeated => "repeated",
            Verdict::DamagedMiddle => "damaged-middle",
        }
    }
}

/// A record whose number is not the one that its place among its neighbours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misnumbered {
    /// Position of the segment in [`Wal::segments`].
    pub segment: usize,
    /// File offset of its frame.
    pub offset: u64,
    /// The number that stands there.
    pub found: u64,
    /// The number that it has instead.
    pub expected: u64,
}

/// Two neighbouring records whose sequences do not follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Position of the later record in [`Wal::records`].
    pub record: usize,
    /// The sequence before.
    pub before: u64,
    /// The sequence after.
    pub after: u64,
}

/// The whole log.
#[derive(Debug, Default)]
pub struct Wal {
    /// The segments, oldest first by their sequences.
    pub segments: Vec<Segment>,
    /// Every readable record once, in the order of the sequences.
    pub records: Vec<WalRecord>,
    /// Bytes that hold none, in the same order.
    pub bad: Vec<BadRange>,
    /// Bytes that hold records of another segment.
    pub copies: Vec<Copied>,
    /// Records whose number was damaged.
    pub misnumbered: Vec<Misnumbered>,
    /// Where sequences are missing.
    pub gaps: Vec<Jump>,
    /// Where sequences repeat or fall.
    pub repeats: Vec<Jump>,
    /// Bytes of all segments.
    pub byte_len: u64,
}

impl Wal {
    /// The tables that records name, renamed ones by both names.
    pub fn table_names(&self) -> BTreeSet<&str> {
        let names = self.records.iter().flat_map(|record| {
            let new = match &record.operation {
                Operation::RenameTable { new, .. } => Some(new.as_str()),
                _ => None,
            };
            record.operation.table().into_iter().chain(new)
        });
        names.collect()
    }

    /// Where the tail begins by Checkpoint records alone.
    pub fn after_last_checkpoint(&self) -> usize {
        let mut records = self.records.iter();
        let marker = records.rposition(|r| matches!(r.operation, Operation::Checkpoint { .. }));
        marker.map_or(0, |marker| marker.saturating_add(1))
    }

    /// Positions before which a record may be missing, ascending; one that is
    /// missing at the end stands behind the last.
    pub fn breaks(&self) -> BTreeSet<usize> {
        let jumps = self.gaps.iter().chain(&self.repeats);
        let damaged = self.bad.iter().filter(|bad| !bad.is_harmless());
        let jumps = jumps.map(|jump| jump.record);
        jumps.chain(damaged.map(|bad| bad.records_before)).collect()
    }

    /// Whether an Update or a Delete stands in it.
    pub fn has_ended_versions(&self) -> bool {
        self.records.iter().any(|r| r.operation.ends_version())
    }

    /// Whether the server that wrote the last records logs updates and deletes, as one
    /// in their segment shows: releases since 1.5 log none. A start opens a segment,
    /// and can be one of another release.
    pub fn logs_ended_versions(&self) -> bool {
        let last = self.records.last().map(|record| record.segment);
        let of_last = self.records.iter().rev();
        let mut of_last = of_last.take_while(|record| Some(record.segment) == last);
        of_last.any(|record| record.operation.ends_version())
    }

    /// What became of INSERTs of more values than columns in this log.
    pub fn wide_inserts(&self, family: Family) -> WideInserts {
        let ending = self.records.iter().filter(|r| r.operation.ends_version());
        WideInserts {
            family,
            refused_in: ending.map(|record| record.segment).collect(),
        }
    }

    /// How the log as a whole stands: the worst of what was found.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::Clean;
        for bad in &self.bad {
            verdict = verdict.max(match (bad.torn, bad.zeros) {
                (true, _) => Verdict::TornTail,
                (false, true) => Verdict::Clean,
                (false, false) => Verdict::DamagedMiddle,
            });
        }
        if !self.gaps.is_empty() {
            verdict = verdict.max(Verdict::Gap);
        }
        if !self.repeats.is_empty() {
            verdict = verdict.max(Verdict::Repeated);
        }
        verdict
    }

    /// The segment of a record.
    pub fn segment_of(&self, record: &WalRecord) -> Option<&Segment> {
        self.segments.get(record.segment)
    }

    /// How many readable records stand after a damaged range.
    pub fn records_beyond(&self, bad: &BadRange) -> usize {
        self.records.len().saturating_sub(bad.records_before)
    }
}

/// What a server makes of an INSERT of more values than its table has columns
/// (format page, "Server rules", 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideInsert {
    /// It fails, once it is logged: up to 1.4.
    Refused,
    /// The row is kept, and its first values are shown: since 1.5.
    Kept,
    /// Nothing tells the releases apart.
    Unknown,
}

/// Tells what became of each such INSERT.
#[derive(Debug, Clone)]
pub struct WideInserts {
    family: Family,
    /// Segments of releases up to 1.4: updates or deletes stand there.
    refused_in: BTreeSet<usize>,
}

impl WideInserts {
    /// What became of one that this record logs.
    pub fn of(&self, record: &WalRecord) -> WideInsert {
        match self.family {
            Family::V1_3 => WideInsert::Refused,
            Family::V1_4 if self.refused_in.contains(&record.segment) => WideInsert::Refused,
            Family::V1_4 => WideInsert::Unknown,
            Family::V1_10 | Family::V2_3 => WideInsert::Kept,
        }
    }
}

/// What one segment holds, read by itself.
#[derive(Debug, Default)]
pub(super) struct SegmentLog {
    /// Its readable records, in file order.
    pub records: Vec<WalRecord>,
    /// Bytes that hold none. Their `records_before` counts those of the segment,
    /// and `torn` says whether they would be a torn tail in the newest segment.
    pub bad: Vec<BadRange>,
    /// Records whose number was damaged, and has been set right.
    pub misnumbered: Vec<Misnumbered>,
}

/// The record at the window's offset, or what is wrong with it.
pub(super) fn read_record(
    window: &mut Window,
    segment: usize,
    family: Family,
) -> Result<Result<WalRecord, Damage>> {
    let offset = window.offset();
    let Some(len) = framed_len(window, offset)? else {
        let found = format!(
            "{} up to the end of the segment",
            counted(window.remaining(), "byte")
        );
        return Ok(Err(Damage {
            file: window.file().path().to_owned(),
            offset,
            code: Code::Truncated,
            found,
            expected: "a whole record".into(),
        }));
    };
    // Bounded by the bytes in the file, which framed_len checked. The frame
    // stays in the window too: a search goes on from the byte after it.
    match window.fill(usize::try_from(FRAME_LEN + len).unwrap_or(usize::MAX)) {
        Err(Error::Damage(damage)) => return Ok(Err(*damage)),
        filled => filled?,
    }
    window.seek(offset + FRAME_LEN);
    let bytes = window
        .buffered()
        .get(..usize::try_from(len).unwrap_or(usize::MAX));
    let decoded = decode_record(bytes.unwrap_or_default(), family);
    match decoded {
        Ok((sequence, timestamp, operation)) => {
            window.seek(offset + FRAME_LEN + len);
            Ok(Ok(WalRecord {
                sequence,
                timestamp,
                operation,
                segment,
                offset,
                len,
            }))
        }
        Err(flaw) => {
            let damage = match flaw {
                Flaw::Short { need } => Damage {
                    file: window.file().path().to_owned(),
                    offset,
                    code: Code::BadLength,
                    found: format!("a record of {}", counted(len, "byte")),
                    expected: format!("at least {} for what it holds", counted(need, "byte")),
                },
                bad => window.damage(bad),
            };
            window.seek(offset);
            Ok(Err(damage))
        }
    }
}

/// A record without its frame: sequence, timestamp and operation.
///
/// # Errors
/// The flaw, with its place in `bytes`.
pub fn decode_record(bytes: &[u8], family: Family) -> Result<(u64, u64, Operation), Flaw> {
    let mut cursor = Cursor::new(bytes);
    let sequence = cursor.u64()?;
    let timestamp = cursor.u64()?;
    let operation = decode::operation(&mut cursor, family)?;
    if cursor.remaining() > 0 {
        let at = cursor.position();
        let left = cursor.remaining() as u64;
        return Cursor::bad(at, Code::TrailingBytes, left, "the end of the record");
    }
    Ok((sequence, timestamp, operation))
}

/// The length in the frame at `offset` if the whole record is in the file.
pub(super) fn framed_len(window: &mut Window, offset: u64) -> Result<Option<u64>> {
    window.seek(offset);
    if window.remaining() < FRAME_LEN {
        return Ok(None);
    }
    let Ok(len) = window.peek(size_of::<u32>(), |c| c.u32())? else {
        return Ok(None);
    };
    let len = u64::from(len);
    Ok((FRAME_LEN + len <= window.remaining()).then_some(len))
}
