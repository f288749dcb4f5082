//! The values of one column, in the form of their physical type.

use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::{ParquetError, Result};

use crate::codec::push_text;
use crate::model::ValueRef;
use crate::postgres::{PgType, fits, integer, moment, unscaled};

use super::convert;

/// Digits of the longest decimal in 64 bits.
pub(super) const INT64_DIGITS: u8 = 18;

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

/// Values that are not NULL.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Boolean(Vec<bool>),
    Bytes(Texts),
    Fixed(Vec<FixedLenByteArray>),
}

/// Values of any length, one after the other until they are written.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    written: Vec<ByteArray>,
}

/// One column of some rows.
pub(super) struct ColumnValues {
    of: PgType,
    values: Values,
    /// 1 a row with a value, 0 a NULL; of a column that may hold NULL.
    levels: Option<Vec<i16>>,
}

impl ColumnValues {
    pub(super) fn new(column: &ParquetColumn) -> Self {
        let values = match &column.of {
            PgType::SmallInt | PgType::Date => Values::Int32(Vec::new()),
            PgType::BigInt | PgType::Timestamp | PgType::TimestampTz => Values::Int64(Vec::new()),
            PgType::Double => Values::Double(Vec::new()),
            PgType::Numeric(Some((precision, _))) if *precision <= INT64_DIGITS => {
                Values::Int64(Vec::new())
            }
            PgType::Numeric(Some(_)) | PgType::Uuid => Values::Fixed(Vec::new()),
            PgType::Boolean => Values::Boolean(Vec::new()),
            _ => Values::Bytes(Texts::default()),
        };
        ColumnValues {
            of: column.of.clone(),
            values,
            levels: (!column.required).then(Vec::new),
        }
    }

    pub(super) fn clear(&mut self) {
        match &mut self.values {
            Values::Int32(values) => values.clear(),
            Values::Int64(values) => values.clear(),
            Values::Double(values) => values.clear(),
            Values::Boolean(values) => values.clear(),
            Values::Fixed(values) => values.clear(),
            Values::Bytes(texts) => *texts = Texts::default(),
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
    }

    /// Takes a value; `None` for one that the column does not take.
    pub(super) fn push(&mut self, value: &ValueRef<'_>) -> Option<()> {
        let is_null = matches!(value, ValueRef::Null);
        match &mut self.levels {
            Some(levels) => levels.push(i16::from(!is_null)),
            None if is_null => return None,
            None => {}
        }
        if is_null {
            return Some(());
        }
        match &mut self.values {
            Values::Int32(values) => values.push(match self.of {
                PgType::Date => {
                    let moment = moment(value)?;
                    moment.time.is_none().then_some(moment.day)?
                }
                _ => i16::try_from(integer(value)?).ok()?.into(),
            }),
            Values::Int64(values) => values.push(match self.of {
                PgType::BigInt => integer(value)?,
                PgType::TimestampTz => moment(value)?.micros(),
                PgType::Timestamp => moment(value).filter(|moment| !moment.utc)?.micros(),
                PgType::Numeric(Some((precision, scale))) => {
                    unscaled(value, precision, scale)?.try_into().ok()?
                }
                _ => return None,
            }),
            Values::Double(values) if fits(value, &self.of) => values.push(convert::double(value)?),
            Values::Boolean(values) => match value {
                ValueRef::Boolean(value) => values.push(*value),
                _ => return None,
            },
            Values::Fixed(values) if fits(value, &self.of) => values.push(match self.of {
                PgType::Numeric(Some((precision, scale))) => {
                    let number = unscaled(value, precision, scale)?;
                    number.to_be_bytes().to_vec().into()
                }
                _ => convert::uuid(value)?.to_vec().into(),
            }),
            Values::Bytes(texts) => {
                match self.of {
                    PgType::TextBytes => push_text(&mut texts.bytes, value),
                    _ if !fits(value, &self.of) => return None,
                    PgType::Bytea => convert::push_bytes(&mut texts.bytes, value)?,
                    _ => push_text(&mut texts.bytes, value),
                }
                texts.ends.push(texts.bytes.len());
            }
            Values::Double(_) | Values::Fixed(_) => return None,
        }
        Some(())
    }

    /// Makes of the texts what the writer takes: each an allocation of its own,
    /// because the writer keeps the first of equal ones to the end of the row group.
    pub(super) fn seal(&mut self) {
        if let Values::Bytes(texts) = &mut self.values {
            let mut start = 0;
            texts.written = std::mem::take(&mut texts.ends)
                .into_iter()
                .map(|end| {
                    let text = texts.bytes.get(std::mem::replace(&mut start, end)..end);
                    ByteArray::from(text.unwrap_or_default().to_vec())
                })
                .collect();
            texts.bytes.clear();
        }
    }

    /// Writes the rows from one position to another, after [`seal`](Self::seal).
    pub(super) fn write(
        &self,
        (from, to): (usize, usize),
        writer: &mut ColumnWriter<'_>,
    ) -> Result<()> {
        let levels = self.levels.as_deref();
        let levels_here = levels.map(|levels| levels.get(from..to).unwrap_or_default());
        let there = |levels: &[i16]| levels.iter().filter(|level| **level == 1).count();
        let (start, end) = match (levels, levels_here) {
            (Some(levels), Some(here)) => {
                let start = there(levels.get(..from).unwrap_or_default());
                (start, start.saturating_add(there(here)))
            }
            _ => (from, to),
        };
        let rows = Rows {
            start,
            end,
            levels: levels_here,
        };
        match (&self.values, writer) {
            (Values::Int32(values), ColumnWriter::Int32ColumnWriter(out)) => {
                rows.write(values, out)
            }
            (Values::Int64(values), ColumnWriter::Int64ColumnWriter(out)) => {
                rows.write(values, out)
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(out)) => {
                rows.write(values, out)
            }
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(out)) => {
                rows.write(values, out)
            }
            (Values::Bytes(texts), ColumnWriter::ByteArrayColumnWriter(out)) => {
                rows.write(&texts.written, out)
            }
            (Values::Fixed(values), ColumnWriter::FixedLenByteArrayColumnWriter(out)) => {
                rows.write(values, out)
            }
            _ => Err(ParquetError::General("a column has another type".into())),
        }
    }
}

/// The rows that are written: their values, and which are NULL.
struct Rows<'l> {
    start: usize,
    end: usize,
    levels: Option<&'l [i16]>,
}

impl Rows<'_> {
    fn write<T: DataType>(&self, values: &[T::T], out: &mut ColumnWriterImpl<'_, T>) -> Result<()> {
        let values = values.get(self.start..self.end).unwrap_or_default();
        out.write_batch(values, self.levels, None).map(|_| ())
    }
}
