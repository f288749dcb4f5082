//! Pages with right checksums that no writer produces.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use rustdb_migrate::engine::{Level, Store};
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::Value;
use tempfile::TempDir;

use crate::bytes::{crc, page_crc, seed};
use crate::forged::both_say;
use crate::sample::{one_table, paged, read_all, row, row_of_len, verified};

/// One heap page with rows of 200 and 300 bytes and the heads of two rows of
/// 20007, whose overflow pages are 1 and 2, 3 and 4. Line pointers lead to 7992,
/// 7692, 3909 and 126.
pub fn directory() -> TempDir {
    let wide = row(vec![Value::Text("w".repeat(20_000))]);
    let rows = vec![row_of_len(200), row_of_len(300), wide.clone(), wide];
    one_table(paged(2), rows)
}

fn file_of(dir: &TempDir, page: usize) -> (PathBuf, usize) {
    let first = page / 2 * 2;
    let path = dir.path().join(format!("db_d/t/page_{first:04}.dat"));
    (path, (page - first) * 8192)
}

/// Changes bytes of a page and gives it its checksum again.
fn patch(dir: &TempDir, page: usize, changes: &[(usize, &[u8])]) {
    let (path, start) = file_of(dir, page);
    let mut bytes = fs::read(&path).unwrap();
    let of_page = &mut bytes[start..start + 8192];
    for (at, with) in changes {
        of_page[*at..at + with.len()].copy_from_slice(with);
    }
    let crc = page_crc(&seed(0, 0, page), of_page);
    of_page[12..16].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

pub fn codes(dir: &Path, level: Level) -> Vec<Code> {
    let report = verified(dir, level);
    report.findings().iter().map(|f| f.code).collect()
}

/// Verification and reading find the same at the same place.
fn forged(changes: &[(usize, usize, &[u8])], code: Code, (page, at): (usize, usize)) {
    let dir = directory();
    for (page, offset, with) in changes {
        patch(&dir, *page, &[(*offset, with)]);
    }
    both_say(dir.path(), Level::Structure, code);
    let report = verified(dir.path(), Level::Structure);
    let (path, start) = file_of(&dir, page);
    assert_eq!(report.findings()[0].file.as_ref(), Some(&path));
    assert_eq!(report.findings()[0].offset, Some((start + at) as u64));
    let of_checksums = codes(dir.path(), Level::Checksums);
    // Of what is not known, checksums alone show the version.
    let of_header = match code {
        Code::UnsupportedVersion => at == 8,
        code => [Code::BadMagic, Code::WrongPlace].contains(&code),
    };
    let expected = of_header.then_some(code);
    assert_eq!(of_checksums, Vec::from_iter(expected));
}

#[test]
fn the_forger_leaves_a_whole_directory() {
    let dir = directory();
    for page in 0..5 {
        patch(&dir, page, &[]);
    }
    assert_eq!(codes(dir.path(), Level::Structure), []);
}

#[test]
fn headers_that_no_writer_produces_are_refused() {
    forged(&[(0, 0, b"X")], Code::BadMagic, (0, 0));
    forged(&[(0, 0, b"RDBXINDX")], Code::BadMagic, (0, 0));
    forged(&[(0, 8, &[2])], Code::UnsupportedVersion, (0, 8));
    forged(&[(0, 36, &[0])], Code::UnsupportedVersion, (0, 36));
    forged(&[(0, 36, &[3])], Code::UnsupportedVersion, (0, 36));
    forged(&[(0, 37, &[1])], Code::UnsupportedVersion, (0, 36));
    forged(&[(0, 39, &[0x80])], Code::UnsupportedVersion, (0, 38));
    forged(&[(0, 24, &[1])], Code::WrongPlace, (0, 24));
    forged(&[(0, 28, &[1])], Code::WrongPlace, (0, 24));
    forged(&[(3, 32, &[4])], Code::WrongPlace, (3, 24));
    // Of a state that this directory never had.
    forged(&[(3, 16, &[1])], Code::WrongPlace, (3, 16));
    forged(&[(0, 23, &[0x80])], Code::WrongPlace, (0, 16));
}

#[test]
fn bounds_that_no_writer_produces_are_refused() {
    let of = |position: u16| position.to_le_bytes();
    forged(&[(0, 40, &of(127))], Code::BadPage, (0, 40));
    forged(&[(0, 40, &of(40))], Code::BadPage, (0, 40));
    forged(&[(0, 40, &of(62))], Code::BadPage, (0, 40));
    forged(&[(0, 42, &of(8193))], Code::BadPage, (0, 40));
    forged(&[(0, 42, &of(124))], Code::BadPage, (0, 42));
    forged(&[(0, 40, &of(56))], Code::BadPage, (0, 56));
    forged(&[(0, 100, &[1])], Code::BadPage, (0, 100));
}

#[test]
fn line_pointers_that_no_writer_produces_are_refused() {
    let to = |offset: u16, state: u16, len: u16| {
        let [a, b] = offset.to_le_bytes();
        let [c, d] = (state << 13 | len).to_le_bytes();
        [a, b, c, d]
    };
    // Overlaps the tuple before; stands in free space; ends outside.
    forged(&[(0, 48, &to(7693, 1, 300))], Code::BadPage, (0, 48));
    forged(&[(0, 48, &to(7992, 1, 200))], Code::BadPage, (0, 48));
    forged(&[(0, 48, &to(125, 1, 300))], Code::BadPage, (0, 48));
    forged(&[(0, 44, &to(7992, 1, 201))], Code::BadPage, (0, 44));
    forged(&[(0, 44, &to(65535, 1, 200))], Code::BadPage, (0, 44));
    forged(&[(0, 44, &to(8190, 1, 2))], Code::BadPage, (0, 44));
    // A place of another length, and states that stand for nothing.
    forged(&[(0, 44, &to(7992, 3, 200))], Code::BadPage, (0, 44));
    for state in 6..8 {
        forged(
            &[(0, 44, &to(7992, state, 200))],
            Code::UnsupportedVersion,
            (0, 44),
        );
    }
    forged(&[(0, 44, &to(7992, 0, 200))], Code::BadPage, (0, 44));
    // Unused, but its tuple is still there; shorter than its tuple.
    forged(&[(0, 44, &[0; 4])], Code::BadPage, (0, 7993));
    forged(&[(0, 44, &to(7992, 1, 199))], Code::BadPage, (0, 8191));
}

#[test]
fn rows_that_no_writer_produces_are_found() {
    forged(&[(0, 7992, &[2])], Code::UnsupportedVersion, (0, 7992));
    forged(&[(0, 7994, &[2])], Code::BadArity, (0, 7994));
    forged(&[(0, 7998, &[0xff])], Code::BadUtf8, (0, 7998));
    forged(&[(0, 7996, &[0xc1])], Code::TrailingBytes, (0, 8191));
    forged(&[(0, 7996, &[0xc3])], Code::BadLength, (0, 7992));
    // In a wide row: at its head, wherever the byte stands.
    forged(&[(2, 100, &[0xff])], Code::BadUtf8, (0, 3909));
}

#[test]
fn heads_that_no_writer_produces_are_refused() {
    let of = |number: u32| number.to_le_bytes();
    let head = 3909;
    for row_len in [0, 3775, (1 << 30) + 1, u32::MAX] {
        forged(&[(0, head, &of(row_len))], Code::BadLength, (0, head));
    }
    forged(&[(0, head, &of(20_008))], Code::BrokenChain, (1, 60));
    for first in [0, 5, 6, 99, u32::MAX] {
        forged(
            &[(0, head + 4, &of(first))],
            Code::BrokenChain,
            (0, head + 4),
        );
    }
    // The chain of the other row; its own from the second page on.
    forged(&[(0, head + 4, &of(3))], Code::BrokenChain, (3, 44));
    forged(&[(0, head + 4, &of(2))], Code::BrokenChain, (2, 52));
}

#[test]
fn chains_that_no_writer_produces_are_refused() {
    let of = |number: u32| number.to_le_bytes();
    // In a circle, shared, cut, and beyond its end.
    forged(&[(1, 56, &of(1))], Code::BrokenChain, (1, 52));
    forged(&[(1, 56, &of(4))], Code::BrokenChain, (4, 44));
    forged(&[(1, 56, &of(u32::MAX))], Code::BrokenChain, (1, 56));
    forged(&[(2, 56, &of(1))], Code::BrokenChain, (2, 56));
    forged(&[(1, 56, &of(0))], Code::BrokenChain, (0, 3913));
    // Another owner, position or length.
    forged(&[(1, 44, &[1])], Code::BrokenChain, (1, 44));
    forged(&[(1, 48, &[3])], Code::BrokenChain, (1, 44));
    forged(&[(1, 52, &[1])], Code::BrokenChain, (1, 52));
    forged(&[(1, 60, &[0])], Code::BrokenChain, (1, 60));
    // A byte less than a whole part.
    forged(&[(1, 42, &[77]), (1, 76, &[0])], Code::BrokenChain, (1, 42));
}

#[test]
fn overflow_pages_that_no_writer_produces_are_refused() {
    forged(&[(2, 40, &[72])], Code::BadPage, (2, 40));
    forged(&[(2, 50, &[1])], Code::BadPage, (2, 50));
    forged(&[(2, 75, &[1])], Code::BadPage, (2, 75));
    // As a heap page it is nothing either.
    let dir = directory();
    patch(&dir, 2, &[(36, &[1])]);
    let expected = [Code::BrokenChain, Code::BadPage];
    assert_eq!(codes(dir.path(), Level::Structure), expected);
}

#[test]
fn overflow_pages_that_no_row_leads_to_are_found() {
    let dir = directory();
    // The last row, its line pointer and its tuple.
    let tuple = vec![0; 3909 - 126];
    let upper = 3909u16.to_le_bytes();
    patch(
        &dir,
        0,
        &[(56, &[0; 4]), (40, &[56]), (42, &upper), (126, &tuple)],
    );
    let report = verified(dir.path(), Level::Structure);
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|f| (f.code, f.offset))
        .collect();
    let expected = [
        (Code::DerivedDiffers, Some(48)),
        (Code::OrphanPage, Some(8192)),
        (Code::OrphanPage, Some(0)),
        (Code::CountMismatch, Some(0)),
    ];
    assert_eq!(found, expected);
    assert_eq!(codes(dir.path(), Level::Checksums), []);
    let error = Store::open(dir.path())
        .and_then(|store| read_all(&store))
        .unwrap_err();
    assert!(error.to_string().contains("count-mismatch"), "{error}");
}

