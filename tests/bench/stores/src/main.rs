//! Stores beside one another, each in a process of its own:
//! `cargo run --release --manifest-path tests/bench/stores/Cargo.toml -- [ROWS]`.
//!
//! Every store keeps rows of a key and a text of 100 bytes, has 16 MiB of cache, and
//! makes each transaction durable before it goes on, by default. A table is printed:
//! one line a work, one column a store; ROWS are 1,000,000 unless said.

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
        [] => compare("1000000"),
        [rows] => compare(rows),
        _ => Err("expected at most one argument, how many rows".into()),
    }
}

/// Measures one store after the other and prints the table.
fn compare(rows: &str) -> Res<()> {
    let mut lines: Vec<String> = Vec::new();
    let mut cells: BTreeMap<(String, &str), String> = BTreeMap::new();
    for peer in PEERS {
        let output = Command::new(std::env::current_exe()?)
            .args(["measure", peer, rows])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            eprintln!("{peer}: not measured");
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let Some((work, cell)) = line.split_once('\t') else {
                continue;
            };
            if !lines.iter().any(|known| known == work) {
                lines.push(work.to_owned());
            }
            cells.insert((work.to_owned(), peer), cell.to_owned());
        }
    }
    println!("{rows} rows\n");
    println!("| | {} |", PEERS.join(" | "));
    println!("|---|{}", "---|".repeat(PEERS.len()));
    for work in lines {
        let of = |peer: &&str| cells.get(&(work.clone(), *peer)).cloned();
        let row: Vec<_> = PEERS
            .iter()
            .map(|peer| of(peer).unwrap_or("-".into()))
            .collect();
        println!("| {work} | {} |", row.join(" | "));
    }
    Ok(())
}
