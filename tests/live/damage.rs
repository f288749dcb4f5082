//! A directory that was written in place, with a log behind its last
//! checkpoint: every changed byte of every file is found, and so is every cut.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_migrate::engine::{
    Durability, Layout, Level, LiveStore, Store, StoreOptions, verify_on,
};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::{RowSource, Value, ValueRef};
use rustdb_migrate::report::Report;

use crate::model::{Model, of_live, read_view};
use crate::sim_disk::SimDisk;
use crate::workload::{created, root};

/// A store with rows that ended, moved and are wide, of which the last changes
/// are in the log alone; and what it holds.
fn written(layout: Layout) -> (SimDisk, Model) {
    let disk = SimDisk::new(root());
    let (mut store, table) = created(&disk, layout);
    let wide = "w".repeat(9_000);
    let text = |id: i64| if id == 7 { wide.as_str() } else { "some text" };
    let mut rows = Vec::new();
    let mut tx = store.begin().unwrap();
    for id in 0..40 {
        let values = [ValueRef::Integer(id), ValueRef::Text(text(id))];
        rows.push(tx.insert(table, &values).unwrap());
    }
    tx.commit(Durability::Group).unwrap();
    store.checkpoint().unwrap();
    let mut tx = store.begin().unwrap();
    tx.set_number(1 << 40);
    for id in [3, 7, 20] {
        tx.delete(rows[id]).unwrap();
    }
    tx.commit(Durability::Group).unwrap();
    store.checkpoint().unwrap();
    let values = [ValueRef::Integer(500), ValueRef::Text("in the log alone")];
    let mut tx = store.begin().unwrap();
    tx.insert(table, &values).unwrap();
    tx.next_value(table, "id").unwrap();
    tx.commit(Durability::Sync).unwrap();
    let mut tx = store.begin().unwrap();
    tx.update(rows[5], &values_of(5)).unwrap();
    tx.commit(Durability::Sync).unwrap();
    let model = of_live(&store);
    store.close().unwrap();
    (disk, model)
}

fn values_of(id: i64) -> [ValueRef<'static>; 2] {
    [ValueRef::Integer(id), ValueRef::Text("changed")]
}

fn codes(disk: &SimDisk, level: Level) -> Vec<Code> {
    let mut report = Report::new();
    verify_on(&disk.shared(), root(), level, &mut report).unwrap();
    report
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect()
}

/// A view of a damaged directory is refused or holds what was there; of a log
/// that lost its end, a state before.
fn read(disk: &SimDisk, model: &Model, what: &str) {
    match Store::open_on(&disk.shared(), root()) {
        Ok(view) => {
            let torn = view.findings().has(Code::TornTail);
            // Rows that cannot be read are an error of the stream.
            if let Ok(read) = read_view(&view) {
                assert!(
                    torn || read == *model,
                    "{what}: other content, and no finding"
                );
            }
        }
        Err(Error::Damage(_) | Error::Io { .. } | Error::NotADataDirectory { .. }) => {}
        Err(other) => panic!("{what}: {other}"),
    }
}

/// Rows of a salvaged directory, and what was found.
fn salvaged(disk: &SimDisk) -> (usize, Report) {
    let store = Store::salvage_on(&disk.shared(), root()).unwrap();
    let mut count = 0;
    for (d, database) in store.catalog().databases.iter().enumerate() {
        for t in 0..database.tables.len() {
            let mut rows = store.open_rows(d, t).unwrap();
            while let Some(batch) = rows.next_batch().unwrap() {
                for row in batch.rows() {
                    let row = row.to_owned();
                    let Value::Text(text) = &row.values[1] else {
                        panic!("{row:?}");
                    };
                    let texts = ["some text", "changed", "in the log alone"];
                    let wide = text.len() == 9_000 && text.chars().all(|c| c == 'w');
                    assert!(wide || texts.contains(&text.as_str()), "{row:?}");
                    count += 1;
                }
            }
        }
    }
    (count, store.findings().clone())
}

