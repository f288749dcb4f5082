//! A target directory that appears whole or not at all.
//!
//! Everything is written into a hidden sibling of TARGET, synced, and put in
//! its place by one rename. Dropped before that, the sibling is removed; what a
//! process left that was killed goes with the next one that writes beside it.
//!
//! Where nothing can take TARGET's own place, because it is a mount point or its
//! parent takes no new names, the hidden directory is inside it, and its entries
//! move up one by one, that which makes it a data directory last.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Room;
use super::tree::{remove_tree, sync_tree};
use super::{Disk, DiskFile, EntryKind, Lock};
use crate::error::{Error, Result};

/// How the name of a hidden sibling begins; 16 hexadecimal digits follow.
const PREFIX: &str = ".rustdb-staging-";
const DIGITS: usize = 16;
/// What makes a directory one that is read: it moves last.
const LAST_NAMES: [&str; 2] = ["control", "manifest.json"];
/// Names that are tried before giving up.
const MAX_TRIES: u64 = 100;

/// A directory under construction.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    target: PathBuf,
    place: TargetPlace,
    /// What was moved into a target that is kept.
    moved: Vec<PathBuf>,
    published: bool,
    /// Tells others that somebody is at work here.
    _lock: Option<Arc<dyn DiskFile>>,
}

/// Where a target is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlace {
    /// The directory that the hidden one is made in.
    pub parent: PathBuf,
    /// Whether that is the target itself.
    pub inside: bool,
    /// Bytes that can be written there, if the system says.
    pub free_len: Option<u64>,
}

