//! Builds a tree of entries that come in any order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::Entry;
use super::place::TreePlace;
use super::sorter::Sorter;
use super::writer::TreeWriter;
use crate::engine::pages::address::Lsn;
use crate::error::Result;
use crate::file::{Disk, DiskFile};
use crate::work::Threads;

/// A tree under construction. While entries rise, as numbers that a server gave
/// out do, they go into their pages at once. The first one that falls makes
/// all of them go through a [`Sorter`], which writes and reads each once more.
#[derive(Debug)]
pub(in crate::engine) struct TreeBuilder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tree: TreeWriter,
    sorter: Option<Sorter>,
}

impl TreeBuilder {
    /// Starts a new file; another one, without a name, may come to stand in
    /// `dir`.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn create(place: TreePlace, lsn: Lsn, dir: &Path) -> Result<Self> {
        Ok(TreeBuilder {
            disk: place.disk.clone(),
            dir: dir.to_owned(),
            tree: TreeWriter::create(place, lsn)?,
            sorter: None,
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn push(&mut self, entry: Entry) -> Result<()> {
        if let Some(sorter) = &mut self.sorter {
            return sorter.push(entry);
        }
        if self.tree.takes(entry) {
            return self.tree.push(entry);
        }
        let mut sorter = Sorter::new(&self.disk, &self.dir);
        self.tree.undo(|entry| sorter.push(entry))?;
        sorter.push(entry)?;
        self.sorter = Some(sorter);
        Ok(())
    }

    /// Writes the rest; the file, which was not synced.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn finish(
        self,
        threads: Threads,
        stamp: u64,
    ) -> Result<Arc<dyn DiskFile>> {
        let mut tree = self.tree;
        if let Some(sorter) = self.sorter {
            sorter.finish(threads, |entry| tree.push(entry))?;
        }
        tree.finish(stamp)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::pages::address::TableAddress;
    use crate::file::LocalDisk;

    fn entry(n: u64) -> Entry {
        Entry {
            key: u128::from(n) << 56,
            value: n,
        }
    }

    /// However late the first entry falls, and whether memory holds them or not.
    #[test]
    fn entries_in_any_order_give_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let place = TreePlace {
            disk: LocalDisk::shared(),
            path: dir.path().join("t.index"),
            address: TableAddress {
                cluster_id: 77,
                lsns: crate::engine::pages::address::Lsns::ANY,
                database: 1,
                table: 2,
            },
        };
        let written = |tree: Arc<dyn DiskFile>| {
            drop(tree);
            let bytes = fs::read(&place.path).unwrap();
            fs::remove_file(&place.path).unwrap();
            bytes
        };
        for count in [2, 339, 340, 341, 5000, 300_000] {
            let mut tree = TreeWriter::create(place.clone(), Lsn(3)).unwrap();
            (0..count).for_each(|n| tree.push(entry(n)).unwrap());
            let expected = written(tree.finish(5).unwrap());
            for falls_at in [1, count / 2, count - 1] {
                let mut tree = TreeBuilder::create(place.clone(), Lsn(3), dir.path()).unwrap();
                // The first entry comes after those that rise.
                let (rising, rest) = (1..=falls_at, falls_at + 1..count);
                for n in rising.chain([0]).chain(rest) {
                    tree.push(entry(n)).unwrap();
                }
                assert!(tree.sorter.is_some());
                let found = written(tree.finish(Threads::ONE, 5).unwrap());
                assert!(found == expected, "{count}, {falls_at}");
            }
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
