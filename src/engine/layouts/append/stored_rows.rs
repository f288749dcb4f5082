//! Rows by their place in the data, and the places of all visible rows.

use std::sync::Arc;

use super::ends::{EndCursor, EndList};
use super::reader::{data_piece, read_record, records};
use super::record::{RecordHead, RecordKind};
use super::{POSITION_BITS, row_id};
use crate::engine::pages::address::RowId;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{BlockWalk, Head};
use crate::engine::rows::row_run::walk_run;
use crate::engine::table::{CachedBlock, FileBlocks};
use crate::error::Result;
use crate::file::SourceFile;

/// Offset of the record, and position in it.
pub(super) fn split(id: RowId) -> (u64, u64) {
    (id.0 >> POSITION_BITS, id.0 & ((1 << POSITION_BITS) - 1))
}

/// One row as its record holds it.
#[derive(Debug)]
pub(super) struct StoredRow {
    /// Its index in the table.
    pub index: u64,
    /// Its bytes in the row codec.
    pub bytes: Vec<u8>,
}

/// Reads a row; `None` when there is none at that position.
///
/// # Errors
/// Damage, also when no record starts at the offset; I/O errors.
pub(super) fn read_row(
    (file, blocks): (&SourceFile, &FileBlocks),
    table: &TablePlace,
    (id, data_len): (RowId, u64),
) -> Result<Option<StoredRow>> {
    let (offset, position) = split(id);
    let block = blocks.get(offset, || {
        let (block, bytes) = read_record(file, &table.address, (offset, data_len))?;
        if block.head.kind() != RecordKind::Rows {
            return Ok(CachedBlock::empty());
        }
        CachedBlock::new((file.path(), offset), (&block, bytes), table.arity)
    })?;
    Ok(block.row(position).map(|row| StoredRow {
        index: block.first_row.saturating_add(position),
        bytes: row.to_vec(),
    }))
}

/// The visible rows of the data, in stored order.
pub(super) struct VisibleStored {
    records: BlockWalk<RecordHead>,
    ends: EndCursor,
    arity: usize,
    key: Option<usize>,
}

impl VisibleStored {
    /// Before the first row of data of `data_len` bytes, of which `ends` stand
    /// in records of their own.
    pub(super) fn new(
        (file, data_len): (&Arc<SourceFile>, u64),
        table: &TablePlace,
        ends: EndList,
    ) -> Self {
        VisibleStored {
            records: records(file, table.address, data_len),
            ends: EndCursor::new(ends),
            arity: table.arity,
            key: table.key,
        }
    }

    /// Hands place, index and key of each visible row of the next record to
    /// `take`; false after the last record.
    ///
    /// # Errors
    /// Damage; I/O errors; those of `take`.
    pub(super) fn next_record(
        &mut self,
        mut take: impl FnMut(RowId, u64, Option<&[u8]>) -> Result<()>,
    ) -> Result<bool> {
        let Some(record) = self.records.advance()? else {
            self.ends.finish(&data_piece(self.records.file()))?;
            return Ok(false);
        };
        if record.head.kind() != RecordKind::Rows {
            return Ok(true);
        }
        let data = data_piece(self.records.file());
        let extent = record.head.extent();
        let offset = self.records.offset();
        let rows = self.records.rows(&record);
        let ends = &mut self.ends;
        walk_run(
            &rows,
            extent.row_count,
            self.arity,
            self.key,
            |position, key| {
                let index = extent.first_row.saturating_add(position.into());
                match ends.is_ended(index, &data)? {
                    true => Ok(()),
                    false => take(RowId(row_id(offset, position)), index, key),
                }
            },
        )?;
        Ok(true)
    }
}
