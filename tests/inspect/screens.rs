//! Screens of 80 x 24, as a user sees them: what is, what happened, what to do.

use std::path::Path;

use super::terminal::on_terminal;
use crate::support::run::{copy, data, fixture_names};

const COLUMNS: u16 = 80;
const LINES: usize = 24;

/// What a command prints in a folder with a copy of a fixture as `data`.
fn screen(fixture: &str, program: &str, args: &[&str]) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    copy(Path::new(&data(fixture)), &place.path().join("data"));
    let there = format!("stty rows {LINES}; cd '{}';", place.path().display());
    on_terminal(COLUMNS, &there, "NO_COLOR=1", program, args)
}

/// A narrow screen, as beside an editor.
const NARROW: u16 = 40;

/// Sentences fit a narrow screen too: longer lines are commands, and words that are
/// as long by themselves.
#[test]
fn sentences_fit_a_narrow_screen() {
    let place = tempfile::tempdir().unwrap();
    copy(
        Path::new(&data("torn_tail")),
        &place.path().join("one/data"),
    );
    for args in [&["info", "one/data"][..], &["check", "."]] {
        let there = format!("stty rows {LINES}; cd '{}';", place.path().display());
        let Some(said) = on_terminal(NARROW, &there, "NO_COLOR=1", INSPECT, args) else {
            return;
        };
        assert!(said.lines().count() > 1, "{said}");
        for line in said
            .lines()
            .filter(|line| line.chars().count() > NARROW.into())
        {
            let is_command = line.contains("rustdb-inspect ") || line.contains("rustdb-migrate ");
            let longest = line.split_whitespace().map(str::len).max();
            assert!(is_command || longest > Some(26), "{line:?}\n{said}");
        }
    }
}

/// Sentences fit the width; commands, as they are pasted, need not.
fn check(said: &str) {
    for line in said.lines().filter(|line| !line.starts_with("  rustdb-")) {
        assert!(line.chars().count() <= COLUMNS.into(), "{line:?}");
    }
}

const INSPECT: &str = env!("CARGO_BIN_EXE_rustdb-inspect");
const MIGRATE: &str = env!("CARGO_BIN_EXE_rustdb-migrate");

/// Fixtures with more tables or databases than a screen has lines.
const LARGE: [&str; 1] = ["hostile_names"];

#[test]
fn what_each_command_says_of_a_directory_is_one_screen() {
    let commands: [(&str, &[&str]); 6] = [
        (INSPECT, &["info", "data"]),
        (INSPECT, &["verify", "data"]),
        (MIGRATE, &["upgrade", "data", "new"]),
        (MIGRATE, &["upgrade", "data", "new", "--dry-run"]),
        (MIGRATE, &["upgrade", "data", "new", "--salvage"]),
        (MIGRATE, &["upgrade", "data", "new", "--repair-replay"]),
    ];
    for fixture in fixture_names() {
        for (program, args) in commands {
            let Some(said) = screen(&fixture, program, args) else {
                return;
            };
            let large = LARGE.contains(&fixture.as_str());
            if !large {
                check(&said);
            }
            let lines = said.lines().count();
            assert!(
                large || lines < LINES,
                "{fixture} {args:?}: {lines}\n{said}"
            );
        }
    }
}

#[test]
fn an_ordinary_directory_is_one_screen() {
    if screen("torn_tail", INSPECT, &["info", "data"]).is_none() {
        return;
    }
    let said = screen("torn_tail", INSPECT, &["info", "data"]).unwrap();
    insta::assert_snapshot!(said);
}

#[test]
fn an_upgrade_says_what_was_written_and_where() {
    let Some(said) = screen("torn_tail", MIGRATE, &["upgrade", "data", "new"]) else {
        return;
    };
    check(&said);
    insta::assert_snapshot!(said);
}

#[test]
fn a_decision_shows_the_ways_to_decide() {
    let Some(said) = screen("twins", MIGRATE, &["upgrade", "data", "new"]) else {
        return;
    };
    check(&said);
    insta::assert_snapshot!(said);
}

#[test]
fn a_salvage_says_what_is_lost() {
    let args = ["upgrade", "data", "new", "--salvage"];
    let Some(said) = screen("truncated_snapshot", MIGRATE, &args) else {
        return;
    };
    check(&said);
    insta::assert_snapshot!(said);
}
