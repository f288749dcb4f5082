//! Stores beside one another, each in a process of its own:
//! `cargo run --release --manifest-path tests/bench/stores/Cargo.toml -- [ROWS] [RUNS]`.
//!
//! Every store keeps rows of a key and a text of 100 bytes, has 16 MiB of cache, and
//! makes each transaction durable before it goes on, by default. A table is printed:
//! one line a work, one column a store, medians of RUNS that take turns;
//! 1,000,000 rows and 3 runs unless said.

mod fjall_store;
mod ours;
mod peer;
mod postgres_store;
mod redb_store;
mod sqlite_store;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use peer::{Peer, Res};
use rustdb_migrate::engine::Layout;

const PEERS: [&str; 7] = [
    "paged",
    "append",
    "per-table",
    "redb",
    "fjall",
    "SQLite",
    "PostgreSQL",
];

fn open(peer: &str, dir: &Path) -> Res<Box<dyn Peer>> {
    Ok(match peer {
        "paged" => Box::new(ours::Ours::open(dir, Layout::Paged)?),
        "append" => Box::new(ours::Ours::open(dir, Layout::Append)?),
        "per-table" => Box::new(ours::Ours::open(dir, Layout::PerTable)?),
        "redb" => Box::new(redb_store::Redb::open(dir)?),
        "fjall" => Box::new(fjall_store::Fjall::open(dir)?),
        "SQLite" => Box::new(sqlite_store::Sqlite::open(dir)?),
        "PostgreSQL" => Box::new(postgres_store::Postgres::open(dir)?),
        other => return Err(format!("no store {other}").into()),
    })
}

fn main() -> Res<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", peer, rows] => work::measure(peer, rows.parse()?),
        ["crash", peer, dir] => work::write_and_die(peer, Path::new(dir)),
        [] => compare("1000000", 3),
        [rows] => compare(rows, 3),
        [rows, runs] => compare(rows, runs.parse()?),
        _ => Err("expected at most how many rows and runs".into()),
    }
}

/// Lets the stores take turns, and prints the table of medians.
fn compare(rows: &str, runs: usize) -> Res<()> {
    let mut works: Vec<String> = Vec::new();
    let mut found: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for peer in std::iter::repeat_n(PEERS, runs).flatten() {
        let output = Command::new(std::env::current_exe()?)
            .args(["measure", peer, rows])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            eprintln!("{peer}: not measured");
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let Some((work, number)) = line.split_once('\t') else {
                continue;
            };
            if !works.iter().any(|known| known == work) {
                works.push(work.to_owned());
            }
            let numbers = found.entry((work.to_owned(), peer)).or_default();
            numbers.push(number.to_owned());
        }
    }
    println!("{rows} rows, medians of {runs} runs\n");
    println!("| | {} |", PEERS.join(" | "));
    println!("|---|{}", "---|".repeat(PEERS.len()));
    for work in works {
        let cells = PEERS.map(|peer| median(found.remove(&(work.clone(), peer))));
        println!("| {work} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn median(numbers: Option<Vec<String>>) -> String {
    let mut numbers = numbers.unwrap_or_default();
    let value = |text: &String| text.parse().unwrap_or(f64::INFINITY);
    numbers.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let middle = numbers.get(numbers.len() / 2);
    middle.cloned().unwrap_or("-".into())
}
