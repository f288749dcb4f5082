//! What a later version wrote is named so, is no damage, and is never written over;
//! feature bits say what who does not know them may still do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::engine::{Layout, Level, LiveStore, Store, StoreOptions};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::{Row, Value};
use tempfile::TempDir;

use crate::bytes::{crc, page_crc, seed, u32_at};
use crate::forged::forge;
use crate::sample::{files_below, inserted, one_table, origin, read_all, row, verified};

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(dir).into_keys();
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// One dead version, so that a compaction has something to do.
fn directory(layout: Layout) -> TempDir {
    let dead = Row {
        xmax: Some(2),
        ..row(vec![Value::Integer(1)])
    };
    one_table(layout, vec![dead, row(vec![Value::Integer(2)])])
}

/// Changes bytes of a file, and the checksum at `crc_at` to what `sum` gives.
fn change(path: &Path, at: usize, with: &[u8], crc_at: usize, sum: impl Fn(&[u8]) -> u32) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    let crc = sum(&bytes).to_le_bytes();
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc);
    fs::write(path, bytes).unwrap();
}

/// Everybody names it, and a compaction leaves every byte as it is.
fn is_newer(dir: &Path, what: &str) {
    let found = verified(dir, Level::Structure);
    let codes: Vec<_> = found.findings().iter().map(|found| found.code).collect();
    assert!(!codes.is_empty(), "{what}: not found");
    let newer = |code: &Code| *code == Code::UnsupportedVersion;
    assert!(codes.iter().all(newer), "{what}: {codes:?}");
    let read = Store::open(dir).and_then(|store| read_all(&store));
    let is_newer = |error: &Error| matches!(error, Error::Damage(damage) if newer(&damage.code));
    assert!(read.as_ref().is_err_and(is_newer), "{what}: {read:?}");
    let before = tree(dir);
    let opened = LiveStore::open(dir, StoreOptions::default());
    let done = opened.and_then(|mut store| store.compact());
    assert!(done.as_ref().is_err_and(is_newer), "{what}: {done:?}");
    assert!(tree(dir) == before, "{what}: was changed");
}

#[test]
fn a_newer_slot_wins_whatever_the_other_one_says() {
    let cases: [(&str, usize, &[u8]); 3] = [
        ("version", 8, &[2]),
        ("layout", 44, &[4]),
        ("incompatible feature", 4076, &[1]),
    ];
    for (what, at, with) in cases {
        for slot in [0, 4096] {
            let dir = directory(Layout::Append);
            let sum = |bytes: &[u8]| crc(&[&bytes[slot..slot + 4092]]);
            change(
                &dir.path().join("control"),
                slot + at,
                with,
                slot + 4092,
                sum,
            );
            is_newer(dir.path(), &format!("{what} in the slot at {slot}"));
        }
    }
}

