//! Hashes rows on their way, on as many threads as read them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::codec::{ContentHash, MultisetHash, PlainReader, buffer_rows};
use crate::error::{Error, Result};
use crate::model::{
    Catalog, Database, PlainBuffer, PlainRow, PlainRows, RowBatch, RowPart, RowSource, RowStream,
};
use crate::work::{Threads, in_order};

/// The rows of one table, hashed as multisets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowHashes {
    /// Values of visible rows.
    pub(super) visible: MultisetHash,
    /// Values, xmin and xmax of every row.
    pub(super) versions: MultisetHash,
}

/// What stands for xmin and xmax in the values that a user sees: no transaction.
const NO_TRANSACTION: [u8; 9] = [0; 9];

impl RowHashes {
    /// Adds rows; `scratch` is used again from call to call.
    pub fn add(&mut self, rows: &PlainRows<'_>, scratch: &mut Vec<u8>) {
        for row in rows.iter() {
            let len = row.values.len() + NO_TRANSACTION.len();
            if len > scratch.len() {
                scratch.resize(len, 0);
            }
            let (values, rest) = scratch.split_at_mut(row.values.len());
            values.copy_from_slice(row.values);
            if let Some(end) = rest.first_chunk_mut() {
                *end = NO_TRANSACTION;
            }
            let values = ContentHash::of(scratch.get(..len).unwrap_or_default());
            if row.xmax.is_none() {
                self.visible.add_hash(values);
            }
            self.versions.add(&version(values, &row));
        }
    }

    /// Adds what others hold.
    fn merge(&mut self, other: &RowHashes) {
        self.visible.merge(other.visible);
        self.versions.merge(other.versions);
    }
}

/// Hash of the values, xmin, visibility, xmax.
#[inline]
fn version(values: ContentHash, row: &PlainRow<'_>) -> [u8; 16 + 8 + 1 + 8] {
    let mut version = [0; 16 + 8 + 1 + 8];
    let (hash, rest) = version.split_at_mut(16);
    hash.copy_from_slice(&values.0.to_le_bytes());
    let (xmin, rest) = rest.split_at_mut(8);
    xmin.copy_from_slice(&row.xmin.to_le_bytes());
    let (visible, xmax) = rest.split_at_mut(1);
    visible.copy_from_slice(&[row.xmax.is_none().into()]);
    xmax.copy_from_slice(&row.xmax.unwrap_or_default().to_le_bytes());
    version
}

/// Reads every row on several threads, for what a source does on the way.
///
/// # Errors
/// When a row stream fails.
pub fn read_through(catalog: &Catalog, rows: &dyn RowSource, threads: Threads) -> Result<()> {
    let mut parts = Vec::new();
    for (d, database) in catalog.databases.iter().enumerate() {
        for t in 0..database.tables.len() {
            parts.extend(rows.parts(d, t)?.into_iter().map(|part| (d, t, part)));
        }
    }
    let read = |job: usize, (): &mut ()| {
        let Some((d, t, part)) = parts.get(job) else {
            return Ok(());
        };
        let mut reader = PlainReader::new(rows.open_part(*d, *t, part)?);
        while reader.next_rows()?.is_some() {}
        Ok(())
    };
    in_order(threads, parts.len(), read, |_, _| Ok(()))
}

/// Hashes rows on their way from a source to whoever reads them. Every row is
/// to be read once, whole or in parts: a stream adds its rows when it ends.
pub struct HashingRows<'s> {
    source: &'s dyn RowSource,
    hashes: Vec<Vec<Mutex<RowHashes>>>,
}

impl<'s> HashingRows<'s> {
    /// Hashes what passes from `source`, whose tables `catalog` lists.
    pub fn new(source: &'s dyn RowSource, catalog: &Catalog) -> Self {
        let tables =
            |database: &Database| database.tables.iter().map(|_| Mutex::default()).collect();
        HashingRows {
            source,
            hashes: catalog.databases.iter().map(tables).collect(),
        }
    }

    /// Every table's hashes, by its position in the catalog.
    pub(super) fn all(&self) -> impl Iterator<Item = ((usize, usize), RowHashes)> {
        let databases = self.hashes.iter().enumerate();
        databases.flat_map(|(d, tables)| {
            let tables = tables.iter().enumerate();
            tables.map(move |(t, hashes)| ((d, t), *locked(hashes)))
        })
    }

    fn stream<'r>(
        &'r self,
        (database, table): (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        let tables = self.hashes.get(database);
        let total = tables.and_then(|tables| tables.get(table));
        let total = total.ok_or_else(|| Error::Usage("internal: no such table".into()))?;
        Ok(Box::new(HashingStream {
            rows,
            hashes: RowHashes::default(),
            total,
            buffer: PlainBuffer::default(),
            scratch: Vec::new(),
        }))
    }
}

/// A panic elsewhere leaves whole sums.
fn locked(hashes: &Mutex<RowHashes>) -> MutexGuard<'_, RowHashes> {
    hashes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RowSource for HashingRows<'_> {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.source.row_count(database, table)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.source.open_rows(database, table)?;
        self.stream((database, table), rows)
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        self.source.parts(database, table)
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.source.open_part(database, table, part)?;
        self.stream((database, table), rows)
    }

    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        self.source.check_total(database, table, rows, live)
    }
}

struct HashingStream<'s> {
    rows: Box<dyn RowStream + 's>,
    /// Of the rows of this stream.
    hashes: RowHashes,
    /// Of the table.
    total: &'s Mutex<RowHashes>,
    buffer: PlainBuffer,
    scratch: Vec<u8>,
}

impl RowStream for HashingStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let batch = self.rows.next_batch()?;
        match &batch {
            Some(batch) => {
                self.buffer.clear();
                buffer_rows(batch, &mut self.buffer);
                self.hashes.add(&self.buffer.rows(), &mut self.scratch);
            }
            None => locked(self.total).merge(&std::mem::take(&mut self.hashes)),
        }
        Ok(batch)
    }

    fn offers_plain(&mut self) -> Result<bool> {
        self.rows.offers_plain()
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        let rows = self.rows.next_plain(buffer)?;
        match &rows {
            Some(rows) => self.hashes.add(rows, &mut self.scratch),
            None => locked(self.total).merge(&std::mem::take(&mut self.hashes)),
        }
        Ok(rows)
    }
}
