//! A store of this package.

use std::path::Path;

use rustdb_migrate::codec::{MadeRows, pack_row};
use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions, TableId};
use rustdb_migrate::model::{Column, DataType, RowStream, Table, ValueRef};

use crate::peer::{CACHE_LEN, Peer, Res, text};

pub struct Ours {
    store: LiveStore,
    table: TableId,
}

impl Ours {
    pub fn open(dir: &Path, layout: Layout) -> Res<Self> {
        let mut options = StoreOptions::default();
        options.pool_pages = CACHE_LEN / 8192;
        options.block_cache_len = CACHE_LEN;
        let dir = dir.join("data");
        if dir.is_dir() {
            let store = LiveStore::open(&dir, options)?;
            let table = store.table("d", "t")?.id();
            return Ok(Ours { store, table });
        }
        std::fs::create_dir(&dir)?;
        let origin = Origin {
            family: "2.3".into(),
            cluster_id: 1,
        };
        let mut store = LiveStore::create(&dir, layout.into(), &origin, options)?;
        let mut tx = store.begin()?;
        tx.create_database("d")?;
        let columns = vec![
            Column::key("id", DataType::Integer),
            Column::new("text", DataType::Text),
        ];
        let table = tx.create_table("d", Table::new("t", columns))?;
        tx.commit(Durability::Sync)?;
        Ok(Ours { store, table })
    }
}

impl Peer for Ours {
    fn load(&mut self, keys: &[i64]) -> Res<()> {
        let rows = keys.iter().map(|key| {
            let text = text(*key, 0);
            pack_row([ValueRef::Integer(*key), ValueRef::Text(&text)], 1, None)
        });
        let mut tx = self.store.begin()?;
        tx.load(self.table, &mut MadeRows::new(rows) as &mut dyn RowStream)?;
        Ok(tx.commit(Durability::Sync)?)
    }

    fn insert(&mut self, keys: &[i64]) -> Res<()> {
        let mut tx = self.store.begin()?;
        for key in keys {
            let text = text(*key, 0);
            tx.insert(
                self.table,
                &[ValueRef::Integer(*key), ValueRef::Text(&text)],
            )?;
        }
        Ok(tx.commit(Durability::Sync)?)
    }

    fn update(&mut self, keys: &[i64], version: u64) -> Res<()> {
        let mut tx = self.store.begin()?;
        for key in keys {
            let (id, text) = (ValueRef::Integer(*key), text(*key, version));
            let found = tx.table_of(self.table)?.find(&id)?;
            let (name, _) = found.ok_or("a row is missing")?;
            tx.update(name, &[id, ValueRef::Text(&text)])?;
        }
        Ok(tx.commit(Durability::Sync)?)
    }

    fn delete(&mut self, keys: &[i64]) -> Res<()> {
        let mut tx = self.store.begin()?;
        for key in keys {
            let found = tx.table_of(self.table)?.find(&ValueRef::Integer(*key))?;
            tx.delete(found.ok_or("a row is missing")?.0)?;
        }
        Ok(tx.commit(Durability::Sync)?)
    }

    fn get(&mut self, key: i64) -> Res<bool> {
        let table = self.store.table_of(self.table)?;
        Ok(table.find(&ValueRef::Integer(key))?.is_some())
    }

    fn scan(&mut self) -> Res<u64> {
        let mut rows = self.store.table_of(self.table)?.rows()?;
        let mut count = 0;
        while let Some(batch) = rows.next_batch()? {
            count += batch.rows().filter(|row| row.is_visible()).count() as u64;
        }
        Ok(count)
    }

    fn compact(&mut self) -> Res<()> {
        self.store.compact()?;
        Ok(())
    }

    fn settle(&mut self) -> Res<()> {
        Ok(self.store.checkpoint()?)
    }
}
