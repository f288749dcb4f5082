//! A target directory that appears whole or not at all.
//!
//! Everything is written into a hidden sibling of TARGET, synced, and put in
//! its place by one rename. Dropped before that, the sibling is removed.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use tempfile::TempDir;

use crate::error::{Error, Result};

/// A directory under construction.
#[derive(Debug)]
pub struct Staging {
    dir: TempDir,
    target: PathBuf,
    parent: PathBuf,
}

impl Staging {
    /// Checks that `target` can be written and makes the hidden sibling.
    ///
    /// # Errors
    /// `NeedsDecision` when `target` is there and not empty; `Usage` when it
    /// lies inside `source`; I/O errors otherwise.
    pub fn create(target: &Path, source: &Path) -> Result<Self> {
        let parent = check_target(target, source)?;
        let dir = tempfile::Builder::new()
            .prefix(".rustdb-staging-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(|error| Error::io("create a directory in", &parent, error))?;
        Ok(Staging {
            dir,
            target: target.to_owned(),
            parent,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Syncs everything and renames the directory to the target.
    ///
    /// # Errors
    /// When the target appeared meanwhile, or on I/O errors; nothing is left
    /// behind then.
    pub fn publish(self) -> Result<()> {
        sync_tree(self.dir.path())?;
        let renamed = if self.target.symlink_metadata().is_ok() {
            // Replaces an empty directory and nothing else.
            std::fs::rename(self.dir.path(), &self.target)
        } else {
            rustix::fs::renameat_with(
                CWD,
                self.dir.path(),
                CWD,
                &self.target,
                RenameFlags::NOREPLACE,
            )
            .map_err(std::io::Error::from)
        };
        renamed
            .map_err(|error| Error::io("rename the finished directory to", &self.target, error))?;
        // The directory has left its temporary name: nothing to remove now.
        let _ = self.dir.keep();
        sync(&self.parent)
    }
}

/// Checks that `target` may be written, and returns its real parent directory.
///
/// # Errors
/// As [`Staging::create`].
pub fn check_target(target: &Path, source: &Path) -> Result<PathBuf> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent
        .canonicalize()
        .map_err(|error| Error::io("open the directory of TARGET,", parent, error))?;
    let source = source
        .canonicalize()
        .map_err(|error| Error::io("open", source, error))?;
    if parent.starts_with(&source) {
        return Err(Error::Usage(format!(
            "TARGET {} lies inside SOURCE {}, which is never written\nGive a TARGET outside SOURCE.",
            target.display(),
            source.display()
        )));
    }
    match target.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(parent),
        Err(error) => Err(Error::io("look at", target, error)),
        Ok(meta) if meta.is_dir() => {
            let mut entries =
                std::fs::read_dir(target).map_err(|error| Error::io("list", target, error))?;
            match entries.next() {
                None => Ok(parent),
                Some(_) => Err(exists(target)),
            }
        }
        Ok(_) => Err(exists(target)),
    }
}

/// Checks that a file to be written does not lie inside `source`.
///
/// # Errors
/// `Usage` when it does; I/O errors when its directory does not exist.
pub fn file_outside(file: &Path, source: &Path) -> Result<()> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let io = |path: &Path, error| Error::io("open", path, error);
    let parent = parent.canonicalize().map_err(|error| io(parent, error))?;
    let source = source.canonicalize().map_err(|error| io(source, error))?;
    match parent.starts_with(&source) {
        true => Err(Error::Usage(format!(
            "{} lies inside SOURCE {}, which is never written\nGive a file outside SOURCE.",
            file.display(),
            source.display()
        ))),
        false => Ok(()),
    }
}

fn exists(target: &Path) -> Error {
    Error::NeedsDecision(format!(
        "TARGET {} exists and is not an empty directory\nGive another TARGET, or move this one away.",
        target.display()
    ))
}

fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| Error::io("sync", path, error))
}

/// Syncs every file and directory below `root`, and `root` itself.
fn sync_tree(root: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(root).contents_first(true) {
        let entry = entry.map_err(|error| Error::io("list", root, error.into()))?;
        sync(entry.path())?;
    }
    Ok(())
}
