//! Rows of a table that lie in legacy files.

use std::ops::Range;

use crate::error::Result;
use crate::legacy::{PageDir, RowExtent, RowReader, read_rows_at};
use crate::model::RowStream;

/// Stored rows of a table, from one index on.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Index of the first row.
    pub first_index: u64,
    /// The rows.
    pub rows: StoredRows,
}

/// Rows that lie in a legacy file.
#[derive(Debug, Clone)]
pub enum StoredRows {
    /// In a snapshot.
    Snapshot(RowExtent),
    /// In page files.
    Pages {
        /// The page files.
        dir: PageDir,
        /// How many rows they hold.
        count: u64,
        /// How many of them are visible.
        live: u64,
    },
}

/// What a table has beside the rows that the snapshot gives it.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// Rows that were announced, readable or not.
    pub announced: u64,
    /// Rows found elsewhere, in order.
    pub found: Vec<StoredRows>,
    /// Whether rows existed before the log begins, so that row indexes mean
    /// nothing.
    pub indexes_unknown: bool,
}

impl StoredRows {
    /// Row versions.
    pub fn row_count(&self) -> u64 {
        match self {
            StoredRows::Snapshot(extent) => extent.count,
            StoredRows::Pages { count, .. } => *count,
        }
    }

    pub(super) fn live(&self) -> u64 {
        match self {
            StoredRows::Snapshot(extent) => extent.live,
            StoredRows::Pages { live, .. } => *live,
        }
    }

    /// Bytes of the rows in the snapshot; 0 for rows that lie elsewhere.
    pub fn snapshot_len(&self) -> u64 {
        match self {
            StoredRows::Snapshot(extent) => extent.range.end.saturating_sub(extent.range.start),
            StoredRows::Pages { .. } => 0,
        }
    }

    /// How many parts can be read by themselves; at least one.
    pub(super) fn part_count(&self) -> usize {
        match self {
            StoredRows::Snapshot(extent) => extent.part_count(),
            StoredRows::Pages { .. } => 1,
        }
    }

    /// The rows of a part, and their indexes from the piece's own start.
    pub(super) fn open_part(&self, part: usize) -> (Box<dyn RowStream + '_>, Range<u64>) {
        match self {
            StoredRows::Snapshot(extent) => {
                let rows = RowReader::of_part(extent, part);
                (Box::new(rows), extent.part(part))
            }
            StoredRows::Pages { dir, count, .. } => (Box::new(dir.rows()), 0..*count),
        }
    }

    /// How many of the rows at `indexes`, counted from the piece's own start,
    /// are visible.
    pub(super) fn visible_at(&self, indexes: impl IntoIterator<Item = u64>) -> Result<u64> {
        let mut visible = 0;
        // Page storage logs neither Update nor Delete: nothing is marked there.
        if let StoredRows::Snapshot(extent) = self {
            read_rows_at(extent, indexes, |_, row| {
                visible += u64::from(row.is_visible())
            })?;
        }
        Ok(visible)
    }
}
