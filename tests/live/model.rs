//! What a store must hold: plain vectors, changed by plain code.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_migrate::engine::{LiveStore, Store};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{RowSource, RowStream, Value};

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

fn versions(mut rows: Box<dyn RowStream + '_>) -> Result<Vec<Version>> {
    let mut versions = Vec::new();
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            let row = row.to_owned();
            versions.push((row.values.iter().map(text).collect(), row.xmin, row.xmax));
        }
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
    let table = |handle: &Arc<rustdb_migrate::engine::TableHandle>| {
        let reader = handle.read();
        let versions = versions(reader.rows().unwrap()).unwrap();
        assert_eq!(versions.len() as u64, reader.row_count());
        let visible = versions.iter().filter(|(.., xmax)| xmax.is_none());
        let visible: Vec<_> = visible.cloned().collect();
        assert_eq!(visible.len() as u64, reader.live_count());
        let mut ids = Vec::new();
        reader.visible_ids(&mut |id| ids.push(id)).unwrap();
        assert_eq!(ids.len(), visible.len());
        // A row alone is found slowly.
        for (id, expected) in ids.into_iter().zip(&visible).step_by(9) {
            let row = reader.row(id).unwrap().expect("it has a name");
            let values: Vec<_> = row.values.iter().map(text).collect();
            assert_eq!(
                (&values, row.xmin, row.xmax),
                (&expected.0, expected.1, expected.2)
            );
        }
        let table = TableModel {
            columns: handle
                .schema()
                .columns
                .iter()
                .map(|c| c.name.clone())
                .collect(),
            versions,
            sequences: reader.sequences().to_vec(),
        };
        (handle.schema().name.clone(), Arc::new(table.sorted()))
    };
    let databases = store.tables().into_iter();
    databases
        .map(|(name, tables)| (name, tables.iter().map(table).collect()))
        .collect()
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
