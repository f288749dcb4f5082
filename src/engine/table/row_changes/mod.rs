//! Rows and ends of versions that no file holds yet, for the layouts that
//! number the rows of a table.

mod merged;
mod row_checks;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(in crate::engine) use merged::MergedRows;
pub(in crate::engine) use row_checks::{checked_row, key_of, misplaced};

use crate::codec::ByteWriter;
use crate::engine::pages::frame::Piece;
use crate::engine::rows::block::Head;
use crate::engine::rows::codec::end_row;
use crate::error::Result;

/// Bytes that an end takes in memory, about.
const END_LEN: usize = 32;

/// Rows that will share a block.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct RowGroup {
    /// File offset of the block's head.
    pub offset: u64,
    /// Index in the table of the first row.
    pub first_row: u64,
    bytes: Vec<u8>,
    /// Where each row ends in `bytes`.
    row_ends: Vec<usize>,
}

impl RowGroup {
    /// The rows, one after another.
    pub(in crate::engine) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many they are.
    pub(in crate::engine) fn row_count(&self) -> usize {
        self.row_ends.len()
    }

    fn row(&self, position: usize) -> Option<&[u8]> {
        let end = *self.row_ends.get(position)?;
        let before = position.checked_sub(1);
        let start = before.map_or(Some(0), |before| self.row_ends.get(before).copied())?;
        self.bytes.get(start..end)
    }
}

/// Where a new row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct NewPlace {
    /// Its index in the table.
    pub index: u64,
    /// File offset of the head of its block.
    pub offset: u64,
    /// Its position in the block, from 0.
    pub position: usize,
}

/// What changed in a table since its file was written. New rows are put into
/// blocks at once, so that the place of a row is known when it comes.
#[derive(Debug)]
pub(in crate::engine) struct RowChanges {
    path: PathBuf,
    /// Bytes of a block's head, and most bytes of several rows in one.
    head_len: usize,
    max_shared_len: usize,
    /// Index of the first row, and file offset of the first block, to come.
    next_row: u64,
    next_offset: u64,
    groups: Vec<RowGroup>,
    /// By row index: the xmax of a version that the file holds as visible, or
    /// that is new.
    ended: BTreeMap<u64, u64>,
    row_bytes: usize,
}

impl RowChanges {
    /// No changes of a table whose file is at `path`; new rows have indexes
    /// from `next_row` on, and blocks offsets from `next_offset` on.
    pub(in crate::engine) fn new<H: Head>(path: PathBuf, next_row: u64, next_offset: u64) -> Self {
        RowChanges {
            path,
            head_len: H::LEN,
            max_shared_len: H::MAX_SHARED_LEN,
            next_row,
            next_offset,
            groups: Vec::new(),
            ended: BTreeMap::new(),
            row_bytes: 0,
        }
    }

    /// Where a row of `len` bytes would go.
    pub(in crate::engine) fn place_of(&self, len: usize) -> NewPlace {
        let (index, offset) = (self.next_row, self.next_offset);
        match self.open_group(len) {
            Some(group) => NewPlace {
                index,
                offset: group.offset,
                position: group.row_count(),
            },
            None => NewPlace {
                index,
                offset,
                position: 0,
            },
        }
    }

    /// The last group, if a row of `len` bytes goes there.
    fn open_group(&self, len: usize) -> Option<&RowGroup> {
        let last = self.groups.last();
        last.filter(|group| group.bytes.len().saturating_add(len) <= self.max_shared_len)
    }

    /// Adds a row.
    pub(in crate::engine) fn push(&mut self, row: &[u8]) -> NewPlace {
        let place = self.place_of(row.len());
        if self.open_group(row.len()).is_none() {
            self.groups.push(RowGroup {
                offset: self.next_offset,
                first_row: self.next_row,
                ..RowGroup::default()
            });
            self.next_offset += self.head_len as u64;
        }
        if let Some(group) = self.groups.last_mut() {
            group.bytes.extend_from_slice(row);
            group.row_ends.push(group.bytes.len());
        }
        self.next_offset += row.len() as u64;
        self.next_row += 1;
        self.row_bytes += row.len() + size_of::<usize>();
        place
    }

    /// Ends a version; false when it was ended here before.
    pub(in crate::engine) fn end(&mut self, index: u64, xmax: u64) -> bool {
        let free = !self.ended.contains_key(&index);
        if free {
            self.ended.insert(index, xmax);
        }
        free
    }

    /// The blocks of the new rows.
    pub(in crate::engine) fn groups(&self) -> &[RowGroup] {
        &self.groups
    }

    /// The ends, by row index.
    pub(in crate::engine) fn ended(&self) -> &BTreeMap<u64, u64> {
        &self.ended
    }

    /// The file offset after the last block.
    pub(in crate::engine) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Whether nothing changed.
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.ended.is_empty()
    }

    /// Bytes of memory that the changes take, about.
    pub(in crate::engine) fn len(&self) -> usize {
        self.row_bytes + self.ended.len() * END_LEN
    }

    /// A new row by its index, as it was inserted.
    pub(in crate::engine) fn row(&self, index: u64) -> Option<&[u8]> {
        let after = self
            .groups
            .partition_point(|group| group.first_row <= index);
        let group = self.groups.get(after.checked_sub(1)?)?;
        group.row(usize::try_from(index - group.first_row).ok()?)
    }

    /// The index of a new row by the block's offset and its position there.
    pub(in crate::engine) fn index_at(&self, offset: u64, position: usize) -> Option<u64> {
        let at = self
            .groups
            .binary_search_by_key(&offset, |group| group.offset);
        let group = self.groups.get(at.ok()?)?;
        (position < group.row_count()).then(|| group.first_row.saturating_add(position as u64))
    }

    /// A version as it is with its end, if it has one here.
    ///
    /// # Errors
    /// Damage: the row is none.
    pub(in crate::engine) fn as_ended(&self, index: u64, row: Vec<u8>) -> Result<Vec<u8>> {
        let Some(xmax) = self.ended.get(&index) else {
            return Ok(row);
        };
        let mut w = ByteWriter::new();
        end_row(&mut w, &row, *xmax).map_err(|flaw| self.piece(&row).flaw(flaw))?;
        Ok(w.into_vec())
    }

    /// Bytes that are for the file of the table.
    pub(in crate::engine) fn piece<'a>(&'a self, bytes: &'a [u8]) -> Piece<'a> {
        Piece {
            path: &self.path,
            offset: 0,
            bytes,
        }
    }

    /// All changes are in the file now.
    pub(in crate::engine) fn carried_out(&mut self, next_offset: u64) {
        self.groups.clear();
        self.ended.clear();
        self.row_bytes = 0;
        self.next_offset = next_offset;
    }
}
