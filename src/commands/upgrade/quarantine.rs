//! `quarantine.jsonl`: records whose database stays unknown, with their raw
//! bytes and what it takes to apply them later (format page, "Quarantine").

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::Flaw;
use crate::commands::undecided::Undecided;
use crate::commands::{Backend, Directory};
use crate::engine::QUARANTINE_NAME;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskWriter, SourceFile, SourceReader};
use crate::finding::{Code, Finding, counted};
use crate::legacy::{FRAME_LEN, Family, LegacyDir, decode_record};
use crate::model::Operation;
use crate::recovery::{Recovery, SetAside};
use crate::report::Report;

/// Bytes from which a line of a damaged quarantine is no record.
const MAX_LINE_LEN: u64 = 1 << 28;

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
    /// were applied; `None` where the versions of the table are not those that
    /// were counted.
    pub rows_before: BTreeMap<String, Option<u64>>,
    /// The record without its frame, in lower-case hexadecimal digits.
    pub raw: String,
}

impl Quarantined {
    /// Forgets where in its table it stood.
    pub fn forget_place(&mut self) {
        let places = self.rows_before.values_mut();
        places.for_each(|place| *place = None);
    }

    /// The operation that the raw bytes hold.
    ///
    /// # Errors
    /// Damage of the quarantine in a directory when they hold none.
    pub fn operation(&self, dir: &Path) -> Result<Operation> {
        let bad = |found: String| {
            let path = dir.join(QUARANTINE_NAME);
            let expected = format!("the bytes of record {}", self.sequence);
            Error::damage(&path, 0, Code::BadQuarantine, found, expected)
        };
        let family: Family = self.family.parse().map_err(bad)?;
        let raw = base16ct::lower::decode_vec(&self.raw)
            .map_err(|_| bad("digits that are not hexadecimal".into()))?;
        match decode_record(&raw, family) {
            Ok((sequence, _, operation)) if sequence == self.sequence => Ok(operation),
            Ok((sequence, ..)) => Err(bad(format!("record {sequence}"))),
            Err(Flaw::Short { .. }) => Err(bad("a record cut short".into())),
            Err(Flaw::Bad { code, .. }) => Err(bad(code.to_string())),
        }
    }
}

/// The records of a legacy directory that were set aside.
pub(super) fn of_directory(directory: &Directory) -> Result<Vec<Quarantined>> {
    match directory.backend() {
        Backend::Ours(_) => Ok(Vec::new()),
        Backend::Legacy { legacy, recovery } => {
            let set_aside = recovery.set_aside.iter();
            let lines = set_aside.map(|record| quarantined(legacy, recovery, record));
            let mut records: Vec<_> = lines.filter_map(Result::transpose).collect::<Result<_>>()?;
            forget_places(directory, &mut records)?;
            Ok(records)
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
    // Of a table that has another form since, no place is left.
    let rows_before = set_aside.rows_before.iter();
    let rows_before = rows_before.filter(|(name, _)| !set_aside.reshaped_in.contains(name));
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
        rows_before: rows_before
            .map(|(name, count)| (name.clone(), Some(*count)))
            .collect(),
        raw: base16ct::lower::encode_string(&raw),
    }))
}

/// Forgets the places of records in tables of a directory that do not hold
/// exactly the row versions that were counted: an index means another row there.
///
/// # Errors
/// When what describes a table cannot be read.
fn forget_places(directory: &Directory, records: &mut [Quarantined]) -> Result<()> {
    let catalog = directory.catalog();
    // Without a record that is lost, those after it stand elsewhere.
    let is_whole = directory.is_beside_whole(QUARANTINE_NAME);
    let mut known: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    for record in records {
        let name = record.table.as_deref().unwrap_or_default();
        for (database, place) in &mut record.rows_before {
            let index = catalog.database_index(database);
            let at = index.and_then(|d| Some((d, catalog.databases.get(d)?.table_index(name)?)));
            let keeps = match at {
                None => false,
                Some(at) => match known.get(&at) {
                    Some(keeps) => *keeps,
                    None => {
                        let keeps = directory.keeps_row_indexes(at.0, at.1)?;
                        known.insert(at, keeps);
                        keeps
                    }
                },
            };
            *place = place.filter(|_| keeps && is_whole);
        }
    }
    Ok(())
}

