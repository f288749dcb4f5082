//! What a tree holds.

use crate::codec::ByteWriter;

/// Bytes of an entry: key, value.
pub(super) const ENTRY_LEN: usize = 16 + 8;

/// One entry. Ordered by key, then by value; no tree has one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// What is looked up.
    pub key: u128,
    /// Where it is, or what else the owner of the tree makes of it.
    pub value: u64,
}

impl Entry {
    /// The first of all.
    pub(super) const MIN: Entry = Entry { key: 0, value: 0 };

    /// Appends its bytes.
    pub(super) fn encode(&self, w: &mut ByteWriter) {
        w.u128(self.key);
        w.u64(self.value);
    }

    /// Its bytes.
    pub(super) fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        let (key, value) = bytes.split_at_mut(16);
        key.copy_from_slice(&self.key.to_le_bytes());
        value.copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    /// The entry of some bytes; only the first ones are looked at, and those
    /// that are missing are taken to be 0.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (key, value) = bytes.split_at_checked(16).unwrap_or_default();
        Entry {
            key: u128::from_le_bytes(key.try_into().unwrap_or_default()),
            value: u64::from_le_bytes(value.first_chunk().copied().unwrap_or_default()),
        }
    }
}
