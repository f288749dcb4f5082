//! `page`: every byte of a page with its meaning, whole or damaged.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, Store, StoreOptions};
use rustdb_migrate::model::{Column, DataType, Table, ValueRef};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::run::{data, inspect, inspect_command, migrate, text};

/// A fixture as a directory of ours, below a scratch directory.
fn upgraded(layout: &str) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let target = text(&scratch.path().join("new"));
    migrate(["upgrade", "-q", &data("torn_tail"), &target, "--to", layout]).exits(0);
    scratch
}

/// What `page new TABLE ARGS` prints, run from where `new` is.
fn shown(scratch: &TempDir, args: &[&str]) -> (i32, String) {
    let mut command = inspect_command();
    command.args(["page", "new"]).args(args);
    let output = command.current_dir(scratch.path()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

fn file(scratch: &TempDir, layout: &str) -> PathBuf {
    let name = match layout {
        "paged" => "customers/page_0000.dat",
        "append" => "customers.dat",
        _ => "customers.db",
    };
    scratch.path().join("new/db_shop").join(name)
}

#[test]
fn a_page_a_record_and_a_block_are_these() {
    for layout in ["paged", "append", "per-table"] {
        let scratch = upgraded(layout);
        let (code, page) = shown(&scratch, &["shop.customers", "0"]);
        assert_eq!(code, 0, "{page}");
        insta::assert_snapshot!(format!("{layout}_text"), page);
        let (code, hex) = shown(&scratch, &["shop.customers", "0", "--format", "hex"]);
        assert_eq!(code, 0);
        insta::assert_snapshot!(format!("{layout}_hex"), hex);
        let (code, all) = shown(&scratch, &["shop.customers"]);
        assert_eq!(code, 0);
        insta::assert_snapshot!(format!("{layout}_all"), all);
    }
}

#[test]
fn rows_are_those_of_a_dump() {
    for layout in ["paged", "append", "per-table"] {
        let scratch = upgraded(layout);
        let dir = text(&scratch.path().join("new"));
        let page = inspect(["page", &dir, "shop.customers", "--format=json"]).exits(0);
        let page = page.json();
        assert_eq!(page["columns"], json!(["id", "name", "mail"]));
        let rows = page["pages"][0]["rows"].as_array().unwrap();
        let visible = rows.iter().filter(|row| row["visible"] == true);
        let found: Vec<Json> = visible.map(|row| row["values"].clone()).collect();
        let dump = [
            "dump",
            &dir,
            "--format=jsonl",
            "--database=shop",
            "--table=customers",
        ];
        let dumped = inspect(dump).exits(0).lines();
        let expected: Vec<_> = dumped
            .iter()
            .map(|line| json!([line["row"]["id"], line["row"]["name"], line["row"]["mail"]]))
            .collect();
        assert_eq!(found, expected, "{layout}");
        assert_eq!(rows.len(), 9);
    }
}

#[test]
fn hex_shows_every_byte_of_the_file_once() {
    let scratch = upgraded("paged");
    let path = file(&scratch, "paged");
    let (_, hex) = shown(&scratch, &["shop.customers", "--format", "hex"]);
    let mut bytes = Vec::new();
    for line in hex.lines().filter(|line| !line.starts_with("page ")) {
        let offset = usize::from_str_radix(line.get(..8).unwrap(), 16).unwrap();
        assert_eq!(offset, bytes.len(), "{line}");
        let digits = line.get(10..57).or(line.get(10..)).unwrap().trim();
        match digits.strip_suffix(" zeros") {
            Some(count) => bytes.extend(vec![0; count.parse().unwrap()]),
            None => bytes.extend(
                digits
                    .split(' ')
                    .map(|d| u8::from_str_radix(d, 16).unwrap()),
            ),
        }
    }
    assert_eq!(bytes, fs::read(path).unwrap());
}

#[test]
fn damaged_pages_are_shown_as_far_as_they_go() {
    for layout in ["paged", "append", "per-table"] {
        let scratch = upgraded(layout);
        let path = file(&scratch, layout);
        let whole = fs::read(&path).unwrap();
        let handle = fs::OpenOptions::new().write(true).open(&path).unwrap();
        // Head, slots, the first and the last row.
        let tail = if layout == "per-table" { 60 } else { 10 };
        for at in [
            0,
            5,
            13,
            28,
            31,
            33,
            35,
            50,
            52,
            60,
            61,
            62,
            85,
            90,
            whole.len() - tail,
        ] {
            let at_page = if layout == "paged" || at >= 48 {
                at
            } else {
                at + 48
            };
            for mask in [0x01, 0x80, 0xff] {
                let byte = [whole[at_page] ^ mask];
                handle.write_all_at(&byte, at_page as u64).unwrap();
                let free = layout == "paged" && (100..7800).contains(&at_page);
                for format in ["text", "json", "hex"] {
                    let args = ["shop.customers", "0", "--format", format];
                    let (code, said) = shown(&scratch, &args);
                    let place = format!("{layout} {at_page} {format}: {said}");
                    assert!(code == 1 && !free, "{place}");
                    assert!(!said.contains("panicked"), "{place}");
                }
            }
            handle
                .write_all_at(&whole[at_page..=at_page], at_page as u64)
                .unwrap();
        }
        for len in [0, 20, 47, 60, 100, whole.len() - 1] {
            handle.set_len(len as u64).unwrap();
            let (_, said) = shown(&scratch, &["shop.customers"]);
            assert!(!said.contains("panicked"), "{layout} {len}: {said}");
        }
    }
}

#[test]
fn a_wide_row_is_followed_into_its_overflow_pages() {
    let source = crate::support::disk::on_disk(&wide());
    let scratch = tempfile::tempdir().unwrap();
    let target = text(&scratch.path().join("new"));
    migrate(["upgrade", "-q", &text(source.path()), &target]).exits(0);
    let page = inspect(["page", &target, "shop.customers", "0..0", "--format=json"]).exits(0);
    let page = page.json();
    let rows = page["pages"][0]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["overflow"].is_array()).unwrap();
    assert_eq!(row["overflow"].as_array().unwrap().len(), 2);
    assert_eq!(row["values"][1].as_str().unwrap().len(), 20_000);
    let stats = inspect(["stats", &target, "--format=json"]).exits(0).json();
    let tables = stats["tables"].as_array().unwrap();
    let table = tables.iter().find(|t| t["table"] == "customers").unwrap();
    assert_eq!(table["overflowing"], 1);
    assert_eq!(table["widest"][0]["bytes"], row["row_length"]);
}

/// A directory with a row that is wider than a page.
fn wide() -> crate::support::server::Files {
    use crate::support::content::{customer, populated};
    use crate::support::model::Family;
    let mut server = populated(Family::V1_4);
    server.insert("shop", "customers", vec![customer(8, &"w".repeat(20_000))]);
    server.killed()
}

#[test]
fn what_is_not_there_is_said() {
    let scratch = upgraded("paged");
    for (args, code, word) in [
        (&["shop.nothing"][..], 2, "expected DATABASE.TABLE"),
        (&["shop.customers", "7"], 2, "no page 7"),
        (&["shop.customers", "2..1"], 2, "N..M"),
        (&["shop.customers", "x"], 2, "N..M"),
    ] {
        let (found, said) = shown(&scratch, args);
        assert_eq!(found, code, "{said}");
        assert!(said.contains(word), "{said}");
    }
    let run = inspect(["page", &data("torn_tail"), "shop.customers"]).exits(2);
    assert!(run.stderr.contains("none is there"), "{}", run.stderr);
}

#[test]
fn legacy_page_files_are_shown() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("new");
    copy(Path::new(&data("torn_tail")), &dir);
    fs::create_dir(dir.join("table_1")).unwrap();
    let mut page = Vec::new();
    for number in [1_u32, 0] {
        page.extend(number.to_le_bytes());
    }
    for number in [8000_u16, 2, 10, 8100] {
        page.extend(number.to_le_bytes());
    }
    page.extend([0; 4]);
    page.extend(2_u64.to_le_bytes());
    page.extend([0xa4, 0x1f, 28, 0, 1, 0, 0, 0, 0, 0]);
    page.extend(8192_u64.to_le_bytes());
    let mut bytes = vec![0; 8192];
    // One value, Integer 5; xmin 9; no xmax: counts and tags of fixed width.
    let row = [
        &1_u64.to_le_bytes()[..],
        &2_u32.to_le_bytes(),
        &5_i64.to_le_bytes(),
    ]
    .concat();
    let row = [&row[..], &9_u64.to_le_bytes(), &[0]].concat();
    bytes[0x1fa4..0x1fa4 + row.len()].copy_from_slice(&row);
    page[28 + 2] = u8::try_from(row.len()).unwrap();
    page.extend(bytes);
    let path = dir.join("table_1/page_00000000.dat");
    fs::write(&path, &page).unwrap();
    let (code, text) = shown(&scratch, &["table_1", "0"]);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!("legacy_text", text);
    for at in 0..60 {
        let mut damaged = page.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        let (_, said) = shown(&scratch, &["table_1", "--format", "hex"]);
        assert!(!said.contains("panicked"), "{at}: {said}");
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).unwrap(),
            false => fs::copy(entry.path(), target).map(|_| ()).unwrap(),
        }
    }
}

