//! Records and indexes in the wrong place, cut, and with right checksums and
//! a content that no writer produces.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rustdb_migrate::engine::{Layout, Level, Store};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::Value;
use tempfile::TempDir;

use crate::append::{entries_of, files_of, records_of};
use crate::bytes::{crc, page_crc, seed};
use crate::forged::{both_say, forge};
use crate::sample::{
    Rows, catalog, database, one_table, read_all, row, row_of_len, table, verified, write_as,
};

/// Three records: of two rows, of a wide one, of one.
fn directory() -> TempDir {
    let wide = row(vec![Value::Text("w".repeat(20_000))]);
    let rows = vec![row_of_len(200), row_of_len(300), wide, row_of_len(400)];
    one_table(Layout::Append, rows)
}

/// File offsets of the records.
const RECORDS: [usize; 3] = [48, 48 + 36 + 500, 48 + 36 + 500 + 36 + 20_007];

fn codes(dir: &Path, level: Level) -> Vec<Code> {
    let report = verified(dir, level);
    report.findings().iter().map(|f| f.code).collect()
}

/// Changes bytes of a record and gives it its checksum again.
fn patch(dir: &TempDir, record: usize, at: usize, with: &[u8]) {
    let path = dir.path().join("db_d/t.dat");
    let mut data = fs::read(&path).unwrap();
    let (offset, _, len) = records_of(&data)[record];
    let end = offset + 36 + len as usize;
    data[offset + at..offset + at + with.len()].copy_from_slice(with);
    let parts = [
        &seed(0, 0, offset),
        &data[offset..offset + 32],
        &data[offset + 36..end],
    ];
    let crc = crc(&parts).to_le_bytes();
    data[offset + 32..offset + 36].copy_from_slice(&crc);
    fs::write(path, data).unwrap();
}

/// Verification and reading find the same at the same place.
fn forged(level: Level, record: usize, at: usize, with: &[u8], code: Code, damage_at: usize) {
    let dir = directory();
    patch(&dir, record, at, with);
    both_say(dir.path(), level, code);
    let report = verified(dir.path(), level);
    let offset = (RECORDS[record] + damage_at) as u64;
    assert_eq!(report.findings()[0].offset, Some(offset));
    if level == Level::Structure {
        assert_eq!(codes(dir.path(), Level::Checksums), []);
    }
}

#[test]
fn the_forger_leaves_a_whole_directory() {
    let dir = directory();
    let records = records_of(&files_of(&dir).0);
    let offsets: Vec<_> = records.iter().map(|record| record.0).collect();
    assert_eq!(offsets, RECORDS);
    for record in 0..3 {
        patch(&dir, record, 0, b"RREC");
    }
    assert_eq!(codes(dir.path(), Level::Structure), []);
}

#[test]
fn records_that_no_writer_produces_are_refused() {
    let of = |number: u32| number.to_le_bytes();
    let level = Level::Checksums;
    forged(level, 0, 12, &[0], Code::UnsupportedVersion, 12);
    forged(level, 0, 12, &[3], Code::UnsupportedVersion, 12);
    forged(level, 0, 12, &[255], Code::UnsupportedVersion, 12);
    forged(level, 1, 0, b"RBLK", Code::BadMagic, 0);
    forged(level, 1, 4, &of(1 << 31), Code::BadLength, 4);
    forged(level, 1, 8, &of(0), Code::BadLength, 8);
    forged(level, 1, 8, &of(2), Code::BadLength, 8);
    forged(level, 1, 8, &of(u32::MAX), Code::BadLength, 8);
    forged(level, 2, 15, &[1], Code::OutOfRange, 13);
    forged(level, 2, 24, &[2], Code::WrongPlace, 24);
}

