//! A store that several threads share, as a server would have it: behind a lock
//! of its own. Readers read beside one another; a writer has the store alone
//! for as long as a transaction takes.
//!
//! `cargo run --example shared -- DIRECTORY` keeps a bank in a directory that is
//! made when it is missing: 4 threads move money between accounts and write down
//! that they did, while another one counts it. Kill it and start it again: whatever
//! it said is on disk is there, and no transfer by half.

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

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "bank".into());
    run(open(Path::new(&dir), Layout::Paged)?, 250)
}

/// The tables of the bank: accounts, and one row for each transfer.
#[derive(Clone, Copy)]
pub struct Bank {
    accounts: TableId,
    transfers: TableId,
}

/// Opens the directory, which is made when it is missing.
pub fn open(dir: &Path, layout: Layout) -> Result<LiveStore> {
    let options = StoreOptions::default();
    if dir.is_dir() {
        return LiveStore::open(dir, options);
    }
    std::fs::create_dir(dir).map_err(|error| Error::io("create", dir, error))?;
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 1,
    };
    LiveStore::create(dir, layout.into(), &origin, options)
}

/// The tables, made in one transaction with what is in them at first.
pub fn bank(store: &mut LiveStore) -> Result<Bank> {
    if let Ok(accounts) = store.table("bank", "accounts") {
        return Ok(Bank {
            accounts: accounts.id(),
            transfers: store.table("bank", "transfers")?.id(),
        });
    }
    let columns = |other: [&str; 2]| {
        let others = other.map(|name| Column::new(name, DataType::Integer));
        let key = Column::key("id", DataType::Integer);
        [key].into_iter().chain(others).collect()
    };
    let mut tx = store.begin()?;
    tx.create_database("bank")?;
    let accounts = Table::new("accounts", columns(["balance", "moves"]));
    let transfers = Table::new("transfers", columns(["payer", "payee"]));
    let accounts = tx.create_table("bank", accounts)?;
    let transfers = tx.create_table("bank", transfers)?;
    for id in 0..ACCOUNTS {
        tx.insert(accounts, &[id, FIRST, 0].map(ValueRef::Integer))?;
    }
    tx.commit(Durability::Sync)?;
    Ok(Bank {
        accounts,
        transfers,
    })
}

/// Each writer makes so many transfers while a reader counts the money.
pub fn run(mut store: LiveStore, count: i64) -> Result<()> {
    let bank = bank(&mut store)?;
    let store = RwLock::new(store);
    std::thread::scope(|scope| {
        let store = &store;
        let start = |writer| scope.spawn(move || transfer_often(store, bank, writer, count));
        let writers: Vec<_> = (0..WRITERS).map(start).collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            // What a reader sees is after some transaction and before the next.
            check(&*store.read().map_err(|_| broken())?, bank)?;
        }
        for writer in writers {
            writer.join().map_err(|_| broken())??;
        }
        Ok::<_, Error>(())
    })?;
    // Transactions of the group are on disk from here on.
    store.into_inner().map_err(|_| broken())?.close()
}

/// A thread that had the lock has panicked: nobody knows what it left undone.
fn broken() -> Error {
    Error::Internal("a thread has panicked".into())
}

fn transfer_often(store: &RwLock<LiveStore>, bank: Bank, writer: i64, count: i64) -> Result<()> {
    for number in 0..count {
        let payer = (writer + number) % ACCOUNTS;
        let payee = (writer * 7 + number * 3) % ACCOUNTS;
        let mut store = store.write().map_err(|_| broken())?;
        let mut tx = store.begin()?;
        let id = transfer(&mut tx, bank, payer, payee)?;
        match number % 10 {
            // Whatever was changed is taken back, the number of the transfer too.
            0 => drop(tx),
            3 | 6 | 9 => {
                tx.commit(Durability::Sync)?;
                println!("{id} transfers are on disk");
            }
            _ => tx.commit(Durability::Group)?,
        }
    }
    Ok(())
}

/// Moves one coin; the number of the transfer.
fn transfer(tx: &mut Transaction<'_>, bank: Bank, payer: i64, payee: i64) -> Result<i64> {
    let id = tx.next_value(bank.transfers, "id")?;
    tx.insert(bank.transfers, &[id, payer, payee].map(ValueRef::Integer))?;
    for (account, more) in [(payer, -1), (payee, 1)] {
        let found = tx.table_of(bank.accounts)?;
        if let Some((name, row)) = found.find(&ValueRef::Integer(account))? {
            let [_, balance, moves] = integers(&row);
            let row = [account, balance + more, moves + 1];
            tx.update(name, &row.map(ValueRef::Integer))?;
        }
    }
    Ok(id)
}

fn integers(row: &Row) -> [i64; 3] {
    let mut values = row.values.iter();
    [(); 3].map(|()| match values.next() {
        Some(Value::Integer(value)) => *value,
        _ => 0,
    })
}

/// Holds every account against the transfers; how many these are.
pub fn check(store: &LiveStore, bank: Bank) -> Result<i64> {
    let mut expected: Vec<_> = (0..ACCOUNTS).map(|id| [id, FIRST, 0]).collect();
    let mut count = 0;
    for row in store.table_of(bank.transfers)?.range(..)? {
        let [id, payer, payee] = integers(&row?.1);
        count += 1;
        assert_eq!(id, count, "a transfer is missing");
        for [account, balance, moves] in &mut expected {
            *balance += i64::from(*account == payee) - i64::from(*account == payer);
            *moves += i64::from(*account == payee) + i64::from(*account == payer);
        }
    }
    let accounts = store.table_of(bank.accounts)?.range(..)?;
    let accounts = accounts.map(|row| Ok(integers(&row?.1)));
    assert_eq!(accounts.collect::<Result<Vec<_>>>()?, expected);
    Ok(count)
}
