//! The legacy files as plain serde structs, encoded and decoded by bincode.
//!
//! This is the oracle: it is written from the format page alone and shares no
//! code with the reader under test. Maps are vectors of pairs, which bincode
//! writes as it writes maps, so that the order is ours to choose.

use bincode::Options;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A schema family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V1_3,
    V1_4,
    V1_10,
    V2_3,
}

impl Family {
    pub const ALL: [Family; 4] = [Family::V1_3, Family::V1_4, Family::V1_10, Family::V2_3];

    pub fn name(self) -> &'static str {
        match self {
            Family::V1_3 => "1.3",
            Family::V1_4 => "1.4",
            Family::V1_10 => "1.10",
            Family::V2_3 => "2.3",
        }
    }
}

/// Runs `$body` with the constant `$f` standing for the family.
macro_rules! by_family {
    ($family:expr, $f:ident => $body:expr) => {
        match $family {
            Family::V1_3 => {
                const $f: usize = 0;
                $body
            }
            Family::V1_4 => {
                const $f: usize = 1;
                $body
            }
            Family::V1_10 => {
                const $f: usize = 2;
                $body
            }
            Family::V2_3 => {
                const $f: usize = 3;
                $body
            }
        }
    };
}

/// The family that has every field; what the tests hold in memory.
pub const FULL: usize = 3;

/// A field that is in the file only from family `FROM` on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Since<const FROM: usize, const FAMILY: usize, T>(pub T);

impl<const FROM: usize, const FAMILY: usize, T: Serialize> Serialize for Since<FROM, FAMILY, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if FAMILY >= FROM {
            self.0.serialize(serializer)
        } else {
            serializer.serialize_unit()
        }
    }
}

impl<'de, const FROM: usize, const FAMILY: usize, T: Deserialize<'de> + Default> Deserialize<'de>
    for Since<FROM, FAMILY, T>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if FAMILY >= FROM {
            T::deserialize(deserializer).map(Since)
        } else {
            Ok(Since(T::default()))
        }
    }
}

pub type Map<T> = Vec<(String, T)>;
pub type Set<T> = Vec<T>;

/// A value; the position of a variant is its tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    Null,
    SmallInt(i16),
    Integer(i64),
    /// The bits of a double: the same eight bytes, and a NaN equals itself.
    Real(u64),
    Numeric(String),
    Text(String),
    Char(String),
    Boolean(bool),
    Date(String),
    Timestamp(String),
    TimestampTz(String),
    Uuid(Vec<u8>),
    Json(String),
    Bytea(Vec<u8>),
    Enum(String, String),
}

/// A column type; the position of a variant is its tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataType {
    SmallInt,
    Integer,
    Real,
    Numeric { precision: u8, scale: u8 },
    Serial,
    BigSerial,
    Text,
    Varchar(u64),
    Char(u64),
    Boolean,
    Date,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Jsonb,
    Bytea,
    Enum(String, Vec<String>),
}

