//! The order of a log: that of its sequences (format page, "WAL").
//!
//! Segments are named by the clock, which can step back, and may have been
//! copied. So each is read by itself, and only then the records are put in
//! order: a record that stands twice with the same bytes counts once. Where one
//! number stands in records that differ, two logs are mixed or the server began
//! to count anew, and the names are all there is to go by.

use std::collections::{BTreeMap, BTreeSet};

use super::wal::{Copied, FRAME_LEN, Jump, SegmentLog};
use super::{BadRange, Segment, Wal, WalRecord};
use crate::error::Result;

/// Longest cut record that is looked for at the start of other segments, in
/// bytes.
const MAX_BEGINNING_LEN: u64 = 64 * 1024;

/// Puts the records of segments, which are given in the order of their names,
/// in the order of their sequences.
///
/// # Errors
/// When a segment cannot be read again.
pub(super) fn in_order(segments: Vec<Segment>, logs: Vec<SegmentLog>) -> Result<Wal> {
    let mut records = Vec::new();
    let mut rest = Vec::with_capacity(logs.len());
    let mut misnumbered = Vec::new();
    for log in logs {
        misnumbered.extend(log.misnumbered);
        rest.push(Rest {
            sequences: match log.bad.is_empty() {
                true => Vec::new(),
                false => log.records.iter().map(|record| record.sequence).collect(),
            },
            bad: log.bad,
        });
        records.extend(log.records);
    }
    let twins = Twins::find(&records, &segments);
    let mut copied = Vec::new();
    let mut kept = Vec::with_capacity(records.len());
    for (at, record) in records.into_iter().enumerate() {
        match twins.copy_of.get(&at) {
            Some(of) => copied.push((record, *of)),
            None => kept.push(record),
        }
    }
    if !twins.differ {
        kept.sort_by_key(|record| record.sequence);
    }
    let mut wal = Wal {
        byte_len: segments.iter().map(|segment| segment.file.len()).sum(),
        records: kept,
        misnumbered,
        ..Wal::default()
    };
    let positions = Positions::new(&wal.records, &copied);
    let places = places(&positions, &rest, &segments)?;
    wal.bad = ranges(&wal.records, rest, &positions, &places);
    wal.copies = copies(&copied, &segments, &places);
    renumber(&mut wal, segments, &places);
    find_jumps(&mut wal);
    Ok(wal)
}

/// What a segment holds beside its records.
struct Rest {
    /// The sequences of its records, where bytes among them hold none.
    sequences: Vec<u64>,
    bad: Vec<BadRange>,
}

/// Records of the same number.
struct Twins {
    /// Positions of records that stand in another place too, with the segment
    /// whose record counts.
    copy_of: BTreeMap<usize, usize>,
    /// Whether some number stands in records that differ.
    differ: bool,
}

impl Twins {
    /// Of two alike the one counts that stands in the longer segment: that is
    /// the one which went on after the other was copied from it.
    fn find(records: &[WalRecord], segments: &[Segment]) -> Self {
        let len = |segment: usize| segments.get(segment).map_or(0, |own| own.file.len());
        let mut by_number: Vec<(usize, &WalRecord)> = records.iter().enumerate().collect();
        by_number.sort_by_key(|(at, record)| {
            let longest_first = u64::MAX - len(record.segment);
            (record.sequence, longest_first, *at)
        });
        let mut twins = Twins {
            copy_of: BTreeMap::new(),
            differ: false,
        };
        for alike in by_number.chunk_by(|(_, a), (_, b)| a.sequence == b.sequence) {
            let [(_, first), others @ ..] = alike else {
                continue;
            };
            for (at, record) in others {
                if is_same(first, record) {
                    twins.copy_of.insert(*at, first.segment);
                } else {
                    twins.differ = true;
                }
            }
        }
        twins
    }
}

/// Whether two records of one number have the same bytes.
fn is_same(a: &WalRecord, b: &WalRecord) -> bool {
    (a.len, a.timestamp) == (b.len, b.timestamp) && a.operation == b.operation
}

/// Where in the log the records of segments stand, copied ones too; by segment
/// and sequence.
struct Positions(BTreeMap<(usize, u64), (usize, bool)>);

