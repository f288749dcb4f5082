//! What a column is: its name, its type, and the form of its values.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::Type;

use crate::postgres::PgType;

/// Digits of the longest decimal in 64 bits.
const INT64_DIGITS: u8 = 18;
/// Bytes of a longer one, and of a UUID.
pub(super) const FIXED_LEN: usize = 16;

/// A column of a file.
#[derive(Debug, Clone)]
pub struct ParquetColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: PgType,
    /// Whether it takes no NULL.
    pub required: bool,
    /// Whether no value stands twice: a dictionary of them would be in vain.
    pub distinct: bool,
}

/// A type in the words of the format.
pub fn parquet_type(of: &PgType) -> String {
    let word = match of {
        PgType::SmallInt => "INT32 (16 bits)",
        PgType::BigInt => "INT64",
        PgType::Double => "DOUBLE",
        PgType::Numeric(Some((precision, scale))) => {
            return format!("DECIMAL({precision},{scale})");
        }
        PgType::Boolean => "BOOLEAN",
        PgType::Date => "DATE",
        PgType::Timestamp => "TIMESTAMP(MICROS, local)",
        PgType::TimestampTz => "TIMESTAMP(MICROS, UTC)",
        PgType::Uuid => "UUID",
        PgType::Bytea => "BYTE_ARRAY",
        PgType::Jsonb => "JSON",
        _ => "STRING",
    };
    word.to_owned()
}

/// The form in which values of a type are stored.
pub(super) fn physical(of: &PgType) -> Physical {
    match of {
        PgType::SmallInt | PgType::Date => Physical::INT32,
        PgType::BigInt | PgType::Timestamp | PgType::TimestampTz => Physical::INT64,
        PgType::Double => Physical::DOUBLE,
        PgType::Numeric(Some((precision, _))) if *precision <= INT64_DIGITS => Physical::INT64,
        PgType::Numeric(Some(_)) | PgType::Uuid => Physical::FIXED_LEN_BYTE_ARRAY,
        PgType::Boolean => Physical::BOOLEAN,
        _ => Physical::BYTE_ARRAY,
    }
}

/// How a column is declared.
pub(super) fn field(column: &ParquetColumn) -> Result<Arc<Type>> {
    let logical = match &column.of {
        PgType::SmallInt => Some(LogicalType::integer(16, true)),
        PgType::BigInt => Some(LogicalType::integer(64, true)),
        PgType::Numeric(Some((precision, scale))) => {
            Some(LogicalType::decimal((*scale).into(), (*precision).into()))
        }
        PgType::Date => Some(LogicalType::Date),
        PgType::Timestamp | PgType::TimestampTz => {
            let is_utc = column.of == PgType::TimestampTz;
            Some(LogicalType::timestamp(is_utc, TimeUnit::MICROS))
        }
        PgType::Uuid => Some(LogicalType::Uuid),
        PgType::Jsonb => Some(LogicalType::Json),
        PgType::Double | PgType::Boolean | PgType::Bytea => None,
        _ => Some(LogicalType::String),
    };
    let repetition = match column.required {
        true => Repetition::REQUIRED,
        false => Repetition::OPTIONAL,
    };
    let physical = physical(&column.of);
    let mut field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical);
    if physical == Physical::FIXED_LEN_BYTE_ARRAY {
        field = field.with_length(i32::try_from(FIXED_LEN).unwrap_or(i32::MAX));
    }
    if let PgType::Numeric(Some((precision, scale))) = &column.of {
        let (precision, scale) = ((*precision).into(), (*scale).into());
        field = field.with_precision(precision).with_scale(scale);
    }
    Ok(Arc::new(field.build()?))
}
