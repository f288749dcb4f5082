//! Directories of ours: written, read back, damaged in every way and verified.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustdb_migrate::engine::{Layout, Level, Origin, Store, create, verify};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, DatabaseGrants, ForeignKey, Form, Privilege, Role, Row,
    RowBatch, RowSource, RowStream, Table, TableGrants, User, Value,
};
use rustdb_migrate::report::Report;
use tempfile::TempDir;

/// Rows in memory, by database and table.
struct Rows(Vec<Vec<Vec<Row>>>);

struct RowsIn<'a>(std::slice::Chunks<'a, Row>);

impl RowStream for RowsIn<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        Ok(self.0.next().map(|rows| {
            let mut batch = RowBatch::new();
            for row in rows {
                row.values.iter().for_each(|v| batch.push_value(v.as_ref()));
                batch.end_row(row.xmin, row.xmax);
            }
            batch
        }))
    }
}

impl RowSource for Rows {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.0[database][table].len() as u64
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        Ok(Box::new(RowsIn(self.0[database][table].chunks(100))))
    }
}

fn read_back(source: &dyn RowSource, database: usize, table: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut stream = source.open_rows(database, table)?;
    while let Some(batch) = stream.next_batch()? {
        assert!(!batch.is_empty());
        rows.extend(batch.rows().map(|row| row.to_owned()));
    }
    Ok(rows)
}

fn origin() -> Origin {
    Origin {
        family: "2.3".into(),
        cluster_id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
    }
}

fn table(name: &str, columns: usize) -> Table {
    let column = |n| Column {
        name: format!("c{n}"),
        data_type: DataType::Text,
        nullable: true,
        primary_key: n == 0,
        unique: false,
        foreign_key: None,
    };
    Table {
        name: name.into(),
        columns: (0..columns).map(column).collect(),
        sequences: vec![],
        owner: None,
    }
}

fn database(name: &str, tables: Vec<Table>) -> Database {
    Database {
        name: name.into(),
        tables,
        enums: vec![],
        views: vec![],
        table_grants: vec![],
    }
}

fn catalog(databases: Vec<Database>) -> Catalog {
    Catalog {
        databases,
        ..Catalog::default()
    }
}

fn row(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

fn write(catalog: &Catalog, rows: &Rows) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), Layout::PerTable, catalog, rows, &origin()).unwrap();
    dir
}

fn verified(dir: &Path, level: Level) -> Report {
    let mut report = Report::new();
    let coverage = verify(dir, level, &mut report).unwrap();
    let mut found = BTreeMap::new();
    for file in &coverage.files {
        assert_eq!(file.checked + file.unchecked, file.len, "{file:?}");
        assert_eq!(found.insert(file.path.clone(), file.len), None);
    }
    assert_eq!(found, files_below(dir));
    report
}

/// Every regular file below a directory, with its length.
fn files_below(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            files.extend(files_below(&path));
        } else if meta.is_file() {
            files.insert(path, meta.len());
        }
    }
    files
}

/// One row of every value type, and rows that are dead.
fn every_value() -> Vec<Row> {
    let text = |text: &str| text.to_owned();
    let values = vec![
        Value::Null,
        Value::SmallInt(i16::MIN),
        Value::Integer(i64::MIN),
        Value::Real(f64::from_bits(0xfff8_0000_dead_beef)),
        Value::Real(-0.0),
        Value::Numeric(text("-0.00")),
        Value::Text(text("tab\tnul\0 é 🦀")),
        Value::Char(text("ab   ")),
        Value::Boolean(true),
        Value::Boolean(false),
        Value::Date(text("2025-01-02")),
        Value::Date(text("+12345-01-02")),
        Value::Timestamp(text("2025-01-02T03:04:05")),
        Value::Timestamp(text("2025-01-02T03:04:05.120")),
        Value::TimestampTz(text("2025-01-02T03:04:05Z")),
        Value::TimestampTz(text("2025-01-02T23:59:60Z")),
        Value::Uuid([0xa5; 16]),
        Value::Json(text("{\"a\":[1,null]}")),
        Value::Bytea(vec![0, 255, 128]),
        Value::Enum {
            type_name: text("mood"),
            label: text(""),
        },
    ];
    let dead = Row {
        values: values.iter().rev().cloned().collect(),
        xmin: u64::MAX,
        xmax: Some(u64::MAX),
    };
    vec![row(values), dead]
}

/// Compared by their printed form: a NaN differs from itself.
fn same(a: &[Row], b: &[Row]) -> bool {
    let bits = |rows: &[Row]| {
        let mut all = Vec::new();
        for row in rows {
            for value in &row.values {
                if let Value::Real(v) = value {
                    all.push(v.to_bits());
                }
            }
        }
        all
    };
    format!("{a:?}") == format!("{b:?}") && bits(a) == bits(b)
}

#[test]
fn every_value_type_comes_back() {
    let rows = every_value();
    let columns = rows[0].values.len();
    let catalog = catalog(vec![database("d", vec![table("t", columns)])]);
    let dir = write(&catalog, &Rows(vec![vec![rows.clone()]]));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.row_count(0, 0), 2);
    assert_eq!(store.live_count(0, 0), 1);
    assert!(same(&read_back(&store, 0, 0).unwrap(), &rows));
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}
