//! `--repair-replay`: what a start of the server did to the data, found and
//! undone; held against what the server held before the crash.
//!
//! `RUSTDB_CORPUS` names a directory of real data directories; without it those
//! are skipped.

use crate::support;
use std::collections::BTreeMap;
use std::path::PathBuf;

use rustdb_migrate::finding::Code;
use rustdb_migrate::recovery::{OnAmbiguous, Request};

use crate::support::content::{column, fresh, int, key, references, table, text};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Instance, Table, Value};
use crate::support::repaired::{Made, Tables, comparable, tables};
use crate::support::server::{Files, Server};
use crate::support::tool::Bench;

fn users() -> Table {
    let columns = vec![key("id", DataType::Serial), column("name", DataType::Text)];
    table("users", columns)
}

fn add_users(server: &mut Server, database: &str, ids: std::ops::Range<i64>) {
    for id in ids {
        let row = vec![int(id), text(&format!("{database} {id}"))];
        server.insert(database, "users", vec![row]);
    }
}

/// One database, a checkpoint, a tail, a crash and a start.
fn restarted_once(family: Family) -> (Server, Instance) {
    let mut server = fresh(family);
    server.create_table("postgres", users());
    add_users(&mut server, "postgres", 1..121);
    let before = server.instance.clone();
    server.restart("postgres");
    (server, before)
}

#[test]
fn without_the_option_content_is_as_the_server_showed_it() {
    let (server, _) = restarted_once(Family::V1_10);
    let made = Made::of_files(&server.killed(), false);
    assert_eq!(made.tables, tables(&server.instance));
    let users = &made.tables[&("postgres".into(), "users".into())];
    // 99 rows stood in the snapshot, and all 120 were pushed behind them.
    assert_eq!(users.rows.len(), 219);
    let twice = made.findings.iter().find(|f| f.code == Code::ReplayedTwice);
    let detail = twice.unwrap().detail.clone().unwrap();
    assert_eq!(
        detail,
        "the start pushed row versions 99 to 218; 99 of them stand before those already"
    );
    assert!(made.has(Code::SequenceBehind));
    assert!(!made.has(Code::RepairedReplay));
}

/// Its segment is that of the start before, so that nothing is opened.
#[test]
fn a_start_within_the_second_of_the_one_before_is_found_as_any_other() {
    let mut server = fresh(Family::V1_10);
    let opened = server.clock;
    server.create_table("postgres", users());
    add_users(&mut server, "postgres", 1..121);
    let before = server.instance.clone();
    server.clock = opened;
    server.restart_after(0, "postgres");
    assert_eq!(server.killed().len(), 2);
    assert!(Made::of_files(&server.killed(), false).has(Code::ReplayedTwice));
    let made = Made::of_files(&server.killed(), true);
    assert_eq!(made.tables, tables(&before));
}

#[test]
fn a_start_that_was_killed_before_its_mark_is_told_where_rows_stand_twice() {
    for marked in [true, false] {
        let mut server = fresh(Family::V1_10);
        server.create_table("postgres", users());
        // The hundredth record brings a checkpoint.
        add_users(&mut server, "postgres", 1..100);
        if !marked {
            server.dies_in_checkpoint = true;
            add_users(&mut server, "postgres", 100..200);
        }
        let whole = server.killed();
        server.die_in_restart("postgres");
        let files = server.killed();
        let made = Made::of_files(&files, false);
        assert!(
            made.has(Code::CutUncertain),
            "{marked}: {:?}",
            made.findings
        );
        // All within one second: the start opens no segment.
        let at_once = |of: &Files| {
            let mut files = of.clone();
            files.retain(|name, _| !name.starts_with("wal/"));
            let log = whole.iter().find(|(name, _)| name.starts_with("wal/"));
            let name = format!("wal/{:016x}.wal", server.clock);
            files.insert(name, log.unwrap().1.clone());
            Made::of_files(&files, false).has(Code::CutUncertain)
        };
        assert!(at_once(&files) && !at_once(&whole), "{marked}");
    }
}

