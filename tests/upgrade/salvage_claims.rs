//! Files of our own directories that are not what their names say, or that say what
//! others do: every row stays, once, under a name of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use crate::salvage_ours::{Found, Rows, directory, rows, salvaged, truth};
use crate::support::run::{inspect, migrate};
use rustdb_migrate::engine::{Layout, Origin, Store, create};
use rustdb_migrate::file::LocalDisk;
use rustdb_migrate::model::{Catalog, Column, DataType, Database, Table};
use tempfile::TempDir;

/// A directory of one database.
fn of(layout: Layout, database: &Database, rows: Rows) -> TempDir {
    let catalog = Catalog {
        databases: vec![database.clone()],
        ..Catalog::default()
    };
    let origin = Origin {
        family: "1.4".into(),
        cluster_id: 7,
    };
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), layout, &catalog, &rows, &origin).unwrap();
    dir
}

/// The directory of all tests without `global.db`.
fn without_global(layout: Layout) -> TempDir {
    let dir = directory(layout);
    fs::remove_file(dir.path().join("global.db")).unwrap();
    dir
}

fn table(name: &str, named: DataType) -> Table {
    let columns = vec![
        Column::key("id", DataType::Integer),
        Column::new("name", named),
    ];
    Table::new(name, columns)
}

fn named(database: &str, table: &str) -> (String, String) {
    (database.to_owned(), table.to_owned())
}

/// What salvage finds, and what an upgrade writes of it, is this and no more; one of
/// the findings, if any, names a file.
fn holds(what: &str, dir: &Path, expected: &Found, file: Option<&str>) {
    let store = Store::salvage_on(&LocalDisk::shared(), dir).unwrap();
    assert_eq!(store.catalog().table_count(), expected.len(), "{what}");
    let (found, report) = salvaged(dir);
    let names = || found.keys().collect::<Vec<_>>();
    assert!(found == *expected, "{what}: {:?}", names());
    assert_eq!(report.has_errors(), file.is_some(), "{what}");
    let losses = report.findings().iter().filter(|f| !f.code.is_loss());
    assert_eq!(losses.count(), 0, "{what}: {:?}", report.findings());
    if let Some(file) = file {
        let mut files = report.findings().iter().filter_map(|f| f.file.as_ref());
        let is_named = files.any(|path| Path::new(path) == dir.join(file));
        assert!(is_named, "{what}: {:?}", report.findings());
    }
    let code = i32::from(file.is_some());
    let (source, new) = (dir.to_str().unwrap(), tempfile::tempdir().unwrap());
    let new = new.path().join("new");
    inspect(["dump", source, "--salvage"]).exits(code);
    migrate(["upgrade", "--salvage", source, new.to_str().unwrap()]).exits(code);
    let (written, report) = salvaged(&new);
    assert!(
        written == *expected && report.findings().is_empty(),
        "{what}"
    );
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// The files of a table.
fn of_table(database: &Path, table: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(database).unwrap().map(|entry| entry.unwrap());
    let own = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        let rest = name.strip_prefix(table)?.to_owned();
        Some((entry.path(), rest))
    });
    own.collect()
}

#[test]
fn a_database_without_tables_keeps_its_enum_types_and_views() {
    let database = Database {
        enums: vec![("mood".into(), vec!["sad".into(), "ok".into()])],
        views: vec![("v".into(), "SELECT 1".into())],
        ..Database::empty("shop")
    };
    for layout in Layout::ALL {
        let dir = of(layout, &database, Rows(vec![vec![]]));
        holds(&layout.to_string(), dir.path(), &Found::new(), None);
        let store = Store::salvage_on(&LocalDisk::shared(), dir.path()).unwrap();
        assert_eq!(store.catalog().databases, slice::from_ref(&database));
    }
}

#[test]
fn without_a_catalog_enum_types_are_those_of_columns() {
    let mood = ("mood".to_owned(), vec!["sad".to_owned(), "ok".to_owned()]);
    let (name, labels) = mood.clone();
    let database = Database {
        tables: vec![table("people", DataType::Enum { name, labels })],
        enums: vec![("unused".into(), vec!["a".into()]), mood.clone()],
        ..Database::empty("shop")
    };
    for layout in Layout::ALL {
        let dir = of(layout, &database, Rows(vec![vec![rows(9)]]));
        fs::remove_file(dir.path().join("db_shop/metadata.db")).unwrap();
        let store = Store::salvage_on(&LocalDisk::shared(), dir.path()).unwrap();
        let enums = &store.catalog().databases[0].enums;
        assert_eq!(*enums, slice::from_ref(&mood));
    }
}

