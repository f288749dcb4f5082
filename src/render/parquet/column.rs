//! The values of one column, in the form of their physical type.

use bytes::Bytes;
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

/// Values of any length, one after the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The bytes, once no value is added any more.
    sealed: Bytes,
}

impl Texts {
    fn clear(&mut self) {
        // The next values take about as much.
        let len = self.sealed.len();
        self.sealed = Bytes::new();
        self.bytes = Vec::with_capacity(len);
        self.ends.clear();
    }

    /// Some of the values: parts of all bytes where the writer is done with them at
    /// once, or each an allocation of its own, where it keeps the first of equal ones
    /// to the end of the row group.
    fn values(&self, (from, to): (usize, usize), keeps: bool) -> Vec<ByteArray> {
        let before = from.checked_sub(1).and_then(|at| self.ends.get(at));
        let mut start = before.copied().unwrap_or_default();
        let ends = self.ends.get(from..to).unwrap_or_default();
        let values = ends.iter().map(|end| {
            let start = std::mem::replace(&mut start, *end);
            match keeps {
                true => {
                    let text = self.sealed.get(start..*end).unwrap_or_default();
                    ByteArray::from(text.to_vec())
                }
                false => ByteArray::from(self.sealed.slice(start..*end)),
            }
        });
        values.collect()
    }
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
            Values::Bytes(texts) => texts.clear(),
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

    /// To be called when all rows are there.
    pub(super) fn seal(&mut self) {
        if let Values::Bytes(texts) = &mut self.values {
            texts.sealed = std::mem::take(&mut texts.bytes).into();
        }
    }

    /// Writes the rows from one position to another, after [`seal`](Self::seal);
    /// `keeps` where the writer has a dictionary of values.
    pub(super) fn write(
        &self,
        (from, to): (usize, usize),
        writer: &mut ColumnWriter<'_>,
        keeps: bool,
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
                let values = texts.values((start, end), keeps);
                out.write_batch(&values, levels_here, None).map(|_| ())
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
