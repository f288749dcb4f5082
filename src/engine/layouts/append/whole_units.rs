//! The whole records of a damaged table.

use super::ends::{EndList, read_ends};
use super::record::{RECORD_HEAD_LEN, RecordHead, RecordKind};
use super::{SUFFIX, row_id};
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{BlockUnit, BlockUnits, Head, split_rows};
use crate::engine::table::{Unit, WholeUnits};
use crate::engine::tree::Sorter;
use crate::error::{Error, Result};

/// A walk over the records of a table.
pub(super) struct RecordUnits {
    records: BlockUnits<RecordHead>,
    ends: EndList,
    arity: Option<usize>,
}

impl RecordUnits {
    /// The records of a table; those beyond `data_len`, if it is known, are of
    /// a checkpoint that did not come to pass.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn new(
        table: &TablePlace,
        data_len: Option<u64>,
        arity: Option<usize>,
    ) -> Result<Self> {
        let file = table.open(SUFFIX)?;
        let end = data_len.unwrap_or(u64::MAX);
        let records = || BlockUnits::<RecordHead>::new(&file, table.address, end);
        let mut sorter = Sorter::in_scratch();
        let mut before = records();
        while let Some(unit) = before.next_block()? {
            let BlockUnit::Whole(head, offset, payload) = unit else {
                continue;
            };
            if head.kind() != RecordKind::Ends {
                continue;
            }
            let payload = Piece {
                path: file.path(),
                offset: offset.saturating_add(RECORD_HEAD_LEN as u64),
                bytes: &payload,
            };
            let extent = head.extent();
            let expected = (extent.row_count, extent.first_row);
            match read_ends(&payload, expected, |end| sorter.push(end.entry())) {
                Ok(()) | Err(Error::Damage(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(RecordUnits {
            records: records(),
            ends: EndList::sorted(sorter)?,
            arity,
        })
    }
}

impl WholeUnits for RecordUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        while let Some(unit) = self.records.next_block()? {
            let (head, offset, payload) = match unit {
                BlockUnit::Whole(head, offset, payload) => (head, offset, payload),
                BlockUnit::Lost(damage, len) => return Ok(Some(Unit::Lost(damage, len))),
            };
            if head.kind() == RecordKind::Ends {
                continue;
            }
            let extent = head.extent();
            let name = |position: u32| RowId(row_id(offset, position));
            let mut rows = split_rows(&payload, extent.row_count, self.arity, name);
            for (row, index) in rows.iter_mut().zip(extent.first_row..) {
                row.xmax = self.ends.get(index)?;
            }
            return Ok(Some(Unit::Rows(rows)));
        }
        Ok(None)
    }
}
