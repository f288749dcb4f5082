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
    disk.lock(&control::path(root), lock)?.ok_or_else(|| {
        Error::NeedsDecision(format!(
            "{} is in use by another process of this tool\nTry again when it has ended.",
            root.display()
        ))
    })
}