#[test]
fn a_map_that_differs_from_its_pages_is_found_and_stops_no_reader() {
    let dir = directory();
    let path = dir.path().join("db_d/t/free_space.map");
    let mut map = fs::read(&path).unwrap();
    assert_eq!(map.len(), 48 + 5 + 4);
    assert_eq!(map[48..53], [2, 0, 0, 0, 0]);
    map[50..52].copy_from_slice(&[1, 2]);
    let crc = crc(&[&seed(0, 0, 48), &map[48..53]]).to_le_bytes();
    map[53..].copy_from_slice(&crc);
    fs::write(&path, &map).unwrap();
    let report = verified(dir.path(), Level::Structure);
    assert_eq!(report.findings().len(), 1);
    assert_eq!(report.findings()[0].code, Code::DerivedDiffers);
    assert_eq!(report.findings()[0].offset, Some(50));
    assert_eq!(codes(dir.path(), Level::Checksums), []);
    Store::open(dir.path())
        .and_then(|store| read_all(&store))
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever stands under right checksums is read or refused; what
    /// verification calls whole can be read.
    #[test]
    fn any_bytes_with_right_checksums_are_read_or_refused(
        changes in vec((0..5usize, at_a_field(), any::<[u8; 2]>()), 1..4)
    ) {
        let dir = directory();
        for (page, at, with) in changes {
            patch(&dir, page, &[(at, &with)]);
        }
        let whole = verified(dir.path(), Level::Structure).findings().is_empty();
        let read = Store::open(dir.path()).and_then(|store| read_all(&store));
        prop_assert!(read.is_ok() || !whole);
    }
}

/// Offsets of headers, line pointers, heads and rows; few of the bytes between.
fn at_a_field() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..82usize,
        120..142usize,
        3905..3925usize,
        7690..7700usize,
        0..8190usize
    ]
}
