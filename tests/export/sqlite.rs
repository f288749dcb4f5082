//! `dump --dialect sqlite`, loaded into a real sqlite3 and compared value by value
//! by another reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sql_edges::{edges, row};
use crate::support::content::{column, fresh, int, key, loaded, references, table, text as words};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Table, Value};
use crate::support::run::{data, fixture_names, inspect, text};
use crate::support::skip::skip;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/export/compare_sqlite.py"
);

fn is_there() -> bool {
    let found = Command::new("sqlite3").arg("--version").output().is_ok();
    if !found {
        skip("sqlite3 is not installed");
    }
    found
}

/// Runs SQL or a script; what it printed.
fn sqlite(database: &Path, script: &str) -> String {
    let input = database.with_extension("sql");
    fs::write(&input, script).unwrap();
    let output = Command::new("sqlite3")
        .arg("-bail")
        .arg(database)
        .stdin(Stdio::from(fs::File::open(&input).unwrap()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Loads one database of a directory; its tables with the types of their columns.
fn compared(directory: &str, database: &str, file: &Path) -> BTreeMap<String, Vec<String>> {
    let of = format!("--database={database}");
    let script = inspect(["dump", directory, "-q", "--dialect=sqlite", &of]).exits(0);
    sqlite(file, &script.stdout);
    let rows = file.with_extension("jsonl");
    let run = inspect(["dump", directory, "-q", "--format=jsonl", "--typed", &of]).exits(0);
    fs::write(&rows, run.stdout).unwrap();
    let python = Command::new("python3")
        .arg(SCRIPT)
        .arg(file)
        .arg(&rows)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&python.stderr);
    assert!(python.status.success(), "{directory} {database}: {said}");
    let lines = String::from_utf8(python.stdout).unwrap();
    let line = |line: &str| {
        let mut words = line.split('\t').map(str::to_owned);
        let name = words.next().unwrap();
        (name, words.skip(1).collect())
    };
    lines.lines().map(line).collect()
}

fn made(tables: Vec<Table>) -> tempfile::TempDir {
    let mut server = fresh(Family::V1_4);
    for table in tables {
        let (_, database) = &mut server.instance.databases[0];
        database.tables.push((table.name.clone(), table));
    }
    on_disk(&loaded(Family::V1_4, server).killed())
}

#[test]
fn every_value_of_every_type_is_there() {
    if !is_there() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let real = |value: f64| vec![Value::Real(value.to_bits())];
    let mut tables: Vec<Table> = Vec::new();
    for (at, (of, values, _)) in edges().into_iter().enumerate() {
        let values = values.into_iter().chain([Value::Null]);
        tables.push(Table {
            rows: values.map(|value| row(vec![value])).collect(),
            ..table(&format!("t{at:03}"), vec![column("c", of)])
        });
    }
    // Doubles of every size, bit by bit.
    let mut bits = 1_u64;
    let mut doubles = vec![
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1,
        1.0 / 3.0,
        1e22,
        123456.789,
    ];
    while doubles.len() < 3000 {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let double = f64::from_bits(bits);
        doubles.extend(double.is_finite().then_some(double));
        doubles.push((bits >> 40) as f64 / 1000.0);
    }
    tables.push(Table {
        rows: doubles
            .into_iter()
            .map(|double| row(real(double)))
            .collect(),
        ..table("doubles", vec![column("c", DataType::Real)])
    });
    let source = made(tables);
    let found = compared(
        &text(source.path()),
        "postgres",
        &scratch.path().join("new.db"),
    );
    assert_eq!(found["doubles"], ["REAL"]);
    let kinds = |kind: &str| found.values().filter(|kinds| kinds[0] == kind).count();
    for kind in ["INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB", "BOOLEAN"] {
        assert!(kinds(kind) > 0, "{kind}");
    }
}

#[test]
fn every_fixture_loads() {
    if !is_there() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut tables = 0;
    for name in fixture_names() {
        if inspect(["info", "-q", &data(&name)]).code != 0 || name == "hostile_names" {
            continue;
        }
        let info = inspect(["info", &data(&name), "--format=json"]).json();
        for (at, database) in info["databases"].as_array().unwrap().iter().enumerate() {
            let file = scratch.path().join(format!("{name}-{at}.db"));
            let database = database["database"].as_str().unwrap();
            tables += compared(&data(&name), database, &file).len();
        }
    }
    assert!(tables > 20, "{tables}");
}

#[test]
fn keys_hold_and_go_on_behind_the_last_row() {
    if !is_there() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let with = |name: &str, columns, rows: Vec<Vec<Value>>, next: Option<i64>| Table {
        rows: rows.into_iter().map(row).collect(),
        sequences: next
            .map(|next| ("id".to_owned(), next))
            .into_iter()
            .collect(),
        ..table(name, columns)
    };
    let source = made(vec![
        with(
            "Users",
            vec![key("id", DataType::Serial), column("name", DataType::Text)],
            vec![
                vec![int(1), words("amy")],
                vec![int(5), words("it's\r\n;\n.quit")],
            ],
            Some(3),
        ),
        with(
            "orders",
            vec![
                key("id", DataType::Serial),
                references("buyer", "Users", "id"),
            ],
            vec![vec![int(2), int(5)]],
            Some(100),
        ),
        with(
            "twice",
            vec![key("id", DataType::Integer)],
            vec![vec![int(2)], vec![Value::SmallInt(2)]],
            None,
        ),
    ]);
    let file = scratch.path().join("new.db");
    compared(&text(source.path()), "postgres", &file);
    let asked = sqlite(
        &file,
        "PRAGMA foreign_keys = ON; PRAGMA foreign_key_check; PRAGMA integrity_check;
         INSERT INTO \"Users\" (name) VALUES ('new'); SELECT max(id) FROM \"Users\";
         INSERT INTO orders (buyer) VALUES (1); SELECT max(id) FROM orders;",
    );
    assert_eq!(asked, "ok\n6\n100\n");
    let refused = Command::new("sqlite3")
        .arg(&file)
        .arg("PRAGMA foreign_keys = ON; INSERT INTO orders (buyer) VALUES (77)")
        .output()
        .unwrap();
    assert!(!refused.status.success());
}

#[test]
fn tables_of_two_databases_are_refused_with_their_names() {
    let source = data("family_2_3");
    let run = inspect(["dump", &source, "--dialect=sqlite"]).exits(2);
    assert!(
        run.stderr.contains("--database") && run.stdout.is_empty(),
        "{}",
        run.stderr
    );
    inspect(["dump", &source, "--dialect=sqlite", "--rename=a=b"]).exits(2);
    inspect(["dump", &source, "--dialect=sqlite", "--format=csv"]).exits(2);
}
