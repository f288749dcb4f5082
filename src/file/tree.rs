//! A directory and everything below it, on any disk.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, Builder};

use super::{Disk, EntryKind, SourceEntry};
use crate::error::{Error, Result};

/// Syncs that wait at the same time.
const AT_ONCE: usize = 8;
/// Fewest of them for that.
const MANY: usize = 64;
/// Bytes of a stack on which nothing but a sync happens.
const STACK_LEN: usize = 128 * 1024;

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
    for_each(&others, |entry| {
        let synced = disk.open(&entry.path)?.sync();
        synced.map_err(|error| Error::io("sync", &entry.path, error))
    })?;
    for_each(&dirs, |dir| disk.sync_dir(dir))
}

/// Does the same with each, several at a time where there are many: syncs that
/// wait together are made durable together.
///
/// # Errors
/// Those of `work`.
fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    if items.len() < MANY {
        return items.iter().try_for_each(work);
    }
    thread::scope(|scope| {
        let run = |items: &[T]| items.iter().try_for_each(&work);
        let chunks = items.chunks(items.len().div_ceil(AT_ONCE));
        let started: Vec<_> = chunks
            .map(|items| {
                let builder = Builder::new().stack_size(STACK_LEN);
                let spawned = builder.spawn_scoped(scope, move || run(items));
                // Without another thread this one does it.
                spawned.map_err(|_| run(items))
            })
            .collect();
        let ended = started.into_iter().map(|started| match started {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(done) => done,
        });
        // Nobody is left behind at work when one failed.
        ended.fold(Ok(()), Result::and)
    })
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

/// Files below a directory and their bytes. Links count, and are not followed.
///
/// # Errors
/// When a directory cannot be listed.
pub fn tree_usage(disk: &dyn Disk, root: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    for entry in walk(disk, root)?.1 {
        files = files.saturating_add(1);
        bytes = bytes.saturating_add(disk.len_of(&entry.path)?);
    }
    Ok((files, bytes))
}

/// Bytes of all files below a directory; 0 when they cannot be seen.
pub fn tree_len(disk: &dyn Disk, root: &Path) -> u64 {
    tree_usage(disk, root).map_or(0, |(_, bytes)| bytes)
}
