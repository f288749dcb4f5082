//! `compact`: visible rows stay, dead versions go, a second run changes
//! nothing, and whoever has no right to write is refused.

use std::path::Path;

use crate::support::run::{data, inspect, migrate, tree};
use rustdb_migrate::engine::{Durability, LiveStore, StoreOptions};
use rustdb_migrate::model::ValueRef;
use tempfile::TempDir;

const LAYOUTS: [&str; 3] = ["paged", "per-table", "append"];

/// A copy of a fixture in some layout.
fn upgraded(layout: &str) -> (TempDir, String) {
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("new").to_str().unwrap().to_owned();
    let source = data("torn_tail");
    migrate(["upgrade", &source, &target, "--to", layout]).exits(0);
    (scratch, target)
}

fn dump(dir: &str, more: &[&str]) -> String {
    let args = ["dump", dir, "--format", "jsonl", "--typed"];
    let said = inspect(args.into_iter().chain(more.iter().copied()));
    said.exits(0).stdout
}

#[test]
fn visible_rows_stay_dead_versions_go_and_again_nothing_changes() {
    for layout in LAYOUTS {
        let (_scratch, dir) = upgraded(layout);
        let before = dump(&dir, &[]);
        let versions = dump(&dir, &["--include-dead"]).lines().count();
        let report = migrate(["compact", &dir, "--format", "json"])
            .exits(0)
            .json();
        assert_eq!(report["changed"], true, "{layout}");
        let live = before.lines().count();
        assert_eq!(
            report["rows"],
            serde_json::json!([versions, live]),
            "{layout}"
        );
        assert!(versions > live);
        assert_eq!(dump(&dir, &["--include-dead"]).lines().count(), live);
        assert_eq!(dump(&dir, &[]), before, "{layout}");
        inspect(["verify", &dir, "--level", "structure"]).exits(0);
        let files = tree(Path::new(&dir));
        let again = migrate(["compact", &dir, "--format", "json"])
            .exits(0)
            .json();
        assert_eq!(again["changed"], false, "{layout}");
        assert_eq!(again["rows"], serde_json::json!([live, live]));
        assert!(tree(Path::new(&dir)) == files, "{layout}");
    }
}

#[test]
fn a_compact_copy_leaves_the_directory_as_it_is() {
    for layout in LAYOUTS {
        let (scratch, dir) = upgraded(layout);
        let files = tree(Path::new(&dir));
        let copy = scratch.path().join("copy").to_str().unwrap().to_owned();
        let report = migrate(["compact", &dir, "--output", &copy, "--format", "json"]);
        let report = report.exits(0).json();
        assert!(tree(Path::new(&dir)) == files, "{layout}");
        assert_eq!(dump(&copy, &[]), dump(&dir, &[]), "{layout}");
        let live = dump(&dir, &[]).lines().count();
        assert_eq!(report["rows"][1], live);
        assert_eq!(dump(&copy, &["--include-dead"]).lines().count(), live);
    }
}

#[test]
fn what_was_written_in_place_is_compacted_with_its_log() {
    for layout in LAYOUTS {
        let (_scratch, dir) = upgraded(layout);
        let mut store = LiveStore::open(Path::new(&dir), StoreOptions::default()).unwrap();
        let table = store.table("shop", "customers").unwrap();
        let (table, arity) = (table.id(), table.schema().columns.len());
        let mut tx = store.begin().unwrap();
        let mut values = vec![ValueRef::Null; arity];
        values[0] = ValueRef::Integer(777_001);
        let name = tx.insert(table, &values).unwrap();
        values[0] = ValueRef::Integer(777_002);
        tx.update(name, &values).unwrap();
        tx.commit(Durability::Sync).unwrap();
        drop(store);
        // The view has what is in the log alone, and writes nothing.
        let files = tree(Path::new(&dir));
        let before = dump(&dir, &[]);
        assert!(
            before.contains("777002") && !before.contains("777001"),
            "{layout}"
        );
        assert!(tree(Path::new(&dir)) == files, "{layout}");
        migrate(["compact", &dir]).exits(0);
        assert_eq!(dump(&dir, &[]), before, "{layout}");
        assert!(
            !dump(&dir, &["--include-dead"]).contains("777001"),
            "{layout}"
        );
    }
}

/// Both slots name what the log was pruned for: either one alone leads to every row, and
/// that the other is bad is damage for every command.
#[test]
fn a_bad_slot_after_the_log_was_pruned_is_damage_and_costs_no_row() {
    for layout in LAYOUTS {
        let (scratch, dir) = upgraded(layout);
        let copy = scratch.path().join("copy").to_str().unwrap().to_owned();
        let mut store = LiveStore::open(Path::new(&dir), StoreOptions::default()).unwrap();
        let table = store.table("shop", "customers").unwrap();
        let (table, arity) = (table.id(), table.schema().columns.len());
        let mut values = vec![ValueRef::Null; arity];
        values[0] = ValueRef::Integer(777_001);
        let mut tx = store.begin().unwrap();
        tx.insert(table, &values).unwrap();
        tx.commit(Durability::Sync).unwrap();
        store.compact().unwrap();
        store.close().unwrap();
        let rows = dump(&dir, &[]);
        assert!(rows.contains("777001"), "{layout}");
        let control = Path::new(&dir).join("control");
        let whole = std::fs::read(&control).unwrap();
        for slot in [0, 4096] {
            for len in [1, 4096] {
                let mut bytes = whole.clone();
                let lost = &mut bytes[slot + 4096 - len..slot + 4096];
                lost.fill(if len == 1 { !lost[0] } else { 0 });
                std::fs::write(&control, &bytes).unwrap();
                inspect(["verify", &dir]).exits(1);
                let said = inspect(["dump", &dir, "--format", "jsonl", "--typed"]);
                assert_eq!(said.exits(1).stdout, rows, "{layout}, {slot}");
                migrate(["upgrade", &dir, &copy]).exits(1);
                assert!(!Path::new(&copy).exists());
                migrate(["upgrade", &dir, &copy, "--salvage"]).exits(1);
                assert_eq!(dump(&copy, &[]), rows, "{layout}, {slot}");
                std::fs::remove_dir_all(&copy).unwrap();
                migrate(["compact", &dir]).exits(1);
                inspect(["verify", &dir]).exits(0);
                assert_eq!(dump(&dir, &[]), rows, "{layout}, {slot}");
            }
        }
    }
}

