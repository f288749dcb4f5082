//! Random transactions, random crashes: what comes back is the state after some
//! transaction, whole, and after none before the last that was durable.
//!
//! `RUSTDB_CRASH_RUNS=333334 cargo test --release --test live crashes` makes a
//! million runs; `RUSTDB_SEED` is the first one's.

use std::io::ErrorKind;

use rustdb_migrate::engine::{
    Durability, Layout, Level, LiveStore, Store, StoreOptions, verify_on,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::finding::{Code, Finding};
use rustdb_migrate::model::{Value, ValueRef};
use rustdb_migrate::report::Report;

use crate::model::{Model, normal, of_live, of_view, read_view};
use crate::random::Random;
use crate::sim_disk::SimDisk;
use crate::workload::{Run, created, root, schema};

/// Transactions between two crashes, at most.
const TRANSACTIONS: u64 = 25;
/// Crashes of one run.
const CRASHES: u64 = 3;

fn options(random: &mut Random) -> StoreOptions {
    let mut options = StoreOptions::default();
    options.checkpoint_every = 1 + random.below(30);
    options.pool_pages = 16;
    options.pending_limit = 40_000;
    options
}

/// One store through some crashes.
fn run(layout: Layout, seed: u64) {
    let disk = SimDisk::new(root());
    let mut run = Run::create(&disk, layout, seed, options);
    for _ in 0..CRASHES {
        let crash = run.random.chance(80);
        let at = run.random.below(TRANSACTIONS * 8);
        let kinds = [
            ErrorKind::StorageFull,
            ErrorKind::Other,
            ErrorKind::TimedOut,
        ];
        disk.fail_after(at, kinds[run.random.below(3) as usize]);
        let mut failed = false;
        for _ in 0..TRANSACTIONS {
            match run.change() {
                Ok(()) => {}
                Err(Error::Io { .. } | Error::StoreFailed { .. }) => {
                    failed = true;
                    break;
                }
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
        end(&mut run, &disk, failed);
        if crash {
            disk.crash(&mut run.random);
        }
        disk.heal();
        come_back(&mut run, &disk, seed);
    }
}

/// The process ends: it is killed, or closes its store.
fn end(run: &mut Run, disk: &SimDisk, failed: bool) {
    let Some(store) = run.store.take() else {
        return;
    };
    match (run.random.chance(30), failed) {
        (false, _) => disk.kill(store),
        (true, true) => drop(store),
        (true, false) => {
            if store.close().is_ok() {
                run.synced();
            }
        }
    }
}

/// Opens the directory again and compares it with what it may be.
fn come_back(run: &mut Run, disk: &SimDisk, seed: u64) {
    let states: Vec<_> = run.states.iter().map(normal).collect();
    let before = disk.files();
    let view = Store::open_on(&disk.shared(), root());
    let view = of_view(&view.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    assert_eq!(disk.files(), before, "seed {seed}: a view writes nothing");
    let found = states.iter().rposition(|state| *state == view);
    assert!(
        found.is_some(),
        "seed {seed}: none of {} states; found {}\n last {}",
        states.len(),
        brief(&view),
        brief(states.last().unwrap()),
    );
    let opened = options(&mut run.random);
    let store = LiveStore::open_on(&disk.shared(), root(), opened);
    let mut store = store.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert!(
        of_live(&store) == view,
        "seed {seed}: the view is the store"
    );
    run.model = view;
    run.states = vec![run.model.clone()];
    store.checkpoint().unwrap();
    let mut report = Report::new();
    let coverage = verify_on(&disk.shared(), root(), Level::Structure, &mut report).unwrap();
    // A transaction that changes the catalog writes the rows of tables of the layout
    // append behind their end before it is in the log: nobody reads them there.
    let is_left = |finding: &&Finding| finding.code == Code::CrashLeftover;
    let is_append = store.layout() == Layout::Append;
    let (left, findings): (Vec<_>, Vec<_>) = report
        .findings()
        .iter()
        .partition(|one| is_append && is_left(one));
    assert!(findings.is_empty(), "seed {seed}: {findings:?}");
    let left_len = |one: &&Finding| -> u64 {
        let len = one.detail.as_deref().unwrap().strip_suffix(" bytes");
        len.unwrap().parse().unwrap()
    };
    let left_len: u64 = left.iter().map(left_len).sum();
    assert_eq!(coverage.unchecked(), left_len, "seed {seed}");
    run.store = Some(store);
}

fn brief(model: &crate::model::Model) -> String {
    let tables = model.iter().flat_map(|(database, tables)| {
        tables.iter().map(move |(name, table)| {
            let live = table.versions.iter().filter(|row| row.2.is_none()).count();
            format!(
                "{database}.{name}: {} rows, {live} live",
                table.versions.len()
            )
        })
    });
    tables.collect::<Vec<_>>().join("; ")
}

/// How many runs: `RUSTDB_CRASH_RUNS`, or what fits a test.
fn runs(layout: Layout) {
    let set = std::env::var("RUSTDB_CRASH_RUNS").ok();
    let runs: u64 = set.map_or(3_334, |text| text.parse().unwrap());
    let first: u64 = std::env::var("RUSTDB_SEED").map_or(1, |text| text.parse().unwrap());
    (first..first + runs).for_each(|seed| run(layout, seed));
}

#[test]
fn what_was_synced_survives_in_the_layout_per_table() {
    runs(Layout::PerTable);
}

#[test]
fn what_was_synced_survives_in_the_layout_append() {
    runs(Layout::Append);
}

#[test]
fn what_was_synced_survives_in_the_layout_paged() {
    runs(Layout::Paged);
}

/// A store of one table that has rows and a dead version, some of them in the log alone.
fn small(layout: Layout) -> SimDisk {
    let disk = SimDisk::new(root());
    let (mut store, users) = created(&disk, layout);
    let mut tx = store.begin().unwrap();
    let mut last = None;
    for id in 0..3 {
        let values = [ValueRef::Integer(id), ValueRef::Text("some text")];
        last = Some(tx.insert(users, &values).unwrap());
    }
    tx.commit(Durability::Sync).unwrap();
    let mut tx = store.begin().unwrap();
    tx.delete(last.unwrap()).unwrap();
    tx.commit(Durability::Sync).unwrap();
    store.close().unwrap();
    disk
}

fn open(disk: &SimDisk) -> LiveStore {
    LiveStore::open_on(&disk.shared(), root(), StoreOptions::default()).unwrap()
}

/// The disk after `work` ended at its n-th change, and whether it did all it had to.
fn ended_at(
    disk: &SimDisk,
    n: u64,
    work: impl Fn(&mut LiveStore) -> Result<()>,
) -> (SimDisk, bool) {
    let disk = disk.fork();
    let mut store = open(&disk);
    disk.fail_after(n, ErrorKind::Other);
    let done = work(&mut store).is_ok();
    disk.kill(store);
    disk.heal();
    (disk, done)
}

/// Twice the process ends, first with the disk as it was, then with the power: what
/// the first one could not sync is made durable by whoever goes on from it.
fn ends_twice(
    first: impl Fn(&mut LiveStore) -> Result<()>,
    second: impl Fn(&mut LiveStore) -> Result<()>,
    may_be: impl Fn(&Model) -> bool,
) {
    for layout in Layout::ALL {
        let disk = small(layout);
        let (mut n, mut done) = (0, false);
        while !done {
            let once;
            (once, done) = ended_at(&disk, n, &first);
            let (mut m, mut done) = (0, false);
            while !done {
                let twice;
                (twice, done) = ended_at(&once, m, &second);
                for seed in 0..3 {
                    let what = format!("{layout}: {n}, then {m}, crash {seed}");
                    let disk = twice.fork();
                    disk.crash(&mut Random(seed));
                    let view = Store::open_on(&disk.shared(), root());
                    let view = view.and_then(|view| read_view(&view));
                    let view = view.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert!(may_be(&view), "{what}: {view:?}");
                    let mut store = open(&disk);
                    assert!(of_live(&store) == view, "{what}");
                    store.checkpoint().unwrap();
                    store.close().unwrap();
                    let mut report = Report::new();
                    verify_on(&disk.shared(), root(), Level::Structure, &mut report).unwrap();
                    let mut left = report.findings().iter();
                    let left = left.find(|one| one.code != Code::CrashLeftover);
                    assert_eq!(left, None, "{what}");
                }
                m += 1;
            }
            n += 1;
        }
        assert!(n > 10, "{layout}: {n}");
    }
}

#[test]
fn a_batch_that_was_made_is_never_made_again_with_other_files() {
    let compact = |store: &mut LiveStore| store.compact().map(|_| ());
    let alter = |store: &mut LiveStore| {
        let mut tx = store.begin()?;
        let text = "x".repeat(20_000);
        let longer = |values: Vec<Value>| vec![values[0].clone(), Value::Text(text.clone())];
        tx.alter_table("shop", "users", schema("users", true), longer)?;
        tx.commit(Durability::Sync)
    };
    ends_twice(compact, alter, |model| {
        let versions = model["shop"]["users"].versions.iter();
        versions.filter(|(.., xmax)| xmax.is_none()).count() == 2
    });
}

#[test]
fn of_a_table_that_was_dropped_nothing_comes_back() {
    let change = |store: &mut LiveStore| {
        let users = store.table("shop", "users")?.id();
        let mut tx = store.begin()?;
        tx.insert(users, &[ValueRef::Integer(7), ValueRef::Null])?;
        tx.commit(Durability::Sync)?;
        store.checkpoint()
    };
    let drop_it = |store: &mut LiveStore| {
        let mut tx = store.begin()?;
        tx.drop_table("shop", "users")?;
        tx.commit(Durability::Sync)
    };
    ends_twice(change, drop_it, |model| {
        let users = model["shop"].get("users");
        users.is_none_or(|users| [3, 4].contains(&users.versions.len()))
    });
}
