//! The cut: which records of the log the snapshot already holds.
//!
//! A Checkpoint record says so where there is one. It can be missing, though:
//! the server writes the snapshot first and marks it afterwards. So the
//! snapshot's own content is asked every time, and what contradicts the marker
//! is named.

mod evidence;
mod forms;
mod hidden_start;
mod lost_instance;
mod mixed_times;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::Result;
use crate::finding::{Code, Finding, counted};
use crate::legacy::{LegacyDir, Snapshot, WalRecord};
use crate::report::Report;

use evidence::{Evidence, SEGMENTS_KEPT, Split, ended_at_once, opened_last};
use hidden_start::Hidden;

pub use super::server_replay::RECORDS_PER_CHECKPOINT;
pub(super) use super::server_replay::is_marker;
pub(super) use evidence::{Sign, has_key, signs};
pub(super) use forms::{row_hash, row_hash_owned};

/// Where the tail begins, and why.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Position in the log of the first record after the cut.
    pub first_tail: usize,
    /// Why the cut is there.
    pub reason: CutReason,
    /// Positions of the records to apply, in order.
    pub tail: Vec<usize>,
}

/// Why the cut is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CutReason {
    /// No record at all.
    #[default]
    EmptyLog,
    /// The last Checkpoint record.
    Marker,
    /// No Checkpoint record, and the snapshot holds none of the records.
    NoMarker,
    /// The snapshot holds what stands after the last Checkpoint record.
    UnmarkedCheckpoint,
    /// The snapshot was lost, replaced or never held the rows: the whole log.
    Salvage,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordState {
    /// To be applied.
    Tail,
    /// Already there.
    InSnapshot,
    /// A statement that had failed after logging.
    NoEffect,
    /// The snapshot's mark.
    Checkpoint,
    /// Bytes that hold no readable record.
    Unreadable,
}

impl RecordState {
    /// The word that `wal` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordState::Tail => "tail",
            RecordState::InSnapshot => "in-snapshot",
            RecordState::NoEffect => "no-effect",
            RecordState::Checkpoint => "checkpoint",
            RecordState::Unreadable => "unreadable",
        }
    }
}

impl Cut {
    /// Applies the records of some positions, but for Checkpoint records.
    pub(super) fn new(records: &[WalRecord], tail: Range<usize>, reason: CutReason) -> Self {
        let positions = tail
            .clone()
            .zip(records.get(tail.clone()).unwrap_or_default());
        Cut {
            first_tail: tail.start,
            reason,
            tail: positions
                .filter(|(_, record)| !is_marker(record))
                .map(|(at, _)| at)
                .collect(),
        }
    }
}

/// The tables of a snapshot: what was done in a lost segment can be of any.
fn names_in(snapshot: &Snapshot) -> String {
    let databases = snapshot.catalog.databases.iter();
    let tables = databases.flat_map(|database| &database.tables);
    let names: BTreeSet<&str> = tables.map(|table| table.name.as_str()).collect();
    Vec::from_iter(names).join(", ")
}

/// A finding about records, with the first of them.
fn beginning(finding: Finding, records: &[WalRecord]) -> Finding {
    match records.first() {
        Some(first) => finding.sequence(first.sequence),
        None => finding,
    }
}

/// Rows that a start pushed which the log does not show.
fn once_more(how: &str, snapshot: &Snapshot) -> Finding {
    let names = names_in(snapshot);
    let detail = format!("rows of the log stand in the snapshot once more, {how}: {names}");
    Finding::new(Code::CutUncertain).detail(detail)
}

/// What is to be thought of where a start opened a segment, and wrote no mark.
const UNMARKED_START: &str =
    "as after a start that replayed the log, and ended before it could mark its checkpoint";
/// What is to be thought of where the log shows no start.
const DELETED: &str = "as after a start under a clock that had stepped back, whose segment with all that followed is deleted";

