//! Column types, and which ones a column can have instead of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::model::DataType;

use super::quote_ident;

/// Characters of the longest VARCHAR and CHAR.
const MAX_CHARS: u64 = 10_485_760;
/// Digits of the longest NUMERIC that is declared with a precision.
const MAX_PRECISION: u8 = u8::MAX;
/// Bytes of the longest label of an enum type.
const MAX_LABEL_LEN: usize = 63;

/// An enum type as it is created.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Its name in PostgreSQL.
    pub name: String,
    /// Its labels, in order.
    pub labels: Vec<String>,
    /// The same, to be found: there can be as many as rows.
    known: BTreeSet<String>,
}

impl EnumType {
    /// A type of these labels.
    pub fn new(name: String, labels: Vec<String>) -> Self {
        let known = labels.iter().cloned().collect();
        EnumType {
            name,
            labels,
            known,
        }
    }

    /// Whether it has a label.
    pub fn has(&self, label: &str) -> bool {
        self.known.contains(label)
    }

    /// Why PostgreSQL cannot take these labels, if it cannot.
    pub fn refused(labels: &[String]) -> Option<&'static str> {
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort();
        if sorted.windows(2).any(|pair| pair.first() == pair.get(1)) {
            return Some("a label stands twice");
        }
        if labels.iter().any(|label| label.len() > MAX_LABEL_LEN) {
            return Some("a label is longer than 63 bytes");
        }
        let has_nul = labels.iter().any(|label| label.contains('\0'));
        has_nul.then_some("a label holds a NUL")
    }
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PgType {
    /// smallint.
    SmallInt,
    /// bigint.
    BigInt,
    /// double precision.
    Double,
    /// numeric, with precision and scale or without a bound.
    Numeric(Option<(u8, u8)>),
    /// text, of any length.
    Text,
    /// varchar(n).
    Varchar(u64),
    /// char(n).
    Char(u64),
    /// boolean: true or false.
    Boolean,
    /// date: a day.
    Date,
    /// timestamp, without a time zone.
    Timestamp,
    /// timestamp with time zone.
    TimestampTz,
    /// uuid: 16 bytes.
    Uuid,
    /// json: text that is checked.
    Json,
    /// jsonb: parsed, so that each key is there once.
    Jsonb,
    /// bytea: bytes, any number of them.
    Bytea,
    /// An enum type.
    Enum(Arc<EnumType>),
    /// REAL of SQLite, which knows no NaN and no zero below zero.
    SqliteReal,
    /// bytea that holds the text of each value in UTF-8: for texts that hold a
    /// NUL, which no type of text takes.
    TextBytes,
}

impl fmt::Display for PgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PgType::SmallInt => f.write_str("smallint"),
            PgType::BigInt => f.write_str("bigint"),
            PgType::Double => f.write_str("double precision"),
            PgType::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            PgType::Numeric(None) => f.write_str("numeric"),
            PgType::Text => f.write_str("text"),
            PgType::Varchar(n) => write!(f, "character varying({n})"),
            PgType::Char(n) => write!(f, "character({n})"),
            PgType::Boolean => f.write_str("boolean"),
            PgType::Date => f.write_str("date"),
            PgType::Timestamp => f.write_str("timestamp without time zone"),
            PgType::TimestampTz => f.write_str("timestamp with time zone"),
            PgType::Uuid => f.write_str("uuid"),
            PgType::Json => f.write_str("json"),
            PgType::Jsonb => f.write_str("jsonb"),
            PgType::Bytea | PgType::TextBytes => f.write_str("bytea"),
            PgType::SqliteReal => f.write_str("real"),
            PgType::Enum(of) => write!(f, "public.{}", quote_ident(&of.name)),
        }
    }
}

/// The types that a column can have, the closest first. The last takes every
/// value. `enum_type` is what a column of an enum type becomes, if that exists.
pub fn candidates(declared: &DataType, enum_type: Option<Arc<EnumType>>) -> Vec<PgType> {
    let mut types = match declared {
        DataType::SmallInt => vec![
            PgType::SmallInt,
            PgType::BigInt,
            PgType::Numeric(None),
            PgType::Double,
        ],
        DataType::Integer | DataType::Serial | DataType::BigSerial => {
            vec![PgType::BigInt, PgType::Numeric(None), PgType::Double]
        }
        DataType::Real => vec![PgType::Double, PgType::Numeric(None)],
        DataType::Numeric { precision, scale } => numeric(*precision, *scale),
        DataType::Text => Vec::new(),
        DataType::Varchar(n) => sized(*n, PgType::Varchar),
        DataType::Char(n) => sized(*n, PgType::Char),
        DataType::Boolean => vec![PgType::Boolean],
        DataType::Date => vec![PgType::Date, PgType::Timestamp, PgType::TimestampTz],
        DataType::Timestamp => vec![PgType::Timestamp, PgType::TimestampTz],
        DataType::TimestampTz => vec![PgType::TimestampTz],
        DataType::Uuid => vec![PgType::Uuid],
        DataType::Json => vec![PgType::Json],
        DataType::Jsonb => vec![PgType::Jsonb, PgType::Json],
        DataType::Bytea => vec![PgType::Bytea],
        DataType::Enum { .. } => enum_type.map(PgType::Enum).into_iter().collect(),
    };
    types.extend([PgType::Text, PgType::TextBytes]);
    types
}

/// As [`candidates`], for SQLite, whose text takes every value.
pub fn sqlite_candidates(declared: &DataType) -> Vec<PgType> {
    let mut types = match declared {
        DataType::SmallInt | DataType::Integer | DataType::Serial | DataType::BigSerial => {
            vec![PgType::BigInt, PgType::SqliteReal]
        }
        DataType::Real => vec![PgType::SqliteReal],
        DataType::Numeric { .. } => vec![PgType::SqliteReal, PgType::BigInt],
        DataType::Boolean => vec![PgType::Boolean],
        DataType::Bytea => vec![PgType::Bytea],
        _ => Vec::new(),
    };
    types.push(PgType::TextBytes);
    types
}

fn numeric(precision: u8, scale: u8) -> Vec<PgType> {
    let unbound = PgType::Numeric(None);
    match (1..=MAX_PRECISION).contains(&precision) && scale <= precision {
        true => vec![
            PgType::Numeric(Some((precision, scale))),
            unbound,
            PgType::Double,
        ],
        false => vec![unbound, PgType::Double],
    }
}

fn sized(chars: u64, of: fn(u64) -> PgType) -> Vec<PgType> {
    match (1..=MAX_CHARS).contains(&chars) {
        true => vec![of(chars)],
        false => Vec::new(),
    }
}
