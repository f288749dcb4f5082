//! Random transactions of a store and of its model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustdb_migrate::codec::RowBuffer;
use rustdb_migrate::engine::{
    CreateOptions, Durability, Layout, LiveStore, Origin, RowName, StoreOptions, TableId,
    Transaction,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::model::{Column, DataType, RowBatch, RowStream, Table, Value, ValueRef};

use crate::model::{Model, TableModel, normal, of_changed, of_live, text};
use crate::random::Random;
use crate::sim_disk::SimDisk;

/// A store under test and its model.
pub struct Run {
    /// `None` once it ended.
    pub store: Option<LiveStore>,
    pub model: Model,
    /// Every state since the last that is durable, the oldest first; the last
    /// one is the model's.
    pub states: Vec<Model>,
    pub random: Random,
    pub key: i64,
}

/// The longest text, in bytes: some rows need overflow pages.
const WIDE: u64 = 20_000;
/// Most changes of one transaction.
const CHANGES: u64 = 6;

pub fn schema(name: &str, keyed: bool) -> Table {
    let id = match keyed {
        true => Column::key("id", DataType::Integer),
        false => Column::new("id", DataType::Integer),
    };
    Table::new(name, vec![id, Column::new("text", DataType::Text)])
}

pub fn origin() -> Origin {
    Origin {
        family: "2.3".into(),
        cluster_id: 5,
    }
}

/// A store of the table shop.users.
pub fn created(disk: &SimDisk, layout: Layout) -> (LiveStore, TableId) {
    let shared = disk.shared();
    let options = StoreOptions::default();
    let store = LiveStore::create_on(&shared, root(), layout.into(), &origin(), options);
    let mut store = store.unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("shop").unwrap();
    let table = tx.create_table("shop", schema("users", true)).unwrap();
    tx.commit(Durability::Sync).unwrap();
    (store, table)
}

/// Rows that come as a stream, all with one xmin.
pub struct Rows<'a> {
    rows: Option<&'a [Vec<Value>]>,
    xmin: u64,
    buffer: RowBuffer,
}

impl<'a> Rows<'a> {
    pub fn new(rows: &'a [Vec<Value>], xmin: u64) -> Self {
        Rows {
            rows: Some(rows),
            xmin,
            buffer: RowBuffer::default(),
        }
    }
}

