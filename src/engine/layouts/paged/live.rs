//! A table that is being changed: pages through the pool, and in step with them
//! the free space map and the index of keys (format page, "Page files").

use std::path::Path;

use super::chain::{ChainReader, walk_row_of};
use super::heap::{HeapPage, MAX_TUPLE_LEN, RowPlace, State, Tuple};
use super::key_index::{self, KeyIndex};
use super::live_map::LiveMap;
use super::overflow::ROW_HEAD_LEN;
use super::page_files::PagePlace;
use super::pool_pages::PoolPages;
use super::reader::TableReader;
use super::row_pages::RowPages;
use crate::codec::{ByteWriter, Cursor};
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{PageKind, bounds_of};
use crate::engine::pages::paths::{TablePlace, check_dir};
use crate::engine::rows::codec::{MAX_ROW_LEN, RowStart, end_row};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::key::key_digest;
use crate::engine::table::row_changes::checked_row;
use crate::engine::table::{Access, Ended, LiveTable, VisibleIds};
use crate::engine::tree::Tree;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::model::RowStream;

/// A table between its files and its changes.
#[derive(Debug)]
pub(super) struct LivePaged {
    table: TablePlace,
    pages: RowPages,
    counts: TableCounts,
    /// `None` in a directory that is not written, and in a table without a key.
    index: Option<KeyIndex>,
    /// Whether the directory of the table is yet to be made.
    is_new: bool,
}

impl LivePaged {
    /// Opens a table; one without rows and a directory is new.
    ///
    /// # Errors
    /// Damage of the free space map that cannot be mended; I/O errors.
    pub(super) fn open(
        table: &TablePlace,
        place: PagePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Self> {
        let is_new = counts.rows == 0 && place.disk.kind(&place.dir)?.is_none();
        if !is_new {
            check_dir(&*place.disk, &place.dir)?;
        }
        let pages = PoolPages::open(place.clone(), &access.pool)?;
        let page_count = pages.page_count();
        let (mut map, mut index) = (None, None);
        if access.write {
            map = Some(LiveMap::open(&place, page_count)?);
            let key = table
                .key
                .map(|key| KeyIndex::new(table, key, &place, (access, is_new)));
            index = key.transpose()?;
        }
        Ok(LivePaged {
            table: table.clone(),
            counts,
            pages: RowPages::new(pages, map),
            index,
            is_new,
        })
    }

    /// Of which state the table is.
    fn stamp(&self) -> u64 {
        key_index::stamp(self.counts, self.pages.page_count())
    }

    /// Has the index open before a change of the rows that it is made from.
    fn open_index(&self) -> Result<()> {
        let index = self.index.as_ref();
        index.map_or(Ok(()), |index| index.tree(self.stamp()).map(|_| ()))
    }

    /// The index as a change finds it, once it is open.
    fn tree_mut(&mut self) -> Option<&mut Tree> {
        self.index.as_mut()?.opened_mut()
    }

    /// The row of a place and its key, if it is there and visible.
    fn visible(&self, place: RowPlace) -> Result<Option<(u64, Vec<u8>)>> {
        let Some(key) = self.table.key else {
            return Ok(None);
        };
        let mut chain = ChainReader::new(self.pages.source());
        if !chain.read_place(place)? {
            return Ok(None);
        }
        let piece = Piece {
            path: &self.pages.place().dir,
            offset: 0,
            bytes: chain.row(),
        };
        let tuple = Tuple {
            slot: place.slot,
            state: State::Row,
            piece,
        };
        let row = walk_row_of(&tuple, chain.row(), self.table.arity, Some(key))?;
        let start = RowStart::read(&mut Cursor::new(chain.row()));
        let xmin = start.map_err(|flaw| piece.flaw(flaw))?.xmin;
        let value = row.key.filter(|_| row.visible);
        Ok(value.map(|value| (xmin, value.to_owned())))
    }
}

/// The place of a row by its id in the log.
fn place_of_log(id: Option<RowId>, dir: &Path) -> Result<Option<RowPlace>> {
    let place = id.map(|id| RowPlace::of(id).ok_or(id)).transpose();
    place.map_err(|RowId(id)| {
        let (found, expected) = (format!("row {id:#x} in the log"), "a row of this layout");
        Error::damage(dir, 0, Code::WrongPlace, found, expected)
    })
}

impl LiveTable for LivePaged {
    fn counts(&self) -> TableCounts {
        self.counts
    }

    fn insert(&mut self, row: &[u8], at: Option<RowId>) -> Result<RowId> {
        let key = checked_row(&self.table, row)?;
        let len = row.len();
        if len as u64 > MAX_ROW_LEN {
            return Err(Error::RowTooLong {
                table: self.table.file("").display().to_string(),
                len: len as u64,
                most: MAX_ROW_LEN,
            });
        }
        let state = match len > MAX_TUPLE_LEN {
            true => State::Head,
            false => State::Row,
        };
        self.open_index()?;
        let place = self.pages.store(
            row,
            (state, None),
            place_of_log(at, &self.pages.place().dir)?,
        )?;
        if let (Some(index), Some(key)) = (self.tree_mut(), key) {
            index.insert(key_index::entry(key, place))?;
        }
        self.counts.add(true);
        Ok(place.id())
    }