#[test]
fn ends_that_no_writer_produces_are_refused() {
    // The last record becomes one of ends: of a row that is not there.
    let level = Level::Structure;
    // Of a record that the log never had.
    forged(Level::Checksums, 0, 16, &[9], Code::WrongPlace, 0);
    forged(Level::Checksums, 2, 12, &[2], Code::BadLength, 8);
    let ends = |bytes: &[u8]| {
        let dir = directory();
        let path = dir.path().join("db_d/t.dat");
        let mut data = fs::read(&path).unwrap();
        data.truncate(RECORDS[2]);
        let len = u8::try_from(bytes.len()).unwrap();
        let mut head = [0; 32];
        head[..4].copy_from_slice(b"RREC");
        (head[4], head[8], head[12], head[24]) = (len, 1, 2, 3);
        let crc = crc(&[&seed(0, 0, RECORDS[2]), &head, bytes]);
        data.extend([&head[..], &crc.to_le_bytes(), bytes].concat());
        let len = data.len();
        fs::write(&path, data).unwrap();
        let counts = r#""rows":4,"live":4,"data_len":"#;
        let metadata = dir.path().join("db_d/t.table");
        forge(
            &metadata,
            &format!("{counts}{}", RECORDS[2] + 36 + 400),
            &format!(r#""rows":3,"live":2,"data_len":{len}"#),
        );
        forge(&metadata, r#""ends":0"#, r#""ends":1"#);
        dir
    };
    let dir = ends(&[1, 9]);
    assert_eq!(codes(dir.path(), level), [Code::DerivedDiffers]);
    let rows = Store::open(dir.path()).and_then(|store| read_all(&store));
    let ended = rows.unwrap()[0][0]
        .iter()
        .map(|row| row.xmax)
        .collect::<Vec<_>>();
    assert_eq!(ended, [None, Some(9), None]);
    for bytes in [&[3, 9][..], &[0x80, 0x00, 9], &[1, 9, 0], &[1]] {
        let dir = ends(bytes);
        assert_ne!(codes(dir.path(), level), []);
        let read = Store::open(dir.path()).and_then(|store| read_all(&store));
        assert!(matches!(read, Err(Error::Damage(_))), "{bytes:?}");
    }
}

#[test]
fn rows_that_no_writer_produces_are_structure_not_checksums() {
    let level = Level::Structure;
    forged(level, 0, 36, &[2], Code::UnsupportedVersion, 36);
    forged(level, 0, 38, &[2], Code::BadArity, 38);
    forged(level, 1, 100, &[0xff], Code::BadUtf8, 100);
    // A text one byte shorter than its row.
    forged(level, 2, 40, &[0x89], Code::TrailingBytes, 435);
    // A row more than there is.
    let dir = directory();
    patch(&dir, 2, 8, &[2]);
    assert!(codes(dir.path(), Level::Structure).contains(&Code::BadLength));
    assert!(
        Store::open(dir.path())
            .and_then(|store| read_all(&store))
            .is_err()
    );
}

#[test]
fn a_dead_row_where_the_catalog_has_a_live_one_is_found() {
    let dir = directory();
    // Flags with an xmax of 1; the value count moves up, the text loses a byte.
    let text = [&[1, 1, 1, 1, 5, 0x89, 0x03][..], &[b'x'; 393]].concat();
    patch(&dir, 2, 36, &text);
    let report = verified(dir.path(), Level::Structure);
    let found: Vec<_> = report.findings().iter().map(|f| f.code).collect();
    assert_eq!(found, [Code::CountMismatch, Code::DerivedDiffers]);
    assert_eq!(codes(dir.path(), Level::Checksums), []);
    let error = Store::open(dir.path())
        .and_then(|store| read_all(&store))
        .unwrap_err();
    assert!(error.to_string().contains("count-mismatch"), "{error}");
}

#[test]
fn data_cut_where_a_record_ends_are_found_by_their_length() {
    let dir = directory();
    let path = dir.path().join("db_d/t.dat");
    let data = fs::read(&path).unwrap();
    for end in RECORDS {
        fs::write(&path, &data[..end]).unwrap();
        assert_eq!(codes(dir.path(), Level::Checksums), [Code::Truncated]);
        let error = Store::open(dir.path())
            .and_then(|store| read_all(&store))
            .unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
    }
}

#[test]
fn a_record_that_is_gone_or_of_another_place_is_found() {
    let dir = directory();
    let path = dir.path().join("db_d/t.dat");
    let data = fs::read(&path).unwrap();
    let [first, second, third] = RECORDS;
    let gone = [&data[..second], &data[third..]].concat();
    let swapped = [
        &data[..first],
        &data[second..third],
        &data[first..second],
        &data[third..],
    ];
    for (bytes, count) in [(gone, 1), (swapped.concat(), 2)] {
        fs::write(&path, bytes).unwrap();
        let codes = codes(dir.path(), Level::Checksums);
        let mismatches = codes.iter().filter(|c| **c == Code::ChecksumMismatch);
        assert_eq!(mismatches.count(), count, "{codes:?}");
        assert!(
            Store::open(dir.path())
                .and_then(|store| read_all(&store))
                .is_err()
        );
    }
}

#[test]
fn files_swapped_between_tables_are_found() {
    let rows = |from: i64| vec![row(vec![Value::Integer(from)])];
    let tables = vec![table("a", 1), table("b", 1)];
    let catalog = catalog(vec![database("d", tables)]);
    let dir = write_as(
        Layout::Append,
        &catalog,
        &Rows(vec![vec![rows(1), rows(2)]]),
    );
    for suffix in ["dat", "index"] {
        let file = |name: &str| dir.path().join(format!("db_d/{name}.{suffix}"));
        let (a, b) = (fs::read(file("a")).unwrap(), fs::read(file("b")).unwrap());
        fs::write(file("a"), b).unwrap();
        fs::write(file("b"), a).unwrap();
    }
    let codes = codes(dir.path(), Level::Checksums);
    // Header and record, and two pages of the index; of each.
    assert_eq!(codes.len(), 8);
    let headers = codes.iter().filter(|c| **c == Code::WrongPlace);
    assert_eq!(headers.count(), 6);
}

/// Changes an index, gives its pages their checksums again, and says what is
/// found; every row is read all the same.
fn with_index(change: impl FnOnce(&mut Vec<u8>)) -> Vec<(Code, Option<u64>)> {
    let dir = directory();
    let (data, mut index) = files_of(&dir);
    assert_eq!(entries_of(&index, data.len()).len(), 4);
    change(&mut index);
    for (number, page) in index.chunks_mut(8192).enumerate() {
        let crc = page_crc(&seed(0, 0, 1 << 32 | number), page).to_le_bytes();
        page[12..16].copy_from_slice(&crc);
    }
    fs::write(dir.path().join("db_d/t.index"), index).unwrap();
    let rows = Store::open(dir.path()).and_then(|store| read_all(&store));
    assert_eq!(rows.unwrap()[0][0].len(), 4);
    let report = verified(dir.path(), Level::Structure);
    let findings = report.findings().iter();
    findings
        .map(|finding| (finding.code, finding.offset))
        .collect()
}

#[test]
fn indexes_that_no_writer_produces_are_found_and_stop_no_reader() {
    /// Of an entry, 15 bytes of its key and 4 of its value.
    const LEN: usize = 15 + 4;
    /// Offset of an entry of the only leaf.
    const fn entry(at: usize) -> usize {
        8192 + 72 + LEN * at
    }
    let lens = |index: &mut Vec<u8>| assert_eq!(index[8192 + 68..8192 + 72], [0, 15, 4, 0]);
    assert_eq!(with_index(lens), []);
    let differs = [(Code::DerivedDiffers, Some(0))];
    // To another row, to another record, beyond the end.
    assert_eq!(with_index(|index| index[entry(0) + 15] ^= 1), differs);
    assert_eq!(with_index(|index| index[entry(0) + 17] ^= 1), differs);
    assert_eq!(with_index(|index| index[entry(0) + 18] ^= 0x80), differs);
    // Another key.
    assert_eq!(with_index(|index| index[entry(3)] ^= 1), differs);
    // Other bytes in common: of the keys, and of the values.
    assert_eq!(with_index(|index| index[8192 + 59] ^= 1), differs);
    assert_eq!(with_index(|index| index[8192 + 67] ^= 0x80), differs);
    // Bytes in common that each entry has itself, and lengths of no entry.
    let found = with_index(|index| index[8192 + 44] = 1);
    assert_eq!(found, [(Code::BadPage, Some(8192 + 44))]);
    let found = with_index(|index| index[8192 + 68] = 2);
    assert_eq!(found, [(Code::OutOfRange, Some(8192 + 68))]);
    // An entry less.
    let less = |index: &mut Vec<u8>| {
        index[8192 + 40] -= u8::try_from(LEN).unwrap();
        index[entry(3)..entry(4)].fill(0);
    };
    assert_eq!(with_index(less), [(Code::CountMismatch, Some(0))]);
    let less_in_all = |index: &mut Vec<u8>| {
        less(index);
        index[60] = 3;
    };
    assert_eq!(with_index(less_in_all), differs);
    let more = with_index(|index| index[60] = 5);
    assert_eq!(more, [(Code::CountMismatch, Some(0))]);
    // Not in order.
    let swapped = |index: &mut Vec<u8>| index[entry(0)..entry(2)].rotate_left(LEN);
    assert_eq!(with_index(swapped), [(Code::BadPage, Some(8192))]);
    // Of other data.
    assert_eq!(with_index(|index| index[68] ^= 1), differs);
    // Bounds and zeros.
    let found = with_index(|index| index[8192 + 40] -= 1);
    assert_eq!(found, [(Code::BadPage, Some(8192 + 40))]);
    let found = with_index(|index| index[8192 + 43] -= 1);
    assert_eq!(found, [(Code::BadPage, Some(8192 + 40))]);
    let found = with_index(|index| index[8192 + 4000] = 1);
    assert_eq!(found, [(Code::BadPage, Some(8192 + 4000))]);
    let found = with_index(|index| index[56] = 1);
    assert_eq!(found, [(Code::BadPage, Some(56))]);
}

#[test]
fn missing_damaged_and_extra_indexes_stop_no_reader() {
    let dir = directory();
    let path = dir.path().join("db_d/t.index");
    let index = fs::read(&path).unwrap();
    fs::write(&path, &index[..100]).unwrap();
    assert_eq!(codes(dir.path(), Level::Checksums), [Code::Truncated]);
    fs::remove_file(&path).unwrap();
    assert_eq!(codes(dir.path(), Level::Checksums), [Code::MissingFile]);
    let rows = Store::open(dir.path()).and_then(|store| read_all(&store));
    assert_eq!(rows.unwrap()[0][0].len(), 4);
    let catalog = catalog(vec![database("d", vec![table("t", 0)])]);
    let dir = write_as(Layout::Append, &catalog, &Rows(vec![vec![vec![]]]));
    fs::write(dir.path().join("db_d/t.index"), index).unwrap();
    assert_eq!(codes(dir.path(), Level::Checksums), [Code::ExtraFile]);
}

#[test]
fn missing_data_is_an_error() {
    let dir = directory();
    fs::remove_file(dir.path().join("db_d/t.dat")).unwrap();
    assert_eq!(codes(dir.path(), Level::Structure), [Code::MissingFile]);
    let read = Store::open(dir.path()).and_then(|store| read_all(&store));
    assert!(matches!(read, Err(Error::Damage(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever stands under right checksums is read or refused; what
    /// verification calls whole can be read.
    #[test]
    fn any_bytes_with_right_checksums_are_read_or_refused(
        record in 0..3usize,
        at in prop_oneof![4..32usize, 36..60usize],
        with in any::<[u8; 2]>(),
    ) {
        let dir = directory();
        patch(&dir, record, at, &with);
        let whole = verified(dir.path(), Level::Structure).findings().is_empty();
        let read = Store::open(dir.path()).and_then(|store| read_all(&store));
        prop_assert!(read.is_ok() || !whole);
    }
}