#[test]
fn the_space_of_every_table_is_accounted_for() {
    for layout in ["paged", "append", "per-table"] {
        let scratch = upgraded(layout);
        let dir = text(&scratch.path().join("new"));
        let stats = inspect(["stats", &dir, "--format=json"]).exits(0).json();
        let tables = stats["tables"].as_array().unwrap();
        let table = tables.iter().find(|t| t["table"] == "customers").unwrap();
        assert_eq!((&table["live"], &table["dead"]), (&json!(6), &json!(3)));
        let number = |name: &str| table[name].as_u64().unwrap();
        let len = fs::metadata(file(&scratch, layout)).unwrap().len();
        let rows = number("live_bytes") + number("dead_bytes");
        assert!(number("dead_bytes") > 0);
        let overhead = match layout {
            // Header, and a line pointer a row.
            "paged" => 44 + 4 * 9 + number("free_bytes"),
            "append" => 36,
            _ => 24,
        };
        assert_eq!(number("page_bytes"), rows + overhead, "{layout}");
        let outside = match layout {
            "paged" => 0,
            "append" => 48,
            _ => 96,
        };
        assert_eq!(len, number("page_bytes") + outside);
        assert_eq!(number("pages"), 1);
        inspect(["stats", &dir]).exits(0);
    }
    let stats = inspect(["stats", &data("torn_tail"), "--format=json"]).json();
    assert!(stats["unit"].is_null());
    assert_eq!(stats["tables"][2]["table"], "customers");
    assert!(stats["tables"][2]["bytes"].as_u64().unwrap() > 100);
}