impl RowStream for Rows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(rows) = self.rows.take().filter(|rows| !rows.is_empty()) else {
            return Ok(None);
        };
        for row in rows {
            self.buffer
                .push(row.iter().map(Value::as_ref), self.xmin, None);
        }
        Ok(Some(self.buffer.batch()))
    }
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
            store: Some(store),
            states: vec![model.clone()],
            model,
            random,
            key: 0,
        }
    }

    /// What a crash may leave is the last state from now on.
    pub fn synced(&mut self) {
        let last = self.states.pop().unwrap();
        self.states = vec![last];
    }

    fn store(&mut self) -> &mut LiveStore {
        self.store.as_mut().unwrap()
    }

    /// A random transaction, or what else is done to a store.
    ///
    /// # Errors
    /// What the store returns; the model may be one state ahead then.
    pub fn change(&mut self) -> Result<()> {
        match self.random.below(100) {
            0..4 => self.store().sync()?,
            4..8 => self.store().checkpoint()?,
            8..10 => return self.compact(),
            _ => return self.transact(),
        }
        self.synced();
        Ok(())
    }

    fn transact(&mut self) -> Result<()> {
        let mut tx = self.store.as_mut().unwrap().begin()?;
        let mut work = Work {
            tx: &mut tx,
            model: self.model.clone(),
            random: self.random.clone(),
            key: self.key,
            added: None,
            catalog: false,
        };
        let changes = 1 + work.random.below(CHANGES);
        let mut done = Ok(());
        for _ in 0..changes {
            if done.is_ok() {
                done = work.step();
            }
        }
        let (model, added, catalog) = (work.model, work.added, work.catalog);
        (self.random, self.key) = (work.random, work.key);
        done?;
        if self.random.chance(5) {
            assert!(
                of_changed(tx.view()?) == normal(&model),
                "what it did itself"
            );
        }
        if self.random.chance(20) {
            drop(tx);
            return self.dropped(added);
        }
        self.model = model;
        self.states.push(self.model.clone());
        let durability = match self.random.chance(60) {
            true => Durability::Group,
            false => Durability::Sync,
        };
        tx.commit(durability)?;
        if catalog || durability == Durability::Sync {
            self.synced();
        }
        Ok(())
    }

    /// Nothing of a transaction that was dropped is there, and no row by a name
    /// that it gave.
    fn dropped(&mut self, added: Option<RowName>) -> Result<()> {
        let check = self.random.chance(20);
        let store = self.store.as_mut().unwrap();
        store.view()?;
        if check {
            assert!(of_live(store) == normal(&self.model), "it was dropped");
        }
        let Some(name) = added else {
            return Ok(());
        };
        if let Ok(table) = store.table_of(name.table()) {
            let found = table.row(name);
            assert!(matches!(found, Err(Error::NoSuchRow { .. })), "{found:?}");
        }
        let mut tx = store.begin()?;
        let deleted = tx.delete(name);
        assert!(
            matches!(deleted, Err(Error::NoSuchRow { .. })),
            "{deleted:?}"
        );
        tx.commit(Durability::Group)
    }

    fn compact(&mut self) -> Result<()> {
        let mut names = BTreeMap::new();
        // Table by table: a crash leaves some of them as before.
        let databases = self.store().view()?.databases();
        let mut tables = Vec::new();
        for database in databases {
            for table in database.tables() {
                let at = (database.name().to_owned(), table.schema().name.clone());
                if let Some(row) = table.scan()?.next() {
                    names.insert(at.clone(), row?);
                }
                tables.push(at);
            }
        }
        for (database, table) in tables {
            let own = self.model.get_mut(&database).unwrap();
            let table = Arc::make_mut(own.get_mut(&table).unwrap());
            table.versions.retain(|(.., xmax)| xmax.is_none());
            self.states.push(self.model.clone());
        }
        let compaction = self.store().compact()?;
        self.synced();
        for table in compaction.tables {
            let at = (table.database, table.table);
            if let Some((name, row)) = names.remove(&at) {
                let found = self.store().table_of(name.table())?.row(name);
                match table.changed {
                    true => assert!(matches!(found, Err(Error::NoSuchRow { .. }))),
                    false => assert_eq!(found?, row),
                }
            }
        }
        let again = self.store().compact()?;
        assert!(again.tables.iter().all(|table| !table.changed), "{again:?}");
        Ok(())
    }
}

/// A transaction and its model.
struct Work<'t, 's> {
    tx: &'t mut Transaction<'s>,
    model: Model,
    random: Random,
    key: i64,
    /// A row that it added.
    added: Option<RowName>,
    /// Whether it changed more than rows.
    catalog: bool,
}

/// A table under test.
struct Chosen {
    database: String,
    table: String,
    id: TableId,
    keyed: bool,
    arity: usize,
}

impl Work<'_, '_> {
    /// One random change.
    fn step(&mut self) -> Result<()> {
        let mut all = Vec::new();
        for database in self.tx.view()?.databases() {
            all.extend(database.tables().map(|table| Chosen {
                database: database.name().to_owned(),
                table: table.schema().name.clone(),
                id: table.id(),
                keyed: table.schema().primary_key().is_some(),
                arity: table.schema().columns.len(),
            }));
        }
        if all.is_empty() || self.random.chance(2) {
            return self.change_schema(&all);
        }
        let chosen = &all[self.random.below(all.len() as u64) as usize];
        match self.random.below(100) {
            0..55 => self.insert(chosen),
            55..75 => self.update(chosen),
            75..90 => self.delete(chosen),
            90..99 => self.sequence(chosen),
            _ => self.load(chosen),
        }
    }