/// A sector that the disk does not give costs what stands in it alone, and is
/// named; without salvage, reading says where it is.
#[test]
fn a_sector_that_cannot_be_read_costs_its_unit_alone() {
    for layout in Layout::ALL {
        let (disk, _) = written(layout);
        let (whole, found) = salvaged(&disk);
        assert_eq!(found.findings(), [], "{layout}");
        let mut refused = 0;
        for (path, bytes) in disk.files() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let derived = name.ends_with(".index") || name == "free_space.map";
            for at in (0..bytes.len()).step_by(4096) {
                disk.lose_sector(&path, at + 10);
                let what = format!("{layout}: {}, {at}", path.display());
                let (count, report) = salvaged(&disk);
                let named = report.findings().iter().any(|finding| {
                    let is_loss = finding.code.is_loss() || derived;
                    let here = finding.offset == Some(at as u64);
                    is_loss && here && finding.file.as_ref() == Some(&path)
                });
                // Of the log, what is before the checkpoint is not read.
                let in_log = path.starts_with(root().join("wal"));
                assert!(named || in_log, "{what}: {:?}", report.findings());
                assert_eq!(report.has_errors(), named && !derived, "{what}");
                assert!(!derived || count == whole, "{what}: {count} rows");
                // All rows but a few stand in one unit here.
                let holds_rows = name.ends_with(".dat") || name == "users.db";
                assert!(holds_rows || count >= 40, "{what}: {count} rows");
                let read = Store::open_on(&disk.shared(), root()).and_then(|s| read_view(&s));
                match read {
                    Ok(_) => {}
                    Err(Error::Unreadable {
                        path: file, offset, ..
                    }) => {
                        refused += 1;
                        assert_eq!((&file, offset), (&path, at as u64), "{what}");
                    }
                    Err(other) => panic!("{what}: {other}"),
                }
            }
        }
        assert!(refused > 3, "{layout}");
    }
}

fn each_byte(layout: Layout) {
    let (disk, model) = written(layout);
    assert_eq!(codes(&disk, Level::Structure), [], "{layout}");
    let files = disk.files();
    for (path, bytes) in &files {
        for (at, byte) in bytes.iter().enumerate() {
            disk.patch(path, at, byte ^ 0x21);
            let found = codes(&disk, Level::Checksums);
            assert!(!found.is_empty(), "{}: byte {at}", path.display());
            if at % 97 == 0 {
                read(&disk, &model, &format!("{}: byte {at}", path.display()));
            }
            disk.patch(path, at, *byte);
        }
    }
    assert!(disk.files() == files);
    for (path, bytes) in &files {
        // The control file says how far the log was on disk: no record is cut off in
        // silence, not even the last one.
        let in_log = path.starts_with(root().join("wal"));
        let ends = match in_log {
            true => ends_of_records(bytes),
            false => Vec::new(),
        };
        let step = if in_log { 13 } else { 911 };
        let borders = ends.iter().copied();
        for len in (0..bytes.len()).step_by(step).chain(borders) {
            let what = format!("{}: cut at {len}", path.display());
            disk.put(path, &bytes[..len]);
            let found = codes(&disk, Level::Structure);
            let whole = len == bytes.len();
            assert_eq!(found.is_empty(), whole, "{what}: {found:?}");
            if !whole {
                read(&disk, &model, &what);
            }
        }
        disk.put(path, bytes);
    }
}

/// Where the head and the records of a segment end.
fn ends_of_records(segment: &[u8]) -> Vec<usize> {
    let mut ends = vec![48];
    while let Some(len) = segment.get(ends[ends.len() - 1]..ends[ends.len() - 1] + 4) {
        let len = u32::from_le_bytes(len.try_into().unwrap()) as usize;
        ends.push(ends[ends.len() - 1] + 41 + len);
    }
    assert_eq!(ends.last(), Some(&segment.len()));
    ends
}

#[test]
fn every_changed_byte_is_found_in_the_layout_paged() {
    each_byte(Layout::Paged);
}

#[test]
fn every_changed_byte_is_found_in_the_layout_append() {
    each_byte(Layout::Append);
}

#[test]
fn every_changed_byte_is_found_in_the_layout_per_table() {
    each_byte(Layout::PerTable);
}

/// The segments of the log.
fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let files = disk.files().into_keys();
    files
        .filter(|path| path.starts_with(root().join("wal")))
        .collect()
}

/// The one segment of the log.
fn segment(disk: &SimDisk) -> PathBuf {
    let [segment] = segments(disk).try_into().unwrap();
    segment
}

#[test]
fn damage_before_a_synced_record_is_no_torn_tail() {
    let (disk, _) = written(Layout::PerTable);
    let path = segment(&disk);
    let bytes = disk.files()[&path].clone();
    // The update was written after the insert had been synced.
    let insert = bytes.windows(16).position(|w| w == b"in the log alone");
    disk.patch(&path, insert.unwrap(), b'X');
    let opened = LiveStore::open_on(&disk.shared(), root(), StoreOptions::default());
    assert!(matches!(opened, Err(Error::Damage(_))));
    assert_eq!(codes(&disk, Level::Checksums), [Code::ChecksumMismatch]);
    disk.patch(&path, insert.unwrap(), b'i');
    // All of it was on disk when the store was closed.
    disk.patch(&path, bytes.len() - 1, !bytes[bytes.len() - 1]);
    let opened = LiveStore::open_on(&disk.shared(), root(), StoreOptions::default());
    assert!(matches!(opened, Err(Error::Damage(_))));
    assert_eq!(codes(&disk, Level::Checksums), [Code::ChecksumMismatch]);
    // Where a crash kept it from being closed, what nothing stands behind is one.
    let control = root().join("control");
    disk.put(&control, &unmarked(&disk.files()[&control]));
    let view = Store::open_on(&disk.shared(), root()).unwrap();
    assert!(view.findings().has(Code::TornTail));
}

