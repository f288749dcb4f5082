//! Which records of the log the snapshot already holds, where no mark says so
//! and fewer records than a checkpoint takes stand behind the last one: a row
//! that comes back is no proof, a key that no database could take again is.

use crate::histories;
use crate::histories::bytes::{Column, DataType, Value};
use crate::histories::server::{Release, Server};
use rustdb_migrate::finding::Code;
use rustdb_migrate::legacy::{Family, LegacyDir};
use rustdb_migrate::recovery::attribution::Decision;
use rustdb_migrate::recovery::{Cut, CutReason, OnAmbiguous, Recovery, Request, find_cut};
use rustdb_migrate::report::Report;

/// A table of names with a number that counts, a key or not.
fn columns(primary_key: bool) -> Vec<Column> {
    let column = |name: &str, data_type, primary_key| Column {
        name: name.to_owned(),
        data_type,
        primary_key,
        unique: false,
        foreign_key: None,
    };
    vec![
        column("id", DataType::Serial, primary_key),
        column("name", DataType::Text, false),
    ]
}

/// A server whose databases have the table, with what the log no more tells.
fn server(release: Release, keyed: bool, rows: &[(&str, &str)]) -> Server {
    let mut server = Server::new(release, &["a", "b"]);
    server.quiet(true);
    for database in ["a", "b"] {
        server.create(database, "t", columns(keyed));
    }
    for (database, name) in rows {
        insert(&mut server, database, name);
    }
    server
}

fn insert(server: &mut Server, database: &str, name: &str) {
    let name = Some(Value::Text(name.to_owned()));
    assert!(server.insert(database, "t", &[vec![None, name]]));
}

fn rename(server: &mut Server, from: &str, to: &str) {
    let is = |row: &[Value]| row.last() == Some(&Value::Text(from.to_owned()));
    let set = |row: &mut Vec<Value>| {
        row.pop();
        row.push(Value::Text(to.to_owned()));
    };
    assert_eq!(server.update("a", "t", &is, &set), 1);
}

/// The checkpoint after which the log tells all.
fn checkpoint(server: &mut Server) {
    server.quiet(false);
    server.checkpoint();
}

fn cut(server: &Server) -> (Cut, Report) {
    let dir = tempfile::tempdir().unwrap();
    histories::write(server, dir.path());
    let family = match server.release {
        Release::V1_3 => Family::V1_3,
        _ => Family::V1_4,
    };
    let legacy = LegacyDir::read(dir.path(), Some(family)).unwrap();
    let snapshot = legacy.snapshot.as_ref().unwrap().as_ref().unwrap();
    let mut report = Report::new();
    let cut = find_cut(&legacy, snapshot, &mut report).unwrap();
    (cut, report)
}

#[test]
fn an_update_back_to_the_old_value_is_not_taken_for_held() {
    let mut server = server(Release::V1_4, true, &[("a", "off")]);
    rename(&mut server, "off", "on");
    checkpoint(&mut server);
    rename(&mut server, "on", "off");
    let (cut, _) = cut(&server);
    assert_eq!((cut.reason, cut.tail.len()), (CutReason::Marker, 1));
}

#[test]
fn a_row_that_another_database_holds_is_not_taken_for_held() {
    let mut server = server(Release::V1_3, true, &[("a", "ash")]);
    checkpoint(&mut server);
    insert(&mut server, "b", "ash");
    let (cut, _) = cut(&server);
    assert_eq!((cut.reason, cut.tail.len()), (CutReason::Marker, 1));
}

#[test]
fn a_row_that_was_deleted_and_entered_again_is_not_taken_for_held() {
    let mut server = server(Release::V1_3, true, &[("a", "ash"), ("b", "ash")]);
    checkpoint(&mut server);
    assert_eq!(server.delete("a", "t", &|_| true), 1);
    // The key is free for who no more sees the row.
    server.xid += 1;
    let row = vec![Some(Value::Integer(1)), Some(Value::Text("ash".to_owned()))];
    assert!(server.insert("a", "t", &[row]));
    let (cut, _) = cut(&server);
    assert_eq!((cut.reason, cut.tail.len()), (CutReason::Marker, 2));
}

