//! Directories of many tables: bytes that a checkpoint of one row writes, and what
//! `rustdb-migrate compact` costs where a process may have 256 files open:
//! `cargo bench --bench tables -- [MOST_TABLES]`.
//!
//! Each table has two rows, of which one is dead.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustdb_migrate::codec::{MadeRows, pack_row};
use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions, create};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, RowSource, RowStream, Table, ValueRef,
};
use tempfile::TempDir;

/// Bytes that this process, and those that it waited for, have handed to the
/// system to write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

struct TwoRows;

impl RowSource for TwoRows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        2
    }
    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = [(1, None), (2, Some(2))];
        let rows = rows.map(|(id, xmax)| pack_row(values(id), 1, xmax));
        Ok(Box::new(MadeRows::new(rows.into_iter())))
    }
}

fn values(id: i64) -> [ValueRef<'static>; 2] {
    [ValueRef::Integer(id), ValueRef::Text("some text")]
}

fn directory(layout: Layout, tables: usize) -> TempDir {
    let columns = || {
        vec![
            Column::key("id", DataType::Integer),
            Column::new("text", DataType::Text),
        ]
    };
    let tables = (0..tables).map(|n| Table::new(format!("t{n}"), columns()));
    let database = Database {
        tables: tables.collect(),
        ..Database::empty("shop")
    };
    let catalog = Catalog {
        databases: vec![database],
        ..Catalog::default()
    };
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), layout, &catalog, &TwoRows, &origin).unwrap();
    dir
}

/// Bytes that a checkpoint of one row writes.
fn checkpoint(dir: &Path) -> u64 {
    let mut store = LiveStore::open(dir, StoreOptions::default()).unwrap();
    let table = store.table("shop", "t3").unwrap().id();
    let mut tx = store.begin().unwrap();
    tx.insert(table, &values(7)).unwrap();
    tx.commit(Durability::Sync).unwrap();
    let before = written();
    store.checkpoint().unwrap();
    let bytes = written() - before;
    store.close().unwrap();
    bytes
}

/// Bytes and seconds of a compaction, by a process of at most 256 open files.
fn compaction(dir: &Path) -> (u64, f64) {
    let compact = "ulimit -n 256; exec \"$0\" compact -q \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", compact, env!("CARGO_BIN_EXE_rustdb-migrate")]);
    let (before, start) = (written(), Instant::now());
    assert!(command.arg(dir).status().unwrap().success());
    (written() - before, start.elapsed().as_secs_f64())
}

fn main() {
    let most = std::env::args().find_map(|arg| arg.parse().ok());
    let most: usize = most.unwrap_or(10_000);
    let layouts = [Layout::PerTable, Layout::Append, Layout::Paged];
    println!("kilobytes that a checkpoint of one row writes\n");
    println!("| tables | per-table | append | paged |\n|---|---|---|---|");
    let numbers = [10, 100, 1000, 10_000].into_iter();
    for tables in numbers.filter(|tables| *tables <= most) {
        let of = |layout| checkpoint(directory(layout, tables).path()) as f64 / 1000.0;
        let [per_table, append, paged] = layouts.map(of);
        println!("| {tables} | {per_table:.1} | {append:.1} | {paged:.1} |");
    }
    println!("\n`compact`, kilobytes written and milliseconds, for each table\n");
    println!("| tables | per-table | append | paged |\n|---|---|---|---|");
    let numbers = [100, 400, 1600, 6400].into_iter();
    for tables in numbers.filter(|tables| *tables <= most) {
        let of = |layout| {
            let (bytes, seconds) = compaction(directory(layout, tables).path());
            let each = |total: f64| total / tables as f64;
            let (bytes, seconds) = (each(bytes as f64), each(seconds));
            format!("{:.1}, {:.2}", bytes / 1000.0, seconds * 1000.0)
        };
        let [per_table, append, paged] = layouts.map(of);
        println!("| {tables} | {per_table} | {append} | {paged} |");
    }
}
