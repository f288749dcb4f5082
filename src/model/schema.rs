//! Columns, their types, and tables without their rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The declared type of a column (format page, "Column types").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataType {
    /// SMALLINT.
    SmallInt,
    /// INTEGER and BIGINT.
    Integer,
    /// REAL and DOUBLE PRECISION.
    Real,
    /// NUMERIC(precision, scale).
    Numeric {
        /// Number of digits in all.
        precision: u8,
        /// Number of digits after the point.
        scale: u8,
    },
    /// SERIAL: an Integer whose default is drawn from a sequence.
    Serial,
    /// BIGSERIAL.
    BigSerial,
    /// TEXT, of any length.
    Text,
    /// VARCHAR(length), in characters.
    Varchar(u64),
    /// CHAR(length), in characters.
    Char(u64),
    /// BOOLEAN: true or false.
    Boolean,
    /// DATE: a day, kept as text.
    Date,
    /// TIMESTAMP: a moment without a time zone, kept as text.
    Timestamp,
    /// TIMESTAMP WITH TIME ZONE.
    TimestampTz,
    /// UUID: 16 bytes.
    Uuid,
    /// JSON, kept as text.
    Json,
    /// JSONB, whose values are kept as those of JSON are.
    Jsonb,
    /// BYTEA: bytes, any number of them.
    Bytea,
    /// An enum type, with its labels as they were when the column was made.
    Enum {
        /// Name of the enum type.
        name: String,
        /// Its labels, in order.
        labels: Vec<String>,
    },
}

impl DataType {
    /// Whether inserts draw defaults from a sequence.
    pub fn is_serial(&self) -> bool {
        matches!(self, DataType::Serial | DataType::BigSerial)
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DataType::SmallInt => f.write_str("SMALLINT"),
            DataType::Integer => f.write_str("INTEGER"),
            DataType::Real => f.write_str("REAL"),
            DataType::Numeric { precision, scale } => write!(f, "NUMERIC({precision},{scale})"),
            DataType::Serial => f.write_str("SERIAL"),
            DataType::BigSerial => f.write_str("BIGSERIAL"),
            DataType::Text => f.write_str("TEXT"),
            DataType::Varchar(n) => write!(f, "VARCHAR({n})"),
            DataType::Char(n) => write!(f, "CHAR({n})"),
            DataType::Boolean => f.write_str("BOOLEAN"),
            DataType::Date => f.write_str("DATE"),
            DataType::Timestamp => f.write_str("TIMESTAMP"),
            DataType::TimestampTz => f.write_str("TIMESTAMPTZ"),
            DataType::Uuid => f.write_str("UUID"),
            DataType::Json => f.write_str("JSON"),
            DataType::Jsonb => f.write_str("JSONB"),
            DataType::Bytea => f.write_str("BYTEA"),
            DataType::Enum { name, .. } => write!(f, "ENUM {name}"),
        }
    }
}

/// What a foreign key column points at, in the same database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The referenced table.
    pub table: String,
    /// The referenced column.
    pub column: String,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Unique in its table.
    pub name: String,
    /// Its declared type; the values' tags may differ.
    pub data_type: DataType,
    /// False for NOT NULL, which the server does not enforce.
    pub nullable: bool,
    /// Whether it is the primary key.
    pub primary_key: bool,
    /// UNIQUE; always false in family 1.3, which has no such field.
    pub unique: bool,
    /// REFERENCES, if any.
    pub foreign_key: Option<ForeignKey>,
}

impl Column {
    /// A column that may be NULL and is in no key.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Column {
            name: name.into(),
            data_type,
            nullable: true,
            primary_key: false,
            unique: false,
            foreign_key: None,
        }
    }

    /// The primary key.
    pub fn key(name: impl Into<String>, data_type: DataType) -> Self {
        Column {
            nullable: false,
            primary_key: true,
            ..Column::new(name, data_type)
        }
    }

    /// Whether the server refuses a second visible row of the same value.
    pub fn is_key(&self) -> bool {
        self.primary_key || self.unique
    }
}

/// A table without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name, unique in its database.
    pub name: String,
    /// Its columns, in value order.
    pub columns: Vec<Column>,
    /// Next value by column name, in file order.
    pub sequences: Vec<(String, i64)>,
    /// Owning user; `None` in families before 2.3, which have no such field.
    pub owner: Option<String>,
}

impl Table {
    /// A table without sequences and without an owner.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        Table {
            name: name.into(),
            columns,
            sequences: Vec::new(),
            owner: None,
        }
    }

    /// The position of a column.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The next values of all sequences: to look for each by itself would take as
    /// many steps as there are pairs of them. Of two of one name the first counts.
    pub fn sequences_by_name(&self) -> BTreeMap<&str, i64> {
        let sequences = self.sequences.iter().rev();
        sequences.map(|(name, next)| (&**name, *next)).collect()
    }

    /// The next value of a sequence.
    pub fn sequence(&self, column: &str) -> Option<i64> {
        let found = self.sequences.iter().find(|(name, _)| name == column);
        found.map(|(_, next)| *next)
    }

    /// The primary key column, if there is one.
    pub fn primary_key(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.primary_key)
    }
}
