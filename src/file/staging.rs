//! A target directory that appears whole or not at all.
//!
//! Everything is written into a hidden sibling of TARGET, synced, and put in
//! its place by one rename. Dropped before that, the sibling is removed; what a
//! process left that was killed goes with the next one that writes beside it.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::{remove_tree, sync_tree};
use super::{Disk, DiskFile, EntryKind};
use crate::error::{Error, Result};

/// How the name of a hidden sibling begins.
const PREFIX: &str = ".rustdb-staging-";
/// Names that are tried before giving up.
const MAX_TRIES: u64 = 100;

/// A directory under construction.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    target: PathBuf,
    parent: PathBuf,
    published: bool,
    /// Tells others that somebody is at work here.
    _lock: Option<Arc<dyn DiskFile>>,
}

impl Staging {
    /// Checks that `target` can be written, removes what others left there when
    /// they were killed, and makes the hidden sibling.
    ///
    /// # Errors
    /// `NeedsDecision` when `target` is there and not empty; `Usage` when it
    /// lies inside `source`; I/O errors otherwise.
    pub fn create(disk: &Arc<dyn Disk>, target: &Path, source: &Path) -> Result<Self> {
        let parent = check_target(disk, target, source)?;
        remove_abandoned(&**disk, &parent);
        let (dir, lock) = create_locked(&**disk, &parent)?;
        Ok(Staging {
            disk: disk.clone(),
            dir,
            target: target.to_owned(),
            parent,
            published: false,
            _lock: lock,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// On which disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Syncs everything and renames the directory to the target.
    ///
    /// # Errors
    /// When the target appeared meanwhile, or on I/O errors; nothing is left
    /// behind then, unless only the last sync failed.
    pub fn publish(mut self) -> Result<()> {
        sync_tree(&*self.disk, &self.dir)?;
        if let Err(error) = self.disk.rename(&self.dir, &self.target) {
            // Somebody else's directory may have appeared meanwhile.
            check_free(&*self.disk, &self.target)?;
            return Err(error);
        }
        self.published = true;
        self.disk.sync_dir(&self.parent)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now goes with the next run.
            let _ = remove_tree(&*self.disk, &self.dir);
        }
    }
}

/// Writes a file that is there whole or not at all, readable by its owner only.
/// A file of that name is replaced.
///
/// # Errors
/// I/O errors; a file of that name is as it was then, unless only the last sync
/// failed.
pub fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = real_parent(disk, path)?;
    let new = hidden_sibling(&parent, 0);
    let file = disk.create(&new)?;
    let written = file.write_all_at(bytes, 0).and_then(|()| file.sync());
    let written = written.map_err(|error| Error::io("write", path, error));
    if let Err(error) = written.and_then(|()| disk.rename(&new, path)) {
        let _ = disk.remove_file(&new);
        return Err(error);
    }
    disk.sync_dir(&parent)
}

/// A name that nobody else uses.
fn hidden_sibling(parent: &Path, attempt: u64) -> PathBuf {
    let random = RandomState::new().hash_one(attempt);
    parent.join(format!("{PREFIX}{random:016x}"))
}

/// Makes a hidden directory that nobody takes for abandoned.
fn create_locked(disk: &dyn Disk, parent: &Path) -> Result<(PathBuf, Option<Arc<dyn DiskFile>>)> {
    for attempt in 0..MAX_TRIES {
        let dir = hidden_sibling(parent, attempt);
        if disk.kind(&dir)?.is_some() {
            continue;
        }
        disk.create_dir(&dir)?;
        // Until it is locked, another process may remove it.
        let lock = match disk.lock_dir(&dir) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => continue,
            // Where nobody can lock, nobody takes it for abandoned.
            Err(_) => None,
        };
        if disk.kind(&dir)? == Some(EntryKind::Dir) {
            return Ok((dir, lock));
        }
    }
    let error = std::io::ErrorKind::AlreadyExists;
    Err(Error::io("create a directory in", parent, error.into()))
}

/// Removes hidden directories of this user that no live process holds: whoever
/// made them was killed. What cannot be looked at or removed is left alone.
fn remove_abandoned(disk: &dyn Disk, parent: &Path) {
    for entry in disk.entries(parent).unwrap_or_default() {
        if entry.is_dir
            && entry.name.starts_with(PREFIX)
            && let Ok(Some(_lock)) = disk.lock_dir(&entry.path)
        {
            let _ = remove_tree(disk, &entry.path);
        }
    }
}

