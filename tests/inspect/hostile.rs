//! Names and values that try to do something to the terminal, and the promise
//! that looking changes nothing.

use std::path::Path;

use crate::support::run::{Run, data, fixture_names, fixtures, inspect, tree};

/// Every command on a directory, for people and for programs.
fn commands(directory: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for command in [
        "info {}",
        "info -v {}",
        "info --no-wal {}",
        "verify -v {}",
        "hash {}",
        "wal --attribute {}",
        "wal --stats {}",
        "wal --explain 2 {}",
        "diff {} {}",
        "check {}",
        "dump --format jsonl --typed --include-dead {}",
        "dump --format jsonl --schema-only {}",
        "dump --format csv --schema-only {}",
    ] {
        let words = command.split(' ').map(|word| word.replace("{}", directory));
        all.push(words.collect());
    }
    all
}

#[test]
fn no_command_changes_a_byte_and_none_panics() {
    let before = tree(&fixtures());
    for name in fixture_names() {
        for args in commands(&data(&name)) {
            let run = inspect(args.iter().map(String::as_str));
            assert!(run.code <= 3, "{name} {args:?}");
            assert!(
                !run.stderr.contains("panicked"),
                "{name} {args:?}: {}",
                run.stderr
            );
        }
    }
    assert_eq!(tree(&fixtures()), before);
}

#[test]
fn no_control_character_reaches_a_terminal() {
    for name in ["hostile_names", "family_2_3", "twins"] {
        for args in commands(&data(name)) {
            // CSV is data: its texts stand as they are.
            if args.iter().any(|word| word == "csv") {
                continue;
            }
            let run = inspect(args.iter().map(String::as_str));
            for text in [&run.stdout, &run.stderr] {
                let bad = text.chars().find(|c| c.is_control() && *c != '\n');
                // JSON leaves DEL and what lies above ASCII as it is.
                let json = args.iter().any(|word| word == "jsonl");
                assert!(bad.is_none() || json, "{name} {args:?}: {bad:?}");
            }
        }
    }
}

#[test]
fn the_same_files_give_the_same_output() {
    for name in ["family_1_4", "hostile_names", "twins", "wal_damaged_middle"] {
        for args in commands(&data(name)) {
            let run = || inspect(args.iter().map(String::as_str));
            let (first, second) = (run(), run());
            assert_eq!(first.stdout, second.stdout, "{name} {args:?}");
            // How long it took is no property of the files.
            let said = |run: &Run| {
                let lines = run.stderr.lines();
                let lines = lines.filter(|line| !line.starts_with("took "));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(said(&first), said(&second), "{name} {args:?}");
        }
    }
}

#[test]
fn json_is_json_on_every_fixture() {
    for name in fixture_names() {
        let directory = data(&name);
        for command in ["info", "verify", "wal", "hash", "check"] {
            let run = inspect([command, &directory, "--format=json"]);
            if run.code == 2 || run.stdout.is_empty() {
                // A damaged snapshot has no rows to hash.
                assert_eq!((command, run.code), ("hash", 1), "{name}: {}", run.stderr);
                continue;
            }
            run.json();
        }
    }
}

#[test]
fn names_that_are_no_utf8_are_shown_and_not_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let scratch = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"odd-\xff-\x1b[31m");
    let directory = scratch.path().join("data");
    crate::support::run::copy(Path::new(&data("fresh")), &directory);
    std::fs::write(directory.join(name), b"x").unwrap();
    let directory = directory.to_str().unwrap();
    let json = inspect(["info", directory, "--format=json"])
        .exits(0)
        .json();
    assert_eq!(json["findings"][0]["code"], "foreign-file");
    let text = inspect(["info", directory]).exits(0).stdout;
    assert!(text.contains("odd-") && !text.contains('\x1b'));
}
