//! The values of one column that wait for their row group.

use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::errors::Result;
use parquet::file::writer::SerializedColumnWriter;

use crate::codec::push_text;
use crate::model::ValueRef;
use crate::postgres::PgType;

use super::INT64_DIGITS;
use super::convert;

/// What a value of variable length takes beside its bytes.
const HEAD_LEN: usize = 32;

/// Values in the form of their physical type.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Boolean(Vec<bool>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

/// One column.
pub(super) struct Column {
    of: PgType,
    values: Values,
    /// 1 a row with a value, 0 a NULL.
    levels: Vec<i16>,
}

impl Column {
    pub(super) fn new(of: &PgType) -> Self {
        let values = match of {
            PgType::SmallInt | PgType::Date => Values::Int32(Vec::new()),
            PgType::BigInt | PgType::Timestamp | PgType::TimestampTz => Values::Int64(Vec::new()),
            PgType::Double => Values::Double(Vec::new()),
            PgType::Numeric(Some((precision, _))) if *precision <= INT64_DIGITS => {
                Values::Int64(Vec::new())
            }
            PgType::Numeric(Some(_)) | PgType::Uuid => Values::Fixed(Vec::new()),
            PgType::Boolean => Values::Boolean(Vec::new()),
            _ => Values::Bytes(Vec::new()),
        };
        Column {
            of: of.clone(),
            values,
            levels: Vec::new(),
        }
    }

    /// Takes a value; how many bytes of memory it needs, `None` for one that
    /// the type does not hold.
    pub(super) fn push(&mut self, value: &ValueRef<'_>) -> Option<usize> {
        if let ValueRef::Null = value {
            self.levels.push(0);
            return Some(size_of::<i16>());
        }
        let len = self.push_value(value)?;
        self.levels.push(1);
        Some(len)
    }

    fn push_value(&mut self, value: &ValueRef<'_>) -> Option<usize> {
        match &mut self.values {
            Values::Int32(values) => values.push(match self.of {
                PgType::Date => convert::days(value.as_text()?)?,
                _ => convert::integer(value)?.try_into().ok()?,
            }),
            Values::Int64(values) => values.push(match self.of {
                PgType::Numeric(Some((_, scale))) => {
                    convert::unscaled(value, scale)?.try_into().ok()?
                }
                PgType::Timestamp | PgType::TimestampTz => convert::micros(value.as_text()?)?,
                _ => convert::integer(value)?,
            }),
            Values::Double(values) => values.push(convert::double(value)?),
            Values::Boolean(values) => match value {
                ValueRef::Boolean(value) => values.push(*value),
                _ => return None,
            },
            Values::Fixed(values) => values.push(match self.of {
                PgType::Numeric(Some((_, scale))) => {
                    let unscaled = convert::unscaled(value, scale)?;
                    unscaled.to_be_bytes().to_vec().into()
                }
                _ => convert::uuid(value)?.to_vec().into(),
            }),
            Values::Bytes(values) => {
                let bytes = match self.of {
                    PgType::Bytea => convert::bytes(value)?,
                    _ => {
                        let mut text = Vec::new();
                        push_text(&mut text, value);
                        text
                    }
                };
                let len = bytes.len().saturating_add(HEAD_LEN);
                values.push(bytes.into());
                return Some(len);
            }
        }
        Some(HEAD_LEN)
    }

    /// Writes what was taken, and forgets it.
    pub(super) fn write(&mut self, out: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let levels = Some(self.levels.as_slice());
        match &mut self.values {
            Values::Int32(values) => {
                out.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Int64(values) => {
                out.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Double(values) => {
                out.typed::<DoubleType>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Boolean(values) => {
                out.typed::<BoolType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Bytes(values) => {
                out.typed::<ByteArrayType>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Fixed(values) => {
                let writer = out.typed::<FixedLenByteArrayType>();
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}