impl Staging {
    /// Checks that `target` can be written, removes what others left there when
    /// they were killed, and makes the hidden directory.
    ///
    /// # Errors
    /// As [`check_target`]; I/O errors.
    pub fn create(disk: &Arc<dyn Disk>, target: &Path, source: &Path) -> Result<Self> {
        let place = check_target(disk, target, source)?;
        remove_abandoned(&**disk, &place.parent);
        let (dir, lock) = create_locked(&**disk, &place.parent)?;
        Ok(Staging {
            disk: disk.clone(),
            dir,
            target: target.to_owned(),
            place,
            moved: Vec::new(),
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

    /// Makes everything that was written so far durable.
    ///
    /// # Errors
    /// I/O errors.
    pub fn sync(&self) -> Result<()> {
        sync_tree(&*self.disk, &self.dir)
    }

    /// Syncs everything and renames the directory to the target.
    ///
    /// # Errors
    /// As of [`publish_synced`](Self::publish_synced).
    pub fn publish(self) -> Result<()> {
        self.sync()?;
        self.publish_synced()
    }

    /// Renames the directory to the target, where nothing was written after the last
    /// [`sync`](Self::sync), which went well.
    ///
    /// # Errors
    /// When the target appeared meanwhile, or on I/O errors; nothing is left
    /// behind then, unless only the last sync failed.
    pub fn publish_synced(mut self) -> Result<()> {
        if self.place.inside {
            self.move_up()?;
        } else if let Err(error) = self.disk.rename(&self.dir, &self.target) {
            // Somebody else's directory may have appeared meanwhile.
            check_free(&*self.disk, &self.target)?;
            return Err(error);
        }
        self.published = true;
        self.disk.sync_dir(&self.place.parent)
    }

    /// Moves every entry into the target. A crash leaves a directory that
    /// nothing takes for a whole one.
    fn move_up(&mut self) -> Result<()> {
        let last = |name: &str| LAST_NAMES.contains(&name);
        let mut entries = self.disk.entries(&self.dir)?;
        entries.sort_by_key(|entry| (last(&entry.name), entry.is_file));
        for entry in entries {
            let to = self
                .place
                .parent
                .join(entry.path.file_name().unwrap_or_default());
            if self.disk.kind(&to)?.is_some() {
                return Err(taken(&self.target));
            }
            if last(&entry.name) {
                self.disk.sync_dir(&self.place.parent)?;
            }
            self.disk.rename(&entry.path, &to)?;
            self.moved.push(to);
        }
        self.disk.remove_dir(&self.dir)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // What cannot be removed now goes with the next run.
        let _ = remove_tree(&*self.disk, &self.dir);
        for path in self.moved.iter().rev() {
            let _ = match self.disk.kind(path) {
                Ok(Some(EntryKind::Dir)) => remove_tree(&*self.disk, path),
                _ => self.disk.remove_file(path),
            };
        }
    }
}

/// A name that nobody else uses.
pub(super) fn hidden_name(attempt: u64) -> String {
    let random = RandomState::new().hash_one(attempt);
    format!("{PREFIX}{random:016x}")
}

/// Whether a name is one of [`hidden_name`].
fn is_hidden_name(name: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(digit))
}

/// Makes a hidden directory that nobody takes for abandoned.
fn create_locked(disk: &dyn Disk, parent: &Path) -> Result<(PathBuf, Option<Arc<dyn DiskFile>>)> {
    for attempt in 0..MAX_TRIES {
        let dir = parent.join(hidden_name(attempt));
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

/// Removes hidden directories and files of this user that no live process
/// holds: whoever made them was killed. Only names of exactly our own form count,
/// and what cannot be looked at or removed is left alone.
fn remove_abandoned(disk: &dyn Disk, parent: &Path) {
    for entry in disk.entries(parent).unwrap_or_default() {
        if !is_hidden_name(&entry.name) {
            continue;
        }
        if entry.is_dir
            && let Ok(Some(_lock)) = disk.lock_dir(&entry.path)
        {
            let _ = remove_tree(disk, &entry.path);
        } else if entry.is_file
            && let Ok(Some(_lock)) = disk.lock(&entry.path, Lock::Exclusive)
        {
            let _ = disk.remove_file(&entry.path);
        }
    }
}

/// Checks that `target` can be written, and says where: what would fail at the
/// end fails here, before the work.
///
/// # Errors
/// `NeedsDecision` when `target` is there and not empty; `Usage` when it lies
/// inside `source`; I/O errors when its directory is missing or takes no new names,
/// or cannot be synced.
pub fn check_target(disk: &Arc<dyn Disk>, target: &Path, source: &Path) -> Result<TargetPlace> {
    let parent = real_parent(&**disk, target)?;
    if lies_inside(&**disk, &parent, source) {
        return Err(Error::Usage(format!(
            "TARGET {} lies inside SOURCE {}, which is never written\nGive a TARGET outside SOURCE.",
            target.display(),
            source.display()
        )));
    }
    check_free(&**disk, target)?;
    let is_there = disk.kind(target)?.is_some();
    let beside = disk.room(&parent)?;
    if is_there {
        let target = disk.real_path(target)?;
        let own = disk.room(&target)?;
        // Whoever mounts SOURCE a second time gives two paths to one directory.
        if lies_inside(&**disk, &target, source) {
            return Err(Error::Usage(format!(
                "TARGET {} is SOURCE {}, which is never written\nGive another TARGET.",
                target.display(),
                source.display()
            )));
        }
        if own.is_mount_point || beside.refuses.is_some() {
            return place(&**disk, target, true, own);
        }
    }
    place(&**disk, parent, false, beside)
}

fn place(disk: &dyn Disk, parent: PathBuf, inside: bool, room: Room) -> Result<TargetPlace> {
    if let Some(why) = room.refuses {
        let why = std::io::Error::from_raw_os_error(why);
        return Err(Error::io("create a directory in", &parent, why));
    }
    disk.sync_dir(&parent)?;
    Ok(TargetPlace {
        parent,
        inside,
        free_len: room.free_len,
    })
}

fn check_free(disk: &dyn Disk, target: &Path) -> Result<()> {
    // What a process left that was killed goes.
    let is_empty = || {
        let entries = disk.entries(target)?;
        Ok::<_, Error>(entries.iter().all(|entry| is_hidden_name(&entry.name)))
    };
    match disk.kind(target)? {
        None => Ok(()),
        Some(EntryKind::Dir) if is_empty()? => Ok(()),
        Some(_) => Err(taken(target)),
    }
}

fn taken(target: &Path) -> Error {
    Error::NeedsDecision(format!(
        "TARGET {} exists and is not an empty directory\nGive another TARGET, or move this one away.",
        target.display()
    ))
}

/// The directory that a path is in, without links on the way.
pub(super) fn real_parent(disk: &dyn Disk, path: &Path) -> Result<PathBuf> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.real_path(parent),
        _ => disk.real_path(Path::new(".")),
    }
}

/// Whether a directory is `source` or lies below it, whatever the paths that
/// lead to them. A source that is not there holds nothing: whoever opens it will
/// say so.
pub(super) fn lies_inside(disk: &dyn Disk, dir: &Path, source: &Path) -> bool {
    let Ok(source) = disk.real_path(source) else {
        return false;
    };
    let identity = |path: &Path| path.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let own = identity(&source);
    dir.starts_with(&source)
        || (own.is_some() && dir.ancestors().any(|above| identity(above) == own))
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
