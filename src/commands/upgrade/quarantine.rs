//! `quarantine.jsonl`: records whose database stays unknown, with their raw
//! bytes and what it takes to apply them later (format page, "Quarantine").

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::commands::{Backend, Directory};
use crate::engine::QUARANTINE_NAME;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskWriter, SourceReader};
use crate::finding::Code;
use crate::legacy::{FRAME_LEN, LegacyDir};
use crate::recovery::{Recovery, SetAside};

/// One record, one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quarantined {
    pub sequence: u64,
    pub timestamp: u64,
    /// The segment that held it, and where.
    pub segment: String,
    pub offset: u64,
    pub op: String,
    pub table: Option<String>,
    pub confidence: String,
    pub candidates: Vec<String>,
    /// The family that its bytes decode under.
    pub family: String,
    /// What a Delete writes as xmax.
    pub transaction: u64,
    /// Row versions of its table before it, in each candidate, as far as they
    /// were applied.
    pub rows_before: BTreeMap<String, u64>,
    /// The record without its frame, in lower-case hexadecimal digits.
    pub raw: String,
}

/// The records of a legacy directory that were set aside.
pub(super) fn of_directory(directory: &Directory) -> Result<Vec<Quarantined>> {
    match directory.backend() {
        Backend::Ours(_) => Ok(Vec::new()),
        Backend::Legacy { legacy, recovery } => {
            let set_aside = recovery.set_aside.iter();
            let lines = set_aside.map(|record| quarantined(legacy, recovery, record));
            lines.filter_map(Result::transpose).collect()
        }
    }
}

fn quarantined(
    legacy: &LegacyDir,
    recovery: &Recovery,
    set_aside: &SetAside,
) -> Result<Option<Quarantined>> {
    let Some(record) = legacy.wal.records.get(set_aside.record) else {
        return Ok(None);
    };
    let Some(segment) = legacy.wal.segment_of(record) else {
        return Ok(None);
    };
    let mut raw = vec![0; usize::try_from(record.len).unwrap_or_default()];
    segment
        .file
        .read_exact_at(&mut raw, record.offset + FRAME_LEN)?;
    let attributed = recovery.attribution.of_record(set_aside.record);
    let candidates = attributed.map(|a| a.possible().map(str::to_owned).collect());
    Ok(Some(Quarantined {
        sequence: record.sequence,
        timestamp: record.timestamp,
        segment: segment.name.clone(),
        offset: record.offset,
        op: record.operation.name().to_owned(),
        table: record.operation.table().map(str::to_owned),
        confidence: attributed.map_or_else(String::new, |a| a.confidence.to_string()),
        candidates: candidates.unwrap_or_default(),
        family: legacy.family.to_string(),
        transaction: set_aside.transaction,
        rows_before: set_aside.rows_before.iter().cloned().collect(),
        raw: base16ct::lower::encode_string(&raw),
    }))
}

/// Reads the quarantine of a target of an earlier upgrade; empty without one.
///
/// # Errors
/// When it cannot be read or is no such file.
pub(super) fn read(directory: &Directory) -> Result<Vec<Quarantined>> {
    let path = directory.path().join(QUARANTINE_NAME);
    let Some(file) = directory.beside(QUARANTINE_NAME)? else {
        return Ok(Vec::new());
    };
    // Parsed as it is read: what is no such file ends it at once, however long.
    let text = BufReader::new(SourceReader::new(&file));
    let mut lines = serde_json::Deserializer::from_reader(text).into_iter();
    let mut records = Vec::new();
    loop {
        let offset = lines.byte_offset() as u64;
        match lines.next() {
            None => return Ok(records),
            Some(Ok(record)) => records.push(record),
            Some(Err(error)) if error.is_io() => {
                return Err(Error::io("read", &path, error.into()));
            }
            Some(Err(error)) => {
                let expected = "one quarantined record a line, as JSON";
                let found = error.to_string();
                return Err(Error::damage(
                    &path,
                    offset,
                    Code::BadQuarantine,
                    found,
                    expected,
                ));
            }
        }
    }
}

/// Writes the records, if there are any, in the order of their sequences.
pub(super) fn write(disk: &dyn Disk, mut records: Vec<Quarantined>, dir: &Path) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    records.sort_by_key(|record| record.sequence);
    let path = dir.join(QUARANTINE_NAME);
    let io = |error| Error::io("write", &path, error);
    let mut out = BufWriter::new(DiskWriter::new(disk.create(&path)?));
    for record in records {
        serde_json::to_writer(&mut out, &record).map_err(|error| io(error.into()))?;
        out.write_all(b"\n").map_err(io)?;
    }
    out.flush().map_err(io)
}