#[test]
fn a_key_that_no_database_could_take_again_is_held() {
    // Of a release that logs what is deleted; 1.3 takes a key again.
    for release in [Release::V1_4, Release::V1_3] {
        let mut server = Server::new(release, &["a"]);
        server.create("a", "t", columns(true));
        insert(&mut server, "a", "elm");
        assert_eq!(server.delete("a", "t", &|_| true), 1);
        server.checkpoint();
        insert(&mut server, "a", "ash");
        server.restart_unmarked("a");
        let (cut, report) = cut(&server);
        match release {
            Release::V1_3 => assert!(report.has(Code::CutUncertain)),
            _ => {
                assert_eq!(cut.reason, CutReason::UnmarkedCheckpoint);
                assert!(cut.tail.is_empty());
            }
        }
    }
}

#[test]
fn a_start_that_was_killed_and_rows_without_a_key_are_asked_about() {
    let mut server = Server::new(Release::V1_4, &["a"]);
    server.create("a", "t", columns(false));
    server.checkpoint();
    insert(&mut server, "a", "ash");
    server.restart_unmarked("a");
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

/// A server that was started once, with a table of names alone.
fn started() -> Server {
    let mut server = Server::new(Release::V1_4, &["a"]);
    server.create("a", "t", columns(false).split_off(1));
    server.restart("a");
    server
}

fn insert_two(server: &mut Server) {
    for name in ["ash", "birch"] {
        let name = Value::Text(name.to_owned());
        assert!(server.insert("a", "t", &[vec![Some(name)]]));
    }
}

#[test]
fn a_start_whose_segment_was_deleted_is_asked_about() {
    let mut server = started();
    insert_two(&mut server);
    server.restart_behind("a");
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

fn deleted_one(server: &mut Server) {
    let ash = |row: &[Value]| row == [Value::Text("ash".to_owned())];
    assert_eq!(server.delete("a", "t", &ash), 1);
}

#[test]
fn a_start_without_a_segment_is_asked_about_where_a_delete_changed_the_last_rows() {
    let mut server = started();
    insert_two(&mut server);
    deleted_one(&mut server);
    server.restart_behind("a");
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

#[test]
fn a_start_whose_mark_is_lost_is_where_the_cut_is() {
    let mut server = started();
    insert_two(&mut server);
    server.checkpoint();
    server.insert("a", "t", &[vec![Some(Value::Text("elm".to_owned()))]]);
    let elm = |row: &[Value]| row == [Value::Text("elm".to_owned())];
    let set = |row: &mut Vec<Value>| *row = vec![Value::Text("yew".to_owned())];
    assert_eq!(server.update("a", "t", &elm, &set), 1);
    server.restart("a");
    server.insert("a", "t", &[vec![Some(Value::Text("oak".to_owned()))]]);
    let dir = tempfile::tempdir().unwrap();
    histories::write(&server, dir.path());
    let segments = std::fs::read_dir(dir.path().join("wal")).unwrap();
    let newest = segments.map(|entry| entry.unwrap().path()).max().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    let mark = 4 + u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    std::fs::write(&newest, &bytes[mark..]).unwrap();
    let legacy = LegacyDir::read(dir.path(), Some(Family::V1_4)).unwrap();
    let snapshot = legacy.snapshot.as_ref().unwrap().as_ref().unwrap();
    let mut report = Report::new();
    let cut = find_cut(&legacy, snapshot, &mut report).unwrap();
    assert_eq!(
        (cut.reason, cut.tail.len()),
        (CutReason::UnmarkedCheckpoint, 1)
    );
    assert!(report.has(Code::MarkLost));
}

#[test]
fn a_delete_that_a_start_without_a_segment_may_have_replayed_is_asked_about() {
    let mut server = started();
    insert_two(&mut server);
    server.checkpoint();
    deleted_one(&mut server);
    server.restart_behind("a");
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

#[test]
fn an_update_that_a_start_without_a_segment_put_in_place_is_asked_about() {
    let mut server = started();
    insert_two(&mut server);
    server.checkpoint();
    let first = |row: &[Value]| row == [Value::Text("ash".to_owned())];
    let set = |row: &mut Vec<Value>| *row = vec![Value::Text("cedar".to_owned())];
    assert_eq!(server.update("a", "t", &first, &set), 1);
    server.restart_behind("a");
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

#[test]
fn a_key_that_a_start_without_a_segment_replayed_is_asked_about() {
    let mut server = Server::new(Release::V1_3, &["a"]);
    server.create("a", "t", columns(true));
    server.restart("a");
    insert(&mut server, "a", "ash");
    server.restart_behind("a");
    // What the server did since stood in the segment that it deleted.
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

#[test]
fn rows_that_stand_once_more_with_nothing_after_the_mark_are_told() {
    let mut server = started();
    // As many as a running server checkpoints after.
    (0..50).for_each(|_| insert_two(&mut server));
    server.checkpoint();
    server.restart_behind("a");
    let (cut, report) = cut(&server);
    assert!(cut.tail.is_empty());
    let told = report
        .findings()
        .iter()
        .filter(|f| f.code == Code::CutUncertain);
    let details: Vec<&str> = told.filter_map(|f| f.detail.as_deref()).collect();
    assert!(
        details.len() == 1 && details[0].ends_with(": t"),
        "{details:?}"
    );
}

#[test]
fn a_delete_behind_rows_that_no_other_start_replayed_is_to_be_applied() {
    let mut server = started();
    insert_two(&mut server);
    server.restart("a");
    let birch = |row: &[Value]| row == [Value::Text("birch".to_owned())];
    assert_eq!(server.delete("a", "t", &birch), 1);
    let (cut, report) = cut(&server);
    assert!(!report.has(Code::CutUncertain));
    assert_eq!((cut.reason, cut.tail.len()), (CutReason::Marker, 1));
}

#[test]
fn rows_entered_once_more_in_order_are_not_taken_for_held() {
    let mut server = started();
    insert_two(&mut server);
    server.checkpoint();
    insert_two(&mut server);
    let (cut, _) = cut(&server);
    assert_eq!((cut.reason, cut.tail.len()), (CutReason::Marker, 2));
}

#[test]
fn where_the_cut_is_uncertain_each_record_is_asked_about_and_can_be_decided() {
    let mut server = started();
    insert_two(&mut server);
    server.restart_behind("a");
    let dir = tempfile::tempdir().unwrap();
    histories::write(&server, dir.path());
    let legacy = LegacyDir::read(dir.path(), Some(Family::V1_4)).unwrap();
    let plan = |decision: Option<Decision>| {
        let mut request = Request::default();
        let decision = decision.map(|decision| ("t".to_owned(), decision));
        request.decisions.by_table.extend(decision);
        Recovery::plan(&legacy, &request).unwrap()
    };
    let rows = |recovery: &Recovery| {
        let table = recovery.overlay.table(0, "t").unwrap();
        table.state().row_count()
    };
    let asked = plan(None);
    assert_eq!(asked.attribution.counts().ambiguous, 2);
    assert!(asked.report.has_errors());
    let to_apply = plan(Some(Decision::Database("a".to_owned())));
    assert_eq!((to_apply.report.has_errors(), rows(&to_apply)), (false, 4));
    let is_held = plan(Some(Decision::Quarantine));
    assert_eq!((is_held.report.has_errors(), rows(&is_held)), (false, 2));
    // What the evidence says is that they stand there.
    let request = Request {
        on_ambiguous: OnAmbiguous::Best,
        ..Request::default()
    };
    let best = Recovery::plan(&legacy, &request).unwrap();
    assert_eq!((best.report.has_errors(), rows(&best)), (false, 2));
    assert_eq!(best.set_aside.len(), 2);
}

#[test]
fn a_snapshot_older_than_the_log_is_asked_about() {
    let mut server = Server::new(Release::V1_4, &["a"]);
    server.create("a", "t", columns(true));
    insert(&mut server, "a", "alder");
    server.checkpoint();
    let older = server.snapshot.clone();
    for name in ["ash", "birch"] {
        insert(&mut server, "a", name);
    }
    server.checkpoint();
    insert(&mut server, "a", "cedar");
    let (_, report) = cut(&server);
    assert!(!report.has(Code::CutUncertain));
    server.snapshot = older;
    let (_, report) = cut(&server);
    assert!(report.has(Code::CutUncertain));
}

/// Whether the snapshot, without a table, is taken for that of an instance made
/// anew.
fn is_reinitialised(server: &mut Server) -> bool {
    server.dies_in_checkpoint();
    cut(server).1.has(Code::Reinitialised)
}

#[test]
fn a_snapshot_without_tables_behind_a_mark_is_no_new_instance_where_the_tail_drops_them() {
    let mut server = Server::new(Release::V1_4, &["a"]);
    server.create("a", "t", columns(true));
    insert(&mut server, "a", "elm");
    server.checkpoint();
    assert!(server.drop_table("a", "t"));
    assert!(!is_reinitialised(&mut server));
}
