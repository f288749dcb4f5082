//! A row group under construction: the encoded pages of its columns in memory,
//! so that several columns are encoded at once.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};

use bytes::Bytes;
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::errors::Result;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::SchemaDescriptor;

use super::column::ColumnValues;

/// Values from which on it pays to encode on several threads.
const MIN_VALUES: usize = 4096;
/// Bits of a value whose column is still a dictionary, at most: such pages are
/// held back by the writer, so their bytes are estimated.
const DICTIONARY_BITS: usize = 18;

/// The columns of a row group.
pub(super) struct Group {
    columns: Vec<GroupColumn>,
    /// Rows so far.
    pub(super) rows: usize,
}

struct GroupColumn {
    writer: ColumnWriter<'static>,
    pages: Shared,
}

impl Group {
    pub(super) fn new(schema: &SchemaDescriptor, properties: &WriterPropertiesPtr) -> Self {
        let columns = schema.columns().iter().map(|column| {
            let pages = Shared::default();
            let page_writer = Box::new(Pages(TrackedWrite::new(pages.clone())));
            let writer = get_column_writer(column.clone(), properties.clone(), page_writer);
            GroupColumn { writer, pages }
        });
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
        let work = self.columns.iter_mut().zip(values);
        let workers = match rows.saturating_mul(values.len()) < MIN_VALUES {
            true => 1,
            false => threads.min(values.len()),
        };
        if workers <= 1 {
            let mut work = work;
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
            // Where a thread cannot be had, the others do its work.
            let others = (1..workers).map(|_| Builder::new().spawn_scoped(scope, run));
            let others: Vec<_> = others.flatten().collect();
            let own = run();
            others
                .into_iter()
                .fold(own, |sum, other| match other.join() {
                    Ok(other) => sum.and(other),
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        })
    }

    /// Bytes of the pages so far, about.
    pub(super) fn encoded_len(&self) -> usize {
        let len = |column: &GroupColumn| match column.pages.with(|pages| pages.len()) {
            0 => self.rows.saturating_mul(DICTIONARY_BITS) / 8,
            len => len,
        };
        self.columns.iter().map(len).sum()
    }

    /// Puts the columns into the file.
    pub(super) fn finish<W: Write + Send>(self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for column in self.columns {
            let close = closed(column.writer)?;
            let pages = column.pages.with(std::mem::take);
            group.append_column(&Bytes::from(pages), close)?;
        }
        group.close().map(|_| ())
    }
}

impl GroupColumn {
    fn write(&mut self, values: &ColumnValues, rows: (usize, usize)) -> Result<()> {
        // Pages are held back as long as there is a dictionary.
        let keeps = self.pages.with(|pages| pages.is_empty());
        values.write(rows, &mut self.writer, keeps)
    }
}

fn closed(writer: ColumnWriter<'static>) -> Result<ColumnCloseResult> {
    writer.close()
}

/// Bytes that the page writer adds to, and the group takes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn with<T>(&self, ask: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        // A panic elsewhere leaves whole bytes.
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pages| pages.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes pages one after the other.
struct Pages(TrackedWrite<Shared>);

impl PageWriter for Pages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let spec = SerializedPageWriter::new(&mut self.0).write_page(page)?;
        self.0.flush()?;
        Ok(spec)
    }

    fn close(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}
