//! Files that are written beside the directory's own until a batch puts them
//! in their place.

use std::path::Path;

use crate::engine::store::batch_check::STAGING_DIR;
use crate::error::Result;
use crate::file::{Disk, remove_tree};

/// Removes what a crash left of new files.
///
/// # Errors
/// I/O errors.
pub(super) fn clear_leftovers(disk: &dyn Disk, root: &Path) -> Result<()> {
    remove_tree(disk, &root.join(STAGING_DIR))
}