/// A control file without what the store marked when it was closed: its older
/// slot, and the newer one as it would be of the same state.
fn unmarked(control: &[u8]) -> Vec<u8> {
    let number = |at: usize| u64::from_le_bytes(control[at..at + 8].try_into().unwrap());
    let [old, new] = match number(28) < number(4096 + 28) {
        true => [0, 4096],
        false => [4096, 0],
    };
    let mut bytes = control.to_vec();
    bytes.copy_within(old..old + 4092, new);
    bytes[new + 28..new + 36].copy_from_slice(&number(new + 28).to_le_bytes());
    let crc = crc32fast::hash(&bytes[new..new + 4092]).to_le_bytes();
    bytes[new + 4092..new + 4096].copy_from_slice(&crc);
    bytes
}

#[test]
fn a_log_that_is_lost_as_a_whole_is_found() {
    let (disk, _) = written(Layout::Append);
    disk.forget(&segment(&disk));
    assert_eq!(codes(&disk, Level::Checksums), [Code::MissingFile]);
    let opened = Store::open_on(&disk.shared(), root());
    assert!(matches!(opened, Err(Error::Damage(_))));
}

/// Two copies of one directory that were changed in the same way, each by
/// itself: whatever comes from the other one is found.
fn apart(layout: Layout) {
    let (disk, model) = written(layout);
    let (copy, _) = written(layout);
    let (files, others) = (disk.files(), copy.files());
    let mut found_in = 0;
    for (path, bytes) in &files {
        let Some(other) = others.get(path).filter(|other| *other != bytes) else {
            continue;
        };
        disk.put(path, other);
        let what = path.display();
        assert_ne!(codes(&disk, Level::Structure), [], "{what}");
        let is_derived = path
            .extension()
            .is_some_and(|suffix| suffix == "index" || suffix == "map");
        if !is_derived {
            let read = Store::open_on(&disk.shared(), root()).and_then(|view| read_view(&view));
            assert!(read.is_err(), "{what}: read as {model:?}");
            found_in += 1;
        }
        disk.put(path, bytes);
    }
    // Control, the rows, and their descriptor.
    assert!(found_in >= 3, "{found_in} files");
    // A whole table, that agrees with itself.
    let of_table = |path: &&PathBuf| path.to_string_lossy().contains("users");
    for path in others.keys().filter(of_table) {
        disk.put(path, &others[path]);
    }
    assert_ne!(codes(&disk, Level::Structure), []);
    let read = Store::open_on(&disk.shared(), root()).and_then(|view| read_view(&view));
    assert!(read.is_err());
}

#[test]
fn copies_that_were_changed_apart_are_told_apart() {
    for layout in [Layout::Paged, Layout::Append, Layout::PerTable] {
        apart(layout);
    }
}

#[test]
fn a_log_of_another_directory_or_without_its_segment_is_refused() {
    let (disk, _) = written(Layout::PerTable);
    let path = segment(&disk);
    let bytes = disk.files()[&path].clone();
    let mut other = bytes.to_vec();
    other[12] ^= 1;
    let crc = crc32fast::hash(&other[..44]).to_le_bytes();
    other[44..48].copy_from_slice(&crc);
    disk.put(&path, &other);
    let code = |disk: &SimDisk| match Store::open_on(&disk.shared(), root()) {
        Err(Error::Damage(damage)) => damage.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&disk), Code::WrongPlace);
    disk.put(&path, &bytes);
    let elsewhere: &Path = &root().join("wal/7fffffffffffffff.log");
    disk.put(elsewhere, &bytes);
    disk.forget(&path);
    assert_eq!(code(&disk), Code::MissingFile);
}

/// Whether the checksum of a slot of the control file is right.
fn is_whole(slot: &[u8]) -> bool {
    slot[4092..] == crc32fast::hash(&slot[..4092]).to_le_bytes()
}

/// Each way in which a disk loses a slot of the control file.
fn slot_losses(control: &[u8]) -> Vec<Vec<u8>> {
    let mut losses = Vec::new();
    for slot in [0, 4096] {
        let mut zeroed = control.to_vec();
        zeroed[slot..slot + 4096].fill(0);
        let mut changed = control.to_vec();
        changed[slot + 37] ^= 1;
        losses.extend([zeroed, changed]);
    }
    losses
}

