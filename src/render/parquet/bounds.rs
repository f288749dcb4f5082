//! The least and the largest value of a column, as its statistics say them.

use parquet::basic::Type as Physical;
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::values::{LENGTH_LEN, Values};

/// Bytes of the longest text that statistics hold: readers compare it only.
const MAX_LEN: usize = 256;

/// The ends of the values so far, in the order of their type.
pub(super) enum Bounds {
    Int32(Ends<i32>),
    Int64(Ends<i64>),
    /// NaN is between no two numbers.
    Double(Ends<f64>),
    Boolean(Ends<bool>),
    Bytes(Ends<Vec<u8>>),
    Decimal(Ends<i128>),
    Uuid(Ends<[u8; 16]>),
    /// An end is too long.
    None,
}

/// The least and the largest, of those that there are.
pub(super) struct Ends<T>(Option<(T, T)>);

impl<T: PartialOrd + Copy> Ends<T> {
    fn add(&mut self, value: T) {
        match &mut self.0 {
            Some((least, most)) => {
                if value < *least {
                    *least = value;
                }
                if value > *most {
                    *most = value;
                }
            }
            None => self.0 = Some((value, value)),
        }
    }

    fn add_all<const N: usize>(&mut self, values: &Values<'_>, read: impl Fn([u8; N]) -> T) {
        let (chunks, _) = values.bytes.as_chunks::<N>();
        chunks.iter().for_each(|chunk| self.add(read(*chunk)));
    }
}

impl Bounds {
    /// No value yet; `is_uuid` tells what 16 bytes are.
    pub(super) fn new(physical: Physical, is_uuid: bool) -> Self {
        match physical {
            Physical::INT32 => Bounds::Int32(Ends(None)),
            Physical::INT64 => Bounds::Int64(Ends(None)),
            Physical::DOUBLE => Bounds::Double(Ends(None)),
            Physical::BOOLEAN => Bounds::Boolean(Ends(None)),
            Physical::BYTE_ARRAY => Bounds::Bytes(Ends(None)),
            Physical::FIXED_LEN_BYTE_ARRAY if is_uuid => Bounds::Uuid(Ends(None)),
            Physical::FIXED_LEN_BYTE_ARRAY => Bounds::Decimal(Ends(None)),
            _ => Bounds::None,
        }
    }

    /// Looks at values.
    pub(super) fn add(&mut self, values: &Values<'_>) {
        match self {
            Bounds::Int32(ends) => ends.add_all(values, i32::from_le_bytes),
            Bounds::Int64(ends) => ends.add_all(values, i64::from_le_bytes),
            Bounds::Boolean(ends) => ends.add_all(values, |[byte]| byte == 1),
            Bounds::Decimal(ends) => ends.add_all(values, i128::from_be_bytes),
            Bounds::Uuid(ends) => ends.add_all(values, |bytes: [u8; 16]| bytes),
            Bounds::Double(ends) => values.each(|bytes| {
                let value = bytes.first_chunk().copied().map(f64::from_le_bytes);
                if let Some(value) = value.filter(|value| !value.is_nan()) {
                    ends.add(value);
                }
            }),
            Bounds::Bytes(Ends(ends)) => {
                let mut too_long = false;
                values.each(|bytes| {
                    let bytes = bytes.get(LENGTH_LEN..).unwrap_or_default();
                    let end = match ends {
                        Some((least, _)) if bytes < least.as_slice() => Some(least),
                        Some((_, most)) if bytes > most.as_slice() => Some(most),
                        Some(_) => return,
                        None => None,
                    };
                    too_long |= bytes.len() > MAX_LEN;
                    match end {
                        _ if too_long => {}
                        Some(end) => {
                            end.clear();
                            end.extend_from_slice(bytes);
                        }
                        None => *ends = Some((bytes.to_vec(), bytes.to_vec())),
                    }
                });
                if too_long {
                    *self = Bounds::None;
                }
            }
            Bounds::None => {}
        }
    }

