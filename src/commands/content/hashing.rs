//! Hashes rows on their way, on as many threads as read them.

use std::ops::AddAssign;
use std::sync::Mutex;

use crate::codec::{ContentHash, MultisetHash};
use crate::error::{Error, Result};
use crate::model::{
    Catalog, Database, PassThrough, RowBatch, RowSource, RowStream, SummedRows, sum_of,
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
    pub fn add(&mut self, batch: &RowBatch<'_>) {
        for row in batch.rows() {
            let values = ContentHash::of(row.bytes);
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
}

impl AddAssign for RowHashes {
    fn add_assign(&mut self, other: Self) {
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
        let mut stream = rows.open_part(*d, *t, part)?;
        while stream.next_batch()?.is_some() {}
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
            std::mem::take(&mut *sum_of(hashes))
        })
    }

    /// Every table's hashes, by its position in the catalog.
    pub(super) fn all(&self) -> impl Iterator<Item = ((usize, usize), RowHashes)> {
        let databases = self.hashes.iter().enumerate();
        databases.flat_map(|(d, tables)| {
            let tables = tables.iter().enumerate();
            tables.map(move |(t, hashes)| ((d, t), *sum_of(hashes)))
        })
    }
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
        let add = |hashes: &mut RowHashes, batch: &mut RowBatch<'_>| hashes.add(batch);
        Ok(Box::new(SummedRows::new(rows, total, add)))
    }
}