/// Checks that `target` may be written, and returns its real parent directory.
///
/// # Errors
/// As [`Staging::create`].
pub fn check_target(disk: &Arc<dyn Disk>, target: &Path, source: &Path) -> Result<PathBuf> {
    let parent = real_parent(&**disk, target)?;
    if lies_inside(&**disk, &parent, source) {
        return Err(Error::Usage(format!(
            "TARGET {} lies inside SOURCE {}, which is never written\nGive a TARGET outside SOURCE.",
            target.display(),
            source.display()
        )));
    }
    check_free(&**disk, target)?;
    Ok(parent)
}

fn check_free(disk: &dyn Disk, target: &Path) -> Result<()> {
    match disk.kind(target)? {
        None => Ok(()),
        Some(EntryKind::Dir) if disk.entries(target)?.is_empty() => Ok(()),
        Some(_) => Err(Error::NeedsDecision(format!(
            "TARGET {} exists and is not an empty directory\nGive another TARGET, or move this one away.",
            target.display()
        ))),
    }
}

/// Checks that a file to be written does not lie inside `source`.
///
/// # Errors
/// `Usage` when it does; I/O errors when its directory does not exist.
pub fn file_outside(file: &Path, source: &Path) -> Result<()> {
    let disk = super::LocalDisk;
    match lies_inside(&disk, &real_parent(&disk, file)?, source) {
        true => Err(Error::Usage(format!(
            "{} lies inside SOURCE {}, which is never written\nGive a file outside SOURCE.",
            file.display(),
            source.display()
        ))),
        false => Ok(()),
    }
}

/// The directory that a path is in, without links on the way.
fn real_parent(disk: &dyn Disk, path: &Path) -> Result<PathBuf> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.real_path(parent),
        _ => disk.real_path(Path::new(".")),
    }
}

/// Whether a directory is `source` or lies below it. A source that is not there
/// holds nothing: whoever opens it will say so.
fn lies_inside(disk: &dyn Disk, dir: &Path, source: &Path) -> bool {
    let source = disk.real_path(source);
    source.is_ok_and(|source| dir.starts_with(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::LocalDisk;
    use std::fs;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_live_one_holds_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let disk = LocalDisk::shared();
        let at = |name: &str| dir.path().join(name);
        let source = at("data");
        fs::create_dir(&source).unwrap();
        let held = Staging::create(&disk, &at("first"), &source).unwrap();
        let abandoned = at(".rustdb-staging-0123456789abcdef");
        fs::create_dir_all(abandoned.join("db_shop")).unwrap();
        fs::write(abandoned.join("db_shop/users.db"), "half").unwrap();
        std::os::unix::fs::symlink(&source, abandoned.join("link")).unwrap();
        fs::write(at(".rustdb-staging-file"), "no directory").unwrap();
        fs::create_dir(at(".rustdb-other")).unwrap();
        let other = Staging::create(&disk, &at("second"), &source).unwrap();
        assert!(held.path().is_dir() && other.path().is_dir());
        assert!(!abandoned.exists());
        let (first, second) = (held.path().to_owned(), other.path().to_owned());
        other.publish().unwrap();
        drop(held);
        assert!(!first.exists() && !second.exists());
        let left = fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let expected = [".rustdb-other", ".rustdb-staging-file", "data", "second"];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        for text in ["a longer text", "short"] {
            write_file(&LocalDisk, &path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(write_file(&LocalDisk, &dir.path().join("no/file"), b"").is_err());
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write_file(&LocalDisk, &dir.path().join("taken"), b"").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn nothing_but_an_empty_directory_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let disk = LocalDisk::shared();
        let at = |name: &str| dir.path().join(name);
        let elsewhere = at("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        for (name, gives_way) in [
            ("empty", true),
            ("file", false),
            ("link", false),
            ("full", false),
        ] {
            let staging = Staging::create(&disk, &at(name), &elsewhere).unwrap();
            fs::write(staging.path().join("control"), "new").unwrap();
            let path = at(name);
            match name {
                "empty" => fs::create_dir(path).unwrap(),
                "file" => fs::write(path, "mine").unwrap(),
                "link" => std::os::unix::fs::symlink(&elsewhere, path).unwrap(),
                _ => fs::create_dir_all(path.join("mine")).unwrap(),
            }
            assert_eq!(staging.publish().is_ok(), gives_way, "{name}");
            assert_eq!(at(name).join("control").exists(), gives_way, "{name}");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        let hidden = fs::read_dir(dir.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(PREFIX)
        });
        assert_eq!(hidden.count(), 0);
    }
}
