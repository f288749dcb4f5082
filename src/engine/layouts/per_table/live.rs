//! A table of the layout per-table between two checkpoints: a change rewrites
//! its file, and no other.

use std::sync::{Arc, OnceLock};

use super::block::BlockHead;
use super::block_directory::BlockDirectory;
use super::key_map::KeyMap;
use super::reader::{TableFile, TableReader};
use super::writer::start;
use super::{NEW_SUFFIX, SUFFIX};
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::row_changes::{MergedRows, RowChanges, checked_row, key_of, misplaced};
use crate::engine::table::{Access, BlockCache, Ended, LiveTable, VisibleIds, write_rows};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::model::{RowPart, RowStream};

/// A table whose [`RowId`]s are the indexes of its rows.
#[derive(Debug)]
pub(super) struct LivePerTable {
    place: TablePlace,
    file: Arc<SourceFile>,
    /// Where the blocks of the file end.
    blocks_end: u64,
    /// What the file holds, and what it holds with the changes.
    stored: TableCounts,
    counts: TableCounts,
    changes: RowChanges,
    blocks: OnceLock<BlockDirectory>,
    /// Made by the first look for a key.
    keys: OnceLock<KeyMap>,
    /// Where blocks that are read are kept.
    cache: Arc<BlockCache>,
}

impl LivePerTable {
    /// Opens a table.
    ///
    /// # Errors
    /// As opening it for reading.
    pub(super) fn open(table: &TablePlace, counts: TableCounts, access: &Access) -> Result<Self> {
        let opened = TableFile::open(table, counts)?;
        Ok(LivePerTable {
            place: table.clone(),
            file: opened.file,
            blocks_end: opened.trailer_offset,
            stored: counts,
            counts,
            changes: RowChanges::new::<BlockHead>(table.file(SUFFIX), counts.rows, 0),
            blocks: OnceLock::new(),
            keys: OnceLock::new(),
            cache: access.blocks.clone(),
        })
    }

    fn blocks(&self) -> Result<&BlockDirectory> {
        if let Some(blocks) = self.blocks.get() {
            return Ok(blocks);
        }
        let read =
            BlockDirectory::read(&self.file, self.place.address, self.blocks_end, &self.cache)?;
        Ok(self.blocks.get_or_init(|| read))
    }

    fn keys(&self, key: usize) -> Result<&KeyMap> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let read = KeyMap::of(&mut *self.rows()?, key)?;
        Ok(self.keys.get_or_init(|| read))
    }
}

/// The indexes of visible rows, which are their names.
struct VisibleIndexes<'t> {
    rows: Box<dyn RowStream + 't>,
    next_index: u64,
}

impl VisibleIds for VisibleIndexes<'_> {
    fn next_ids(&mut self, ids: &mut Vec<RowId>) -> Result<bool> {
        let Some(batch) = self.rows.next_batch()? else {
            return Ok(false);
        };
        let of_rows = batch.rows().zip(self.next_index..);
        let visible = of_rows.filter(|(row, _)| row.is_visible());
        ids.extend(visible.map(|(_, index)| RowId(index)));
        self.next_index = self.next_index.saturating_add(batch.len() as u64);
        Ok(true)
    }
}

impl LiveTable for LivePerTable {
    fn counts(&self) -> TableCounts {
        self.counts
    }

    fn insert(&mut self, row: &[u8], at: Option<RowId>) -> Result<RowId> {
        let key = checked_row(&self.place, row)?;
        let index = self.counts.rows;
        let id = RowId(index);
        if at.is_some_and(|at| at != id) {
            return Err(misplaced(self.file.path(), at, id));
        }
        self.changes.push(row);
        self.counts.add(true);
        if let (Some(keys), Some(key)) = (self.keys.get_mut(), key) {
            keys.insert(key, index);
        }
        Ok(id)
    }

    fn end(&mut self, id: RowId, xmax: u64, moved: Option<RowId>) -> Result<Ended> {
        if moved.is_some() {
            return Err(misplaced(self.file.path(), moved, id));
        }
        let Some(row) = self.read(id)? else {
            return Ok(Ended::Not);
        };
        let key = key_of(&Piece::of(&self.file, &row), &self.place)?;
        if !key.visible || !self.changes.end(id.0, xmax) {
            return Ok(Ended::Not);
        }
        self.counts.live = self.counts.live.saturating_sub(1);
        if let (Some(keys), Some(key)) = (self.keys.get_mut(), key.key) {
            keys.remove(key, id.0);
        }
        Ok(Ended::Yes { moved: None })
    }

    fn read(&self, id: RowId) -> Result<Option<Vec<u8>>> {
        let row = match id.0 < self.stored.rows {
            true => self.blocks()?.row(id.0, self.place.arity)?,
            false => self.changes.row(id.0).map(<[u8]>::to_vec),
        };
        row.map(|row| self.changes.as_ended(id.0, row)).transpose()
    }

    fn find(&self, key: &[u8]) -> Result<Option<RowId>> {
        let Some(position) = self.place.key else {
            return Ok(None);
        };
        for index in self.keys(position)?.newest_first(key) {
            let Some(row) = self.read(RowId(index))? else {
                continue;
            };
            if key_of(&Piece::of(&self.file, &row), &self.place)?.key == Some(key) {
                return Ok(Some(RowId(index)));
            }
        }
        Ok(None)
    }

    fn rows(&self) -> Result<Box<dyn RowStream + '_>> {
        let file = Box::new(TableReader::open(&self.place, self.stored, &RowPart::ALL)?);
        let (rows, arity) = (self.stored.rows, self.place.arity);
        Ok(Box::new(MergedRows::new(file, rows, arity, &self.changes)))
    }

    fn visible_ids(&self) -> Result<Box<dyn VisibleIds + '_>> {
        let (rows, next_index) = (self.rows()?, 0);
        Ok(Box::new(VisibleIndexes { rows, next_index }))
    }

    fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let (disk, new) = (&self.place.disk, self.place.file(NEW_SUFFIX));
        disk.remove_if_there(&new)?;
        let writer = start((&self.place, NEW_SUFFIX), lsn)?;
        write_rows(writer, (&self.place, None), &mut *self.rows()?)?;
        let synced = disk.open_write(&new)?.sync();
        synced.map_err(|error| Error::io("sync", &new, error))?;
        disk.sync_dir(&self.place.dir)?;
        batch.rename(&new, &self.place.file(SUFFIX));
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let opened = TableFile::open(&self.place, self.counts)?;
        (self.file, self.blocks_end) = (opened.file, opened.trailer_offset);
        self.blocks = OnceLock::new();
        self.stored = self.counts;
        self.changes.carried_out(0);
        Ok(())
    }

    fn pending_len(&self) -> usize {
        self.changes.len()
    }
}
