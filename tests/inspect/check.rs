//! `check`.

use std::fs;
use std::path::Path;

use crate::support::run::{copy, fixtures, inspect, text, tree};

/// Some fixtures, without what is written down about them.
fn some(names: &[&str]) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for name in names {
        let data = fixtures().join(name).join("data");
        copy(&data, &scratch.path().join(name).join("data"));
    }
    scratch
}

#[test]
fn the_fixtures_are_as_written_down() {
    let run = inspect(["check", &text(&fixtures())]).exits(0);
    assert!(
        run.stdout.ends_with("24 checked, 0 differ\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_blessed_is_as_expected_afterwards_wherever_it_lies() {
    let scratch = some(&["clean_marker", "truncated_snapshot", "twins", "wal_only"]);
    let root = text(scratch.path());
    let before = tree(scratch.path());
    let run = inspect(["check", &root]).exits(1);
    assert_eq!(run.stdout.matches("--bless").count(), 4);
    assert_eq!(tree(scratch.path()), before);
    inspect(["check", &root, "--bless"]).exits(0);
    let blessed = tree(scratch.path());
    assert_eq!(blessed.len(), before.len() + 4);
    assert!(
        before
            .iter()
            .all(|(path, bytes)| blessed.get(path) == Some(bytes))
    );
    inspect(["check", &root]).exits(0);
    // Nothing in the file depends on the place.
    let moved = tempfile::tempdir().unwrap();
    copy(scratch.path(), &moved.path().join("elsewhere"));
    inspect(["check", &text(moved.path())]).exits(0);
    inspect(["check", &root, "--bless"]).exits(0);
    assert_eq!(tree(scratch.path()), blessed);
}

#[test]
fn a_difference_is_named_with_both_values() {
    let scratch = some(&["clean_marker"]);
    let root = text(scratch.path());
    inspect(["check", &root, "--bless"]).exits(0);
    let expected = scratch.path().join("clean_marker/expected.json");
    let text = fs::read_to_string(&expected).unwrap();
    fs::write(&expected, text.replace("\"clean\"", "\"gap\"")).unwrap();
    let run = inspect(["check", &root]).exits(1);
    assert!(
        run.stdout
            .contains("/verdict: found \"clean\", expected \"gap\""),
        "{}",
        run.stdout
    );
    let json = inspect(["check", &root, "--format=json"]).exits(1).json();
    assert_eq!(json["differing"], 1);
    assert_eq!(json["directories"][0]["outcome"], "differs");
}

#[test]
fn a_file_of_another_origin_is_never_replaced() {
    let scratch = some(&["clean_marker"]);
    let root = text(scratch.path());
    let expected = scratch.path().join("clean_marker/expected.json");
    for foreign in ["{\"class\": \"decidable\"}", "not json", ""] {
        fs::write(&expected, foreign).unwrap();
        let run = inspect(["check", &root]).exits(1);
        assert!(
            run.stdout.contains("not written by check"),
            "{}",
            run.stdout
        );
        inspect(["check", &root, "--bless"]).exits(2);
        assert_eq!(fs::read_to_string(&expected).unwrap(), foreign);
    }
}

#[test]
fn a_directory_of_another_name_has_a_file_of_its_own() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        copy(&fixtures().join("fresh/data"), &scratch.path().join(name));
    }
    inspect(["check", &text(scratch.path()), "--bless"]).exits(0);
    for name in ["one", "two"] {
        let file = scratch.path().join(format!("{name}.expected.json"));
        assert!(file.is_file());
    }
    let one = scratch.path().join("one");
    inspect(["check", &text(&one)]).exits(0);
}

#[test]
fn links_are_not_followed_and_nothing_found_ends_with_2() {
    let scratch = tempfile::tempdir().unwrap();
    let inner = scratch.path().join("inner");
    fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(fixtures(), inner.join("link")).unwrap();
    let run = inspect(["check", &text(&inner)]).exits(2);
    assert!(run.stderr.contains("no data directory"), "{}", run.stderr);
    inspect(["check", &text(Path::new("/no/such"))]).exits(2);
}
