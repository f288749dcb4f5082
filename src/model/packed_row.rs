//! Rows that are kept.

use std::sync::Arc;

use super::PlainRow;

/// One version of a row that owns its values as plain bytes: it takes little
/// room, and copies share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedRow {
    /// See [`PlainRow::values`].
    values: Arc<[u8]>,
    /// See [`Row::xmin`](super::Row::xmin).
    pub xmin: u64,
    /// See [`Row::xmax`](super::Row::xmax).
    pub xmax: Option<u64>,
}

impl PackedRow {
    /// Copies a row whose bytes were checked.
    pub fn of_plain(row: &PlainRow<'_>) -> Self {
        PackedRow {
            values: row.values.into(),
            xmin: row.xmin,
            xmax: row.xmax,
        }
    }

    /// Borrows the row.
    pub fn plain(&self) -> PlainRow<'_> {
        PlainRow {
            values: &self.values,
            xmin: self.xmin,
            xmax: self.xmax,
        }
    }

    /// How many values there are.
    pub fn arity(&self) -> usize {
        let count = self.values.first_chunk().copied().map(u64::from_le_bytes);
        count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Whether a user sees this version.
    pub fn is_visible(&self) -> bool {
        self.xmax.is_none()
    }
}
