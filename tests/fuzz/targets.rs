//! What is done with hostile bytes, once for the fuzzer and for the plain test:
//! each target takes any bytes and panics when a promise is broken.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustdb_migrate::codec::{MadeRows, pack_row};
use rustdb_migrate::commands::content::{Content, hash_content};
use rustdb_migrate::engine::{
    CreateOptions, Durability, Layout, Level, LiveStore, Origin, Store, StoreOptions, create_on,
    verify_on,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::file::{SourceFile, decode_name, encode_name};
use rustdb_migrate::finding::Code;
use rustdb_migrate::legacy::{
    LegacyPage, PAGE_DATA_LEN, RowReader, Segment, Snapshot, decode_record, read_wal,
    salvage_snapshot, scan_snapshot,
};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, Form, RowSource, RowStream, Table, ValueRef,
};
use rustdb_migrate::recovery::Decisions;
use rustdb_migrate::report::Report;
use rustdb_migrate::work::Threads;

use crate::sim_disk::SimDisk;
use crate::support::convert::{entry_of, instance, reencode, tool_family};
use crate::support::model::{
    Family, Instance, decode_entry, decode_instance, encode_entry, encode_instance,
};
use crate::support::strict;

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 9] = [
    ("snapshot", snapshot),
    ("wal_segment", wal_segment),
    ("legacy_page", legacy_page),
    ("our_files", our_files),
    ("our_log", our_log),
    ("row_codec", row_codec),
    ("names", names),
    ("decision_file", decision_file),
    ("against_bincode", against_bincode),
];

fn in_memory(bytes: &[u8]) -> Arc<SourceFile> {
    SourceFile::in_memory(Path::new("input"), bytes.to_vec())
}

fn read_rows(snapshot: &Snapshot) -> Result<()> {
    for extent in snapshot.rows.iter().flatten() {
        let mut rows = RowReader::new(extent);
        let (mut count, mut live) = (0, 0);
        while let Some(batch) = rows.next_batch()? {
            count += batch.len() as u64;
            live += batch.rows().filter(|row| row.is_visible()).count() as u64;
        }
        assert_eq!((count, live), (extent.count, extent.live));
    }
    Ok(())
}

/// A damage must have its place in the file.
fn damage_in(error: &Error, len: usize) {
    if let Error::Damage(damage) = error {
        assert!(damage.offset <= len as u64, "{damage}");
    }
}

/// A snapshot: what was accepted is read whole and written back alike; what
/// salvage keeps of any other can be read.
pub fn snapshot(bytes: &[u8]) {
    let file = in_memory(bytes);
    for form in [Form::Instance, Form::SingleDatabase] {
        match scan_snapshot(&file, &form, None) {
            Ok(snapshot) => {
                read_rows(&snapshot).expect("it was accepted");
                assert!(reencode(&snapshot, None) == bytes);
            }
            Err(error) => damage_in(&error, bytes.len()),
        }
    }
    for family in Family::ALL {
        let salvaged = salvage_snapshot(&file, &Form::Instance, tool_family(family));
        let salvaged = salvaged.expect("nothing but memory is read");
        read_rows(&salvaged.snapshot).expect("what is kept can be read");
    }
}

/// A segment: every byte belongs to a record, to a copy of one or to a bad range.
pub fn wal_segment(bytes: &[u8]) {
    for family in Family::ALL {
        let segment = Segment {
            file: in_memory(bytes),
            name: "0000000000000001.wal".into(),
        };
        let wal = read_wal(vec![segment], tool_family(family)).expect("nothing but memory is read");
        let of_records: u64 = wal.records.iter().map(|record| 4 + record.len).sum();
        let of_bad: u64 = wal.bad.iter().map(|bad| bad.len).sum();
        let of_copies: u64 = wal.copies.iter().map(|copy| copy.len).sum();
        assert_eq!(of_records + of_bad + of_copies, bytes.len() as u64);
        let mut report = Report::new();
        wal.report(0, &mut report);
        assert!(wal.bad.is_empty() || !report.findings().is_empty());
    }
}

