//! Files that must be regular, opened without following a link.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};
use crate::finding::Code;

/// Opens a file that must be regular, for reading at least.
///
/// # Errors
/// When it cannot be opened, or is a link, a directory or a device.
pub(super) fn open_regular(path: &Path, access: OFlags) -> Result<File> {
    let io = |error: std::io::Error| Error::io("open", path, error);
    let meta = path.symlink_metadata().map_err(io)?;
    if !meta.file_type().is_file() {
        return Err(not_regular(path, &meta.file_type()));
    }
    // NONBLOCK and NOFOLLOW: the path may have been swapped since.
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| io(e.into()))?;
    let file = File::from(file);
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(not_regular(path, &meta.file_type()));
    }
    Ok(file)
}

fn not_regular(path: &Path, kind: &std::fs::FileType) -> Error {
    let kind = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let found = format!("found {kind}, expected a regular file");
    Error::not_a_data_directory(path, Code::NotRegular, &found)
}
