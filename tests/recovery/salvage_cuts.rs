//! A snapshot that was cut while it was rewritten, at every place: what salvage
//! keeps against what the server held in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustdb_migrate::commands::{Backend, Directory, OpenOptions};
use rustdb_migrate::recovery::{OnAmbiguous, Request};

use crate::support::content::{customer, customers, event, events, fresh};
use crate::support::convert::instance_of;
use crate::support::model::{Family, Instance, Row, Value};
use crate::support::server::Server;
use crate::support::tool::Bench;

/// Bytes from one cut to the next, so that the whole test takes seconds; each
/// family and directory begins at another byte.
const STEP: usize = 17;

/// Visible rows by database and table, sorted by their bytes.
type Rows = BTreeMap<(String, String), Vec<Vec<u8>>>;

fn bytes(values: &Vec<Value>) -> Vec<u8> {
    bincode::serialize(values).unwrap()
}

fn visible(instance: &Instance) -> Rows {
    rows_of(instance, |row| row.xmax.is_none())
}

fn rows_of(instance: &Instance, wanted: impl Fn(&Row) -> bool) -> Rows {
    let mut rows = Rows::new();
    for (database, one) in &instance.databases {
        for (table, one) in &one.tables {
            let live = one.rows.iter().filter(|row| wanted(row));
            let mut live: Vec<_> = live.map(|row| bytes(&row.values)).collect();
            live.sort();
            rows.insert((database.clone(), table.clone()), live);
        }
    }
    rows
}

/// Where each visible row ends in the snapshot, which holds them in this order.
fn row_ends(snapshot: &[u8], instance: &Instance) -> Vec<(usize, (String, String), Vec<u8>)> {
    let mut ends = Vec::new();
    let mut from = 0;
    let mut pass = |row: &Row| {
        let encoded = bincode::serialize(row).unwrap();
        let mut windows = snapshot[from..].windows(encoded.len());
        from += windows.position(|window| window == encoded).unwrap() + encoded.len();
        from
    };
    for (database, one) in &instance.databases {
        for (table, one) in &one.tables {
            for row in &one.rows {
                let end = pass(row);
                if row.xmax.is_none() {
                    let at = (database.clone(), table.clone());
                    ends.push((end, at, bytes(&row.values)));
                }
            }
        }
    }
    ends
}

/// Rows of `some` that `all` does not have, each as often as it stands.
fn beyond(some: &[Vec<u8>], all: &[Vec<u8>]) -> usize {
    let mut counts: BTreeMap<&[u8], i64> = BTreeMap::new();
    some.iter()
        .for_each(|row| *counts.entry(row).or_default() += 1);
    all.iter()
        .for_each(|row| *counts.entry(row).or_default() -= 1);
    let more = counts.values().filter(|count| **count > 0);
    usize::try_from(more.sum::<i64>()).unwrap()
}

/// What salvage keeps, and how many records it keeps aside.
fn salvaged(data: &Path) -> (Rows, usize) {
    let options = OpenOptions {
        recovery: Request {
            salvage: true,
            on_ambiguous: OnAmbiguous::Quarantine,
            ..Request::default()
        },
        ..OpenOptions::default()
    };
    let directory = Directory::open(data, &options).unwrap();
    let kept = visible(&instance_of(directory.catalog(), &directory).unwrap());
    match directory.backend() {
        Backend::Legacy { recovery, .. } => (kept, recovery.set_aside.len()),
        Backend::Ours(_) => panic!("not a legacy directory"),
    }
}

