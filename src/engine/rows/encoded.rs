//! Rows encoded for a new table: the work that the writer of any layout leaves
//! to other threads.

use super::codec::encode_row;
use super::key::key_digest;
use crate::codec::ByteWriter;
use crate::engine::pages::paths::TablePlace;
use crate::error::{Error, Result};
use crate::model::RowBatch;

/// Consecutive rows in the row codec, in stored order.
#[derive(Debug, Default)]
pub(in crate::engine) struct EncodedRows {
    bytes: ByteWriter,
    rows: Vec<EncodedRow>,
    /// Index keys of the primary keys, where they are wanted.
    keys: Vec<u128>,
}

/// Where a row ends in the bytes of all.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct EncodedRow {
    /// Offset after its last byte.
    pub end: usize,
    /// Whether a user sees it.
    pub visible: bool,
}

impl EncodedRows {
    /// Forgets the rows and keeps the room.
    pub(in crate::engine) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.keys.clear();
    }

    /// The rows, in stored order.
    pub(in crate::engine) fn rows(&self) -> &[EncodedRow] {
        &self.rows
    }

    /// Bytes from the end of one row to that of another.
    pub(in crate::engine) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.as_slice().get(from..to).unwrap_or_default()
    }

    /// Index keys of the primary keys of all rows; empty unless they were
    /// wanted.
    pub(in crate::engine) fn keys(&self) -> &[u128] {
        &self.keys
    }

    /// Adds some rows, and the index keys of their values at position `key`.
    ///
    /// # Errors
    /// `WrongArity` when a row does not fit the table.
    pub(in crate::engine) fn add(
        &mut self,
        batch: &RowBatch<'_>,
        table: &TablePlace,
        key: Option<usize>,
    ) -> Result<()> {
        for row in batch.rows() {
            table.check_arity(self.rows.len() as u64, row.arity())?;
            let encoded = encode_row(&mut self.bytes, &row, key).ok_or_else(|| {
                Error::Internal("bytes that are no plain row were passed on".into())
            })?;
            if key.is_some() {
                let key = key_digest(self.bytes(encoded.start, encoded.end));
                self.keys.push(key);
            }
            self.rows.push(EncodedRow {
                end: self.bytes.len(),
                visible: row.is_visible(),
            });
        }
        Ok(())
    }
}
