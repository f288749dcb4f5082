//! Files with valid checksums whose content no writer produces.

use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::commands::upgrade::{Target, UpgradeOptions, upgrade};
use rustdb_migrate::engine::{Layout, Level, LiveStore, Store, StoreOptions};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::{Row, Value};
use tempfile::TempDir;

use crate::bytes::{crc, seed, u64_at};
use crate::sample::{
    Rows, catalog, database, files_below, full, inserted, one_table, origin, read_all, row, table,
    verified, write,
};

/// What verification finds and reading says, which must name the same thing.
pub fn both_say(dir: &Path, level: Level, code: Code) {
    let report = verified(dir, level);
    let codes: Vec<_> = report.findings().iter().map(|f| f.code).collect();
    assert_eq!(codes, [code]);
    let read = Store::open(dir).and_then(|store| read_all(&store));
    let Err(Error::Damage(damage)) = read else {
        panic!("{code}: {read:?}");
    };
    assert_eq!(damage.code, code);
    assert_eq!(Some(damage.offset), report.findings()[0].offset);
    assert!(!damage.to_string().contains("5e5e"), "a secret: {damage}");
}

fn directory() -> TempDir {
    let (catalog, rows) = full();
    write(&catalog, &rows)
}

/// Rewrites part of a sealed file's document and seals it again.
pub fn forge(path: &Path, from: &str, to: &str) {
    let bytes = fs::read(path).unwrap();
    let len = u64::from_le_bytes(bytes[36..44].try_into().unwrap());
    let document = bytes[44..][..usize::try_from(len).unwrap()].to_vec();
    let document = String::from_utf8(document).unwrap();
    assert!(document.contains(from), "{document}");
    let document = document.replacen(from, to, 1);
    let mut forged = bytes[..36].to_vec();
    forged.extend((document.len() as u64).to_le_bytes());
    forged.extend(document.as_bytes());
    forged.extend(crc(&[&forged]).to_le_bytes());
    if path.extension().is_some_and(|suffix| suffix == "table") {
        // The document of a table stands twice.
        forged.resize(forged.len().next_multiple_of(4096), 0);
        forged.extend_from_within(..);
    }
    fs::write(path, forged).unwrap();
}

/// Changes bytes of a file that ends with a checksum over all before it.
fn patch(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - 4;
    bytes[at..at + with.len()].copy_from_slice(with);
    let crc = crc(&[&bytes[..end]]).to_le_bytes();
    bytes[end..].copy_from_slice(&crc);
    fs::write(path, bytes).unwrap();
}

