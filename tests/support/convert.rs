//! What the tool read, in the oracle's types, so that both can be compared.

use std::path::Path;
use std::sync::Arc;

use rustdb_migrate::error::Result;
use rustdb_migrate::file::SourceFile;
use rustdb_migrate::legacy::{self, RowReader, Snapshot, WalRecord, scan_snapshot};
use rustdb_migrate::model as tool;
use rustdb_migrate::model::{Form, RowSource, RowStream, ValueRef};

use super::model::{
    Column, DataType, Database, Family, Instance, Map, Metadata, Operation, Privilege, Role, Row,
    Since, Table, User, Value, WalEntry,
};

/// The tool's name for a family.
pub fn tool_family(family: Family) -> legacy::Family {
    match family {
        Family::V1_3 => legacy::Family::V1_3,
        Family::V1_4 => legacy::Family::V1_4,
        Family::V1_10 => legacy::Family::V1_10,
        Family::V2_3 => legacy::Family::V2_3,
    }
}

/// The oracle's name for a family.
pub fn oracle_family(family: legacy::Family) -> Family {
    let mut all = Family::ALL.into_iter();
    all.find(|own| tool_family(*own) == family).unwrap()
}

pub fn value(value: &ValueRef<'_>) -> Value {
    match *value {
        ValueRef::Null => Value::Null,
        ValueRef::SmallInt(v) => Value::SmallInt(v),
        ValueRef::Integer(v) => Value::Integer(v),
        ValueRef::Real(v) => Value::Real(v.to_bits()),
        ValueRef::Numeric(v) => Value::Numeric(v.into()),
        ValueRef::Text(v) => Value::Text(v.into()),
        ValueRef::Char(v) => Value::Char(v.into()),
        ValueRef::Boolean(v) => Value::Boolean(v),
        ValueRef::Date(v) => Value::Date(v.into()),
        ValueRef::Timestamp(v) => Value::Timestamp(v.into()),
        ValueRef::TimestampTz(v) => Value::TimestampTz(v.into()),
        ValueRef::Uuid(v) => Value::Uuid(v.into()),
        ValueRef::Json(v) => Value::Json(v.into()),
        ValueRef::Bytea(v) => Value::Bytea(v.into()),
        ValueRef::Enum { type_name, label } => Value::Enum(type_name.into(), label.into()),
    }
}

fn owned(row: &tool::Row) -> Row {
    Row {
        values: row.values.iter().map(|v| value(&v.as_ref())).collect(),
        xmin: row.xmin,
        xmax: row.xmax,
    }
}

pub fn row(row: &tool::PackedRow) -> Row {
    Row {
        values: row.values().map(|v| value(&v)).collect(),
        xmin: row.xmin,
        xmax: row.xmax,
    }
}

fn data_type(data_type: &tool::DataType) -> DataType {
    match data_type {
        tool::DataType::SmallInt => DataType::SmallInt,
        tool::DataType::Integer => DataType::Integer,
        tool::DataType::Real => DataType::Real,
        tool::DataType::Numeric { precision, scale } => DataType::Numeric {
            precision: *precision,
            scale: *scale,
        },
        tool::DataType::Serial => DataType::Serial,
        tool::DataType::BigSerial => DataType::BigSerial,
        tool::DataType::Text => DataType::Text,
        tool::DataType::Varchar(len) => DataType::Varchar(*len),
        tool::DataType::Char(len) => DataType::Char(*len),
        tool::DataType::Boolean => DataType::Boolean,
        tool::DataType::Date => DataType::Date,
        tool::DataType::Timestamp => DataType::Timestamp,
        tool::DataType::TimestampTz => DataType::TimestampTz,
        tool::DataType::Uuid => DataType::Uuid,
        tool::DataType::Json => DataType::Json,
        tool::DataType::Jsonb => DataType::Jsonb,
        tool::DataType::Bytea => DataType::Bytea,
        tool::DataType::Enum { name, labels } => DataType::Enum(name.clone(), labels.clone()),
    }
}

fn column(column: &tool::Column) -> Column {
    let foreign_key = column.foreign_key.as_ref();
    Column {
        name: column.name.clone(),
        data_type: data_type(&column.data_type),
        nullable: column.nullable,
        primary_key: column.primary_key,
        unique: Since(column.unique),
        foreign_key: foreign_key.map(|key| (key.table.clone(), key.column.clone())),
    }
}

fn table(table: &tool::Table, rows: Vec<Row>) -> Table {
    Table {
        name: table.name.clone(),
        columns: table.columns.iter().map(column).collect(),
        rows,
        sequences: table.sequences.clone(),
        owner: Since(table.owner.clone().unwrap_or_default()),
    }
}

fn metadata(name: &str, owner: &str, privileges: &tool::PrivilegeMap) -> Metadata {
    let privilege = |p: &tool::Privilege| match p {
        tool::Privilege::Connect => Privilege::Connect,
        tool::Privilege::Create => Privilege::Create,
        tool::Privilege::Select => Privilege::Select,
        tool::Privilege::Insert => Privilege::Insert,
        tool::Privilege::Update => Privilege::Update,
        tool::Privilege::Delete => Privilege::Delete,
        tool::Privilege::All => Privilege::All,
    };
    let grant = |(user, set): &(String, Vec<tool::Privilege>)| {
        (user.clone(), set.iter().map(privilege).collect())
    };
    Metadata {
        name: name.into(),
        owner: owner.into(),
        privileges: privileges.iter().map(grant).collect(),
    }
}

