//! Rows as Parquet: typed columns, in what every reader of the last years knows.
//!
//! | column | Parquet |
//! |---|---|
//! | smallint, bigint | INT32 as 16 bits, INT64 |
//! | double precision | DOUBLE |
//! | numeric(p,s), p up to 38 | DECIMAL(p,s) in INT64 up to 18 digits, else in 16 bytes |
//! | boolean, date | BOOLEAN, DATE |
//! | timestamp, with time zone | TIMESTAMP of microseconds, local or in UTC |
//! | uuid, bytea | UUID, BYTE_ARRAY |
//! | jsonb | JSON, the text as it is stored |
//! | anything else | STRING, the text of each value |
//!
//! A row group ends at a number of rows, or of encoded bytes: memory does not
//! grow with the table, and the same rows give the same bytes, whatever the threads.

mod column;
mod convert;
mod group;

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};

use crate::model::RowRef;
use crate::postgres::PgType;

use column::{ColumnValues, INT64_DIGITS};
use group::Group;

pub use column::ParquetColumn;

/// Rows of the largest row group.
const MAX_GROUP_ROWS: usize = 1 << 20;
/// Encoded bytes at which a row group ends.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Bytes of the pages and dictionaries that all columns fill at a time, and of
/// the largest and the smallest page.
const OPEN_BYTES: usize = 16 << 20;
const MAX_PAGE_BYTES: usize = 1 << 20;
const MIN_PAGE_BYTES: usize = 8 << 10;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// Snappy, which every reader knows.
    #[default]
    Snappy,
    /// Zstandard, which takes less room.
    Zstd,
}

/// Rows in the form of their columns.
#[derive(Default)]
pub struct ParquetBatch {
    columns: Vec<ColumnValues>,
    rows: usize,
    refused: bool,
}

impl ParquetBatch {
    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(ColumnValues::clear);
        (self.rows, self.refused) = (0, false);
    }

    /// Adds a row; `columns` are the same for all. False for a value that its column
    /// does not take, and from then on.
    pub fn push(&mut self, columns: &[ParquetColumn], row: &RowRef<'_>) -> bool {
        if self.refused {
            return false;
        }
        if self.columns.len() != columns.len() {
            self.columns = columns.iter().map(ColumnValues::new).collect();
        }
        let mut values = row.values();
        // A pair of column and value would be a copy of each value.
        self.refused = self.columns.iter_mut().any(|column| {
            let value = values.next();
            value.is_some_and(|value| column.push(&value).is_none())
        });
        self.rows = self.rows.saturating_add(1);
        !self.refused
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether a value was not taken.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// To be called before the rows are written.
    pub fn seal(&mut self) {
        self.columns.iter_mut().for_each(ColumnValues::seal);
    }
}

/// Writes the rows of one file.
pub struct ParquetRows<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    properties: WriterPropertiesPtr,
    group: Option<Group>,
    threads: usize,
}

impl<W: Write + Send> ParquetRows<W> {
    /// A file with these columns, which are encoded on so many threads.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn new(
        out: W,
        columns: &[ParquetColumn],
        compression: ParquetCompression,
        threads: usize,
    ) -> io::Result<Self> {
        let fields = columns.iter().map(field);
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("schema").with_fields(fields);
        let schema = Arc::new(schema.build().map_err(failed)?);
        let properties = Arc::new(properties(columns, compression));
        let writer = SerializedFileWriter::new(out, schema, properties.clone());
        Ok(ParquetRows {
            writer: writer.map_err(failed)?,
            properties,
            group: None,
            threads,
        })
    }

    /// Writes the rows of a sealed batch from one position to another.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, batch: &ParquetBatch, from: usize, to: usize) -> io::Result<()> {
        let mut from = from;
        while from < to {
            let group = self
                .group
                .get_or_insert_with(|| Group::new(self.writer.schema_descr(), &self.properties));
            let room = MAX_GROUP_ROWS.saturating_sub(group.rows);
            let end = to.min(from.saturating_add(room));
            let written = group.write(&batch.columns, (from, end), self.threads);
            written.map_err(failed)?;
            from = end;
            if group.rows >= MAX_GROUP_ROWS || group.encoded_len() >= MAX_GROUP_BYTES {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and the footer with these notes; gives the output back.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self, notes: Vec<(String, String)>) -> io::Result<W> {
        self.end_group()?;
        for (key, value) in notes {
            let note = KeyValue::new(key, value);
            self.writer.append_key_value_metadata(note);
        }
        let mut out = self.writer.into_inner().map_err(failed)?;
        out.flush()?;
        Ok(out)
    }

    fn end_group(&mut self) -> io::Result<()> {
        match self.group.take() {
            Some(group) => group.finish(&mut self.writer).map_err(failed),
            None => Ok(()),
        }
    }
}

