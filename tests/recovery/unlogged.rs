//! Row indexes that count rows of transactions, which nobody logged: whatever
//! is recovered without asking must be what the server held.
//!
//! `RUSTDB_HISTORIES` and `RUSTDB_SEED` as in `attribution_histories`.

use crate::histories;
use std::collections::BTreeSet;

use crate::histories::bytes::Operation;
use crate::histories::server::{Origin, Server};
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
