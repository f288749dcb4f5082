//! Every fixture as a server left it: every changed byte and every cut.
//!
//! Legacy files have no checksums. A change of which nothing is said, and which
//! changes what is read, is missed, unless an independent strict decoder takes
//! the changed files for whole ones too: then nothing in them says otherwise,
//! and nobody can know.

use std::collections::BTreeSet;

use rustdb_migrate::commands::content::Content;
use rustdb_migrate::commands::verify::Level;
use rustdb_migrate::finding::Finding;

use crate::commands::{content, data, findings, info_of, rows_of};
use crate::effort::{in_parallel, is_full, places};
use crate::sim_disk::SimDisk;
use crate::support::builder::{self, Fixture};
use crate::support::content::{customer, row};
use crate::support::model::{
    Family, decode_database, decode_entry, decode_instance, encode_database, encode_entry,
    encode_instance,
};
use crate::support::pages::page;
use crate::support::server::Files;
use crate::support::strict;
use crate::table::{End, Line, Lines, sum};

/// What a byte is changed with; one of them at each place in a test.
const MASKS: [u8; 3] = [0x01, 0x20, 0xff];

/// Whether a strict decoder takes a file for a whole one of a family.
fn is_snapshot(family: Family, path: &str, bytes: &[u8]) -> bool {
    if path == "server_instance.db" {
        let read = decode_instance(family, bytes).ok();
        return read.is_some_and(|read| {
            strict::instance(&read).is_ok() && encode_instance(family, &read) == bytes
        });
    }
    let read = decode_database(family, bytes).ok();
    read.is_some_and(|read| {
        strict::database(&read).is_ok() && encode_database(family, &read) == bytes
    })
}

/// The sequences of the whole records at the start of a segment, and whether
/// they are all of it.
fn sequences(family: Family, bytes: &[u8]) -> (Vec<u64>, bool) {
    let (mut at, mut sequences) = (0, Vec::new());
    let record = |at: usize| {
        let len = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().unwrap());
        let record = bytes.get(at + 4..)?.get(..len as usize)?;
        let read = decode_entry(family, record).ok()?;
        let whole = strict::entry(&read).is_ok() && encode_entry(family, &read) == record;
        whole.then_some((read.sequence, at + 4 + record.len()))
    };
    while let Some((sequence, next)) = record(at) {
        sequences.push(sequence);
        at = next;
    }
    (sequences, at == bytes.len())
}

/// All that a strict decoder of a family can say against some files. Page files
/// say nothing of themselves.
fn defects(family: Family, files: &Files) -> BTreeSet<String> {
    let mut defects = BTreeSet::new();
    let mut last = None;
    for (path, bytes) in files.iter().filter(|(path, _)| !path.starts_with("table_")) {
        if !path.starts_with("wal/") {
            if !is_snapshot(family, path, bytes) {
                defects.insert(format!("{path} is not whole"));
            }
            continue;
        }
        let (sequences, whole) = sequences(family, bytes);
        for sequence in sequences {
            if last.is_some_and(|last: u64| last.checked_add(1) != Some(sequence)) {
                defects.insert(format!("{sequence} follows {last:?}"));
            }
            last = Some(sequence);
        }
        if !whole {
            defects.insert(format!("{path} is not whole after {last:?}"));
        }
    }
    defects
}

/// What is known of a fixture as it stands.
struct Whole {
    family: Family,
    defects: BTreeSet<String>,
    findings: BTreeSet<String>,
    content: Option<Content>,
}

fn told(findings: &[Finding]) -> BTreeSet<String> {
    findings
        .iter()
        .map(|finding| format!("{finding:?}"))
        .collect()
}

impl Whole {
    fn of(fixture: &Fixture, disk: &SimDisk) -> Self {
        let family = fixture.truth.family.unwrap_or(Family::V1_4);
        Whole {
            family,
            defects: defects(family, &fixture.files),
            findings: findings(disk, Level::Full).map_or(BTreeSet::new(), |found| told(&found)),
            content: content(disk).ok(),
        }
    }

    fn end(&self, disk: &SimDisk, changed: &Files) -> End {
        let Ok(found) = findings(disk, Level::Full) else {
            return End::Detected;
        };
        if !told(&found).is_subset(&self.findings) {
            return End::Detected;
        }
        let read = content(disk).ok();
        let in_pages = changed.keys().any(|path| path.starts_with("table_"));
        match read == self.content {
            // Of page files, `verify` counts the bytes and no more.
            true if !in_pages => End::Harmless,
            _ if defects(self.family, changed).is_subset(&self.defects) => End::Undetectable,
            true => End::Harmless,
            false => End::Missed,
        }
    }
}

/// One of so many changes is seen by all commands, where not everything is tried.
const SEEN_BY_ALL: usize = 10;

fn tried(fixture: &Fixture) -> Vec<Line> {
    let mut flips = Lines::new("legacy: byte changed");
    let mut cuts = Lines::new("legacy: file cut");
    let disk = SimDisk::new(data());
    for (path, bytes) in &fixture.files {
        disk.put(&data().join(path), bytes);
    }
    let whole = Whole::of(fixture, &disk);
    let mut count = 0;
    let mut trial = |lines: &mut Lines, path: &String, at: usize, bytes: &[u8]| {
        let name = || format!("{}: {path} at {at}", fixture.name);
        disk.put(&data().join(path), bytes);
        let mut changed = fixture.files.clone();
        changed.insert(path.clone(), bytes.to_vec());
        lines.verify.trial(name, || whole.end(&disk, &changed));
        if is_full() || count % SEEN_BY_ALL == 3 {
            let readers_end = || {
                info_of(&disk);
                match rows_of(&disk, None) {
                    End::Missed => End::Missed,
                    // Whether it is known, `verify` says.
                    _ => whole.end(&disk, &changed),
                }
            };
            lines.readers.trial(name, readers_end);
        }
        count += 1;
    };
    for (number, (path, bytes)) in fixture.files.iter().enumerate() {
        for (count, at) in places(bytes.len(), 30, number).into_iter().enumerate() {
            let masks = match is_full() {
                true => &MASKS[..],
                false => &MASKS[count % MASKS.len()..][..1],
            };
            for mask in masks {
                let mut bytes = bytes.clone();
                bytes[at] ^= mask;
                trial(&mut flips, path, at, &bytes);
            }
        }
        for len in places(bytes.len(), 15, number) {
            trial(&mut cuts, path, len, &bytes[..len]);
        }
        disk.put(&data().join(path), bytes);
    }
    flips.into_iter().chain(cuts).collect()
}

/// A directory of a server with page storage that evicted a page.
fn with_pages() -> Fixture {
    let mut fixtures = builder::all().into_iter();
    let mut fixture = fixtures
        .find(|fixture| fixture.name == "page_storage")
        .unwrap();
    fixture.name = "page_storage with a page";
    let rows: Vec<_> = (1..5).map(|id| row(customer(id, "Ada"))).collect();
    let path = "table_1/page_00000000.dat";
    fixture.files.insert(path.into(), page(1, &rows));
    fixture
}

/// What every change of every file of a server comes to.
pub fn lines() -> Vec<Line> {
    let mut fixtures = builder::all();
    fixtures.push(with_pages());
    sum(in_parallel(&fixtures, tried))
}