impl Positions {
    fn new(kept: &[WalRecord], copied: &[(WalRecord, usize)]) -> Self {
        let own = kept.iter().enumerate();
        let mut positions: BTreeMap<_, _> = own
            .map(|(at, record)| ((record.segment, record.sequence), (at, true)))
            .collect();
        for (record, of) in copied {
            if let Some((at, _)) = positions.get(&(*of, record.sequence)).copied() {
                let key = (record.segment, record.sequence);
                positions.entry(key).or_insert((at, false));
            }
        }
        Positions(positions)
    }

    /// The position of a segment's record.
    fn of(&self, segment: usize, sequence: u64) -> Option<usize> {
        self.0.get(&(segment, sequence)).map(|(at, _)| *at)
    }
}

/// Where a segment stands in the log.
#[derive(Debug, Clone, Copy)]
struct SegmentPlace {
    /// Where its first record stands.
    first: usize,
    /// How many records of the log stand before its end.
    end: usize,
    /// Whether every byte of it stands in another segment.
    is_copy: bool,
    /// The segment that it begins like, if it holds no whole record.
    beginning_of: Option<usize>,
    /// Whether it holds a record.
    holds_records: bool,
}

fn places(positions: &Positions, rest: &[Rest], segments: &[Segment]) -> Result<Vec<SegmentPlace>> {
    // By segment: first position, end, whether a record of it counts.
    let mut spans: BTreeMap<usize, (usize, usize, bool)> = BTreeMap::new();
    for ((segment, _), (at, own)) in &positions.0 {
        let (first, end, counts) = spans.entry(*segment).or_insert((*at, 0, false));
        *first = (*at).min(*first);
        *end = (at + 1).max(*end);
        *counts |= own;
    }
    let all = spans.values().map(|(_, end, _)| *end).max().unwrap_or(0);
    let mut places: Vec<SegmentPlace> = Vec::with_capacity(segments.len());
    for (index, own) in rest.iter().enumerate() {
        let before = places.last().map_or(0, |place| place.end);
        let last = index + 1 == rest.len();
        places.push(match spans.get(&index).copied() {
            Some((first, end, counts)) => {
                // Of a record at its end that was cut no byte is known twice,
                // but nothing else can have stood there.
                let is_copy = !counts && own.bad.iter().all(|bad| bad.torn);
                SegmentPlace {
                    first,
                    end,
                    is_copy,
                    beginning_of: None,
                    holds_records: true,
                }
            }
            // No number says where it belongs, so its name does.
            None => {
                let at = if last { all } else { before };
                let beginning_of = beginning_of(index, segments)?;
                SegmentPlace {
                    first: at,
                    end: at,
                    is_copy: beginning_of.is_some(),
                    beginning_of,
                    holds_records: false,
                }
            }
        });
    }
    Ok(places)
}

