//! Rows that are kept.

use std::sync::Arc;

use super::RowRef;

/// One version of a row that owns its values as plain bytes: it takes little
/// room, and copies share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedRow {
    /// See [`RowRef::bytes`].
    bytes: Arc<[u8]>,
    /// See [`Row::xmin`](super::Row::xmin).
    pub xmin: u64,
    /// See [`Row::xmax`](super::Row::xmax).
    pub xmax: Option<u64>,
}

impl PackedRow {
    /// Copies a row whose bytes were checked.
    pub fn of(row: &RowRef<'_>) -> Self {
        PackedRow {
            bytes: row.bytes.into(),
            xmin: row.xmin,
            xmax: row.xmax,
        }
    }

    /// Borrows the row.
    pub fn as_row(&self) -> RowRef<'_> {
        RowRef {
            bytes: &self.bytes,
            xmin: self.xmin,
            xmax: self.xmax,
        }
    }

    /// How many values there are.
    pub fn arity(&self) -> usize {
        self.as_row().arity()
    }

    /// Whether a user sees this version.
    pub fn is_visible(&self) -> bool {
        self.xmax.is_none()
    }
}
