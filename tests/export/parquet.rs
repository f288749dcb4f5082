//! `dump --format parquet -o DIR`, read back by pyarrow and compared row by row
//! with jsonl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::content::{column, fresh, loaded, table, text as value};
use crate::support::disk::on_disk;
use crate::support::model::{Column, DataType, Family, Value};
use crate::support::run::{data, fixture_names, inspect, text};
use crate::support::skip::skip;
use crate::support::tool::tree;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/export/compare_parquet.py"
);

fn has_pyarrow() -> bool {
    let output = Command::new("python3")
        .args(["-c", "import pyarrow"])
        .output();
    let found = output.is_ok_and(|output| output.status.success());
    if !found {
        skip("python3 has no pyarrow");
    }
    found
}

/// What pyarrow found in the file of a table: rows, row groups, and columns as
/// `name=type`. Every value must be the one that jsonl has.
fn compare(rows: &Path, file: &Path, (database, table): (&str, &str)) -> Vec<String> {
    let mut command = Command::new("python3");
    command
        .arg(SCRIPT)
        .arg(rows)
        .arg(file)
        .args([database, table]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{database}.{table}: {said}");
    let line = String::from_utf8(output.stdout).unwrap();
    line.trim_end().split('\t').map(str::to_owned).collect()
}

/// Every table of a directory with its file, all compared.
fn exported(directory: &str, scratch: &Path) -> Vec<(String, Vec<String>)> {
    let (target, rows) = (scratch.join("tables"), scratch.join("rows.jsonl"));
    let before = tree(Path::new(directory));
    inspect(["dump", directory, "--format=parquet", "-o", &text(&target)]).exits(0);
    assert_eq!(tree(Path::new(directory)), before);
    fs::write(
        &rows,
        inspect(["dump", directory, "--format=jsonl"])
            .exits(0)
            .stdout,
    )
    .unwrap();
    let info = inspect(["info", directory, "--format=json"]).json();
    let mut found = Vec::new();
    for database in info["databases"].as_array().unwrap() {
        let name = database["database"].as_str().unwrap();
        for table in database["tables"].as_array().unwrap() {
            let with_columns = !table["columns"].as_array().unwrap().is_empty();
            let table = table["table"].as_str().unwrap();
            let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            // Names that are encoded as file names are tested with csv.
            if with_columns && plain(name) && plain(table) {
                let file = target.join(name).join(format!("{table}.parquet"));
                found.push((
                    format!("{name}.{table}"),
                    compare(&rows, &file, (name, table)),
                ));
            }
        }
    }
    fs::remove_dir_all(target).unwrap();
    found
}

#[test]
fn every_row_of_every_fixture_comes_back() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (mut tables, mut rows) = (0, 0);
    for name in fixture_names() {
        if inspect(["info", "-q", &data(&name)]).code != 0 || name == "hostile_names" {
            continue;
        }
        for (_, found) in exported(&data(&name), scratch.path()) {
            tables += 1;
            rows += found[0].parse::<usize>().unwrap();
        }
    }
    assert!(tables > 20 && rows > 100, "{tables} tables, {rows} rows");
}

/// A table with one column of each type, and what stands in them.
fn typed(rows: Vec<Vec<Value>>) -> tempfile::TempDir {
    let numeric = |precision, scale| DataType::Numeric { precision, scale };
    let columns = vec![
        column("small", DataType::SmallInt),
        column("int", DataType::Integer),
        column("real", DataType::Real),
        column("price", numeric(10, 2)),
        column("huge", numeric(38, 4)),
        column("beyond", numeric(39, 4)),
        column("yes", DataType::Boolean),
        column("day", DataType::Date),
        column("at", DataType::Timestamp),
        column("utc", DataType::TimestampTz),
        column("id", DataType::Uuid),
        column("raw", DataType::Bytea),
        column("name", DataType::Varchar(9)),
    ];
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", table("t", columns));
    let mut server = loaded(Family::V1_4, server);
    server.insert("postgres", "t", rows);
    on_disk(&server.killed())
}

fn fitting() -> Vec<Value> {
    let text = |text: &str| text.to_owned();
    vec![
        Value::SmallInt(-32768),
        Value::SmallInt(5),
        Value::Numeric(text("0.1")),
        Value::Numeric(text("-99999999.99")),
        Value::Numeric(text("9999999999999999999999999999999999.9999")),
        Value::Numeric(text("1.5")),
        Value::Boolean(true),
        Value::Date(text("0001-01-01")),
        Value::Timestamp(text("1969-12-31T23:59:59.999999")),
        Value::TimestampTz(text("2025-01-02T03:04:05Z")),
        Value::Uuid(vec![7; 16]),
        Value::Text(text("\\x00Ff")),
        Value::Text(text("nul\0 é")),
    ]
}

