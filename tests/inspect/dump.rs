//! `dump`.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::content::{column, customer, fresh, int, populated, table, text as words};
use crate::support::csv::csv;
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Value};
use crate::support::run::{
    data, dumped, fixture_names, inspect, inspect_command, known, text, truth,
};

fn typed(directory: &str) -> crate::support::run::Run {
    inspect(["dump", directory, "--format", "jsonl", "--typed"])
}

#[test]
fn every_decidable_fixture_shows_the_rows_that_its_server_held() {
    let mut seen = 0;
    for name in fixture_names() {
        let truth = truth(&name);
        if truth["class"] != "decidable" {
            continue;
        }
        let run = typed(&data(&name)).exits(0);
        assert_eq!(dumped(&run), known(&truth["databases"]), "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn every_decidable_real_directory_shows_the_rows_that_its_server_showed() {
    let Some(root) = std::env::var_os("RUSTDB_CORPUS") else {
        crate::support::skip::skip("RUSTDB_CORPUS is not set");
        return;
    };
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_name() != "expected.json" {
            continue;
        }
        let expected: Json = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        if expected["class"] != "decidable" {
            continue;
        }
        let directory = entry.path().with_file_name("data");
        let run = typed(&text(&directory)).exits(0);
        assert_eq!(dumped(&run), known(&expected["rows"]), "{entry:?}");
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}

#[test]
fn a_line_has_the_fields_of_the_contract_in_their_order() {
    let files = on_disk(&populated(Family::V1_4).killed());
    let directory = text(files.path());
    let run = inspect([
        "dump",
        &directory,
        "--format=jsonl",
        "--typed",
        "--include-dead",
        "--table=shop.orders",
    ])
    .exits(0);
    let first = run.stdout.lines().next().unwrap();
    assert_eq!(
        first,
        "{\"database\":\"shop\",\"table\":\"orders\",\
         \"row\":{\"id\":1,\"customer\":1,\"total\":\"12.50\",\"placed\":\"2025-01-02T03:04:05\"},\
         \"types\":{\"id\":\"Integer\",\"customer\":\"Integer\",\"total\":\"Numeric\",\"placed\":\"Timestamp\"},\
         \"xmin\":2,\"xmax\":null}"
    );
}

#[test]
fn dead_versions_are_shown_on_request_only() {
    let files = on_disk(&populated(Family::V1_4).killed());
    let directory = text(files.path());
    let count = |extra: &[&str]| {
        let args = ["dump", &directory, "--format=jsonl", "--table=customers"];
        let run = inspect(args.into_iter().chain(extra.iter().copied())).exits(0);
        run.lines().len()
    };
    let info = inspect(["info", &directory, "--format=json"])
        .exits(0)
        .json();
    let shop = info["databases"].as_array().unwrap();
    let shop = shop.iter().find(|d| d["database"] == "shop").unwrap();
    let tables = shop["tables"].as_array().unwrap();
    let customers = tables.iter().find(|t| t["table"] == "customers").unwrap();
    assert_eq!(customers["live"], 4);
    assert_eq!(customers["dead"], 3);
    assert_eq!((count(&[]), count(&["--include-dead"])), (4, 7));
}

#[test]
fn databases_and_tables_stand_in_name_order_and_rows_in_stored_order() {
    let run = typed(&data("snapshot_only")).exits(0);
    let places: Vec<String> = run
        .lines()
        .iter()
        .map(|line| format!("{}.{}", line["database"], line["table"]))
        .collect();
    let mut sorted = places.clone();
    sorted.sort();
    assert_eq!(places, sorted);
}

#[test]
fn csv_and_jsonl_hold_the_same_values_and_null_is_not_the_empty_string() {
    let files = on_disk(&populated(Family::V1_4).killed());
    let directory = text(files.path());
    let args = ["dump", &directory, "--table=every_value"];
    let run = inspect(args.into_iter().chain(["--format=csv"])).exits(0);
    let jsonl = inspect(args.into_iter().chain(["--format=jsonl"])).exits(0);
    let records = csv(&run.stdout);
    let header: Vec<&str> = records[0].iter().map(|(name, _)| name.as_str()).collect();
    let lines = jsonl.lines();
    assert_eq!(records.len(), lines.len() + 1);
    let (mut nulls, mut empty) = (0, 0);
    for (record, line) in records[1..].iter().zip(&lines) {
        assert_eq!(record.len(), header.len());
        for ((text, quoted), name) in record.iter().zip(&header) {
            let expected = match &line["row"][*name] {
                Json::Null => {
                    nulls += 1;
                    assert!(!quoted);
                    String::new()
                }
                Json::String(text) => {
                    empty += usize::from(text.is_empty());
                    assert!(*quoted || !text.is_empty(), "{name}: an empty text is bare");
                    text.clone()
                }
                other => other.to_string(),
            };
            assert_eq!(*text, expected, "{name}");
        }
    }
    assert!(nulls > 10 && empty > 3, "{nulls} {empty}");
}

#[test]
fn csv_takes_exactly_one_table() {
    let directory = data("snapshot_only");
    let run = inspect(["dump", &directory, "--format=csv"]).exits(2);
    assert!(run.stderr.contains("--table"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_column_name_that_stands_twice_loses_no_value() {
    let mut server = fresh(Family::V1_4);
    let columns = vec![
        column("id", DataType::Integer),
        column("id", DataType::Text),
    ];
    server.create_table("postgres", table("odd", columns));
    server.insert("postgres", "odd", vec![vec![int(1), words("one")]]);
    let files = on_disk(&server.killed());
    let directory = text(files.path());
    let run = inspect(["dump", &directory, "--format=jsonl"]).exits(0);
    assert_eq!(run.lines()[0]["row"], json!({"id": 1, "id#2": "one"}));
    assert!(run.stderr.contains("id#2"), "{}", run.stderr);
    let csv = inspect(["dump", &directory, "--format=csv"]).exits(0);
    assert_eq!(csv.stdout, "\"id\",\"id#2\"\n1,\"one\"\n");
}

#[test]
fn redacted_rows_show_lengths_and_no_value() {
    let mut server = fresh(Family::V1_4);
    let columns = vec![
        column("secret", DataType::Text),
        column("flag", DataType::Boolean),
        column("none", DataType::Text),
    ];
    server.create_table("postgres", table("t", columns));
    let row = vec![words("hunter2"), Value::Boolean(true), Value::Null];
    server.insert("postgres", "t", vec![row]);
    let files = on_disk(&server.killed());
    let directory = text(files.path());
    let run = inspect(["dump", &directory, "--format=jsonl", "--redact"]).exits(0);
    assert_eq!(
        run.lines()[0]["row"],
        json!({"secret": "<redacted len:7>", "flag": "<redacted len:1>", "none": null})
    );
    for extra in [&["--format=csv"][..], &["--format=jsonl", "--typed"]] {
        let args = ["dump", &directory, "--redact"];
        let run = inspect(args.into_iter().chain(extra.iter().copied())).exits(0);
        assert!(!run.stdout.contains("hunter2") && !run.stdout.contains("true"));
    }
}

#[test]
fn password_hashes_are_shown_on_request_only() {
    let directory = data("family_2_3");
    let hash = |run: &crate::support::run::Run| {
        run.lines()
            .iter()
            .filter_map(|line| line["password_hash"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let args = ["dump", &directory, "--schema-only", "--format=jsonl"];
    let hidden = inspect(args);
    assert!(!hash(&hidden).is_empty());
    assert!(hash(&hidden).iter().all(|hash| hash == "<redacted>"));
    let shown = inspect(args.into_iter().chain(["--with-secrets"]));
    for hash in hash(&shown) {
        assert_eq!(hash.len(), 64);
        for command in ["info", "verify", "hash", "wal"] {
            for format in ["text", "json"] {
                let run = inspect([command, "-v", "--format", format, &directory]);
                assert!(!run.stdout.contains(&hash), "{command}");
            }
        }
    }
    inspect(args.into_iter().chain(["--with-secrets", "--redact"])).exits(2);
}

#[test]
fn a_name_that_is_not_there_ends_with_the_nearest_one() {
    let directory = data("snapshot_only");
    let run = inspect(["dump", &directory, "--format=jsonl", "--table=every_valu"]).exits(2);
    assert!(run.stderr.contains("\"every_value\""), "{}", run.stderr);
    let run = inspect(["dump", &directory, "--format=jsonl", "--database=shap"]).exits(2);
    assert!(run.stderr.contains("\"shop\""), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn what_is_known_is_shown_when_a_decision_is_needed() {
    let run = typed(&data("twins")).exits(3);
    assert_eq!(run.lines().len(), 2);
    assert!(run.stderr.contains("ambiguous-attribution"));
    let directory = data("twins");
    let run = inspect(["dump", &directory, "--format=jsonl", "--assign=notes=left"]).exits(0);
    assert_eq!(run.lines().len(), 5);
    let run = inspect(["dump", &directory, "--format=jsonl", "--no-wal"]).exits(0);
    assert_eq!(run.lines().len(), 2);
}

#[test]
fn damage_is_told_by_the_exit_code_and_what_can_be_read_is_shown() {
    let run = typed(&data("wal_damaged_middle")).exits(1);
    assert!(!run.stdout.is_empty());
    assert!(run.stderr.contains("offset"));
    let run = typed(&data("truncated_snapshot")).exits(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("server_instance.db, offset 3065"));
    typed(&data("torn_tail")).exits(0);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for format in ["jsonl", "csv"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let directory = data("snapshot_only");
        let args = [
            "dump",
            &directory,
            "--table=every_value",
            "--format",
            format,
        ];
        let run = inspect_command()
            .args(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    }
}

#[test]
fn a_full_disk_under_stdout_ends_with_2() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        crate::support::skip::skip("there is no /dev/full");
        return;
    }
    let directory = data("snapshot_only");
    let run = inspect_command()
        .args(["dump", &directory, "--format=jsonl"])
        .stdout(File::options().write(true).open(full).unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(!run.stderr.is_empty());
}

#[test]
fn wide_tables_and_many_rows_stream_through_the_window() {
    let mut server = fresh(Family::V1_4);
    server.create_table(
        "postgres",
        table(
            "wide",
            vec![
                column("id", DataType::Integer),
                column("body", DataType::Text),
            ],
        ),
    );
    let body = "wide \"text\" ".repeat(40_000);
    let rows = (0..3).map(|id| vec![int(id), words(&body)]).collect();
    server.insert("postgres", "wide", rows);
    server.checkpoint();
    server.insert("postgres", "wide", vec![customer_like(3)]);
    let files = on_disk(&server.killed());
    let run = inspect(["dump", &text(files.path()), "--format=jsonl"]).exits(0);
    let lines = run.lines();
    let ids: Vec<_> = lines
        .iter()
        .map(|l| l["row"]["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    assert!(lines[..3].iter().all(|line| line["row"]["body"] == *body));
}

fn customer_like(id: i64) -> Vec<Value> {
    customer(id, "x").into_iter().take(2).collect()
}

#[test]
#[cfg(not(feature = "parquet"))]
fn a_build_without_parquet_says_how_to_get_it() {
    let target = tempfile::tempdir().unwrap().path().join("tables");
    let directory = data("snapshot_only");
    let run = inspect([
        "dump",
        &directory,
        "--format=parquet",
        "-o",
        target.to_str().unwrap(),
    ])
    .exits(2);
    assert!(run.stderr.contains("--features parquet"), "{}", run.stderr);
    assert!(!target.exists());
}
