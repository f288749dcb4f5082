//! Whole-process time and peak memory of the tools over a generated snapshot,
//! as ratios against plain file work in the same run.
//!
//! `cargo bench --bench scale -- [ROWS] [RUNS]` (default 8,000,000 rows, 5 runs)

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

mod generate;
mod measure;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use measure::{Figures, measure, median_ratio};

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let rows = numbers.first().copied().unwrap_or(8_000_000);
    let runs = numbers.get(1).copied().unwrap_or(5);
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("data");
    let len = generate::snapshot(&source, rows);
    println!(
        "{rows} rows, {:.0} MB, {runs} paired runs, medians",
        len as f64 / 1e6
    );
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>10}",
        "", "s", "GB/s", "MiB", "reference"
    );
    let snapshot = source.join("server_instance.db");
    let read = |_: &Path| read_through(&snapshot);
    let copy = |scratch: &Path| copy_and_sync(&snapshot, &scratch.join("copy"));
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
    let source = source.to_str().unwrap();
    row(
        "info (walk), to read",
        len,
        runs,
        &[inspect, "info", source],
        &read,
    );
    row(
        "verify --level structure",
        len,
        runs,
        &[inspect, "verify", source, "--level", "structure"],
        &read,
    );
    row(
        "dump --format jsonl",
        len,
        runs,
        &[inspect, "dump", source, "--format", "jsonl"],
        &read,
    );
    for layout in ["paged", "append", "per-table", "snapshot"] {
        let name = format!("upgrade {layout}, to cp+sync");
        row(
            &name,
            len,
            runs,
            &[migrate, "upgrade", source, "TARGET", "--to", layout],
            &copy,
        );
    }
}

/// Measures a command against a reference, pair by pair, and prints one line.
fn row(name: &str, len: u64, runs: u64, command: &[&str], reference: &dyn Fn(&Path)) {
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let scratch = tempfile::tempdir().unwrap();
        let start = std::time::Instant::now();
        reference(scratch.path());
        let reference_time = start.elapsed().as_secs_f64();
        let target = scratch.path().join("target");
        let [program, args @ ..] = command else {
            return;
        };
        let args = args.iter().map(|arg| {
            if *arg == "TARGET" {
                target.to_str().unwrap()
            } else {
                arg
            }
        });
        let figures = measure(Command::new(program).args(args));
        pairs.push((figures, reference_time));
    }
    let Figures {
        seconds, peak_mib, ..
    } = measure::medians(&pairs);
    println!(
        "{name:<28} {seconds:>8.2} {:>8.2} {peak_mib:>8.1} {:>9.2}x",
        len as f64 / 1e9 / seconds,
        median_ratio(&pairs)
    );
}

fn read_through(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    while file.read(&mut buffer).unwrap() > 0 {}
}

fn copy_and_sync(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
    File::open(to).unwrap().sync_all().unwrap();
}
