//! Writing, verifying and reading take no more memory for more rows.
//!
//! In a process of its own: the kernel's high-water mark is of the whole process.

use rustdb_migrate::codec::RowBuffer;
use rustdb_migrate::engine::{Layout, Level, Origin, Store, create, verify};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, RowBatch, RowSource, RowStream, Table, ValueRef,
};
use rustdb_migrate::report::Report;

use crate::support::skip::skip;

/// Rows made on the way, with a key that hashes anywhere.
struct Rows(u64);

struct Stream {
    next: u64,
    end: u64,
    rows: RowBuffer,
}

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        let (next, end) = (0, self.0);
        let rows = RowBuffer::default();
        Ok(Box::new(Stream { next, end, rows }))
    }
}

impl RowStream for Stream {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if self.next == self.end {
            return Ok(None);
        }
        let first = self.next;
        self.next = self.end.min(first + 1000);
        self.rows.clear();
        for number in first..self.next {
            let value = ValueRef::Integer(number.cast_signed());
            self.rows.push([value], 1, None);
        }
        Ok(Some(self.rows.batch()))
    }
}

fn catalog() -> Catalog {
    let key = Column::key("id", DataType::Integer);
    let table = Table::new("t", vec![key]);
    let database = Database {
        name: "d".into(),
        tables: vec![table],
        enums: vec![],
        views: vec![],
        table_grants: vec![],
    };
    Catalog {
        databases: vec![database],
        ..Catalog::default()
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse().unwrap()
}

/// Writes, verifies and reads a table.
fn round_trip(layout: Layout, rows: u64) {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    create(dir.path(), layout, &catalog(), &Rows(rows), &origin).unwrap();
    let mut report = Report::new();
    verify(dir.path(), Level::Structure, &mut report).unwrap();
    assert_eq!(report.findings(), []);
    let store = Store::open(dir.path()).unwrap();
    let (mut stream, mut read) = (store.open_rows(0, 0).unwrap(), 0);
    while let Some(batch) = stream.next_batch().unwrap() {
        read += batch.len() as u64;
    }
    assert_eq!(read, rows);
}

#[test]
fn memory_does_not_grow_with_rows() {
    if !std::path::Path::new("/proc/self/status").exists() {
        return skip("no /proc to read the high-water mark from");
    }
    let alone = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "engine_memory::round_trips_alone"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "measures its whole process; the test above runs it alone"]
fn round_trips_alone() {
    for layout in Layout::ALL {
        // More than an index sorts in memory, in more parts than wait at a time;
        // twice, because the allocator keeps what threads gave back.
        round_trip(layout, 600_000);
        round_trip(layout, 600_000);
        let before = peak_kib();
        round_trip(layout, 1_500_000);
        let growth = peak_kib() - before;
        assert!(growth < 2 * 1024, "{layout}: {growth} KiB");
    }
}
