//! Damage of our own directories: every row that stands in a whole unit comes
//! back, and nothing is lost in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::run::{inspect, migrate};
use rustdb_migrate::codec::MadeRows;
use rustdb_migrate::engine::{
    Durability, Layout, Level, LiveStore, Origin, Store, StoreOptions, create, verify,
};
use rustdb_migrate::file::LocalDisk;
use rustdb_migrate::finding::Code;
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, Row, RowSource, RowStream, Table, Value, ValueRef,
};
use rustdb_migrate::report::Report;
use tempfile::TempDir;

/// Bytes of the block that a disk loses.
const BLOCK: usize = 4096;
/// Rows of the larger table.
const ROWS: i64 = 2000;

pub struct Rows(pub Vec<Vec<Vec<Row>>>);

impl RowSource for Rows {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.0[database][table].len() as u64
    }

    fn open_rows(
        &self,
        database: usize,
        table: usize,
    ) -> rustdb_migrate::error::Result<Box<dyn RowStream + '_>> {
        let rows = self.0[database][table].iter();
        Ok(Box::new(MadeRows::new(rows.map(Row::pack))))
    }
}

pub fn rows(count: i64) -> Vec<Row> {
    let row = |n: i64| Row {
        values: vec![
            Value::Integer(n),
            Value::Text(format!("person {n:05} {}", "x".repeat(50))),
        ],
        xmin: 1,
        xmax: (n % 10 == 9).then_some(2),
    };
    (0..count).map(row).collect()
}

pub fn directory(layout: Layout) -> TempDir {
    directory_of(layout, 7)
}

fn directory_of(layout: Layout, cluster_id: u128) -> TempDir {
    let table = |name: &str| {
        let columns = vec![
            Column::key("id", DataType::Integer),
            Column::new("name", DataType::Text),
        ];
        Table::new(name, columns)
    };
    let database = |name: &str, tables| Database {
        tables,
        ..Database::empty(name)
    };
    let catalog = Catalog {
        databases: vec![
            database("blog", vec![table("posts")]),
            database("shop", vec![table("people"), table("orders")]),
        ],
        ..Catalog::default()
    };
    let rows = Rows(vec![vec![rows(30)], vec![rows(ROWS), rows(40)]]);
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "1.4".into(),
        cluster_id,
    };
    create(dir.path(), layout, &catalog, &rows, &origin).unwrap();
    dir
}

pub type Found = BTreeMap<(String, String), Vec<Row>>;

/// Every row that salvage gives, and what it says.
pub fn salvaged(dir: &Path) -> (Found, Report) {
    let store = Store::salvage_on(&LocalDisk::shared(), dir).unwrap();
    let mut found = Found::new();
    for (d, database) in store.catalog().databases.iter().enumerate() {
        for (t, table) in database.tables.iter().enumerate() {
            let mut rows = Vec::new();
            let mut stream = store.open_rows(d, t).unwrap();
            while let Some(batch) = stream.next_batch().unwrap() {
                rows.extend(batch.rows().map(|row| row.to_owned()));
            }
            assert_eq!(rows.len() as u64, store.row_count(d, t));
            found.insert((database.name.clone(), table.name.clone()), rows);
        }
    }
    (found, store.findings().clone())
}

pub fn truth() -> Found {
    let key = |database: &str, table: &str| (database.to_owned(), table.to_owned());
    Found::from([
        (key("blog", "posts"), rows(30)),
        (key("shop", "people"), rows(ROWS)),
        (key("shop", "orders"), rows(40)),
    ])
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter();
    let files = entries.map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.into_path()).collect()
}

/// Rows that a lost block of 4 KiB may take with it: a block of rows of 64 KiB,
/// a record of 16 KiB, a page of 8 KiB.
fn most_lost(layout: Layout) -> usize {
    let row_len = 60;
    match layout {
        Layout::PerTable => 2 * 65_536 / row_len,
        Layout::Append => 2 * 16_384 / row_len,
        _ => 8192 / row_len,
    }
}

/// Only rows that were there, in their order, and few are missing.
pub fn judge(what: &str, dir: &Path, most: usize) {
    let (found, report) = salvaged(dir);
    let truth = truth();
    let mut missing = 0;
    for (name, rows) in &truth {
        let kept = found.get(name).cloned().unwrap_or_default();
        let mut left = rows.iter();
        for row in &kept {
            assert!(left.any(|r| r == row), "{what}: a row that was not there");
        }
        missing += rows.len() - kept.len();
    }
    assert!(missing <= most, "{what}: {missing} rows are missing");
    assert!(missing == 0 || report.has_errors(), "{what}: in silence");
    let losses = report.findings().iter().filter(|f| !f.code.is_loss());
    assert_eq!(losses.count(), 0, "{what}: {:?}", report.findings());
    assert_eq!(found.len(), truth.len(), "{what}");
}

