//! Tables that the log fills and that no file describes: their CREATE TABLE was
//! not logged, or its segment is gone. Their rows are kept under made-up column
//! names, with types after the tags of their values.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::RowValues;
use crate::finding::{Code, Finding};
use crate::legacy::{LegacyDir, WalRecord};
use crate::model::{Column, DataType, Operation, PackedRow, Table, ValueRef};
use crate::report::Report;

use super::attribution::{Decision, Missing};
use super::ground::{Ground, add_database, inserted, no_rows};
use super::request::Request;
use super::stored::Extra;

/// Adds the tables that the tail needs and nobody describes. With several
/// databases only the user can say where such a table was.
pub(super) fn make_up(
    legacy: &LegacyDir,
    ground: &mut Ground,
    request: &Request,
    report: &mut Report,
) {
    let records: Vec<&WalRecord> = ground
        .cut
        .tail
        .iter()
        .filter_map(|at| legacy.wal.records.get(*at))
        .collect();
    for (name, rows) in undescribed(&records, ground) {
        let Some(arity) = rows.first().map(|row| row.arity()) else {
            continue;
        };
        let catalog = &mut ground.snapshot.catalog;
        let database = match (
            request.decisions.by_table.get(&name),
            catalog.databases.as_slice(),
        ) {
            (Some(Decision::Database(chosen)), _) => chosen.clone(),
            (_, [only]) if !matches!(ground.missing, Missing::Databases(1..)) => only.name.clone(),
            _ => continue,
        };
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
            Some(database) => {
                database.tables.push(table);
                database.tables.len() - 1
            }
            None => continue,
        };
        if let Some(extents) = ground.snapshot.rows.get_mut(index) {
            extents.push(extent);
        }
        let extra = Extra {
            indexes_unknown: true,
            ..Extra::default()
        };
        ground.extras.insert((index, position), extra);
        report.add(
            Finding::new(Code::SchemaLost)
                .database(database)
                .table(name)
                .detail(format!(
                    "{arity} columns and their types were made up from its rows"
                )),
        );
    }
}

/// Tables that records fill before any record creates them, with those rows.
fn undescribed<'r>(
    records: &[&'r WalRecord],
    ground: &Ground,
) -> BTreeMap<String, Vec<&'r PackedRow>> {
    let tables = ground
        .snapshot
        .catalog
        .databases
        .iter()
        .flat_map(|database| &database.tables);
    let mut described: BTreeSet<&str> = tables.map(|table| table.name.as_str()).collect();
    let mut found: BTreeMap<String, Vec<&PackedRow>> = BTreeMap::new();
    for record in records {
        match &record.operation {
            Operation::CreateTable { table, .. } => {
                described.insert(table);
            }
            Operation::RenameTable { new, .. } => {
                described.insert(new);
            }
            _ => {
                if let Some((table, row)) = inserted(record).filter(|(t, _)| !described.contains(t))
                {
                    found.entry(table.to_owned()).or_default().push(row);
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
