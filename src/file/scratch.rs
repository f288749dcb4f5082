//! A directory for files that are not to stay.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::staging::lies_inside;
use super::{Disk, LocalDisk};
use crate::error::{Error, Result};

/// Where readers keep what memory does not hold: never in a directory that is
/// only read.
pub fn scratch_dir() -> PathBuf {
    std::env::temp_dir()
}

/// An empty directory of this process, where the system keeps temporary files.
/// It goes when it is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes one that does not lie inside `source`.
    ///
    /// # Errors
    /// `Usage` when the system's place for temporary files does; I/O errors.
    pub fn outside(source: &Path) -> Result<Self> {
        let parent = scratch_dir();
        let real = LocalDisk.real_path(&parent)?;
        if lies_inside(&LocalDisk, &real, source) {
            return Err(Error::Usage(format!(
                "{}, where temporary files go, lies inside {}, which is never written\nSet TMPDIR to another directory.",
                parent.display(),
                source.display()
            )));
        }
        let made = tempfile::Builder::new()
            .prefix("rustdb-")
            .tempdir_in(&parent);
        let made = made.map_err(|error| Error::io("create a directory in", &parent, error));
        made.map(Scratch)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