    fn end(&mut self, id: RowId, xmax: u64, moved: Option<RowId>) -> Result<Ended> {
        let Some(place) = RowPlace::of(id) else {
            return Ok(Ended::Not);
        };
        let Some(page) = self.pages.get(place.page)? else {
            return Ok(Ended::Not);
        };
        let bounds = bounds_of(&*page);
        let piece = Piece {
            path: &self.pages.place().dir,
            offset: 0,
            bytes: &page[..],
        };
        let heap = (bounds.kind == PageKind::Heap).then(|| HeapPage::checked_before(piece, bounds));
        let tuple = heap.and_then(|heap| heap.tuple(place.slot));
        let Some(tuple) = tuple.filter(|tuple| matches!(tuple.state, State::Row | State::Head))
        else {
            return Ok(Ended::Not);
        };
        // A wide row has flags and xmin in its head.
        let head_len = if tuple.state == State::Head {
            ROW_HEAD_LEN
        } else {
            0
        };
        let (head, row) = tuple
            .piece
            .bytes
            .split_at_checked(head_len)
            .unwrap_or_default();
        let start = RowStart::read(&mut Cursor::new(row)).map_err(|flaw| piece.flaw(flaw))?;
        if !start.visible {
            return Ok(Ended::Not);
        }
        let mut longer = ByteWriter::new();
        end_row(&mut longer, row, xmax).map_err(|flaw| piece.flaw(flaw))?;
        let mut ended = ByteWriter::new();
        if let Some((row_len, first)) = head.split_first_chunk::<4>() {
            let more = longer.len().saturating_sub(row.len());
            let row_len =
                u32::from_le_bytes(*row_len).saturating_add(u32::try_from(more).unwrap_or(0));
            ended.u32(row_len);
            ended.raw(first);
        }
        ended.raw(longer.as_slice());
        let state = tuple.state;
        self.open_index()?;
        // Of the row as it was.
        let entry = match &self.index {
            None => None,
            Some(_) => self
                .visible(place)?
                .map(|(_, key)| key_index::entry(&key, place)),
        };
        let moved = place_of_log(moved, &self.pages.place().dir)?;
        let target = self
            .pages
            .end(place, page.clone(), (state, ended.as_slice()), moved)?;
        if let (Some(index), Some(entry)) = (self.tree_mut(), entry) {
            index.remove(entry)?;
        }
        self.counts.live = self.counts.live.saturating_sub(1);
        Ok(Ended::Yes {
            moved: target.map(RowPlace::id),
        })
    }

    fn read(&self, id: RowId) -> Result<Option<Vec<u8>>> {
        let Some(place) = RowPlace::of(id) else {
            return Ok(None);
        };
        let mut chain = ChainReader::new(self.pages.source());
        let found = chain.read_place(place)?;
        Ok(found.then(|| chain.into_row()))
    }

    fn find(&self, key: &[u8]) -> Result<Option<RowId>> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        let tree = index.tree(self.stamp())?;
        let mut newest: Option<(u64, RowId)> = None;
        for value in tree.values(key_digest(key))? {
            let id = RowId(value);
            let Some(place) = RowPlace::of(id) else {
                continue;
            };
            if let Some((xmin, found)) = self.visible(place)?
                && found == key
            {
                newest = newest.max(Some((xmin, id)));
            }
        }
        Ok(newest.map(|(_, id)| id))
    }

    fn rows(&self) -> Result<Box<dyn RowStream + '_>> {
        let sources = (self.pages.source(), self.pages.source());
        let reader = TableReader::new(sources, self.table.arity, self.counts);
        Ok(Box::new(reader))
    }

    fn visible_ids(&self) -> Result<Box<dyn VisibleIds + '_>> {
        let sources = (self.pages.source(), self.pages.source());
        let rows = key_index::VisiblePlaces::new(sources, self.table.arity, None);
        Ok(Box::new(rows))
    }

    fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) -> Result<()> {
        if self.is_new {
            batch.create_dir(&self.pages.place().dir);
        }
        self.pages.checkpoint(lsn, batch);
        let stamp = self.stamp();
        if let Some(index) = self.tree_mut() {
            index.set_stamp(stamp);
            index.checkpoint(lsn, batch);
        }
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<()> {
        self.is_new = false;
        self.pages.checkpointed();
        self.tree_mut().map_or(Ok(()), Tree::checkpointed)
    }

    fn pending_len(&self) -> usize {
        let index = self.index.as_ref().and_then(KeyIndex::opened);
        let index = index.map_or(0, Tree::pending_len);
        self.pages.pending_len() + index
    }
}

#[cfg(test)]
pub(super) mod tests;
