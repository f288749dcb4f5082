//! Logs on disk, made of chosen bytes and read by the tool.

use std::fs;
use std::path::Path;

use rustdb_migrate::file::SourceFile;
use rustdb_migrate::legacy::{Segment, Wal, read_wal};

use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::report::Report;

use super::convert::{entry, tool_family};
use super::model::{Family, Operation, Row, Value, WalEntry, frame, frame_bytes};

/// The family of plain segments.
pub const FAMILY: Family = Family::V1_4;

/// A record of a few dozen bytes.
pub fn insert(sequence: u64) -> WalEntry {
    let row = Row {
        values: vec![Value::Integer(7), Value::Text("some text".into())],
        xmin: 1,
        xmax: None,
    };
    WalEntry {
        sequence,
        timestamp: 1_700_000_000,
        operation: Operation::Insert("items".into(), row),
    }
}

/// Reads segments of these bytes, in the order of their names.
pub fn read(family: Family, segments: &[Vec<u8>]) -> Wal {
    let directory = tempfile::tempdir().unwrap();
    let segments = segments.iter().zip(1..).map(|(bytes, at)| {
        let name = format!("{at:016x}.wal");
        opened(directory.path(), &name, bytes)
    });
    read_wal(segments.collect(), tool_family(family)).unwrap()
}

fn opened(directory: &Path, name: &str, bytes: &[u8]) -> Segment {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    Segment {
        file: SourceFile::open(&path).unwrap(),
        name: name.into(),
    }
}

/// The records read, in the oracle's types.
pub fn entries(wal: &Wal) -> Vec<WalEntry> {
    wal.records.iter().map(entry).collect()
}

/// The sequences read.
pub fn sequences(wal: &Wal) -> Vec<u64> {
    wal.records.iter().map(|record| record.sequence).collect()
}

/// Bad ranges as (segment, offset, length, torn).
pub fn bad(wal: &Wal) -> Vec<(usize, u64, u64, bool)> {
    let ranges = wal.bad.iter();
    ranges
        .map(|b| (b.segment, b.offset, b.len, b.torn))
        .collect()
}

/// Every byte of every segment belongs to a record, a bad range or a copy, once.
pub fn assert_covered(wal: &Wal) {
    for (at, segment) in wal.segments.iter().enumerate() {
        let records = wal.records.iter().filter(|r| r.segment == at);
        let records = records.map(|r| (r.offset, r.offset + 4 + r.len));
        let bad = wal.bad.iter().filter(|b| b.segment == at);
        let copies = wal.copies.iter().filter(|copy| copy.segment == at);
        let mut ranges: Vec<_> = records
            .chain(bad.map(|b| (b.offset, b.offset + b.len)))
            .chain(copies.map(|c| (c.offset, c.offset + c.len)))
            .collect();
        ranges.sort_unstable();
        let mut end = 0;
        for (from, to) in ranges {
            assert_eq!(from, end, "{}", segment.name);
            end = to;
        }
        assert_eq!(end, segment.file.len(), "{}", segment.name);
    }
}

/// A segment of plain records.
pub fn segment(sequences: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let frames = sequences.into_iter().map(|s| frame(FAMILY, &insert(s)));
    frames.flatten().collect()
}

/// A record of another text; one number in both is two records.
pub fn other(sequence: u64) -> WalEntry {
    WalEntry {
        timestamp: 1_700_000_001,
        ..insert(sequence)
    }
}

/// A segment of other records.
pub fn other_segment(sequences: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let frames = sequences.into_iter().map(|s| frame(FAMILY, &other(s)));
    frames.flatten().collect()
}

/// Bytes of one plain record with its frame; all have the same.
pub fn record_len() -> usize {
    frame(FAMILY, &insert(1)).len()
}

/// A log of one segment.
pub fn one(bytes: Vec<u8>) -> Wal {
    let wal = read(FAMILY, &[bytes]);
    assert_covered(&wal);
    wal
}

/// The findings about a log whose snapshot holds none of it.
pub fn codes(wal: &Wal) -> Vec<(Code, Severity)> {
    let mut report = Report::new();
    wal.report(0, &mut report);
    let findings = report.findings().iter();
    findings.map(|f| (f.code, f.severity)).collect()
}

/// The operation replaced in the second of four records, and what is read.
pub fn second_of_four(body: Vec<u8>) -> Wal {
    let frames = [segment([1]), frame_bytes(&body), segment([3, 4])];
    one(frames.concat())
}
