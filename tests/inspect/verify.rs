//! `verify`.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::support::content::{
    column, customer, customers, fresh, int, key, moods, order, orders, table, text as words,
};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Value};
use crate::support::run::{data, inspect, migrate, text};

fn findings(directory: &str, level: &str) -> Vec<Json> {
    let run = inspect(["verify", directory, "--format=json", "--level", level]);
    let document = run.json();
    let findings = document["directories"][0]["findings"].as_array().unwrap();
    // What a release may not have logged is said of a log of inserts alone, and
    // that no file says which database a new table was made in.
    let said = ["unlogged-changes", "assumed-database"];
    let broken = findings
        .iter()
        .filter(|f| !said.iter().any(|code| f["code"] == *code));
    broken.cloned().collect()
}

fn codes(directory: &str, level: &str) -> Vec<String> {
    let findings = findings(directory, level);
    let codes = findings
        .iter()
        .map(|f| f["code"].as_str().unwrap().to_owned());
    codes.collect()
}

#[test]
fn the_exit_code_says_damage_decision_or_nothing_wrong() {
    for (name, code, result) in [
        ("clean_marker", 0, "ok"),
        ("torn_tail", 0, "ok"),
        ("truncated_snapshot", 1, "damaged"),
        ("trailing_bytes", 1, "damaged"),
        ("wal_damaged_middle", 1, "damaged"),
        ("sequence_gap", 1, "damaged"),
        ("wal_only", 1, "damaged"),
        ("twins", 3, "needs-decision"),
    ] {
        for level in ["checksums", "structure", "full"] {
            let args = ["verify", &data(name), "--level", level, "--format=json"];
            let run = inspect(args).exits(code);
            assert_eq!(run.json()["result"], result, "{name} {level}");
        }
        inspect(["verify", &data(name)]).exits(code);
    }
}

#[test]
fn several_directories_are_all_verified_and_the_worst_decides() {
    let (good, bad) = (data("clean_marker"), data("truncated_snapshot"));
    let run = inspect(["verify", &bad, &good]).exits(1);
    assert!(run.stdout.contains(&format!("{good}: ok")));
    let run = inspect(["verify", "/no/such/directory", &bad, &good]).exits(2);
    assert!(run.stdout.contains(&format!("{good}: ok")));
    inspect(["verify", &data("twins"), &bad]).exits(1);
    inspect(["verify"]).exits(2);
}

#[test]
fn every_byte_is_checked_or_declared_unchecked() {
    for name in [
        "clean_marker",
        "torn_tail",
        "truncated_snapshot",
        "page_storage",
    ] {
        let run = inspect(["verify", &data(name), "--format=json"]);
        let document = run.json();
        let one = &document["directories"][0];
        let number = |value: &Json, field: &str| value[field].as_u64().unwrap();
        let mut files = 0;
        for file in one["files"].as_array().unwrap() {
            let path = Path::new(file["file"].as_str().unwrap());
            assert_eq!(number(file, "bytes"), fs::metadata(path).unwrap().len());
            assert_eq!(
                number(file, "bytes"),
                number(file, "checked") + number(file, "unchecked")
            );
            files += number(file, "bytes");
        }
        let on_disk: u64 = crate::support::run::tree(Path::new(&data(name)))
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum();
        assert_eq!((files, number(one, "bytes")), (on_disk, on_disk), "{name}");
    }
}

#[test]
fn an_upgraded_directory_is_verified_and_a_changed_byte_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("new");
    migrate([
        "upgrade",
        &data("snapshot_only"),
        &text(&target),
        "--to=per-table",
    ])
    .exits(0);
    let run = inspect(["verify", &text(&target)]).exits(0);
    assert!(run.stdout.contains("ok (per-table)"), "{}", run.stdout);
    let file = target.join("db_shop/orders.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    for level in ["checksums", "structure", "full"] {
        inspect(["verify", &text(&target), "--level", level]).exits(1);
        assert!(codes(&text(&target), level).contains(&"checksum-mismatch".to_owned()));
    }
}

