//! redb.

use std::path::Path;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::peer::{CACHE_LEN, Peer, Res, text};

const TABLE: TableDefinition<i64, &str> = TableDefinition::new("t");

pub struct Redb {
    database: Database,
}

impl Redb {
    pub fn open(dir: &Path) -> Res<Self> {
        let database = Builder::new()
            .set_cache_size(CACHE_LEN)
            .create(dir.join("data.redb"))?;
        let tx = database.begin_write()?;
        tx.open_table(TABLE)?;
        tx.commit()?;
        Ok(Redb { database })
    }

    fn put(&mut self, keys: &[i64], version: u64) -> Res<()> {
        let tx = self.database.begin_write()?;
        let mut table = tx.open_table(TABLE)?;
        for key in keys {
            table.insert(key, &*text(*key, version))?;
        }
        drop(table);
        Ok(tx.commit()?)
    }
}

impl Peer for Redb {
    fn load(&mut self, keys: &[i64]) -> Res<()> {
        self.put(keys, 0)
    }

    fn insert(&mut self, keys: &[i64]) -> Res<()> {
        self.put(keys, 0)
    }

    fn update(&mut self, keys: &[i64], version: u64) -> Res<()> {
        self.put(keys, version)
    }

    fn delete(&mut self, keys: &[i64]) -> Res<()> {
        let tx = self.database.begin_write()?;
        let mut table = tx.open_table(TABLE)?;
        for key in keys {
            table.remove(key)?;
        }
        drop(table);
        Ok(tx.commit()?)
    }

    fn get(&mut self, key: i64) -> Res<bool> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(table
            .get(key)?
            .is_some_and(|text| text.value().to_owned().len() > 1))
    }

    fn scan(&mut self) -> Res<u64> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for row in table.iter()? {
            count += u64::from(row?.1.value().len() > 1);
        }
        Ok(count)
    }

    fn compact(&mut self) -> Res<()> {
        self.database.compact()?;
        Ok(())
    }

    fn settle(&mut self) -> Res<()> {
        Ok(())
    }
}