#[test]
fn a_whole_directory_is_salvaged_as_it_is() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let (found, report) = salvaged(dir.path());
        assert_eq!(report.findings(), []);
        assert!(found == truth(), "{layout}");
    }
}

#[test]
fn a_block_of_zeros_anywhere_costs_the_rows_of_its_unit_alone() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for path in files(dir.path()) {
            let whole = fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(BLOCK) {
                let mut bytes = whole.clone();
                let end = bytes.len().min(at + BLOCK);
                bytes[at..end].fill(0);
                fs::write(&path, &bytes).unwrap();
                let what = format!("{layout}: {} at {at}", path.display());
                judge(&what, dir.path(), most_lost(layout));
            }
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn a_lost_file_costs_no_row_but_its_own() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for path in files(dir.path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let holds_rows = name.starts_with("page_")
                || (layout == Layout::PerTable
                    && name.ends_with(".db")
                    && name != "metadata.db"
                    && name != "global.db")
                || (layout == Layout::Append && name.ends_with(".dat"));
            let whole = fs::read(&path).unwrap();
            if holds_rows {
                fs::remove_file(&path).unwrap();
                judge(
                    &format!("{layout}: {name} lost"),
                    dir.path(),
                    usize::try_from(ROWS).unwrap(),
                );
                fs::write(&path, &whole).unwrap();
                continue;
            }
            fs::write(&path, &whole[..whole.len() / 3]).unwrap();
            judge(&format!("{layout}: {name} cut"), dir.path(), 0);
            fs::remove_file(&path).unwrap();
            judge(&format!("{layout}: {name} lost"), dir.path(), 0);
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn without_any_catalog_descriptors_name_databases_tables_and_columns() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for name in [
            "control",
            "global.db",
            "db_blog/metadata.db",
            "db_shop/metadata.db",
        ] {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(Store::is_one(dir.path()));
        let (found, report) = salvaged(dir.path());
        assert!(report.has(Code::AccountsLost));
        assert!(found == truth(), "{layout}");
        let store = Store::salvage_on(&LocalDisk::shared(), dir.path()).unwrap();
        assert_eq!(store.layout(), layout);
        let column = &store.catalog().databases[1].tables[0].columns[1];
        assert_eq!(column.name, "name");
    }
}

#[test]
fn without_catalog_and_descriptor_the_columns_of_a_table_get_made_up_names() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for name in ["db_shop/metadata.db", "db_shop/people.table"] {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        let (found, report) = salvaged(dir.path());
        assert!(report.has(Code::SchemaLost), "{layout}");
        assert!(found == truth(), "{layout}");
    }
}

#[test]
fn files_of_rows_that_are_left_alone_give_every_row() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        for path in files(dir.path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_catalog = ["control", "global.db", "metadata.db"].contains(&name);
            if is_catalog || name.ends_with(".table") {
                fs::remove_file(path).unwrap();
            }
        }
        let name = dir.path().to_str().unwrap();
        inspect(["info", name]).exits(1);
        let (found, report) = salvaged(dir.path());
        assert!(report.has(Code::SchemaLost), "{layout}");
        assert!(found == truth(), "{layout}");
    }
}

#[test]
fn a_lost_database_hides_no_other() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        fs::remove_dir_all(dir.path().join("db_blog")).unwrap();
        let (found, report) = salvaged(dir.path());
        assert!(report.has_errors(), "{layout}");
        let mut left = truth();
        left.remove(&("blog".into(), "posts".into()));
        assert!(found == left, "{layout}");
    }
}

#[test]
fn catalogs_of_another_directory_count_as_lost() {
    for layout in Layout::ALL {
        for other in Layout::ALL {
            let (dir, stray) = (directory(layout), directory_of(other, 8));
            for name in ["control", "global.db", "db_shop/metadata.db"] {
                let path = dir.path().join(name);
                let own = fs::read(&path).unwrap();
                fs::copy(stray.path().join(name), &path).unwrap();
                judge(&format!("{layout}: {name} of {other}"), dir.path(), 0);
                fs::write(&path, own).unwrap();
            }
        }
    }
}

