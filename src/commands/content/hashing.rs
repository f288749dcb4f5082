//! Hashes rows on their way, on as many threads as read them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::codec::{ContentHash, MultisetHash, PlainReader, buffer_rows};
use crate::error::{Error, Result};
use crate::model::{
    Catalog, Database, PassThrough, PlainBuffer, PlainRows, RowBatch, RowSource, RowStream,
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

impl RowHashes {
    /// Adds rows.
    pub fn add(&mut self, rows: &PlainRows<'_>) {
        for row in rows.iter() {
            let values = ContentHash::of(row.values);
            let written = values.with(row.xmin);
            self.versions.add_hash(match row.xmax {
                None => {
                    self.visible.add_hash(values);
                    written
                }
                Some(xmax) => written.with(xmax),
            });
        }
    }

    /// Adds what others hold.
    fn merge(&mut self, other: &RowHashes) {
        self.visible.merge(other.visible);
        self.versions.merge(other.versions);
    }
}

/// Reads every row on several threads, for what a source does on the way.
///
/// # Errors
/// When a row stream fails.
pub fn read_through(catalog: &Catalog, rows: &dyn RowSource, threads: Threads) -> Result<()> {
    let databases = catalog.databases.iter().enumerate();
    let tables =
        databases.flat_map(|(d, database)| (0..database.tables.len()).map(move |t| (d, t)));
    read_tables(rows, tables, threads)
}

/// As [`read_through`], of one table.
///
/// # Errors
/// When a row stream fails.
pub fn read_table(rows: &dyn RowSource, at: (usize, usize), threads: Threads) -> Result<()> {
    read_tables(rows, [at], threads)
}

fn read_tables(
    rows: &dyn RowSource,
    tables: impl IntoIterator<Item = (usize, usize)>,
    threads: Threads,
) -> Result<()> {
    let mut parts = Vec::new();
    for (d, t) in tables {
        parts.extend(rows.parts(d, t)?.into_iter().map(|part| (d, t, part)));
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

    /// The hashes of the rows of one table that have passed, and forgets them.
    pub(super) fn take(&self, (database, table): (usize, usize)) -> RowHashes {
        let tables = self.hashes.get(database);
        let hashes = tables.and_then(|tables| tables.get(table));
        hashes.map_or_else(RowHashes::default, |hashes| {
            std::mem::take(&mut *locked(hashes))
        })
    }

    /// Every table's hashes, by its position in the catalog.
    pub(super) fn all(&self) -> impl Iterator<Item = ((usize, usize), RowHashes)> {
        let databases = self.hashes.iter().enumerate();
        databases.flat_map(|(d, tables)| {
            let tables = tables.iter().enumerate();
            tables.map(move |(t, hashes)| ((d, t), *locked(hashes)))
        })
    }
}

/// A panic elsewhere leaves whole sums.
fn locked(hashes: &Mutex<RowHashes>) -> MutexGuard<'_, RowHashes> {
    hashes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PassThrough for HashingRows<'_> {
    fn source(&self) -> &dyn RowSource {
        self.source
    }

    fn stream<'r>(
        &'r self,
        (database, table): (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        let tables = self.hashes.get(database);
        let total = tables.and_then(|tables| tables.get(table));
        let total = total.ok_or_else(|| Error::Internal("no such table".into()))?;
        Ok(Box::new(HashingStream {
            rows,
            hashes: RowHashes::default(),
            total,
            buffer: PlainBuffer::default(),
        }))
    }
}

struct HashingStream<'s> {
    rows: Box<dyn RowStream + 's>,
    /// Of the rows of this stream.
    hashes: RowHashes,
    /// Of the table.
    total: &'s Mutex<RowHashes>,
    buffer: PlainBuffer,
}

impl RowStream for HashingStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let batch = self.rows.next_batch()?;
        match &batch {
            Some(batch) => {
                self.buffer.clear();
                buffer_rows(batch, &mut self.buffer);
                self.hashes.add(&self.buffer.rows());
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
            Some(rows) => self.hashes.add(rows),
            None => locked(self.total).merge(&std::mem::take(&mut self.hashes)),
        }
        Ok(rows)
    }
}
