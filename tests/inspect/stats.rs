//! What `stats` says of the cost of a log.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::support::builder::{self, many_segments};
use crate::support::content::{
    START, column, customer, event, events, fresh, fresh_instance, loaded, table, text,
};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family, Instance, encode_instance};
use crate::support::run::inspect;
use crate::support::server::{Files, Server};
use crate::support::tool::migrate;
use crate::support::truth::Class;

/// Bytes of a Checkpoint record: length, sequence, timestamp, tag, timestamp.
const CHECKPOINT_LEN: u64 = 4 + 8 + 8 + 4 + 8;

fn writes(dir: &Path, code: i32) -> Json {
    let dir = dir.to_str().unwrap();
    inspect(["stats", dir, "--format=json"]).exits(code).json()["writes"].take()
}

/// The run of a writer with a checkpoint after so many records.
fn run<'j>(writes: &'j Json, writer: &str, every: u64) -> &'j Json {
    let runs = writes["runs"].as_array().unwrap();
    let mut runs = runs.iter();
    let found = runs.find(|run| run["writer"] == writer && run["checkpoint_every"] == every);
    found.unwrap()
}

/// Bytes of the records of these sequences, with their frames.
fn logged(files: &Files, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut bytes = 0;
    for (_, segment) in files.iter().filter(|(path, _)| path.starts_with("wal/")) {
        for at in builder::record_offsets(segment) {
            let number = |from: usize, len: usize| segment[from..from + len].iter().rev();
            let number = |from, len| number(from, len).fold(0, |n, b| n << 8 | u64::from(*b));
            if wanted(number(at + 4, 8)) {
                bytes += 4 + number(at, 4);
            }
        }
    }
    bytes
}

fn len(instance: &Instance) -> u64 {
    encode_instance(Family::V1_4, instance).len() as u64
}

#[test]
fn the_old_server_writes_its_whole_snapshot_at_the_end_of_a_short_tail() {
    let server = many_segments();
    let files = server.killed();
    let scratch = on_disk(&files);
    let writes = writes(scratch.path(), 0);
    let bytes = logged(&files, |sequence| server.tail.contains_key(&sequence));
    assert_eq!(writes["replayed"], json!({"records": 16, "bytes": bytes}));
    for every in [100, 10_000] {
        let old = run(&writes, "old server", every);
        assert_eq!(old["checkpoints"], 1);
        assert_eq!(old["log_bytes"], bytes + CHECKPOINT_LEN);
        assert_eq!(old["file_bytes"], len(&server.instance));
    }
    let none = json!({"records": 0, "bytes": 0});
    for kind in ["unattributed", "no_effect", "refused"] {
        assert_eq!(writes["left_out"][kind], none);
    }
}

/// A server killed in a statement of 250 rows, before the checkpoint after it:
/// its files, and what it held.
fn long_tail() -> (Files, Server) {
    let mut server = Server::start(Family::V1_4, START, fresh_instance());
    server.create_table("postgres", events());
    server.insert("postgres", "events", vec![event(1)]);
    server.checkpoint();
    let before = server.killed();
    server.insert("postgres", "events", (2..252).map(event).collect());
    let mut files = server.killed();
    files.insert(
        "server_instance.db".into(),
        before["server_instance.db"].clone(),
    );
    let segment = builder::newest(&mut files);
    let mark = *builder::record_offsets(segment).last().unwrap();
    segment.truncate(mark);
    (files, server)
}

#[test]
fn each_checkpoint_of_the_old_server_costs_the_snapshot_of_that_moment() {
    let (files, mut server) = long_tail();
    let scratch = on_disk(&files);
    let writes = writes(scratch.path(), 0);
    assert_eq!(writes["replayed"]["records"], 250);
    let whole = server.instance.clone();
    let bytes = writes["replayed"]["bytes"].as_u64().unwrap();
    let mut files_bytes = 0;
    for rows in [101, 201, 251] {
        server.table("postgres", "events").rows.truncate(rows);
        files_bytes += len(&server.instance);
        server.instance.clone_from(&whole);
    }
    let often = run(&writes, "old server", 100);
    assert_eq!(often["checkpoints"], 3);
    assert_eq!(often["file_bytes"], files_bytes);
    assert_eq!(often["log_bytes"], bytes + 3 * CHECKPOINT_LEN);
    let per_byte = (files_bytes + bytes + 3 * CHECKPOINT_LEN) as f64 / bytes as f64;
    assert!((often["per_logged_byte"].as_f64().unwrap() - per_byte).abs() < 0.01);
    let seldom = run(&writes, "old server", 10_000);
    assert_eq!(seldom["file_bytes"], len(&whole));
    for layout in ["per-table", "append", "paged"] {
        let bytes = |every| run(&writes, layout, every)["file_bytes"].as_u64().unwrap();
        assert!(bytes(100) > bytes(10_000), "{layout}");
        let log = run(&writes, layout, 10_000)["log_bytes"].as_u64().unwrap();
        assert!(log > 250 * 20, "{layout}: every row is in the log");
    }
}