#[test]
fn a_table_is_found_behind_its_damaged_start() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        fs::remove_file(dir.path().join("db_shop/metadata.db")).unwrap();
        fs::remove_file(dir.path().join("db_shop/people.table")).unwrap();
        let path = files(dir.path()).into_iter().find(|path| {
            let path = path.to_str().unwrap();
            path.ends_with("people/page_0000.dat")
                || path.ends_with("people.dat")
                || path.ends_with("people.db")
        });
        let path = path.unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[100..20_000].fill(0);
        fs::write(&path, bytes).unwrap();
        judge(
            &format!("{layout}"),
            dir.path(),
            65_536 / 60 + most_lost(layout),
        );
    }
}

/// The log goes on from a state that the files of one table are no longer of.
#[test]
fn a_table_that_does_not_take_its_log_keeps_its_rows_and_hides_no_other() {
    for layout in Layout::ALL {
        let dir = directory(layout);
        let of_people = |path: &PathBuf| path.to_str().unwrap().contains("people");
        let before = files(dir.path()).into_iter().filter(of_people);
        let before: Vec<_> = before
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect();
        let mut store = LiveStore::open(dir.path(), StoreOptions::default()).unwrap();
        let people = store.table("shop", "people").unwrap().id();
        let mut number = 0;
        for id in [ROWS, ROWS + 1] {
            let values = [ValueRef::Integer(id), ValueRef::Text("new")];
            let mut tx = store.begin().unwrap();
            number = tx.number();
            tx.insert(people, &values).unwrap();
            tx.commit(Durability::Sync).unwrap();
            if id == ROWS {
                store.checkpoint().unwrap();
            }
        }
        store.close().unwrap();
        for (bytes, path) in before {
            fs::write(path, bytes).unwrap();
        }
        let name = dir.path().to_str().unwrap();
        let said = inspect(["dump", name, "--format", "jsonl"]).exits(1);
        let of_others = |line: &&str| !line.contains("\"people\"");
        assert_eq!(said.stdout.lines().filter(of_others).count(), 27 + 36);
        let (found, report) = salvaged(dir.path());
        assert!(report.has(Code::RecordsLost), "{layout}");
        let mut expected = truth();
        let people = expected.get_mut(&("shop".into(), "people".into()));
        people.unwrap().push(Row {
            values: vec![Value::Integer(ROWS + 1), Value::Text("new".into())],
            xmin: number,
            xmax: None,
        });
        assert!(found == expected, "{layout}");
    }
}

#[test]
fn a_damaged_database_hides_no_other() {
    let dir = directory(Layout::PerTable);
    let path = dir.path().join("db_shop/metadata.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let name = dir.path().to_str().unwrap();
    let said = inspect(["dump", name, "--format", "jsonl", "--database", "blog"]);
    assert_eq!(said.exits(1).stdout.lines().count(), 27);
    let said = inspect(["info", name]);
    let line = "shop      (unreadable)";
    let shown = said.exits(1).stdout;
    assert!(shown.lines().any(|one| one.trim_end() == line), "{shown}");
    let mut report = Report::new();
    verify(dir.path(), Level::Structure, &mut report).unwrap();
    assert!(report.has(Code::ChecksumMismatch));
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("new");
    let target = target.to_str().unwrap();
    migrate(["upgrade", name, target]).exits(1);
    assert!(!Path::new(target).exists());
    migrate(["upgrade", "--salvage", name, target]).exits(1);
    let (found, _) = salvaged(Path::new(target));
    assert!(found == truth());
}

/// Rows of the directory that is damaged block by block: few, or with
/// `RUSTDB_TRUST=full` as many as a shop has.
fn many() -> i64 {
    match std::env::var("RUSTDB_TRUST").is_ok_and(|effort| effort == "full") {
        true => 200_000,
        false => 20_000,
    }
}

/// A directory of one table of short rows.
fn large(layout: Layout) -> TempDir {
    let columns = vec![
        Column::key("id", DataType::Integer),
        Column::new("name", DataType::Text),
    ];
    let database = Database {
        tables: vec![Table::new("people", columns)],
        ..Database::empty("shop")
    };
    let catalog = Catalog {
        databases: vec![database],
        ..Catalog::default()
    };
    let rows = (0..many()).map(|n| Row {
        values: vec![Value::Integer(n), Value::Text(name_of(n))],
        xmin: 1,
        xmax: None,
    });
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "1.4".into(),
        cluster_id: 7,
    };
    let rows = Rows(vec![vec![rows.collect()]]);
    create(dir.path(), layout, &catalog, &rows, &origin).unwrap();
    dir
}

