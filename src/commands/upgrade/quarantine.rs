//! Records whose database stays unknown, kept with their raw bytes.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::commands::{Backend, Directory};
use crate::error::{Error, Result};
use crate::file::create_file;

/// The file in a target that holds quarantined records, one JSON object each.
pub const QUARANTINE_NAME: &str = "quarantine.jsonl";

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    timestamp: u64,
    segment: &'a str,
    offset: u64,
    op: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    confidence: String,
    candidates: Vec<&'a str>,
    family: String,
    /// The record without its frame, in lower-case hexadecimal digits.
    raw: String,
}

/// Writes the records that were set aside, if any.
pub(super) fn write(directory: &Directory, dir: &Path) -> Result<()> {
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return Ok(());
    };
    if recovery.set_aside.is_empty() {
        return Ok(());
    }
    let path = dir.join(QUARANTINE_NAME);
    let io = |error| Error::io("write", &path, error);
    let file = create_file(&path)?;
    let mut out = BufWriter::new(file);
    for &position in &recovery.set_aside {
        let Some(record) = legacy.wal.records.get(position) else {
            continue;
        };
        let Some(segment) = legacy.wal.segment_of(record) else {
            continue;
        };
        let mut raw = vec![0; usize::try_from(record.len).unwrap_or_default()];
        segment
            .file
            .read_exact_at(&mut raw, record.offset + crate::legacy::FRAME_LEN)?;
        let attributed = recovery.attribution.of_record(position);
        let line = Line {
            sequence: record.sequence,
            timestamp: record.timestamp,
            segment: &segment.name,
            offset: record.offset,
            op: record.operation.name(),
            table: record.operation.table(),
            confidence: attributed.map_or_else(String::new, |a| a.confidence.to_string()),
            candidates: attributed.map_or_else(Vec::new, |a| {
                let possible = a.candidates.iter().filter(|c| c.ruled_out.is_none());
                possible.filter_map(|c| c.database.as_deref()).collect()
            }),
            family: legacy.family.to_string(),
            raw: base16ct::lower::encode_string(&raw),
        };
        serde_json::to_writer(&mut out, &line).map_err(|error| io(error.into()))?;
        out.write_all(b"\n").map_err(io)?;
    }
    out.flush().map_err(io)
}