    /// What is said of the column, `nulls` of whose rows have no value.
    pub(super) fn statistics(self, nulls: u64) -> Statistics {
        let fixed = |bytes: [u8; 16]| FixedLenByteArray::from(bytes.to_vec());
        match self {
            Bounds::Int32(Ends(ends)) => said::<Int32Type>(ends, nulls, true),
            Bounds::Int64(Ends(ends)) => said::<Int64Type>(ends, nulls, true),
            Bounds::Double(Ends(ends)) => {
                // Both zeros are between them, whichever were there.
                let ends = ends.map(|(least, most)| {
                    let low = if least == 0.0 { -0.0 } else { least };
                    (low, if most == 0.0 { 0.0 } else { most })
                });
                said::<DoubleType>(ends, nulls, true)
            }
            Bounds::Boolean(Ends(ends)) => said::<BoolType>(ends, nulls, false),
            Bounds::Bytes(Ends(ends)) => {
                let ends = ends.map(|(least, most)| (least.into(), most.into()));
                said::<ByteArrayType>(ends, nulls, false)
            }
            Bounds::Decimal(Ends(ends)) => {
                let ends = ends.map(|(a, b)| (fixed(a.to_be_bytes()), fixed(b.to_be_bytes())));
                said::<FixedLenByteArrayType>(ends, nulls, true)
            }
            Bounds::Uuid(Ends(ends)) => {
                let ends = ends.map(|(least, most)| (fixed(least), fixed(most)));
                said::<FixedLenByteArrayType>(ends, nulls, false)
            }
            Bounds::None => said::<ByteArrayType>(None, nulls, false),
        }
    }
}

/// `signed`: readers of the first versions know the order too.
fn said<D: DataType>(ends: Option<(D::T, D::T)>, nulls: u64, signed: bool) -> Statistics
where
    Statistics: From<ValueStatistics<D::T>>,
{
    let (least, most) = ends.unzip();
    ValueStatistics::new(least, most, None, Some(nulls), false)
        .with_backwards_compatible_min_max(signed)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueRef;
    use crate::postgres::PgType;
    use crate::render::parquet::kind::{ParquetColumn, physical};
    use crate::render::parquet::values::ColumnValues;

    fn bounds(of: PgType, all: &[ValueRef<'_>]) -> Statistics {
        let mut bounds = Bounds::new(physical(&of), of == PgType::Uuid);
        let column = ParquetColumn {
            name: "c".into(),
            of,
            required: false,
            distinct: false,
        };
        for some in all.chunks(2) {
            let mut values = ColumnValues::new(&column);
            some.iter().for_each(|one| values.push(one).unwrap());
            bounds.add(&values.rows((0, some.len())));
        }
        bounds.statistics(1)
    }

    #[test]
    fn every_zero_is_between_the_ends_and_nan_is_no_end() {
        let real = ValueRef::Real;
        let found = bounds(PgType::Double, &[real(0.0), real(f64::NAN), ValueRef::Null]);
        assert_eq!(found.min_bytes_opt(), Some(&(-0.0_f64).to_le_bytes()[..]));
        assert_eq!(found.max_bytes_opt(), Some(&0.0_f64.to_le_bytes()[..]));
        let found = bounds(PgType::Double, &[real(f64::NAN)]);
        assert_eq!(
            (found.min_bytes_opt(), found.null_count_opt()),
            (None, Some(1))
        );
    }

    #[test]
    fn an_end_that_is_too_long_is_not_said() {
        let long = "m".repeat(MAX_LEN + 1);
        let text = ValueRef::Text;
        let found = bounds(PgType::TextBytes, &[text("a"), text("z"), text(&long)]);
        assert_eq!(found.min_bytes_opt(), Some(&b"a"[..]));
        assert_eq!(found.max_bytes_opt(), Some(&b"z"[..]));
        let found = bounds(PgType::TextBytes, &[text("a"), text(&long), text("b")]);
        assert_eq!((found.min_bytes_opt(), found.max_bytes_opt()), (None, None));
    }

    #[test]
    fn decimals_are_ordered_by_sign() {
        let of = PgType::Numeric(Some((38, 0)));
        let found = bounds(of, &[ValueRef::Numeric("-5"), ValueRef::Numeric("3")]);
        assert_eq!(found.min_bytes_opt(), Some(&(-5_i128).to_be_bytes()[..]));
        assert_eq!(found.max_bytes_opt(), Some(&3_i128.to_be_bytes()[..]));
    }
}
