//! Directories that were changed and killed, read by a program that was written
//! from the format page alone: it finds the same content, and the same damage.

use std::fs;
use std::path::Path;

use rustdb_migrate::commands::content::hash_content;
use rustdb_migrate::engine::{Layout, Level, Store, StoreOptions, verify_on};
use rustdb_migrate::finding::Severity;
use rustdb_migrate::report::Report;
use rustdb_migrate::work::Threads;
use tempfile::TempDir;

use crate::peer;
use crate::random::Random;
use crate::sim_disk::SimDisk;
use crate::workload::{Run, root};

/// Stores of each layout, and changes of each.
const STORES: u64 = 12;
const CHANGES: u64 = 120;
/// Changed bytes of each.
const FLIPS: u64 = 6;

/// A store that was killed in the middle of its work.
fn killed(layout: Layout, seed: u64) -> SimDisk {
    let disk = SimDisk::new(root());
    let mut run = Run::create(&disk, layout, seed, |random| {
        let mut options = StoreOptions::default();
        options.checkpoint_every = 1 + random.below(60);
        options
    });
    for _ in 0..run.random.below(CHANGES) {
        run.change().unwrap();
    }
    let Run {
        store, mut random, ..
    } = run;
    match (random.below(3), store) {
        (0, Some(store)) => store.close().unwrap(),
        (_, store) => {
            std::mem::forget(store);
            disk.crash(&mut random);
        }
    }
    disk.heal();
    disk
}

/// The files of a disk, where another program can read them.
fn copied(disk: &SimDisk) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in disk.files() {
        let to = dir.path().join(path.strip_prefix(root()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, &bytes[..]).unwrap();
    }
    dir
}

/// What verification finds, but for what no row is lost with.
fn is_damaged(disk: &SimDisk) -> bool {
    let mut report = Report::new();
    verify_on(&disk.shared(), root(), Level::Structure, &mut report).unwrap();
    report
        .findings()
        .iter()
        .any(|finding| finding.severity == Severity::Error)
}

/// Files that no row is read from: derived ones, and what a crash left.
fn is_derived(path: &Path) -> bool {
    let left = path.starts_with(root().join("compact"));
    let suffix = path.extension();
    left || suffix.is_some_and(|suffix| suffix == "index" || suffix == "map" || suffix == "new")
}

#[test]
fn an_independent_reader_agrees_after_changes_and_kills() {
    if !peer::has_python() {
        return;
    }
    for layout in [Layout::Paged, Layout::Append, Layout::PerTable] {
        for seed in 1..=STORES {
            let disk = killed(layout, seed);
            let mut dirs = vec![copied(&disk)];
            let store = Store::open_on(&disk.shared(), root()).unwrap();
            let expected = hash_content(store.catalog(), &store, Threads::ONE).unwrap();
            drop(store);
            let mut random = Random(seed);
            let files: Vec<_> = disk.files().into_iter().collect();
            let mut damaged = Vec::new();
            for _ in 0..FLIPS {
                let (path, bytes) = &files[random.below(files.len() as u64) as usize];
                if bytes.is_empty() || is_derived(path) {
                    continue;
                }
                let at = random.below(bytes.len() as u64) as usize;
                disk.patch(path, at, bytes[at] ^ 0x10);
                damaged.push((path, at, is_damaged(&disk)));
                dirs.push(copied(&disk));
                disk.patch(path, at, bytes[at]);
            }
            let read = peer::read(dirs.iter().map(TempDir::path));
            let what = format!("{layout}, seed {seed}");
            assert_eq!(
                read[0]["hash"],
                expected.hash.to_string(),
                "{what}: {}",
                read[0]["problems"]
            );
            assert_eq!(
                read[0]["versions_hash"],
                expected.versions_hash.to_string(),
                "{what}"
            );
            let torn = |problem: &serde_json::Value| {
                problem
                    .as_str()
                    .unwrap()
                    .contains("behind the last whole record")
            };
            let problems = read[0]["problems"].as_array().unwrap();
            assert!(problems.iter().all(torn), "{what}: {problems:?}");
            for ((path, at, expected), read) in damaged.iter().zip(&read[1..]) {
                let problems = read["problems"].as_array().unwrap();
                let found = problems.iter().any(|problem| !torn(problem));
                assert_eq!(
                    found,
                    *expected,
                    "{what}: {} at {at}: {problems:?}",
                    path.display()
                );
            }
        }
    }
}
