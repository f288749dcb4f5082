//! `attribution.jsonl`: records that were placed by likelihood, with what they
//! were placed by (format page, "Attribution").

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::commands::{Backend, Directory};
use crate::engine::ATTRIBUTION_NAME;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskWriter, SourceReader};
use crate::finding::{Code, Finding};
use crate::legacy::Wal;
use crate::recovery::Confidence;
use crate::recovery::attribution::{Attributed, weight_text};
use crate::report::Report;

/// Most bytes of such a file that are taken over from an earlier upgrade.
const MAX_LEN: u64 = 1 << 30;

/// How many records were placed by likelihood, and how sure the least sure is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Likelihood {
    /// How many records were placed so.
    pub records: usize,
    /// The lowest share of all likelihood that a database they went to has, 0 to 1.
    pub lowest_weight: f64,
    /// The record that has it, by sequence.
    pub lowest_sequence: u64,
}

/// One record, and where it went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'d> {
    attributed: &'d Attributed,
    database: &'d str,
    weight: f64,
}

/// One record, one JSON object.
#[derive(Serialize)]
struct Line<'d> {
    sequence: u64,
    timestamp: u64,
    segment: &'d str,
    offset: u64,
    op: &'static str,
    table: Option<&'d str>,
    database: &'d str,
    confidence: Confidence,
    weight: f64,
    candidates: Vec<CandidateLine<'d>>,
    evidence: &'d [&'static str],
}

#[derive(Serialize)]
struct CandidateLine<'d> {
    /// Null for a database that no file names.
    database: Option<&'d str>,
    weight: f64,
}

/// The records of a legacy directory that were placed by likelihood.
pub(super) fn of_directory(directory: &Directory) -> Vec<Placed<'_>> {
    let Backend::Legacy { recovery, .. } = directory.backend() else {
        return Vec::new();
    };
    let databases = &directory.catalog().databases;
    let aside: BTreeSet<usize> = recovery.set_aside.iter().map(|one| one.record).collect();
    let applied: BTreeMap<usize, usize> = recovery
        .applied
        .iter()
        .map(|one| (one.record, one.database))
        .collect();
    let placed = recovery.attribution.tail.iter().filter_map(|attributed| {
        let proven = matches!(
            attributed.confidence,
            Confidence::Certain | Confidence::Assigned
        );
        if proven || aside.contains(&attributed.record) {
            return None;
        }
        if let Some(database) = attributed.database.as_deref() {
            let weight = attributed.weight;
            return Some(Placed {
                attributed,
                database,
                weight,
            });
        }
        // Undecided, and the best was taken as asked.
        let database = &databases.get(*applied.get(&attributed.record)?)?.name;
        let mut candidates = attributed.candidates.iter();
        let taken = candidates.find(|one| one.database.as_deref() == Some(database));
        Some(Placed {
            attributed,
            database,
            weight: taken.map_or(0.0, |taken| taken.weight),
        })
    });
    placed.collect()
}

/// Says of each table how many of its records were placed by likelihood.
pub(super) fn report(
    placed: &[Placed<'_>],
    directory: &Directory,
    report: &mut Report,
) -> Option<Likelihood> {
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return None;
    };
    let renames = recovery.renames(&legacy.wal);
    let record = |one: &Placed<'_>| legacy.wal.records.get(one.attributed.record);
    let mut tables: BTreeMap<(&str, &str), (usize, f64)> = BTreeMap::new();
    for one in placed {
        let record = record(one);
        let table = record.and_then(|record| record.operation.table());
        let table = table.unwrap_or_default();
        let database = recovery.overlay.position(one.database);
        let now = database
            .zip(record)
            .and_then(|(database, record)| renames.now(database, table, record.sequence));
        let key = (one.database, now.unwrap_or(table));
        let (count, lowest) = tables.entry(key).or_insert((0, 1.0));
        *count += 1;
        *lowest = lowest.min(one.weight);
    }
    for ((database, table), (count, lowest)) in tables {
        let records = if count == 1 { "record" } else { "records" };
        let lowest = weight_text(lowest);
        report.add(
            Finding::new(Code::PlacedByLikelihood)
                .database(database)
                .table(table)
                .detail(format!("{count} {records}, the lowest weight {lowest}")),
        );
    }
    let lowest = placed.iter().min_by(|a, b| a.weight.total_cmp(&b.weight))?;
    Some(Likelihood {
        records: placed.len(),
        lowest_weight: lowest.weight,
        lowest_sequence: record(lowest).map_or(0, |record| record.sequence),
    })
}

/// Writes the records, if there are any; those of an earlier upgrade as they
/// stand.
pub(super) fn write(
    disk: &dyn Disk,
    placed: &[Placed<'_>],
    directory: &Directory,
    dir: &Path,
) -> Result<()> {
    let path = dir.join(ATTRIBUTION_NAME);
    let io = |error| Error::io("write", &path, error);
    match directory.backend() {
        Backend::Legacy { .. } if placed.is_empty() => Ok(()),
        Backend::Legacy { legacy, .. } => {
            let mut out = BufWriter::new(DiskWriter::new(disk.create(&path)?));
            for one in placed {
                let Some(line) = line(one, &legacy.wal) else {
                    continue;
                };
                serde_json::to_writer(&mut out, &line).map_err(|error| io(error.into()))?;
                out.write_all(b"\n").map_err(io)?;
            }
            out.flush().map_err(io)
        }
        Backend::Ours(_) => {
            let earlier = directory.path().join(ATTRIBUTION_NAME);
            let file = match directory.beside(ATTRIBUTION_NAME) {
                Ok(Some(file)) => file,
                Ok(None) => return Ok(()),
                // That it is lost was said with the quarantine.
                Err(Error::Damage(_)) if directory.salvages() => return Ok(()),
                Err(other) => return Err(other),
            };
            if file.len() > MAX_LEN {
                let found = format!("a file of {} bytes", file.len());
                let most = format!("at most {MAX_LEN} bytes");
                return Err(Error::damage(&earlier, 0, Code::BadLength, found, most));
            }
            let mut out = DiskWriter::new(disk.create(&path)?);
            std::io::copy(&mut SourceReader::new(&file), &mut out).map_err(io)?;
            out.flush().map_err(io)
        }
    }
}

fn line<'d>(placed: &Placed<'d>, wal: &'d Wal) -> Option<Line<'d>> {
    let attributed = placed.attributed;
    let record = wal.records.get(attributed.record)?;
    let open = attributed.candidates.iter();
    let open = open.filter(|candidate| candidate.ruled_out.is_none());
    Some(Line {
        sequence: record.sequence,
        timestamp: record.timestamp,
        segment: &wal.segment_of(record)?.name,
        offset: record.offset,
        op: record.operation.name(),
        table: record.operation.table(),
        database: placed.database,
        confidence: attributed.confidence,
        weight: placed.weight,
        candidates: open
            .map(|candidate| CandidateLine {
                database: candidate.database.as_deref(),
                weight: candidate.weight,
            })
            .collect(),
        evidence: &attributed.evidence,
    })
}
