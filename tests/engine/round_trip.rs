//! What is written comes back, and the same input gives the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustdb_migrate::codec::encode_row;
use rustdb_migrate::engine::{Layout, Level, Store, create};
use rustdb_migrate::error::{Class, Error};
use rustdb_migrate::model::{Catalog, Form, RowSource, Value};

use crate::bytes::blocks_of;
use crate::sample::{
    Rows, catalog, database, every_value, files_below, full, origin, read_all, read_back, row,
    row_of_len, same, table, verified, write,
};

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

#[test]
fn every_field_of_the_catalog_comes_back_in_its_order() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    assert!(Store::is_one(dir.path()));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.catalog(), &catalog);
    assert_eq!(store.origin(), &origin());
    assert_eq!(store.layout(), Layout::PerTable);
    for (read, written) in read_all(&store).unwrap().iter().zip(&rows.0) {
        for (read, written) in read.iter().zip(written) {
            assert!(same(read, written));
        }
    }
    assert_eq!(
        store.files(0, 1).unwrap(),
        [dir.path().join("db_shop/empty.db")]
    );
    assert_eq!((store.row_count(9, 9), store.live_count(0, 9)), (0, 0));
    assert!(store.open_rows(0, 2).is_err());
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn a_directory_without_anything_comes_back() {
    for form in [Form::Instance, Form::SingleDatabase] {
        let catalog = Catalog {
            form,
            ..Catalog::default()
        };
        let dir = write(&catalog, &Rows(vec![]));
        assert_eq!(Store::open(dir.path()).unwrap().catalog(), &catalog);
        assert_eq!(files_below(dir.path()).len(), 2);
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    }
}

#[test]
fn equal_input_gives_equal_bytes() {
    let (catalog, rows) = full();
    let (a, b) = (write(&catalog, &rows), write(&catalog, &rows));
    let bytes = |dir: &std::path::Path| -> Vec<(PathBuf, Vec<u8>)> {
        let files = files_below(dir).into_keys();
        let name = |path: PathBuf| path.strip_prefix(dir).unwrap().to_owned();
        files
            .map(|p| (name(p.clone()), fs::read(p).unwrap()))
            .collect()
    };
    assert_eq!(bytes(a.path()), bytes(b.path()));
}

#[test]
fn only_the_owner_may_read() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in files_below(dir.path()).into_keys() {
        assert_eq!(mode(path), 0o600);
    }
    assert_eq!(mode(dir.path().join("db_shop")), 0o700);
}

#[test]
fn hostile_names_stay_inside_and_apart() {
    let long = "x".repeat(10_000);
    let other = format!("{long}y");
    let names = [
        "../../etc",
        "..",
        "",
        "/",
        "a\0b",
        "con",
        "metadata",
        "t",
        "T",
        "%long-1",
        &long,
        &other,
    ];
    let tables: Vec<_> = names.iter().map(|name| table(name, 1)).collect();
    let databases: Vec<_> = names.iter().map(|n| database(n, tables.clone())).collect();
    let count = names.len();
    let value = |d: usize, t: usize| vec![row(vec![Value::Text(format!("{d} {t}"))])];
    let of = |d| (0..count).map(|t| value(d, t)).collect();
    let rows = Rows((0..count).map(of).collect());
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("target");
    fs::create_dir(&dir).unwrap();
    create(
        &dir,
        Layout::PerTable,
        &catalog(databases),
        &rows,
        &origin(),
    )
    .unwrap();
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    assert_eq!(files_below(&dir).len(), 2 + count * (2 * count + 1));
    let folded = files_below(&dir).into_keys();
    let folded: std::collections::BTreeSet<_> =
        folded.map(|p| p.to_str().unwrap().to_lowercase()).collect();
    assert_eq!(folded.len(), 2 + count * (2 * count + 1));
    let store = Store::open(&dir).unwrap();
    assert_eq!(read_all(&store).unwrap(), rows.0);
    assert_eq!(verified(&dir, Level::Structure).findings(), []);
}

/// Rows and payload length of each block of a table of such rows.
fn blocks(lens: &[usize]) -> Vec<(u32, u32)> {
    let rows: Vec<_> = lens.iter().map(|len| row_of_len(*len)).collect();
    let catalog = catalog(vec![database("d", vec![table("t", 1)])]);
    let dir = write(&catalog, &Rows(vec![vec![rows.clone()]]));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_back(&store, 0, 0).unwrap(), rows);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    let bytes = fs::read(dir.path().join("db_d/t.db")).unwrap();
    let blocks = blocks_of(&bytes, 0, 0);
    blocks.iter().map(|b| (b.rows, b.payload_len)).collect()
}

#[test]
fn rows_share_a_block_up_to_8_kib_with_its_header() {
    assert_eq!(blocks(&[4_084, 4_084]), [(2, 8_168)]);
    assert_eq!(blocks(&[4_084, 4_085]), [(1, 4_084), (1, 4_085)]);
    assert_eq!(blocks(&[8_168]), [(1, 8_168)]);
}

#[test]
fn a_row_wider_than_a_block_has_its_own() {
    let blocks = blocks(&[2_000, 8_169, 65_513, 1_000_000, 2_000, 2_001]);
    let [wide, wider] = [(1, 65_513), (1, 1_000_000)];
    assert_eq!(blocks, [(1, 2_000), (1, 8_169), wide, wider, (2, 4_001)]);
}