#[test]
fn values_that_fit_give_typed_columns_and_nulls_stay_nulls() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let source = typed(vec![fitting(), vec![Value::Null; 13], fitting()]);
    let found = exported(&text(source.path()), scratch.path());
    let (_, found) = found.iter().find(|(name, _)| name == "postgres.t").unwrap();
    let expected = [
        "3",
        "1",
        "small=int16",
        "int=int64",
        "real=double",
        "price=decimal128(10, 2)",
        "huge=decimal128(38, 4)",
        "beyond=decimal128(38, 4)",
        "yes=bool",
        "day=date32[day]",
        "at=timestamp[us]",
        "utc=timestamp[us, tz=UTC]",
        "id=string",
        "raw=binary",
        "name=string",
    ];
    assert_eq!(found, &expected);
}

#[test]
fn what_does_not_fit_is_text_and_named() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut rows = vec![fitting()];
    let misfits = [
        (0, Value::Integer(40_000), "small=int64"),
        (1, value("x"), "int=string"),
        (
            2,
            Value::Numeric("0.1234567890123456789".into()),
            "real=decimal128(19, 19)",
        ),
        (3, Value::Numeric("1.005".into()), "price=decimal128(11, 3)"),
        (6, value("perhaps"), "yes=string"),
        (7, Value::Date("+12345-01-02".into()), "day=string"),
        (
            8,
            Value::Timestamp("2016-12-31T23:59:60".into()),
            "at=string",
        ),
        (11, value("plain"), "raw=string"),
    ];
    for (at, value, _) in &misfits {
        let mut row = fitting();
        row[*at] = value.clone();
        rows.push(row);
    }
    let source = typed(rows);
    let found = exported(&text(source.path()), scratch.path());
    let (_, found) = found.iter().find(|(name, _)| name == "postgres.t").unwrap();
    for (_, _, kind) in &misfits {
        assert!(found.iter().any(|one| one == kind), "{kind}: {found:?}");
    }
    let target = text(&scratch.path().join("again"));
    let run = inspect([
        "dump",
        &text(source.path()),
        "--format=parquet",
        "-o",
        &target,
    ])
    .exits(0);
    // The misfits, and the decimal that is too long for any.
    assert_eq!(
        run.stderr.matches("type-widened: postgres.t").count(),
        5,
        "{}",
        run.stderr
    );
    let run = inspect([
        "dump",
        "-v",
        &text(source.path()),
        "--format=parquet",
        "-o",
        &(target.clone() + "2"),
    ]);
    assert_eq!(
        run.stderr.matches("type-widened: postgres.t").count(),
        misfits.len() + 1
    );
    let detail = "column \"small\" is bigint: 1 row holding what SMALLINT would refuse or change, as \"40000\": row version 1, counted from 0";
    assert!(run.stderr.contains(detail), "{}", run.stderr);
    assert_eq!(
        tree(Path::new(&target)),
        tree(Path::new(&(target.clone() + "2")))
    );
}

#[test]
fn a_table_without_columns_has_no_file_and_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("tables");
    let source = data("empty_tables");
    let run = inspect(["dump", &source, "--format=parquet", "-o", &text(&target)]).exits(0);
    let manifest = fs::read(target.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let findings = manifest["findings"].as_array().unwrap().iter();
    let named = findings.filter(|one| one["code"] == "table-without-file");
    let named: Vec<&str> = named.map(|one| one["table"].as_str().unwrap()).collect();
    assert_eq!(named, ["no_columns", "no_columns_but_rows"]);
    for table in named {
        let said = format!("table-without-file: postgres.{table}");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
    let mut files: Vec<PathBuf> = tree(&target).into_keys().collect();
    files.sort();
    let expected = [
        "manifest.json",
        "postgres/all_dead.parquet",
        "postgres/no_rows.parquet",
    ];
    let expected = expected.map(PathBuf::from);
    assert_eq!(files, expected);
}

#[test]
fn what_parquet_cannot_say_is_refused_and_nothing_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let target = text(&scratch.path().join("tables"));
    let source = data("family_1_4");
    for more in ["--include-dead", "--redact", "--typed"] {
        let run = inspect(["dump", &source, "--format=parquet", "-o", &target, more]);
        assert_eq!(run.code, 2, "{more}: {}", run.stderr);
        assert!(!Path::new(&target).exists(), "{more}");
    }
    let run = inspect(["dump", &source, "--format=parquet"]).exits(2);
    assert!(run.stderr.contains("-o") && run.stdout.is_empty());
}

