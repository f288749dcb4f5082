//! What `upgrade` writes, held against what the fixtures' own server knew.

use crate::support;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::disk::{SNAPSHOT, killed};
use crate::support::model::{self, Family};
use crate::support::tool::{Bench, inspect, migrate, tree};
use serde_json::{Value, json};

/// Layouts that `upgrade` writes.
const LAYOUTS: [&str; 4] = ["paged", "per-table", "append", "snapshot"];

fn fixtures() -> Vec<(String, PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut fixtures: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("truth.json").is_file())
        .map(|path| {
            let truth = fs::read_to_string(path.join("truth.json")).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (
                name,
                path.join("data"),
                serde_json::from_str(&truth).unwrap(),
            )
        })
        .collect();
    fixtures.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(fixtures.len() > 20, "fixtures are missing");
    fixtures
}

/// The rows that `dump` shows, in the shape of `truth.json`.
fn dumped(dir: &Path) -> BTreeMap<(String, String), Vec<Value>> {
    let mut tables: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    let said = inspect(&[
        "dump".as_ref(),
        dir.as_os_str(),
        "--format".as_ref(),
        "jsonl".as_ref(),
        "--typed".as_ref(),
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for line in said.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (row, types) = (line["row"].as_object().unwrap(), &line["types"]);
        let row = row
            .iter()
            .map(|(column, value)| json!([types[column], value]))
            .collect();
        let name = |key: &str| line[key].as_str().unwrap().to_owned();
        tables
            .entry((name("database"), name("table")))
            .or_default()
            .push(row);
    }
    tables
}

/// The rows that the fixture's server showed, values in the order of their
/// column names: a parsed JSON object has no other.
fn known(truth: &Value) -> BTreeMap<(String, String), Vec<Value>> {
    let mut tables = BTreeMap::new();
    for (database, own) in truth["databases"].as_object().unwrap() {
        for (table, content) in own.as_object().unwrap() {
            let columns = content["columns"].as_array().unwrap();
            let mut order: Vec<usize> = (0..columns.len()).collect();
            order.sort_by_key(|at| columns[*at].as_str().unwrap());
            let rows = content["rows"].as_array().unwrap().iter();
            let rows: Vec<Value> = rows
                .map(|row| order.iter().map(|at| row[*at].clone()).collect())
                .collect();
            if !rows.is_empty() {
                tables.insert((database.clone(), table.clone()), rows);
            }
        }
    }
    tables
}

#[test]
fn every_decidable_fixture_comes_out_exactly_in_every_layout() {
    let mut checked = 0;
    for (name, data, truth) in fixtures() {
        if truth["class"] != "decidable" {
            continue;
        }
        for layout in LAYOUTS {
            let scratch = tempfile::tempdir().unwrap();
            let target = scratch.path().join("new");
            let before = tree(&data);
            let said = migrate(&[
                "upgrade".as_ref(),
                data.as_os_str(),
                target.as_os_str(),
                "--to".as_ref(),
                layout.as_ref(),
            ]);
            assert_eq!(said.code, Some(0), "{name} {layout}: {}", said.err);
            assert_eq!(tree(&data), before, "{name}: SOURCE changed");
            assert_eq!(dumped(&target), known(&truth), "{name} {layout}");
            let verified = inspect(&["verify".as_ref(), target.as_os_str()]);
            assert_eq!(verified.code, Some(0), "{name} {layout}: {}", verified.out);
            checked += 1;
        }
    }
    assert!(checked >= 16 * LAYOUTS.len(), "only {checked} were checked");
}

#[test]
fn a_snapshot_without_a_tail_comes_back_byte_for_byte_through_every_layout() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    for layout in LAYOUTS {
        let bench = Bench::new(&files);
        assert_eq!(bench.upgrade(layout, &[]).code, Some(0));
        let back = bench.dir.path().join("back");
        let target = bench.target();
        let args = [
            "upgrade".as_ref(),
            target.as_os_str(),
            back.as_os_str(),
            "--to".as_ref(),
            "snapshot".as_ref(),
        ];
        assert_eq!(migrate(&args).code, Some(0));
        assert_eq!(
            fs::read(back.join(SNAPSHOT)).unwrap(),
            files[SNAPSHOT],
            "{layout}"
        );
    }
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    for layout in LAYOUTS {
        let runs = [Bench::new(&killed()), Bench::new(&killed())];
        let [first, second] = runs.map(|bench| {
            assert_eq!(bench.upgrade(layout, &[]).code, Some(0));
            tree(&bench.target())
        });
        assert!(first == second, "{layout}");
    }
}

