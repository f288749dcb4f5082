//! A table of the layout append between two checkpoints: what is new goes to
//! the end of its file, and nothing before changes.

use std::sync::Arc;

use super::ends::{End, EndList};
use super::reader::{TableReader, collect_ends, open_data};
use super::record::RecordHead;
use super::row_index::RowIndex;
use super::stored_rows::{StoredRow, VisibleStored, read_row, split};
use super::tail::write_changes;
use super::{NEW_INDEX_SUFFIX, SUFFIX, row_id};
use crate::codec::ByteWriter;
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::end_row;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::row_changes::{MergedRows, RowChanges, checked_row, key_of, misplaced};
use crate::engine::table::{Access, Ended, FileBlocks, Lazy, LiveTable, VisibleIds};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::model::{RowPart, RowStream};

/// A table whose [`RowId`]s are the offset of a record and the position in it.
#[derive(Debug)]
pub(super) struct LiveAppend {
    place: TablePlace,
    access: Access,
    file: Arc<SourceFile>,
    /// Records that were read. What the file goes on with is none of them yet.
    blocks: FileBlocks,
    /// What the file holds, and what it holds with the changes.
    stored: TableCounts,
    counts: TableCounts,
    changes: RowChanges,
    /// The ends in the file, read when they are asked for and no index is
    /// there to say.
    ends: Lazy<EndList>,
    /// Of a table with a primary key that may be written; opened with the first
    /// change or question, because making it reads every row.
    index: Option<Lazy<RowIndex>>,
}

impl LiveAppend {
    /// Opens a table.
    ///
    /// # Errors
    /// As opening it for reading.
    pub(super) fn open(table: &TablePlace, counts: TableCounts, access: &Access) -> Result<Self> {
        let file = open_data(table, counts)?;
        let has_index = table.key.is_some() && access.write;
        if has_index {
            // What a crash left of an index that was being made.
            table.disk.remove_if_there(&table.file(NEW_INDEX_SUFFIX))?;
        }
        let path = table.file(SUFFIX);
        Ok(LiveAppend {
            place: table.clone(),
            access: access.clone(),
            file,
            blocks: FileBlocks::new(&access.blocks),
            stored: counts,
            counts,
            changes: RowChanges::new::<RecordHead>(path, counts.rows, counts.data_len),
            ends: Lazy::new(),
            index: has_index.then(Lazy::new),
        })
    }

    /// The index, opened while the file has all changes.
    fn index(&self) -> Result<Option<&RowIndex>> {
        let open = || RowIndex::open(&self.place, (&self.file, self.stored), &self.access.pool);
        let index = self.index.as_ref();
        index.map(|index| index.get(open)).transpose()
    }

    fn opened_index(&self) -> Option<&RowIndex> {
        self.index.as_ref()?.opened()
    }

    fn read_ends(&self) -> Result<EndList> {
        match self.stored.ends {
            0 => Ok(EndList::default()),
            _ => collect_ends(&self.file, &self.place.address, self.stored.data_len),
        }
    }

    /// The xmax that the file has beside a row.
    fn stored_end(&self, index: u64) -> Result<Option<u64>> {
        if self.stored.ends == 0 || self.changes.ended().contains_key(&index) {
            return Ok(None);
        }
        if let Some(known) = self.index()?
            && let Some(end) = known.end_of(index)?
        {
            return Ok(end);
        }
        self.ends.get(|| self.read_ends())?.get(index)
    }

    /// A row as it was inserted, or as the file has it with the end that
    /// stands beside it.
    fn row(&self, id: RowId) -> Result<Option<StoredRow>> {
        let (offset, position) = split(id);
        if offset >= self.stored.data_len {
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            let index = self.changes.index_at(offset, position);
            return Ok(index.and_then(|index| {
                let bytes = self.changes.row(index)?.to_vec();
                Some(StoredRow { index, bytes })
            }));
        }
        let place = (id, self.stored.data_len);
        let Some(row) = read_row((&self.file, &self.blocks), &self.place, place)? else {
            return Ok(None);
        };
        let Some(xmax) = self.stored_end(row.index)? else {
            return Ok(Some(row));
        };
        let mut w = ByteWriter::new();
        let ended = end_row(&mut w, &row.bytes, xmax);
        ended.map_err(|flaw| Piece::of(&self.file, &row.bytes).flaw(flaw))?;
        let bytes = w.into_vec();
        Ok(Some(StoredRow { bytes, ..row }))
    }

    fn is_ended(&self, index: u64) -> bool {
        self.changes.ended().contains_key(&index)
    }

    /// The visible rows, those of the file first.
    fn visible(&self) -> Result<AllVisible<'_>> {
        let data = (&self.file, self.stored.data_len);
        let stored = VisibleStored::new(data, &self.place, self.read_ends()?);
        Ok(AllVisible {
            table: self,
            stored: Some(stored),
            group: 0,
        })
    }

    /// Looks at every row for the newest visible one of a key.
    fn scan_for(&self, key: &[u8]) -> Result<Option<RowId>> {
        let mut found = None;
        let mut rows = self.visible()?;
        while rows.step(|id, row_key| {
            if row_key == Some(key) {
                found = Some(id);
            }
        })? {}
        Ok(found)
    }

    /// Writes the new records and says where the data end then.
    fn append(&self, lsn: Lsn) -> Result<u64> {
        let path = self.file.path();
        let file = self.place.disk.open_write(path)?;
        let io = |error| Error::io("write", path, error);
        // What a crash left.
        if file.len().map_err(io)? > self.stored.data_len {
            file.set_len(self.stored.data_len).map_err(io)?;
        }
        let head = (&self.place.address, lsn, self.counts.rows);
        let data_len = write_changes(&self.changes, head, |record, offset| {
            file.write_all_at(record, offset).map_err(io)
        })?;
        let synced = file.sync();
        synced.map_err(|error| Error::io("sync", path, error))?;
        Ok(data_len)
    }

    /// Whether a checkpoint has something to do.
    fn has_changes(&self) -> bool {
        let damaged = self.opened_index().is_some_and(|index| !index.is_whole());
        damaged || !self.changes.is_empty()
    }
}

