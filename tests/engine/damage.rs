//! Every change to a directory is found.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rustdb_migrate::engine::{
    CreateOptions, Layout, Level, QUARANTINE_NAME, Store, seal_beside, verify,
};
use rustdb_migrate::error::Error;
use rustdb_migrate::file::LocalDisk;
use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::model::{Catalog, Row, Value};
use rustdb_migrate::report::Report;

use crate::bytes::blocks_of;
use crate::sample::{
    Rows, catalog, database, every_value, files_below, full, inserted, one_table, paged, read_all,
    row, table, verified, write, write_as,
};

fn codes(dir: &Path, level: Level) -> Vec<Code> {
    let report = verified(dir, level);
    report.findings().iter().map(|f| f.code).collect()
}

/// Reading gives what was written or an error, never anything else.
fn reads_right_or_not_at_all(dir: &Path, rows: &Rows) {
    match Store::open(dir).and_then(|store| read_all(&store)) {
        Ok(read) => assert_eq!(format!("{read:?}"), format!("{:?}", rows.0)),
        Err(Error::Io { source, .. }) => panic!("{source}"),
        Err(_) => {}
    }
}

/// Each file of a directory, and the directory. The control file, which is long
/// and says nothing of tables, has one without any.
fn each_file(
    options: CreateOptions,
    sample: fn() -> (Catalog, Rows),
) -> Vec<(tempfile::TempDir, Rows, PathBuf)> {
    let empty = || (Catalog::default(), Rows(vec![]));
    let (catalog, rows) = sample();
    let (mut files, names) = (Vec::new(), write_as(options, &catalog, &rows));
    for path in files_below(names.path()).into_keys() {
        let name = path.strip_prefix(names.path()).unwrap();
        let control = name == Path::new("control");
        let (catalog, rows) = if control { empty() } else { sample() };
        let dir = write_as(options, &catalog, &rows);
        let path = dir.path().join(name);
        files.push((dir, rows, path));
    }
    files
}

/// A row of each value type, dead ones, and one wider than a page.
fn small() -> (Catalog, Rows) {
    let values = every_value().into_iter().flat_map(|from| {
        let row = move |value| Row {
            values: vec![value],
            ..from
        };
        from.values.clone().into_iter().map(row)
    });
    let wide = row(vec![Value::Text("x".repeat(8_200))]);
    let rows = values.chain([wide]).collect();
    let catalog = catalog(vec![database("d", vec![table("t", 1)])]);
    (catalog, Rows(vec![vec![rows]]))
}

fn changed_bytes_are_found(
    options: impl Into<CreateOptions> + Copy,
    sample: fn() -> (Catalog, Rows),
    file_count: usize,
) {
    let files = each_file(options.into(), sample);
    assert_eq!(files.len(), file_count);
    for (dir, rows, path) in files {
        flip_every_byte(&dir, &rows, &path);
    }
}

#[test]
fn every_changed_byte_of_every_file_is_found() {
    changed_bytes_are_found(Layout::PerTable, full, 10);
}

#[test]
fn every_changed_byte_of_every_page_is_found() {
    changed_bytes_are_found(paged(1), small, 7);
}

#[test]
fn every_changed_byte_of_every_record_is_found() {
    changed_bytes_are_found(Layout::Append, small, 6);
}

fn flip_every_byte(dir: &tempfile::TempDir, rows: &Rows, path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for (offset, byte) in fs::read(path).unwrap().into_iter().enumerate() {
        // One bit, each in its turn, and all of them.
        for mask in [1 << (offset % 8), 0xff] {
            file.write_all_at(&[byte ^ mask], offset as u64).unwrap();
            let mut report = Report::new();
            verify(dir.path(), Level::Checksums, &mut report).unwrap();
            let what = format!("{} at {offset} by {mask:#x}", path.display());
            assert_ne!(report.findings(), [], "{what}");
            let place = report.findings()[0].file.as_deref();
            assert_eq!(place, Some(path), "{what}");
            if mask == 0xff {
                reads_right_or_not_at_all(dir.path(), rows);
            }
        }
        file.write_all_at(&[byte], offset as u64).unwrap();
    }
    assert_eq!(codes(dir.path(), Level::Checksums), []);
}

