//! From key to row, in memory: the file of a table has no index.

use std::collections::BTreeSet;

use crate::codec::{ByteWriter, ContentHash};
use crate::engine::rows::codec::encode_value;
use crate::error::Result;
use crate::model::RowStream;

/// A visible row: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyEntry {
    /// Digest of the key in the row codec, in two halves that need no
    /// alignment to 16 bytes.
    digest: [u64; 2],
    /// Index of the row in the table.
    index: u64,
}

impl KeyEntry {
    fn new(key: &[u8], index: u64) -> Self {
        let digest = ContentHash::of(key).0;
        let low = digest & u128::from(u64::MAX);
        let half = |bits| u64::try_from(bits).unwrap_or_default();
        KeyEntry {
            digest: [half(digest >> 64), half(low)],
            index,
        }
    }
}

/// The visible rows of a table by their key. It takes 24 bytes a row and the
/// slack of a tree: a table without bound belongs into a layout with an index.
#[derive(Debug, Default)]
pub(super) struct KeyMap {
    entries: BTreeSet<KeyEntry>,
}

impl KeyMap {
    /// The visible rows of a table whose key stands at position `key`.
    ///
    /// # Errors
    /// Those of the rows.
    pub(super) fn of(rows: &mut dyn RowStream, key: usize) -> Result<Self> {
        let mut map = KeyMap::default();
        let (mut index, mut bytes) = (0, ByteWriter::new());
        while let Some(batch) = rows.next_batch()? {
            for row in batch.rows() {
                if let Some(value) = row.value(key).filter(|_| row.is_visible()) {
                    bytes.clear();
                    encode_value(&mut bytes, &value);
                    map.insert(bytes.as_slice(), index);
                }
                index += 1;
            }
        }
        Ok(map)
    }

    /// Adds a row.
    pub(super) fn insert(&mut self, key: &[u8], index: u64) {
        self.entries.insert(KeyEntry::new(key, index));
    }

    /// Takes a row away.
    pub(super) fn remove(&mut self, key: &[u8], index: u64) {
        self.entries.remove(&KeyEntry::new(key, index));
    }

    /// The rows that may have a key, the newest first. Another key may have
    /// the same digest.
    pub(super) fn newest_first(&self, key: &[u8]) -> impl Iterator<Item = u64> {
        let range = KeyEntry::new(key, 0)..=KeyEntry::new(key, u64::MAX);
        self.entries.range(range).rev().map(|entry| entry.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_24_bytes() {
        assert_eq!(size_of::<KeyEntry>(), 24);
    }

    #[test]
    fn rows_of_a_key_come_newest_first() {
        let mut map = KeyMap::default();
        for index in [3, 1, 2] {
            map.insert(b"a", index);
        }
        map.insert(b"b", 9);
        map.remove(b"a", 2);
        assert_eq!(map.newest_first(b"a").collect::<Vec<_>>(), [3, 1]);
        assert_eq!(map.newest_first(b"c").count(), 0);
    }
}