/// A store of the table shop.users with rows of this many letters, the first
/// `ended` of them ended.
fn changed(layout: Layout, letters: usize, (rows, ended): (i64, usize)) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("new");
    fs::create_dir(&dir).unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    let options = StoreOptions::default();
    let mut store = LiveStore::create(&dir, layout.into(), &origin, options).unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("shop").unwrap();
    let users = Table::new(
        "users",
        vec![
            Column::key("id", DataType::Integer),
            Column::new("name", DataType::Text),
        ],
    );
    let users = tx.create_table("shop", users).unwrap();
    tx.commit(Durability::Sync).unwrap();
    let name = "x".repeat(letters);
    let mut tx = store.begin().unwrap();
    let mut insert = |id| {
        let values = [ValueRef::Integer(id), ValueRef::Text(&name)];
        tx.insert(users, &values).unwrap()
    };
    let names: Vec<_> = (0..rows).map(&mut insert).collect();
    tx.set_number(1 << 60);
    for name in &names[..ended] {
        tx.delete(*name).unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    // A program that another test starts holds the lock until it runs.
    let free = || Store::open(&dir).is_ok();
    let pause = || std::thread::sleep(std::time::Duration::from_millis(10));
    assert!((0..500).any(|_| free() || {
        pause();
        false
    }));
    scratch
}

#[test]
fn ends_of_versions_are_shown_where_they_stand_and_at_their_rows() {
    for layout in [Layout::Append, Layout::Paged, Layout::PerTable] {
        let scratch = changed(layout, 3, (3, 1));
        let dir = text(&scratch.path().join("new"));
        let page = inspect(["page", &dir, "shop.users", "--format=json"]).exits(0);
        let pages = page.json()["pages"].clone();
        let row = &pages[0]["rows"][0];
        assert_eq!(
            (&row["visible"], &row["xmax"]),
            (&json!(false), &json!(1_u64 << 60))
        );
        assert_eq!(pages[0]["rows"][1]["visible"], true);
        if layout == Layout::Append {
            assert_eq!(pages[1]["kind"], "ends");
            assert_eq!(pages[1]["ends"], json!([{"row": 0, "xmax": 1_u64 << 60}]));
        }
        let stats = inspect(["stats", &dir, "--format=json"]).exits(0).json();
        let table = &stats["tables"][0];
        assert_eq!((&table["live"], &table["dead"]), (&json!(2), &json!(1)));
    }
}

#[test]
fn a_row_that_has_moved_is_shown_in_both_places() {
    let scratch = changed(Layout::Paged, 130, (100, 60));
    let dir = text(&scratch.path().join("new"));
    let page = inspect(["page", &dir, "shop.users", "--format=json"]).exits(0);
    let page = page.json();
    let slots = page["pages"].as_array().unwrap().iter();
    let states: Vec<_> = slots
        .flat_map(|page| page["slots"].as_array().unwrap())
        .map(|slot| slot["state"].as_str().unwrap().to_owned())
        .collect();
    let moved = states.iter().filter(|s| s.starts_with("moved to slot"));
    let here = states.iter().filter(|s| *s == "moved here");
    assert_eq!(moved.clone().count(), here.count());
    assert!(moved.count() > 0);
}