fn other_lengths_are_found(options: impl Into<CreateOptions>, sample: fn() -> (Catalog, Rows)) {
    for (dir, rows, path) in each_file(options.into(), sample) {
        let whole = fs::read(&path).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for len in (0..whole.len()).rev() {
            file.set_len(len as u64).unwrap();
            let mut report = Report::new();
            verify(dir.path(), Level::Checksums, &mut report).unwrap();
            assert_ne!(report.findings(), [], "{} to {len}", path.display());
            reads_right_or_not_at_all(dir.path(), &rows);
        }
        for more in [&[0u8][..], b"RBLK", &whole] {
            fs::write(&path, [&whole, more].concat()).unwrap();
            let report = verified(dir.path(), Level::Checksums);
            let findings = report.findings();
            // A crash may leave more than the catalog knows, and nothing reads
            // it.
            let left = findings.iter().all(|f| f.code == Code::CrashLeftover);
            let grows = path.extension().is_some_and(|suffix| suffix == "dat");
            // Derived files hold no rows.
            let derived = path
                .extension()
                .is_some_and(|suffix| suffix == "index" || suffix == "map");
            assert!(!findings.is_empty());
            assert_eq!(report.has_errors(), !(derived || (left && grows)));
            reads_right_or_not_at_all(dir.path(), &rows);
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(codes(dir.path(), Level::Checksums), []);
    }
}

#[test]
fn every_shorter_and_longer_file_is_found() {
    other_lengths_are_found(Layout::PerTable, full);
}

#[test]
fn every_shorter_and_longer_page_file_is_found() {
    other_lengths_are_found(paged(1), small);
}

#[test]
fn every_shorter_and_longer_append_file_is_found() {
    other_lengths_are_found(Layout::Append, small);
}

#[test]
fn one_bad_slot_is_reported_and_both_are_the_end() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    let path = dir.path().join("control");
    let whole = fs::read(&path).unwrap();
    for slot in [0, 4096] {
        let mut bytes = whole.clone();
        bytes[slot..slot + 4096].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert!(Store::is_one(dir.path()));
        assert!(Store::open(dir.path()).is_ok());
        let mut report = Report::new();
        let coverage = verify(dir.path(), Level::Checksums, &mut report).unwrap();
        assert_eq!(report.findings().len(), 1);
        assert_eq!(report.findings()[0].offset, Some(slot as u64));
        assert_eq!(report.worst(), Some(Severity::Error));
        assert_eq!(coverage.unchecked(), 4096);
    }
    fs::write(&path, vec![0; 8192]).unwrap();
    assert!(Store::is_one(dir.path()), "by its catalog");
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("bad-magic"), "{error}");
    let mut report = Report::new();
    let coverage = verify(dir.path(), Level::Checksums, &mut report).unwrap();
    assert_eq!(report.findings().len(), 2);
    assert_eq!((coverage.checked(), coverage.files.len()), (0, 10));
}

#[test]
fn slots_in_each_others_place_are_found() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    let path = dir.path().join("control");
    let mut bytes = fs::read(&path).unwrap();
    bytes.rotate_left(4096);
    fs::write(&path, &bytes).unwrap();
    let expected = [Code::WrongPlace, Code::WrongPlace];
    assert_eq!(codes(dir.path(), Level::Checksums), expected);
}

/// Two tables of equal shape and different rows, some blocks each.
fn twins() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let rows = |from: i64| {
        let rows = (from..from + 20_000).map(|n| row(vec![Value::Integer(n)]));
        rows.collect()
    };
    let tables = vec![table("a", 1), table("b", 1)];
    let catalog = catalog(vec![database("d", tables)]);
    let rows = Rows(vec![vec![rows(2_000_000), rows(3_000_000)]]);
    let dir = write(&catalog, &rows);
    let (a, b) = (dir.path().join("db_d/a.db"), dir.path().join("db_d/b.db"));
    (dir, a, b)
}