#[test]
fn rows_pushed_twice_and_a_sequence_left_behind_are_put_right() {
    for family in [Family::V1_3, Family::V1_4, Family::V1_10] {
        let (server, before) = restarted_once(family);
        let made = Made::of_files(&server.killed(), true);
        assert_eq!(made.tables, tables(&before), "{family:?}");
        assert!(made.has(Code::RepairedReplay));
        assert!(!made.has(Code::ReplayedTwice) && !made.has(Code::SequenceBehind));
    }
}

#[test]
fn rows_and_tables_in_another_database_go_home_by_decision_alone() {
    let mut server = fresh(Family::V1_4);
    for name in ["shop", "blog"] {
        server.create_database(name);
    }
    for name in ["postgres", "shop"] {
        server.create_table(name, users());
    }
    add_users(&mut server, "postgres", 1..70);
    add_users(&mut server, "shop", 500..531);
    add_users(&mut server, "shop", 531..540);
    let lines = vec![
        key("id", DataType::Serial),
        references("user_id", "users", "id"),
    ];
    server.create_table("shop", table("lines", lines));
    server.insert("shop", "lines", vec![vec![int(1), int(505)]]);
    server.insert("shop", "lines", vec![vec![int(2), int(535)]]);
    let before = server.instance.clone();
    let owners = server.tail.clone();
    server.restart("postgres");
    let files = server.killed();
    let shown = Made::of_files(&files, false);
    assert_eq!(shown.tables, tables(&server.instance));
    let elsewhere = shown
        .findings
        .iter()
        .filter(|f| f.code == Code::ReplayedElsewhere);
    assert!(
        elsewhere
            .clone()
            .all(|f| f.database.as_deref() == Some("postgres"))
    );
    assert_eq!(shown.named(Code::ReplayedElsewhere).len(), 2);
    // Two databases could own the records, and nothing proves which.
    let unproven = Made::of_files(&files, true);
    assert_eq!(unproven.tables, shown.tables);
    assert!(!unproven.has(Code::RepairedReplay));
    assert_eq!(unproven.named(Code::ReplaySuspected).len(), 2);
    let asked = Made::of(
        on_disk(&files).path(),
        Request {
            repair_replay: true,
            ..Request::default()
        },
    );
    assert!(asked.has(Code::Ambiguous) && asked.set_aside > 0);
    let made = Made::decided(&files, &owners);
    let rows = |tables: &Tables| -> Vec<_> {
        tables
            .iter()
            .map(|(name, t)| (name.clone(), comparable(t)))
            .collect()
    };
    assert_eq!(rows(&made.tables), rows(&tables(&before)));
    assert_eq!(made.named(Code::RepairedReplay).len(), 2);
}

#[test]
fn updates_and_deletes_are_proven_by_the_servers_own_replay() {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", users());
    add_users(&mut server, "postgres", 1..80);
    server.update("postgres", "users", vec![(3, vec![int(4), text("four")])]);
    server.delete("postgres", "users", &[5, 79]);
    add_users(&mut server, "postgres", 80..110);
    server.update("postgres", "users", vec![(90, vec![int(91), text("late")])]);
    server.delete("postgres", "users", &[7]);
    let before = server.instance.clone();
    server.restart("postgres");
    let made = Made::of_files(&server.killed(), true);
    let name = ("postgres".to_owned(), "users".to_owned());
    assert_eq!(
        comparable(&made.tables[&name]),
        comparable(&tables(&before)[&name])
    );
    assert_eq!(made.named(Code::RepairedReplay).len(), 1);
}

#[test]
fn rows_since_the_start_stay_behind_those_put_right() {
    let (mut server, mut before) = restarted_once(Family::V1_10);
    add_users(&mut server, "postgres", 1000..1130);
    let added = tables(&server.instance)[&("postgres".into(), "users".into())].rows[219..].to_vec();
    assert_eq!(added.len(), 130);
    before.databases[0].1.tables[0].1.rows.extend(added);
    let made = Made::of_files(&server.killed(), true);
    let name = ("postgres".to_owned(), "users".to_owned());
    assert_eq!(made.tables[&name].rows, tables(&before)[&name].rows);
    assert_eq!(made.tables[&name].sequences, [("id".to_owned(), 1130)]);
}