/// A legacy page file: slots lie inside the data, and rows decode or are damage.
pub fn legacy_page(bytes: &[u8]) {
    match LegacyPage::read(&in_memory(bytes)) {
        Ok(page) => {
            assert_eq!(page.data.len(), PAGE_DATA_LEN);
            for slot in &page.slots {
                let _ = page.row(slot);
            }
        }
        Err(error) => damage_in(&error, bytes.len()),
    }
}

fn root() -> &'static Path {
    Path::new("/data")
}

/// Rows of one table: a number and a text, one of them wide, one dead.
struct Rows(u64);

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(Box::new(MadeRows::new((0..self.0).map(|id| {
            let text = "w".repeat(if id == 3 { 9_000 } else { 9 });
            let values = [ValueRef::Integer(id.cast_signed()), ValueRef::Text(&text)];
            pack_row(values, 1, (id == 1).then_some(2))
        }))))
    }
}

/// One of our directories of some layout, with changes in its log alone.
fn directory(layout: Layout, rows: u64, changed: bool) -> SimDisk {
    let disk = SimDisk::new(root());
    let table = Table::new(
        "t",
        vec![
            Column::key("id", DataType::Integer),
            Column::new("text", DataType::Text),
        ],
    );
    let catalog = Catalog {
        databases: vec![Database {
            name: "d".into(),
            tables: vec![table],
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        }],
        ..Catalog::default()
    };
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: CLUSTER_ID,
    };
    let mut options = CreateOptions::from(layout);
    options.threads = Threads::ONE;
    create_on(
        &disk.shared(),
        root(),
        options,
        &catalog,
        &Rows(rows),
        &origin,
    )
    .unwrap();
    if changed {
        let options = StoreOptions::default();
        let mut store = LiveStore::open_on(&disk.shared(), root(), options).unwrap();
        let table = store.table("d", "t").unwrap().id();
        for ids in [100..101, 101..102, 102..104] {
            let mut tx = store.begin().unwrap();
            tx.set_number(3);
            for id in ids.clone() {
                let values = [ValueRef::Integer(id), ValueRef::Text("new")];
                tx.insert(table, &values).unwrap();
            }
            tx.commit(Durability::Sync).unwrap();
            if ids.start == 101 {
                store.checkpoint().unwrap();
            }
        }
    }
    disk
}

const CLUSTER_ID: u128 = 77;

/// The layouts' directories, made once.
fn directories() -> &'static [SimDisk; 3] {
    static MADE: OnceLock<[SimDisk; 3]> = OnceLock::new();
    MADE.get_or_init(|| Layout::ALL.map(|layout| directory(layout, 6, true)))
}

/// What is read, and how many rows of the first table are visible.
fn read(disk: &SimDisk) -> Result<(Content, u64)> {
    let store = Store::open_on(&disk.shared(), root())?;
    let content = hash_content(store.catalog(), &store, Threads::ONE)?;
    Ok((content, store.live_count(0, 0)))
}

/// What checks, reads and opens a directory comes back; what is called whole
/// can be read, and be written to.
fn look_at(disk: &SimDisk) {
    let mut report = Report::new();
    let verified = verify_on(&disk.shared(), root(), Level::Structure, &mut report);
    let whole = verified.is_ok() && report.findings().is_empty();
    let read = read(disk);
    assert!(!whole || read.is_ok(), "called whole: {read:?}");
    let opened = LiveStore::open_on(&disk.shared(), root(), StoreOptions::default());
    let newer = |error: &Error| matches!(error, Error::Damage(damage) if damage.code == Code::UnsupportedVersion);
    let refused = opened.as_ref().err().filter(|error| !newer(error));
    assert!(!whole || refused.is_none(), "called whole: {refused:?}");
    let Ok(mut store) = opened else {
        return;
    };
    if let Ok(table) = store.table("d", "t") {
        if let (true, Ok((_, live))) = (whole, &read) {
            let mut visible = 0;
            let counted = table.scan().and_then(|mut rows| {
                rows.try_for_each(|row| {
                    visible += 1;
                    row.map(|_| ())
                })
            });
            assert!(counted.is_ok() && visible == *live, "{counted:?} {visible}");
        }
        let _ = table.find(&ValueRef::Integer(100));
        let table = table.id();
        if let Ok(mut tx) = store.begin() {
            let _ = tx.insert(table, &[ValueRef::Integer(900), ValueRef::Text("x")]);
            let _ = tx.commit(Durability::Sync);
        }
    }
    let _ = store.checkpoint();
}

