//! `--format json`: one document on stdout whatever happened, as
//! `man/rustdb-documents.schema.json` says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::support::run::{copy, data, fixture_names, text};
use crate::support::schema::{broken, schema};

const INSPECT: &str = env!("CARGO_BIN_EXE_rustdb-inspect");
const MIGRATE: &str = env!("CARGO_BIN_EXE_rustdb-migrate");

/// How a command ended, and its one document, which fits the schema.
fn document(program: &str, args: &[&OsStr]) -> (i32, Json) {
    let mut command = Command::new(program);
    command
        .args(args)
        .args(["--format", "json"])
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let document: Json =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{args:?}: {error}: {said:?}"));
    assert_eq!(broken(schema(), &document), None, "{args:?}: {document:#}");
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    (output.status.code().unwrap(), document)
}

fn asked(program: &str, args: &[&str]) -> (i32, Json) {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    document(program, &args)
}

/// Every command that takes one directory and has documents.
const OF_ONE: [&str; 7] = ["info", "wal", "verify", "hash", "stats", "check", "report"];

fn arguments<'a>(command: &'a str, dir: &'a str, page: &'a str) -> Vec<&'a str> {
    match command {
        "report" => vec![command, dir, "-o", page],
        _ => vec![command, dir],
    }
}

#[test]
fn every_command_has_a_document_of_every_fixture() {
    let scratch = tempfile::tempdir().unwrap();
    for name in fixture_names() {
        let dir = data(&name);
        for command in OF_ONE {
            let page = text(&scratch.path().join(format!("{name}.{command}.html")));
            let (code, document) = asked(INSPECT, &arguments(command, &dir, &page));
            assert_eq!(document["command"], command, "{name}");
            assert_eq!(document["source"]["path"], dir.as_str(), "{name} {command}");
            if code == 0 && command != "check" {
                assert_eq!(document["source"]["kind"], "legacy", "{name} {command}");
            }
            let wrong = document.get("error").is_some()
                || !document["findings"].as_array().unwrap().is_empty();
            assert!(
                code == 0 || wrong || command == "check",
                "{name} {command}: {code}"
            );
        }
        asked(INSPECT, &["diff", &dir, &dir]);
        asked(INSPECT, &["wal", &dir, "--attribute"]);
        asked(INSPECT, &["wal", &dir, "--stats"]);
        let decisions = scratch.path().join(format!("{name}.decisions"));
        let (to_stdout, document) = asked(MIGRATE, &["attribute", &dir]);
        let args = ["attribute", &dir, "-o", &text(&decisions)];
        let (to_file, written) = asked(MIGRATE, &args);
        assert_eq!(to_stdout, to_file, "{name}");
        if document.get("error").is_none() {
            let text = fs::read_to_string(&decisions).unwrap();
            assert_eq!(document["decisions"], text, "{name}");
            assert_eq!(written["undecided"], document["undecided"], "{name}");
            assert_eq!(written["next"][0][1], "upgrade", "{name}");
        }
        let new = text(&scratch.path().join(format!("{name}.new")));
        let (code, _) = asked(MIGRATE, &["upgrade", &dir, &new, "--dry-run"]);
        let (run, document) = asked(MIGRATE, &["upgrade", &dir, &new]);
        assert_eq!(code, run, "{name}");
        let next = document["next"].to_string();
        assert!(!next.contains("--format"), "{name}: {next}");
        if run != 0 {
            assert!(!document["next"].as_array().unwrap().is_empty(), "{name}");
            continue;
        }
        for command in OF_ONE {
            let page = text(&scratch.path().join(format!("{name}.{command}.new.html")));
            let (_, document) = asked(INSPECT, &arguments(command, &new, &page));
            if !["wal", "check"].contains(&command) {
                assert_eq!(document["source"]["layout"], "paged", "{name} {command}");
            }
        }
        asked(INSPECT, &["diff", &dir, &new]);
        let (_, document) = asked(INSPECT, &["info", &new]);
        let table = document["databases"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|one| {
                let table = one["tables"].as_array()?.first()?["table"].as_str()?;
                Some(format!("{}.{table}", one["database"].as_str()?))
            });
        table
            .iter()
            .for_each(|table| drop(asked(INSPECT, &["page", &new, table])));
        asked(MIGRATE, &["compact", &new]);
        let packed = text(&scratch.path().join(format!("{name}.packed")));
        asked(MIGRATE, &["compact", &new, "-o", &packed]);
    }
}

