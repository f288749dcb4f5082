//! A snapshot of one table of any size, written row by row.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use rustdb_migrate::error::Result;
use rustdb_migrate::legacy::{Family, SnapshotEncoder};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, RowBatch, RowSource, RowStream, Table, ValueRef,
};

/// Writes `dir/server_instance.db` and returns its length in bytes.
pub fn snapshot(dir: &Path, rows: u64) -> u64 {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join("server_instance.db");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    let catalog = catalog(rows);
    SnapshotEncoder::new(&mut file, &path, Family::V1_4)
        .write(&catalog, &Rows(rows), None)
        .unwrap();
    drop(file);
    path.metadata().unwrap().len()
}

fn catalog(rows: u64) -> Catalog {
    let column = |name: &str, data_type: DataType, primary_key: bool| Column {
        name: name.into(),
        data_type,
        nullable: !primary_key,
        primary_key,
        unique: false,
        foreign_key: None,
    };
    let columns = vec![
        column("id", DataType::Serial, true),
        column("name", DataType::Text, false),
        column("age", DataType::Integer, false),
        column("joined", DataType::Date, false),
    ];
    let sequences = vec![("id".to_owned(), rows.cast_signed() + 1)];
    let users = Table {
        name: "users".into(),
        columns,
        sequences,
        owner: None,
    };
    let database = Database {
        name: "postgres".into(),
        tables: vec![users],
        enums: Vec::new(),
        views: Vec::new(),
        table_grants: Vec::new(),
    };
    Catalog {
        databases: vec![database],
        ..Catalog::default()
    }
}

struct Rows(u64);

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(Box::new(Stream {
            next: 0,
            end: self.0,
            names: Vec::new(),
        }))
    }
}

struct Stream {
    next: u64,
    end: u64,
    names: Vec<(String, String)>,
}

impl RowStream for Stream {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if self.next == self.end {
            return Ok(None);
        }
        let first = self.next;
        let last = self.end.min(first + 1024);
        self.next = last;
        self.names = (first..last)
            .map(|id| {
                let day = format!(
                    "{:04}-{:02}-{:02}",
                    1970 + id % 70,
                    1 + id % 12,
                    1 + id % 28
                );
                (
                    format!(
                        "name {} of person {id}",
                        id.wrapping_mul(2_654_435_761) % 99_991
                    ),
                    day,
                )
            })
            .collect();
        let mut batch = RowBatch::new();
        for (id, (name, day)) in (first..last).zip(&self.names) {
            batch.push_value(ValueRef::Integer(id.cast_signed() + 1));
            batch.push_value(ValueRef::Text(name));
            batch.push_value(ValueRef::SmallInt(i16::try_from(id % 100).unwrap()));
            batch.push_value(ValueRef::Date(day));
            // One version in ten is dead.
            batch.end_row(1, (id % 10 == 9).then_some(1));
        }
        Ok(Some(batch))
    }
}
