//! SQLite, in WAL mode.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::peer::{CACHE_LEN, Peer, Res, text};

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub fn open(dir: &Path) -> Res<Self> {
        let connection = Connection::open(dir.join("data.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let kib = i64::try_from(CACHE_LEN / 1024)?;
        connection.pragma_update(None, "cache_size", -kib)?;
        let table = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)";
        connection.execute(table, [])?;
        Ok(Sqlite { connection })
    }

    fn each(&mut self, sql: &str, keys: &[i64], version: Option<u64>) -> Res<()> {
        let tx = self.connection.transaction()?;
        {
            let mut statement = tx.prepare_cached(sql)?;
            for key in keys {
                match version {
                    Some(version) => statement.execute((key, text(*key, version)))?,
                    None => statement.execute((key,))?,
                };
            }
        }
        Ok(tx.commit()?)
    }
}

impl Peer for Sqlite {
    fn load(&mut self, keys: &[i64]) -> Res<()> {
        self.insert(keys)
    }

    fn insert(&mut self, keys: &[i64]) -> Res<()> {
        self.each("INSERT INTO t VALUES (?1, ?2)", keys, Some(0))
    }

    fn update(&mut self, keys: &[i64], version: u64) -> Res<()> {
        self.each("UPDATE t SET text = ?2 WHERE id = ?1", keys, Some(version))
    }

    fn delete(&mut self, keys: &[i64]) -> Res<()> {
        self.each("DELETE FROM t WHERE id = ?1", keys, None)
    }

    fn get(&mut self, key: i64) -> Res<bool> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT text FROM t WHERE id = ?1")?;
        let text: Option<String> = statement.query_row((key,), |row| row.get(0)).optional()?;
        Ok(text.is_some_and(|text| text.len() > 1))
    }

    fn scan(&mut self) -> Res<u64> {
        let mut statement = self.connection.prepare_cached("SELECT id, text FROM t")?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += u64::from(row.get_ref(1)?.as_str()?.len() > 1);
        }
        Ok(count)
    }

    fn compact(&mut self) -> Res<()> {
        Ok(self.connection.execute_batch("VACUUM")?)
    }

    fn settle(&mut self) -> Res<()> {
        Ok(self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }
}
