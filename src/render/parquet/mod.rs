//! Rows as Parquet: typed columns, each of which may hold NULL.
//!
//! | column | Parquet |
//! |---|---|
//! | smallint, bigint | INT32 as 16 bits, INT64 |
//! | double precision | DOUBLE |
//! | numeric(p,s), p up to 38 | DECIMAL(p,s) in INT64 up to 18 digits, else in 16 bytes |
//! | boolean, date | BOOLEAN, DATE |
//! | timestamp, with time zone | TIMESTAMP of microseconds, local or in UTC |
//! | uuid, bytea | UUID, BYTE_ARRAY |
//! | anything else | STRING, the text of each value |
//!
//! Rows are collected up to a bound and written as one row group: memory does
//! not grow with the table, and the same rows give the same bytes.

mod column;
mod convert;

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::model::RowRef;
use crate::postgres::PgType;

use column::Column;

/// Rows of the largest row group.
const MAX_GROUP_ROWS: usize = 128 * 1024;
/// Bytes that are collected before a row group is written.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Digits of the longest decimal in 64 bits.
const INT64_DIGITS: u8 = 18;

/// Writes the rows of one table.
pub struct ParquetRows<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> ParquetRows<W> {
    /// A file with these columns.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn new(out: W, columns: &[(String, PgType)]) -> io::Result<Self> {
        let fields = columns.iter().map(|(name, of)| field(name, of));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("table").with_fields(fields);
        let schema = Arc::new(schema.build().map_err(failed)?);
        let properties = WriterProperties::builder()
            .set_created_by(format!("rustdb-inspect {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties));
        Ok(ParquetRows {
            writer: writer.map_err(failed)?,
            columns: columns.iter().map(|(_, of)| Column::new(of)).collect(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the output cannot be written; `InvalidData` for a value that its
    /// column does not take.
    pub fn push(&mut self, row: &RowRef<'_>) -> io::Result<()> {
        for (column, value) in self.columns.iter_mut().zip(row.values) {
            let len = column.push(value).ok_or_else(|| {
                let what = format!(
                    "found a {}, which its column does not take",
                    value.tag_name()
                );
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            self.bytes = self.bytes.saturating_add(len);
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows >= MAX_GROUP_ROWS || self.bytes >= MAX_GROUP_BYTES {
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    /// Writes what is left, and the footer; gives the output back.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.write_group().map_err(failed)?;
        }
        let mut out = self.writer.into_inner().map_err(failed)?;
        out.flush()?;
        Ok(out)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            if let Some(mut writer) = group.next_column()? {
                column.write(&mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// Also what the system said, in words.
fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

/// How a column is declared.
fn field(name: &str, of: &PgType) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match of {
        PgType::SmallInt => (Physical::INT32, Some(LogicalType::integer(16, true))),
        PgType::BigInt => (Physical::INT64, Some(LogicalType::integer(64, true))),
        PgType::Double => (Physical::DOUBLE, None),
        PgType::Numeric(Some((precision, scale))) => {
            let logical = LogicalType::decimal((*scale).into(), (*precision).into());
            match *precision <= INT64_DIGITS {
                true => (Physical::INT64, Some(logical)),
                false => (Physical::FIXED_LEN_BYTE_ARRAY, Some(logical)),
            }
        }
        PgType::Boolean => (Physical::BOOLEAN, None),
        PgType::Date => (Physical::INT32, Some(LogicalType::Date)),
        PgType::Timestamp | PgType::TimestampTz => {
            let is_utc = *of == PgType::TimestampTz;
            let logical = LogicalType::timestamp(is_utc, TimeUnit::MICROS);
            (Physical::INT64, Some(logical))
        }
        PgType::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)),
        PgType::Bytea => (Physical::BYTE_ARRAY, None),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let mut field = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if physical == Physical::FIXED_LEN_BYTE_ARRAY {
        field = field.with_length(16);
    }
    if let PgType::Numeric(Some((precision, scale))) = of {
        let (precision, scale) = ((*precision).into(), (*scale).into());
        field = field.with_precision(precision).with_scale(scale);
    }
    Ok(Arc::new(field.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueRef;

    /// A file of rows of one text each.
    fn file(rows: usize, text: &str) -> Vec<u8> {
        let columns = [("a".to_owned(), PgType::TextBytes)];
        let mut parquet = ParquetRows::new(Vec::new(), &columns).unwrap();
        for _ in 0..rows {
            let values = [ValueRef::Text(text)];
            let row = RowRef {
                values: &values,
                xmin: 1,
                xmax: None,
            };
            parquet.push(&row).unwrap();
            assert!(parquet.rows < MAX_GROUP_ROWS && parquet.bytes < MAX_GROUP_BYTES);
        }
        parquet.finish().unwrap()
    }

    /// How many row groups the footer of a file lists.
    fn groups(file: Vec<u8>) -> usize {
        use parquet::file::reader::FileReader;
        let bytes = bytes_of(file);
        let reader = parquet::file::serialized_reader::SerializedFileReader::new(bytes);
        reader.unwrap().metadata().num_row_groups()
    }

    fn bytes_of(file: Vec<u8>) -> std::fs::File {
        let scratch = tempfile::tempfile().unwrap();
        (&scratch).write_all(&file).unwrap();
        scratch
    }

    #[test]
    fn row_groups_are_bounded_by_rows_and_by_bytes() {
        assert_eq!(groups(file(0, "")), 0);
        assert_eq!(groups(file(MAX_GROUP_ROWS, "")), 1);
        assert_eq!(groups(file(MAX_GROUP_ROWS + 1, "")), 2);
        assert_eq!(groups(file(40, &"x".repeat(1 << 20))), 3);
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        assert_eq!(file(1000, "same"), file(1000, "same"));
    }
}
