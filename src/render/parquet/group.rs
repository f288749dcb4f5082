//! A row group under construction, whose columns can be encoded at once.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;

use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::chunk::Chunk;
use super::compression::ParquetCompression;
use super::kind::ParquetColumn;
use super::values::ColumnValues;

/// Bytes of the pages and dictionaries that all columns fill at a time, and of
/// the largest and the smallest page.
const OPEN_BYTES: usize = 16 << 20;
const MAX_PAGE_BYTES: usize = 1 << 20;
const MIN_PAGE_BYTES: usize = 8 << 10;
/// Values from which on it pays to encode on several threads.
const MIN_VALUES: usize = 4096;
/// Threads that make rows of bytes while one encodes them.
const THREADS_AN_ENCODER: usize = 2;

/// The columns of a row group.
pub(super) struct Group {
    columns: Vec<Chunk>,
    /// Rows so far.
    pub(super) rows: usize,
}

impl Group {
    pub(super) fn new(
        schema: &SchemaDescriptor,
        columns: &[ParquetColumn],
        compression: ParquetCompression,
    ) -> Self {
        let page = OPEN_BYTES / 2 / columns.len().max(1);
        let page = page.clamp(MIN_PAGE_BYTES, MAX_PAGE_BYTES);
        let columns = schema.columns().iter().zip(columns);
        let columns = columns.map(|(of, column)| Chunk::new(of.clone(), column, compression, page));
        Group {
            columns: columns.collect(),
            rows: 0,
        }
    }

    /// Encodes the rows from one position to another.
    pub(super) fn write(
        &mut self,
        values: &[ColumnValues],
        (from, to): (usize, usize),
        threads: usize,
    ) -> Result<()> {
        let rows = to.saturating_sub(from);
        self.rows = self.rows.saturating_add(rows);
        let mut work = self.columns.iter_mut().zip(values);
        let workers = match rows.saturating_mul(values.len()) < MIN_VALUES {
            true => 1,
            false => (threads / THREADS_AN_ENCODER).min(values.len()),
        };
        if workers <= 1 {
            return work.try_for_each(|(column, values)| column.write(values, (from, to)));
        }
        let work = Mutex::new(work);
        let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
        let run = || {
            while let Some((column, values)) = next() {
                column.write(values, (from, to))?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(run)).collect();
            let own = run();
            others
                .into_iter()
                .fold(own, |sum, other| match other.join() {
                    Ok(other) => sum.and(other),
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        })
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.columns.iter().map(Chunk::len).sum()
    }

    /// Puts the columns into the file.
    pub(super) fn finish<W: Write + Send>(self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for column in self.columns {
            let (pages, close) = column.finish()?;
            group.append_column(&pages, close)?;
        }
        group.close().map(|_| ())
    }
}
