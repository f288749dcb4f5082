//! Tables that the log fills and that no file describes: their CREATE TABLE was
//! not logged, or its segment is gone. Their rows are kept under made-up column
//! names, with types after the tags of their values.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding, counted};
use crate::legacy::{LegacyDir, WalRecord};
use crate::model::{Column, DataType, Operation, PackedRow, Table, TablesByName, ValueRef};
use crate::report::Report;

use super::attribution::{Decision, Missing};
use super::ground::{Ground, add_database, inserted, no_rows};
use super::request::Request;
use super::stored::Extra;

/// Adds the tables that records fill in a database that has none of that name,
/// where the user says that it is theirs; while salvaging also those of the
/// only database. Records before `unproven` tell where a table was made.
pub(super) fn make_up(
    legacy: &LegacyDir,
    ground: &mut Ground,
    request: &Request,
    unproven: usize,
    report: &mut Report,
) {
    let only = match ground.snapshot.catalog.databases.as_slice() {
        [only] if request.salvage && !matches!(ground.missing, Missing::Databases(1..)) => {
            Some(only.name.clone())
        }
        _ => None,
    };
    let mut rows_of: BTreeMap<(String, String), Vec<&PackedRow>> = BTreeMap::new();
    let tables = TablesByName::new(&ground.snapshot.catalog);
    for (record, name, row) in filled(legacy, ground, &tables, unproven) {
        let database = match request.decisions.of(record.sequence, name) {
            Some(Decision::Database(chosen)) => Some(chosen),
            Some(Decision::Quarantine) => None,
            None => only.as_ref().filter(|_| tables.named(name).is_empty()),
        };
        if let Some(database) = database {
            let of_table = rows_of.entry((database.clone(), name.to_owned()));
            of_table.or_default().push(row);
        }
    }
    for ((database, name), rows) in rows_of {
        let Some(arity) = rows.first().map(|row| row.arity()) else {
            continue;
        };
        let catalog = &mut ground.snapshot.catalog;
        if catalog.database_index(&database).is_none() {
            add_database(catalog, &database);
            ground.snapshot.rows.push(Vec::new());
        }
        let Some(index) = catalog.database_index(&database) else {
            continue;
        };
        let Some(extent) = no_rows(legacy, arity) else {
            continue;
        };
        let columns = (0..arity).map(|at| made_up_column(at, &rows)).collect();
        let owner = legacy.family.has_roles().then(|| "postgres".to_owned());
        let table = Table {
            name: name.clone(),
            columns,
            sequences: Vec::new(),
            owner,
        };
        let position = match catalog.databases.get_mut(index) {
            Some(database) if database.table_index(&name).is_none() => {
                database.tables.push(table);
                database.tables.len() - 1
            }
            _ => continue,
        };
        if let Some(extents) = ground.snapshot.rows.get_mut(index) {
            extents.push(extent);
        }
        // Otherwise the rows before the log are those of transactions, which are
        // told by how far indexes are shifted.
        let extra = Extra {
            indexes_unknown: request.salvage,
            ..Extra::default()
        };
        ground.extras.insert((index, position), extra);
        report.add(
            Finding::new(Code::SchemaLost)
                .database(database)
                .table(name)
                .detail(format!(
                    "{}, their types made up from its rows",
                    counted(arity, "column")
                )),
        );
    }
}

/// Records that fill a table that no record of the tail makes before, and that
/// no file describes or where a table may have been made without a record.
fn filled<'l>(
    legacy: &'l LegacyDir,
    ground: &Ground,
    tables: &TablesByName<'_>,
    unproven: usize,
) -> Vec<(&'l WalRecord, &'l str, &'l PackedRow)> {
    let mut made: BTreeSet<&str> = BTreeSet::new();
    let mut proven: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for at in &ground.cut.tail {
        let Some(record) = legacy.wal.records.get(*at) else {
            continue;
        };
        match &record.operation {
            Operation::CreateTable { table, .. } => {
                made.insert(table);
            }
            Operation::RenameTable { new, .. } => {
                made.insert(new);
            }
            _ => {
                let Some((table, row)) = inserted(record).filter(|(t, _)| !made.contains(t)) else {
                    continue;
                };
                if *at < unproven && !tables.named(table).is_empty() {
                    proven.insert(table);
                }
                if !proven.contains(table) {
                    found.push((record, table, row));
                }
            }
        }
    }
    found
}

fn made_up_column(at: usize, rows: &[&PackedRow]) -> Column {
    let mut values = rows.iter().filter_map(|row| row.value(at));
    let known = values.find(|value| !value.is_null());
    Column {
        name: format!("column_{}", at + 1),
        data_type: known.map_or(DataType::Text, |value| type_of(&value)),
        nullable: true,
        primary_key: false,
        unique: false,
        foreign_key: None,
    }
}

/// The type of column that such a value most likely came from. A literal with a
/// decimal point becomes a Numeric whatever its column is.
fn type_of(value: &ValueRef<'_>) -> DataType {
    match value {
        ValueRef::SmallInt(_) | ValueRef::Integer(_) => DataType::Integer,
        ValueRef::Real(_) | ValueRef::Numeric(_) => DataType::Real,
        ValueRef::Null | ValueRef::Text(_) => DataType::Text,
        ValueRef::Char(text) => DataType::Char(text.chars().count() as u64),
        ValueRef::Boolean(_) => DataType::Boolean,
        ValueRef::Date(_) => DataType::Date,
        ValueRef::Timestamp(_) => DataType::Timestamp,
        ValueRef::TimestampTz(_) => DataType::TimestampTz,
        ValueRef::Uuid(_) => DataType::Uuid,
        ValueRef::Json(_) => DataType::Json,
        ValueRef::Bytea(_) => DataType::Bytea,
        ValueRef::Enum { type_name, label } => DataType::Enum {
            name: (*type_name).to_owned(),
            labels: vec![(*label).to_owned()],
        },
    }
}
