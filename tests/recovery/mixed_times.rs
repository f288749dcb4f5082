//! A snapshot and a log that were copied at different moments.

use crate::support::content::{column, fresh, int, loaded, table, text};
use crate::support::model::{DataType, Family, Table, Value};
use crate::support::server::{Files, Server};
use crate::support::tool::{Bench, inspect};

const TABLE: &str = "notes";

fn row(n: i64, what: &str) -> Vec<Value> {
    vec![int(n), text(what)]
}

/// A table of this name, and maybe of a column more.
fn like(name: &str, more: Option<&str>) -> Table {
    let mut columns = vec![column("n", DataType::Integer), column("t", DataType::Text)];
    columns.extend(more.map(|more| column(more, DataType::Text)));
    table(name, columns)
}

/// A server of 1.4 with two rows in a table without a key, all in the snapshot.
fn server() -> Server {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", like(TABLE, None));
    server.insert("postgres", TABLE, vec![row(1, "a"), row(2, "b")]);
    loaded(Family::V1_4, server)
}

/// The snapshot of one moment and the log of another.
fn mixed(snapshot: &Files, log: &Files) -> Files {
    let own = snapshot.iter().filter(|(path, _)| !path.starts_with("wal"));
    let logged = log.iter().filter(|(path, _)| path.starts_with("wal"));
    let all = own.chain(logged);
    all.map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

/// How an upgrade ends, and which lines name a table and `word`.
fn told(files: &Files, word: &str) -> (i32, usize) {
    let bench = Bench::new(files);
    let said = bench.upgrade("append", &[]);
    let lines = said.err.lines();
    let named = lines.filter(|line| line.contains(word) && line.contains(TABLE));
    (said.code.unwrap(), named.count())
}

#[test]
fn a_log_copied_before_the_snapshot_is_told_and_many_rows_are_asked_about() {
    for (rows, code, word) in [(1, 0, "mixed-times"), (4, 3, "cut-uncertain")] {
        let mut server = server();
        let rows = (0..rows).map(|n| row(10 + n, &format!("new {n}")));
        server.insert("postgres", TABLE, rows.collect());
        let log = server.killed();
        assert_eq!(told(&log, word), (0, 0));
        server.insert("postgres", TABLE, vec![row(99, "later")]);
        server.checkpoint();
        assert_eq!(told(&mixed(&server.killed(), &log), word), (code, 1));
    }
}

/// Of files of one moment nothing is told by a word, of mixed ones once.
fn told_of_the_mixed_alone(whole: &Files, mixed: &Files, word: &str) {
    assert_eq!(told(whole, word), (0, 0));
    assert_eq!(told(mixed, word), (0, 1));
}

/// The files after a change and a checkpoint, and the same log beside the
/// snapshot of before.
fn put_back(change: fn(&mut Server)) -> [Files; 2] {
    let mut server = server();
    let before = server.killed();
    change(&mut server);
    server.checkpoint();
    let after = server.killed();
    let mixed = mixed(&before, &after);
    [after, mixed]
}

#[test]
fn a_snapshot_put_back_under_a_later_log_shows_no_row_that_was_ended() {
    for change in [
        (|server: &mut Server| server.update("postgres", TABLE, vec![(0, row(1, "x"))]))
            as fn(&mut Server),
        |server| server.delete("postgres", TABLE, &[1]),
    ] {
        let [after, mixed] = put_back(change);
        assert_eq!(told(&after, "cut-uncertain"), (0, 0));
        let (code, lines) = told(&mixed, "cut-uncertain");
        // Nothing stands behind the mark, so there is nothing to ask.
        assert_eq!((code, lines), (0, 1));
    }
}

#[test]
fn a_snapshot_put_back_under_a_later_log_shows_no_table_in_its_new_shape() {
    for change in [
        (|server: &mut Server| server.drop_table("postgres", TABLE)) as fn(&mut Server),
        |server| server.rename_table("postgres", TABLE, "other"),
        |server| server.drop_column("postgres", TABLE, "t"),
        |server| server.rename_column("postgres", TABLE, "t", "u"),
        |server| server.add_column("postgres", TABLE, column("u", DataType::Text)),
    ] {
        let [after, mixed] = put_back(change);
        told_of_the_mixed_alone(&after, &mixed, "mixed-times");
    }
}

#[test]
fn a_snapshot_put_back_under_a_later_log_lacks_rows_of_tables_that_look_as_they_did() {
    let inserts = |server: &mut Server, name: &str| {
        let rows = (0..5).map(|n| row(10 + n, "new"));
        server.insert("postgres", name, rows.collect());
    };
    // Which table the rows stand in behind, and what is done to it there and back.
    type Change = fn(&mut Server, &dyn Fn(&mut Server, &str));
    let changes: [Change; 4] = [
        |server, inserts| {
            inserts(server, TABLE);
            server.add_column("postgres", TABLE, column("z", DataType::Text));
            server.drop_column("postgres", TABLE, "z");
        },
        |server, inserts| {
            inserts(server, TABLE);
            server.add_column("postgres", TABLE, column("z", DataType::Text));
            server.rename_column("postgres", TABLE, "z", "y");
            server.drop_column("postgres", TABLE, "y");
        },
        |server, inserts| {
            server.rename_table("postgres", TABLE, "other");
            inserts(server, "other");
            server.rename_table("postgres", "other", TABLE);
        },
        |server, inserts| {
            server.drop_table("postgres", TABLE);
            server.create_table("postgres", like(TABLE, None));
            inserts(server, TABLE);
        },
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut server = server();
        let before = server.killed();
        change(&mut server, &inserts);
        server.checkpoint();
        let after = server.killed();
        assert_eq!(told(&after, "cut-uncertain"), (0, 0), "{at}");
        let (_, lines) = told(&mixed(&before, &after), "cut-uncertain");
        assert_eq!(lines, 1, "{at}");
    }
}

#[test]
fn one_row_that_a_snapshot_lacks_is_told() {
    let [after, mixed] = put_back(|server| server.insert("postgres", TABLE, vec![row(10, "new")]));
    told_of_the_mixed_alone(&after, &mixed, "mixed-times");
}

#[test]
fn rows_that_are_held_are_told_beside_a_row_that_is_missing() {
    let mut server = server();
    server.create_table("postgres", like("other", None));
    server.checkpoint();
    let rows = (0..20).map(|n| row(10 + n, &format!("new {n}")));
    server.insert("postgres", TABLE, rows.collect());
    server.insert("postgres", "other", vec![row(1, "gone")]);
    let log = server.killed();
    assert_eq!(told(&log, "mixed-times"), (0, 0));
    server.drop_table("postgres", "other");
    server.create_table("postgres", like("other", None));
    server.checkpoint();
    assert_eq!(told(&mixed(&server.killed(), &log), "mixed-times"), (0, 1));
}

#[test]
fn rows_that_were_changed_before_excuse_none_that_a_running_server_put_in() {
    let mut server = server();
    let change = |n: u64| (n, row(1, "again"));
    server.update("postgres", TABLE, (0..60).map(change).collect());
    server.delete("postgres", TABLE, &[0]);
    server.checkpoint();
    let before = server.killed();
    // Of a row that was dead before nothing is to be seen.
    server.delete("postgres", TABLE, &[0]);
    let rows = (0..50).map(|n| row(10 + n, "new"));
    server.insert("postgres", TABLE, rows.collect());
    server.checkpoint();
    let after = server.killed();
    told_of_the_mixed_alone(&after, &mixed(&before, &after), "cut-uncertain");
}

#[test]
fn a_table_that_was_made_anew_with_other_columns_is_told() {
    let [after, mixed] = put_back(|server| {
        server.drop_table("postgres", TABLE);
        server.create_table("postgres", like(TABLE, Some("more")));
    });
    told_of_the_mixed_alone(&after, &mixed, "mixed-times");
}

#[test]
fn all_tables_are_named_that_an_older_snapshot_can_lack_rows_of() {
    let mut server = server();
    server.create_table("postgres", like("other", None));
    server.checkpoint();
    let before = server.killed();
    for name in [TABLE, "other"] {
        let rows = (0..5).map(|n| row(10 + n, "new"));
        server.insert("postgres", name, rows.collect());
        server.checkpoint();
    }
    let mixed = mixed(&before, &server.killed());
    assert_eq!(told(&mixed, "cut-uncertain"), (0, 1));
}

#[test]
fn tables_of_several_databases_are_held_against_a_later_log() {
    let mut server = server();
    server.create_database("shop");
    server.create_table("shop", like("own", None));
    server.checkpoint();
    let before = server.killed();
    server.add_column("postgres", TABLE, column("more", DataType::Text));
    server.checkpoint();
    let after = server.killed();
    told_of_the_mixed_alone(&after, &mixed(&before, &after), "mixed-times");
}

/// Where each record of a segment begins, and its tag.
fn records(bytes: &[u8]) -> Vec<(usize, u32)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        found.push((at, number(at + 20)));
        at += 4 + number(at) as usize;
    }
    found
}