#[test]
fn catalogs_that_no_writer_produces_are_refused() {
    let (global, metadata) = ("global.db", "db_shop/metadata.db");
    let users = "db_shop/users.table";
    let cases = [
        (
            global,
            r#""name":"Shop""#,
            r#""name":"shop""#,
            Code::DuplicateName,
        ),
        (global, r#""id":1"#, r#""id":0"#, Code::DuplicateName),
        (
            global,
            r#""form":"#,
            r#""more":1,"form":"#,
            Code::UnsupportedVersion,
        ),
        (
            global,
            r#""is_superuser":true"#,
            r#""is_superuser":1"#,
            Code::BadCatalog,
        ),
        (
            global,
            r#""password_hash":"#,
            r#""password_hash":7,"x":"#,
            Code::BadCatalog,
        ),
        (
            global,
            r#""instance""#,
            r#""insta""#,
            Code::UnsupportedVersion,
        ),
        (global, r#""id":1"#, r#""id":4294967296"#, Code::BadCatalog),
        (global, r#"{"form""#, r#"[1,"form""#, Code::BadCatalog),
        (
            metadata,
            r#""name":"shop""#,
            r#""name":"else""#,
            Code::NameMismatch,
        ),
        (
            metadata,
            r#""name":"empty""#,
            r#""name":"users""#,
            Code::DuplicateName,
        ),
        (metadata, r#"{"id":1"#, r#"{"id":0"#, Code::DuplicateName),
        (users, r#""live":1"#, r#""live":3"#, Code::BadCatalog),
        (users, r#""rows":2"#, r#""rows":3"#, Code::CountMismatch),
        (users, r#""live":1"#, r#""live":2"#, Code::CountMismatch),
        (
            metadata,
            r#""views":"#,
            r#""view":[],"views":"#,
            Code::UnsupportedVersion,
        ),
        (
            metadata,
            r#""nullable":"#,
            r#""comment":"","nullable":"#,
            Code::UnsupportedVersion,
        ),
        (
            global,
            r#""is_superuser":"#,
            r#""until":"","is_superuser":"#,
            Code::UnsupportedVersion,
        ),
        (
            users,
            r#""layout":"#,
            r#""more":1,"layout":"#,
            Code::UnsupportedVersion,
        ),
        (users, r#""id":0"#, r#""id":1"#, Code::WrongPlace),
        (
            users,
            r#""sequences":[["#,
            r#""sequences":[["id",9],["id",8],["#,
            Code::DuplicateName,
        ),
    ];
    for (name, from, to, code) in cases {
        let dir = directory();
        forge(&dir.path().join(name), from, to);
        both_say(dir.path(), Level::Checksums, code);
    }
}

/// Readers go by the control file; what a descriptor says else is for the day when
/// that is lost.
#[test]
fn descriptors_that_are_unlike_the_control_file_are_found() {
    let cases = [
        (r#""layout":2"#, r#""layout":3"#),
        (r#""pages_per_file":0"#, r#""pages_per_file":9"#),
        (r#""family":"2.3""#, r#""family":"1.4""#),
    ];
    for (from, to) in cases {
        let dir = directory();
        forge(&dir.path().join("db_shop/users.table"), from, to);
        let report = verified(dir.path(), Level::Checksums);
        let codes: Vec<_> = report.findings().iter().map(|f| f.code).collect();
        assert_eq!(codes, [Code::BadCatalog], "{to}");
        assert!(!report.has_errors(), "{to}");
    }
}

/// Of a table in many parts, which several threads read, no part knows how many
/// rows there should be in all.
#[test]
fn a_catalog_that_counts_other_rows_stops_an_upgrade() {
    let rows: Vec<_> = (0..30_000)
        .map(|n| Row {
            xmax: (n % 10 == 9).then_some(1),
            ..row(vec![Value::Integer(n)])
        })
        .collect();
    for layout in Layout::ALL {
        let dir = one_table(layout, rows.clone());
        let metadata = dir.path().join("db_d/t.table");
        let there = r#""rows":30000,"live":27000"#;
        forge(&metadata, there, r#""rows":30000,"live":26999"#);
        let targets = Layout::ALL.map(Target::Layout);
        for to in targets.into_iter().chain([Target::Snapshot]) {
            let options = [(false, false), (true, false), (false, true), (true, true)];
            for (drop_dead, dry_run) in options {
                let parent = tempfile::tempdir().unwrap();
                let options = UpgradeOptions {
                    to,
                    drop_dead,
                    dry_run,
                    force: true,
                    ..UpgradeOptions::default()
                };
                let refused = upgrade(dir.path(), &parent.path().join("target"), &options);
                let Err(Error::Damage(damage)) = refused else {
                    panic!("{layout} to {to}, {drop_dead}, {dry_run}: {refused:?}");
                };
                assert_eq!(damage.code, Code::CountMismatch, "{layout} to {to}");
                assert!(damage.found.contains("27000 of them live"), "{damage}");
                assert!(damage.file.starts_with(dir.path()), "{damage}");
                assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
            }
        }
    }
}

/// A table of 2,000 rows, of which 200 are dead, whose descriptor counts `rows`, `live`
/// of them.
fn with_counts(layout: Layout, (rows, live): (u64, u64)) -> TempDir {
    let stored = (0..2_000).map(|n| Row {
        xmax: (n % 10 == 9).then_some(1),
        ..row(vec![Value::Integer(n)])
    });
    let dir = one_table(layout, stored.collect());
    forge(
        &dir.path().join("db_d/t.table"),
        r#""rows":2000,"live":1800"#,
        &format!(r#""rows":{rows},"live":{live}"#),
    );
    dir
}

#[test]
fn a_catalog_that_counts_other_rows_stops_a_compaction() {
    for layout in Layout::ALL {
        for counts in [(2_000, 1_799), (2_000, 1_801), (2_001, 1_800)] {
            let dir = with_counts(layout, counts);
            let report = verified(dir.path(), Level::Structure);
            assert!(report.has(Code::CountMismatch), "{layout}, {counts:?}");
            let before = files_below(dir.path());
            let store = LiveStore::open(dir.path(), StoreOptions::default());
            let refused = store.and_then(|mut store| store.compact());
            let Err(Error::Damage(damage)) = refused else {
                panic!("{layout}, {counts:?}: {refused:?}");
            };
            assert_eq!(damage.code, Code::CountMismatch, "{layout}, {counts:?}");
            let both = format!("{damage}");
            assert!(both.contains("2000 rows, 1800 of them live"), "{both}");
            let stated = format!("{} rows, {} of them live", counts.0, counts.1);
            assert!(both.contains(&stated), "{both}");
            assert_eq!(files_below(dir.path()), before, "{layout}, {counts:?}");
        }
    }
}

#[test]
fn a_document_that_nests_without_end_is_refused() {
    let dir = directory();
    let nested = format!(r#""form":{}"#, "[".repeat(200_000));
    forge(
        &dir.path().join("global.db"),
        r#""form":"instance""#,
        &nested,
    );
    both_say(dir.path(), Level::Checksums, Code::BadCatalog);
}

#[test]
fn a_table_renamed_in_the_catalog_has_no_file() {
    let dir = directory();
    let name = r#""name":"empty""#;
    forge(
        &dir.path().join("db_shop/metadata.db"),
        name,
        r#""name":"../users""#,
    );
    let report = verified(dir.path(), Level::Checksums);
    let codes: Vec<_> = report.findings().iter().map(|f| f.code).collect();
    assert_eq!(codes, [Code::MissingFile, Code::ExtraFile, Code::ExtraFile]);
    let missing = report.findings()[0].file.clone().unwrap();
    assert_eq!(missing, dir.path().join("db_shop/%2e%2e%2fusers.table"));
}

#[test]
fn sealed_files_of_another_kind_cluster_or_database_are_refused() {
    let cases = [
        (12, Code::WrongPlace),
        (16, Code::WrongPlace),
        (32, Code::WrongPlace),
    ];
    for (at, code) in cases {
        let dir = directory();
        patch(&dir.path().join("db_shop/metadata.db"), at, &[9]);
        both_say(dir.path(), Level::Checksums, code);
    }
    let dir = directory();
    patch(&dir.path().join("global.db"), 8, &[2]);
    both_say(dir.path(), Level::Checksums, Code::UnsupportedVersion);
    patch(&dir.path().join("global.db"), 8, &[1]);
    patch(&dir.path().join("global.db"), 36, &u64::MAX.to_le_bytes());
    both_say(dir.path(), Level::Checksums, Code::BadLength);
    patch(&dir.path().join("global.db"), 36, &0u64.to_le_bytes());
    both_say(dir.path(), Level::Checksums, Code::TrailingBytes);
}

#[test]
fn a_sealed_file_above_1_gib_is_not_read() {
    let dir = directory();
    let path = dir.path().join("global.db");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((1 << 30) + 1).unwrap();
    both_say(dir.path(), Level::Checksums, Code::BadLength);
}

/// Changes bytes of both slots of a control file.
fn patch_slots(dir: &Path, at: usize, with: &[u8]) {
    let path = dir.join("control");
    let mut bytes = fs::read(&path).unwrap();
    for slot in bytes.chunks_mut(4096) {
        slot[at..at + with.len()].copy_from_slice(with);
        let crc = crc(&[&slot[..4092]]).to_le_bytes();
        slot[4092..].copy_from_slice(&crc);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn control_slots_that_no_writer_produces_are_refused() {
    let cases: [(usize, &[u8], Code); 13] = [
        (44, &[1], Code::OutOfRange),
        (4051, &[1], Code::OutOfRange),
        (4059, &[0x80], Code::OutOfRange),
        (4067, &[1], Code::OutOfRange),
        (4079, &[1], Code::UnsupportedVersion),
        (4087, &[1], Code::OutOfRange),
        (4088, &[1], Code::OutOfRange),
        (8, &[2], Code::UnsupportedVersion),
        (44, &[0], Code::UnsupportedVersion),
        (44, &[4], Code::UnsupportedVersion),
        (45, &[33], Code::BadLength),
        (46, &[0xff], Code::BadUtf8),
        (4091, &[1], Code::OutOfRange),
    ];
    for (at, with, code) in cases {
        let dir = directory();
        patch_slots(dir.path(), at, with);
        let report = verified(dir.path(), Level::Checksums);
        let codes: Vec<_> = report.findings().iter().map(|f| f.code).collect();
        assert_eq!(codes, [code, code]);
        let Err(Error::Damage(damage)) = Store::open(dir.path()) else {
            panic!("{code}");
        };
        assert_eq!(damage.code, code);
    }
}

#[test]
fn records_that_change_what_is_not_there_are_refused() {
    for layout in [Layout::Paged, Layout::PerTable, Layout::Append] {
        let dir = one_table(layout, vec![row(vec![Value::Integer(1)])]);
        drop(inserted(dir.path(), 2));
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
        let mut entries = fs::read_dir(dir.path().join("wal")).unwrap();
        let segment = entries.next().unwrap().unwrap().path();
        let mut log = fs::read(&segment).unwrap();
        // The record behind the head of the segment; its table.
        log[48 + 36] ^= 0x40;
        let cluster_id = origin().cluster_id.to_le_bytes();
        let crc = crc(&[&cluster_id, &log[48..52], &log[56..]]).to_le_bytes();
        log[52..56].copy_from_slice(&crc);
        fs::write(segment, log).unwrap();
        both_say(dir.path(), Level::Structure, Code::WrongPlace);
    }
}

/// Moves the only segment of a log, with its only record, to another position.
fn log_at(dir: &Path, lsn: u64) {
    let wal = dir.join("wal");
    let old = fs::read_dir(&wal).unwrap().next().unwrap().unwrap().path();
    let mut log = fs::read(&old).unwrap();
    fs::remove_file(old).unwrap();
    log[28..36].copy_from_slice(&lsn.to_le_bytes());
    let head = crc(&[&log[..44]]).to_le_bytes();
    log[44..48].copy_from_slice(&head);
    let at = (lsn + 48).to_le_bytes();
    log[56..64].copy_from_slice(&at);
    log[72..80].copy_from_slice(&at);
    let cluster_id = origin().cluster_id.to_le_bytes();
    let record = crc(&[&cluster_id, &log[48..52], &log[56..]]).to_le_bytes();
    log[52..56].copy_from_slice(&record);
    fs::write(wal.join(format!("{lsn:016x}.log")), log).unwrap();
}

#[test]
fn a_log_ends_before_the_last_position_and_none_goes_on_there() {
    let logged = || {
        let dir = one_table(Layout::PerTable, vec![row(vec![Value::Integer(1)])]);
        drop(inserted(dir.path(), 2));
        dir
    };
    for lsn in [(1 << 63) - 60, 1 << 63, u64::MAX - 4096] {
        let dir = logged();
        log_at(dir.path(), lsn);
        both_say(dir.path(), Level::Structure, Code::OutOfRange);
    }
    let dir = logged();
    log_at(dir.path(), (1 << 63) - 4096);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    let before = files_below(dir.path());
    let mut store = LiveStore::open(dir.path(), StoreOptions::default()).unwrap();
    assert!(matches!(store.compact(), Err(Error::LimitReached { .. })));
    drop(store);
    let after = files_below(dir.path());
    assert!(
        before
            .iter()
            .all(|(path, len)| after.get(path) == Some(len))
    );
    assert!(!verified(dir.path(), Level::Structure).has_errors());
}

#[test]
fn files_of_a_state_that_the_log_never_had_are_refused() {
    for layout in [Layout::PerTable, Layout::Append] {
        for lsn in [1, 1 << 63, u64::MAX] {
            let dir = one_table(layout, vec![row(vec![Value::Null])]);
            let name = match layout {
                Layout::Append => "db_d/t.dat",
                _ => "db_d/t.db",
            };
            let path = dir.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[36..44].copy_from_slice(&u64::to_le_bytes(lsn));
            let crc = crc(&[&bytes[..44]]).to_le_bytes();
            bytes[44..48].copy_from_slice(&crc);
            fs::write(path, bytes).unwrap();
            both_say(dir.path(), Level::Checksums, Code::WrongPlace);
        }
    }
    let dir = one_table(Layout::PerTable, vec![row(vec![Value::Null])]);
    let path = dir.path().join("db_d/t.table");
    let mut copy = fs::read(&path).unwrap()[..4096].to_vec();
    let at = copy.windows(14).position(|w| w == br#""checkpoint":0"#);
    copy[at.unwrap() + 13] = b'7';
    let end = 44 + usize::try_from(u64_at(&copy, 36)).unwrap();
    let crc = crc(&[&copy[..end]]).to_le_bytes();
    copy[end..end + 4].copy_from_slice(&crc);
    fs::write(path, [&copy[..], &copy].concat()).unwrap();
    both_say(dir.path(), Level::Checksums, Code::WrongPlace);
}

#[test]
fn slots_of_two_directories_are_found() {
    let dir = directory();
    let path = dir.path().join("control");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 + 12] ^= 1;
    let crc = crc(&[&bytes[4096..8188]]).to_le_bytes();
    bytes[8188..].copy_from_slice(&crc);
    fs::write(&path, bytes).unwrap();
    let report = verified(dir.path(), Level::Checksums);
    assert_eq!(report.findings().len(), 1);
    assert!(report.has(Code::WrongPlace));
}

/// A directory of one table whose only block holds these bytes as `rows` rows.
fn with_block(payload: &[u8], rows: u32, first_row: u64) -> (TempDir, PathBuf) {
    let catalog = catalog(vec![database("d", vec![table("t", 1)])]);
    let one = row(vec![Value::Null]);
    let dir = write(&catalog, &Rows(vec![vec![vec![one]]]));
    let path = dir.path().join("db_d/t.db");
    let bytes = fs::read(&path).unwrap();
    let mut forged = bytes[..48].to_vec();
    forged.extend(b"RBLK");
    forged.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    forged.extend(rows.to_le_bytes());
    forged.extend(first_row.to_le_bytes());
    let block = crc(&[&seed(0, 0, 48), &forged[48..], payload]).to_le_bytes();
    forged.extend(block);
    forged.extend(payload);
    let at = forged.len();
    forged.extend(&bytes[bytes.len() - 48..]);
    forged[at + 40..at + 44].copy_from_slice(&crc(&[&block]).to_le_bytes());
    let trailer = crc(&[&seed(0, 0, at), &forged[at..at + 44]]).to_le_bytes();
    forged[at + 44..].copy_from_slice(&trailer);
    fs::write(&path, forged).unwrap();
    (dir, path)
}

#[test]
fn the_forger_makes_a_valid_file() {
    let (dir, _) = with_block(b"\x00\x01\x01\x00", 1, 0);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn blocks_that_no_writer_produces_are_refused() {
    let wide = [b"\x00\x01\x01\x05\xf0\xff\x03".to_vec(), vec![b'x'; 65_520]].concat();
    let two = [&wide[..], b"\x00\x01\x01\x00"].concat();
    // As wide as a block of several rows may be, which no writer makes use of; the
    // catalog knows of one row.
    let widest = [b"\x00\x01\x01\x05\xdd\xff\x03".to_vec(), vec![b'x'; 65_501]].concat();
    let widest = [&widest[..], b"\x00\x01\x01\x00"].concat();
    assert_eq!(widest.len(), 65_512);
    let cases: [(&[u8], u32, u64, Code); 7] = [
        (b"\x00\x01\x01\x00", 0, 0, Code::BadLength),
        (b"\x00\x01\x01\x00", 2, 0, Code::BadLength),
        (b"\x00\x01\x01\x00", u32::MAX, 0, Code::BadLength),
        (b"\x00\x01\x01\x00", 1, 1, Code::WrongPlace),
        (&two, 2, 0, Code::BadLength),
        (&widest, 2, 0, Code::CountMismatch),
        (
            b"\x00\x01\x01\x00\x00\x01\x01\x00",
            2,
            0,
            Code::CountMismatch,
        ),
    ];
    for (payload, rows, first_row, code) in cases {
        let (dir, _) = with_block(payload, rows, first_row);
        both_say(dir.path(), Level::Checksums, code);
    }
}

#[test]
fn rows_that_no_writer_produces_are_structure_not_checksums() {
    let cases: [(&[u8], Code); 6] = [
        (b"\x04\x01\x01\x00", Code::UnsupportedVersion),
        (b"\x00\x01\x02\x00\x00", Code::BadArity),
        (b"\x00\x01\x01\x05\x01\xff", Code::BadUtf8),
        (b"\x00\x01\x01\x05\x02x", Code::BadLength),
        (b"\x00\x01\x01\x00\x00", Code::TrailingBytes),
        (b"\x01\x01\x09\x01\x00", Code::CountMismatch),
    ];
    for (payload, code) in cases {
        let (dir, _) = with_block(payload, 1, 0);
        assert_eq!(verified(dir.path(), Level::Checksums).findings(), []);
        both_say(dir.path(), Level::Structure, code);
    }
}