#[test]
fn pages_per_file_divides_the_pages_and_changes_no_row() {
    let page_files = |bench: &Bench| {
        let files = tree(&bench.target()).into_iter();
        let lens = files.filter(|(path, _)| path.extension() == Some("dat".as_ref()));
        lens.map(|(_, bytes)| bytes.len()).collect::<Vec<_>>()
    };
    let (one, all) = (Bench::new(&killed()), Bench::new(&killed()));
    assert_eq!(
        one.upgrade("paged", &["--pages-per-file", "1"]).code,
        Some(0)
    );
    assert_eq!(all.upgrade("paged", &[]).code, Some(0));
    assert!(page_files(&one).iter().all(|len| *len == 8192));
    let pages = page_files(&all).iter().sum::<usize>() / 8192;
    assert_eq!(page_files(&one).len(), pages);
    assert_eq!(dumped(&one.target()), dumped(&all.target()));
}

#[test]
fn files_are_readable_by_their_owner_only() {
    for layout in LAYOUTS {
        let bench = Bench::new(&killed());
        let rights = |dir: bool| if dir { 0o700 } else { 0o600 };
        // Written by root, they follow those of the source.
        for entry in walkdir::WalkDir::new(bench.source()) {
            let entry = entry.unwrap();
            let mode = fs::Permissions::from_mode(rights(entry.file_type().is_dir()));
            fs::set_permissions(entry.path(), mode).unwrap();
        }
        assert_eq!(bench.upgrade(layout, &[]).code, Some(0));
        for entry in walkdir::WalkDir::new(bench.target()) {
            let meta = entry.unwrap().metadata().unwrap();
            let expected = rights(meta.is_dir());
            assert_eq!(meta.permissions().mode() & 0o777, expected, "{layout}");
        }
    }
}

#[test]
fn every_release_can_be_written_for_and_its_family_reads_it() {
    for (release, family) in [
        ("1.3.2", Family::V1_3),
        ("1.4.1", Family::V1_4),
        ("2.0.0", Family::V1_10),
        ("2.6.0", Family::V2_3),
    ] {
        let bench = Bench::new(&killed());
        let flags = ["--release", release, "--format", "json", "--force"];
        let said = bench.upgrade("snapshot", &flags);
        assert_eq!(said.code, Some(0), "{release}: {}", said.err);
        let bytes = fs::read(bench.target().join(SNAPSHOT)).unwrap();
        let instance = model::decode_instance(family, &bytes).unwrap();
        assert_eq!(instance.databases.len(), 3, "{release}");
        for (database, content) in &instance.databases {
            // What such a server puts there: the database's owner owns its tables.
            for (name, table) in &content.tables {
                let owner = if family == Family::V2_3 {
                    "postgres"
                } else {
                    ""
                };
                assert_eq!(table.owner.0, owner, "{release}: {database}.{name}");
            }
        }
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let dropped = report["findings"].as_array().unwrap().iter();
        let dropped = dropped
            .filter(|finding| finding["code"] == "field-dropped")
            .count();
        assert_eq!(
            dropped,
            usize::from(family == Family::V1_3),
            "{release}: UNIQUE of customers"
        );
    }
}