#[test]
fn a_healthy_directory_breaks_no_promise() {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.create_table("postgres", orders());
    let two = vec![customer(1, "Ada"), customer(2, "Bo")];
    server.insert("postgres", "customers", two);
    server.insert(
        "postgres",
        "orders",
        vec![order(1, 2, "1.5"), order(2, 2, "2")],
    );
    let files = on_disk(&server.killed());
    assert_eq!(codes(&text(files.path()), "full"), Vec::<String>::new());
}

#[test]
fn broken_promises_are_counted_and_named_by_row_not_by_value() {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.create_table("postgres", orders());
    let mut rows = vec![customer(1, "Ada"), customer(2, "Bo"), customer(3, "Cy")];
    rows.push(vec![int(2), words("again"), words("1@example.org")]);
    // A tag of its own: SmallInt 3 is not Integer 3.
    rows.push(vec![Value::SmallInt(3), words("other"), Value::Null]);
    rows.push(vec![int(4), words("null is no key"), Value::Null]);
    server.insert("postgres", "customers", rows);
    server.insert(
        "postgres",
        "orders",
        vec![order(1, 2, "1"), order(2, 77, "1"), order(3, 78, "1")],
    );
    server.checkpoint();
    server.table("postgres", "orders").sequences[0].1 = 3;
    server.checkpoint();
    let files = on_disk(&server.killed());
    let directory = text(files.path());
    let mut found = findings(&directory, "full");
    // Checkpoints after so few records are what starts write.
    found.retain(|finding| finding["code"] != "replay-suspected");
    let of = |code: &str, table: &str| -> Vec<String> {
        let found = found.iter();
        let of = found.filter(|f| f["code"] == code && f["table"] == table);
        of.map(|f| f["detail"].as_str().unwrap().to_owned())
            .collect()
    };
    let keys = of("duplicate-key", "customers");
    assert_eq!(keys.len(), 2, "{found:?}");
    assert!(keys[0].contains("\"id\": 2 rows") && keys[0].contains("versions 1, 3,"));
    assert!(keys[1].contains("\"mail\": 2 rows") && keys[1].contains("versions 0, 3,"));
    let missing = of("foreign-key-missing", "orders");
    assert!(missing[0].contains("2 rows") && missing[0].contains("versions 1, 2,"));
    let behind = of("sequence-behind", "orders");
    assert!(
        behind[0].contains("found next value 3, expected more than 3"),
        "{behind:?}"
    );
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|f| f["severity"] == "warning"));
    inspect(["verify", &directory]).exits(0);
    let of_structure = codes(&directory, "structure");
    assert_eq!(of_structure, ["replay-suspected"; 2]);
}

#[test]
fn dead_versions_break_no_promise() {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.insert("postgres", "customers", vec![customer(1, "Ada")]);
    server.update("postgres", "customers", vec![(0, customer(1, "Ada L."))]);
    let files = on_disk(&server.killed());
    assert_eq!(
        codes(&text(files.path()), "full"),
        ["unlogged-transactions"]
    );
}

#[test]
fn labels_and_texts_are_judged_by_their_type() {
    let mut server = fresh(Family::V1_4);
    let columns = vec![
        key("id", DataType::Integer),
        column("mood", moods()),
        column("day", DataType::Date),
    ];
    server.create_table("postgres", table("t", columns));
    let row = |id, label: &str, day: &str| {
        let mood = Value::Enum("mood".into(), label.into());
        vec![int(id), mood, Value::Date(day.into())]
    };
    let rows = vec![
        row(1, "sad", "2025-01-02"),
        row(2, "glad", "2025-02-30"),
        row(3, "happy", "soon"),
    ];
    server.insert("postgres", "t", rows);
    let files = on_disk(&server.killed());
    let found = findings(&text(files.path()), "full");
    let details: Vec<_> = found
        .iter()
        .map(|f| (f["code"].clone(), f["detail"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(details.len(), 2);
    assert_eq!(details[0].0, json!("bad-enum-label"));
    assert!(details[0].1.contains("1 row ") && details[0].1.contains("row version 1,"));
    assert_eq!(details[1].0, json!("bad-value-text"));
    assert!(details[1].1.contains("2 rows") && !details[1].1.contains("soon"));
}