    fn table(&mut self, chosen: &Chosen) -> &mut TableModel {
        let tables = self.model.get_mut(&chosen.database).unwrap();
        Arc::make_mut(tables.get_mut(&chosen.table).unwrap())
    }

    fn values(&mut self, arity: usize) -> Vec<Value> {
        self.key += 1;
        let len = match self.random.below(20) {
            0 => self.random.below(WIDE),
            1..4 => self.random.below(2_000),
            _ => self.random.below(60),
        };
        let letter = char::from(b'a' + u8::try_from(self.key % 26).unwrap());
        let text = std::iter::repeat_n(letter, len as usize).collect();
        let mut values = vec![Value::Integer(self.key), Value::Text(text)];
        values.resize(arity, Value::Null);
        values
    }

    fn add(&mut self, chosen: &Chosen, values: &[Value]) {
        let transaction = self.tx.number();
        let values = values.iter().map(text).collect();
        self.table(chosen)
            .versions
            .push((values, transaction, None));
    }

    fn insert(&mut self, chosen: &Chosen) -> Result<()> {
        let values = self.values(chosen.arity);
        let refs: Vec<_> = values.iter().map(Value::as_ref).collect();
        self.added = Some(self.tx.insert(chosen.id, &refs)?);
        self.add(chosen, &values);
        if chosen.keyed {
            let again = self.tx.insert(chosen.id, &refs);
            assert!(matches!(again, Err(Error::KeyTaken { .. })), "{again:?}");
        }
        let short = self.tx.insert(chosen.id, &refs[1..]);
        assert!(matches!(short, Err(Error::WrongArity { .. })), "{short:?}");
        Ok(())
    }

    /// A visible row, found by its key or by looking through the table.
    fn visible(&mut self, chosen: &Chosen) -> Result<Option<(RowName, Vec<Value>)>> {
        let table = self.tx.table_of(chosen.id)?;
        let rows = table.scan()?.collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (name, row) = &rows[self.random.below(rows.len() as u64) as usize];
        if chosen.keyed {
            let found = table.find(&row.values[0].as_ref())?;
            assert_eq!(found, Some((*name, row.clone())));
            assert!(table.find(&ValueRef::Integer(-1))?.is_none());
        }
        Ok(Some((*name, row.values.clone())))
    }

    fn update(&mut self, chosen: &Chosen) -> Result<()> {
        let Some((name, old)) = self.visible(chosen)? else {
            return Ok(());
        };
        let mut values = self.values(chosen.arity);
        if self.random.chance(70) {
            values[0] = old[0].clone();
        }
        let transaction = self.tx.number();
        let refs: Vec<_> = values.iter().map(Value::as_ref).collect();
        self.tx.update(name, &refs)?;
        end(self.table(chosen), &old, transaction);
        self.add(chosen, &values);
        let again = self.tx.delete(name);
        assert!(matches!(again, Err(Error::NoSuchRow { .. })), "{again:?}");
        Ok(())
    }

    fn delete(&mut self, chosen: &Chosen) -> Result<()> {
        let Some((name, old)) = self.visible(chosen)? else {
            return Ok(());
        };
        // Long varints of xmax make rows grow.
        let (number, xmax) = (self.tx.number(), 300 << self.random.below(40));
        self.tx.set_number(xmax);
        self.tx.delete(name)?;
        self.tx.set_number(number);
        end(self.table(chosen), &old, xmax);
        if chosen.keyed {
            let found = self.tx.table_of(chosen.id)?.find(&old[0].as_ref())?;
            assert!(found.is_none());
        }
        Ok(())
    }

    fn sequence(&mut self, chosen: &Chosen) -> Result<()> {
        let next = self.tx.next_value(chosen.id, "id")?;
        let sequences = &mut self.table(chosen).sequences;
        match sequences.iter_mut().find(|(name, _)| name == "id") {
            Some((_, stored)) => {
                assert_eq!(*stored, next);
                *stored += 1;
            }
            None => {
                assert_eq!(next, 1);
                sequences.push(("id".into(), 2));
            }
        }
        Ok(())
    }