fn user(user: &tool::User) -> User {
    User {
        username: user.name.clone(),
        password_hash: user.password_hash.clone(),
        is_superuser: user.is_superuser,
        can_create_db: user.can_create_db,
        can_create_user: user.can_create_user,
        roles: Since(user.roles.clone()),
    }
}

fn role(role: &tool::Role) -> Role {
    Role {
        name: role.name.clone(),
        is_superuser: role.is_superuser,
        can_create_db: role.can_create_db,
        can_create_role: role.can_create_role,
        members: role.members.clone(),
        member_of: role.member_of.clone(),
    }
}

fn map<A, B>(items: &[A], name: impl Fn(&A) -> &String, convert: impl Fn(&A) -> B) -> Map<B> {
    let pair = |item| (name(item).clone(), convert(item));
    items.iter().map(pair).collect()
}

/// Everything a snapshot holds, its rows streamed in batches.
pub fn instance(snapshot: &Snapshot) -> Result<Instance> {
    instance_of(&snapshot.catalog, &SnapshotRows(snapshot))
}

/// A catalog with its rows streamed in batches.
pub fn instance_of(catalog: &tool::Catalog, rows: &dyn RowSource) -> Result<Instance> {
    let mut databases = Vec::new();
    for (d, database) in catalog.databases.iter().enumerate() {
        let mut tables = Vec::new();
        for (t, head) in database.tables.iter().enumerate() {
            let announced = rows.row_count(d, t);
            let rows = stream(&mut *rows.open_rows(d, t)?)?;
            assert_eq!(rows.len() as u64, announced, "{}", head.name);
            tables.push((head.name.clone(), table(head, rows)));
        }
        let grants = |g: &tool::TableGrants| metadata(&g.table, &g.owner, &g.privileges);
        let converted = Database {
            name: database.name.clone(),
            tables,
            enums: database.enums.clone(),
            views: Since(database.views.clone()),
            table_metadata: Since(map(&database.table_grants, |g| &g.table, grants)),
        };
        databases.push((database.name.clone(), converted));
    }
    let grants = |g: &tool::DatabaseGrants| metadata(&g.database, &g.owner, &g.privileges);
    Ok(Instance {
        databases,
        database_metadata: map(&catalog.grants, |g| &g.database, grants),
        users: map(&catalog.users, |u| &u.name, user),
        roles: Since(map(&catalog.roles, |r| &r.name, role)),
    })
}

/// All rows of a stream, whose batches must not be empty.
pub fn stream(reader: &mut dyn RowStream) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        assert!(!batch.is_empty(), "a batch without rows");
        assert_eq!(batch.rows().count(), batch.len());
        rows.extend(batch.rows().map(|r| owned(&r.to_owned())));
    }
    Ok(rows)
}

/// A record in the oracle's types.
pub fn entry(record: &WalRecord) -> WalEntry {
    entry_of((record.sequence, record.timestamp, record.operation.clone()))
}

/// A record in the oracle's types, by its parts.
pub fn entry_of((sequence, timestamp, operation): (u64, u64, tool::Operation)) -> WalEntry {
    let owned = |name: Arc<str>| name.to_string();
    let operation = match operation {
        tool::Operation::CreateTable {
            table: name,
            schema,
            rows,
        } => Operation::CreateTable(owned(name), table(&schema, rows.iter().map(row).collect())),
        tool::Operation::DropTable { table } => Operation::DropTable(owned(table)),
        tool::Operation::Insert { table, row: r } => Operation::Insert(owned(table), row(&r)),
        tool::Operation::Update {
            table,
            index,
            row: r,
        } => Operation::Update(owned(table), index, row(&r)),
        tool::Operation::Delete { table, index } => Operation::Delete(owned(table), index),
        tool::Operation::Checkpoint { timestamp } => Operation::Checkpoint(timestamp),
        tool::Operation::AddColumn { table, column: c } => {
            Operation::AddColumn(owned(table), column(&c))
        }
        tool::Operation::DropColumn { table, column } => {
            Operation::DropColumn(owned(table), column)
        }
        tool::Operation::RenameColumn { table, old, new } => {
            Operation::RenameColumn(owned(table), old, new)
        }
        tool::Operation::RenameTable { old, new } => Operation::RenameTable(owned(old), new),
    };
    WalEntry {
        sequence,
        timestamp,
        operation,
    }
}

/// Scans the snapshot at `path`, of the instance form.
pub fn scan(path: &Path, forced: Option<Family>) -> Result<Snapshot> {
    let file = SourceFile::open(path)?;
    scan_snapshot(&file, &Form::Instance, forced.map(tool_family))
}

/// The rows of a snapshot, for writing it again.
pub struct SnapshotRows<'s>(pub &'s Snapshot);

impl RowSource for SnapshotRows<'_> {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.0.extent(database, table).unwrap().count
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let extent = self.0.extent(database, table).unwrap();
        Ok(Box::new(RowReader::new(extent)))
    }
}

/// A snapshot written again by the tool; database `only` in the single form.
pub fn reencode(snapshot: &Snapshot, only: Option<usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    legacy::SnapshotEncoder::new(&mut bytes, Path::new("out"), snapshot.family)
        .write(&snapshot.catalog, &SnapshotRows(snapshot), only)
        .unwrap();
    bytes
}
