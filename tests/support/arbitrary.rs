//! Random catalogs, rows and records.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::model::{
    Column, DataType, Database, Family, Instance, Map, Metadata, Operation, Privilege, Role, Row,
    Since, Table, User, Value, WalEntry,
};

pub fn family() -> impl Strategy<Value = Family> {
    prop::sample::select(&Family::ALL[..])
}

/// Short names, hostile ones among them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c]{1,2}", 1 => ".{0,4}", 1 => Just(String::new()), 1 => "[./\\\\\0]{1,3}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        ".{0,12}",
        "[\0-\u{7f}]{0,8}",
        Just("\u{10ffff}".to_string())
    ]
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i16>().prop_map(Value::SmallInt),
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Real),
        text().prop_map(Value::Numeric),
        text().prop_map(Value::Text),
        text().prop_map(Value::Char),
        any::<bool>().prop_map(Value::Boolean),
        text().prop_map(Value::Date),
        text().prop_map(Value::Timestamp),
        text().prop_map(Value::TimestampTz),
        any::<[u8; 16]>().prop_map(|bytes| Value::Uuid(bytes.to_vec())),
        text().prop_map(Value::Json),
        vec(any::<u8>(), 0..12).prop_map(Value::Bytea),
        (text(), text()).prop_map(|(name, label)| Value::Enum(name, label)),
    ]
}

fn data_type() -> impl Strategy<Value = DataType> {
    use DataType::*;
    let plain = [
        SmallInt,
        Integer,
        Real,
        Serial,
        BigSerial,
        Text,
        Boolean,
        Date,
        Timestamp,
        TimestampTz,
        Uuid,
        Json,
        Jsonb,
        Bytea,
    ];
    prop_oneof![
        6 => prop::sample::select(plain.to_vec()),
        1 => any::<(u8, u8)>().prop_map(|(precision, scale)| Numeric { precision, scale }),
        1 => any::<u64>().prop_map(Varchar),
        1 => any::<u64>().prop_map(Char),
        1 => (name(), vec(text(), 0..3)).prop_map(|(name, labels)| Enum(name, labels)),
    ]
}

fn column() -> impl Strategy<Value = Column> {
    let flags = any::<(bool, bool, bool)>();
    let parts = (name(), data_type(), flags, option::of((name(), name())));
    parts.prop_map(|(name, data_type, flags, foreign_key)| Column {
        name,
        data_type,
        nullable: flags.0,
        primary_key: flags.1,
        unique: Since(flags.2),
        foreign_key,
    })
}

pub fn row(arity: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Row> {
    let parts = (vec(value(), arity), any::<u64>(), option::of(any::<u64>()));
    parts.prop_map(|(values, xmin, xmax)| Row { values, xmin, xmax })
}

fn table() -> impl Strategy<Value = Table> {
    let rows = |columns: Vec<Column>| {
        let rows = vec(row(columns.len()), 0..4);
        (Just(columns), rows)
    };
    let sequences = vec((name(), any::<i64>()), 0..3);
    let parts = (
        name(),
        vec(column(), 0..4).prop_flat_map(rows),
        sequences,
        name(),
    );
    parts.prop_map(|(name, (columns, rows), sequences, owner)| Table {
        name,
        columns,
        rows,
        sequences,
        owner: Since(owner),
    })
}

/// A map of distinct keys in random order.
fn map<T: Clone + std::fmt::Debug>(
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = Map<T>> {
    let pairs = btree_map(name(), values, 0..3);
    pairs
        .prop_map(|map| map.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

/// As [`map`], and each value repeats its key as its name.
fn keyed<T: Clone + std::fmt::Debug>(
    values: impl Strategy<Value = T>,
    name: fn(&mut T) -> &mut String,
) -> impl Strategy<Value = Map<T>> {
    map(values).prop_map(move |mut map| {
        map.iter_mut()
            .for_each(|(key, value)| name(value).clone_from(key));
        map
    })
}

fn privilege() -> impl Strategy<Value = Privilege> {
    use Privilege::*;
    prop::sample::select(&[Connect, Create, Select, Insert, Update, Delete, All][..])
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let parts = (name(), vec((name(), vec(privilege(), 0..4)), 0..3));
    parts.prop_map(|(owner, privileges)| Metadata {
        name: String::new(),
        owner,
        privileges,
    })
}

pub fn database() -> impl Strategy<Value = Database> {
    let parts = (
        name(),
        keyed(table(), |t| &mut t.name),
        map(vec(text(), 0..3)),
        map(text()),
        keyed(metadata(), |m| &mut m.name),
    );
    parts.prop_map(|(name, tables, enums, views, grants)| Database {
        name,
        tables,
        enums,
        views: Since(views),
        table_metadata: Since(grants),
    })
}

fn user() -> impl Strategy<Value = User> {
    let parts = (text(), any::<(bool, bool, bool)>(), vec(name(), 0..3));
    parts.prop_map(|(password_hash, flags, roles)| User {
        username: String::new(),
        password_hash,
        is_superuser: flags.0,
        can_create_db: flags.1,
        can_create_user: flags.2,
        roles: Since(roles),
    })
}

fn role() -> impl Strategy<Value = Role> {
    let parts = (
        any::<(bool, bool, bool)>(),
        vec(name(), 0..3),
        vec(name(), 0..3),
    );
    parts.prop_map(|(flags, members, member_of)| Role {
        name: String::new(),
        is_superuser: flags.0,
        can_create_db: flags.1,
        can_create_role: flags.2,
        members,
        member_of,
    })
}

pub fn instance() -> impl Strategy<Value = Instance> {
    let parts = (
        keyed(database(), |d| &mut d.name),
        keyed(metadata(), |m| &mut m.name),
        keyed(user(), |u| &mut u.username),
        keyed(role(), |r| &mut r.name),
    );
    parts.prop_map(|(databases, database_metadata, users, roles)| Instance {
        databases,
        database_metadata,
        users,
        roles: Since(roles),
    })
}

pub fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (name(), table()).prop_map(|(name, table)| Operation::CreateTable(name, table)),
        name().prop_map(Operation::DropTable),
        (name(), row(0..5)).prop_map(|(table, row)| Operation::Insert(table, row)),
        (name(), any::<u64>(), row(0..5)).prop_map(|(t, i, row)| Operation::Update(t, i, row)),
        (name(), any::<u64>()).prop_map(|(table, index)| Operation::Delete(table, index)),
        any::<u64>().prop_map(Operation::Checkpoint),
        (name(), column()).prop_map(|(table, column)| Operation::AddColumn(table, column)),
        (name(), name()).prop_map(|(table, column)| Operation::DropColumn(table, column)),
        (name(), name(), name()).prop_map(|(t, old, new)| Operation::RenameColumn(t, old, new)),
        (name(), name()).prop_map(|(old, new)| Operation::RenameTable(old, new)),
    ]
}

/// So many records in sequence, from a random one on.
pub fn log(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<WalEntry>> {
    let parts = (0..1u64 << 40, vec((any::<u64>(), operation()), count));
    parts.prop_map(|(first, records)| {
        let entries = (first..)
            .zip(records)
            .map(|(sequence, (timestamp, operation))| WalEntry {
                sequence,
                timestamp,
                operation,
            });
        entries.collect()
    })
}