fn properties(columns: &[ParquetColumn], compression: ParquetCompression) -> WriterProperties {
    let page = OPEN_BYTES / 2 / columns.len().max(1);
    let page = page.clamp(MIN_PAGE_BYTES, MAX_PAGE_BYTES);
    let mut properties = WriterProperties::builder()
        // In the form that readers expect, some of which know writers by it.
        .set_created_by(format!(
            "rustdb-inspect version {}",
            env!("CARGO_PKG_VERSION")
        ))
        .set_data_page_size_limit(page)
        .set_dictionary_page_size_limit(page)
        .set_compression(match compression {
            ParquetCompression::None => Compression::UNCOMPRESSED,
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        });
    for column in columns.iter().filter(|column| column.distinct) {
        let path = ColumnPath::new(vec![column.name.clone()]);
        properties = properties.set_column_dictionary_enabled(path, false);
    }
    properties.build()
}

/// Also what the system said, in words.
fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
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

/// How a column is declared.
fn field(column: &ParquetColumn) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match &column.of {
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
            let is_utc = column.of == PgType::TimestampTz;
            let logical = LogicalType::timestamp(is_utc, TimeUnit::MICROS);
            (Physical::INT64, Some(logical))
        }
        PgType::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)),
        PgType::Bytea => (Physical::BYTE_ARRAY, None),
        PgType::Jsonb => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let repetition = match column.required {
        true => Repetition::REQUIRED,
        false => Repetition::OPTIONAL,
    };
    let mut field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical);
    if physical == Physical::FIXED_LEN_BYTE_ARRAY {
        field = field.with_length(16);
    }
    if let PgType::Numeric(Some((precision, scale))) = &column.of {
        let (precision, scale) = ((*precision).into(), (*scale).into());
        field = field.with_precision(precision).with_scale(scale);
    }
    Ok(Arc::new(field.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pack_row;
    use crate::model::ValueRef;

    /// A file of rows of one text each, by number.
    fn file(rows: usize, text: impl Fn(usize) -> String, threads: usize) -> Vec<u8> {
        let columns = ["a", "b"].map(|name| ParquetColumn {
            name: name.to_owned(),
            of: PgType::TextBytes,
            required: name == "a",
            distinct: name == "a",
        });
        let compression = ParquetCompression::None;
        let mut parquet = ParquetRows::new(Vec::new(), &columns, compression, threads).unwrap();
        let mut batch = ParquetBatch::default();
        for row in 0..rows {
            let text = text(row);
            let values = [ValueRef::Text(&text), ValueRef::Null];
            assert!(batch.push(&columns, &pack_row(values, 1, None).as_row()));
            if batch.len() == 3000 {
                batch.seal();
                parquet.write(&batch, 0, batch.len()).unwrap();
                batch.clear();
            }
        }
        batch.seal();
        parquet.write(&batch, 0, batch.len()).unwrap();
        parquet.finish(Vec::new()).unwrap()
    }

    /// Rows of each row group that the footer of a file lists.
    fn groups(file: &[u8]) -> Vec<i64> {
        use parquet::file::reader::FileReader;
        let bytes = bytes::Bytes::from(file.to_vec());
        let reader = parquet::file::serialized_reader::SerializedFileReader::new(bytes).unwrap();
        let groups = reader.metadata().row_groups().iter();
        groups.map(|group| group.num_rows()).collect()
    }

    #[test]
    fn row_groups_are_bounded_by_rows_and_by_bytes() {
        assert_eq!(groups(&file(0, |_| String::new(), 1)), [0; 0]);
        let most = MAX_GROUP_ROWS;
        let count = i64::try_from(most).unwrap();
        assert_eq!(groups(&file(most, |_| "x".into(), 2)), [count]);
        assert_eq!(groups(&file(most + 1, |_| "x".into(), 2)), [count, 1]);
        let large = groups(&file(9000, |row| format!("{row:05000}"), 2));
        assert!(large.len() > 1, "{large:?}");
        assert_eq!(large.iter().sum::<i64>(), 9000);
    }

    #[test]
    fn the_same_rows_give_the_same_bytes_on_any_threads() {
        let text = |row| format!("{}", row % 700);
        assert_eq!(file(10_000, text, 1), file(10_000, text, 4));
    }

    #[test]
    fn a_value_that_its_column_does_not_take_is_refused() {
        let mut column = ParquetColumn {
            name: "a".into(),
            of: PgType::BigInt,
            required: true,
            distinct: false,
        };
        let takes = |column: &ParquetColumn, value| {
            let row = pack_row([value], 1, None);
            ParquetBatch::default().push(std::slice::from_ref(column), &row.as_row())
        };
        assert!(takes(&column, ValueRef::Numeric("12.0")));
        assert!(!takes(&column, ValueRef::Numeric("12.5")) && !takes(&column, ValueRef::Null));
        column.required = false;
        assert!(takes(&column, ValueRef::Null));
    }
}
