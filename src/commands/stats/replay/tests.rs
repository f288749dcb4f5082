//! After the replay a store holds what the recovery says the server held.

use std::path::PathBuf;

use super::*;
use crate::commands::content::{TableContent, hash_content};
use crate::commands::stats::writes::tail_of;
use crate::commands::{Directory, OpenOptions};
use crate::engine::Store;
use crate::file::Progress;
use crate::model::{Catalog, RowSource};
use crate::work::Threads;

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    root.join(name).join("data")
}

fn tables(catalog: &Catalog, rows: &dyn RowSource) -> Vec<TableContent> {
    hash_content(catalog, rows, Threads::ONE).unwrap().tables
}

/// The tail of a fixture through every layout; how many records it has.
fn replayed(name: &str) -> usize {
    let directory = Directory::open(&fixture(name), &OpenOptions::default()).unwrap();
    let progress = Progress::default();
    let tail = tail_of(&directory, &progress).expect("it has a tail");
    let expected = tables(directory.catalog(), &directory);
    for layout in Layout::ALL {
        for every in [1, 3, 10_000] {
            let scratch = tempfile::tempdir().unwrap();
            let written = Written::new(scratch.path().join(LOG_DIR));
            let mut replay = Replay::start(&tail, layout, scratch.path(), &written).unwrap();
            let before = written.now();
            assert_eq!(
                replay.run(&tail.changes, every).unwrap(),
                RecordTotals::default()
            );
            assert!(written.now().log > before.log && written.now().files > before.files);
            drop(replay);
            let store = Store::open(scratch.path()).unwrap();
            assert_eq!(
                tables(store.catalog(), &store),
                expected,
                "{name} {layout} {every}"
            );
        }
    }
    tail.changes.len()
}

#[test]
fn inserts_updates_and_deletes_end_in_the_same_tables() {
    assert_eq!(replayed("family_1_4"), 9);
}

#[test]
fn changes_of_schemas_end_in_the_same_tables() {
    assert_eq!(replayed("ddl_tail"), 14);
}