    fn load(&mut self, chosen: &Chosen) -> Result<()> {
        let mut rows = Vec::new();
        for _ in 0..self.random.below(5) {
            rows.push(self.values(chosen.arity));
        }
        let (number, stale) = (self.tx.number(), self.visible(chosen)?);
        self.catalog = true;
        let loaded = self.tx.load(chosen.id, &mut Rows::new(&rows, number))?;
        assert_eq!(loaded, rows.len() as u64);
        rows.iter().for_each(|row| self.add(chosen, row));
        if let Some((name, _)) = stale {
            let old = self.tx.delete(name);
            assert!(matches!(old, Err(Error::NoSuchRow { .. })), "{old:?}");
        }
        if chosen.keyed && !rows.is_empty() {
            key_taken(self.tx.load(chosen.id, &mut Rows::new(&rows, number)))?;
        }
        Ok(())
    }

    fn change_schema(&mut self, tables: &[Chosen]) -> Result<()> {
        let before = std::mem::replace(&mut self.catalog, true);
        let roll = self.random.below(10);
        let number = self.random.below(4);
        if self.model.is_empty() || roll == 0 {
            let name = format!("D/{number}");
            return match self.model.remove(&name) {
                Some(_) => self.tx.drop_database(&name),
                None => {
                    self.model.insert(name.clone(), BTreeMap::new());
                    self.tx.create_database(&name)
                }
            };
        }
        let at = self.random.below(self.model.len() as u64) as usize;
        let database = self.model.keys().nth(at).unwrap().clone();
        let name = format!("t{number}");
        let own = self.model.get_mut(&database).unwrap();
        match (own.contains_key(&name), roll) {
            (true, 1..4) => {
                own.remove(&name);
                self.tx.drop_table(&database, &name)
            }
            (true, _) => {
                let mut tables = tables.iter();
                let chosen = tables.find(|at| at.database == database && at.table == name);
                self.alter(chosen.unwrap(), before)
            }
            (false, _) => {
                let model = TableModel {
                    columns: vec!["id".into(), "text".into()],
                    ..TableModel::default()
                };
                own.insert(name.clone(), Arc::new(model));
                let created = self
                    .tx
                    .create_table(&database, schema(&name, number != 3))?;
                let again = self.tx.create_table(&database, schema(&name, true));
                assert!(matches!(again, Err(Error::NameTaken { .. })), "{again:?}");
                assert_eq!(self.tx.table(&database, &name)?.id(), created);
                Ok(())
            }
        }
    }

    /// Another name, or one more column.
    fn alter(&mut self, chosen: &Chosen, before: bool) -> Result<()> {
        let view = self.tx.table_of(chosen.id)?;
        let (mut table, visible) = (view.schema().clone(), view.live_count());
        let (database, name) = (&chosen.database, &chosen.table);
        if chosen.keyed && visible > 1 {
            let same = self
                .tx
                .alter_table(database, name, table.clone(), |mut values| {
                    values[0] = Value::Integer(0);
                    values
                });
            key_taken(same)?;
        }
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
                self.catalog = before;
                return Ok(());
            }
            let model = own.remove(name).unwrap();
            own.insert(table.name.clone(), model);
        }
        self.tx.alter_table(database, name, table, |mut values| {
            if more {
                values.push(Value::SmallInt(7));
            }
            values
        })?;
        let old = self.tx.table_of(chosen.id);
        assert!(matches!(old, Err(Error::TableMissing { .. })), "{old:?}");
        Ok(())
    }
}

/// A change is refused whose rows had to be written first, which may fail.
fn key_taken<T: std::fmt::Debug>(refused: Result<T>) -> Result<()> {
    match refused {
        Err(Error::KeyTaken { .. }) => Ok(()),
        Err(error @ Error::Io { .. }) => Err(error),
        other => panic!("{other:?}"),
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
