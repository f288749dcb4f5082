//! Directories of many tables: a checkpoint writes what changed, whatever else is
//! there, and a compaction as much as there is.

use rustdb_migrate::codec::RowBuffer;
use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions, create_on};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{Catalog, Database, RowBatch, RowSource, RowStream, Table, ValueRef};

use crate::sim_disk::SimDisk;
use crate::workload::{root, schema};

/// Two rows in each table, of which one is dead.
struct Rows;

#[derive(Default)]
struct Stream {
    is_read: bool,
    rows: RowBuffer,
}

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        2
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(Box::new(Stream::default()))
    }
}

impl RowStream for Stream {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if std::mem::replace(&mut self.is_read, true) {
            return Ok(None);
        }
        for (id, xmax) in [(1, None), (2, Some(2))] {
            let values = [ValueRef::Integer(id), ValueRef::Text("some text")];
            self.rows.push(values, 1, xmax);
        }
        Ok(Some(self.rows.batch()))
    }
}

/// A directory of so many tables.
fn directory(layout: Layout, tables: usize) -> SimDisk {
    let disk = SimDisk::new(root());
    let tables = (0..tables).map(|n| -> Table { schema(&format!("t{n:05}"), true) });
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
        cluster_id: 3,
    };
    create_on(
        &disk.shared(),
        root(),
        layout.into(),
        &catalog,
        &Rows,
        &origin,
    )
    .unwrap();
    disk
}

/// Bytes and operations of a checkpoint of one row.
fn checkpoint(layout: Layout, tables: usize) -> (u64, u64) {
    let disk = directory(layout, tables);
    let options = StoreOptions::default();
    let mut store = LiveStore::open_on(&disk.shared(), root(), options).unwrap();
    let table = store.table("shop", "t00003").unwrap().id();
    let values = [ValueRef::Integer(7), ValueRef::Text("one more")];
    let mut tx = store.begin().unwrap();
    tx.insert(table, &values).unwrap();
    tx.commit(Durability::Sync).unwrap();
    let before = (disk.written(), disk.changes());
    store.checkpoint().unwrap();
    (disk.written() - before.0, disk.changes() - before.1)
}

/// Bytes and operations of a compaction.
fn compaction(layout: Layout, tables: usize) -> (u64, u64) {
    let disk = directory(layout, tables);
    let options = StoreOptions::default();
    let mut store = LiveStore::open_on(&disk.shared(), root(), options).unwrap();
    let before = (disk.written(), disk.changes());
    let done = store.compact().unwrap();
    assert_eq!(
        done.tables.iter().filter(|table| table.changed).count(),
        tables
    );
    (disk.written() - before.0, disk.changes() - before.1)
}

#[test]
fn a_checkpoint_of_one_row_writes_the_same_whatever_the_number_of_tables() {
    for layout in Layout::ALL {
        let of_few = checkpoint(layout, 10);
        for tables in [100, 1000] {
            assert_eq!(
                checkpoint(layout, tables),
                of_few,
                "{layout}, {tables} tables"
            );
        }
        // The descriptor stands twice, and all of it in the log before.
        assert!(of_few.0 < 128 * 1024, "{layout}: {} bytes", of_few.0);
    }
}

#[test]
fn a_compaction_writes_in_proportion_to_the_tables() {
    for layout in Layout::ALL {
        let (bytes, changes) = compaction(layout, 20);
        let (more_bytes, more_changes) = compaction(layout, 80);
        let what = format!(
            "{layout}: {bytes} and {more_bytes} bytes, {changes} and {more_changes} operations"
        );
        assert!(more_bytes <= 4 * bytes + 4096, "{what}");
        assert!(more_changes <= 4 * changes + 16, "{what}");
    }
}
