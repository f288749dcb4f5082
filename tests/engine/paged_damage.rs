//! Pages and page files that are missing, cut, or in the wrong place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustdb_migrate::engine::{Level, Store, verify};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::Value;
use rustdb_migrate::report::Report;

use crate::bytes::{page_crc, seed};
use crate::paged_forged::{codes, directory};
use crate::sample::{
    Rows, catalog, database, one_table, paged, read_all, row, row_of_len, table, verified, write_as,
};

/// What is found after a change to the files, at the level of checksums.
fn after(change: impl FnOnce(&Path)) -> (Vec<Code>, Result<(), Error>, u64) {
    let dir = directory();
    change(&dir.path().join("db_d/t"));
    let codes = codes(dir.path(), Level::Checksums);
    let coverage = verify(dir.path(), Level::Checksums, &mut Report::new()).unwrap();
    let read = Store::open(dir.path()).and_then(|store| read_all(&store));
    (codes, read.map(|_| ()), coverage.unchecked())
}

#[test]
fn swapped_pages_are_found() {
    let (codes, read, unchecked) = after(|dir| {
        let path = dir.join("page_0002.dat");
        let mut bytes = fs::read(&path).unwrap();
        bytes.rotate_left(8192);
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(codes, [Code::WrongPlace, Code::WrongPlace]);
    assert_eq!(unchecked, 2 * 8192);
    assert!(matches!(read, Err(Error::Damage(damage)) if damage.code == Code::WrongPlace));
}

#[test]
fn a_page_of_another_table_is_found() {
    let rows = |text: &str| vec![row(vec![Value::Text(text.into())])];
    let tables = vec![table("a", 1), table("b", 1)];
    let catalog = catalog(vec![database("d", tables)]);
    let dir = write_as(paged(1), &catalog, &Rows(vec![vec![rows("a"), rows("b")]]));
    let page = |table: &str| dir.path().join(format!("db_d/{table}/page_0000.dat"));
    fs::copy(page("a"), page("b")).unwrap();
    let report = verified(dir.path(), Level::Checksums);
    let [finding] = report.findings() else {
        panic!("{:?}", report.findings());
    };
    assert_eq!(
        (finding.code, finding.table.as_deref()),
        (Code::WrongPlace, Some("b"))
    );
    let detail = finding.detail.as_deref().unwrap();
    let expected =
        "found page 0 of table 0 of database 0, expected page 0 of table 1 of database 0";
    assert_eq!(detail, expected);
}

#[test]
fn a_page_of_another_directory_is_found() {
    let (codes, _, unchecked) = after(|dir| {
        let path = dir.join("page_0004.dat");
        let mut page = fs::read(&path).unwrap();
        let mut seed = seed(0, 0, 4);
        seed[0] ^= 1;
        let crc = page_crc(&seed, &page);
        page[12..16].copy_from_slice(&crc.to_le_bytes());
        fs::write(path, page).unwrap();
    });
    assert_eq!((codes, unchecked), (vec![Code::ChecksumMismatch], 8192));
}

#[test]
fn missing_page_files_are_found() {
    for name in ["page_0000.dat", "page_0002.dat", "page_0004.dat"] {
        let (codes, read, _) = after(|dir| fs::remove_file(dir.join(name)).unwrap());
        assert_eq!(codes, [Code::MissingFile], "{name}");
        assert!(read.is_err());
    }
    let (codes, read, _) = after(|dir| fs::remove_file(dir.join("free_space.map")).unwrap());
    assert_eq!(codes, [Code::MissingFile]);
    assert!(read.is_ok());
    let (codes, read, _) = after(|dir| fs::remove_dir_all(dir).unwrap());
    assert_eq!(codes, [Code::MissingFile]);
    assert!(matches!(read, Err(Error::Damage(_))));
}

#[test]
fn extra_page_files_are_found() {
    // The next one in the row is read, and so is an error.
    let (codes, read, _) = after(|dir| {
        let last = fs::read(dir.join("page_0004.dat")).unwrap();
        fs::write(dir.join("page_0004.dat"), [&last[..], &last].concat()).unwrap();
        fs::write(dir.join("page_0006.dat"), last).unwrap();
    });
    let expected = [Code::WrongPlace, Code::WrongPlace, Code::CountMismatch];
    assert_eq!(codes, expected);
    assert!(read.is_err());
    for name in ["page_0008.dat", "page_0001.dat", "page_2.dat", "other"] {
        let (codes, read, _) = after(|dir| fs::write(dir.join(name), "x").unwrap());
        assert_eq!(codes, [Code::ExtraFile], "{name}");
        assert!(read.is_ok());
    }
}

#[test]
fn page_files_of_impossible_length_are_found() {
    let set_len = |name: &'static str, len: u64| {
        after(move |dir| {
            let file = fs::OpenOptions::new().write(true).open(dir.join(name));
            file.unwrap().set_len(len).unwrap();
        })
    };
    let cases = [
        // Odd, in the last file and before it; a page or all pages short.
        ("page_0004.dat", 8193, vec![Code::Truncated]),
        ("page_0000.dat", 16_383, vec![Code::Truncated]),
        ("page_0000.dat", 8192, vec![Code::Truncated]),
        ("page_0002.dat", 0, vec![Code::Truncated]),
        ("page_0004.dat", 0, vec![Code::Truncated]),
        // More than its pages.
        ("page_0000.dat", 16_385, vec![Code::TrailingBytes]),
        ("page_0000.dat", 24_576, vec![Code::TrailingBytes]),
    ];
    for (name, len, expected) in cases {
        let (mut codes, read, _) = set_len(name, len);
        codes.sort_by_key(|code| code.as_str());
        assert_eq!(codes, expected, "{name} {len}");
        assert!(read.is_err());
    }
}

#[test]
fn links_in_the_place_of_a_table_are_not_followed() {
    for name in ["", "page_0002.dat", "free_space.map"] {
        let elsewhere = tempfile::tempdir().unwrap();
        let (codes, read, _) = after(|dir| {
            let moved = elsewhere.path().join("moved");
            let path = if name.is_empty() {
                dir.to_owned()
            } else {
                dir.join(name)
            };
            fs::rename(&path, &moved).unwrap();
            symlink(&moved, &path).unwrap();
        });
        assert_eq!(codes, [Code::NotRegular], "{name}");
        assert_eq!(read.is_ok(), name == "free_space.map");
    }
}

#[test]
fn files_missing_in_a_row_are_one_finding() {
    let rows: Vec<_> = (0..9).map(|_| row_of_len(8000)).collect();
    let dir = one_table(paged(1), rows);
    for page in [2, 3, 4, 7, 8] {
        fs::remove_file(dir.path().join(format!("db_d/t/page_{page:04}.dat"))).unwrap();
    }
    let report = verified(dir.path(), Level::Structure);
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|f| (f.code, f.detail.as_deref()))
        .collect();
    let expected = [
        (Code::MissingFile, Some("3 files from here on")),
        (Code::MissingFile, Some("2 files from here on")),
    ];
    assert_eq!(found, expected);
    assert!(
        Store::open(dir.path())
            .and_then(|store| read_all(&store))
            .is_err()
    );
}

#[test]
fn a_link_that_leads_nowhere_is_no_missing_file() {
    let (codes, read, _) = after(|dir| {
        fs::remove_file(dir.join("page_0002.dat")).unwrap();
        symlink("nowhere", dir.join("page_0002.dat")).unwrap();
    });
    assert_eq!(codes, [Code::NotRegular]);
    assert!(read.is_err());
}
