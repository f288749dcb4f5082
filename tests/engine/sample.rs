//! Catalogs, rows and directories to test with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::codec::MadeRows;
use rustdb_migrate::engine::{
    CreateOptions, Durability, Layout, Level, LiveStore, Origin, Store, StoreOptions, create,
    verify,
};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, DatabaseGrants, ForeignKey, Form, Privilege, Role, Row,
    RowSource, RowStream, Table, TableGrants, User, Value, ValueRef,
};
use rustdb_migrate::report::Report;
use tempfile::TempDir;

/// Rows in memory, by database and table.
pub struct Rows(pub Vec<Vec<Vec<Row>>>);

impl RowSource for Rows {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.0[database][table].len() as u64
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.0[database][table].iter();
        Ok(Box::new(MadeRows::new(rows.map(Row::pack))))
    }
}

pub fn read_back(source: &dyn RowSource, database: usize, table: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut stream = source.open_rows(database, table)?;
    while let Some(batch) = stream.next_batch()? {
        assert!(!batch.is_empty());
        rows.extend(batch.rows().map(|row| row.to_owned()));
    }
    Ok(rows)
}

pub fn origin() -> Origin {
    Origin {
        family: "2.3".into(),
        cluster_id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
    }
}

pub fn table(name: &str, columns: usize) -> Table {
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

pub fn database(name: &str, tables: Vec<Table>) -> Database {
    Database {
        name: name.into(),
        tables,
        enums: vec![],
        views: vec![],
        table_grants: vec![],
    }
}

pub fn catalog(databases: Vec<Database>) -> Catalog {
    Catalog {
        databases,
        ..Catalog::default()
    }
}

pub fn row(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

pub fn write(catalog: &Catalog, rows: &Rows) -> TempDir {
    write_as(Layout::PerTable, catalog, rows)
}

pub fn write_as(options: impl Into<CreateOptions>, catalog: &Catalog, rows: &Rows) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), options, catalog, rows, &origin()).unwrap();
    dir
}

pub fn verified(dir: &Path, level: Level) -> Report {
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
pub fn files_below(dir: &Path) -> BTreeMap<PathBuf, u64> {
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
pub fn every_value() -> Vec<Row> {
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

/// A directory that uses every field of the catalog: two databases, a table
/// with dead rows, one without rows and one without columns.
pub fn full() -> (Catalog, Rows) {
    let text = |text: &str| text.to_owned();
    let mut users = table("users", 20);
    users.columns[1] = Column {
        name: text("c1"),
        data_type: DataType::Enum {
            name: text("mood"),
            labels: vec![text("sad"), text("ok")],
        },
        nullable: false,
        primary_key: false,
        unique: true,
        foreign_key: Some(ForeignKey {
            table: text("empty"),
            column: text("c0"),
        }),
    };
    users.columns[2].data_type = DataType::Numeric {
        precision: 10,
        scale: 2,
    };
    users.sequences = vec![(text("c9"), i64::MAX), (text("c0"), i64::MIN)];
    users.owner = Some(String::new());
    let all = vec![(text("zoe"), vec![Privilege::All, Privilege::Connect])];
    let mut shop = database("shop", vec![users, table("empty", 2)]);
    shop.enums = vec![(text("mood"), vec![text("sad"), text("ok")])];
    shop.views = vec![(text("v"), text("SELECT 1")), (text("a"), text(""))];
    shop.table_grants = vec![TableGrants {
        table: text("users"),
        owner: text("ann"),
        privileges: all.clone(),
    }];
    let catalog = Catalog {
        form: Form::Instance,
        databases: vec![shop, database("Shop", vec![table("none", 0)])],
        grants: vec![DatabaseGrants {
            database: text("shop"),
            owner: text("ann"),
            privileges: all,
        }],
        users: vec![User {
            name: text("ann"),
            password_hash: "5e".repeat(32),
            is_superuser: true,
            can_create_db: false,
            can_create_user: true,
            roles: vec![text("r")],
        }],
        roles: vec![Role {
            name: text("r"),
            is_superuser: false,
            can_create_db: true,
            can_create_role: false,
            members: vec![text("ann")],
            member_of: vec![],
        }],
    };
    let rows = Rows(vec![
        vec![every_value(), vec![]],
        vec![vec![row(vec![]), row(vec![])]],
    ]);
    (catalog, rows)
}

/// Every row of a directory, by database and table.
pub fn read_all(store: &Store) -> Result<Vec<Vec<Vec<Row>>>> {
    let databases = store.catalog().databases.iter().enumerate();
    let tables = |(at, db): (usize, &Database)| {
        let tables = 0..db.tables.len();
        tables.map(|table| read_back(store, at, table)).collect()
    };
    databases.map(tables).collect()
}

/// Compared by their printed form: a NaN differs from itself.
pub fn same(a: &[Row], b: &[Row]) -> bool {
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

/// The layout paged with this many pages in a file.
pub fn paged(pages_per_file: u32) -> CreateOptions {
    CreateOptions {
        layout: Layout::Paged,
        pages_per_file,
        ..CreateOptions::from(Layout::Paged)
    }
}

/// A row of one text that takes `len` bytes in the Row codec, 134 to 2,097,158 but
/// for 16,390: the text's length is a varint.
pub fn row_of_len(len: usize) -> Row {
    let around = if len <= 16_389 { 6 } else { 7 };
    row(vec![Value::Text("x".repeat(len - around))])
}

/// A directory of the database `d` with one table `t` of one column.
pub fn one_table(options: impl Into<CreateOptions>, rows: Vec<Row>) -> TempDir {
    let catalog = catalog(vec![database("d", vec![table("t", 1)])]);
    write_as(options, &catalog, &Rows(vec![vec![rows]]))
}

/// The store of [`one_table`] with one more row, committed and synced.
pub fn inserted(dir: &Path, id: i64) -> LiveStore {
    let mut store = LiveStore::open(dir, StoreOptions::default()).unwrap();
    let table = store.table("d", "t").unwrap().id();
    let mut tx = store.begin().unwrap();
    tx.insert(table, &[ValueRef::Integer(id)]).unwrap();
    tx.commit(Durability::Sync).unwrap();
    store
}
