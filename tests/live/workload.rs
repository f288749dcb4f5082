//! Random changes of a store and of its model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustdb_migrate::engine::{
    CreateOptions, Layout, LiveStore, Origin, RowId, StoreOptions, TableHandle,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::model::{Column, DataType, Table, Value};

use crate::model::{Model, TableModel, of_live, text};
use crate::random::Random;
use crate::sim_disk::SimDisk;

/// A store under test, its model, and where the model's visible rows are.
pub struct Run {
    pub store: LiveStore,
    pub model: Model,
    /// Every state since the last sync, the oldest first; the last one is the
    /// model's.
    pub states: Vec<Model>,
    pub random: Random,
    pub transaction: u64,
    pub key: i64,
}

/// The longest text, in bytes: some rows need overflow pages.
const WIDE: u64 = 20_000;

pub fn schema(name: &str, keyed: bool) -> Table {
    let id = match keyed {
        true => Column::key("id", DataType::Integer),
        false => Column::new("id", DataType::Integer),
    };
    Table::new(name, vec![id, Column::new("text", DataType::Text)])
}

impl Run {
    /// A new store, and pages of few to a file; the options may be random too.
    pub fn create(
        disk: &SimDisk,
        layout: Layout,
        seed: u64,
        options: impl FnOnce(&mut Random) -> StoreOptions,
    ) -> Self {
        let mut random = Random(seed);
        let origin = Origin {
            family: "2.3".into(),
            cluster_id: seed.into(),
        };
        let layout = CreateOptions {
            pages_per_file: 1 + random.below(5) as u32,
            ..layout.into()
        };
        let options = options(&mut random);
        let store = LiveStore::create_on(&disk.shared(), root(), layout, &origin, options).unwrap();
        let model = of_live(&store);
        Run {
            store,
            states: vec![model.clone()],
            model,
            random,
            transaction: 0,
            key: 0,
        }
    }

    /// What a crash may leave is one of these states from now on.
    pub fn synced(&mut self) {
        let last = self.states.pop().unwrap();
        self.states = vec![last];
    }

    fn step(&mut self, database: &str, table: &str, change: impl FnOnce(&mut TableModel)) {
        let tables = self.model.get_mut(database).unwrap();
        change(Arc::make_mut(tables.get_mut(table).unwrap()));
        self.states.push(self.model.clone());
    }

    /// One random change.
    ///
    /// # Errors
    /// What the store returns; the model may be one state ahead then.
    pub fn change(&mut self) -> Result<()> {
        let tables = self.store.tables();
        let all: Vec<(String, Arc<TableHandle>)> = tables
            .iter()
            .flat_map(|(name, own)| own.iter().map(|t| (name.clone(), t.clone())))
            .collect();
        self.transaction += 1;
        if all.is_empty() || self.random.chance(3) {
            return self.change_schema(&tables);
        }
        let at = self.random.below(all.len() as u64) as usize;
        let (database, handle) = all[at].clone();
        match self.random.below(100) {
            0..55 => self.insert(&database, &handle),
            55..75 => self.update(&database, &handle),
            75..87 => self.delete(&database, &handle),
            87..90 => self.sequence(&database, &handle),
            90..94 => {
                self.store.sync()?;
                self.synced();
                Ok(())
            }
            94..98 => {
                self.store.checkpoint()?;
                self.synced();
                Ok(())
            }
            _ => self.compact(),
        }
    }

    fn values(&mut self) -> Vec<Value> {
        self.key += 1;
        let len = match self.random.below(20) {
            0 => self.random.below(WIDE),
            1..4 => self.random.below(2_000),
            _ => self.random.below(60),
        };
        let letter = char::from(b'a' + u8::try_from(self.key % 26).unwrap());
        let text = std::iter::repeat_n(letter, len as usize).collect();
        vec![Value::Integer(self.key), Value::Text(text)]
    }

    fn insert(&mut self, database: &str, handle: &Arc<TableHandle>) -> Result<()> {
        let mut values = self.values();
        let transaction = self.transaction;
        values.resize(handle.schema().columns.len(), Value::Null);
        self.step(database, &handle.schema().name, |table| {
            let values = values.iter().map(text).collect();
            table.versions.push((values, transaction, None));
        });
        let refs: Vec<_> = values.iter().map(Value::as_ref).collect();
        self.store.insert(handle, &refs, transaction)?;
        if handle.schema().primary_key().is_some() {
            let again = self.store.insert(handle, &refs, transaction);
            assert!(matches!(again, Err(Error::KeyTaken { .. })), "{again:?}");
        }
        Ok(())
    }