/// A privilege; the position of a variant is its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privilege {
    Connect,
    Create,
    Select,
    Insert,
    Update,
    Delete,
    All,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub values: Vec<Value>,
    pub xmin: u64,
    pub xmax: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column<const F: usize = FULL> {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub primary_key: bool,
    pub unique: Since<1, F, bool>,
    pub foreign_key: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table<const F: usize = FULL> {
    pub name: String,
    pub columns: Vec<Column<F>>,
    pub rows: Vec<Row>,
    pub sequences: Map<i64>,
    pub owner: Since<3, F, String>,
}

/// Owner and grants, of a database or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub name: String,
    pub owner: String,
    pub privileges: Map<Set<Privilege>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database<const F: usize = FULL> {
    pub name: String,
    pub tables: Map<Table<F>>,
    pub enums: Map<Vec<String>>,
    pub views: Since<2, F, Map<String>>,
    pub table_metadata: Since<3, F, Map<Metadata>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User<const F: usize = FULL> {
    pub username: String,
    pub password_hash: String,
    pub is_superuser: bool,
    pub can_create_db: bool,
    pub can_create_user: bool,
    pub roles: Since<3, F, Set<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub is_superuser: bool,
    pub can_create_db: bool,
    pub can_create_role: bool,
    pub members: Set<String>,
    pub member_of: Set<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instance<const F: usize = FULL> {
    pub databases: Map<Database<F>>,
    pub database_metadata: Map<Metadata>,
    pub users: Map<User<F>>,
    pub roles: Since<3, F, Map<Role>>,
}

/// A logged operation; the position of a variant is its tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation<const F: usize = FULL> {
    CreateTable(String, Table<F>),
    DropTable(String),
    Insert(String, Row),
    Update(String, u64, Row),
    Delete(String, u64),
    Checkpoint(u64),
    AddColumn(String, Column<F>),
    DropColumn(String, String),
    RenameColumn(String, String, String),
    RenameTable(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalEntry<const F: usize = FULL> {
    pub sequence: u64,
    pub timestamp: u64,
    pub operation: Operation<F>,
}

fn entries<A: Clone, B>(map: &Map<A>, convert: impl Fn(&A) -> B) -> Map<B> {
    map.iter().map(|(k, v)| (k.clone(), convert(v))).collect()
}

impl<const A: usize> Column<A> {
    fn to<const B: usize>(&self) -> Column<B> {
        Column {
            name: self.name.clone(),
            data_type: self.data_type.clone(),
            nullable: self.nullable,
            primary_key: self.primary_key,
            unique: Since(self.unique.0),
            foreign_key: self.foreign_key.clone(),
        }
    }
}

impl<const A: usize> Table<A> {
    fn to<const B: usize>(&self) -> Table<B> {
        Table {
            name: self.name.clone(),
            columns: self.columns.iter().map(Column::to).collect(),
            rows: self.rows.clone(),
            sequences: self.sequences.clone(),
            owner: Since(self.owner.0.clone()),
        }
    }
}

impl<const A: usize> Database<A> {
    fn to<const B: usize>(&self) -> Database<B> {
        Database {
            name: self.name.clone(),
            tables: entries(&self.tables, Table::to),
            enums: self.enums.clone(),
            views: Since(self.views.0.clone()),
            table_metadata: Since(self.table_metadata.0.clone()),
        }
    }
}

impl<const A: usize> User<A> {
    fn to<const B: usize>(&self) -> User<B> {
        User {
            username: self.username.clone(),
            password_hash: self.password_hash.clone(),
            is_superuser: self.is_superuser,
            can_create_db: self.can_create_db,
            can_create_user: self.can_create_user,
            roles: Since(self.roles.0.clone()),
        }
    }
}

impl<const A: usize> Instance<A> {
    fn to<const B: usize>(&self) -> Instance<B> {
        Instance {
            databases: entries(&self.databases, Database::to),
            database_metadata: self.database_metadata.clone(),
            users: entries(&self.users, User::to),
            roles: Since(self.roles.0.clone()),
        }
    }
}

impl<const A: usize> WalEntry<A> {
    fn to<const B: usize>(&self) -> WalEntry<B> {
        let operation = match self.operation.clone() {
            Operation::CreateTable(name, table) => Operation::CreateTable(name, table.to()),
            Operation::AddColumn(table, column) => Operation::AddColumn(table, column.to()),
            Operation::DropTable(name) => Operation::DropTable(name),
            Operation::Insert(table, row) => Operation::Insert(table, row),
            Operation::Update(table, index, row) => Operation::Update(table, index, row),
            Operation::Delete(table, index) => Operation::Delete(table, index),
            Operation::Checkpoint(timestamp) => Operation::Checkpoint(timestamp),
            Operation::DropColumn(table, column) => Operation::DropColumn(table, column),
            Operation::RenameColumn(table, old, new) => Operation::RenameColumn(table, old, new),
            Operation::RenameTable(old, new) => Operation::RenameTable(old, new),
        };
        WalEntry {
            sequence: self.sequence,
            timestamp: self.timestamp,
            operation,
        }
    }
}

/// Decodes the whole of `bytes`; bytes left over are an error.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> bincode::Result<T> {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .reject_trailing_bytes()
        .deserialize(bytes)
}

pub fn encode_instance(family: Family, instance: &Instance) -> Vec<u8> {
    by_family!(family, F => bincode::serialize(&instance.to::<F>()).unwrap())
}

pub fn decode_instance(family: Family, bytes: &[u8]) -> bincode::Result<Instance> {
    by_family!(family, F => decode::<Instance<F>>(bytes).map(|i| i.to()))
}

pub fn encode_database(family: Family, database: &Database) -> Vec<u8> {
    by_family!(family, F => bincode::serialize(&database.to::<F>()).unwrap())
}

pub fn decode_database(family: Family, bytes: &[u8]) -> bincode::Result<Database> {
    by_family!(family, F => decode::<Database<F>>(bytes).map(|d| d.to()))
}

/// One record, without its frame.
pub fn encode_entry(family: Family, entry: &WalEntry) -> Vec<u8> {
    by_family!(family, F => bincode::serialize(&entry.to::<F>()).unwrap())
}

pub fn decode_entry(family: Family, bytes: &[u8]) -> bincode::Result<WalEntry> {
    by_family!(family, F => decode::<WalEntry<F>>(bytes).map(|e| e.to()))
}

/// One record behind its length, as a segment holds it.
pub fn frame(family: Family, entry: &WalEntry) -> Vec<u8> {
    frame_bytes(&encode_entry(family, entry))
}

/// Any bytes behind their length.
pub fn frame_bytes(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    [&len.to_le_bytes(), bytes].concat()
}