#[test]
fn a_legacy_directory_is_refused() {
    let source = data("torn_tail");
    let said = migrate(["compact", &source]).exits(2);
    assert!(said.stderr.contains("--drop-dead"), "{}", said.stderr);
}

#[test]
fn a_directory_that_is_being_written_is_refused_and_nobody_hangs() {
    let (_scratch, dir) = upgraded("paged");
    let store = LiveStore::open(Path::new(&dir), StoreOptions::default()).unwrap();
    let said = migrate(["compact", &dir]).exits(3);
    assert!(
        said.stderr.contains("in use by another process"),
        "{}",
        said.stderr
    );
    inspect(["info", &dir]).exits(3);
    drop(store);
    migrate(["compact", &dir]).exits(0);
}

/// Files below a directory whose names end so.
fn named(dir: &str, suffix: &str) -> Vec<std::path::PathBuf> {
    let files = tree(Path::new(dir)).into_keys();
    let files = files.map(|path| Path::new(dir).join(path));
    files
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect()
}

#[test]
fn lost_catalogs_are_written_anew_and_what_is_lost_with_them_is_said() {
    for layout in LAYOUTS {
        let (_scratch, dir) = upgraded(layout);
        let before = dump(&dir, &[]);
        for path in named(&dir, "global.db")
            .into_iter()
            .chain(named(&dir, "metadata.db"))
        {
            std::fs::remove_file(path).unwrap();
        }
        let said = migrate(["compact", &dir]).exits(1).stderr;
        for word in ["accounts-lost", "bytes-lost"] {
            assert!(said.contains(word), "{layout}: {said}");
        }
        inspect(["verify", &dir, "--level", "structure"]).exits(0);
        assert_eq!(dump(&dir, &[]), before, "{layout}");
        migrate(["compact", &dir]).exits(0);
    }
}

/// What is damaged may still say something: it is left to be looked at, and the
/// command that is printed leads to a whole directory.
#[test]
fn damaged_catalogs_are_left_and_the_next_command_goes_on() {
    for layout in LAYOUTS {
        let (scratch, dir) = upgraded(layout);
        let before = dump(&dir, &[]);
        for path in ["control", "global.db", "metadata.db", "orders.table"] {
            for path in named(&dir, path) {
                let what = format!("{layout}: {}", path.display());
                let whole = std::fs::read(&path).unwrap();
                let mut bytes = whole.clone();
                bytes.chunks_mut(4096).for_each(|block| block[60] ^= 1);
                std::fs::write(&path, &bytes).unwrap();
                let said = migrate(["compact", &dir]).exits(1).stderr;
                assert!(std::fs::read(&path).unwrap() == bytes, "{what}");
                let next = said.lines().rfind(|line| line.contains(" --salvage"));
                let words: Vec<_> = next.unwrap().split_whitespace().collect();
                let ["rustdb-migrate", "upgrade", source, target, "--salvage"] = words[..] else {
                    panic!("{what}: {said}");
                };
                migrate(["upgrade", source, target, "--salvage"]).exits(1);
                inspect(["verify", target]).exits(0);
                assert_eq!(dump(target, &[]), before, "{what}");
                std::fs::remove_dir_all(scratch.path().join("new-new")).unwrap();
                std::fs::write(&path, &whole).unwrap();
            }
        }
    }
}

#[test]
fn a_wrong_count_is_found_before_and_after() {
    for layout in LAYOUTS {
        let (_scratch, dir) = upgraded(layout);
        let path = named(&dir, ".table").remove(0);
        let bytes = std::fs::read(&path).unwrap();
        let mut copy = bytes[..bytes.len() / 2].to_vec();
        let at = copy.windows(7).position(|window| window == br#""rows":"#);
        copy[at.unwrap() + 7] ^= 1;
        let len = u64::from_le_bytes(copy[36..44].try_into().unwrap());
        let end = 44 + usize::try_from(len).unwrap();
        let crc = crc32fast::hash(&copy[..end]).to_le_bytes();
        copy[end..end + 4].copy_from_slice(&crc);
        std::fs::write(&path, [&copy[..], &copy].concat()).unwrap();
        inspect(["verify", &dir]).exits(1);
        migrate(["compact", &dir]).exits(1);
        inspect(["verify", &dir]).exits(1);
    }
}