#[test]
fn newer_documents_are_refused_in_every_object_and_in_either_copy() {
    let cases = [
        ("global.db", r#""form":"instance""#, r#""form":"cloud""#),
        ("global.db", r#""users":"#, r#""quota":1,"users":"#),
        (
            "global.db",
            r#""roles":[]"#,
            r#""roles":[],"beside":[{"name":"/etc/hostname","len":1,"lines":1,"xxh3":""}]"#,
        ),
        ("db_d/metadata.db", r#""owner":"#, r#""policy":0,"owner":"#),
        ("db_d/metadata.db", r#""text""#, r#""vector""#),
        ("db_d/t.table", r#""counts":{"#, r#""counts":{"wide":0,"#),
        ("db_d/t.table", r#""text""#, r#""vector""#),
    ];
    for (name, from, to) in cases {
        let dir = directory(Layout::PerTable);
        forge(&dir.path().join(name), from, to);
        is_newer(dir.path(), &format!("{name}: {to}"));
    }
    for copy in [0, 4096] {
        let dir = directory(Layout::PerTable);
        let path = dir.path().join("db_d/t.table");
        let ours = fs::read(&path).unwrap();
        forge(&path, r#""layout""#, r#""more":1,"layout""#);
        let mut both = fs::read(&path).unwrap();
        both[copy..copy + 4096].copy_from_slice(&ours[..4096]);
        fs::write(&path, both).unwrap();
        is_newer(dir.path(), &format!("a descriptor, ours at {copy}"));
    }
}

#[test]
fn newer_units_are_refused() {
    let dir = directory(Layout::Paged);
    let path = dir.path().join("db_d/t/page_0000.dat");
    let whole = fs::read(&path).unwrap();
    let cases: [(&str, usize, &[u8]); 4] = [
        ("version", 8, &[2]),
        ("kind", 36, &[3]),
        ("flag", 38, &[1]),
        ("state of a line pointer", 47, &[0xc0]),
    ];
    for (what, at, with) in cases {
        change(&path, at, with, 12, |bytes| page_crc(&seed(0, 0, 0), bytes));
        is_newer(dir.path(), &format!("{what} of a page"));
        fs::write(&path, &whole).unwrap();
    }
    for (layout, name) in [
        (Layout::Append, "db_d/t.dat"),
        (Layout::PerTable, "db_d/t.db"),
    ] {
        let dir = directory(layout);
        change(&dir.path().join(name), 8, &[2], 44, |bytes| {
            crc(&[&bytes[..44]])
        });
        is_newer(dir.path(), &format!("{layout}: version of a file"));
    }
    // The first record, of which a tag is of a value that this version has not.
    let head = |bytes: &[u8]| {
        let end = 84 + u32_at(bytes, 52) as usize;
        crc(&[&seed(0, 0, 48), &bytes[48..80], &bytes[84..end]])
    };
    for (what, at, with) in [("kind of a record", 60, 3), ("tag of a value", 88, 19)] {
        let dir = directory(Layout::Append);
        change(&dir.path().join("db_d/t.dat"), at, &[with], 80, head);
        is_newer(dir.path(), what);
    }
}

#[test]
fn newer_records_of_the_log_are_refused() {
    // Of an insert, its kind; of a batch, the tag of its first change.
    for (what, checkpoint, at) in [("kind", false, 40), ("change", true, 41)] {
        let dir = directory(Layout::PerTable);
        let mut store = inserted(dir.path(), 3);
        let before = tree(dir.path());
        if checkpoint {
            store.checkpoint().unwrap();
        }
        drop(store);
        let wal = dir.path().join("wal");
        let segment = files_below(&wal).into_keys().next().unwrap();
        let bytes = fs::read(&segment).unwrap();
        for (path, bytes) in before.iter().filter(|_| checkpoint) {
            // The batch is whole, and what it says is not done.
            fs::write(path, bytes).unwrap();
        }
        fs::write(&segment, &bytes).unwrap();
        let first = 48;
        let record = match checkpoint {
            true => first + 41 + u32_at(&bytes, first) as usize,
            false => first,
        };
        let end = record + 41 + u32_at(&bytes, record) as usize;
        change(&segment, record + at, &[9], record + 4, |bytes| {
            let cluster_id = origin().cluster_id.to_le_bytes();
            crc(&[
                &cluster_id,
                &bytes[record..record + 4],
                &bytes[record + 8..end],
            ])
        });
        is_newer(dir.path(), &format!("{what} of the log"));
    }
}

/// Sets feature bits in both slots.
fn with_features(dir: &Path, at: usize) {
    for slot in [0, 4096] {
        let sum = |bytes: &[u8]| crc(&[&bytes[slot..slot + 4092]]);
        change(&dir.join("control"), slot + at, &[0x50], slot + 4092, sum);
    }
}

#[test]
fn compatible_features_are_kept_and_read_only_ones_forbid_changes() {
    let dir = directory(Layout::Paged);
    with_features(dir.path(), 4068);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    let mut store = LiveStore::open(dir.path(), StoreOptions::default()).unwrap();
    store.compact().unwrap();
    store.close().unwrap();
    let control = fs::read(dir.path().join("control")).unwrap();
    assert_eq!((control[4068], control[4096 + 4068]), (0x50, 0x50));
    with_features(dir.path(), 4072);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_all(&store).unwrap()[0][0].len(), 1);
    drop(store);
    let before = tree(dir.path());
    let refused = LiveStore::open(dir.path(), StoreOptions::default());
    let Err(Error::Damage(damage)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(damage.code, Code::UnsupportedVersion);
    assert!(tree(dir.path()) == before);
}
