//! The values of one column of some rows, as a page holds them.

use parquet::basic::Type as Physical;

use crate::codec::push_text;
use crate::model::ValueRef;
use crate::postgres::{PgType, fits, integer, moment, unscaled};

use super::convert;
use super::kind::{FIXED_LEN, ParquetColumn, physical};

/// Bytes of the length before a value of any length.
pub(super) const LENGTH_LEN: usize = 4;

/// One column of some rows.
pub(super) struct ColumnValues {
    of: PgType,
    physical: Physical,
    /// What is not NULL, in the encoding PLAIN, but a byte for each truth value.
    bytes: Vec<u8>,
    /// Where each value ends, where they have any length.
    ends: Vec<usize>,
    /// 1 a row with a value, 0 a NULL; of a column that may hold NULL.
    levels: Option<Vec<u8>>,
}

impl ColumnValues {
    pub(super) fn new(column: &ParquetColumn) -> Self {
        ColumnValues {
            of: column.of.clone(),
            physical: physical(&column.of),
            bytes: Vec::new(),
            ends: Vec::new(),
            levels: (!column.required).then(Vec::new),
        }
    }

    /// Forgets the rows and keeps the room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
    }

    /// Takes a value; `None` for one that the column does not take.
    pub(super) fn push(&mut self, value: &ValueRef<'_>) -> Option<()> {
        let is_null = matches!(value, ValueRef::Null);
        match &mut self.levels {
            Some(levels) => levels.push(u8::from(!is_null)),
            None if is_null => return None,
            None => {}
        }
        if is_null {
            return Some(());
        }
        let out = &mut self.bytes;
        match self.physical {
            Physical::INT32 => {
                let number: i32 = match self.of {
                    PgType::Date => {
                        let moment = moment(value)?;
                        moment.time.is_none().then_some(moment.day)?
                    }
                    _ => i16::try_from(integer(value)?).ok()?.into(),
                };
                out.extend_from_slice(&number.to_le_bytes());
            }
            Physical::INT64 => {
                let number: i64 = match self.of {
                    PgType::BigInt => integer(value)?,
                    PgType::TimestampTz => moment(value)?.micros(),
                    PgType::Timestamp => moment(value).filter(|moment| !moment.utc)?.micros(),
                    PgType::Numeric(Some((precision, scale))) => {
                        unscaled(value, precision, scale)?.try_into().ok()?
                    }
                    _ => return None,
                };
                out.extend_from_slice(&number.to_le_bytes());
            }
            Physical::DOUBLE if fits(value, &self.of) => {
                out.extend_from_slice(&convert::double(value)?.to_le_bytes());
            }
            Physical::BOOLEAN => match value {
                ValueRef::Boolean(value) => out.push(u8::from(*value)),
                _ => return None,
            },
            Physical::FIXED_LEN_BYTE_ARRAY => match self.of {
                PgType::Numeric(Some((precision, scale))) => {
                    let unscaled = unscaled(value, precision, scale)?;
                    out.extend_from_slice(&unscaled.to_be_bytes());
                }
                _ if fits(value, &self.of) => out.extend_from_slice(&convert::uuid(value)?),
                _ => return None,
            },
            Physical::BYTE_ARRAY => {
                let start = out.len();
                out.extend_from_slice(&[0; LENGTH_LEN]);
                match self.of {
                    PgType::TextBytes => push_text(out, value),
                    _ if !fits(value, &self.of) => return None,
                    PgType::Bytea => convert::push_bytes(out, value)?,
                    _ => push_text(out, value),
                }
                let (len, bytes) = out.get_mut(start..)?.split_first_chunk_mut()?;
                *len = u32::try_from(bytes.len()).ok()?.to_le_bytes();
                self.ends.push(out.len());
            }
            _ => return None,
        }
        Some(())
    }

    /// The rows from one position to another.
    pub(super) fn rows(&self, (from, to): (usize, usize)) -> Values<'_> {
        let levels = self.levels.as_deref();
        let here = levels.map(|levels| levels.get(from..to).unwrap_or_default());
        let there = |levels: &[u8]| levels.iter().map(|level| usize::from(*level)).sum();
        let (start, end) = match (levels, here) {
            (Some(levels), Some(here)) => {
                let start: usize = there(levels.get(..from).unwrap_or_default());
                (start, start.saturating_add(there(here)))
            }
            _ => (from, to),
        };
        let width = match self.physical {
            Physical::INT32 => Some(4),
            Physical::INT64 | Physical::DOUBLE => Some(8),
            Physical::BOOLEAN => Some(1),
            Physical::FIXED_LEN_BYTE_ARRAY => Some(FIXED_LEN),
            _ => None,
        };
        let place = |at: usize| match (width, at.checked_sub(1)) {
            (Some(width), _) => at.saturating_mul(width),
            (None, None) => 0,
            (None, Some(last)) => self.ends.get(last).copied().unwrap_or(self.bytes.len()),
        };
        Values {
            count: end.saturating_sub(start),
            levels: here,
            offset: place(start),
            bytes: self.bytes.get(place(start)..place(end)).unwrap_or_default(),
            ends: self.ends.get(start..end).unwrap_or_default(),
            width,
        }
    }
}

/// Values that follow one another.
#[derive(Clone, Copy)]
pub(super) struct Values<'v> {
    /// How many are not NULL.
    pub(super) count: usize,
    /// 1 a row with a value, 0 a NULL; of a column that may hold NULL.
    pub(super) levels: Option<&'v [u8]>,
    /// What is not NULL, in the encoding PLAIN, but a byte for each truth value.
    pub(super) bytes: &'v [u8],
    offset: usize,
    /// Where each value ends, `offset` bytes too far, where they have any length.
    ends: &'v [usize],
    /// Bytes of each, where they have the same.
    width: Option<usize>,
}

impl<'v> Values<'v> {
    /// Calls `each` with the bytes of every value, the length of one of any length
    /// among them.
    pub(super) fn each(&self, mut each: impl FnMut(&'v [u8])) {
        match self.width {
            Some(width) => self.bytes.chunks_exact(width).for_each(each),
            None => {
                let mut start = 0;
                for end in self.ends {
                    let end = end.saturating_sub(self.offset);
                    each(self.bytes.get(start..end).unwrap_or_default());
                    start = end;
                }
            }
        }
    }
}
