//! What the format page asks of a snapshot beyond what bincode checks.

use std::collections::BTreeSet;

use super::model::{Database, Instance, Map, Operation, Row, Table, Value, WalEntry};

/// The first rule that a decoded instance breaks.
pub fn instance(instance: &Instance) -> Result<(), &'static str> {
    keyed(&instance.databases, |d| &d.name)?;
    keyed(&instance.database_metadata, |m| &m.name)?;
    keyed(&instance.users, |u| &u.username)?;
    keyed(&instance.roles.0, |r| &r.name)?;
    instance.databases.iter().try_for_each(|(_, d)| database(d))
}

/// The first rule that a decoded database breaks.
pub fn database(database: &Database) -> Result<(), &'static str> {
    keyed(&database.tables, |t| &t.name)?;
    keyed(&database.table_metadata.0, |m| &m.name)?;
    distinct(&database.enums)?;
    distinct(&database.views.0)?;
    for (_, t) in &database.tables {
        table(t)?;
    }
    Ok(())
}

/// The first rule that a decoded record breaks.
pub fn entry(entry: &WalEntry) -> Result<(), &'static str> {
    match &entry.operation {
        Operation::CreateTable(_, table) => table.rows.iter().try_for_each(uuids),
        Operation::Insert(_, row) | Operation::Update(_, _, row) => uuids(row),
        _ => Ok(()),
    }
}

fn table(table: &Table) -> Result<(), &'static str> {
    for row in &table.rows {
        if row.values.len() != table.columns.len() {
            return Err("arity");
        }
        uuids(row)?;
    }
    Ok(())
}

fn uuids(row: &Row) -> Result<(), &'static str> {
    let bad = |value: &Value| matches!(value, Value::Uuid(bytes) if bytes.len() != 16);
    if row.values.iter().any(bad) {
        return Err("a UUID of another length than 16");
    }
    Ok(())
}

fn distinct<T>(map: &Map<T>) -> Result<(), &'static str> {
    let mut seen = BTreeSet::new();
    if map.iter().all(|(key, _)| seen.insert(key)) {
        Ok(())
    } else {
        Err("a key twice")
    }
}

fn keyed<T>(map: &Map<T>, name: impl Fn(&T) -> &String) -> Result<(), &'static str> {
    if map.iter().any(|(key, value)| key != name(value)) {
        return Err("a key that differs from the name");
    }
    distinct(map)
}