fn name_of(n: i64) -> String {
    format!("p{n}")
}

/// Where the units of a file with rows start and end, and how many rows each has,
/// by the offsets of the format page.
fn units(layout: Layout, bytes: &[u8]) -> Vec<(usize, usize, u64)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut units = Vec::new();
    if layout == Layout::Paged {
        for start in (0..bytes.len()).step_by(8192) {
            let slots = (number(start + 40) & 0xffff) - 44;
            units.push((start, start + 8192, u64::from(slots / 4)));
        }
        return units;
    }
    let (mut at, head_len, end) = match layout {
        Layout::Append => (48, 36, bytes.len()),
        _ => (48, 24, bytes.len() - 48),
    };
    while at < end {
        let next = at + head_len + number(at + 4) as usize;
        units.push((at, next, u64::from(number(at + 8))));
        at = next;
    }
    units
}

/// What salvage keeps of the rows, each of which must be one that was there.
fn kept(dir: &Path) -> (u64, bool) {
    let store = Store::salvage_on(&LocalDisk::shared(), dir).unwrap();
    let (mut kept, mut last) = (0, -1);
    let mut stream = store.open_rows(0, 0).unwrap();
    while let Some(batch) = stream.next_batch().unwrap() {
        for row in batch.rows() {
            let row = row.to_owned();
            let [Value::Integer(n), Value::Text(name)] = &row.values[..] else {
                panic!("a row that was not there: {row:?}");
            };
            assert!(*n > last && *name == name_of(*n), "{row:?} after {last}");
            last = *n;
            kept += 1;
        }
    }
    (kept, store.findings().has_errors())
}

/// One line of the table: how often, and the least part of the rows in whole
/// units that was kept.
#[derive(Default)]
struct Kept {
    tried: u64,
    least: Option<f64>,
    silent: u64,
}

impl Kept {
    fn add(&mut self, dir: &Path, in_whole_units: u64) {
        let (kept, said) = kept(dir);
        let part = match in_whole_units {
            0 => 1.0,
            rows => kept as f64 / rows as f64,
        };
        self.tried += 1;
        self.least = Some(self.least.map_or(part, |least| least.min(part)));
        self.silent += u64::from(kept < many().unsigned_abs() && !said);
    }
}

/// Damages a directory in every way, and gives the lines of the table.
fn damaged(layout: Layout) -> Vec<(&'static str, Kept)> {
    let dir = large(layout);
    let all = many().unsigned_abs();
    let [mut of_rows, mut of_others, mut lost] = [(); 3].map(|()| Kept::default());
    for path in files(dir.path()) {
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let holds_rows = name.starts_with("page_") || ["people.db", "people.dat"].contains(&&*name);
        let units = match holds_rows {
            true => units(layout, &whole),
            false => Vec::new(),
        };
        for at in (0..whole.len()).step_by(BLOCK) {
            let mut bytes = whole.clone();
            let end = bytes.len().min(at + BLOCK);
            bytes[at..end].fill(0);
            fs::write(&path, &bytes).unwrap();
            let hit = units
                .iter()
                .filter(|(start, stop, _)| *start < end && at < *stop);
            let in_hit: u64 = hit.map(|(_, _, rows)| rows).sum();
            match holds_rows {
                true => of_rows.add(dir.path(), all - in_hit),
                false => of_others.add(dir.path(), all),
            }
        }
        fs::remove_file(&path).unwrap();
        if !holds_rows {
            lost.add(dir.path(), all);
        }
        fs::write(&path, &whole).unwrap();
    }
    vec![
        ("4 KiB of zeros in a file of rows", of_rows),
        ("4 KiB of zeros in any other file", of_others),
        ("a file lost that is not of rows", lost),
    ]
}

#[test]
fn every_row_of_a_whole_unit_is_kept() {
    let lines = std::thread::scope(|scope| {
        let runs = Layout::ALL.map(|layout| scope.spawn(move || (layout, damaged(layout))));
        runs.map(|run| run.join().unwrap())
    });
    println!(
        "| what was done to {} rows | layout | times | kept, at least | in silence |",
        many()
    );
    for (layout, lines) in &lines {
        for (what, kept) in lines {
            let least = kept.least.unwrap();
            let Kept { tried, silent, .. } = kept;
            println!(
                "| {what} | {layout} | {tried} | {:.2} % | {silent} |",
                least * 100.0
            );
            assert!(least >= 0.99 && *silent == 0, "{layout}: {what}");
        }
    }
}
