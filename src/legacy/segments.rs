//! Reads the segments of the log: their records, and what stands between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::resume::{MAX_RESUME_LEN, RecordSearch};
use super::wal::{
    BadRange, FRAME_LEN, MIN_RECORD_LEN, Misnumbered, Segment, SegmentLog, Wal, WalRecord,
    decode_record, framed_len, read_record,
};
use super::{Family, wal_order, zeros};
use crate::error::Result;
use crate::file::{SourceFile, Window};

/// Reads all segments, which are given in the order of their names, and puts
/// their records in the order of their sequences.
///
/// # Errors
/// On I/O errors only; damage is in [`Wal::bad`].
pub fn read_wal(segments: Vec<Segment>, family: Family) -> Result<Wal> {
    let mut names = BTreeSet::new();
    let mut logs = Vec::with_capacity(segments.len());
    for (index, segment) in segments.iter().enumerate() {
        logs.push(read_segment(&segment.file, index, family, &mut names)?);
    }
    let first = logs.iter().filter_map(|log| log.records.first());
    let last = logs.iter().filter_map(|log| log.records.last());
    let ends = SegmentEnds {
        first: first.map(|record| record.sequence).collect(),
        last: last.map(|record| record.sequence).collect(),
    };
    logs.iter_mut().for_each(|log| number_anew(log, &ends));
    wal_order::in_order(segments, logs)
}

/// The number of the last record of a file that begins with a record, if it does.
///
/// # Errors
/// On I/O errors only.
pub(super) fn last_of(file: &Arc<SourceFile>, family: Family) -> Result<Option<u64>> {
    let mut window = Window::new(file.clone(), 0..file.len());
    if file.is_empty() || read_record(&mut window, 0, family)?.is_err() {
        return Ok(None);
    }
    let log = read_segment(file, 0, family, &mut BTreeSet::new())?;
    Ok(log.records.last().map(|record| record.sequence))
}

fn read_segment(
    file: &Arc<SourceFile>,
    index: usize,
    family: Family,
    names: &mut BTreeSet<Arc<str>>,
) -> Result<SegmentLog> {
    let mut log = SegmentLog::default();
    let mut window = Window::new(file.clone(), 0..file.len());
    let mut budget = RecordSearch::budget(file.held_len()?);
    let zeros = zeros::trailing(file)?;
    while window.remaining() > 0 {
        let offset = window.offset();
        match read_record(&mut window, index, family)? {
            Ok(record) if window.offset() >= zeros && zeros::filled(&record) => {
                log.bad.push(BadRange {
                    segment: index,
                    offset,
                    len: file.len() - offset,
                    records_before: log.records.len(),
                    torn: true,
                    zeros: false,
                    framed: true,
                    damage: zeros::damage(file, zeros),
                });
                break;
            }
            Ok(mut record) => {
                // At once: what it does not need then, the next one takes.
                record.operation.share_name(names);
                log.records.push(record);
            }
            Err(damage) => {
                // Of this segment only: a server that lost its instance counts
                // from 1 again in the next one.
                let last = log.records.last().map(|record| record.sequence);
                let framed_len = framed_len(&mut window, offset)?;
                let resumed = RecordSearch::new(&mut window, family, last, &mut budget)
                    .run(offset, framed_len)?;
                let end = resumed.unwrap_or(file.len());
                // A whole frame at the very end that does not decode was
                // written completely, so no crash explains it; unless what is
                // wrong with it is that it was never filled.
                let torn = resumed.is_none()
                    && (framed_len.is_none() || zeros::explain(file, &damage, zeros)?)
                    && !hides_record(&mut window, offset, family)?;
                log.bad.push(BadRange {
                    segment: index,
                    offset,
                    len: end - offset,
                    records_before: log.records.len(),
                    torn,
                    zeros: zeros::only(file, offset..end)?,
                    framed: framed_len.is_some_and(|len| offset + FRAME_LEN + len == end),
                    damage,
                });
                window.seek(end);
            }
        }
    }
    Ok(log)
}

/// The numbers that segments begin and end with.
struct SegmentEnds {
    first: BTreeSet<u64>,
    last: BTreeSet<u64>,
}

/// Sets the numbers right that damage changed: a server counts up by one from
/// record to record of a segment, so of one that stands byte by byte between two
/// they say its number. At the ends of a segment the two next to it do, where it
/// falls behind them or another segment goes on after it: one that leaves a gap can
/// be right otherwise, and others missing.
fn number_anew(log: &mut SegmentLog, ends: &SegmentEnds) {
    let next_of = |number: u64| number.checked_add(1);
    let counts = |pair: &[WalRecord]| match pair {
        [first, second] => next_of(first.sequence) == Some(second.sequence),
        _ => true,
    };
    if log.records.windows(2).all(counts) {
        return;
    }
    let numbers: Vec<u64> = log.records.iter().map(|record| record.sequence).collect();
    // Whether a record stands right behind the one before it.
    let mut joined = vec![false];
    joined.extend(log.records.windows(2).map(is_joined));
    let is_joined = |at: usize| joined.get(at) == Some(&true);
    let number = |at: usize| numbers.get(at).copied();
    let before = |at: usize| number(at.checked_sub(1)?).filter(|_| is_joined(at));
    let after = |at: usize| number(at + 1).filter(|_| is_joined(at + 1));
    for (at, record) in log.records.iter_mut().enumerate() {
        let own = record.sequence;
        let expected = match (before(at), after(at)) {
            (Some(last), Some(next)) => next_of(last).filter(|own| next_of(*own) == Some(next)),
            (Some(last), None) => next_of(last).filter(|expected| {
                let counts = before(at - 1).and_then(next_of) == Some(last);
                let next = next_of(*expected);
                counts && own < last || next.is_some_and(|next| ends.first.contains(&next))
            }),
            (None, Some(next)) => next.checked_sub(1).filter(|expected| {
                let counts = after(at + 1) == next_of(next);
                let last = expected.checked_sub(1);
                counts && own > next || last.is_some_and(|last| ends.last.contains(&last))
            }),
            (None, None) => None,
        };
        if let Some(expected) = expected.filter(|expected| *expected != own) {
            log.misnumbered.push(Misnumbered {
                segment: record.segment,
                offset: record.offset,
                found: own,
                expected,
            });
            record.sequence = expected;
        }
    }
}

/// Whether the second of two records begins where the first ends.
fn is_joined(pair: &[WalRecord]) -> bool {
    let [first, second] = pair else {
        return false;
    };
    first
        .offset
        .saturating_add(FRAME_LEN)
        .saturating_add(first.len)
        == second.offset
}

/// Whether the bytes after the frame are one whole record although the frame
/// says otherwise: then the length is damaged and nothing was torn.
fn hides_record(window: &mut Window, offset: u64, family: Family) -> Result<bool> {
    window.seek((offset + FRAME_LEN).min(window.file().len()));
    let len = window.remaining();
    if !(MIN_RECORD_LEN..=MAX_RESUME_LEN).contains(&len) {
        return Ok(false);
    }
    window.fill(usize::try_from(len).unwrap_or(usize::MAX))?;
    Ok(decode_record(window.buffered(), family).is_ok())
}