#[test]
fn files_swapped_between_tables_are_found() {
    let (dir, a, b) = twins();
    let (of_a, of_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    assert_eq!(of_a.len(), of_b.len());
    let blocks = blocks_of(&of_a, 0, 0).len();
    fs::write(&a, of_b).unwrap();
    fs::write(&b, of_a).unwrap();
    let codes = codes(dir.path(), Level::Checksums);
    // Header, blocks and trailer of each.
    assert_eq!(codes.len(), 2 * (1 + blocks + 1));
    assert_eq!(codes[0], Code::WrongPlace);
    assert!(
        codes[1..blocks + 2]
            .iter()
            .all(|c| *c == Code::ChecksumMismatch)
    );
}

#[test]
fn a_block_of_another_table_is_found() {
    let (dir, a, b) = twins();
    let (of_a, mut of_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    let (from, next) = match &blocks_of(&of_a, 0, 0)[..] {
        [_, second, third, ..] => (second.offset, third.offset),
        blocks => panic!("{} blocks", blocks.len()),
    };
    of_b[from..next].copy_from_slice(&of_a[from..next]);
    fs::write(&b, &of_b).unwrap();
    let mut report = Report::new();
    let coverage = verify(dir.path(), Level::Checksums, &mut report).unwrap();
    let [finding] = report.findings() else {
        panic!("{:?}", report.findings());
    };
    assert_eq!(finding.code, Code::ChecksumMismatch);
    assert_eq!(finding.offset, Some(from as u64 + 20));
    assert_eq!(finding.table.as_deref(), Some("b"));
    assert_eq!(coverage.unchecked(), (next - from) as u64);
}

/// Its head was on disk before the first record: no crash tears one and leaves the
/// other.
#[test]
fn a_damaged_head_before_records_is_no_torn_tail_and_costs_no_record() {
    for layout in [Layout::Paged, Layout::PerTable, Layout::Append] {
        let dir = one_table(layout, vec![row(vec![Value::Integer(1)])]);
        drop(inserted(dir.path(), 2));
        let wal = dir.path().join("wal");
        let segment = files_below(&wal).into_keys().next().unwrap();
        let whole = fs::read(&segment).unwrap();
        for at in 0..48 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&segment, bytes).unwrap();
            assert!(
                verified(dir.path(), Level::Structure).has_errors(),
                "{layout}"
            );
            let read = Store::open(dir.path());
            assert!(matches!(read, Err(Error::Damage(_))), "{layout}: byte {at}");
            let kept = Store::salvage_on(&LocalDisk::shared(), dir.path()).unwrap();
            assert!(kept.findings().has_errors(), "{layout}");
            let rows = vec![vec![vec![
                row(vec![Value::Integer(1)]),
                row(vec![Value::Integer(2)]),
            ]]];
            assert_eq!(read_all(&kept).unwrap(), rows, "{layout}: byte {at}");
        }
        fs::write(&segment, &whole[..47]).unwrap();
        assert_eq!(codes(dir.path(), Level::Structure), [Code::TornTail]);
    }
}

#[test]
fn blocks_in_another_order_are_found() {
    let (dir, a, _) = twins();
    let mut bytes = fs::read(&a).unwrap();
    let blocks = blocks_of(&bytes, 0, 0);
    let (first, second, third) = (blocks[0].offset, blocks[1].offset, blocks[2].offset);
    bytes[first..third].rotate_left(second - first);
    fs::write(&a, &bytes).unwrap();
    let expected = [Code::ChecksumMismatch, Code::ChecksumMismatch];
    assert_eq!(codes(dir.path(), Level::Checksums), expected);
}

#[test]
fn a_block_of_an_earlier_state_of_the_same_table_is_found() {
    let state = |value: i64| {
        let rows = (0..20_000).map(|n| row(vec![Value::Integer(2_000_000 + n + value)]));
        let catalog = catalog(vec![database("d", vec![table("a", 1)])]);
        write(&catalog, &Rows(vec![vec![rows.collect()]]))
    };
    let (old, new) = (state(0), state(1));
    let path = new.path().join("db_d/a.db");
    let old = fs::read(old.path().join("db_d/a.db")).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let block = &blocks_of(&bytes, 0, 0)[1];
    let range = block.offset..block.offset + 24 + block.payload_len as usize;
    bytes[range.clone()].copy_from_slice(&old[range]);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(codes(new.path(), Level::Checksums), [Code::WrongPlace]);
    let store = Store::open(new.path()).unwrap();
    let error = read_all(&store).unwrap_err();
    assert!(error.to_string().contains("wrong-place"), "{error}");
}

#[test]
fn damage_in_several_blocks_is_reported_in_full() {
    let (dir, a, _) = twins();
    let mut bytes = fs::read(&a).unwrap();
    let blocks = blocks_of(&bytes, 0, 0);
    for block in &blocks {
        bytes[block.offset + 30] ^= 1;
    }
    fs::write(&a, &bytes).unwrap();
    assert!(blocks.len() > 2, "{} blocks", blocks.len());
    assert_eq!(codes(dir.path(), Level::Structure).len(), blocks.len());
}

