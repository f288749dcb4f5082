//! Files that are written beside the directory's own until a batch puts them
//! in their place.

use std::path::Path;

use crate::error::Result;
use crate::file::{Disk, remove_tree};

/// Where new files are written. A crash leaves it; the next opening removes it.
pub(super) const STAGING_DIR: &str = "compact";

/// Removes what a crash left of new files.
///
/// # Errors
/// I/O errors.
pub(super) fn clear_leftovers(disk: &dyn Disk, root: &Path) -> Result<()> {
    remove_tree(disk, &root.join(STAGING_DIR))
}
