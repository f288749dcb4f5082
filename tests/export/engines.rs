//! `dump --format parquet`, read by the engines that people go to.

use std::path::Path;
use std::process::Command;

use crate::sql_edges::{edges, row};
use crate::support::content::{column, fresh, int, key, loaded, table, text as words};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Table, Value};
use crate::support::run::{data, inspect, text};
use crate::support::skip::skip;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/export/read_engines.py");
/// The engines that the script reads with.
const ENGINES: [&str; 3] = ["duckdb", "polars", "datafusion"];

/// Pythons with engines of one version each, by their paths.
fn pythons() -> Vec<String> {
    let named = std::env::var("RUSTDB_PYTHONS").unwrap_or_else(|_| "python3".into());
    named.split(':').map(str::to_owned).collect()
}

/// Reads an export with every engine; how many lines the script wrote of engines
/// that are there.
fn read(export: &Path) -> usize {
    let mut there = 0;
    for python in pythons() {
        let has_pyarrow = Command::new(&python)
            .args(["-c", "import pyarrow"])
            .output();
        if !has_pyarrow.is_ok_and(|output| output.status.success()) {
            skip(&format!("{python} has no pyarrow"));
            continue;
        }
        let output = Command::new(&python)
            .arg(SCRIPT)
            .arg(export)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{python}: {said}");
        let lines = String::from_utf8(output.stdout).unwrap();
        println!("{python}:\n{lines}");
        for engine in ENGINES {
            let line = lines.lines().find(|line| line.starts_with(engine)).unwrap();
            match line.ends_with("missing") {
                true => skip(&format!("{python} has no {engine}")),
                false => there += 1,
            }
        }
    }
    there
}

/// A directory with a table for each edge that Parquet has another type for, and
/// tables of no row and of many.
fn many() -> tempfile::TempDir {
    let mut server = fresh(Family::V1_4);
    let mut push = |made: Table, rows: Vec<Vec<Value>>| {
        let rows = rows.into_iter().map(row).collect();
        let (_, database) = &mut server.instance.databases[0];
        database
            .tables
            .push((made.name.clone(), Table { rows, ..made }));
    };
    for (at, (of, values, _)) in edges().into_iter().enumerate() {
        let made = table(&format!("t{at:03}"), vec![column("c", of)]);
        let null = [vec![Value::Null]];
        push(
            made,
            values
                .into_iter()
                .map(|value| vec![value])
                .chain(null)
                .collect(),
        );
    }
    let columns = || {
        vec![
            key("id", DataType::Integer),
            column("x", DataType::Real),
            column("note", DataType::Text),
        ]
    };
    let rows = (0..5000).map(|at| {
        let x = Value::Real((f64::from(at) / 7.0).to_bits());
        vec![int(i64::from(at)), x, words(&format!("n{}", at % 13))]
    });
    push(table("many", columns()), rows.collect());
    push(table("none", columns()), Vec::new());
    on_disk(&loaded(Family::V1_4, server).killed())
}

#[test]
fn every_engine_reads_every_value_of_every_type() {
    let source = many();
    let scratch = tempfile::tempdir().unwrap();
    for (at, more) in [
        &["--compression=zstd", "--rows-per-file=1200"][..],
        &["--compression=none"],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let target = scratch.path().join(at.to_string());
        let (directory, to) = (text(source.path()), text(&target));
        let mut args = vec!["dump", &directory, "--format=parquet", "-q", "-o", &to];
        args.extend(more);
        inspect(args).exits(0);
        read(&target);
    }
}

#[test]
fn the_old_servers_own_data_is_read_too() {
    let scratch = tempfile::tempdir().unwrap();
    for fixture in ["family_1_4", "family_2_3"] {
        let target = scratch.path().join(fixture);
        let (source, to) = (data(fixture), text(&target));
        inspect(["dump", &source, "--format=parquet", "-q", "-o", &to]).exits(0);
        read(&target);
    }
}

/// What the README says for an engine.
fn line_of(engine: &str) -> String {
    let readme = include_str!("../../README.md");
    let start = format!("| {engine} | `");
    let line = readme.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap().strip_suffix("` |").unwrap().to_owned()
}

#[test]
fn the_lines_of_the_readme_read_a_folder_as_a_table() {
    let (source, scratch) = (many(), tempfile::tempdir().unwrap());
    let target = scratch.path().join("tables");
    let (directory, to) = (text(source.path()), text(&target));
    let mut args = vec!["dump", &directory, "--format=parquet", "-q", "-o", &to];
    args.extend(["--table=many", "--rows-per-file=1200"]);
    inspect(args).exits(0);
    let mut folders = walkdir::WalkDir::new(&target).into_iter().flatten();
    let folder = folders.find(|entry| entry.file_name() == "many").unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
    for (engine, count) in [
        ("DuckDB", "len(duckdb.sql(line).fetchall())"),
        ("polars", "len(eval(line))"),
        (
            "DataFusion",
            "(c := datafusion.SessionContext(), c.sql(line), c.sql('SELECT * FROM orders').count())[2]",
        ),
    ] {
        let module = engine.to_lowercase();
        let line = line_of(engine).replace("tables/shop/orders", &text(folder.path()));
        let script = format!("import sys, {module}; line = sys.argv[1]; print({count})");
        for python in pythons() {
            let run = |script: &str| Command::new(&python).args(["-c", script, &line]).output();
            if !run(&format!("import {module}")).is_ok_and(|output| output.status.success()) {
                skip(&format!("{python} has no {module}"));
                continue;
            }
            let output = run(&script).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, b"5000\n", "{engine}: {said}");
        }
    }
}