#[test]
fn a_block_whose_length_is_damaged_ends_the_walk() {
    let (dir, a, _) = twins();
    let mut bytes = fs::read(&a).unwrap();
    let second = blocks_of(&bytes, 0, 0)[1].offset;
    bytes[second + 7] = 0x7f;
    fs::write(&a, &bytes).unwrap();
    let mut report = Report::new();
    let coverage = verify(dir.path(), Level::Checksums, &mut report).unwrap();
    assert_eq!(report.findings().len(), 1);
    assert!(report.has(Code::BadLength));
    assert_eq!(coverage.unchecked(), (bytes.len() - 48 - second) as u64);
}

#[test]
fn missing_and_extra_files_are_found() {
    let (catalog, rows) = full();
    for (missing, unexplained) in [
        ("control", true),
        ("global.db", true),
        ("db_shop/metadata.db", true),
        ("db_shop/empty.db", false),
    ] {
        let dir = write(&catalog, &rows);
        fs::remove_file(dir.path().join(missing)).unwrap();
        let expected = [Code::MissingFile];
        assert_eq!(codes(dir.path(), Level::Checksums), expected, "{missing}");
        assert!(Store::is_one(dir.path()));
        let read = Store::open(dir.path()).and_then(|store| read_all(&store));
        assert!(matches!(read, Err(Error::Damage(_))), "{unexplained}");
    }
    let dir = write(&catalog, &rows);
    fs::remove_dir_all(dir.path().join("db_shop")).unwrap();
    fs::write(dir.path().join("db_%53hop/other.db"), "x").unwrap();
    fs::create_dir_all(dir.path().join("new/inner")).unwrap();
    fs::write(dir.path().join("new/inner/file"), "x").unwrap();
    fs::write(dir.path().join(QUARANTINE_NAME), "{}\n").unwrap();
    let extra = Code::ExtraFile;
    let expected = [Code::MissingFile, extra, extra, extra];
    assert_eq!(codes(dir.path(), Level::Checksums), expected);
}

#[test]
fn a_quarantine_is_checked_if_the_catalog_names_it_and_else_extra() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    fs::write(dir.path().join(QUARANTINE_NAME), "{}\n").unwrap();
    assert_eq!(codes(dir.path(), Level::Checksums), [Code::ExtraFile]);
    let coverage = verify(dir.path(), Level::Structure, &mut Report::new()).unwrap();
    assert_eq!((coverage.unchecked(), coverage.is_empty()), (3, false));
    assert_eq!(coverage.checked(), coverage.len() - 3);
    seal_beside(&LocalDisk, dir.path(), &[QUARANTINE_NAME]).unwrap();
    let mut report = Report::new();
    let coverage = verify(dir.path(), Level::Structure, &mut report).unwrap();
    assert_eq!((report.findings(), coverage.unchecked()), (&[][..], 0));
    fs::write(dir.path().join("db_shop").join(QUARANTINE_NAME), "").unwrap();
    assert_eq!(codes(dir.path(), Level::Checksums), [Code::ExtraFile]);
}

#[test]
fn links_and_directories_in_the_place_of_files_are_not_followed() {
    let (catalog, rows) = full();
    for name in [
        "control",
        "global.db",
        "db_shop",
        "db_shop/metadata.db",
        "db_shop/empty.db",
    ] {
        let dir = write(&catalog, &rows);
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().join("moved");
        fs::rename(dir.path().join(name), &moved).unwrap();
        symlink(&moved, dir.path().join(name)).unwrap();
        assert_eq!(
            codes(dir.path(), Level::Checksums),
            [Code::NotRegular],
            "{name}"
        );
        let read = Store::open(dir.path()).and_then(|store| read_all(&store));
        assert!(matches!(read, Err(Error::Damage(_))), "{name}");
        fs::remove_file(dir.path().join(name)).unwrap();
        fs::create_dir(dir.path().join(name)).unwrap();
        // An empty directory of a database lacks its catalog.
        let found = codes(dir.path(), Level::Checksums);
        let expected = if name == "db_shop" {
            Code::MissingFile
        } else {
            Code::NotRegular
        };
        assert_eq!(found, [expected], "{name}");
    }
}
