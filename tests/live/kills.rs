//! A process whose threads share a store behind one lock is killed while they
//! write: whatever it had said is committed is there, and nothing by half.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions, TableId};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{Value, ValueRef};

use crate::random::Random;
use crate::shared;
use crate::workload::schema;

/// Where the process that is killed writes.
const DIR: &str = "RUSTDB_KILL_DIR";
const THREADS: i64 = 4;
/// Rows of one transaction, each in a table of its own.
const TABLES: [&str; 3] = ["a", "b", "c"];
const KILLS: u64 = 5;

fn options() -> StoreOptions {
    let mut options = StoreOptions::default();
    options.checkpoint_every = 40;
    options
}

fn tables(store: &LiveStore) -> Result<Vec<TableId>> {
    let tables = TABLES.iter().map(|name| store.table("d", name));
    tables.map(|table| Ok(table?.id())).collect()
}

/// One transaction: a row with the key `key` in each table; every eighth also
/// changes the schema, some are dropped.
fn write(store: &Mutex<LiveStore>, key: i64) -> Result<bool> {
    let mut store = store.lock().unwrap();
    let tables = tables(&store)?;
    let mut tx = store.begin()?;
    for table in tables {
        let text = "x".repeat(usize::try_from(key % 700).unwrap());
        tx.insert(table, &[ValueRef::Integer(key), ValueRef::Text(&text)])?;
    }
    if key % 8 == 0 {
        let name = format!("t{key}");
        tx.create_table("d", schema(&name, true))?;
        tx.drop_table("d", &name)?;
    }
    if key % 5 == 0 {
        return Ok(false);
    }
    match key % 3 {
        0 => tx.commit(Durability::Group)?,
        _ => tx.commit(Durability::Sync)?,
    }
    if key % 97 == 0 {
        store.compact()?;
    }
    Ok(key % 3 != 0)
}

#[test]
#[ignore = "is run and killed by another test"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = LiveStore::open(Path::new(&dir), options()).unwrap();
    let keys = store
        .table("d", "a")
        .unwrap()
        .range(..)
        .unwrap()
        .next_back();
    let last = keys.map_or(0, |row| match row.unwrap().1.values[0] {
        Value::Integer(key) => key,
        _ => 0,
    });
    let store = Mutex::new(store);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    let key = last + 1 + thread + number * THREADS;
                    if write(store, key).unwrap() {
                        println!("committed {key}");
                    }
                }
            });
        }
    });
}

/// The keys of each table.
fn found(dir: &Path) -> [Vec<i64>; TABLES.len()] {
    let store = LiveStore::open(dir, options()).unwrap();
    TABLES.map(|name| {
        let rows = store.table("d", name).unwrap().range(..).unwrap();
        let keys = rows.map(|row| match row.unwrap().1.values[0] {
            Value::Integer(key) => key,
            ref other => panic!("{other:?}"),
        });
        keys.collect()
    })
}

/// Runs one of the programs below with `dir` until it is killed, after so many
/// milliseconds; the numbers that stood before or behind `word` in what it said.
fn run_and_kill(program: &str, dir: &Path, (word, millis): (&str, u64)) -> Vec<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", program, "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let word = word.to_owned();
    let reader = std::thread::spawn(move || {
        let said = lines.map_while(Result::ok);
        let numbers = said.filter_map(|line| {
            let (before, behind) = line.split_once(&word)?;
            let number = if behind.is_empty() { before } else { behind };
            number.parse::<i64>().ok()
        });
        numbers.collect::<Vec<_>>()
    });
    std::thread::sleep(Duration::from_millis(millis));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn kill(layout: Layout) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 6,
    };
    let mut store = LiveStore::create(&dir, layout.into(), &origin, options()).unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("d").unwrap();
    for name in TABLES {
        tx.create_table("d", schema(name, true)).unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
    drop(store);
    let mut random = Random(3);
    let mut committed = BTreeMap::new();
    for kill in 0..KILLS {
        let heard = ("committed ", 150 + random.below(250));
        let said = run_and_kill("kills::writes_until_it_is_killed", &dir, heard);
        committed.extend(said.into_iter().map(|key| (key, kill)));
        let [a, b, c] = found(&dir);
        assert!(a == b && b == c, "{layout}: half a transaction");
        for (key, kill) in &committed {
            let there = a.binary_search(key).is_ok();
            assert!(
                there,
                "{layout}: {key}, committed before kill {kill}, is lost"
            );
        }
    }
    assert!(committed.len() > 20, "{layout}: {}", committed.len());
}

#[test]
fn threads_behind_one_lock_lose_nothing_when_they_are_killed() {
    Layout::ALL.into_iter().for_each(kill);
}

#[test]
#[ignore = "is run and killed by another test"]
fn the_example_runs_until_it_is_killed() {
    if let Some(dir) = std::env::var_os(DIR) {
        let store = LiveStore::open(Path::new(&dir), options()).unwrap();
        shared::run(store, i64::MAX).unwrap();
    }
}

#[test]
fn the_example_of_a_shared_store_loses_nothing_when_it_is_killed() {
    for layout in Layout::ALL {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("bank");
        drop(shared::open(&dir, layout).unwrap());
        let mut random = Random(4);
        let mut on_disk = 0;
        for _ in 0..KILLS {
            let heard = (" transfers are on disk", 100 + random.below(200));
            let program = "kills::the_example_runs_until_it_is_killed";
            let said = run_and_kill(program, &dir, heard);
            on_disk = said.into_iter().fold(on_disk, i64::max);
            let mut store = shared::open(&dir, layout).unwrap();
            let bank = shared::bank(&mut store).unwrap();
            let found = shared::check(&store, bank).unwrap();
            assert!(found >= on_disk, "{layout}: {found} of {on_disk}");
            on_disk = found;
        }
        assert!(on_disk > 20, "{layout}: {on_disk}");
    }
}