#[test]
fn what_is_not_proven_stays_as_it_stands() {
    let untouched = |server: &Server, why: &str| {
        let made = Made::of_files(&server.killed(), true);
        assert_eq!(made.tables, tables(&server.instance), "{why}");
        assert!(!made.has(Code::RepairedReplay), "{why}");
        let suspected = made
            .findings
            .iter()
            .find(|f| f.code == Code::ReplaySuspected);
        let detail = suspected.expect(why).detail.clone().unwrap();
        assert!(detail.contains(why), "{detail}");
    };
    // The segment that the first start replayed is gone after the second, and
    // with it an UPDATE.
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", users());
    add_users(&mut server, "postgres", 1..121);
    let changed = vec![(3, vec![int(4), text("four")])];
    server.update("postgres", "users", changed);
    server.restart("postgres");
    add_users(&mut server, "postgres", 200..210);
    server.restart("postgres");
    untouched(&server, "records that are no longer in the log");
    // Somebody has deleted the doubled rows since.
    let (mut server, _) = restarted_once(Family::V1_4);
    server.delete("postgres", "users", &[100, 101]);
    untouched(&server, "records since the start");
    // The same, in a release that logs no DELETE.
    let (mut server, _) = restarted_once(Family::V1_10);
    server.delete("postgres", "users", &[105]);
    (0..100).for_each(|id| add_users(&mut server, "postgres", 900 + id..901 + id));
    untouched(&server, "no database holds what the replay makes");
    // A column came after the rows.
    let mut server = fresh(Family::V1_10);
    server.create_table("postgres", users());
    server.add_column("postgres", "users", column("age", DataType::Integer));
    server.restart("postgres");
    untouched(&server, "other columns");
}

#[test]
fn tables_whose_replayed_records_are_gone_are_suspected_by_name() {
    for starts in [2, 3] {
        let mut server = fresh(Family::V1_10);
        server.create_table("postgres", users());
        let columns = vec![key("id", DataType::Integer)];
        server.create_table("postgres", table("empty", columns));
        add_users(&mut server, "postgres", 1..41);
        (0..starts).for_each(|_| server.restart("postgres"));
        for repair in [false, true] {
            let made = Made::of_files(&server.killed(), repair);
            assert_eq!(made.tables, tables(&server.instance));
            let suspected = made.named(Code::ReplaySuspected);
            assert!(suspected.iter().eq(["users"]), "{starts}: {suspected:?}");
        }
    }
}

#[test]
fn a_start_on_a_snapshot_that_no_record_marks_is_found() {
    let mut server = fresh(Family::V1_10);
    server.create_table("postgres", users());
    server.dies_in_checkpoint = true;
    add_users(&mut server, "postgres", 1..100);
    let before = server.instance.clone();
    server.restart("postgres");
    let rows = |instance: &Instance| tables(instance)[&("postgres".into(), "users".into())].clone();
    assert_eq!(rows(&server.instance).rows.len(), 198);
    let made = Made::of_files(&server.killed(), false);
    assert_eq!(made.tables, tables(&server.instance));
    let said = [Code::ReplaySuspected, Code::ReplayedTwice];
    assert!(
        said.iter().any(|code| made.has(*code)),
        "{:?}",
        made.findings
    );
    // Undone as it was, or not at all.
    let undone = Made::of_files(&server.killed(), true);
    assert!([tables(&before), tables(&server.instance)].contains(&undone.tables));
}

#[test]
fn a_log_without_a_start_says_nothing() {
    let mut server = fresh(Family::V1_10);
    server.create_table("postgres", users());
    add_users(&mut server, "postgres", 1..350);
    for repair in [false, true] {
        let made = Made::of_files(&server.killed(), repair);
        assert_eq!(made.tables, tables(&server.instance));
        let codes: Vec<Code> = made.findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, [Code::UnloggedChanges]);
    }
}