#[test]
fn rows_that_are_far_longer_in_memory_than_on_disk_come_back() {
    // 2 bytes each on disk and 32 in memory.
    let near = |second: usize| format!("2020-01-01T00:00:{:02}Z", second % 32);
    let rows: Vec<_> = (0..20_000)
        .map(|n| row(vec![Value::TimestampTz(near(n)); 8]))
        .collect();
    let wide = row((0..40_000).map(|n| Value::TimestampTz(near(n))).collect());
    let tables = vec![table("narrow", 8), table("wide", 40_000)];
    let catalog = catalog(vec![database("d", tables)]);
    let rows = Rows(vec![vec![rows, vec![wide.clone(), wide]]]);
    let dir = write(&catalog, &rows);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_all(&store).unwrap(), rows.0);
    let blocks = blocks_of(&fs::read(dir.path().join("db_d/narrow.db")).unwrap(), 0, 0);
    let mut batches = Vec::new();
    let mut stream = store.open_rows(0, 0).unwrap();
    while let Some(batch) = stream.next_batch().unwrap() {
        batches.push(batch.len());
    }
    // Memory is that of a block at a time.
    let blocks: Vec<_> = blocks.iter().map(|block| block.rows as usize).collect();
    assert_eq!(batches, blocks);
}

#[test]
fn typical_rows_take_less_than_60_percent_of_the_legacy_bytes() {
    let (mut legacy, mut values) = (rustdb_migrate::codec::ByteWriter::new(), Vec::new());
    for n in 0..5_000i64 {
        values.push(row(vec![
            Value::Integer(n),
            Value::SmallInt((n % 100) as i16),
            Value::Text(format!("customer {n}")),
            Value::Numeric(format!("{}.50", n % 1000)),
            Value::Boolean(n % 2 == 0),
            Value::Date(format!("2025-{:02}-{:02}", n % 12 + 1, n % 28 + 1)),
            Value::Timestamp(format!("2025-01-02T{:02}:04:05", n % 24)),
            Value::Null,
        ]));
    }
    for row in &values {
        encode_row(&mut legacy, &row.pack().as_row());
    }
    let catalog = catalog(vec![database("d", vec![table("t", 8)])]);
    let dir = write(&catalog, &Rows(vec![vec![values]]));
    let len = fs::metadata(dir.path().join("db_d/t.db")).unwrap().len();
    assert!(
        len * 100 < legacy.len() as u64 * 60,
        "{len} of {}",
        legacy.len()
    );
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_no_control_file() {
    let (full_catalog, full_rows) = full();
    let refused = |catalog: &Catalog, origin| {
        let dir = tempfile::tempdir().unwrap();
        let error = create(dir.path(), Layout::PerTable, catalog, &full_rows, &origin);
        let error = error.unwrap_err();
        assert_eq!(error.class(), Class::CannotRun);
        assert!(!dir.path().join("control").exists());
        error
    };
    let long = rustdb_migrate::engine::Origin {
        family: "f".repeat(33),
        ..origin()
    };
    let error = refused(&full_catalog, long);
    assert!(matches!(error, Error::Usage(_)), "{error}");
    assert!(error.to_string().contains("33 bytes"), "{error}");
    let mut twice = full_catalog.clone();
    twice.databases[1].name = "shop".into();
    let error = refused(&twice, origin());
    assert!(
        matches!(&error, Error::NameTaken { name } if name == "shop"),
        "{error}"
    );
    let mut twice = full_catalog.clone();
    twice.databases[0].tables[1].name = "users".into();
    let error = refused(&twice, origin());
    assert!(
        matches!(&error, Error::NameTaken { name } if name == "users"),
        "{error}"
    );
}

#[test]
fn a_row_of_another_number_of_values_is_refused_and_leaves_no_control_file() {
    let (mut wider, rows) = full();
    wider.databases[1].tables[0] = table("none", 1);
    let dir = tempfile::tempdir().unwrap();
    let error = create(dir.path(), Layout::PerTable, &wider, &rows, &origin()).unwrap_err();
    let (found, expected) = match &error {
        Error::WrongArity {
            found, expected, ..
        } => (*found, *expected),
        other => panic!("{other}"),
    };
    assert_eq!((found, expected), (0, 1));
    assert_eq!(error.class(), Class::CannotRun);
    assert!(!dir.path().join("control").exists());
}

#[test]
fn a_directory_that_is_not_empty_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x"), "").unwrap();
    let (catalog, rows) = full();
    let error = create(dir.path(), Layout::PerTable, &catalog, &rows, &origin()).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert_eq!(files_below(dir.path()).len(), 1);
}

#[test]
fn a_source_that_gives_fewer_rows_than_announced_is_refused() {
    struct Liar(Rows);
    impl RowSource for Liar {
        fn row_count(&self, database: usize, table: usize) -> u64 {
            self.0.row_count(database, table) + 1
        }
        fn open_rows(
            &self,
            database: usize,
            table: usize,
        ) -> rustdb_migrate::error::Result<Box<dyn rustdb_migrate::model::RowStream + '_>> {
            self.0.open_rows(database, table)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (catalog, rows) = full();
    let liar = Liar(rows);
    let error = create(dir.path(), Layout::PerTable, &catalog, &liar, &origin()).unwrap_err();
    assert!(
        error.to_string().contains("announced 3 rows and gave 2"),
        "{error}"
    );
}
