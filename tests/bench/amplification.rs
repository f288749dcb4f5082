//! Bytes written for single-row inserts, by layout and by the old scheme:
//! `cargo bench --bench amplification -- [MOST_BYTES]`.
//!
//! 10,000 inserts of one row, a checkpoint every 100, into one of ten equal
//! tables of 1 MB, 10 MB and so on together. The old server writes the whole
//! snapshot at each checkpoint; here that is a plain write of as many bytes and
//! a sync, which is less than it does.
//!
//! Then 100,000 updates of random rows of one table of the last of these sizes, up to
//! 100 MB, with checkpoints as the options make them: bytes written for each byte of
//! the new rows, by interval.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation
)]

use std::io;
use std::time::Instant;

use rustdb_migrate::codec::{ByteWriter, MadeRows, encode_row, pack_row};
use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions, create};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, RowSource, RowStream, Table, ValueRef,
};

const INSERTS: u64 = 10_000;
const CHECKPOINT_EVERY: u64 = 100;
const TABLES: usize = 10;
const UPDATES: u64 = 100_000;
const TEXT: &str = "a row of a hundred bytes or so, as they are usual in small shops";

/// Bytes that this process has handed to the system to write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

fn catalog() -> Catalog {
    let table = |number: usize| {
        Table::new(
            format!("t{number}"),
            vec![
                Column::key("id", DataType::Integer),
                Column::new("text", DataType::Text),
            ],
        )
    };
    Catalog {
        databases: vec![Database {
            name: "shop".into(),
            tables: (0..TABLES).map(table).collect(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        }],
        ..Catalog::default()
    }
}

/// So many rows in each of the first tables.
struct Rows(u64, usize);

impl RowSource for Rows {
    fn row_count(&self, _: usize, table: usize) -> u64 {
        if table < self.1 { self.0 } else { 0 }
    }
    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = (0..self.row_count(database, table)).map(|id| pack_row(values(id), 1, None));
        Ok(Box::new(MadeRows::new(rows)))
    }
}

fn values(id: u64) -> [ValueRef<'static>; 2] {
    [ValueRef::Integer(id as i64), ValueRef::Text(TEXT)]
}

/// Bytes of a row in a snapshot.
fn legacy_row_len() -> u64 {
    let mut w = ByteWriter::new();
    encode_row(&mut w, &pack_row(values(1), 1, None).as_row());
    w.len() as u64
}

/// Bytes and seconds for each checkpoint of a layout.
fn layout(layout: Layout, rows: u64) -> (u64, f64) {
    let parent = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    let source = Rows(rows, TABLES);
    create(parent.path(), layout, &catalog(), &source, &origin).unwrap();
    let mut options = StoreOptions::default();
    options.checkpoint_every = CHECKPOINT_EVERY;
    let mut store = LiveStore::open(parent.path(), options).unwrap();
    let table = store.table("shop", "t0").unwrap();
    // The first look for a key may build an index.
    table.find(&ValueRef::Integer(0)).unwrap();
    let table = table.id();
    let before = written();
    let start = Instant::now();
    for id in rows..rows + INSERTS {
        let mut tx = store.begin().unwrap();
        tx.insert(table, &values(id)).unwrap();
        tx.commit(Durability::Group).unwrap();
    }
    store.checkpoint().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let bytes = written() - before;
    let checkpoints = INSERTS / CHECKPOINT_EVERY;
    (bytes / checkpoints, seconds / checkpoints as f64)
}

/// Bytes written for each byte of the new rows when random rows are updated.
fn random_updates(layout: Layout, rows: u64, options: StoreOptions) -> f64 {
    let parent = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    let source = Rows(rows, 1);
    create(parent.path(), layout, &catalog(), &source, &origin).unwrap();
    let mut store = LiveStore::open(parent.path(), options).unwrap();
    let table = store.table("shop", "t0").unwrap();
    table.find(&ValueRef::Integer(0)).unwrap();
    let table = table.id();
    let before = written();
    let mut random: u64 = 1;
    for _ in 0..UPDATES {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let id = (random >> 33) % rows;
        let mut tx = store.begin().unwrap();
        let found = tx.table_of(table).unwrap();
        let (name, _) = found.find(&ValueRef::Integer(id as i64)).unwrap().unwrap();
        tx.update(name, &values(id)).unwrap();
        tx.commit(Durability::Group).unwrap();
    }
    store.checkpoint().unwrap();
    (written() - before) as f64 / (UPDATES * legacy_row_len()) as f64
}

/// The intervals of before and those of today.
fn print_random_updates(size: u64) {
    let rows = size / legacy_row_len();
    println!(
        "\n{UPDATES} updates of random rows of a table of {} MB: bytes for each byte of the \
         new rows\n",
        size / 1_000_000
    );
    println!("| a checkpoint | append | paged |");
    println!("|---|---|---|");
    let mut short = StoreOptions::default();
    short.checkpoint_every = 10_000;
    short.pending_limit = 16 << 20;
    for (what, options) in [
        ("after 10,000 changes or 16 MiB of memory", short),
        ("as the options are by default", StoreOptions::default()),
    ] {
        let [append, paged] =
            [Layout::Append, Layout::Paged].map(|of| random_updates(of, rows, options));
        println!("| {what} | {append:.1} | {paged:.1} |");
    }
}

/// Bytes and seconds to write a snapshot once.
fn whole_file(rows: u64) -> (u64, f64) {
    let bytes = legacy_row_len() * rows * TABLES as u64;
    let parent = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(parent.path().join("snapshot")).unwrap();
    let chunk = vec![7; 1 << 20];
    let start = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let len = left.min(chunk.len() as u64) as usize;
        io::Write::write_all(&mut &file, chunk.get(..len).unwrap()).unwrap();
        left -= len as u64;
    }
    file.sync_all().unwrap();
    (bytes, start.elapsed().as_secs_f64())
}

fn main() {
    let most = std::env::args().find_map(|arg| arg.parse::<u64>().ok());
    let most = most.unwrap_or(100_000_000);
    println!(
        "{INSERTS} inserts of one row into one of {TABLES} equal tables, a checkpoint every \
         {CHECKPOINT_EVERY}: kilobytes written and milliseconds, for each checkpoint\n"
    );
    println!("| size | whole file | per-table | append | paged |");
    println!("|---|---|---|---|---|");
    let mut size = 1_000_000;
    while size <= most {
        let rows = size / (legacy_row_len() * TABLES as u64);
        let cell = |(bytes, seconds): (u64, f64)| {
            format!(
                "{:.0} KB, {:.1} ms",
                bytes as f64 / 1000.0,
                seconds * 1000.0
            )
        };
        let layouts = [Layout::PerTable, Layout::Append, Layout::Paged];
        let cells = layouts.map(|of| cell(layout(of, rows)));
        let [per_table, append, paged] = cells;
        println!(
            "| {} MB | {} | {per_table} | {append} | {paged} |",
            size / 1_000_000,
            cell(whole_file(rows))
        );
        size *= 10;
    }
    print_random_updates((size / 10).min(100_000_000));
}
