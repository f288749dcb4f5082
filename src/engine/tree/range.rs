//! Entries in order, leaf by leaf.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::entry::Entry;
use super::node::Node;
use super::tree_file::{Path, Tree};
use crate::engine::pages::buffer_pool::PageBytes;
use crate::error::Result;

/// The entries of a range of keys, rising.
pub(in crate::engine) struct EntryRange<'t> {
    tree: &'t Tree,
    /// What comes next is at least this; `None` after the end.
    from: Option<Entry>,
    last_key: u128,
    /// The leaf at hand, the next position in it, and where the next leaf
    /// starts.
    leaf: Option<(Arc<PageBytes>, usize, Option<Entry>)>,
}

impl Tree {
    /// The entries of a range of keys.
    pub(in crate::engine) fn range(&self, keys: RangeInclusive<u128>) -> EntryRange<'_> {
        let (key, last_key) = keys.into_inner();
        EntryRange {
            tree: self,
            from: Some(Entry { key, value: 0 }),
            last_key,
            leaf: None,
        }
    }

    /// The values of a key, rising.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(in crate::engine) fn values(&self, key: u128) -> Result<Vec<u64>> {
        let entries = self.range(key..=key);
        entries.map(|entry| Ok(entry?.value)).collect()
    }
}

impl EntryRange<'_> {
    fn step(&mut self) -> Result<Option<Entry>> {
        while let Some(from) = self.from {
            let (leaf, at, next) = match self.leaf.take() {
                Some(leaf) => leaf,
                None => {
                    let Path { leaf, next, .. } = self.tree.descend(from)?;
                    let at = Node::new(&leaf).search(|entry| entry < from);
                    (leaf, at, next)
                }
            };
            let node = Node::new(&leaf);
            if at == node.count() {
                // Greater than `from`, as the descent made sure.
                self.from = next.filter(|next| next.key <= self.last_key);
                continue;
            }
            let entry = node.entry(at);
            if entry.key > self.last_key {
                self.from = None;
                return Ok(None);
            }
            self.leaf = Some((leaf, at + 1, next));
            return Ok(Some(entry));
        }
        Ok(None)
    }
}

impl Iterator for EntryRange<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.from = None;
        }
        step.transpose()
    }
}
