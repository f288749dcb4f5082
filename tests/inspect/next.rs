//! Following nothing but the commands that are printed, from each kind of
//! damage to the data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::content::{column, fresh, int, key, loaded, table, text as value};
use crate::support::disk::put;
use crate::support::model::{DataType, Family};
use crate::support::run::{
    Rows, Run, copy, data, dumped, fixture_names, inspect, known, migrate, text, tree, truth,
};
use crate::support::server::Server;

/// What a user picks of what is proposed.
const PICKS: [&str; 3] = [
    "to undo what a start",
    "to keep what can be kept",
    "to let the evidence decide",
];

/// The ways to go on that a command printed: purpose and commands.
fn proposed(said: &str) -> Vec<(String, Vec<String>)> {
    let lines = said.lines().skip_while(|line| !line.starts_with("next, "));
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        let opens = line.strip_prefix("next, ").or(line.strip_prefix("or, "));
        match (opens, line.strip_prefix("  "), steps.last_mut()) {
            (Some(purpose), _, _) => steps.push((purpose.to_owned(), Vec::new())),
            (None, Some(command), Some(step)) => step.1.push(command.to_owned()),
            _ => break,
        }
    }
    steps
}

/// Runs a line in a shell, in a directory, as a user who pastes it does.
fn paste(line: &str, place: &Path) -> Run {
    let programs = Path::new(env!("CARGO_BIN_EXE_rustdb-inspect"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("PATH", path)
        .current_dir(place);
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// From `info data`, with what is printed and picked, to a new directory; how
/// the last command ended, and where it wrote.
fn follow(place: &Path) -> (i32, PathBuf) {
    let before = tree(&place.join("data"));
    let run = paste("rustdb-inspect info data", place);
    let mut steps = proposed(&run.stdout);
    // Where nothing is in the way, what the README says.
    let plain = (
        "".to_owned(),
        vec!["rustdb-migrate upgrade data data-new".to_owned()],
    );
    let mut code = run.code;
    for _ in 0..5 {
        let picked = steps
            .iter()
            .find(|step| PICKS.iter().any(|pick| step.0.starts_with(pick)));
        for line in picked.unwrap_or(&plain).1.clone() {
            let run = paste(&line, place);
            assert!(run.code != 2, "{line}: {}", run.stderr);
            code = run.code;
            steps = proposed(&run.stderr);
        }
        if place.join("data-new").exists() {
            assert_eq!(tree(&place.join("data")), before);
            return (code, place.join("data-new"));
        }
        assert!(
            !steps.is_empty(),
            "nothing is proposed in {}",
            place.display()
        );
    }
    panic!("the proposals lead nowhere");
}

/// The rows of a new directory, which is whole.
fn rows_of(new: &Path) -> Rows {
    inspect(["verify", "-q", &text(new)]).exits(0);
    dumped(&inspect(["dump", &text(new), "--format=jsonl", "--typed"]).exits(0))
}

/// How many rows of the first are not in the second.
fn missing(rows: &Rows, of: &Rows) -> usize {
    let mut left: BTreeMap<_, i64> = BTreeMap::new();
    for (sign, rows) in [(-1, of), (1, rows)] {
        for (table, rows) in rows {
            rows.iter()
                .for_each(|row| *left.entry((table, row)).or_default() += sign);
        }
    }
    let left = left.into_values().filter(|count| *count > 0);
    usize::try_from(left.sum::<i64>()).unwrap()
}

#[test]
fn each_kind_of_damage_leads_to_the_data_by_what_is_printed() {
    // How the last command ends, how many rows are lost, and how many are wrong.
    let expected = [
        ("torn_tail", 0, 0, 0),
        ("unmarked_checkpoint", 0, 0, 0),
        ("snapshot_only", 0, 0, 0),
        ("truncated_snapshot", 1, 3, 0),
        ("trailing_bytes", 1, 0, 0),
        ("wal_damaged_middle", 1, 1, 0),
        ("wal_only", 1, 0, 0),
        ("sequence_gap", 1, 4, 0),
        ("page_storage", 0, 0, 0),
        ("reinitialised", 1, 0, 0),
        // Nothing says whose the record is.
        ("twins", 0, 2, 2),
    ];
    let found = expected.map(|(fixture, ..)| {
        let place = tempfile::tempdir().unwrap();
        copy(Path::new(&data(fixture)), &place.path().join("data"));
        let (code, new) = follow(place.path());
        let (found, truth) = (rows_of(&new), known(&truth(fixture)["databases"]));
        let (lost, wrong) = (missing(&truth, &found), missing(&found, &truth));
        (fixture, code, lost, wrong)
    });
    assert_eq!(found, expected);
}

#[test]
fn every_fixture_leads_to_a_directory_that_is_whole() {
    for fixture in fixture_names() {
        let place = tempfile::tempdir().unwrap();
        copy(Path::new(&data(&fixture)), &place.path().join("data"));
        let (code, new) = follow(place.path());
        assert!(code <= 1, "{fixture}: {code}");
        let found = rows_of(&new);
        // What ends with 0, and was not asked about, is exactly what was.
        let asked = paste("rustdb-inspect info data", place.path()).code == 3;
        let truth = known(&truth(&fixture)["databases"]);
        if code == 0 && !asked {
            assert_eq!(missing(&truth, &found), 0, "{fixture}");
            assert_eq!(missing(&found, &truth), 0, "{fixture}");
        }
    }
}

/// Two databases with tables of their own; after a crash the server is started
/// again, and puts everything into the first.
fn restarted(databases: &[&str], rows_each: i64) -> (Server, Rows) {
    let mut server = fresh(Family::V1_4);
    let mut before = Rows::new();
    for (at, database) in databases.iter().enumerate() {
        if at > 0 {
            server.create_database(database);
        }
        let columns = vec![key("id", DataType::Serial), column("name", DataType::Text)];
        server.create_table(database, table("users", columns));
    }
    for (at, database) in databases.iter().enumerate() {
        let base = 500 * i64::try_from(at).unwrap();
        let mut rows = Vec::new();
        for id in base + 1..=base + rows_each {
            let name = format!("{database} {id}");
            server.insert(database, "users", vec![vec![int(id), value(&name)]]);
            rows.push(format!("[[\"Integer\",{id}],[\"Text\",\"{name}\"]]"));
        }
        rows.sort();
        before.insert(((*database).to_owned(), "users".to_owned()), rows);
    }
    server.restart("postgres");
    (server, before)
}

#[test]
fn what_a_start_of_the_server_did_is_undone_by_what_is_printed() {
    // Few rows stood in no snapshot, and only their sequence is wrong.
    for (databases, rows_each) in [(&["postgres"][..], 69), (&["postgres"], 120)] {
        let (server, before) = restarted(databases, rows_each);
        let place = tempfile::tempdir().unwrap();
        for (path, bytes) in &server.killed() {
            put(&place.path().join("data"), path, bytes);
        }
        let (code, new) = follow(place.path());
        assert_eq!((code, rows_of(&new)), (0, before.clone()), "{databases:?}");
        if rows_each == 69 {
            let line = "rustdb-inspect wal data --explain 5 --repair-replay";
            let explained = paste(line, place.path()).exits(0).stdout;
            assert!(explained.contains("it is applied again"), "{explained}");
        }
        // Upgraded at once, the way to undo it leads into another directory.
        let run = paste("rustdb-migrate upgrade data at-once", place.path()).exits(0);
        let steps = proposed(&run.stderr);
        assert_eq!(steps.len(), 2, "{}", run.stderr);
        for line in &steps[0].1 {
            paste(line, place.path()).exits(0);
        }
        assert_eq!(rows_of(&place.path().join("at-once-repaired")), before);
    }
}

#[test]
fn every_way_out_of_a_decision_does_what_it_says() {
    let place = tempfile::tempdir().unwrap();
    copy(Path::new(&data("twins")), &place.path().join("data"));
    let refused = paste("rustdb-migrate upgrade data new", place.path()).exits(3);
    let steps = proposed(&refused.stderr);
    let lines: Vec<&String> = steps.iter().flat_map(|step| &step.1).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        let run = paste(line, place.path());
        // A decision file that nobody edited decides nothing.
        let open = line.contains("--attribution") || line.contains("migrate attribute");
        let code = if open { 3 } else { 0 };
        assert_eq!(run.code, code, "{line}: {}", run.stderr);
        let _ = fs::remove_dir_all(place.path().join("new"));
    }
}

#[test]
fn a_decision_about_a_table_is_proposed_only_where_all_its_records_hold_it() {
    // Rows of one key are of two databases, whichever is whose.
    for (second, code) in [(2, Some(0)), (1, None)] {
        let mut server = fresh(Family::V1_4);
        for name in ["left", "right"] {
            server.create_database(name);
            let columns = vec![key("id", DataType::Integer), column("name", DataType::Text)];
            server.create_table(name, table("users", columns));
        }
        server.create_table("left", table("old", vec![column("n", DataType::Integer)]));
        server.insert("left", "old", vec![vec![int(1)]]);
        let mut server = loaded(Family::V1_4, server);
        server.insert("left", "users", vec![vec![int(1), value("Ann")]]);
        // Logged as by the releases that log what is deleted, and between two
        // statements.
        server.delete("left", "old", &[0]);
        server.insert("right", "users", vec![vec![int(second), value("Bob")]]);
        let place = tempfile::tempdir().unwrap();
        for (path, bytes) in &server.killed() {
            put(&place.path().join("data"), path, bytes);
        }
        let refused = paste("rustdb-migrate upgrade data new", place.path()).exits(3);
        let steps = proposed(&refused.stderr);
        let mut lines = steps.iter().flat_map(|step| &step.1);
        let line = lines.find(|line| line.contains("--assign"));
        let followed = line.map(|line| paste(line, place.path()).code);
        assert_eq!(followed, code, "{}", refused.stderr);
    }
}

/// Lines of a decision file that decide nothing.
fn undecided(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| line.contains(" = ?  #"));
    lines.count()
}

#[test]
fn what_salvage_leaves_open_can_be_explained_and_decided() {
    // A damaged snapshot, and two databases that nothing separates.
    let place = tempfile::tempdir().unwrap();
    copy(Path::new(&data("twins")), &place.path().join("data"));
    let snapshot = place.path().join("data/server_instance.db");
    let bytes = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, [&bytes[..], b"more"].concat()).unwrap();
    let refused = paste("rustdb-migrate upgrade data new --salvage", place.path()).exits(3);
    let steps = proposed(&refused.stderr);
    assert_eq!(steps.len(), 5, "{}", refused.stderr);
    for line in steps.iter().flat_map(|step| &step.1) {
        let run = paste(line, place.path());
        let code = match line.contains("--attribution") || line.contains("migrate attribute") {
            true => 3,
            // What follows the snapshot is lost.
            false if line.contains("attribute") => 0,
            false => 1,
        };
        assert_eq!(run.code, code, "{line}: {}", run.stderr);
        if line.contains("--explain") {
            assert!(run.stdout.contains("\nleft "), "{}", run.stdout);
        }
        let _ = fs::remove_dir_all(place.path().join("new"));
    }
    assert_eq!(undecided(&place.path().join("decisions")), 3);
}

#[test]
fn a_healthy_directory_leads_to_its_upgrade_and_that_to_what_was_written() {
    let run = inspect(["info", &data("clean_marker")]).exits(0);
    let first = &proposed(&run.stdout)[0].1[0];
    assert!(first.starts_with("rustdb-migrate upgrade "), "{first}");
    let scratch = tempfile::tempdir().unwrap();
    let new = text(&scratch.path().join("new"));
    let run = migrate(["upgrade", &data("clean_marker"), &new]).exits(0);
    let look = format!("rustdb-inspect info {new}");
    let proposed = proposed(&run.stderr);
    assert_eq!(proposed, [("to look at it:".to_owned(), vec![look])]);
    let run = inspect(["info", &new]).exits(0);
    assert!(run.stdout.contains(&format!("rustdb-inspect verify {new}")));
}
