//! `wal`.

use serde_json::{Value as Json, json};

use crate::support::run::{
    Run, data, fixture_names, fixtures, inspect, inspect_command, migrate, text, truth,
};

fn lines(args: &[&str]) -> Run {
    let args = ["wal", "--format", "jsonl"].iter().chain(args);
    inspect(args.copied())
}

/// The path of a fixture's segments, oldest first.
fn segments(fixture: &str) -> Vec<String> {
    let wal = fixtures().join(fixture).join("data/wal");
    let entries = std::fs::read_dir(wal).unwrap().map(Result::unwrap);
    let mut paths: Vec<_> = entries.map(|entry| text(&entry.path())).collect();
    paths.sort();
    paths
}

#[test]
fn every_fixture_ends_with_its_verdict_and_the_exit_code_that_goes_with_it() {
    for name in fixture_names() {
        let verdict = truth(&name)["wal"]["verdict"].as_str().unwrap().to_owned();
        let directory = data(&name);
        let run = inspect(["wal", &directory]);
        let last = run.stdout.lines().last().unwrap_or_default();
        assert!(
            last.starts_with(&format!("verdict: {verdict};")),
            "{name}: {last}"
        );
        let json = inspect(["wal", &directory, "--format=json"]);
        assert_eq!(json.json()["verdict"], json!(verdict), "{name}");
        assert_eq!(json.code, run.code, "{name}");
        match verdict.as_str() {
            // The log is sound; what is wrong is then the snapshot beside it.
            "clean" | "torn-tail" => {
                let info = inspect(["info", &directory]).code;
                assert_eq!(run.code, i32::from(info == 1), "{name}");
            }
            "damaged-middle" => assert_eq!(run.code, 1, "{name}"),
            // Only in the tail do missing or repeated records cost anything.
            _ => assert!(run.code < 2, "{name}"),
        }
    }
    assert_eq!(inspect(["wal", &data("sequence_gap")]).code, 1);
}

