//! Rows encoded for a new table: the work that the writer of any layout leaves
//! to other threads.

use super::codec::{Room, encode_plain};
use super::key::key_digest;
use crate::codec::PlainReader;
use crate::engine::pages::paths::TablePlace;
use crate::error::{Error, Result};
use crate::model::{PlainRows, RowStream};

/// Consecutive rows in the row codec, in stored order.
#[derive(Debug, Default)]
pub(in crate::engine) struct EncodedRows {
    /// Never made shorter, so that its bytes are zeroed once.
    bytes: Vec<u8>,
    filled: usize,
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
        self.filled = 0;
        self.rows.clear();
        self.keys.clear();
    }

    /// The rows, in stored order.
    pub(in crate::engine) fn rows(&self) -> &[EncodedRow] {
        &self.rows
    }

    /// Bytes from the end of one row to that of another.
    pub(in crate::engine) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        let filled = self.bytes.get(..self.filled).unwrap_or_default();
        filled.get(from..to).unwrap_or_default()
    }

    /// Index keys of the primary keys of all rows; empty unless they were
    /// wanted.
    pub(in crate::engine) fn keys(&self) -> &[u128] {
        &self.keys
    }

    /// Takes all rows of a stream, which are few, in place of those before.
    ///
    /// # Errors
    /// Those of the stream; `Usage` when a row does not fit the table.
    pub(in crate::engine) fn read(
        &mut self,
        stream: Box<dyn RowStream + '_>,
        table: &TablePlace,
        key: Option<usize>,
    ) -> Result<()> {
        self.clear();
        let mut reader = PlainReader::new(stream);
        while let Some(rows) = reader.next_rows()? {
            self.add(&rows, table, key)?;
        }
        Ok(())
    }

    /// Adds some rows, and the index keys of their values at position `key`.
    ///
    /// # Errors
    /// `Usage` when a row does not fit the table.
    pub(in crate::engine) fn add(
        &mut self,
        rows: &PlainRows<'_>,
        table: &TablePlace,
        key: Option<usize>,
    ) -> Result<()> {
        // A row takes more bytes plain than encoded.
        let end = self.filled.saturating_add(rows.bytes().len());
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        for row in rows.iter() {
            let count = row
                .values
                .first_chunk::<8>()
                .map(|c| u64::from_le_bytes(*c));
            let count = count.and_then(|count| usize::try_from(count).ok());
            table.check_arity(self.rows.len() as u64, count.unwrap_or(usize::MAX))?;
            let mut room = Room::new(self.bytes.get_mut(self.filled..end).unwrap_or_default());
            let free = encode_plain(&mut room, &row, key);
            let (before, after) = free.ok_or_else(|| {
                Error::Internal("bytes that are no plain row were passed on".into())
            })?;
            self.filled = end - room.len();
            if key.is_some() {
                let key = key_digest(self.bytes(end - before, end - after));
                self.keys.push(key);
            }
            self.rows.push(EncodedRow {
                end: self.filled,
                visible: row.xmax.is_none(),
            });
        }
        Ok(())
    }
}