#[test]
fn numeric_values_are_kept_with_a_warning_or_converted_as_asked() {
    let numeric = |bytes: &[u8]| {
        let instance = model::decode_instance(Family::V1_4, bytes).unwrap();
        let tables = instance
            .databases
            .iter()
            .flat_map(|(_, database)| &database.tables);
        let rows = tables.flat_map(|(_, table)| &table.rows);
        let values = rows.flat_map(|row| row.values.clone());
        values
            .filter(|value| matches!(value, model::Value::Numeric(_)))
            .count()
    };
    for (choice, kept, code) in [
        ("keep", true, "unreadable-by-server"),
        ("text", false, ""),
        ("real", false, "numeric-inexact"),
    ] {
        let bench = Bench::new(&killed());
        let said = bench.upgrade("snapshot", &["--numeric", choice, "--format", "json"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let bytes = fs::read(bench.target().join(SNAPSHOT)).unwrap();
        assert_eq!(numeric(&bytes) > 0, kept, "{choice}");
        for known in ["unreadable-by-server", "numeric-inexact"] {
            assert_eq!(said.out.contains(known), known == code, "{choice}: {known}");
        }
    }
}

#[test]
fn dead_versions_are_left_out_on_request() {
    let rows = |bench: &Bench| {
        let target = bench.target();
        let said = inspect(&[
            "dump".as_ref(),
            target.as_os_str(),
            "--format".as_ref(),
            "jsonl".as_ref(),
            "--include-dead".as_ref(),
        ]);
        (
            said.out.lines().count(),
            said.out
                .lines()
                .filter(|line| !line.contains("\"xmax\":null"))
                .count(),
        )
    };
    for layout in LAYOUTS {
        let (all, without) = (Bench::new(&killed()), Bench::new(&killed()));
        assert_eq!(all.upgrade(layout, &[]).code, Some(0));
        assert_eq!(without.upgrade(layout, &["--drop-dead"]).code, Some(0));
        let ((all, dead), (live, none)) = (rows(&all), rows(&without));
        assert!(dead > 0, "the fixture has no dead version");
        assert_eq!((live, none), (all - dead, 0), "{layout}");
    }
}

#[test]
fn records_of_an_unknown_database_are_quarantined_with_their_bytes() {
    let (_, data, truth) = fixtures()
        .into_iter()
        .find(|(name, ..)| name == "twins")
        .unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("new");
    let mut args = vec!["upgrade".as_ref(), data.as_os_str(), target.as_os_str()];
    args.extend(["--to", "per-table"].map(std::ffi::OsStr::new));
    assert_eq!(migrate(&args).code, Some(3));
    assert!(!target.exists());
    args.extend(["--on-ambiguous", "quarantine"].map(std::ffi::OsStr::new));
    assert_eq!(migrate(&args).code, Some(0));
    let lines = fs::read_to_string(target.join("quarantine.jsonl")).unwrap();
    let mut quarantined = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let raw = base16ct::lower::decode_vec(line["raw"].as_str().unwrap()).unwrap();
        let segment = data.join("wal").join(line["segment"].as_str().unwrap());
        let at = usize::try_from(line["offset"].as_u64().unwrap()).unwrap() + 4;
        assert_eq!(fs::read(segment).unwrap()[at..at + raw.len()], raw);
        let entry = model::decode_entry(Family::V1_4, &raw).unwrap();
        assert_eq!(Some(entry.sequence), line["sequence"].as_u64());
        quarantined.push(entry.sequence.to_string());
    }
    let tail: Vec<String> = truth["tail"].as_object().unwrap().keys().cloned().collect();
    let known: Vec<&String> = tail
        .iter()
        .filter(|sequence| !quarantined.contains(sequence))
        .collect();
    assert!(!quarantined.is_empty());
    // Every record of the tail is either applied or kept aside.
    assert_eq!(quarantined.len() + known.len(), tail.len());
}

/// `upgrade SOURCE TARGET --to per-table MORE...`, which must end with 0.
fn upgrade(source: &Path, target: &Path, more: &[&str]) {
    let mut args = vec!["upgrade".as_ref(), source.as_os_str(), target.as_os_str()];
    args.extend(
        ["--to", "per-table"]
            .iter()
            .chain(more)
            .map(std::ffi::OsStr::new),
    );
    let said = migrate(&args);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// Every row version with xmin and xmax, in stored order.
fn versions(dir: &Path) -> String {
    let args = ["dump", "--format", "jsonl", "--typed", "--include-dead"].map(std::ffi::OsStr::new);
    let said = inspect(&[&args[..], &[dir.as_os_str()]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

/// Directories whose tail is known, of the fixtures and of real servers where
/// `RUSTDB_CORPUS` names a place.
fn known_tails() -> Vec<(String, PathBuf, Value)> {
    let mut cases = fixtures();
    match std::env::var_os("RUSTDB_CORPUS") {
        None => support::skip::skip("RUSTDB_CORPUS is not set"),
        Some(corpus) => {
            for entry in walkdir::WalkDir::new(corpus).sort_by_file_name() {
                let entry = entry.unwrap();
                if entry.file_name() == "expected.json" {
                    let text = fs::read_to_string(entry.path()).unwrap();
                    let case = entry.path().parent().unwrap();
                    let name = case.display().to_string();
                    cases.push((
                        name,
                        case.join("data"),
                        serde_json::from_str(&text).unwrap(),
                    ));
                }
            }
        }
    }
    let has_tail = |truth: &Value| {
        truth["tail"]
            .as_object()
            .is_some_and(|tail| !tail.is_empty())
    };
    cases.retain(|(_, _, truth)| truth["class"] == "decidable" && has_tail(truth));
    cases
}

/// Whether records of the tail change a schema: those are refused when they are
/// taken up, and upgraded from the source again.
fn changes_schema(data: &Path) -> bool {
    let args = ["wal", "--attribute", "--format", "jsonl"].map(std::ffi::OsStr::new);
    let said = inspect(&[&args[..], &[data.as_os_str()]].concat());
    let tail = said
        .out
        .lines()
        .filter(|line| !line.contains("\"in-snapshot\""));
    tail.into_iter()
        .any(|line| line.contains("Table\"") || line.contains("\"AlterTable"))
}

#[test]
fn records_in_quarantine_are_taken_up_exactly_where_they_belong() {
    let mut taken_up = 0;
    for (name, data, truth) in known_tails() {
        if changes_schema(&data) {
            continue;
        }
        let tail: Vec<(&String, &Value)> = truth["tail"].as_object().unwrap().iter().collect();
        let scratch = tempfile::tempdir().unwrap();
        let at = |file: &str| scratch.path().join(file);
        let file = |name: &str, decide: &dyn Fn(usize, &Value) -> String| {
            let lines = tail
                .iter()
                .enumerate()
                .map(|(place, (sequence, database))| {
                    format!("{sequence} = {}\n", decide(place, database))
                });
            fs::write(at(name), lines.collect::<String>()).unwrap();
            at(name).to_str().unwrap().to_owned()
        };
        let all = file("all", &|_, database| database.to_string());
        let every_third = file("third", &|place, database| match place % 3 {
            0 => "quarantine".to_owned(),
            _ => database.to_string(),
        });
        upgrade(&data, &at("direct"), &["--attribution", &all]);
        let aside = [
            "--attribution",
            &every_third,
            "--on-ambiguous",
            "quarantine",
        ];
        upgrade(&data, &at("aside"), &aside);
        assert!(at("aside/quarantine.jsonl").is_file(), "{name}");
        // Without decisions the quarantine goes along.
        upgrade(&at("aside"), &at("along"), &[]);
        let quarantine = |dir: &str| fs::read(at(dir).join("quarantine.jsonl")).unwrap();
        assert_eq!(quarantine("along"), quarantine("aside"), "{name}");
        upgrade(&at("along"), &at("taken"), &["--attribution", &all]);
        assert!(!at("taken/quarantine.jsonl").exists(), "{name}");
        assert!(versions(&at("taken")) == versions(&at("direct")), "{name}");
        let hashes = |dir: &str| inspect(&["hash".as_ref(), at(dir).as_os_str()]).out;
        assert_eq!(hashes("taken"), hashes("direct"), "{name}");
        taken_up += 1;
    }
    assert!(taken_up >= 5, "{taken_up}");
}

#[test]
fn a_decision_file_is_written_edited_and_obeyed() {
    let (_, data, truth) = fixtures()
        .into_iter()
        .find(|(name, ..)| name == "twins")
        .unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (file, target) = (scratch.path().join("decisions"), scratch.path().join("new"));
    let args = [
        "attribute".as_ref(),
        data.as_os_str(),
        "-o".as_ref(),
        file.as_os_str(),
    ];
    assert_eq!(migrate(&args).code, Some(3), "something is undecided");
    let text = fs::read_to_string(&file).unwrap();
    let undecided = text.lines().filter(|line| line.contains(" = ?  #")).count();
    assert!(undecided > 0, "{text}");
    for (sequence, _) in truth["tail"].as_object().unwrap() {
        assert!(text.contains(&format!("\n{sequence} = ")), "{sequence}");
    }
    let edited: String = text
        .lines()
        .map(|line| match line.split_once(" = ?") {
            Some((sequence, _)) => format!("{sequence} = {}\n", truth["tail"][sequence]),
            None => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, edited).unwrap();
    upgrade(&data, &target, &["--attribution", file.to_str().unwrap()]);
    assert_eq!(dumped(&target), known(&truth));
}

#[test]
fn a_decision_that_contradicts_a_fact_is_refused_with_the_fact() {
    let bench = Bench::new(&killed());
    let source = bench.source();
    let seen = [
        "wal".as_ref(),
        source.as_os_str(),
        "--attribute".as_ref(),
        "--format=jsonl".as_ref(),
    ];
    let seen = inspect(&seen).out;
    let records = seen
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut records = records.filter(|one| one["table"] == "customers" && one["state"] == "tail");
    let scratch = tempfile::tempdir().unwrap();
    let decisions = scratch.path().join("decisions");
    let sequence = &records.next().unwrap()["sequence"];
    fs::write(&decisions, format!("{sequence} = \"lab\"\n")).unwrap();
    let said = bench.upgrade("per-table", &["--attribution", decisions.to_str().unwrap()]);
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("assignment-contradicted"), "{}", said.err);
    assert!(said.err.contains("table does not exist"), "{}", said.err);
    assert!(!bench.target().exists());
}