/// A model without dead versions.
fn visible(mut model: Model) -> Model {
    for table in model.values_mut().flat_map(|tables| tables.values_mut()) {
        let table = Arc::make_mut(table);
        table.versions.retain(|(.., xmax)| xmax.is_none());
    }
    model
}

/// Whatever slot is lost, the other one leads to every row, and a store that is opened
/// writes both anew.
fn either_slot_leads_to(disk: &SimDisk, model: &Model, what: &str) -> bool {
    let control = root().join("control");
    let mut all_errors = true;
    for (n, bytes) in slot_losses(&disk.files()[&control]).into_iter().enumerate() {
        let what = format!("{what}, loss {n}");
        let disk = disk.fork();
        disk.put(&control, &bytes);
        let mut report = Report::new();
        verify_on(&disk.shared(), root(), Level::Structure, &mut report).unwrap();
        let mut findings = report.findings().iter();
        let said = findings.any(|finding| finding.file.as_ref() == Some(&control));
        assert!(said, "{what}: {:?}", report.findings());
        all_errors &= report.has_errors();
        let view = Store::open_on(&disk.shared(), root());
        let view = view.unwrap_or_else(|error| panic!("{what}: {error}"));
        let read = read_view(&view).unwrap();
        assert!(visible(read) == *model, "{what}: the view");
        drop(view);
        let store = LiveStore::open_on(&disk.shared(), root(), StoreOptions::default());
        let mut store = store.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(visible(of_live(&store)) == *model, "{what}: the store");
        store.checkpoint().unwrap();
        store.close().unwrap();
        let mut left = codes(&disk, Level::Structure);
        left.retain(|code| *code != Code::CrashLeftover);
        assert_eq!(left, [], "{what}: afterwards");
    }
    all_errors
}

/// Segments are removed when both slots have no need of them, at whatever write of the
/// last ones the process ends.
fn slots_outlive(upkeep: fn(&mut LiveStore) -> Result<(), Error>) {
    const LAST: u64 = 12;
    for layout in Layout::ALL {
        let (disk, _) = written(layout);
        let open = |disk: &SimDisk| {
            LiveStore::open_on(&disk.shared(), root(), StoreOptions::default()).unwrap()
        };
        let mut store = open(&disk);
        let table = store.table("shop", "users").unwrap().id();
        // More than a segment of the log takes.
        let wide = "p".repeat(1 << 19);
        let mut tx = store.begin().unwrap();
        for id in 1_000..1_009 {
            let values = [ValueRef::Integer(id), ValueRef::Text(&wide)];
            tx.insert(table, &values).unwrap();
        }
        tx.commit(Durability::Sync).unwrap();
        let model = visible(of_live(&store));
        assert_eq!(model["shop"]["users"].versions.len(), 38 + 9);
        store.close().unwrap();
        let old_segments = segments(&disk);
        // The disk after so many changes, and whether they were all.
        let after = |changes: u64| {
            let disk = disk.fork();
            let mut store = open(&disk);
            let before = disk.changes();
            disk.fail_after(changes, ErrorKind::Other);
            let done = upkeep(&mut store);
            let count = disk.changes() - before;
            drop(store);
            disk.heal();
            (disk, count, done.is_ok())
        };
        let (disk, count, done) = after(u64::MAX >> 1);
        assert!(done && count > LAST, "{layout}: {count} changes");
        let kept = segments(&disk);
        let is_gone = |segment: &PathBuf| !kept.contains(segment);
        assert!(old_segments.iter().all(is_gone), "{layout}: {kept:?}");
        let is_damage = either_slot_leads_to(&disk, &model, &format!("{layout}, all changes"));
        assert!(is_damage, "{layout}: a lost slot is damage");
        let mut whole = 0;
        for changes in count - LAST..count {
            let (disk, _, done) = after(changes);
            assert!(!done, "{layout}, {changes} changes of {count}");
            // The write that failed may have torn a slot: the other one is needed then.
            let control = &disk.files()[&root().join("control")];
            if control.chunks(4096).all(is_whole) {
                whole += 1;
                let what = format!("{layout}, {changes} changes of {count}");
                either_slot_leads_to(&disk, &model, &what);
            }
        }
        assert!(whole > LAST / 2, "{layout}: {whole}");
    }
}

#[test]
fn either_slot_leads_to_every_row_while_a_checkpoint_prunes_the_log() {
    slots_outlive(LiveStore::checkpoint);
}

#[test]
fn either_slot_leads_to_every_row_while_a_compaction_prunes_the_log() {
    slots_outlive(|store| store.compact().map(|_| ()));
}