/// Reads the quarantine of a target of an earlier upgrade; empty without one. Of
/// one that is not as it was written, which is salvaged then, the whole records.
///
/// # Errors
/// When it cannot be read or is no such file.
pub(super) fn read(directory: &Directory, report: &mut Report) -> Result<Vec<Quarantined>> {
    let path = directory.path().join(QUARANTINE_NAME);
    let is_whole = directory.is_beside_whole(QUARANTINE_NAME);
    let Some(file) = beside(directory, QUARANTINE_NAME, report)? else {
        return Ok(Vec::new());
    };
    let mut records = match is_whole {
        true => read_all(&file)?,
        false => {
            let records = read_whole(&file, directory.path())?;
            let kept = format!("{} of it kept", counted(records.len(), "whole record"));
            let finding = Finding::new(Code::RecordsLost).file(&path);
            report.add(finding.detail(kept));
            records
        }
    };
    forget_places(directory, &mut records)?;
    if let Backend::Legacy { legacy, .. } = directory.backend()
        && !legacy.wal.segments.is_empty()
    {
        // A server ran on it since: it may have removed versions without a record.
        records.iter_mut().for_each(Quarantined::forget_place);
    }
    Ok(records)
}

/// A file beside the data; of one of which nothing tells, and in whose place
/// something else stands, it is said that it is lost, where losses are taken.
///
/// # Errors
/// Damage when no losses are taken; I/O errors.
pub(super) fn beside(
    directory: &Directory,
    name: &str,
    report: &mut Report,
) -> Result<Option<Arc<SourceFile>>> {
    match directory.beside(name) {
        Err(Error::Damage(damage)) if directory.salvages() => {
            let finding = Finding::new(Code::BytesLost).file(&damage.file);
            let (found, expected) = (&damage.found, &damage.expected);
            report.add(finding.detail(format!("found {found}, expected {expected}")));
            Ok(None)
        }
        file => file,
    }
}

/// The lines that are records by themselves, each once.
fn read_whole(file: &SourceFile, dir: &Path) -> Result<Vec<Quarantined>> {
    let mut text = BufReader::new(SourceReader::new(file));
    let mut line = Vec::new();
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        line.clear();
        let mut rest = (&mut text).take(MAX_LINE_LEN);
        let read = rest.read_until(b'\n', &mut line);
        if read.map_err(|error| Error::io("read", file.path(), error))? == 0 {
            return Ok(records);
        }
        if let Ok(record) = serde_json::from_slice::<Quarantined>(&line)
            && record.operation(dir).is_ok()
            && seen.insert((record.sequence, record.raw.clone()))
        {
            records.push(record);
        }
    }
}

fn read_all(file: &SourceFile) -> Result<Vec<Quarantined>> {
    let mut records = Vec::new();
    each(file, |record| records.push(record))?;
    Ok(records)
}

/// Goes through the records one by one.
fn each(file: &SourceFile, mut go_on: impl FnMut(Quarantined)) -> Result<()> {
    let path = file.path();
    // Parsed as it is read: what is no such file ends it at once, however long.
    let text = BufReader::new(SourceReader::new(file));
    let mut lines = serde_json::Deserializer::from_reader(text).into_iter();
    loop {
        let offset = lines.byte_offset() as u64;
        match lines.next() {
            None => return Ok(()),
            Some(Ok(record)) => go_on(record),
            Some(Err(error)) if error.is_io() => {
                return Err(Error::io("read", path, error.into()));
            }
            Some(Err(error)) => {
                let expected = "one quarantined record a line, as JSON";
                let found = error.to_string();
                return Err(Error::damage(
                    path,
                    offset,
                    Code::BadQuarantine,
                    found,
                    expected,
                ));
            }
        }
    }
}

/// The tables of records in quarantine, each with the databases that all of its
/// records can have.
#[derive(Default)]
pub(super) struct QuarantinedTables(BTreeMap<String, Vec<String>>);

impl QuarantinedTables {
    pub fn add(&mut self, record: &Quarantined) {
        let Some(table) = record.table.as_deref() else {
            return;
        };
        match self.0.get_mut(table) {
            Some(databases) => databases.retain(|one| record.candidates.contains(one)),
            None => {
                self.0.insert(table.to_owned(), record.candidates.clone());
            }
        }
    }

    pub fn finish(self) -> Vec<Undecided> {
        let tables = self.0.into_iter();
        let undecided = tables.map(|(table, databases)| Undecided { table, databases });
        undecided.collect()
    }
}

/// What can be decided about the quarantine of a target of an earlier upgrade.
///
/// # Errors
/// When it cannot be read or is no such file.
pub fn quarantined_tables(directory: &Directory) -> Result<Vec<Undecided>> {
    let mut tables = QuarantinedTables::default();
    if let Some(file) = directory.beside(QUARANTINE_NAME)? {
        each(&file, |record| tables.add(&record))?;
    }
    Ok(tables.finish())
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