#[test]
fn a_file_says_what_it_is_of_and_in_an_order_that_every_reader_knows() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let source = typed(vec![fitting(), fitting()]);
    let hashes = inspect(["hash", &text(source.path()), "--format=json"]).json();
    let script = "import json, sys, pyarrow.parquet as pq\n\
        f = pq.ParquetFile(sys.argv[1])\n\
        c = f.metadata.row_group(0).column(2)\n\
        notes = {k.decode(): v.decode() for k, v in f.metadata.metadata.items()}\n\
        print(json.dumps([notes, c.statistics.min, c.statistics.max, c.compression, \
        [f.schema.column(i).max_definition_level for i in range(13)], \
        f.schema.column(10).physical_type]))";
    for (at, (how, codec, uuid)) in [
        ("--uuid=string", "SNAPPY", "BYTE_ARRAY"),
        ("--compression=zstd", "ZSTD", "BYTE_ARRAY"),
        ("--compression=none", "UNCOMPRESSED", "BYTE_ARRAY"),
        ("--uuid=native", "SNAPPY", "FIXED_LEN_BYTE_ARRAY"),
        ("--rows-per-file=1", "SNAPPY", "BYTE_ARRAY"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = scratch.path().join(at.to_string());
        let (directory, to) = (text(source.path()), text(&target));
        let parquet = "--format=parquet";
        inspect(["dump", &directory, parquet, "-o", &to, how]).exits(0);
        let file = match how {
            "--rows-per-file=1" => target.join("postgres/t/part-00001.parquet"),
            _ => target.join("postgres/t.parquet"),
        };
        let mut python = Command::new("python3");
        let output = python.args(["-c", script]).arg(file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let notes = &found[0];
        assert_eq!(notes["rustdb.database"], "postgres");
        assert_eq!(notes["rustdb.table"], "t");
        assert_eq!(notes["rustdb.content_hash"], hashes["tables"][0]["hash"]);
        assert!(
            notes["rustdb.schema"]
                .as_str()
                .unwrap()
                .contains("NUMERIC(10,2)")
        );
        // Not known where the order of the column is not.
        assert_eq!((&found[1], &found[2]), (&0.1.into(), &0.1.into()));
        assert_eq!((&found[3], &found[5]), (&codec.into(), &uuid.into()));
    }
}

#[test]
fn a_column_that_refuses_null_and_holds_none_is_required() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let not_null = |name| Column {
        nullable: false,
        ..column(name, DataType::Integer)
    };
    let columns = vec![
        not_null("never"),
        not_null("once"),
        column("may", DataType::Integer),
    ];
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", table("t", columns));
    let mut server = loaded(Family::V1_4, server);
    let one = Value::Integer(1);
    let rows = [[&one, &one, &one], [&one, &Value::Null, &one]];
    let rows = rows.map(|row| row.map(Value::clone).to_vec());
    server.insert("postgres", "t", rows.to_vec());
    let source = on_disk(&server.killed());
    let target = scratch.path().join("out");
    let (directory, to) = (text(source.path()), text(&target));
    inspect(["dump", &directory, "--format=parquet", "-o", &to]).exits(0);
    let script = "import sys, pyarrow.parquet as pq\n\
        s = pq.ParquetFile(sys.argv[1]).schema\n\
        print([s.column(i).max_definition_level for i in range(3)])";
    let mut python = Command::new("python3");
    let file = target.join("postgres/t.parquet");
    let output = python.args(["-c", script]).arg(file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "[0, 1, 1]");
}

#[test]
fn the_schema_alone_is_files_without_rows_in_the_types_of_the_values() {
    if !has_pyarrow() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut other = fitting();
    other[3] = Value::Numeric("1.005".into());
    let source = typed(vec![fitting(), other]);
    let target = scratch.path().join("out");
    let (directory, to) = (text(source.path()), text(&target));
    inspect([
        "dump",
        &directory,
        "--format=parquet",
        "--schema-only",
        "-o",
        &to,
    ])
    .exits(0);
    let script = "import sys, pyarrow.parquet as pq\n\
        f = pq.ParquetFile(sys.argv[1])\n\
        print(f.metadata.num_rows, f.schema_arrow.field('price').type)";
    let mut python = Command::new("python3");
    let file = target.join("postgres/t.parquet");
    let output = python.args(["-c", script]).arg(file).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0 decimal128(11, 3)"
    );
    inspect(["check", &to]).exits(0);
}