/// What a checksum of the format page is seeded with beside the bytes.
fn seed(offset: usize) -> Vec<u8> {
    let mut seed = CLUSTER_ID.to_le_bytes().to_vec();
    seed.extend([0; 8]);
    seed.extend((offset as u64).to_le_bytes());
    seed
}

fn crc(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

fn number_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four) as usize)
}

/// Makes the checksum at `at` right, if it is there.
fn put(bytes: &mut [u8], at: usize, sum: [u8; 4]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&sum);
    }
}

/// Makes the checksums right again, as one who means harm would.
fn forge(path: &Path, bytes: &mut [u8]) {
    let name = path.file_name().unwrap().to_string_lossy();
    match name.rsplit_once('.') {
        None => {
            for slot in bytes.chunks_exact_mut(4096) {
                let sum = crc(&[&slot[..4092]]);
                put(slot, 4092, sum);
            }
        }
        Some((_, "dat")) if name.starts_with("page_") => forge_pages(bytes, 0),
        Some((_, "index")) => forge_pages(bytes, 1 << 32),
        Some((_, "log")) => forge_log(bytes),
        Some((_, "table")) => {
            let (first, second) = bytes.split_at_mut(bytes.len() / 2);
            forge_sealed(first);
            forge_sealed(second);
        }
        Some((_, "db")) if bytes.starts_with(b"RDBXSEAL") => forge_sealed(bytes),
        Some((_, "dat")) => {
            forge_header(bytes);
            forge_blocks(bytes, 32);
        }
        Some((_, "db")) => {
            forge_header(bytes);
            let Some(trailer) = bytes.len().checked_sub(48) else {
                return;
            };
            let of_blocks = forge_blocks(&mut bytes[..trailer], 20);
            put(bytes, trailer + 40, crc(&[&of_blocks]));
            let sum = crc(&[&seed(trailer), &bytes[trailer..trailer + 44]]);
            put(bytes, trailer + 44, sum);
        }
        _ => {}
    }
}

fn forge_pages(bytes: &mut [u8], from: usize) {
    for (number, page) in bytes.chunks_exact_mut(8192).enumerate() {
        let sum = crc(&[&seed(from + number), &page[..12], &page[16..]]);
        put(page, 12, sum);
    }
}

/// A sealed file by the length that it states, or where it ends.
fn forge_sealed(bytes: &mut [u8]) {
    let stated = bytes.get(36..44).and_then(|len| len.try_into().ok());
    let stated = stated.map_or(0, u64::from_le_bytes);
    let end = usize::try_from(stated)
        .unwrap_or(usize::MAX)
        .saturating_add(44);
    let end = end.min(bytes.len().saturating_sub(4));
    let sum = crc(&[&bytes[..end]]);
    put(bytes, end, sum);
}

fn forge_header(bytes: &mut [u8]) {
    if let Some(header) = bytes.get(..44) {
        let sum = crc(&[header]);
        put(bytes, 44, sum);
    }
}

/// Blocks of rows by the lengths that they state; the checksums, one after another.
fn forge_blocks(bytes: &mut [u8], crc_at: usize) -> Vec<u8> {
    let (mut at, mut sums) = (48, Vec::new());
    while let (Some(head), Some(len)) = (bytes.get(at..at + crc_at), number_at(bytes, at + 4)) {
        let rows = bytes.get(at + crc_at + 4..).unwrap_or_default();
        let sum = crc(&[&seed(at), head, &rows[..len.min(rows.len())]]);
        put(bytes, at + crc_at, sum);
        sums.extend(sum);
        at = at.saturating_add(crc_at + 4).saturating_add(len);
    }
    sums
}

/// Bytes of the head of a segment of our log, and of a record before its payload.
const SEGMENT_HEAD_LEN: usize = 48;
const RECORD_HEAD_LEN: usize = 41;

fn of_record(record: &[u8]) -> [u8; 4] {
    crc(&[&CLUSTER_ID.to_le_bytes(), &record[..4], &record[8..]])
}

