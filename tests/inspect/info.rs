//! `info`.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::support::run::{
    copy, data, fixture_names, inspect, inspect_command, known, migrate, text, truth,
};

fn info(directory: &str) -> Json {
    inspect(["info", directory, "--format", "json"]).json()
}

#[test]
fn every_fixture_shows_its_family_and_its_log() {
    for name in fixture_names() {
        let truth = truth(&name);
        let info = info(&data(&name));
        assert_eq!(info["kind"], "legacy", "{name}");
        if truth["family"].is_string() {
            let families = info["families"].as_array().unwrap();
            assert!(families.contains(&truth["family"]), "{name}: {families:?}");
        }
        assert_eq!(info["wal"]["verdict"], truth["wal"]["verdict"], "{name}");
        assert_eq!(info["wal"]["records"], truth["wal"]["records"], "{name}");
    }
}

#[test]
fn live_rows_are_counted_as_the_server_held_them() {
    let mut seen = 0;
    for name in fixture_names() {
        let truth = truth(&name);
        let run = inspect(["info", &data(&name), "--format=json"]);
        if truth["class"] != "decidable" {
            continue;
        }
        let known = known(&truth["databases"]);
        let info = run.exits(0).json();
        let mut live = 0;
        for database in info["databases"].as_array().unwrap() {
            for table in database["tables"].as_array().unwrap() {
                let key = (
                    database["database"].as_str().unwrap().to_owned(),
                    table["table"].as_str().unwrap().to_owned(),
                );
                let rows = known.get(&key).map_or(0, Vec::len);
                assert_eq!(table["live"], json!(rows), "{name} {key:?}");
                live += rows;
            }
        }
        assert_eq!(info["totals"]["live"], json!(live), "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn a_damaged_or_missing_snapshot_is_shown_with_its_log() {
    for (name, code) in [
        ("truncated_snapshot", "truncated"),
        ("trailing_bytes", "trailing-bytes"),
        ("wal_only", "no-snapshot"),
    ] {
        let run = inspect(["info", &data(name), "--format=json"]).exits(1);
        let info = run.json();
        let findings = info["findings"].as_array().unwrap();
        assert!(findings.iter().any(|f| f["code"] == code), "{name}");
        assert!(info["databases"].is_null(), "{name}");
        assert!(info["wal"]["records"].as_u64().unwrap() > 0, "{name}");
        let run = inspect(["info", &data(name)]).exits(1);
        assert!(run.stdout.contains("\nlog  "), "{name}");
    }
    let evidence = info(&data("truncated_snapshot"))["evidence"].clone();
    let evidence = evidence.as_array().unwrap();
    assert_eq!(evidence.len(), 4);
    assert!(
        evidence
            .iter()
            .all(|e| e["fits"] == false && e["offset"].is_u64())
    );
}

#[test]
fn without_its_log_a_directory_shows_the_snapshot() {
    let directory = data("twins");
    let run = inspect(["info", &directory, "--no-wal", "--format=json"]).exits(0);
    let info = run.json();
    assert_eq!(info["totals"]["live"], 2);
    assert!(info["wal"].get("attribution").is_none());
    inspect(["info", &directory]).exits(3);
}

#[test]
fn an_upgraded_directory_shows_its_layout_and_the_same_rows() {
    let scratch = tempfile::tempdir().unwrap();
    let target = text(&scratch.path().join("new"));
    let source = data("snapshot_only");
    let run = migrate(["upgrade", &source, &target, "--to", "per-table"]).exits(0);
    assert!(run.stdout.contains("verified"));
    let (before, after) = (info(&source), info(&target));
    assert_eq!(after["kind"], "rustdb-migrate");
    assert_eq!(after["layout"], "per-table");
    assert_eq!(after["family"], before["family"]);
    assert_eq!(after["totals"], before["totals"]);
    assert_eq!(after["users"], before["users"]);
}

#[test]
fn what_is_no_data_directory_ends_with_2_and_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let empty = text(scratch.path());
    for command in ["info", "verify", "hash", "wal"] {
        let run = inspect([command, &empty]).exits(2);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("server_instance.db"), "{command}: {said}");
    }
    let missing = text(&scratch.path().join("missing"));
    let run = inspect(["info", &missing]).exits(2);
    assert!(run.stderr.contains("No such file"), "{}", run.stderr);
    // The cause is said once.
    assert_eq!(run.stderr.matches("No such file").count(), 1);
    let file = scratch.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    inspect(["info", &text(&file)]).exits(2);
}

#[test]
fn links_are_refused_inside_a_directory_and_taken_as_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let real = data("clean_marker");
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    inspect(["info", &text(&link)]).exits(0);
    let inner = scratch.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let snapshot = Path::new(&real).join("server_instance.db");
    std::os::unix::fs::symlink(snapshot, inner.join("server_instance.db")).unwrap();
    let run = inspect(["info", &text(&inner)]).exits(2);
    assert!(run.stderr.contains("not-a-regular-file"), "{}", run.stderr);
}

#[test]
fn the_text_for_people_is_this() {
    let run = inspect_command()
        .args(["info", "torn_tail/data", "-v"])
        .current_dir(crate::support::run::fixtures())
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    // How sure the attribution is has tests of its own.
    let (tail, others): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("  tail"));
    assert!(tail[0].contains("2 records"), "{tail:?}");
    insta::assert_snapshot!(others.join("\n"));
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let directory = data("torn_tail");
    let run = |color: &str| inspect(["info", &directory, "--color", color]).stdout;
    assert!(!run("auto").contains('\x1b'));
    assert!(!run("never").contains('\x1b'));
    assert!(run("always").contains("\x1b[33mwarning:\x1b[0m"));
    let help = inspect(["--color=always", "--help"]).exits(0).stdout;
    assert!(help.contains('\x1b'));
}

#[test]
fn a_wrong_path_is_answered_with_the_command_for_the_right_one() {
    let scratch = tempfile::tempdir().unwrap();
    let above = scratch.path().join("old server");
    let right = above.join("data");
    copy(Path::new(&data("torn_tail")), &right);
    let segment = std::fs::read_dir(right.join("wal"))
        .unwrap()
        .next()
        .unwrap();
    let deep = scratch.path().join("volumes/one/_data");
    copy(Path::new(&data("torn_tail")), &deep);
    let command =
        |command: &str, path: &Path| format!("\n  rustdb-inspect {command} '{}'\n", path.display());
    for wrong in [
        right.join("server_instance.db"),
        right.join("wal"),
        segment.unwrap().path(),
        above.clone(),
        above.join("dat"),
        scratch.path().join("old servr/data"),
    ] {
        for one in ["info", "hash", "verify"] {
            let run = inspect([one, &text(&wrong)]).exits(2);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(
                said.contains(&command(one, &right)),
                "{one} {}: {said}",
                wrong.display()
            );
        }
    }
    let run = inspect(["info", &text(&scratch.path().join("volumes"))]).exits(2);
    let found = format!("\n  rustdb-inspect info {}\n", deep.display());
    assert!(run.stderr.contains(&found), "{}", run.stderr);
    let empty = tempfile::tempdir().unwrap();
    let run = inspect(["info", &text(empty.path())]).exits(2);
    assert!(run.stderr.contains("\n  find / "), "{}", run.stderr);
}
