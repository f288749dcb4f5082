//! Time and memory of attribution as the tail grows: random statements over
//! databases of one schema, solved by the tool as a whole process.
//!
//! `cargo bench --bench attribution -- [DATABASES] [RECORDS...]` (default 50
//! databases and tails of 1000, 3000, 10,000, 30,000 and 100,000 records)

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss)]

#[path = "../histories/mod.rs"]
mod histories;
#[allow(dead_code)] // medians and copies are for paired runs
mod measure;

use std::path::Path;
use std::process::Command;

use histories::workload::Workload;
use measure::{Figures, measure};

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let (databases, tails) = match numbers.split_first() {
        None => (50, &[1_000, 3_000, 10_000, 30_000, 100_000][..]),
        Some((databases, [])) => (*databases, &[1_000, 3_000, 10_000, 30_000, 100_000][..]),
        Some((databases, tails)) => (*databases, tails),
    };
    println!("{databases} databases of one schema");
    println!(
        "{:>8} {:>8} {:>8} {:>9} {:>8} {:>9}",
        "records", "s", "cpu s", "ms/record", "MiB", "exponent"
    );
    let mut before: Option<(usize, f64)> = None;
    for &tail in tails {
        let dir = tempfile::tempdir().unwrap();
        let workload = Workload::long(tail, databases);
        histories::write(&workload.server, dir.path());
        let records = workload.server.truth.len();
        drop(workload);
        let Figures {
            seconds,
            cpu_seconds,
            peak_mib,
        } = solve(dir.path());
        // How much faster than the tail the work grows: 1 is in proportion.
        let exponent = before.map_or(f64::NAN, |(fewer, less)| {
            (cpu_seconds / less).ln() / (records as f64 / fewer as f64).ln()
        });
        println!(
            "{records:>8} {seconds:>8.2} {cpu_seconds:>8.2} {:>9.3} {peak_mib:>8.1} {exponent:>9.2}",
            cpu_seconds * 1e3 / records as f64
        );
        before = Some((records, cpu_seconds));
    }
}

fn solve(dir: &Path) -> Figures {
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    let mut command = Command::new(inspect);
    command.arg("wal").arg(dir);
    measure(command.args(["--attribute", "--format", "jsonl"])).unwrap()
}