#[test]
fn upgrade_lists_repairs_and_counts_doubled_keys() {
    let (server, _) = restarted_once(Family::V1_10);
    let bench = Bench::new(&server.killed());
    let said = bench.upgrade("per-table", &["--dry-run"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("replayed-twice"), "{}", said.err);
    let doubled = "duplicate-key: postgres.users: PRIMARY KEY \"id\": 198 rows sharing";
    assert!(said.err.contains(doubled), "{}", said.err);
    let said = bench.upgrade("per-table", &["--repair-replay", "-v"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("repaired-replay"), "{}", said.err);
    assert!(!said.err.contains("duplicate-key"), "{}", said.err);
    assert!(
        said.out.contains("postgres  users   120     0"),
        "{}",
        said.out
    );
}

/// Rows right, lost and wrong against what the server showed at some time.
fn score(made: &Tables, truth: &serde_json::Value) -> (usize, usize, usize) {
    let mut shown: BTreeMap<(String, String, Vec<String>), i64> = BTreeMap::new();
    for ((database, name), table) in made {
        for row in table.rows.iter().filter(|row| row.xmax.is_none()) {
            let values = row.values.iter().map(shown_as).collect();
            *shown
                .entry((database.clone(), name.clone(), values))
                .or_default() += 1;
        }
    }
    let (mut right, mut lost) = (0, 0);
    for (database, own) in truth.as_object().unwrap() {
        for (name, table) in own.as_object().unwrap() {
            for row in table["rows"].as_array().unwrap() {
                let values = row.as_array().unwrap().iter();
                let values = values.map(|v| v.as_str().unwrap_or("NULL").to_owned());
                let key = (database.clone(), name.clone(), values.collect());
                match shown.get_mut(&key).filter(|left| **left > 0) {
                    Some(left) => {
                        *left -= 1;
                        right += 1;
                    }
                    None => lost += 1,
                }
            }
        }
    }
    let wrong: i64 = shown.values().sum();
    (right, lost, usize::try_from(wrong).unwrap())
}

/// A value as the server shows it to a client.
fn shown_as(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::SmallInt(v) => v.to_string(),
        Value::Integer(v) => v.to_string(),
        Value::Boolean(v) => if *v { "t" } else { "f" }.into(),
        Value::Text(v) | Value::Date(v) | Value::Char(v) => v.clone(),
        Value::Timestamp(v) => v.replace('T', " "),
        other => format!("{other:?}"),
    }
}

/// A real server that was started again: rows right, lost and wrong against what
/// it showed before, as it is and repaired.
fn restarted_case(name: &str) -> Option<[(usize, usize, usize); 3]> {
    let Some(corpus) = std::env::var_os("RUSTDB_CORPUS") else {
        support::skip::skip("RUSTDB_CORPUS is not set");
        return None;
    };
    let case = PathBuf::from(corpus).join("v1.4.1").join(name);
    let truth = std::fs::read(case.join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    let request = |repair_replay| Request {
        repair_replay,
        on_ambiguous: OnAmbiguous::Best,
        ..Request::default()
    };
    let data = case.join("data");
    let shown = Made::of(&data, request(false));
    let repaired = Made::of(&data, request(true));
    let scores = [
        score(&shown.tables, &truth["state"]),
        score(&shown.tables, &truth["state_before"]),
        score(&repaired.tables, &truth["state_before"]),
    ];
    eprintln!("{name}: state, state before, repaired: {scores:?}");
    Some(scores)
}

#[test]
fn a_real_server_started_on_a_short_log_is_put_right() {
    if let Some([state, before, repaired]) = restarted_case("restart_clean-1") {
        assert_eq!([state, before, repaired], [(25, 0, 0); 3]);
    }
}

#[test]
fn real_rows_in_another_database_stay_without_a_proof() {
    if let Some([state, before, repaired]) = restarted_case("restart_multi-1") {
        assert_eq!(state, (248, 0, 0));
        assert_eq!(before, (113, 37, 135));
        // Nothing in the files says whose the records are.
        assert_eq!(repaired, before);
    }
}
