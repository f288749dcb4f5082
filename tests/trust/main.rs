//! What no crash, no flipped bit and no hostile byte may do: lose data in
//! silence. Each module tries one kind of harm and gives lines of one table;
//! `cargo test --release --test trust -- --nocapture` prints it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod kills;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/sim_disk.rs"]
mod sim_disk;
mod table;

use table::Line;

/// Whether everything is tried, and not only what a short run has time for.
fn is_full() -> bool {
    std::env::var_os("RUSTDB_TRUST").is_some_and(|value| value == "full")
}

#[test]
fn nothing_is_missed_lost_or_panics() {
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(kills::lines());
    println!("{}", table::markdown(&lines));
    for line in &lines {
        assert_eq!(line.missed + line.lost + line.panicked, 0, "{line:?}");
        let ends = line.detected + line.harmless + line.undetectable;
        assert_eq!(ends, line.tried, "every trial has an end: {line:?}");
    }
}