#[test]
fn what_cannot_be_done_is_a_document_too() {
    let scratch = tempfile::tempdir().unwrap();
    let empty = text(scratch.path());
    let gone = text(&scratch.path().join("gone"));
    let page = text(&scratch.path().join("page.html"));
    let good = data("family_1_4");
    for command in OF_ONE {
        for dir in [&gone, &empty] {
            let (code, document) = asked(INSPECT, &arguments(command, dir, &page));
            // Below an empty directory `check` finds none to check.
            if command == "check" && dir == &empty {
                continue;
            }
            assert_eq!(code, 2, "{command} {dir}: {document:#}");
            assert_eq!(document["command"], command);
        }
    }
    for (program, code, args, error) in [
        (INSPECT, 2, vec!["diff", &good, &gone], "io"),
        (INSPECT, 2, vec!["page", &good, "shop.nothing"], "usage"),
        (INSPECT, 2, vec!["explain", "no-such-word"], "usage"),
        (INSPECT, 2, vec!["hash", &good, "--no-such-option"], "usage"),
        (INSPECT, 2, vec!["nothing"], "usage"),
        (INSPECT, 2, vec!["wal", &good, "--table=ordres"], "usage"),
        (MIGRATE, 2, vec!["upgrade", &gone, &page], "io"),
        (MIGRATE, 2, vec!["upgrade", &good], "usage"),
        (MIGRATE, 3, vec!["upgrade", &good, &good], "usage"),
        (MIGRATE, 2, vec!["attribute", &gone], "io"),
        (MIGRATE, 2, vec!["compact", &gone], "io"),
        (MIGRATE, 2, vec!["compact", &good], "usage"),
    ] {
        let (ended, document) = asked(program, &args);
        if args.last() == args.get(1) {
            // SOURCE as TARGET: whatever the reason, nothing is written.
            assert!([2, 3].contains(&ended), "{args:?}");
            continue;
        }
        assert_eq!(ended, code, "{args:?}: {document:#}");
        assert_eq!(document["error"]["code"], error, "{args:?}");
        assert!(document.get("outcome").is_none(), "{args:?}");
    }
    let taken = scratch.path().join("taken");
    fs::create_dir_all(taken.join("x")).unwrap();
    let (code, document) = asked(MIGRATE, &["upgrade", &good, &text(&taken)]);
    assert_eq!(
        (code, &document["error"]["code"]),
        (3, &json!("needs-decision"))
    );
    let (_, document) = asked(INSPECT, &["explain"]);
    assert!(document["words"].as_array().unwrap().len() > 50);
}

#[test]
fn damage_says_where_it_is_and_what_to_run() {
    let cut = data("truncated_snapshot");
    let (code, document) = asked(INSPECT, &["hash", &cut]);
    assert_eq!(code, 1);
    let error = &document["error"];
    assert_eq!(error["code"], "truncated");
    assert!(
        error["file"]
            .as_str()
            .unwrap()
            .ends_with("server_instance.db")
    );
    assert!(error["offset"].as_u64().unwrap() > 0);
    let next = document["next"].as_array().unwrap();
    assert_eq!(next[0], json!(["rustdb-inspect", "verify", cut]));
}

#[test]
fn a_path_that_is_not_utf8_survives_in_documents_and_in_commands() {
    let scratch = tempfile::tempdir().unwrap();
    let name = OsString::from_vec(b"da\xffta".to_vec());
    let dir = scratch.path().join(&name);
    copy(Path::new(&data("clean_marker")), &dir);
    let (code, document) = document(INSPECT, &[OsStr::new("info"), dir.as_os_str()]);
    assert_eq!(code, 0);
    let hex: String = dir
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(document["source"]["path_bytes"], hex.as_str());
    // The first command is the upgrade; what it writes lies beside.
    let command: Vec<&str> = document["next"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let tools = Path::new(INSPECT).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = Command::new(command[0])
        .args(&command[1..])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(run.status.success(), "{command:?}: {run:?}");
    let written = scratch
        .path()
        .join(OsString::from_vec(b"da\xffta-new".to_vec()));
    assert!(written.join("control").is_file());
}

#[test]
fn check_names_directories_that_are_not_utf8_by_their_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let name = OsString::from_vec(b"da\xffta".to_vec());
    let dir = scratch.path().join(&name);
    copy(Path::new(&data("clean_marker")), &dir);
    let (code, document) = document(INSPECT, &[OsStr::new("check"), dir.as_os_str()]);
    assert_eq!(code, 1);
    let line = &document["directories"][0];
    assert_eq!(line["outcome"], "missing");
    let ends = |field: &str, end: &str| {
        let digits = line[field].as_str().unwrap();
        assert!(digits.ends_with(end), "{digits}");
    };
    ends("directory_bytes", "6461ff7461");
    // The name, and `.expected.json`.
    ends("expected_bytes", "6461ff74612e65787065637465642e6a736f6e");
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    let (_, mut document) = asked(INSPECT, &["hash", &data("clean_marker")]);
    document["surprise"] = json!(1);
    assert!(broken(schema(), &document).is_some());
    document.as_object_mut().unwrap().remove("surprise");
    assert_eq!(broken(schema(), &document), None);
    document.as_object_mut().unwrap().remove("outcome");
    assert!(broken(schema(), &document).is_some());
}
