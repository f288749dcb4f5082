//! fjall.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::peer::{CACHE_LEN, Peer, Res, text};

/// Rows that one batch holds at most.
const BATCH: usize = 10_000;

pub struct Fjall {
    database: Database,
    table: Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path) -> Res<Self> {
        let builder = Database::builder(dir.join("data"));
        let database = builder.cache_size(CACHE_LEN as u64).open()?;
        let table = database.keyspace("t", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, table })
    }

    fn put(&mut self, keys: &[i64], version: u64) -> Res<()> {
        let batch = self.database.batch();
        let mut batch = batch.durability(Some(PersistMode::SyncAll));
        for key in keys {
            batch.insert(&self.table, key.to_be_bytes(), text(*key, version));
        }
        Ok(batch.commit()?)
    }
}

impl Peer for Fjall {
    fn load(&mut self, keys: &[i64]) -> Res<()> {
        keys.chunks(BATCH).try_for_each(|batch| self.put(batch, 0))
    }

    fn insert(&mut self, keys: &[i64]) -> Res<()> {
        self.put(keys, 0)
    }

    fn update(&mut self, keys: &[i64], version: u64) -> Res<()> {
        self.put(keys, version)
    }

    fn delete(&mut self, keys: &[i64]) -> Res<()> {
        let batch = self.database.batch();
        let mut batch = batch.durability(Some(PersistMode::SyncAll));
        for key in keys {
            batch.remove(&self.table, key.to_be_bytes());
        }
        Ok(batch.commit()?)
    }

    fn get(&mut self, key: i64) -> Res<bool> {
        let found = self.table.get(key.to_be_bytes())?;
        Ok(found.is_some_and(|text| text.to_vec().len() > 1))
    }

    fn scan(&mut self) -> Res<u64> {
        let mut count = 0;
        for row in self.table.iter() {
            count += u64::from(row.value()?.len() > 1);
        }
        Ok(count)
    }

    fn compact(&mut self) -> Res<()> {
        Ok(self.table.major_compact()?)
    }

    fn settle(&mut self) -> Res<()> {
        Ok(self.table.rotate_memtable_and_wait()?)
    }
}
