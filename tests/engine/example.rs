//! The example of the format page: its dumps and hashes are those of the code,
//! and of the independent reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustdb_migrate::commands::content::hash_content;
use rustdb_migrate::engine::{Layout, Level, Origin, Store, create};
use rustdb_migrate::model::{Column, DataType, Table, Value};
use rustdb_migrate::work::Threads;
use tempfile::TempDir;

use crate::peer;
use crate::sample::{Rows, catalog, database, read_all, row, verified};

const PAGE: &str = include_str!("../../man/rustdb-format.5");

/// The directory of the example in one layout.
fn example(layout: Layout) -> TempDir {
    let columns = vec![
        Column::key("id", DataType::Integer),
        Column::new("name", DataType::Text),
    ];
    let mut table = Table::new("t", columns);
    table.sequences = vec![("id".into(), 6)];
    let catalog = catalog(vec![database("d", vec![table])]);
    let rows = Rows(vec![vec![vec![row(vec![
        Value::Integer(5),
        Value::Text("hi".into()),
    ])]]]);
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin {
        family: "1.4".into(),
        cluster_id: 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
    };
    create(dir.path(), layout, &catalog, &rows, &origin).unwrap();
    dir
}

/// The bytes of the dumps, by the file they are of: offset, and what is there.
fn dumps() -> BTreeMap<&'static str, Vec<(usize, Vec<u8>)>> {
    let (_, example) = PAGE.split_once(".Sh EXAMPLE\n").unwrap();
    let (example, _) = example.split_once(".Sh ").unwrap();
    let mut dumps = BTreeMap::<_, Vec<_>>::new();
    let mut name = "";
    for line in example.lines() {
        if let Some(path) = line.strip_prefix(".It Pa ") {
            name = path;
        }
        let Some((offset, bytes)) = line.split_once(": ") else {
            continue;
        };
        let Ok(offset) = offset.parse() else { continue };
        let bytes = bytes.split("  ").next().unwrap().split(' ');
        let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap());
        dumps
            .entry(name)
            .or_default()
            .push((offset, bytes.collect()));
    }
    dumps
}

/// A value that the page gives by a name.
fn given(name: &str) -> &'static str {
    let start = format!("{name} = ");
    let mut lines = PAGE.lines();
    let found = lines.find_map(|line| line.strip_prefix(start.as_str()));
    found.unwrap_or_else(|| panic!("{name} is not on the page"))
}

#[test]
fn the_dumps_of_the_format_page_are_of_the_files() {
    let dirs = [Layout::Paged, Layout::PerTable, Layout::Append].map(example);
    let mut dumped = 0;
    for (name, parts) in dumps() {
        let path = dirs
            .iter()
            .map(|dir| dir.path().join(name))
            .find(|path| path.exists());
        // The log is not of a new directory.
        let Some(path) = path else {
            assert!(name.starts_with("wal/"), "{name}");
            continue;
        };
        let bytes = fs::read(path).unwrap();
        for (offset, part) in parts {
            assert_eq!(
                bytes[offset..offset + part.len()],
                part,
                "{name} at {offset}"
            );
            dumped += 1;
        }
    }
    assert!(dumped > 60, "{dumped} lines");
}

#[test]
fn the_log_of_the_format_page_adds_its_row() {
    let dumps = dumps();
    let (name, parts) = dumps
        .iter()
        .find(|(name, _)| name.starts_with("wal/"))
        .unwrap();
    let mut segment = Vec::new();
    for (offset, part) in parts {
        assert_eq!(*offset, segment.len());
        segment.extend(part);
    }
    let dir = example(Layout::PerTable);
    fs::create_dir(dir.path().join("wal")).unwrap();
    fs::write(dir.path().join(name), segment).unwrap();
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    let rows = read_all(&Store::open(dir.path()).unwrap()).unwrap();
    let values: Vec<_> = rows[0][0].iter().map(|row| row.values.clone()).collect();
    let value = |id, name: &str| vec![Value::Integer(id), Value::Text(name.into())];
    assert_eq!(values, [value(5, "hi"), value(6, "yo")]);
}

#[test]
fn the_hashes_of_the_format_page_are_of_the_code_and_of_the_peer() {
    let dirs = [Layout::Paged, Layout::PerTable, Layout::Append].map(example);
    for dir in &dirs {
        let store = Store::open(dir.path()).unwrap();
        let content = hash_content(store.catalog(), &store, Threads::ONE).unwrap();
        assert_eq!(content.tables[0].hash.to_string(), given("table"));
        assert_eq!(
            content.tables[0].versions_hash.to_string(),
            given("table, versions")
        );
        assert_eq!(content.databases[0].hash.to_string(), given("database"));
        assert_eq!(content.hash.to_string(), given("directory"));
        assert_eq!(
            content.versions_hash.to_string(),
            given("directory, versions")
        );
    }
    if !peer::has_python() {
        return;
    }
    for read in peer::read(dirs.iter().map(|dir| -> &Path { dir.path() })) {
        assert_eq!(read["problems"], serde_json::json!([]));
        assert_eq!(read["hash"], given("directory"));
        assert_eq!(read["versions_hash"], given("directory, versions"));
        assert_eq!(read["tables"][0]["hash"], given("table"));
        assert_eq!(read["tables"][0]["versions_hash"], given("table, versions"));
    }
}
