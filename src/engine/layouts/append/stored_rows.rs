//! Rows by their place in the data, and the places of all visible rows.

use std::sync::Arc;

use super::ends::{EndCursor, EndList};
use super::reader::{data_piece, read_record, records};
use super::record::{RECORD_HEAD_LEN, RecordKind};
use super::{POSITION_BITS, row_id};
use crate::codec::Cursor;
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::Head;
use crate::engine::rows::codec::walk_row;
use crate::engine::rows::row_run::walk_run;
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
    file: &SourceFile,
    table: &TablePlace,
    (id, data_len): (RowId, u64),
) -> Result<Option<StoredRow>> {
    let (offset, position) = split(id);
    let (block, bytes) = read_record(file, &table.address, (offset, data_len))?;
    let extent = block.head.extent();
    if block.head.kind() != RecordKind::Rows || position >= extent.row_count.into() {
        return Ok(None);
    }
    let rows = Piece {
        path: file.path(),
        offset: offset.saturating_add(RECORD_HEAD_LEN as u64),
        bytes: bytes.get(RECORD_HEAD_LEN..).unwrap_or_default(),
    };
    let mut c = Cursor::new(rows.bytes);
    let mut start = 0;
    for _ in 0..=position {
        start = c.position();
        walk_row(&mut c, table.arity).map_err(|flaw| rows.flaw(flaw))?;
    }
    let row = rows.bytes.get(start..c.position());
    Ok(row.map(|row| StoredRow {
        index: extent.first_row.saturating_add(position),
        bytes: row.to_vec(),
    }))
}

/// Hands place, index and key of every visible row to `take`, in stored order.
///
/// # Errors
/// Damage; I/O errors; those of `take`.
pub(super) fn visible_rows(
    (file, data_len): (&Arc<SourceFile>, u64),
    table: &TablePlace,
    ends: EndList,
    mut take: impl FnMut(RowId, u64, Option<&[u8]>) -> Result<()>,
) -> Result<()> {
    let mut walk = records(file, table.address, data_len);
    let mut ends = EndCursor::new(ends);
    let data = data_piece(file);
    while let Some(record) = walk.advance()? {
        if record.head.kind() != RecordKind::Rows {
            continue;
        }
        let extent = record.head.extent();
        let offset = walk.offset();
        let rows = walk.rows(&record);
        let (arity, key) = (table.arity, table.key);
        walk_run(&rows, extent.row_count, arity, key, |position, key| {
            let index = extent.first_row.saturating_add(position.into());
            match ends.is_ended(index, &data)? {
                true => Ok(()),
                false => take(RowId(row_id(offset, position)), index, key),
            }
        })?;
    }
    ends.finish(&data)
}
