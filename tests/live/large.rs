//! A table far larger than memory: inserted, scanned, compacted and verified.
//! Not in the suite; `cargo test --release --test live large -- --ignored
//! --nocapture --test-threads=1` takes some minutes and 10 GB of disk.

use std::path::Path;

use rustdb_migrate::engine::{
    Durability, Layout, Level, LiveStore, Origin, Store, StoreOptions, verify,
};
use rustdb_migrate::model::{RowSource, ValueRef};
use rustdb_migrate::report::Report;

use crate::workload::schema;

/// Bytes of memory that the process may have had at most.
const MEMORY: u64 = 128 << 20;
const ROW_LEN: usize = 1000;

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

fn large(layout: Layout) {
    let bytes: u64 = match std::env::var("RUSTDB_LARGE_BYTES") {
        Ok(bytes) => bytes.parse().unwrap(),
        Err(_) => 4_000_000_000,
    };
    let rows = bytes / ROW_LEN as u64;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let step = |what: &str, start: std::time::Instant| {
        let (seconds, mib) = (start.elapsed().as_secs_f64(), peak() >> 20);
        println!("{layout}: {what}: {seconds:.1} s, peak {mib} MiB");
        assert!(peak() < MEMORY, "{what}: {mib} MiB");
    };
    let start = std::time::Instant::now();
    insert(&dir, layout, rows);
    step("inserted", start);
    let start = std::time::Instant::now();
    assert_eq!(scanned(&dir), rows);
    step("scanned", start);
    let start = std::time::Instant::now();
    let mut store = LiveStore::open(&dir, StoreOptions::default()).unwrap();
    let compaction = store.compact().unwrap();
    assert_eq!(compaction.tables[0].rows, (rows, rows - rows / 10));
    drop(store);
    step("compacted", start);
    let start = std::time::Instant::now();
    let mut report = Report::new();
    let coverage = verify(&dir, Level::Structure, &mut report).unwrap();
    assert_eq!(report.findings(), []);
    assert_eq!(coverage.unchecked(), 0);
    step("verified", start);
}

fn insert(dir: &Path, layout: Layout, rows: u64) {
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 4,
    };
    let options = StoreOptions::default();
    let mut store = LiveStore::create(dir, layout.into(), &origin, options).unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("shop").unwrap();
    let table = tx.create_table("shop", schema("large", true)).unwrap();
    tx.commit(Durability::Sync).unwrap();
    let text = "x".repeat(ROW_LEN - 10);
    for id in 0..rows {
        let key = ValueRef::Integer(i64::try_from(id).unwrap());
        let mut tx = store.begin().unwrap();
        let row = tx.insert(table, &[key, ValueRef::Text(&text)]);
        if id % 10 == 9 {
            tx.delete(row.unwrap()).unwrap();
        }
        tx.commit(Durability::Group).unwrap();
    }
    store.checkpoint().unwrap();
}

fn scanned(dir: &Path) -> u64 {
    let view = Store::open(dir).unwrap();
    let mut stream = view.open_rows(0, 0).unwrap();
    let mut count = 0;
    while let Some(batch) = stream.next_batch().unwrap() {
        count += batch.len() as u64;
    }
    count
}

#[test]
#[ignore = "takes minutes and 10 GB of disk"]
fn a_large_table_is_handled_in_little_memory_by_the_layout_paged() {
    large(Layout::Paged);
}

#[test]
#[ignore = "takes minutes and 10 GB of disk"]
fn a_large_table_is_handled_in_little_memory_by_the_layout_append() {
    large(Layout::Append);
}
