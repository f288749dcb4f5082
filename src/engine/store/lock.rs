//! Who may open a directory: one writer, or any number of readers.

use std::path::Path;
use std::sync::Arc;

use super::control;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, Lock};

/// Locks a directory of ours.
///
/// # Errors
/// `NeedsDecision` when another process holds it otherwise.
pub(in crate::engine) fn lock(
    disk: &dyn Disk,
    root: &Path,
    lock: Lock,
) -> Result<Arc<dyn DiskFile>> {
    let path = control::path(root);
    disk.lock(&path, lock)?.ok_or_else(|| {
        Error::NeedsDecision(format!(
            "{} is in use by another process of this tool\nTry again when it has ended.",
            root.display()
        ))
    })
}

/// Locks a directory that is to be changed: the control file is then one of its
/// own, whatever other names it had.
///
/// # Errors
/// As [`lock`]; when it cannot be opened for writing.
pub(in crate::engine) fn lock_for_changes(
    disk: &dyn Disk,
    root: &Path,
) -> Result<Arc<dyn DiskFile>> {
    let before = lock(disk, root, Lock::Exclusive)?;
    // Who shares its bytes by another name keeps them.
    drop(disk.open_write(&control::path(root))?);
    drop(before);
    lock(disk, root, Lock::Exclusive)
}