/// The head of a segment, and its records by the lengths that they state.
fn forge_log(bytes: &mut [u8]) {
    forge_header(bytes);
    let mut at = SEGMENT_HEAD_LEN;
    while let Some(len) = number_at(bytes, at) {
        let end = at.saturating_add(RECORD_HEAD_LEN).saturating_add(len);
        let Some(record) = bytes.get(at..end) else {
            return;
        };
        let sum = of_record(record);
        put(bytes, at + 4, sum);
        at = end;
    }
}

/// A file of ours, of any kind: the first byte chooses the directory, the
/// second the file, the third whether checksums are made right; the rest takes
/// the place of the file's bytes.
pub fn our_files(bytes: &[u8]) {
    let [layout, file, forged, bytes @ ..] = bytes else {
        return;
    };
    let disk = directories()[usize::from(*layout) % 3].fork();
    let files = disk.files();
    let Some((path, _)) = files.iter().nth(usize::from(*file) % files.len()) else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if forged % 2 == 1 {
        forge(path, &mut bytes);
    }
    disk.put(path, &bytes);
    look_at(&disk);
}

/// Every input of [`our_files`] that changes nothing.
pub fn our_files_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (layout, disk) in (0..).zip(directories()) {
        for (file, bytes) in (0..).zip(disk.files().values()) {
            for forged in 0..2 {
                seeds.push([&[layout, file, forged][..], bytes].concat());
            }
        }
    }
    seeds
}

/// Records of our log whose places and checksums are right, after those that a
/// directory has: the first byte chooses it, and each record is its kind, its
/// owner, the length of its payload and the payload.
pub fn our_log(bytes: &[u8]) {
    let [layout, rest @ ..] = bytes else {
        return;
    };
    let mut bytes = rest;
    let disk = directories()[usize::from(*layout) % 3].fork();
    let (path, mut log) = newest_segment(&disk);
    let start = u64::from_le_bytes(log[28..36].try_into().unwrap());
    let mut previous = records_of(&log).last().map_or(0, |at| start + *at as u64);
    while let [kind, owner, len, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let lsn = start + log.len() as u64;
        let owner: u64 = if owner % 2 == 0 { 0 } else { u64::MAX };
        let mut record = (payload.len() as u32).to_le_bytes().to_vec();
        record.extend([0; 4]);
        for field in [lsn, previous, lsn, owner] {
            record.extend(field.to_le_bytes());
        }
        record.push(*kind);
        record.extend(payload);
        let sum = of_record(&record);
        put(&mut record, 4, sum);
        log.extend(record);
        previous = lsn;
        bytes = rest;
    }
    disk.put(&path, &log);
    look_at(&disk);
}

fn newest_segment(disk: &SimDisk) -> (PathBuf, Vec<u8>) {
    let files = disk.files().into_iter();
    let mut logs = files.filter(|(path, _)| path.extension().is_some_and(|one| one == "log"));
    let (path, bytes) = logs.next_back().expect("a directory has a log");
    (path, bytes.to_vec())
}

/// Where the records of a whole segment stand.
fn records_of(log: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (SEGMENT_HEAD_LEN, Vec::new());
    while let Some(len) = number_at(log, at) {
        found.push(at);
        at += RECORD_HEAD_LEN + len;
    }
    found
}

/// Records as [`our_log`] takes them: those of the directories, and batches.
pub fn our_log_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (layout, disk) in (0..).zip(directories()) {
        let (_, log) = newest_segment(disk);
        let mut seed = vec![layout];
        for at in records_of(&log) {
            let record = &log[at..][..RECORD_HEAD_LEN + number_at(&log, at).unwrap()];
            let payload = &record[RECORD_HEAD_LEN..];
            if payload.len() > 255 {
                continue;
            }
            seed.extend([record[40], record[32] & 1, payload.len() as u8]);
            seed.extend(payload);
        }
        seeds.push(seed);
        // A change of a batch, of each kind, and its end.
        let path = |name: &str| [&[name.len() as u8][..], name.as_bytes()].concat();
        let name = path("db_d/t.new");
        let changes = [
            [&[1][..], &name, &[0, 2, 7, 7]].concat(),
            [&[2][..], &name, &[1]].concat(),
            [&[3][..], &name, &path("db_d/u.new")].concat(),
            [&[4][..], &path("db_d/u.new")].concat(),
        ];
        let mut seed = vec![layout];
        for change in &changes {
            seed.extend([5, 1, change.len() as u8]);
            seed.extend(change);
        }
        seed.extend([6, 1, 1, changes.len() as u8]);
        seeds.push(seed);
    }
    seeds
}