#[test]
fn a_copy_of_a_descriptor_makes_no_second_table_and_costs_no_row() {
    for layout in Layout::ALL {
        for copied in ["orders.table", "another.table", "zz.table"] {
            let dir = directory(layout);
            let shop = dir.path().join("db_shop");
            fs::remove_file(shop.join("metadata.db")).unwrap();
            fs::copy(shop.join("people.table"), shop.join(copied)).unwrap();
            let what = format!("{layout}: {copied}");
            let named = format!("db_shop/{copied}");
            holds(&what, dir.path(), &truth(), Some(&named));
        }
    }
}

#[test]
fn of_two_tables_of_one_name_the_one_under_another_file_name_gets_that() {
    for layout in Layout::ALL {
        let of_tables = |names: &[(&str, i64)]| {
            let tables = names.iter();
            let tables = tables.map(|(name, _)| table(name, DataType::Text));
            let database = Database {
                tables: tables.collect(),
                ..Database::empty("shop")
            };
            let rows = names.iter().map(|(_, count)| rows(*count));
            of(layout, &database, Rows(vec![rows.collect()]))
        };
        let dir = of_tables(&[("people", 30)]);
        let other = of_tables(&[("first", 1), ("people", 20)]);
        let shop = dir.path().join("db_shop");
        fs::remove_file(shop.join("metadata.db")).unwrap();
        for (path, rest) in of_table(&other.path().join("db_shop"), "people") {
            copy(&path, &shop.join(format!("former{rest}")));
        }
        let expected = Found::from([
            (named("shop", "people"), rows(30)),
            (named("shop", "former"), rows(20)),
        ]);
        let named = Some("db_shop/former.table");
        holds(&layout.to_string(), dir.path(), &expected, named);
    }
}

#[test]
fn a_stray_page_file_behind_a_gap_costs_no_row() {
    // With 2^17 pages in a file, the second one starts with page 131072.
    for (stray, named) in [
        ("page_262144.dat", "page_131072.dat"),
        ("page_131073.dat", "page_131073.dat"),
        ("page_99999999999.dat", "page_99999999999.dat"),
    ] {
        let dir = directory(Layout::Paged);
        let people = dir.path().join("db_shop/people");
        fs::copy(people.join("page_0000.dat"), people.join(stray)).unwrap();
        let named = format!("db_shop/people/{named}");
        holds(stray, dir.path(), &truth(), Some(&named));
        let source = dir.path().to_str().unwrap();
        inspect(["verify", source]).exits(1);
        inspect(["dump", source]).exits(1);
    }
}

#[test]
fn the_directory_that_has_the_name_of_a_database_comes_before_others_that_claim_it() {
    let whole = ["metadata.db", "people.table", "orders.table"];
    for layout in Layout::ALL {
        for copied in [&whole[..], &whole[..1], &whole[1..2]] {
            for claimer in ["db_backup", "db_zz"] {
                let dir = without_global(layout);
                let at = |name: &str| dir.path().join(name);
                fs::create_dir(at(claimer)).unwrap();
                for name in copied {
                    fs::copy(at("db_shop").join(name), at(claimer).join(name)).unwrap();
                }
                let what = format!("{layout}: {claimer} with {copied:?}");
                holds(&what, dir.path(), &truth(), Some(claimer));
            }
        }
    }
}

#[test]
fn another_directory_of_a_database_keeps_its_rows_under_its_own_name() {
    for layout in Layout::ALL {
        let dir = without_global(layout);
        let at = |name: &str| dir.path().join(name);
        copy(&at("db_blog"), &at("db_a_copy"));
        let mut expected = truth();
        expected.insert(named("a_copy", "posts"), rows(30));
        holds(
            &layout.to_string(),
            dir.path(),
            &expected,
            Some("db_a_copy"),
        );
    }
}

#[test]
fn a_catalog_of_another_database_does_not_hide_whose_the_tables_are() {
    for layout in Layout::ALL {
        let dir = without_global(layout);
        let at = |name: &str| dir.path().join(name);
        fs::copy(at("db_blog/metadata.db"), at("db_shop/metadata.db")).unwrap();
        let named = Some("db_shop/metadata.db");
        holds(&layout.to_string(), dir.path(), &truth(), named);
    }
}
