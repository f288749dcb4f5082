//! A B+tree of keys in a file of pages (format page, "Index"). Derived from
//! rows: no row is lost with it.

mod builder;
mod entry;
mod meta;
mod node;
mod packing;
mod place;
mod range;
mod sorter;
mod tree_file;
mod verify;
mod writer;

pub(super) use builder::TreeBuilder;
pub(crate) use entry::Entry;
pub(super) use place::TreePlace;
pub(crate) use sorter::Sorter;
pub(super) use tree_file::Tree;
pub(super) use verify::{EntrySet, verify_tree};

/// What the format page names, by its name there.
#[cfg(test)]
pub(super) const LIMITS: [(&str, u64); 4] = [
    ("ENTRY_LEN", entry::ENTRY_LEN as u64),
    ("LEAF_ROOM", packing::LEAF_ROOM as u64),
    ("INNER_CHILDREN", node::INNER_CHILDREN as u64),
    ("MAX_HEIGHT", meta::MAX_HEIGHT as u64),
];

#[cfg(test)]
pub(super) mod tests;
