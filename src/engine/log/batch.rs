//! Changes of files that a checkpoint makes together (format page, "Batches").
//!
//! A batch is written to the log and synced before its first change is made.
//! Every change gives the same result when it is made again, so that a batch
//! that a crash cut short is carried out from its start.

use std::path::{Path, PathBuf};

use super::change::Change;
use super::record::Entry;
use crate::error::{Error, Result};

/// Changes in the order in which they are made.
#[derive(Debug, Default)]
pub(in crate::engine) struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// No changes.
    pub(in crate::engine) fn new() -> Self {
        Batch::default()
    }

    /// The changes.
    #[cfg(test)]
    pub(in crate::engine) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes as records of the log, which state paths below `root`.
    ///
    /// # Errors
    /// `Internal` for a path that is not below it.
    pub(in crate::engine) fn into_entries(self, root: &Path) -> Result<Vec<Entry>> {
        let below = |path: PathBuf| {
            let below = path.strip_prefix(root).map(Path::to_owned);
            below.map_err(|_| Error::Internal("a change outside of the directory".into()))
        };
        let entry = |change| {
            Ok(Entry::Change(match change {
                Change::Write {
                    path,
                    offset,
                    bytes,
                } => Change::Write {
                    path: below(path)?,
                    offset,
                    bytes,
                },
                Change::SetLen { path, len } => Change::SetLen {
                    path: below(path)?,
                    len,
                },
                Change::Rename { from, to } => Change::Rename {
                    from: below(from)?,
                    to: below(to)?,
                },
                Change::Remove { path } => Change::Remove { path: below(path)? },
                Change::CreateDir { path } => Change::CreateDir { path: below(path)? },
                Change::RemoveDir { path } => Change::RemoveDir { path: below(path)? },
            }))
        };
        self.changes.into_iter().map(entry).collect()
    }

    /// Writes bytes at an offset of a file.
    pub(in crate::engine) fn write(&mut self, path: &Path, offset: u64, bytes: Vec<u8>) {
        let path = path.to_owned();
        self.changes.push(Change::Write {
            path,
            offset,
            bytes,
        });
    }

    /// Sets the length of a file.
    pub(in crate::engine) fn set_len(&mut self, path: &Path, len: u64) {
        let path = path.to_owned();
        self.changes.push(Change::SetLen { path, len });
    }

    /// Puts a file in the place of another.
    pub(in crate::engine) fn rename(&mut self, from: &Path, to: &Path) {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.changes.push(Change::Rename { from, to });
    }

    /// Removes a file.
    pub(in crate::engine) fn remove(&mut self, path: &Path) {
        let path = path.to_owned();
        self.changes.push(Change::Remove { path });
    }

    /// Creates a directory.
    pub(in crate::engine) fn create_dir(&mut self, path: &Path) {
        let path = path.to_owned();
        self.changes.push(Change::CreateDir { path });
    }

    /// Removes a directory.
    pub(in crate::engine) fn remove_dir(&mut self, path: &Path) {
        let path = path.to_owned();
        self.changes.push(Change::RemoveDir { path });
    }
}