/// Makes right what is right already, of every file: what the forger knows of the
/// formats is what they are. The files that it changes.
pub fn wrongly_forged() -> Vec<PathBuf> {
    let disks = directories().iter();
    let files = disks.flat_map(|disk| disk.files());
    let wrong = files.filter(|(path, bytes)| {
        let mut forged = bytes.to_vec();
        forge(path, &mut forged);
        forged != **bytes
    });
    wrong.map(|(path, _)| path).collect()
}

/// Rows in the row codec, behind checksums that are right: of three rows of two
/// columns. What verification takes for rows can be read.
pub fn row_codec(bytes: &[u8]) {
    static MADE: OnceLock<SimDisk> = OnceLock::new();
    let made = MADE.get_or_init(|| directory(Layout::PerTable, 3, false));
    let disk = made.fork();
    let files = disk.files();
    let found = files.iter().find(|(path, _)| path.ends_with("t.db"));
    let (path, whole) = found.unwrap();
    let mut file = whole[..48].to_vec();
    let mut head = whole[48..68].to_vec();
    head[4..8].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    let of_block = crc(&[&seed(48), &head, bytes]);
    file.extend([&head[..], &of_block, bytes].concat());
    let mut trailer = whole[whole.len() - 48..].to_vec();
    trailer[40..44].copy_from_slice(&crc(&[&of_block]));
    let sum = crc(&[&seed(file.len()), &trailer[..44]]);
    trailer[44..].copy_from_slice(&sum);
    file.extend(trailer);
    disk.put(path, &file);
    look_at(&disk);
}

/// Rows as [`row_codec`] takes them.
pub fn row_codec_seed() -> Vec<u8> {
    let files = directory(Layout::PerTable, 3, false).files();
    let found = files.iter().find(|(path, _)| path.ends_with("t.db"));
    let (_, whole) = found.unwrap();
    whole[72..whole.len() - 48].to_vec()
}

/// Names: a file name leads back to its name, and is one that every file system
/// takes; what is no encoded name is none.
pub fn names(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    let encoded = encode_name(&name, 7);
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'%');
    assert!(!encoded.is_empty() && encoded.len() <= 200 && encoded.bytes().all(plain));
    match encoded == "%long-7" {
        true => assert_eq!(decode_name(&encoded), None),
        false => assert_eq!(decode_name(&encoded).as_deref(), Some(&*name)),
    }
    if let Some(decoded) = decode_name(&name) {
        assert_eq!(encode_name(&decoded, 7), name);
    }
}

/// A decision file: it is understood, or refused with the line.
pub fn decision_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Decisions::parse(&text) {
        Ok(decisions) => drop(decisions.of(1, "t")),
        Err(bad) => assert!((1..=text.lines().count()).contains(&bad.line)),
    }
}

/// The tool accepts exactly what bincode and the strict rules accept, and reads
/// the same: the first byte chooses the family, and snapshot or record.
pub fn against_bincode(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let family = Family::ALL[usize::from(*choice) % 4];
    if choice & 4 == 0 {
        let read = decode_instance(family, bytes).ok();
        let oracle: Option<Instance> = read.filter(|read| strict::instance(read).is_ok());
        let scanned = scan_snapshot(
            &in_memory(bytes),
            &Form::Instance,
            Some(tool_family(family)),
        );
        let tool = scanned.ok().map(|snapshot| instance(&snapshot).unwrap());
        assert_eq!(tool, oracle);
        assert!(oracle.is_none_or(|read| encode_instance(family, &read) == bytes));
    } else {
        let read = decode_entry(family, bytes).ok();
        let oracle = read.filter(|read| strict::entry(read).is_ok());
        let tool = decode_record(bytes, tool_family(family)).ok();
        assert_eq!(tool.map(entry_of), oracle);
        assert!(oracle.is_none_or(|read| encode_entry(family, &read) == bytes));
    }
}