#[test]
fn records_behind_a_mark_that_is_lost_are_applied_or_asked_about() {
    const CHECKPOINT: u32 = 5;
    type Damage = fn(&mut Vec<u8>, std::ops::Range<usize>);
    let flipped: Damage = |bytes, mark| bytes[mark.start + 20] ^= 0x40;
    let cut_out: Damage = |bytes, mark| drop(bytes.drain(mark));
    for (before, damage, code, reshaped) in [
        // What else stood there is lost.
        (100, flipped, 1, false),
        (100, cut_out, 1, false),
        (100, flipped, 1, true),
        // Fewer than a checkpoint takes: a start can have written it.
        (30, flipped, 3, false),
        (30, flipped, 3, true),
    ] {
        let mut server = server();
        for n in 0..before {
            server.insert("postgres", TABLE, vec![row(10 + n, "before")]);
        }
        if before < 100 {
            server.checkpoint();
        }
        if reshaped {
            server.add_column("postgres", TABLE, column("more", DataType::Text));
        }
        for n in 0..5 - i64::from(reshaped) {
            let mut row = row(500 + n, "behind");
            row.extend(reshaped.then(|| text("more")));
            server.insert("postgres", TABLE, vec![row]);
        }
        let mut files = server.killed();
        let last = files.keys().rfind(|path| path.starts_with("wal")).cloned();
        let log = files.get_mut(&last.unwrap()).unwrap();
        let all = records(log);
        let mark = all.iter().rposition(|(_, tag)| *tag == CHECKPOINT).unwrap();
        assert_eq!(all.len() - mark, 6);
        damage(log, all[mark].0..all[mark + 1].0);
        let bench = Bench::new(&files);
        let said = bench.upgrade("append", &["--salvage"]);
        assert_eq!(said.code, Some(code), "{before}: {}", said.err);
        let named = said.err.lines().any(|line| line.contains(TABLE));
        assert!(named, "{before}: {}", said.err);
        if code == 1 {
            let target = bench.target();
            let said = inspect(&["dump", target.to_str().unwrap(), "--format", "jsonl"]);
            let rows = 2 + 100 + 5 - usize::from(reshaped);
            assert_eq!(said.out.lines().count(), rows, "{before}");
        }
    }
}

#[test]
fn a_table_made_more_often_than_the_snapshot_has_it_is_of_no_database_for_certain() {
    for elsewhere in [false, true] {
        let mut server = fresh(Family::V1_4);
        let notes = like(TABLE, None);
        server.create_table("postgres", notes.clone());
        server.insert("postgres", TABLE, vec![row(1, "a")]);
        server.checkpoint();
        let before = server.killed();
        if elsewhere {
            server.create_database("shop");
            server.create_table("shop", notes);
        }
        server.checkpoint();
        let owner = if elsewhere { "shop" } else { "postgres" };
        server.insert(owner, TABLE, vec![row(2, "b")]);
        let bench = Bench::new(&mixed(&before, &server.killed()));
        let source = bench.source();
        let said = inspect(&["wal", source.to_str().unwrap(), "--attribute"]);
        assert_eq!(said.out.contains("certain"), !elsewhere, "{}", said.out);
    }
}
