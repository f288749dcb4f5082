//! Row indexes that count rows of transactions, which nobody logged: whatever
//! is recovered without asking must be what the server held.
//!
//! `RUSTDB_HISTORIES` and `RUSTDB_SEED` as in `attribution_histories`.

use crate::histories;
use std::collections::BTreeSet;

use crate::histories::bytes::{Column, DataType, Operation, Value};
use crate::histories::server::{Origin, Release, Server};
use crate::histories::workload::{Kind, Workload};
use rustdb_migrate::legacy::{Family, LegacyDir};
use rustdb_migrate::recovery::{Confidence, OnAmbiguous, Recovery, Request};

/// What became of the rows that the files know: indexes of the snapshot's rows
/// that were ended since, and for each pushed row whether it was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    ended: BTreeSet<u64>,
    pushed: Vec<bool>,
}

/// What the server did to its rows, as far as it logged it, without the rows
/// that some records pushed, given by position in the tail.
fn truth(server: &Server, without: &BTreeSet<usize>) -> Rows {
    let ended: BTreeSet<Origin> = server.ended.values().copied().collect();
    let of_snapshot = ended.iter().filter_map(|origin| match origin {
        Origin::Snapshot(index) => Some(*index),
        _ => None,
    });
    let records = server.tail.iter().zip(&server.truth).enumerate();
    let records = records.filter(|(at, _)| !without.contains(at));
    let records = records.map(|(_, record)| record);
    let pushes = records.filter(|(operation, _)| !matches!(operation, Operation::Delete(..)));
    Rows {
        ended: of_snapshot.collect(),
        pushed: pushes
            .map(|(_, (sequence, _))| ended.contains(&Origin::Logged(*sequence)))
            .collect(),
    }
}

fn recover(server: &Server, on_ambiguous: OnAmbiguous) -> (Recovery, Rows) {
    let dir = tempfile::tempdir().unwrap();
    histories::write(server, dir.path());
    let legacy = LegacyDir::read(dir.path(), Some(Family::V1_4)).unwrap();
    let request = Request {
        on_ambiguous,
        ..Request::default()
    };
    let recovery = Recovery::plan(&legacy, &request).unwrap();
    let table = recovery.overlay.table(0, "users").unwrap().state().clone();
    let rows = Rows {
        ended: table.dead.keys().copied().collect(),
        pushed: table
            .appended
            .iter()
            .map(|row| row.xmax.is_some())
            .collect(),
    };
    (recovery, rows)
}

/// Histories by what became of them.
#[derive(Debug, Default)]
struct Counts {
    histories: usize,
    /// Nothing was left to decide.
    whole: usize,
    /// Records whose row was found by its key, or found to be unlogged.
    realigned: usize,
    set_aside: usize,
    forced: usize,
    forced_right: usize,
}

#[test]
fn what_is_realigned_is_right() {
    let count = std::env::var("RUSTDB_HISTORIES").ok();
    let count: u64 = count.map_or(60, |count| count.parse().unwrap());
    let first: u64 = std::env::var("RUSTDB_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut counts = Counts::default();
    for kind in [Kind::Sessions, Kind::Purge, Kind::Mirror] {
        for seed in first..first + count {
            let workload = Workload::unlogged(kind, seed);
            let server = &workload.server;
            if !server.unlogged || server.tail.is_empty() {
                continue;
            }
            counts.histories += 1;
            let truth_of_all = truth(server, &BTreeSet::new());
            let (recovery, rows) = recover(server, OnAmbiguous::Refuse);
            for attributed in &recovery.attribution.tail {
                let words = &attributed.evidence;
                if words.contains(&"realigned") || words.contains(&"unlogged-row") {
                    assert_ne!(attributed.confidence, Confidence::Certain);
                    counts.realigned += 1;
                }
            }
            counts.set_aside += recovery.set_aside.len();
            let first = recovery.attribution.tail[0].record;
            let aside = recovery.set_aside.iter().map(|aside| aside.record - first);
            let truth = truth(server, &aside.collect());
            // What is set aside ends nothing; whatever else was ended, was.
            assert!(rows.ended.is_subset(&truth.ended), "{kind:?} {seed}");
            assert_eq!(rows.pushed.len(), truth.pushed.len(), "{kind:?} {seed}");
            let mut pairs = rows.pushed.iter().zip(&truth.pushed);
            assert!(
                pairs.all(|(ended, truth)| ended <= truth),
                "{kind:?} {seed}"
            );
            if recovery.set_aside.is_empty() {
                assert_eq!(rows, truth, "{kind:?} {seed}");
                counts.whole += 1;
            }
            let (_, forced) = recover(server, OnAmbiguous::Best);
            assert_eq!(forced.pushed.len(), truth_of_all.pushed.len());
            let pairs = forced.pushed.iter().zip(&truth_of_all.pushed);
            counts.forced += truth_of_all.pushed.len();
            counts.forced_right += pairs.filter(|(a, b)| a == b).count();
        }
    }
    eprintln!("{counts:?}");
    assert!(counts.whole > 10 && counts.realigned > 10, "{counts:?}");
}

fn numbered(server: &mut Server, n: i64) {
    assert!(server.insert("postgres", "users", &[vec![Some(Value::Integer(n))]]));
}

/// Of a server of one table of five rows that goes on to do this, and then deletes
/// row 6, the DELETE is asked about.
fn asks_which_row(then: impl Fn(&mut Server)) {
    for (release, family) in [(Release::V1_3, Family::V1_3), (Release::V1_4, Family::V1_4)] {
        let mut server = Server::new(release, &["postgres"]);
        let id = Column {
            name: "id".to_owned(),
            data_type: DataType::Integer,
            primary_key: true,
            unique: false,
            foreign_key: None,
        };
        server.create("postgres", "users", vec![id]);
        (1..=5).for_each(|n| numbered(&mut server, n));
        then(&mut server);
        server.delete("postgres", "users", &|row| row[0] == Value::Integer(6));
        let dir = tempfile::tempdir().unwrap();
        histories::write(&server, dir.path());
        let legacy = LegacyDir::read(dir.path(), Some(family)).unwrap();
        let recovery = Recovery::plan(&legacy, &Request::default()).unwrap();
        let last = server.truth.last().unwrap().0;
        let aside = recovery.set_aside.last().map(|aside| aside.record);
        let sequence = aside.map(|at| legacy.wal.records[at].sequence);
        assert_eq!(sequence, Some(last), "{family:?}");
    }
}

/// Transaction ids that rise by one with each row are no numbers of statements before
/// 2.0: two transactions did that.
#[test]
fn ids_that_rise_by_one_leave_room_for_rows_of_transactions() {
    asks_which_row(|server| {
        server.checkpoint();
        server.begin();
        numbered(server, 100);
        server.commit();
        numbered(server, 6);
        server.begin();
        server.commit();
        numbered(server, 7);
    });
}

/// Nothing logs the end of a transaction: one that began before the checkpoint goes on
/// behind it.
#[test]
fn a_transaction_from_before_the_checkpoint_can_push_rows_behind_it() {
    asks_which_row(|server| {
        server.begin();
        server.checkpoint();
        numbered(server, 100);
        server.commit();
        numbered(server, 6);
        numbered(server, 7);
    });
}
