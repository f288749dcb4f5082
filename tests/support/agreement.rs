//! One directory read twice, by the tool and by the oracle, and compared.

use std::fs;
use std::path::Path;

use rustdb_migrate::legacy::{LegacyDir, Snapshot, SnapshotFiles};

use super::convert::{entry, instance, oracle_family, reencode};
use super::model::{
    Database, Family, decode_database, decode_entry, decode_instance, encode_entry, encode_instance,
};
use super::strict;

/// What was compared.
#[derive(Debug)]
pub struct Compared {
    pub family: Family,
    /// Whether the files are valid under one family only.
    pub decided: bool,
    pub rows: u64,
    pub records: usize,
    /// Whether the snapshot could be read.
    pub snapshot: bool,
}

/// Reads a data directory and asserts that tool and oracle see the same.
pub fn directory(data: &Path) -> Compared {
    let read = LegacyDir::read(data, None).unwrap();
    let family = oracle_family(read.family);
    let mut compared = Compared {
        family,
        decided: read.families().len() == 1,
        rows: 0,
        records: 0,
        snapshot: false,
    };
    if let Ok(Some(snapshot)) = &read.snapshot {
        compared.snapshot = true;
        compared.rows = match &read.files {
            SnapshotFiles::Instance(file) => instance_file(file.path(), snapshot, family),
            SnapshotFiles::Single(files) => {
                let paths: Vec<_> = files.iter().map(|file| file.path()).collect();
                single_files(&paths, snapshot, family)
            }
            SnapshotFiles::None => panic!("a snapshot without a file"),
        };
    }
    compared.records = log(&read, family);
    compared
}

fn instance_file(path: &Path, snapshot: &Snapshot, family: Family) -> u64 {
    let bytes = fs::read(path).unwrap();
    let oracle = decode_instance(family, &bytes).unwrap();
    assert_eq!(strict::instance(&oracle), Ok(()), "{}", path.display());
    assert!(
        encode_instance(family, &oracle) == bytes,
        "{}",
        path.display()
    );
    for other in Family::ALL {
        let decoded = decode_instance(other, &bytes).ok();
        let valid = decoded.is_some_and(|i| strict::instance(&i).is_ok());
        let accepted = snapshot.accepted().any(|f| oracle_family(f) == other);
        assert_eq!(valid, accepted, "{} under {}", path.display(), other.name());
    }
    let tool = instance(snapshot).unwrap();
    assert_eq!(tool, oracle, "{}", path.display());
    assert!(reencode(snapshot, None) == bytes, "{}", path.display());
    counts(snapshot, oracle.databases.iter().map(|(_, d)| d))
}

fn single_files(paths: &[&Path], snapshot: &Snapshot, family: Family) -> u64 {
    let tool = instance(snapshot).unwrap();
    let mut oracle = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        let database = decode_database(family, &bytes).unwrap();
        assert_eq!(strict::database(&database), Ok(()), "{}", path.display());
        assert!(reencode(snapshot, Some(at)) == bytes, "{}", path.display());
        oracle.push((database.name.clone(), database));
    }
    assert_eq!(tool.databases, oracle);
    counts(snapshot, oracle.iter().map(|(_, d)| d))
}

/// The counts of a walk against the rows; returns how many there are.
fn counts<'d>(snapshot: &Snapshot, databases: impl Iterator<Item = &'d Database>) -> u64 {
    let mut all = 0;
    for (d, database) in databases.enumerate() {
        for (t, (_, table)) in database.tables.iter().enumerate() {
            let extent = snapshot.extent(d, t).unwrap();
            let dead = table.rows.iter().filter(|row| row.xmax.is_some()).count() as u64;
            let count = table.rows.len() as u64;
            let max_xmin = table.rows.iter().map(|row| row.xmin).max().unwrap_or(0);
            assert_eq!(
                (extent.count, extent.dead()),
                (count, dead),
                "{}",
                table.name
            );
            assert_eq!(extent.max_xmin, max_xmin, "{}", table.name);
            assert_eq!(extent.arity, table.columns.len(), "{}", table.name);
            all += count;
        }
    }
    all
}

/// Every record of the log, from its own bytes; returns how many there are.
fn log(read: &LegacyDir, family: Family) -> usize {
    for record in &read.wal.records {
        let segment = read.wal.segment_of(record).unwrap();
        let bytes = fs::read(segment.file.path()).unwrap();
        let start = usize::try_from(record.offset).unwrap() + 4;
        let body = &bytes[start..start + usize::try_from(record.len).unwrap()];
        let oracle = decode_entry(family, body).unwrap();
        assert_eq!(entry(record), oracle, "{}", segment.name);
        assert_eq!(encode_entry(family, &oracle), body, "{}", segment.name);
    }
    super::wal::assert_covered(&read.wal);
    read.wal.records.len()
}
