//! `dump --format csv -o DIR`, read back by PostgreSQL and by SQLite.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::postgres::Postgres;
use crate::support::csv::csv;
use crate::support::disk::on_disk;
use crate::support::hostile;
use crate::support::run::{data, inspect, known, text, truth};
use crate::support::skip::skip;
use crate::support::tool::tree;

/// The rows of a table by what is known of its fixture, as text.
fn stored(fixture: &str, table: (&str, &str)) -> Vec<Vec<Option<String>>> {
    let rows = known(&truth(fixture)["databases"]);
    let rows = &rows[&(table.0.to_owned(), table.1.to_owned())];
    let value = |value: &Json| match &value[1] {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let row = |row: &String| {
        let values: Vec<Json> = serde_json::from_str(row).unwrap();
        values.iter().map(value).collect()
    };
    let mut rows: Vec<Vec<Option<String>>> = rows.iter().map(row).collect();
    rows.sort();
    rows
}

/// The directory that a fixture's tables were written to.
fn written(fixture: &str, scratch: &Path) -> PathBuf {
    let target = scratch.join("tables");
    let before = tree(Path::new(&data(fixture)));
    inspect(["dump", &data(fixture), "--format=csv", "-o", &text(&target)]).exits(0);
    assert_eq!(tree(Path::new(&data(fixture))), before);
    target
}

fn header(file: &Path) -> Vec<String> {
    let records = csv(&fs::read_to_string(file).unwrap());
    records[0].iter().map(|(name, _)| name.clone()).collect()
}

#[test]
fn postgresql_reads_every_value_and_tells_null_from_the_empty_text() {
    let scratch = tempfile::tempdir().unwrap();
    let target = written("family_2_3", scratch.path());
    let Some(server) = Postgres::start() else {
        return;
    };
    let mut seen = 0;
    for table in [
        ("shop", "customers"),
        ("shop", "orders"),
        ("lab", "samples"),
    ] {
        let file = target.join(table.0).join(format!("{}.csv", table.1));
        let columns: Vec<String> = header(&file)
            .iter()
            .map(|name| format!("\"{name}\" text"))
            .collect();
        let rows = fs::read_to_string(&file).unwrap();
        server.load(&format!(
            "CREATE TABLE t ({});\nCOPY t FROM stdin WITH (FORMAT csv, HEADER);\n{rows}\\.\n",
            columns.join(", ")
        ));
        let mut found = server.query("postgres", "TABLE t");
        found.sort();
        assert_eq!(found, stored("family_2_3", table), "{table:?}");
        seen += found.len();
        server.load("DROP TABLE t;");
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn sqlite_reads_every_value() {
    let scratch = tempfile::tempdir().unwrap();
    let target = written("family_2_3", scratch.path());
    let script = "import csv, json, sqlite3, sys\n\
        rows = list(csv.reader(open(sys.argv[1], newline='', encoding='utf-8')))\n\
        db = sqlite3.connect(':memory:')\n\
        marks = ','.join('?' * len(rows[0]))\n\
        names = ','.join('\"%s\"' % name for name in rows[0])\n\
        db.execute('CREATE TABLE t (%s)' % names)\n\
        db.executemany('INSERT INTO t VALUES (%s)' % marks, rows[1:])\n\
        print(json.dumps(list(db.execute('SELECT * FROM t'))))\n";
    let file = target.join("shop/customers.csv");
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&file)
        .output();
    let Ok(output) = output.map_err(|error| skip(&format!("python3: {error}"))) else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    let mut found: Vec<Vec<Option<String>>> = found
        .into_iter()
        .map(|row| row.into_iter().map(Some).collect())
        .collect();
    found.sort();
    // This reader does not tell NULL from the empty text.
    let mut expected = stored("family_2_3", ("shop", "customers"));
    expected.iter_mut().flatten().for_each(|value| {
        value.get_or_insert_default();
    });
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn names_that_are_hostile_stay_inside_and_apart() {
    let scratch = tempfile::tempdir().unwrap();
    let target = written("hostile_names", scratch.path());
    let mut files = tree(&target);
    files.remove(Path::new("manifest.json")).unwrap();
    let known = known(&truth("hostile_names")["databases"]);
    let lines: BTreeMap<&PathBuf, usize> = files
        .iter()
        .map(|(path, bytes)| (path, csv(std::str::from_utf8(bytes).unwrap()).len() - 1))
        .collect();
    assert_eq!(files.len(), hostile::names().len() * 2);
    assert_eq!(
        lines.values().sum::<usize>(),
        known.values().map(Vec::len).sum::<usize>()
    );
    let beside: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[test]
fn a_directory_that_is_there_is_not_written_into() {
    let scratch = tempfile::tempdir().unwrap();
    let target = text(scratch.path());
    fs::write(scratch.path().join("mine"), "").unwrap();
    let run = inspect(["dump", &data("fresh"), "--format=csv", "-o", &target]).exits(3);
    assert!(
        run.stderr.contains("not an empty directory"),
        "{}",
        run.stderr
    );
    let source = on_disk(&crate::support::disk::killed());
    let inside = text(&source.path().join("out"));
    inspect(["dump", &text(source.path()), "--format=csv", "-o", &inside]).exits(2);
    for format in ["jsonl", "sql"] {
        let run = inspect(["dump", &data("fresh"), "--format", format, "-o", "x"]).exits(2);
        assert!(run.stderr.contains("csv"), "{}", run.stderr);
    }
}
