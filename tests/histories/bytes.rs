//! The legacy bytes of a history, by bincode and serde: nothing of the crate's
//! own encoder.

use std::collections::BTreeMap;

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub enum Value {
    Null,
    SmallInt(i16),
    Integer(i64),
    Real(f64),
    Numeric(String),
    Text(String),
    Char(String),
    Boolean(bool),
    Date(String),
}

/// As the server compares: of numbers the value, whatever their scale.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        // Hundredths of millionths: no test writes more digits.
        fn decimal(text: &str) -> i128 {
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            format!("{whole}{part:0<8}").parse().unwrap()
        }
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::SmallInt(a), Value::SmallInt(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a == b,
            (Value::Numeric(a), Value::Numeric(b)) => decimal(a) == decimal(b),
            (Value::Text(a), Value::Text(b))
            | (Value::Char(a), Value::Char(b))
            | (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            _ => false,
        }
    }
}

impl Value {
    /// As the parser tags an integer literal.
    pub fn literal(n: i64) -> Self {
        i16::try_from(n).map_or(Value::Integer(n), Value::SmallInt)
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Value::SmallInt(n) => Some(i64::from(*n)),
            Value::Integer(n) => Some(*n),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub data_type: DataType,
    pub primary_key: bool,
    pub unique: bool,
    pub foreign_key: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub values: Vec<Value>,
    pub xmin: u64,
    pub xmax: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub sequences: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    CreateTable(String, Table),
    DropTable(String),
    Insert(String, Row),
    Update(String, u64, Row),
    Delete(String, u64),
    Checkpoint(u64),
    AddColumn(String, Column),
    DropColumn(String, String),
    RenameColumn(String, String, String),
    Rename(String, String),
}

pub type Databases = BTreeMap<String, BTreeMap<String, Table>>;

/// The fields that stand in a file, by the release that they came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V1_3,
    /// Columns say whether they are unique.
    V1_4,
    /// Databases have views.
    V1_10,
}

fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend(bincode::serialize(value).unwrap());
}

fn put_column(out: &mut Vec<u8>, column: &Column, family: Family) {
    put(out, &column.name);
    put(out, &column.data_type);
    put(out, &true);
    put(out, &column.primary_key);
    if family >= Family::V1_4 {
        put(out, &column.unique);
    }
    put(out, &column.foreign_key);
}

fn put_table(out: &mut Vec<u8>, table: &Table, family: Family) {
    put(out, &table.name);
    put(out, &(table.columns.len() as u64));
    table
        .columns
        .iter()
        .for_each(|column| put_column(out, column, family));
    put(out, &table.rows);
    put(out, &table.sequences);
}

pub fn snapshot(databases: &Databases, family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &(databases.len() as u64));
    for (name, tables) in databases {
        put(&mut out, &(name, name));
        put(&mut out, &(tables.len() as u64));
        for (name, table) in tables {
            put(&mut out, name);
            put_table(&mut out, table, family);
        }
        put(&mut out, &0u64);
        if family >= Family::V1_10 {
            put(&mut out, &0u64);
        }
    }
    // Neither grants nor users.
    put(&mut out, &(0u64, 0u64));
    out
}

/// One framed record; `time` is in unix seconds.
pub fn record(sequence: u64, time: u64, operation: &Operation, family: Family) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, &(sequence, time));
    match operation {
        Operation::CreateTable(name, table) => {
            put(&mut body, &(0u32, name));
            put_table(&mut body, table, family);
        }
        Operation::DropTable(name) => put(&mut body, &(1u32, name)),
        Operation::Insert(name, row) => put(&mut body, &(2u32, name, row)),
        Operation::Update(name, index, row) => put(&mut body, &(3u32, name, index, row)),
        Operation::Delete(name, index) => put(&mut body, &(4u32, name, index)),
        Operation::Checkpoint(time) => put(&mut body, &(5u32, time)),
        Operation::AddColumn(name, column) => {
            put(&mut body, &(6u32, name));
            put_column(&mut body, column, family);
        }
        Operation::DropColumn(name, column) => put(&mut body, &(7u32, name, column)),
        Operation::RenameColumn(name, old, new) => put(&mut body, &(8u32, name, old, new)),
        Operation::Rename(old, new) => put(&mut body, &(9u32, old, new)),
    }
    let mut out = (body.len() as u32).to_le_bytes().to_vec();
    out.extend(body);
    out
}