/// The visible rows of the file, then the new ones.
struct AllVisible<'t> {
    table: &'t LiveAppend,
    /// What is left of the file.
    stored: Option<VisibleStored>,
    /// The group of new rows that comes next.
    group: usize,
}

impl AllVisible<'_> {
    /// Hands name and key of some more rows to `take`; false after the last.
    fn step(&mut self, mut take: impl FnMut(RowId, Option<&[u8]>)) -> Result<bool> {
        let table = self.table;
        if let Some(stored) = &mut self.stored {
            let more = stored.next_record(|id, index, key| {
                if !table.is_ended(index) {
                    take(id, key);
                }
                Ok(())
            })?;
            if !more {
                self.stored = None;
            }
            return Ok(true);
        }
        let Some(group) = table.changes.groups().get(self.group) else {
            return Ok(false);
        };
        self.group += 1;
        for (position, index) in (0..).zip(group.first_row..).take(group.row_count()) {
            let row = table.changes.row(index).unwrap_or_default();
            let key = key_of(&Piece::of(&table.file, row), &table.place)?.key;
            if !table.is_ended(index) {
                take(RowId(row_id(group.offset, position)), key);
            }
        }
        Ok(true)
    }
}

impl VisibleIds for AllVisible<'_> {
    fn next_ids(&mut self, ids: &mut Vec<RowId>) -> Result<bool> {
        self.step(|id, _| ids.push(id))
    }
}

/// The index as a change finds it, once it is open.
fn opened(index: &mut Option<Lazy<RowIndex>>) -> Option<&mut RowIndex> {
    index.as_mut()?.opened_mut()
}

impl LiveTable for LiveAppend {
    fn counts(&self) -> TableCounts {
        self.counts
    }

    fn insert(&mut self, row: &[u8], at: Option<RowId>) -> Result<RowId> {
        let key = checked_row(&self.place, row)?;
        let place = self.changes.place_of(row.len());
        let position = u32::try_from(place.position).unwrap_or(u32::MAX);
        let id = RowId(row_id(place.offset, position));
        if at.is_some_and(|at| at != id) {
            return Err(misplaced(self.file.path(), at, id));
        }
        self.index()?;
        self.changes.push(row);
        self.counts.add(true);
        if let (Some(index), Some(key)) = (opened(&mut self.index), key) {
            index.insert(key, id)?;
        }
        Ok(id)
    }

    fn end(&mut self, id: RowId, xmax: u64, moved: Option<RowId>) -> Result<Ended> {
        if moved.is_some() {
            return Err(misplaced(self.file.path(), moved, id));
        }
        let Some(row) = self.row(id)? else {
            return Ok(Ended::Not);
        };
        let key = key_of(&Piece::of(&self.file, &row.bytes), &self.place)?;
        self.index()?;
        if !key.visible || !self.changes.end(row.index, xmax) {
            return Ok(Ended::Not);
        }
        self.counts.live = self.counts.live.saturating_sub(1);
        let index = row.index;
        if let (Some(known), Some(key)) = (opened(&mut self.index), key.key) {
            known.end((key, id), End { index, xmax })?;
        }
        Ok(Ended::Yes { moved: None })
    }

    fn read(&self, id: RowId) -> Result<Option<Vec<u8>>> {
        let row = self.row(id)?;
        row.map(|row| self.changes.as_ended(row.index, row.bytes))
            .transpose()
    }

    fn find(&self, key: &[u8]) -> Result<Option<RowId>> {
        if self.place.key.is_none() {
            return Ok(None);
        }
        let rows = self.index()?.map(|index| index.rows_of(key));
        let Some(rows) = rows.transpose()?.flatten() else {
            return self.scan_for(key);
        };
        for id in rows.into_iter().rev() {
            let Some(row) = self.row(id)? else {
                continue;
            };
            let of_row = key_of(&Piece::of(&self.file, &row.bytes), &self.place)?;
            if of_row.visible && of_row.key == Some(key) && !self.is_ended(row.index) {
                return Ok(Some(id));
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
        Ok(Box::new(self.visible()?))
    }

    fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) -> Result<()> {
        if !self.has_changes() {
            return Ok(());
        }
        if !self.changes.is_empty() {
            self.counts.data_len = self.append(lsn)?;
            let ends = self.changes.ended().len() as u64;
            self.counts.ends = self.stored.ends.saturating_add(ends);
        }
        let data_len = self.counts.data_len;
        if let Some(index) = opened(&mut self.index) {
            index.checkpoint(&self.place, (data_len, lsn), batch);
        }
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<()> {
        if !self.has_changes() {
            return Ok(());
        }
        self.file = open_data(&self.place, self.counts)?;
        self.stored = self.counts;
        self.ends = Lazy::new();
        self.changes.carried_out(self.counts.data_len);
        match opened(&mut self.index) {
            Some(index) => {
                let data = (&self.file, self.counts);
                index.checkpointed(&self.place, data, &self.access.pool)
            }
            None => Ok(()),
        }
    }

    fn pending_len(&self) -> usize {
        let index = self.opened_index().map_or(0, RowIndex::pending_len);
        self.changes.len() + index
    }
}
