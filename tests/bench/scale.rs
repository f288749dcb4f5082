//! Whole-process time and peak memory of the tools over generated snapshots,
//! against plain file work and other programs that take turns with them.
//!
//! `cargo bench --bench scale -- [ROWS] [RUNS]` (default 10,000,000 rows, 5
//! runs) prints markdown: every figure, how each grows from 10^4 over 10^5, ...
//! to ROWS, how many processors were busy, and the goals. Other shapes than narrow rows
//! are measured with at most 1,000,000 rows (each of four tables, where there are four),
//! and the peers with ROWS. Of runs that take turns the
//! median of the ratios is shown, not the ratio of medians.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::expect_used)]

mod generate;
mod goals;
mod measure;
#[path = "../support/model.rs"]
#[allow(dead_code)]
mod model;
mod peers;
mod snapshot;
mod work;

use generate::Shape;
use goals::All;
use snapshot::{Bench, read_and_write_whole};

/// As this program it reads a whole snapshot and writes it again.
const OLD_SERVER: &str = "--as-old-server";
/// Most rows of shapes that are measured at one size; of four tables, each.
const MOST_OTHER_ROWS: u64 = 1_000_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, from, to, ..] = &args[..]
        && mode == OLD_SERVER
    {
        return read_and_write_whole(from, to);
    }
    let numbers: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let rows = numbers.first().copied().unwrap_or(10_000_000);
    let runs = numbers.get(1).copied().unwrap_or(5);
    println!("| shape | rows | work | s | processors | rows/s | MB/s | peak MiB | x cp and sync |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut done = Vec::new();
    let powers = (4..).map(|power| 10u64.pow(power));
    for size in powers.take_while(|size| *size < rows).chain([rows]) {
        done.extend(Bench::new(Shape::Narrow, size, runs).all(size == rows));
        done.extend(Bench::new(Shape::Dead, size, runs).compaction(size == rows));
    }
    for shape in Shape::OTHERS {
        let most = match shape {
            Shape::FourTables => 4 * MOST_OTHER_ROWS,
            _ => MOST_OTHER_ROWS,
        };
        done.extend(Bench::new(shape, rows.min(most), runs).all(false));
    }
    All { done: &done, rows }.print();
}
