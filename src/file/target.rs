//! New files and directories, readable by their owner only: they hold other
//! people's rows and password hashes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Creates a file of mode 0600 for writing.
///
/// # Errors
/// When something of that name is there, or on I/O errors.
pub fn create_file(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| Error::io("create", path, error))
}

/// Creates a directory of mode 0700.
///
/// # Errors
/// When something of that name is there, or on I/O errors.
pub fn create_dir(path: &Path) -> Result<()> {
    let created = DirBuilder::new().mode(0o700).create(path);
    created.map_err(|error| Error::io("create the directory", path, error))
}
