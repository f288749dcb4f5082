//! Random histories of several databases by the server's documented rules, as
//! real files, with the database of every record.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

pub mod bytes;
pub mod clients;
pub mod measure;
#[path = "../support/random.rs"]
pub mod random;
pub mod search;
pub mod seeds;
pub mod server;
pub mod spec;
mod start;
pub mod table;
pub mod workload;

use std::path::Path;

use rustdb_migrate::legacy::LegacyDir;
use rustdb_migrate::model::Operation;
use rustdb_migrate::recovery::attribution::{Attributed, attribute};
use rustdb_migrate::recovery::{Decisions, RunMap};
use rustdb_migrate::report::Report;

use server::Server;

/// One record of a tail: what it was, whose it was, what is claimed.
pub struct Claim {
    pub sequence: u64,
    pub truth: String,
    pub attributed: Attributed,
}

/// Writes the files of a server and attributes their tail.
pub fn solve(server: &Server) -> Vec<Claim> {
    solve_counting(server).0
}

/// Writes the files of a server into a directory.
pub fn write(server: &Server, dir: &Path) {
    let (snapshot, segments) = server.files();
    std::fs::write(dir.join("server_instance.db"), snapshot).unwrap();
    std::fs::create_dir(dir.join("wal")).unwrap();
    for (name, bytes) in segments {
        std::fs::write(dir.join("wal").join(name), bytes).unwrap();
    }
}

/// The same as [`solve`], and how many states were looked at.
pub fn solve_counting(server: &Server) -> (Vec<Claim>, usize) {
    let dir = tempfile::tempdir().unwrap();
    write(server, dir.path());
    let family = match server.release {
        server::Release::V1_3 => rustdb_migrate::legacy::Family::V1_3,
        _ => rustdb_migrate::legacy::Family::V1_4,
    };
    let legacy = LegacyDir::read(dir.path(), Some(family)).unwrap();
    let snapshot = legacy.snapshot.as_ref().unwrap().as_ref().unwrap();
    let records = &legacy.wal.records;
    let is_mark = |operation: &Operation| matches!(operation, Operation::Checkpoint { .. });
    let mark = records
        .iter()
        .rposition(|record| is_mark(&record.operation))
        .unwrap();
    let tail: Vec<usize> = (mark + 1..records.len()).collect();
    let runs = RunMap::new(&legacy.wal);
    let mut report = Report::new();
    let decisions = Decisions::default();
    let solved = attribute(snapshot, &legacy.wal, &tail, &runs, &decisions, &mut report).unwrap();
    assert_eq!(solved.tail.len(), server.truth.len());
    let claims = solved.tail.into_iter().zip(&server.truth);
    let claims = claims.map(|(attributed, (sequence, truth))| {
        assert_eq!(records[attributed.record].sequence, *sequence);
        Claim {
            sequence: *sequence,
            truth: truth.clone(),
            attributed,
        }
    });
    (claims.collect(), solved.states)
}
