//! The whole blocks of a damaged table.

use super::SUFFIX;
use super::block::BlockHead;
use super::trailer::{TRAILER_LEN, Trailer};
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{BlockUnit, BlockUnits, Head, split_rows};
use crate::engine::table::{Unit, WholeUnits};
use crate::error::Result;

/// A walk over the blocks of a table.
pub(super) struct TableUnits {
    blocks: BlockUnits<BlockHead>,
    arity: Option<usize>,
}

impl TableUnits {
    /// The blocks of a table.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn new(table: &TablePlace, arity: Option<usize>) -> Result<Self> {
        let file = table.open(SUFFIX)?;
        let mut end = file.len();
        if let Some(offset) = end.checked_sub(TRAILER_LEN as u64) {
            let mut tail = [0; TRAILER_LEN];
            file.read_exact_at(&mut tail, offset)?;
            let piece = Piece {
                path: file.path(),
                offset,
                bytes: &tail,
            };
            if Trailer::decode(&piece, &table.address).is_ok() {
                end = offset;
            }
        }
        Ok(TableUnits {
            blocks: BlockUnits::new(&file, table.address, end),
            arity,
        })
    }
}

impl WholeUnits for TableUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        Ok(self.blocks.next_block()?.map(|unit| match unit {
            BlockUnit::Whole(head, _, payload) => {
                let extent = head.extent();
                let name = |position: u32| RowId(extent.first_row.saturating_add(position.into()));
                Unit::Rows(split_rows(&payload, extent.row_count, self.arity, name))
            }
            BlockUnit::Lost(damage, len) => Unit::Lost(damage, len),
        }))
    }
}
