//! How much of a directory was checked.

use std::path::{Path, PathBuf};

/// How much of one file was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCoverage {
    /// The file, as the user can open it.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Bytes that agree with a checksum.
    pub checked: u64,
    /// All others: damaged, beyond a damage, or under no checksum.
    pub unchecked: u64,
}

/// How much of a directory was checked: every file is here once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// The files, in the order in which they were met.
    pub files: Vec<FileCoverage>,
}

impl Coverage {
    /// Bytes of all files.
    pub fn len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that agree with a checksum.
    pub fn checked(&self) -> u64 {
        self.files.iter().map(|file| file.checked).sum()
    }

    /// All other bytes.
    pub fn unchecked(&self) -> u64 {
        self.files.iter().map(|file| file.unchecked).sum()
    }

    /// Counts a file.
    pub(in crate::engine) fn add(&mut self, path: &Path, len: u64, checked: u64) {
        self.files.push(FileCoverage {
            path: path.to_owned(),
            len,
            checked,
            unchecked: len.saturating_sub(checked),
        });
    }
}