#[test]
fn records_go_to_the_databases_that_they_were_written_for() {
    let mut seen = 0;
    for name in fixture_names() {
        let truth = truth(&name);
        // That the statements there had failed is likely, and no more.
        if truth["class"] != "decidable" || name == "failed_statements" {
            continue;
        }
        let run = lines(&[&data(&name), "--attribute"]).exits(0);
        let (mut tail, mut no_effect) = (0, 0);
        for line in run.lines() {
            let sequence = line["sequence"].to_string();
            match line["state"].as_str().unwrap() {
                "tail" => {
                    tail += 1;
                    assert_eq!(line["database"], truth["tail"][&sequence], "{name}");
                    seen += 1;
                }
                "no-effect" => {
                    no_effect += 1;
                    assert_eq!(line["database"], truth["no_effect"][&sequence], "{name}");
                    assert!(line["detail"].is_string());
                }
                _ => assert!(line.get("confidence").is_none(), "{name}"),
            }
        }
        let count = |field: &str| truth[field].as_object().unwrap().len();
        assert!(
            tail + no_effect == count("tail") + count("no_effect"),
            "{name}"
        );
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_line_has_the_fields_of_the_contract_in_their_order() {
    let directory = data("torn_tail");
    let run = lines(&[&directory, "--attribute", "--op=Insert", "--limit=1"]).exits(0);
    let line = run.stdout.trim_end();
    let names = [
        "sequence",
        "segment",
        "offset",
        "timestamp",
        "op",
        "table",
        "state",
        "database",
        "confidence",
        "evidence",
    ];
    let mut from = 0;
    for name in names {
        let at = line.find(&format!("\"{name}\":")).unwrap();
        assert!(at >= from, "{name} in {line}");
        from = at;
    }
    let line: Json = serde_json::from_str(line).unwrap();
    assert_eq!(line["state"], "tail");
    assert!(line["segment"].as_str().unwrap().ends_with(".wal"));
    let bare = lines(&[&directory, "--op=Insert", "--limit=1"]).exits(0);
    assert!(!bare.stdout.contains("database"));
}

#[test]
fn unreadable_bytes_stand_where_they_lie_without_a_sequence() {
    let run = lines(&[&data("wal_damaged_middle")]).exits(1);
    let all = run.lines();
    let at = all
        .iter()
        .position(|line| line["state"] == "unreadable")
        .unwrap();
    let bad = &all[at];
    assert!(bad.get("sequence").is_none() && bad.get("op").is_none());
    assert!(bad["len"].as_u64().unwrap() > 0 && bad["detail"].is_string());
    // The next record starts where the bytes end.
    let end = bad["offset"].as_u64().unwrap() + bad["len"].as_u64().unwrap();
    assert_eq!(all[at + 1]["offset"], json!(end));
    assert!(run.stderr.contains("verdict: damaged-middle"));
    let torn = lines(&[&data("torn_tail")]).exits(0).lines();
    assert_eq!(torn.last().unwrap()["state"], "unreadable");
}

#[test]
fn filters_choose_records() {
    let directory = data("clean_marker");
    let all = lines(&[&directory]).lines();
    let sequences = |run: Run| -> Vec<u64> {
        let lines = run.lines();
        lines
            .iter()
            .map(|l| l["sequence"].as_u64().unwrap())
            .collect()
    };
    let last = all.last().unwrap()["sequence"].as_u64().unwrap();
    let (from, to) = ((last - 3).to_string(), (last - 1).to_string());
    let chosen = sequences(lines(&[&directory, "--from", &from, "--to", &to]));
    assert_eq!(chosen, [last - 3, last - 2, last - 1]);
    assert_eq!(sequences(lines(&[&directory, "--limit=2"])).len(), 2);
    for op in ["Insert", "insert"] {
        let inserts = lines(&[&directory, "--op", op]).lines();
        let expected = all.iter().filter(|line| line["op"] == "Insert").count();
        assert!(expected > 0);
        assert_eq!(inserts.len(), expected);
    }
    let table = all.iter().find_map(|line| line["table"].as_str()).unwrap();
    let of_table = lines(&[&directory, "--table", table]).lines();
    assert!(of_table.iter().all(|line| line["table"] == table));
    // What is attributed, by one name or another.
    let several = data("family_1_4");
    let attributed = |more: &[&str]| {
        let args = [&[several.as_str(), "--attribute"], more].concat();
        lines(&args).lines()
    };
    let records = attributed(&[]);
    let of = |field: &str, name: &str| -> Vec<&Json> {
        let records = records.iter();
        records.filter(|line| line[field] == name).collect()
    };
    let owned = records.iter().find(|line| line["database"].is_string());
    let (database, table) = (&owned.unwrap()["database"], &owned.unwrap()["table"]);
    let (database, table) = (database.as_str().unwrap(), table.as_str().unwrap());
    let both: Vec<&Json> = of("database", database)
        .into_iter()
        .filter(|line| line["table"] == table)
        .collect();
    let pattern = format!("{}*", &table[..2]);
    for (args, expected) in [
        (vec!["-t", &format!("{database}.{table}")[..]], both.clone()),
        (vec!["-t", &format!("{database}.{pattern}")], both.clone()),
        (
            vec!["-t", &format!("*.{table}")],
            of("table", table)
                .into_iter()
                .filter(|line| line["database"].is_string())
                .collect(),
        ),
        (
            vec!["-d", &format!("{}?*", &database[..1])],
            of("database", database),
        ),
    ] {
        let found = attributed(&args);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{args:?}");
        assert!(!expected.is_empty(), "{args:?}");
    }
    let wrong = lines(&[&directory, "--op=Inserted"]).exits(2);
    assert!(wrong.stderr.contains("AlterTableRename"));
    let wrong = lines(&[&directory, "--database=no_such"]).exits(2);
    assert!(wrong.stderr.contains("there are "));
    assert_eq!(wrong.stdout, "");
}

#[test]
fn a_segment_by_itself_is_read_without_a_snapshot() {
    let segments = segments("torn_tail");
    let run = lines(&[segments.last().unwrap()]).exits(0);
    assert_eq!(run.lines().last().unwrap()["state"], "unreadable");
    let run = lines(&[&segments[0], "--attribute"]).exits(2);
    assert!(run.stderr.contains("data directory"), "{}", run.stderr);
    let run = inspect(["wal", "--explain=1", &segments[0]]).exits(2);
    assert!(run.stderr.contains("data directory"));
}

#[test]
fn a_log_without_a_snapshot_is_judged_by_its_markers() {
    let run = lines(&[&data("wal_only"), "--attribute"]).exits(1);
    let states: Vec<_> = run.lines().iter().map(|l| l["state"].clone()).collect();
    assert!(states.contains(&json!("tail")), "{states:?}");
    assert!(!run.stdout.contains("confidence"));
}

#[test]
fn a_record_is_explained() {
    let directory = data("twins");
    let run = inspect(["wal", &directory, "--explain=2"]).exits(0);
    assert!(run.stdout.contains("left") && run.stdout.contains("right"));
    let json = inspect(["wal", &directory, "--explain=2", "--format=json"]).exits(0);
    let json = json.json();
    assert_eq!(
        json["records"][0]["considered"].as_array().unwrap().len(),
        2
    );
    assert_eq!(json["records"][0]["database"], json!(null));
    let run = inspect(["wal", &directory, "--explain=99"]).exits(2);
    assert!(run.stderr.contains("1 to 4"), "{}", run.stderr);
}

#[test]
fn figures_by_operation_add_up() {
    let directory = data("ddl_tail");
    let json = inspect(["wal", &directory, "--stats", "--format=json"])
        .exits(0)
        .json();
    assert!(json.get("records").is_none());
    let stats = json["stats"].as_array().unwrap();
    let sum = |field: &str| -> u64 { stats.iter().map(|s| s[field].as_u64().unwrap()).sum() };
    assert_eq!(json!(sum("count")), json["wal"]["records"]);
    assert_eq!(json!(sum("bytes")), json["wal"]["bytes"]);
    let percent: f64 = stats.iter().map(|s| s["percent"].as_f64().unwrap()).sum();
    assert!((percent - 100.0).abs() < 0.1, "{percent}");
    inspect(["wal", &directory, "--stats", "--format=jsonl"]).exits(2);
}

#[test]
fn a_directory_of_ours_has_no_such_log() {
    let scratch = tempfile::tempdir().unwrap();
    let target = text(&scratch.path().join("new"));
    migrate(["upgrade", &data("clean_marker"), &target, "--to=per-table"]).exits(0);
    let run = inspect(["wal", &target]).exits(2);
    assert!(
        run.stderr.contains("without a legacy WAL"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_text_for_people_is_this() {
    let run = inspect_command()
        .args(["wal", "ddl_tail/data"])
        .current_dir(fixtures())
        .output()
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(run.stdout).unwrap());
}