/// The segment that another one without a whole record is the beginning of.
fn beginning_of(index: usize, segments: &[Segment]) -> Result<Option<usize>> {
    let own = segments.get(index).map(|own| &own.file);
    // At the end of the log a torn record stands, of which only its number tells that
    // it is another's.
    let least = match index + 1 == segments.len() {
        true => FRAME_LEN + 8,
        false => 1,
    };
    let wanted = |len: u64| (least..=MAX_BEGINNING_LEN).contains(&len);
    let Some(own) = own.filter(|own| wanted(own.len())) else {
        return Ok(None);
    };
    let bytes = own.read_all(MAX_BEGINNING_LEN)?;
    let mut others = vec![0; bytes.len()];
    for (at, other) in segments.iter().enumerate() {
        if at != index && other.file.len() > own.len() {
            other.file.read_exact_at(&mut others, 0)?;
            if bytes == others {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}

/// The bytes without a record, with their places in the log.
fn ranges(
    records: &[WalRecord],
    rest: Vec<Rest>,
    positions: &Positions,
    places: &[SegmentPlace],
) -> Vec<BadRange> {
    let indexed = places.iter().enumerate();
    let originals = indexed.filter(|(_, place)| !place.is_copy);
    let newest = originals.max_by_key(|(index, place)| (place.end, *index));
    let newest = newest.map(|(index, _)| index);
    let mut ranges = Vec::new();
    for ((index, own), place) in rest.into_iter().enumerate().zip(places) {
        if place.is_copy {
            continue;
        }
        for mut bad in own.bad {
            let sequence = |at: usize| own.sequences.get(at).copied();
            let before = bad.records_before.checked_sub(1).and_then(sequence);
            let position = |sequence| positions.of(index, sequence);
            bad.records_before = match (before.and_then(position), sequence(0).and_then(position)) {
                (Some(before), _) => before + 1,
                (None, Some(first)) => first,
                (None, None) => place.first,
            };
            let at_the_end = bad.records_before == records.len();
            bad.torn = at_the_end && (bad.zeros || bad.torn && newest == Some(index));
            bad.zeros &= bad.torn || goes_on(records, bad.records_before);
            ranges.push(bad);
        }
    }
    ranges.sort_by_key(|bad| (bad.records_before, bad.segment, bad.offset));
    ranges
}

/// Whether the sequences before and after a place follow each other.
fn goes_on(records: &[WalRecord], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| records.get(before));
    let last = before.map_or(0, |record| record.sequence);
    let after = records.get(at);
    after.is_some_and(|after| Some(after.sequence) == last.checked_add(1))
}

/// The ranges of copied records, each as long as it goes.
fn copies(
    copied: &[(WalRecord, usize)],
    segments: &[Segment],
    places: &[SegmentPlace],
) -> Vec<Copied> {
    let mut copies: Vec<Copied> = Vec::new();
    for (record, of) in copied {
        let len = FRAME_LEN + record.len;
        let joins = |last: &&mut Copied| {
            (last.segment, last.offset + last.len, last.of) == (record.segment, record.offset, *of)
        };
        match copies.last_mut().filter(joins) {
            Some(last) => {
                last.len += len;
                last.records += 1;
            }
            None => copies.push(Copied {
                segment: record.segment,
                offset: record.offset,
                len,
                records: 1,
                of: *of,
            }),
        }
    }
    for ((index, segment), place) in segments.iter().enumerate().zip(places) {
        if !place.is_copy {
            continue;
        }
        // The record that was cut is a copy as well.
        let own = |one: &&mut Copied| one.segment == index;
        match copies.iter_mut().rev().find(own) {
            Some(last) => last.len = segment.file.len().saturating_sub(last.offset),
            None => copies.extend(place.beginning_of.map(|of| Copied {
                segment: index,
                offset: 0,
                len: segment.file.len(),
                records: 0,
                of,
            })),
        }
    }
    copies
}

/// Gives the segments their order, and everything that names one its position.
fn renumber(wal: &mut Wal, segments: Vec<Segment>, places: &[SegmentPlace]) {
    let mut order: Vec<(usize, Segment)> = segments.into_iter().enumerate().collect();
    order.sort_by_key(|(index, _)| {
        let place = places.get(*index);
        let class = |place: &SegmentPlace| (place.is_copy, place.holds_records);
        (place.map(|place| (place.first, class(place))), *index)
    });
    let mut position = vec![0; order.len()];
    for (new, (old, _)) in order.iter().enumerate() {
        if let Some(position) = position.get_mut(*old) {
            *position = new;
        }
    }
    let new = |old: usize| position.get(old).copied().unwrap_or(old);
    for record in &mut wal.records {
        record.segment = new(record.segment);
    }
    for bad in &mut wal.bad {
        bad.segment = new(bad.segment);
    }
    for one in &mut wal.misnumbered {
        one.segment = new(one.segment);
    }
    for copy in &mut wal.copies {
        (copy.segment, copy.of) = (new(copy.segment), new(copy.of));
    }
    wal.segments = order.into_iter().map(|(_, segment)| segment).collect();
}

fn find_jumps(wal: &mut Wal) {
    // Ranges that could not be read stand where their records are missing.
    let unreadable: BTreeSet<usize> = wal.bad.iter().map(|bad| bad.records_before).collect();
    let mut highest: Option<u64> = None;
    let mut in_repeat = false;
    for (index, record) in wal.records.iter().enumerate() {
        let sequence = record.sequence;
        if let Some(before) = highest {
            let jump = Jump {
                record: index,
                before,
                after: sequence,
            };
            let repeated = sequence <= before;
            // One finding for each run of repeated sequences.
            if repeated && !in_repeat {
                wal.repeats.push(jump);
            } else if sequence > before.saturating_add(1) && !unreadable.contains(&index) {
                wal.gaps.push(jump);
            }
            in_repeat = repeated;
        }
        highest = Some(highest.map_or(sequence, |h| h.max(sequence)));
    }
}