/// Finds the cut.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub fn find_cut(legacy: &LegacyDir, snapshot: &Snapshot, report: &mut Report) -> Result<Cut> {
    let records = &legacy.wal.records;
    let marker = records.iter().rposition(is_marker);
    let after = marker.map_or(0, |marker| marker + 1);
    let reason = match (records.is_empty(), marker) {
        (true, _) => CutReason::EmptyLog,
        (false, Some(_)) => CutReason::Marker,
        (false, None) => CutReason::NoMarker,
    };
    let mut cut = Cut::new(records, after..records.len(), reason);
    let evidence = Evidence::gather(records, after, snapshot)?;
    // Where nothing is gone from the log, rows that stand once more say so by themselves.
    let is_whole = records.first().is_some_and(|first| first.sequence == 1);
    let opened = opened_last(&legacy.wal) || is_whole && ended_at_once(&legacy.wal);
    // Else a start leaves no segment only where others are newer by name.
    let few = legacy.wal.segments.len() < SEGMENTS_KEPT;
    let hidden = match few && !opened {
        true => Hidden::Excluded,
        false => match hidden_start::look(&legacy.wal, snapshot)? {
            Hidden::Possible if few => Hidden::Excluded,
            found => found,
        },
    };
    let hidden_how = match opened {
        true => UNMARKED_START,
        false => DELETED,
    };
    match evidence.split(
        &legacy.wal,
        after,
        snapshot.family,
        hidden != Hidden::Excluded,
    ) {
        Split::Before => {
            let since = records.get(after..).unwrap_or_default();
            if let Some(finding) = mixed_times::newer_snapshot(since, &evidence, snapshot) {
                report.add(finding);
            }
            if cut.tail.is_empty() && hidden == Hidden::Likely {
                report.add(once_more(hidden_how, snapshot));
            }
        }
        Split::After => {
            let none = records.len()..records.len();
            cut = Cut::new(records, none, CutReason::UnmarkedCheckpoint);
            let since = records.get(after..).unwrap_or_default();
            let (present, absent) = evidence.counts();
            let count = counted(since.len(), "record");
            let finding = Finding::new(Code::UnmarkedCheckpoint).detail(match absent {
                0 => format!("the snapshot holds all of the {count} after the last Checkpoint record"),
                _ => format!(
                    "of {count} after the last Checkpoint record the snapshot holds {present}, the last of them too, and lacks {absent}, as where rows were deleted since: {}",
                    mixed_times::names_of(since)
                ),
            });
            report.add(beginning(finding, since));
            if hidden == Hidden::Likely {
                report.add(once_more(hidden_how, snapshot));
            }
        }
        Split::At(at) => {
            cut = Cut::new(records, at..records.len(), CutReason::UnmarkedCheckpoint);
            let behind = records.get(at..).unwrap_or_default();
            let finding = Finding::new(Code::MarkLost).detail(format!(
                "the snapshot holds nothing of the {} behind it: {}",
                counted(behind.len(), "record"),
                mixed_times::names_of(behind)
            ));
            report.add(beginning(finding, behind));
        }
        Split::Unclear { present, absent } => {
            let since = records.get(after..).unwrap_or_default();
            let (why, names) = match hidden {
                Hidden::Excluded => (String::new(), mixed_times::names_of(since)),
                Hidden::Possible | Hidden::Likely => {
                    (format!(", {hidden_how}"), names_in(snapshot))
                }
            };
            let finding = Finding::new(Code::CutUncertain).detail(format!(
                "of {} after the last Checkpoint record the snapshot holds {present} and lacks {absent}{why}: {names}",
                counted(since.len(), "record")
            ));
            report.add(beginning(finding, since));
        }
    }
    lost_instance::report(legacy, snapshot, after, report)?;
    // Page storage keeps rows elsewhere, and a lost instance has none.
    let has_rows = snapshot
        .rows
        .iter()
        .flatten()
        .any(|extent| extent.count > 0);
    let asked = !has_rows || !legacy.page_dirs.is_empty() || report.has(Code::CutUncertain);
    if let Some(marker) = marker.filter(|_| !asked) {
        let logged = records.get(..marker).unwrap_or_default();
        // A start opens a segment with its record.
        let before = logged.last().map(|record| record.segment);
        let ran = before.is_some() && before == records.get(marker).map(|record| record.segment);
        if let Some(finding) = mixed_times::older_snapshot(logged, ran, snapshot)? {
            report.add(finding);
        }
    }
    Ok(cut)
}
