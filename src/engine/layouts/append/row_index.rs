//! The index of a table that is being written: visible rows by key, and ends by
//! row index (format page, "Index").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ends::End;
use super::reader::collect_ends;
use super::stored_rows::VisibleStored;
use super::{INDEX_SUFFIX, NEW_INDEX_SUFFIX, index_place};
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::key::key_digest;
use crate::engine::tree::{Entry, Tree, TreeBuilder, TreePlace};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::work::Threads;

/// An index, as long as it can be relied on. Damage in it costs time and no
/// answer: whoever is told nothing looks at the rows, and the next checkpoint
/// makes the index anew.
#[derive(Debug)]
pub(super) struct RowIndex {
    tree: Option<Tree>,
    /// Set by a reader that met damage.
    damaged: AtomicBool,
}

impl RowIndex {
    /// Opens the index of a table. One that is missing, damaged or of another
    /// state of the rows is made anew.
    ///
    /// # Errors
    /// Damage of the rows; I/O errors.
    pub(super) fn open(
        table: &TablePlace,
        (file, counts): (&Arc<SourceFile>, TableCounts),
        pool: &Arc<BufferPool>,
    ) -> Result<Self> {
        let tree = match Tree::open(index_place(table), pool) {
            Err(Error::Damage(_)) => None,
            tree => tree?,
        };
        let entry_count = counts.live.saturating_add(counts.ends);
        let in_step =
            |tree: &Tree| tree.stamp() == counts.data_len && tree.entry_count() == entry_count;
        let tree = match tree.filter(in_step) {
            Some(tree) => Some(tree),
            None => {
                build(table, (file, counts), table.address.lsns.first)?;
                Tree::open(index_place(table), pool)?
            }
        };
        Ok(RowIndex {
            tree,
            damaged: AtomicBool::new(false),
        })
    }

    /// Whether answers can be expected.
    pub(super) fn is_whole(&self) -> bool {
        self.tree.is_some() && !self.damaged.load(Ordering::Relaxed)
    }

    /// What the tree says; `None` when it is damaged.
    fn ask<T>(&self, ask: impl FnOnce(&Tree) -> Result<T>) -> Result<Option<T>> {
        let Some(tree) = self.tree.as_ref().filter(|_| self.is_whole()) else {
            return Ok(None);
        };
        match ask(tree) {
            Err(Error::Damage(_)) => {
                self.damaged.store(true, Ordering::Relaxed);
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }

    /// The visible rows whose key may be this one, from old to new; the outer
    /// `None` when the index is damaged.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn rows_of(&self, key: &[u8]) -> Result<Option<Vec<RowId>>> {
        let values = self.ask(|tree| tree.values(key_digest(key)))?;
        Ok(values.map(|values| values.into_iter().map(RowId).collect()))
    }

    /// The xmax of a row that was ended; the outer `None` when the index is
    /// damaged.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn end_of(&self, index: u64) -> Result<Option<Option<u64>>> {
        let values = self.ask(|tree| tree.values(index.into()))?;
        Ok(values.map(|values| values.first().copied()))
    }

    fn change(&mut self, change: impl FnOnce(&mut Tree) -> Result<()>) -> Result<()> {
        if !self.is_whole() {
            self.tree = None;
        }
        match self.tree.as_mut().map_or(Ok(()), change) {
            Err(Error::Damage(_)) => {
                self.tree = None;
                Ok(())
            }
            changed => changed,
        }
    }

    /// Adds a visible row.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn insert(&mut self, key: &[u8], id: RowId) -> Result<()> {
        let entry = entry(key, id);
        self.change(|tree| tree.insert(entry).map(|_| ()))
    }

    /// Takes a row away and adds its end.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn end(&mut self, (key, id): (&[u8], RowId), end: End) -> Result<()> {
        let entry = entry(key, id);
        self.change(|tree| {
            tree.remove(entry)?;
            tree.insert(end.entry()).map(|_| ())
        })
    }

    /// Adds all changes to a batch that brings the data to `data_len` bytes.
    pub(super) fn checkpoint(
        &mut self,
        table: &TablePlace,
        (data_len, lsn): (u64, Lsn),
        batch: &mut Batch,
    ) {
        match self
            .tree
            .as_mut()
            .filter(|_| !self.damaged.load(Ordering::Relaxed))
        {
            Some(tree) => {
                tree.set_stamp(data_len);
                tree.checkpoint(lsn, batch);
            }
            None => batch.remove(&table.file(INDEX_SUFFIX)),
        }
    }

    /// The batch was carried out.
    ///
    /// # Errors
    /// Damage of the rows; I/O errors.
    pub(super) fn checkpointed(
        &mut self,
        table: &TablePlace,
        data: (&Arc<SourceFile>, TableCounts),
        pool: &Arc<BufferPool>,
    ) -> Result<()> {
        match &mut self.tree {
            Some(tree) if !self.damaged.load(Ordering::Relaxed) => tree.checkpointed(),
            _ => {
                *self = RowIndex::open(table, data, pool)?;
                Ok(())
            }
        }
    }

    /// Bytes of memory that the changes take, about.
    pub(super) fn pending_len(&self) -> usize {
        self.tree.as_ref().map_or(0, Tree::pending_len)
    }
}

fn entry(key: &[u8], id: RowId) -> Entry {
    Entry {
        key: key_digest(key),
        value: id.0,
    }
}

/// Writes the index of a table's data under another name and puts it in place.
///
/// # Errors
/// Damage of the data; I/O errors.
fn build(
    table: &TablePlace,
    (file, counts): (&Arc<SourceFile>, TableCounts),
    lsn: Lsn,
) -> Result<()> {
    let ends = collect_ends(file, &table.address, counts.data_len)?;
    let (disk, new) = (&table.disk, table.file(NEW_INDEX_SUFFIX));
    let place = TreePlace {
        path: new.clone(),
        ..index_place(table)
    };
    // One that damage of the rows kept from being ended.
    disk.remove_if_there(&new)?;
    let mut tree = TreeBuilder::create(place, lsn, &table.dir)?;
    ends.each(|end| tree.push(end.entry()))?;
    let mut rows = VisibleStored::new((file, counts.data_len), table, ends);
    while rows.next_record(|id, _, key| key.map_or(Ok(()), |key| tree.push(entry(key, id))))? {}
    let synced = tree.finish(Threads::ONE, counts.data_len)?.sync();
    synced.map_err(|error| Error::io("sync", &new, error))?;
    disk.rename(&new, &table.file(INDEX_SUFFIX))?;
    disk.sync_dir(&table.dir)
}
