//! What a store must hold: plain vectors, changed by plain code.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_migrate::engine::{LiveStore, Store, TableView, View};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{Row, RowSource, RowStream, Value};

/// One row version: values, xmin, xmax.
pub type Version = (Vec<String>, u64, Option<u64>);

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableModel {
    pub columns: Vec<String>,
    pub versions: Vec<Version>,
    pub sequences: Vec<(String, i64)>,
}

/// Every database and table.
pub type Model = BTreeMap<String, BTreeMap<String, Arc<TableModel>>>;

/// A value as text that tells every tag and bit.
pub fn text(value: &Value) -> String {
    match value {
        Value::Real(real) => format!("Real {:x}", real.to_bits()),
        other => format!("{other:?}"),
    }
}

fn version(row: &Row) -> Version {
    (row.values.iter().map(text).collect(), row.xmin, row.xmax)
}

fn versions(mut rows: Box<dyn RowStream + '_>) -> Result<Vec<Version>> {
    let mut versions = Vec::new();
    while let Some(batch) = rows.next_batch()? {
        versions.extend(batch.rows().map(|row| version(&row.to_owned())));
    }
    Ok(versions)
}

impl TableModel {
    /// Rows have no order that counts.
    pub fn sorted(mut self) -> Self {
        self.versions.sort();
        self
    }
}

/// What a store holds, its rows sorted.
pub fn of_live(store: &LiveStore) -> Model {
    of_changed(store.view().unwrap())
}

/// What a store or a transaction shows, its rows sorted; every way to the rows
/// shows the same.
pub fn of_changed(view: View<'_>) -> Model {
    let table = |table: TableView<'_>| {
        let versions = versions(table.rows().unwrap()).unwrap();
        assert_eq!(versions.len() as u64, table.row_count());
        let visible = versions.iter().filter(|(.., xmax)| xmax.is_none());
        let visible: Vec<_> = visible.cloned().collect();
        assert_eq!(visible.len() as u64, table.live_count());
        let named: Vec<_> = table.scan().unwrap().map(Result::unwrap).collect();
        let scanned: Vec<_> = named.iter().map(|(_, row)| version(row)).collect();
        assert_eq!(scanned, visible);
        // A row alone is found slowly.
        for (name, row) in named.iter().step_by(9) {
            assert_eq!(&table.row(*name).unwrap(), row);
        }
        if table.schema().primary_key().is_some() && named.len() % 5 == 0 {
            ordered(table, named.iter().map(|(_, row)| key(row)).collect());
        }
        let columns = table.schema().columns.iter();
        let model = TableModel {
            columns: columns.map(|c| c.name.clone()).collect(),
            versions,
            sequences: table.schema().sequences.clone(),
        };
        (table.schema().name.clone(), Arc::new(model.sorted()))
    };
    view.databases()
        .map(|database| {
            (
                database.name().to_owned(),
                database.tables().map(table).collect(),
            )
        })
        .collect()
}

fn key(row: &Row) -> i64 {
    match row.values[0] {
        Value::Integer(key) => key,
        ref other => panic!("{other:?}"),
    }
}

/// Ranges of keys against the keys in order.
fn ordered(table: TableView<'_>, mut keys: Vec<i64>) {
    keys.sort_unstable();
    let read = |range: Vec<i64>, found: rustdb_migrate::engine::KeyRange<'_>| {
        let found: Vec<_> = found.map(|row| key(&row.unwrap().1)).collect();
        assert_eq!(found, range);
    };
    read(keys.clone(), table.range(..).unwrap());
    if let (Some(first), Some(last)) = (keys.first(), keys.last()) {
        let within = Value::Integer(first + 1)..Value::Integer(*last);
        let inner = keys.iter().filter(|key| *key > first && *key < last);
        read(inner.copied().collect(), table.range(within).unwrap());
    }
}

/// What a read-only view holds, its rows sorted.
pub fn of_view(store: &Store) -> Model {
    read_view(store).unwrap()
}

/// As [`of_view`], of a directory that may be damaged.
///
/// # Errors
/// What the rows' streams return.
pub fn read_view(store: &Store) -> Result<Model> {
    let mut model = Model::new();
    for (d, database) in store.catalog().databases.iter().enumerate() {
        let mut tables = BTreeMap::new();
        for (t, table) in database.tables.iter().enumerate() {
            let versions = versions(store.open_rows(d, t)?)?;
            assert_eq!(versions.len() as u64, store.row_count(d, t));
            let model = TableModel {
                columns: table.columns.iter().map(|c| c.name.clone()).collect(),
                versions,
                sequences: table.sequences.clone(),
            };
            tables.insert(table.name.clone(), Arc::new(model.sorted()));
        }
        model.insert(database.name.clone(), tables);
    }
    Ok(model)
}

/// A model as it compares: rows without order.
pub fn normal(model: &Model) -> Model {
    let sorted = |table: &Arc<TableModel>| Arc::new(TableModel::clone(table).sorted());
    let tables = |tables: &BTreeMap<String, Arc<TableModel>>| {
        tables
            .iter()
            .map(|(name, table)| (name.clone(), sorted(table)))
            .collect()
    };
    model
        .iter()
        .map(|(name, own)| (name.clone(), tables(own)))
        .collect()
}
