//! The live store, stopped at each of its changes: what comes back is what it
//! held after some step, and none before the last that was synced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions};
use rustdb_migrate::error::Result;
use rustdb_migrate::file::Disk;
use rustdb_migrate::model::{Column, DataType, Table, ValueRef};

use super::{Case, root};
use crate::sim_disk::SimDisk;

/// Visible rows by key.
type Rows = BTreeMap<i64, String>;

/// Steps of a run.
const STEPS: i64 = 24;

/// What a run holds after each of its steps.
fn states() -> Vec<Rows> {
    let mut rows = Rows::new();
    let mut states = vec![rows.clone()];
    for step in 0..STEPS {
        match step % 4 {
            0 | 1 => {
                rows.insert(step, text(step));
            }
            2 => {
                rows.insert(step - 1, text(step));
            }
            _ => {
                rows.remove(&(step - 3));
            }
        }
        states.push(rows.clone());
    }
    states
}

/// Some rows need overflow pages.
fn text(step: i64) -> String {
    format!("{step} ").repeat(if step % 8 == 1 { 4000 } else { 3 })
}

/// Goes through all steps from an empty table on; `synced` is told of each that
/// is durable.
fn run(disk: &Arc<dyn Disk>, synced: &Mutex<usize>) -> Result<()> {
    *synced.lock().unwrap() = 0;
    let mut store = LiveStore::open_on(disk, &root().join("ours"), StoreOptions::default())?;
    let view = store.table("shop", "users")?;
    let table = view.id();
    let found: Vec<_> = (0..STEPS)
        .map(|key| view.find(&ValueRef::Integer(key)))
        .collect::<Result<_>>()?;
    // A second run begins by taking back what the first one did.
    let mut tx = store.begin()?;
    for (name, _) in found.into_iter().flatten() {
        tx.delete(name)?;
    }
    tx.commit(Durability::Sync)?;
    let mut known = BTreeMap::new();
    for step in 0..STEPS {
        let text = text(step);
        let values = |key| [ValueRef::Integer(key), ValueRef::Text(&text)];
        let mut tx = store.begin()?;
        match step % 4 {
            0 | 1 => {
                known.insert(step, tx.insert(table, &values(step))?);
            }
            2 => {
                let name = tx.update(known[&(step - 1)], &values(step - 1))?;
                known.insert(step - 1, name);
            }
            _ => tx.delete(known[&(step - 3)])?,
        }
        tx.commit(Durability::Group)?;
        if step % 3 == 0 {
            store.sync()?;
            *synced.lock().unwrap() = usize::try_from(step).unwrap() + 1;
        }
        if step % 7 == 6 {
            store.checkpoint()?;
            *synced.lock().unwrap() = usize::try_from(step).unwrap() + 1;
        }
    }
    store.sync()?;
    *synced.lock().unwrap() = STEPS as usize;
    Ok(())
}

/// What comes back.
fn found(disk: &SimDisk) -> Result<Rows, String> {
    let disk = disk.fork().shared();
    let store = LiveStore::open_on(&disk, &root().join("ours"), StoreOptions::default());
    let store = store.map_err(|error| error.to_string())?;
    let reader = store
        .table("shop", "users")
        .map_err(|error| error.to_string())?;
    let mut rows = Rows::new();
    for key in 0..STEPS {
        let found = reader.find(&ValueRef::Integer(key));
        if let Some((_, row)) = found.map_err(|error| error.to_string())? {
            let ValueRef::Text(text) = row.values[1].as_ref() else {
                return Err("another value".into());
            };
            rows.insert(key, text.to_owned());
        }
    }
    match rows.len() as u64 == reader.live_count() {
        true => Ok(rows),
        false => Err(format!("{} rows are live", reader.live_count())),
    }
}

/// The live store of one layout.
pub fn case(layout: Layout) -> Case {
    let disk = SimDisk::new(root());
    let dir = root().join("ours");
    disk.create_dir(&dir).unwrap();
    disk.sync_dir(root()).unwrap();
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 7,
    };
    let options = StoreOptions::default();
    let store = LiveStore::create_on(&disk.shared(), &dir, layout.into(), &origin, options);
    let mut store = store.unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("shop").unwrap();
    let columns = vec![
        Column::key("id", DataType::Integer),
        Column::new("name", DataType::Text),
    ];
    let table = Table::new("users", columns);
    tx.create_table("shop", table).unwrap();
    tx.commit(Durability::Sync).unwrap();
    drop(store);
    let synced = Arc::new(Mutex::new(0));
    let told = synced.clone();
    let states = states();
    Case {
        group: "changes of a live store",
        what: format!("changes of a live store, {layout}"),
        disk,
        run: Box::new(move |disk| run(disk, &told)),
        check: Box::new(move |disk, done| {
            let rows = found(disk)?;
            let least = if done {
                STEPS as usize
            } else {
                *synced.lock().unwrap()
            };
            match states[least..].contains(&rows) {
                true => Ok(()),
                false => Err(format!("not a state after step {least}: {:?}", rows.keys())),
            }
        }),
    }
}