#[test]
fn a_checkpoint_of_per_table_costs_the_table_and_its_descriptor() {
    let (files, _) = long_tail();
    let scratch = on_disk(&files);
    let writes = writes(scratch.path(), 0);
    let files = run(&writes, "per-table", 10_000)["file_bytes"]
        .as_u64()
        .unwrap();
    // What it must have written is what an upgrade makes of the same rows.
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("new");
    let args = [scratch.path().as_os_str(), target.as_os_str()];
    let upgrade = ["upgrade", "--to", "per-table"].map(std::ffi::OsStr::new);
    let said = migrate(&[&upgrade[..], &args[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let len = |path: &str| fs::metadata(target.join(path)).unwrap().len();
    let rewritten = len("db_postgres/events.db") + len("db_postgres/events.table");
    let rest = files.checked_sub(rewritten).expect("all of both files");
    assert!(
        (1..=len("control")).contains(&rest),
        "{rest}: a slot of the control file"
    );
}

#[test]
fn what_is_left_out_is_counted() {
    for fixture in builder::all() {
        let names = ["twins", "family_2_3", "ddl_tail"];
        if !names.contains(&fixture.name) {
            continue;
        }
        let scratch = on_disk(&fixture.files);
        // A decision is needed there.
        let code = match fixture.truth.class {
            Class::Undecidable => 3,
            _ => 0,
        };
        let dir = scratch.path().to_str().unwrap();
        let stats = inspect(["stats", dir, "--format=json"]);
        assert_eq!(stats.code, code, "{}", fixture.name);
        let writes = stats.json()["writes"].take();
        let tail = fixture.truth.tail.len();
        if fixture.truth.class == Class::Undecidable {
            assert!(writes.is_null(), "nothing of the tail can be applied");
            continue;
        }
        assert_eq!(writes["replayed"]["records"], tail);
        let no_effect = &writes["left_out"]["no_effect"];
        assert_eq!(no_effect["records"], fixture.truth.no_effect.len());
        let failed = logged(&fixture.files, |s| fixture.truth.no_effect.contains_key(&s));
        assert_eq!(no_effect["bytes"], failed);
        inspect(["stats", dir]).exits(0);
    }
}

#[test]
fn a_version_that_stands_twice_for_the_old_server_is_refused_by_a_layout() {
    let mut server = many_segments();
    // An UPDATE of a row and of its dead version pushes two visible ones.
    server.update(
        "shop",
        "customers",
        vec![(0, customer(1, "Once")), (0, customer(1, "Twice"))],
    );
    let scratch = on_disk(&server.killed());
    let writes = writes(scratch.path(), 0);
    assert_eq!(writes["left_out"]["refused"]["records"], 1);
    assert_eq!(writes["replayed"]["records"], 18);
}

#[test]
fn a_directory_of_ours_and_a_snapshot_alone_have_no_log_to_write() {
    let server = many_segments();
    let scratch = on_disk(&server.killed());
    let dir = scratch.path().to_str().unwrap();
    let alone = inspect(["stats", dir, "--no-wal", "--format=json"]).exits(0);
    assert!(alone.json()["writes"].is_null());
    let text = inspect(["stats", dir]).exits(0).stdout;
    assert!(text.contains("Bytes written for 16 records"), "{text}");
}

#[test]
fn a_table_that_lost_its_last_pages_is_damaged() {
    let mut server = fresh(Family::V1_4);
    let columns = vec![column("t", DataType::Text)];
    server.create_table("postgres", table("notes", columns));
    let rows = (0..2000).map(|n| vec![text(&format!("note {n} {}", "x".repeat(40)))]);
    server.insert("postgres", "notes", rows.collect());
    let source = on_disk(&loaded(Family::V1_4, server).killed());
    let scratch = tempfile::tempdir().unwrap();
    let target = scratch.path().join("new");
    let (source, target) = (source.path().to_str().unwrap(), target.to_str().unwrap());
    let said = migrate(&["upgrade", "-q", "--pages-per-file", "2", source, target]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    inspect(["stats", target]).exits(0);
    let dir = Path::new(target).join("db_postgres/notes");
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.to_str().unwrap().ends_with(".dat"));
    fs::remove_file(pages.max().unwrap()).unwrap();
    let said = inspect(["stats", target]).exits(1).stderr;
    assert!(said.contains("count-mismatch: postgres.notes"), "{said}");
}
