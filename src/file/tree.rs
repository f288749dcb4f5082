//! A directory and everything below it, on any disk.

use std::path::{Path, PathBuf};

use super::{Disk, EntryKind, SourceEntry, SourceFile};
use crate::error::{Error, Result};

/// Every directory below `root` and itself, each before those in it, with what
/// else is in them. Links are not followed.
fn walk(disk: &dyn Disk, root: &Path) -> Result<(Vec<PathBuf>, Vec<SourceEntry>)> {
    let (mut dirs, mut others) = (Vec::new(), Vec::new());
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in disk.entries(&dir)? {
            match entry.is_dir {
                true => open.push(entry.path),
                false => others.push(entry),
            }
        }
        dirs.push(dir);
    }
    Ok((dirs, others))
}

/// Removes a directory and what is in it. Links are removed, not followed.
///
/// # Errors
/// I/O errors.
pub fn remove_tree(disk: &dyn Disk, root: &Path) -> Result<()> {
    if disk.kind(root)? != Some(EntryKind::Dir) {
        return Ok(());
    }
    let (dirs, others) = walk(disk, root)?;
    let mut others = others.iter();
    others.try_for_each(|entry| disk.remove_file(&entry.path))?;
    dirs.iter().rev().try_for_each(|dir| disk.remove_dir(dir))
}

/// Makes everything below a directory durable, and its own names.
///
/// # Errors
/// I/O errors.
pub(super) fn sync_tree(disk: &dyn Disk, root: &Path) -> Result<()> {
    let (dirs, others) = walk(disk, root)?;
    for entry in others {
        let synced = disk.open(&entry.path)?.sync();
        synced.map_err(|error| Error::io("sync", &entry.path, error))?;
    }
    dirs.iter().rev().try_for_each(|dir| disk.sync_dir(dir))
}

/// Every regular file below a directory, sorted by path.
///
/// # Errors
/// When a directory cannot be listed.
pub fn files_below(disk: &dyn Disk, root: &Path) -> Result<Vec<SourceEntry>> {
    let mut files = walk(disk, root)?.1;
    files.retain(|entry| entry.is_file);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Bytes of all files below a directory, as far as they can be seen.
pub fn tree_len(disk: &dyn Disk, root: &Path) -> u64 {
    let files = files_below(disk, root).unwrap_or_default().into_iter();
    let lens = files.filter_map(|entry| Some(SourceFile::open_on(disk, &entry.path).ok()?.len()));
    lens.fold(0, u64::saturating_add)
}
