//! A B+tree of keys in a file of pages (format page, "Index"). Derived from
//! rows: no row is lost with it.

mod builder;
mod key;
mod meta;
mod node;
mod packing;
mod range;
mod sorter;
mod tree_file;
mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use super::address::TableAddress;
use crate::codec::ByteWriter;
use crate::file::Disk;

pub(super) use builder::TreeBuilder;
pub(super) use key::key_digest;
pub(crate) use sorter::Sorter;
pub(super) use tree_file::Tree;
pub(super) use verify::{EntrySet, verify_tree};
pub(super) use writer::TreeWriter;

/// What the format page names, by its name there.
#[cfg(test)]
pub(super) const LIMITS: [(&str, u64); 4] = [
    ("ENTRY_LEN", ENTRY_LEN as u64),
    ("LEAF_ROOM", packing::LEAF_ROOM as u64),
    ("INNER_CHILDREN", node::INNER_CHILDREN as u64),
    ("MAX_HEIGHT", meta::MAX_HEIGHT as u64),
];

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
    fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        let (key, value) = bytes.split_at_mut(16);
        key.copy_from_slice(&self.key.to_le_bytes());
        value.copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    /// The entry of some bytes; only the first ones are looked at, and those
    /// that are missing are taken to be 0.
    fn from_bytes(bytes: &[u8]) -> Self {
        let (key, value) = bytes.split_at_checked(16).unwrap_or_default();
        Entry {
            key: u128::from_le_bytes(key.try_into().unwrap_or_default()),
            value: u64::from_le_bytes(value.first_chunk().copied().unwrap_or_default()),
        }
    }
}

/// Where a tree is.
#[derive(Debug, Clone)]
pub(super) struct TreePlace {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// The file of the tree.
    pub path: PathBuf,
    /// Whose index it is.
    pub address: TableAddress,
}

#[cfg(test)]
pub(super) mod tests;