/// Cuts the snapshot of a server that died in a checkpoint. No row may stand
/// twice or where it never was, every row before the cut must be there, and with
/// a log that goes back to the beginning every other row too, or its record.
fn check(server: &Server, (first, family): (usize, Family), log_is_complete: bool) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    fs::create_dir(data.join("wal")).unwrap();
    for (path, bytes) in server.killed() {
        fs::write(data.join(path), bytes).unwrap();
    }
    let snapshot = fs::read(data.join("server_instance.db")).unwrap();
    let truth = visible(&server.instance);
    // From 1.5 on changes are not logged: what the log gives back is as it was
    // before them.
    let may_be_there = match family <= Family::V1_4 {
        true => truth.clone(),
        false => rows_of(&server.instance, |_| true),
    };
    let ends = row_ends(&snapshot, &server.instance);
    for cut in (first..snapshot.len()).step_by(STEP) {
        fs::write(data.join("server_instance.db"), &snapshot[..cut]).unwrap();
        let (kept, aside) = salvaged(data);
        for (at, rows) in &kept {
            let right = may_be_there.get(at).map_or(&[][..], Vec::as_slice);
            assert_eq!(beyond(rows, right), 0, "rows of {at:?}, cut at {cut}");
        }
        let mut whole = Rows::new();
        for (_, at, row) in ends.iter().filter(|(end, _, _)| *end <= cut) {
            whole.entry(at.clone()).or_default().push(row.clone());
        }
        let of = |at| kept.get(at).map_or(&[][..], Vec::as_slice);
        for (at, rows) in &whole {
            assert_eq!(
                beyond(rows, of(at)),
                0,
                "whole rows of {at:?}, cut at {cut}"
            );
        }
        if log_is_complete {
            let missing: usize = truth.iter().map(|(at, rows)| beyond(rows, of(at))).sum();
            assert!(
                missing <= aside,
                "{missing} rows are missing, {aside} records kept aside, cut at {cut}"
            );
        }
    }
}

/// Writes to a table until the server dies in a checkpoint, the second one.
fn fill(server: &mut Server, database: &str) {
    let mut id = 0;
    for round in 0..2 {
        server.dies_in_checkpoint = round == 1;
        let tail = |server: &Server| server.tail.len() + server.no_effect.len();
        loop {
            id += 1;
            server.insert(database, "events", vec![event(id)]);
            if tail(server) == 0 {
                break;
            }
            if id % 7 == 0 && tail(server) < 98 {
                let index = u64::try_from(id / 2).unwrap();
                server.update(database, "events", vec![(index, event(1000 + id))]);
                server.delete(database, "events", &[index + 1]);
            }
        }
    }
}

#[test]
fn one_table_comes_back_whole_from_a_log_that_goes_back_to_its_beginning() {
    for (first, family) in Family::ALL.into_iter().enumerate() {
        let mut server = fresh(family);
        server.create_table("postgres", events());
        fill(&mut server, "postgres");
        check(&server, (first, family), family <= Family::V1_4);
    }
}

#[test]
fn tables_around_the_cut_one_are_as_the_server_had_them() {
    for (first, family) in Family::ALL.into_iter().enumerate() {
        let mut server = fresh(family);
        server.create_table("postgres", customers());
        server.create_database("shop");
        server.create_table("shop", events());
        server.create_table("shop", customers());
        for id in 1..40 {
            server.insert("postgres", "customers", vec![customer(id, "Ann")]);
            server.insert("shop", "customers", vec![customer(id, "Bob")]);
        }
        server.checkpoint();
        server.insert("postgres", "customers", vec![customer(100, "Eve")]);
        fill(&mut server, "shop");
        // Whose records are when a database is lost is another question.
        let rows = row_ends(&server.killed()["server_instance.db"], &server.instance);
        let of_shop = rows.iter().find(|(_, at, _)| at.0 == "shop").unwrap();
        check(&server, (of_shop.0 + first, family), false);
    }
}

#[test]
fn records_taken_as_held_are_named_where_a_database_is_lost() {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.create_database("shop");
    server.create_table("shop", customers());
    server.checkpoint();
    let names = ["postgres", "shop"];
    server.dies_in_checkpoint = true;
    for id in 1..=50 {
        for name in names {
            server.insert(name, "customers", vec![customer(id, "Ann")]);
        }
    }
    let mut files = server.killed();
    let ends = row_ends(&files["server_instance.db"], &server.instance);
    let cut = ends[49].0 + 8;
    files.get_mut("server_instance.db").unwrap().truncate(cut);
    let bench = Bench::new(&files);
    let said = bench.upgrade("append", &["--salvage"]);
    let mut lines = said.err.lines();
    let told = lines.any(|line| line.contains("taken as held") && line.contains("customers"));
    // Whose the rows are that it does not hold is another question.
    assert!(told && said.code == Some(3), "{:?} {}", said.code, said.err);
}
