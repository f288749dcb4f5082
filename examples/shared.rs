//! A store that several threads share, as a server would have it: behind a lock
//! of its own. Readers read beside one another; a writer has the store alone
//! for as long as a transaction takes.
//!
//! `cargo run --example shared -- DIRECTORY` keeps accounts in a directory that
//! is made when it is missing; 4 threads move money between them while another
//! one counts it.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::RwLock;

use rustdb_migrate::engine::{
    Durability, Layout, LiveStore, Origin, StoreOptions, TableId, Transaction,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::model::{Column, DataType, Row, Table, Value, ValueRef};

/// Accounts, and what is on each at first.
const ACCOUNTS: i64 = 16;
const FIRST: i64 = 1000;
const WRITERS: i64 = 4;
const TRANSFERS: i64 = 250;

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "accounts".into());
    let mut store = open(Path::new(&dir))?;
    let table = accounts(&mut store)?;
    let store = RwLock::new(store);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let store = &store;
                    move || transfer(store, table, writer)
                })
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            // What a reader sees is after some transaction and before the next.
            assert_eq!(total(&store, table)?, ACCOUNTS * FIRST);
        }
        for writer in writers {
            writer.join().map_err(|_| broken())??;
        }
        Ok::<_, Error>(())
    })?;
    println!("{} in {ACCOUNTS} accounts", total(&store, table)?);
    // Transactions of the group are on disk from here on.
    store.into_inner().map_err(|_| broken())?.close()
}

/// A thread that had the lock has panicked: nobody knows what it left undone.
fn broken() -> Error {
    Error::Internal("a thread has panicked".into())
}

fn open(dir: &Path) -> Result<LiveStore> {
    let options = StoreOptions::default();
    if dir.is_dir() {
        return LiveStore::open(dir, options);
    }
    std::fs::create_dir(dir).map_err(|error| Error::io("create", dir, error))?;
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    LiveStore::create(dir, Layout::Paged.into(), &origin, options)
}

/// The table, with its accounts.
fn accounts(store: &mut LiveStore) -> Result<TableId> {
    if let Ok(table) = store.table("bank", "accounts") {
        return Ok(table.id());
    }
    let columns = vec![
        Column::key("id", DataType::Integer),
        Column::new("balance", DataType::Integer),
    ];
    let mut tx = store.begin()?;
    tx.create_database("bank")?;
    let table = tx.create_table("bank", Table::new("accounts", columns))?;
    for id in 0..ACCOUNTS {
        tx.insert(table, &[ValueRef::Integer(id), ValueRef::Integer(FIRST)])?;
    }
    tx.commit(Durability::Sync)?;
    Ok(table)
}

fn transfer(store: &RwLock<LiveStore>, table: TableId, writer: i64) -> Result<()> {
    for number in 0..TRANSFERS {
        let (from, to) = (
            (writer + number) % ACCOUNTS,
            (writer * 7 + number * 3) % ACCOUNTS,
        );
        let mut store = store.write().map_err(|_| broken())?;
        let mut tx = store.begin()?;
        add(&mut tx, table, from, -1)?;
        add(&mut tx, table, to, 1)?;
        match number % 10 {
            // Whatever was changed is taken back.
            0 => drop(tx),
            9 => tx.commit(Durability::Sync)?,
            _ => tx.commit(Durability::Group)?,
        }
    }
    Ok(())
}

fn add(tx: &mut Transaction<'_>, table: TableId, id: i64, more: i64) -> Result<()> {
    let found = tx.table_of(table)?.find(&ValueRef::Integer(id))?;
    let Some((name, row)) = found else {
        return Err(Error::Internal(format!("no account {id}")));
    };
    let values = [
        ValueRef::Integer(id),
        ValueRef::Integer(balance(&row) + more),
    ];
    tx.update(name, &values).map(|_| ())
}

fn balance(row: &Row) -> i64 {
    match row.values.get(1) {
        Some(Value::Integer(balance)) => *balance,
        _ => 0,
    }
}

fn total(store: &RwLock<LiveStore>, table: TableId) -> Result<i64> {
    let store = store.read().map_err(|_| broken())?;
    let rows = store.table_of(table)?.scan()?;
    rows.map(|row| row.map(|(_, row)| balance(&row))).sum()
}
