//! When the server was started, by the log: which Checkpoint records a start
//! wrote, what each start loaded, and what it replayed.

use crate::legacy::{BadRange, Wal};

use crate::recovery::cut::{RECORDS_PER_CHECKPOINT, is_marker};

/// Readings of the log that are followed before giving up.
const TIMELINES_MAX: usize = 27;
/// Segments that a checkpoint leaves.
const SEGMENTS_KEPT: usize = 2;

/// A start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replay {
    /// Its number among those of the timeline, from 0.
    pub number: usize,
    /// Position of the Checkpoint record that it wrote: all records before it
    /// were replayed.
    pub end: usize,
    /// Whether it replayed, before those, a segment that is gone.
    pub lost: bool,
    /// Whether it loaded what the last Checkpoint record stands for; else the
    /// crash came between a snapshot and its record, and it loaded everything.
    pub from_saved: bool,
}

/// What happened, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The statement of the record at this position.
    Record(usize),
    /// A checkpoint.
    Save,
    /// A start.
    Start(Replay),
    /// What happened until here, the snapshot of now holds.
    Snapshot,
}

/// One reading of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timeline {
    pub events: Vec<Event>,
    /// How many starts it has.
    pub starts: usize,
}

/// What wrote a Checkpoint record.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Running,
    Start { from_saved: bool },
}

/// Every way to read the Checkpoint records; empty when there are too many, or
/// records are missing between those that are there.
pub(super) fn timelines(wal: &Wal, first_tail: usize) -> Vec<Timeline> {
    let harmless = wal.bad.iter().all(BadRange::is_harmless);
    if !harmless || !wal.gaps.is_empty() || !wal.repeats.is_empty() {
        return Vec::new();
    }
    let records = wal.records.iter().enumerate();
    let markers = records.filter(|(_, record)| is_marker(record));
    let markers: Vec<usize> = markers.map(|(at, _)| at).collect();
    let mut readings: Vec<Vec<Writer>> = vec![Vec::new()];
    for place in 0..markers.len() {
        let writers = writers(wal, &markers, place);
        readings = readings
            .iter()
            .flat_map(|before| {
                writers.iter().map(|writer| {
                    let mut longer = before.clone();
                    longer.push(*writer);
                    longer
                })
            })
            .collect();
        if readings.len() > TIMELINES_MAX {
            return Vec::new();
        }
    }
    let timelines = readings.iter();
    let timelines = timelines.map(|writers| timeline(wal, first_tail, &markers, writers));
    timelines.filter(|timeline| timeline.starts > 0).collect()
}

/// Who can have written a Checkpoint record: a running server does after so
/// many records, into a new segment only if the old one was full.
fn writers(wal: &Wal, markers: &[usize], place: usize) -> Vec<Writer> {
    let before = place.checked_sub(1).and_then(|before| markers.get(before));
    let (Some(before), Some(at)) = (before, markers.get(place)) else {
        // What came before it is in the state that is begun with.
        return vec![Writer::Running];
    };
    let loaded = Writer::Start { from_saved: true };
    if at - before <= RECORDS_PER_CHECKPOINT {
        return vec![loaded];
    }
    let segment = |at: usize| wal.records.get(at).map(|record| record.segment);
    match segment(*at) == segment(at.saturating_sub(1)) {
        true => vec![Writer::Running],
        false => vec![Writer::Running, loaded, Writer::Start { from_saved: false }],
    }
}

fn timeline(wal: &Wal, first_tail: usize, markers: &[usize], writers: &[Writer]) -> Timeline {
    let segment = |at: usize| wal.records.get(at).map_or(0, |record| record.segment);
    let complete = wal.records.first().is_some_and(|r| r.sequence == 1);
    let mut events = Vec::new();
    let mut starts = 0;
    let mut last_marker = 0;
    let mut writers = markers.iter().zip(writers).peekable();
    for at in 0..wal.records.len() {
        if at == first_tail {
            events.push(Event::Snapshot);
        }
        let Some((_, writer)) = writers.next_if(|(marker, _)| **marker == at) else {
            events.push(Event::Record(at));
            continue;
        };
        if let Writer::Start { from_saved } = writer {
            let opened = segment(last_marker).saturating_sub(segment(0)) + 1;
            events.push(Event::Start(Replay {
                number: starts,
                end: at,
                lost: !complete && opened < SEGMENTS_KEPT,
                from_saved: *from_saved,
            }));
            starts += 1;
        }
        events.push(Event::Save);
        last_marker = at;
    }
    if first_tail >= wal.records.len() {
        events.push(Event::Snapshot);
    }
    Timeline { events, starts }
}
