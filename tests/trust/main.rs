//! What no crash, no flipped bit and no hostile byte may do: lose data in
//! silence. Each module tries one kind of harm and gives lines of one table;
//! `RUSTDB_TRUST=full cargo test --release --test trust -- --nocapture` tries
//! all of it and prints the table, `cargo test` tries a part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod commands;
mod effort;
mod fuzz_replay;
mod healthy;
#[path = "../histories/mod.rs"]
mod histories;
mod hostile;
mod kills;
mod legacy;
mod ours;
mod processes;
#[path = "../support/sim_disk.rs"]
mod sim_disk;
#[path = "../support/mod.rs"]
mod support;
mod table;
#[path = "../fuzz/targets.rs"]
mod targets;

use histories::random;

use std::path::PathBuf;

use table::Line;

/// Where scratch directories go: in memory where there is such a place.
fn scratch_parent() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() {
        shm
    } else {
        std::env::temp_dir()
    }
}

#[test]
fn nothing_is_missed_lost_or_panics() {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |what: fn() -> Vec<Line>| {
        let start = std::time::Instant::now();
        let more = what();
        for line in &more {
            // At once: a full run takes hours, and may be ended before its end.
            println!("{:>6.1?} s  {}", start.elapsed().as_secs_f32(), line.row());
        }
        lines.extend(more);
    };
    add(legacy::lines);
    add(ours::lines);
    add(kills::lines);
    add(healthy::lines);
    add(fuzz_replay::lines);
    add(processes::lines);
    add(hostile::lines);
    println!("{}", table::markdown(&lines));
    for line in &lines {
        assert_eq!(line.missed + line.lost + line.panicked, 0, "{line:?}");
        let ends = line.detected + line.harmless + line.undetectable;
        assert_eq!(ends, line.tried, "every trial has an end: {line:?}");
    }
}