    /// A visible row, found by its key or by looking through the table.
    fn visible(&mut self, handle: &Arc<TableHandle>) -> Result<Option<(RowId, Vec<Value>)>> {
        let reader = handle.read();
        if handle.schema().primary_key().is_none() {
            let mut ids = Vec::new();
            reader.visible_ids(&mut |id| ids.push(id))?;
            if ids.is_empty() {
                return Ok(None);
            }
            let id = ids[self.random.below(ids.len() as u64) as usize];
            let row = reader.row(id)?.expect("it is visible");
            return Ok(Some((id, row.values)));
        }
        let mut keys = Vec::new();
        let mut rows = reader.rows()?;
        while let Some(batch) = rows.next_batch()? {
            let visible = batch.rows().filter(|row| row.is_visible());
            keys.extend(visible.map(|row| row.value(0).unwrap().to_owned()));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let at = self.random.below(keys.len() as u64) as usize;
        let (id, row) = reader.find(&keys[at].as_ref())?.expect("it is visible");
        assert_eq!(row.values[0], keys[at]);
        assert_eq!(reader.row(id)?, Some(row.clone()));
        assert!(reader.find(&Value::Integer(-1).as_ref())?.is_none());
        Ok(Some((id, row.values)))
    }

    fn update(&mut self, database: &str, handle: &Arc<TableHandle>) -> Result<()> {
        let Some((id, old)) = self.visible(handle)? else {
            return Ok(());
        };
        let mut values = self.values();
        values.resize(old.len(), Value::Null);
        if self.random.chance(70) {
            values[0] = old[0].clone();
        }
        let transaction = self.transaction;
        self.step(database, &handle.schema().name, |table| {
            end(table, &old, transaction);
            let values = values.iter().map(text).collect();
            table.versions.push((values, transaction, None));
        });
        let refs: Vec<_> = values.iter().map(Value::as_ref).collect();
        self.store.update(handle, id, &refs, transaction)?;
        let again = self.store.delete(handle, id, transaction);
        assert!(matches!(again, Err(Error::NoSuchRow { .. })), "{again:?}");
        Ok(())
    }

    fn delete(&mut self, database: &str, handle: &Arc<TableHandle>) -> Result<()> {
        let Some((id, old)) = self.visible(handle)? else {
            return Ok(());
        };
        // Long varints of xmax make rows grow.
        let transaction = self.transaction << self.random.below(40);
        self.step(database, &handle.schema().name, |table| {
            end(table, &old, transaction);
        });
        self.store.delete(handle, id, transaction)?;
        if handle.schema().primary_key().is_some() {
            assert!(handle.read().find(&old[0].as_ref())?.is_none());
        }
        Ok(())
    }

    fn sequence(&mut self, database: &str, handle: &Arc<TableHandle>) -> Result<()> {
        let mut expected = 1;
        self.step(database, &handle.schema().name, |table| {
            match table.sequences.iter_mut().find(|(name, _)| name == "id") {
                Some((_, next)) => {
                    expected = *next;
                    *next += 1;
                }
                None => table.sequences.push(("id".into(), 2)),
            }
        });
        assert_eq!(self.store.next_value(handle, "id")?, expected);
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        // Table by table: a crash leaves some of them as before.
        for (database, tables) in self.store.tables() {
            for handle in tables {
                self.step(&database, &handle.schema().name, |table| {
                    table.versions.retain(|(.., xmax)| xmax.is_none());
                });
            }
        }
        self.store.compact()?;
        self.synced();
        let files = |again: &rustdb_migrate::engine::Compaction| {
            again.tables.iter().all(|table| !table.changed)
        };
        let again = self.store.compact()?;
        assert!(files(&again), "{again:?}");
        Ok(())
    }

    fn change_schema(&mut self, tables: &[(String, Vec<Arc<TableHandle>>)]) -> Result<()> {
        let roll = self.random.below(10);
        let number = self.random.below(4);
        if tables.is_empty() || roll == 0 {
            let name = format!("D/{number}");
            if self.model.contains_key(&name) {
                self.model.remove(&name);
                self.states.push(self.model.clone());
                self.store.drop_database(&name)?;
            } else {
                self.model.insert(name.clone(), BTreeMap::new());
                self.states.push(self.model.clone());
                self.store.create_database(&name)?;
            }
        } else {
            let at = self.random.below(tables.len() as u64) as usize;
            let database = tables[at].0.clone();
            let own = self.model.get_mut(&database).unwrap();
            let name = format!("t{number}");
            match (own.contains_key(&name), roll) {
                (true, 1) => {
                    own.remove(&name);
                    self.states.push(self.model.clone());
                    self.store.drop_table(&database, &name)?;
                }
                (true, _) => self.alter(&database, &name)?,
                (false, _) => {
                    let table = schema(&name, number != 3);
                    let model = TableModel {
                        columns: vec!["id".into(), "text".into()],
                        ..TableModel::default()
                    };
                    own.insert(name, Arc::new(model));
                    self.states.push(self.model.clone());
                    self.store.create_table(&database, table)?;
                }
            }
        }
        self.synced();
        Ok(())
    }

    /// Another name, or one more column.
    fn alter(&mut self, database: &str, name: &str) -> Result<()> {
        let handle = self.store.table(database, name).unwrap();
        let mut table = handle.schema().clone();
        table.sequences = handle.read().sequences().to_vec();
        let own = self.model.get_mut(database).unwrap();
        let more = table.columns.len() < 4;
        if more {
            let added = format!("c{}", table.columns.len());
            table.columns.push(Column::new(&added, DataType::Integer));
            let model = Arc::make_mut(own.get_mut(name).unwrap());
            model.columns.push(added);
            for (values, ..) in &mut model.versions {
                values.push(text(&Value::SmallInt(7)));
            }
        } else {
            table.name = format!("{name}x");
            if own.contains_key(&table.name) {
                return Ok(());
            }
            let model = own.remove(name).unwrap();
            own.insert(table.name.clone(), model);
        }
        self.states.push(self.model.clone());
        self.store
            .alter_table(database, name, table, |mut values| {
                if more {
                    values.push(Value::SmallInt(7));
                }
                values
            })?;
        Ok(())
    }
}

fn end(table: &mut TableModel, values: &[Value], transaction: u64) {
    let values: Vec<_> = values.iter().map(text).collect();
    let mut rows = table.versions.iter_mut();
    let row = rows.find(|(found, _, xmax)| xmax.is_none() && *found == values);
    row.expect("the model has every visible row").2 = Some(transaction);
}

/// Where stores are on the simulated disk.
pub fn root() -> &'static Path {
    Path::new("/data")
}
