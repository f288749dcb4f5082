//! Whole directories, read by the tool and by the oracle: the committed
//! fixtures, and real ones when `RUSTDB_CORPUS` names a directory of them.

use crate::support;
use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::legacy::LegacyDir;
use serde_json::Value as Json;

use crate::support::agreement;

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    data_directories(&root)
}

/// Directories called `data` below `root`, in name order.
fn data_directories(root: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name();
    let entries = walk.into_iter().map(Result::unwrap);
    let data = entries.filter(|e| e.file_type().is_dir() && e.file_name() == "data");
    data.map(walkdir::DirEntry::into_path).collect()
}

fn beside(data: &Path, name: &str) -> Json {
    let bytes = fs::read(data.with_file_name(name)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn tool_and_oracle_read_every_fixture_alike() {
    let (mut rows, mut records, mut unreadable) = (0, 0, Vec::new());
    for data in fixtures() {
        let compared = agreement::directory(&data);
        let truth = beside(&data, "truth.json");
        assert_eq!(
            compared.decided,
            truth["family"].is_string(),
            "{}",
            data.display()
        );
        if let Some(family) = truth["family"].as_str() {
            assert_eq!(compared.family.name(), family, "{}", data.display());
        }
        rows += compared.rows;
        records += compared.records;
        if !compared.snapshot {
            let name = data.parent().unwrap().file_name().unwrap();
            unreadable.push(name.to_str().unwrap().to_string());
        }
    }
    assert_eq!(
        unreadable,
        ["trailing_bytes", "truncated_snapshot", "wal_only"]
    );
    assert_eq!((rows, records), (400, 458));
}

#[test]
fn every_fixtures_log_stands_as_its_truth_says() {
    for data in fixtures() {
        let read = LegacyDir::read(&data, None).unwrap();
        let truth = beside(&data, "truth.json");
        let verdict = read.wal.verdict().as_str();
        assert_eq!(truth["wal"]["verdict"], verdict, "{}", data.display());
        assert_eq!(
            truth["wal"]["records"],
            read.wal.records.len(),
            "{}",
            data.display()
        );
    }
}

#[test]
fn every_record_of_the_truths_tail_is_in_the_log() {
    let mut seen = 0;
    for data in fixtures() {
        let read = LegacyDir::read(&data, None).unwrap();
        let truth = beside(&data, "truth.json");
        if truth["class"] == "damaged" {
            continue;
        }
        for list in ["tail", "no_effect"] {
            for sequence in truth[list].as_object().unwrap().keys() {
                let found = read
                    .wal
                    .records
                    .iter()
                    .any(|r| r.sequence.to_string() == *sequence);
                assert!(found, "{}: {sequence}", data.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn tool_and_oracle_read_every_real_directory_alike() {
    let Some(corpus) = std::env::var_os("RUSTDB_CORPUS") else {
        support::skip::skip("RUSTDB_CORPUS names no directory of real data directories");
        return;
    };
    let (mut directories, mut rows, mut records, mut damaged) = (0, 0, 0, 0);
    for data in data_directories(Path::new(&corpus)) {
        let compared = agreement::directory(&data);
        let expected = beside(&data, "expected.json");
        // Without a table several families have the same bytes.
        if compared.decided {
            let family = compared.family.name();
            assert_eq!(expected["family"], family, "{}", data.display());
        }
        if !compared.snapshot {
            assert_eq!(expected["class"], "damaged", "{}", data.display());
            damaged += 1;
        }
        directories += 1;
        rows += compared.rows;
        records += compared.records;
    }
    assert!(directories > 0, "no data directory below RUSTDB_CORPUS");
    eprintln!("{directories} directories, {damaged} of them without a readable snapshot");
    eprintln!("{rows} rows and {records} records agree");
}
