//! A walk through directories of this machine that may be nested as deep as
//! anybody likes: each is opened from the one above it, and two are open at most.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::error::{Error, Result};

/// One entry of a directory. Links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Without the directory; any bytes but `/`.
    pub name: OsString,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether it is a regular file.
    pub is_file: bool,
}

/// Is shown a directory with its entries, or why they cannot be listed, and says
/// whether to go on into it.
pub type Visit<'v> = dyn FnMut(&Path, io::Result<&[Named]>) -> Result<bool> + 'v;

/// A directory whose subdirectories are being looked at.
struct Level {
    /// Device and inode.
    identity: (u64, u64),
    /// Those that are left, the next one last.
    left: Vec<OsString>,
}

/// Hands `root` and every directory below it to `visit`, each before those in it,
/// in the order of names.
///
/// # Errors
/// Those of `visit`; I/O errors when a directory moves while it is walked.
pub fn descend(root: &Path, visit: &mut Visit<'_>) -> Result<()> {
    let mut path = root.to_owned();
    // The user may name a link.
    let opened = rustix::fs::open(root, DIRECTORY, Mode::empty()).map(File::from);
    let mut dir = match opened {
        Ok(dir) => dir,
        Err(error) => return visit(&path, Err(error.into())).map(drop),
    };
    let mut levels = Vec::new();
    levels.extend(enter(&dir, &path, visit)?);
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.left.pop() else {
            levels.pop();
            if let Some(above) = levels.last() {
                dir = go_up(&dir, above, &path)?;
                path.pop();
            }
            continue;
        };
        path.push(&name);
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let entered = match rustix::fs::openat(&dir, &*name, flags, Mode::empty()) {
            Err(error) => {
                visit(&path, Err(error.into()))?;
                None
            }
            Ok(below) => {
                let below = File::from(below);
                enter(&below, &path, visit)?.map(|level| (below, level))
            }
        };
        match entered {
            Some((below, level)) => {
                dir = below;
                levels.push(level);
            }
            None => {
                path.pop();
            }
        }
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Shows a directory; its subdirectories when it is gone into.
fn enter(dir: &File, path: &Path, visit: &mut Visit<'_>) -> Result<Option<Level>> {
    let listed = list(dir);
    let entries = match listed {
        Ok(entries) => entries,
        Err(error) => return visit(path, Err(error)).map(|_| None),
    };
    if !visit(path, Ok(&entries))? {
        return Ok(None);
    }
    let dirs = entries.into_iter().rev().filter(|entry| entry.is_dir);
    Ok(Some(Level {
        identity: identity(dir, path)?,
        left: dirs.map(|entry| entry.name).collect(),
    }))
}

fn go_up(dir: &File, above: &Level, path: &Path) -> Result<File> {
    let opened = rustix::fs::openat(dir, "..", DIRECTORY, Mode::empty());
    let opened = File::from(opened.map_err(|error| Error::io("list", path, error.into()))?);
    match identity(&opened, path)? == above.identity {
        true => Ok(opened),
        false => {
            let moved = io::Error::other("it was moved meanwhile");
            Err(Error::io("list", path, moved))
        }
    }
}

fn identity(dir: &File, path: &Path) -> Result<(u64, u64)> {
    let stat = rustix::fs::fstat(dir).map_err(|error| Error::io("look at", path, error.into()))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The entries of a directory but itself and the one above, sorted by name.
fn list(dir: &File) -> io::Result<Vec<Named>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say at once.
            FileType::Unknown => match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            kind => kind,
        };
        entries.push(Named {
            name: name.to_owned(),
            is_dir: kind.is_dir(),
            is_file: kind.is_file(),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Regular files at or below `root`; what cannot be listed holds none.
pub(super) fn files_in_sight(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut visit = |path: &Path, entries: io::Result<&[Named]>| {
        let entries = entries.unwrap_or_default().iter();
        let entries = entries.filter(|entry| entry.is_file);
        files.extend(entries.map(|entry| path.join(&entry.name)));
        Ok(true)
    };
    // A tree that moves is looked at as far as it stood still.
    let _ = descend(root, &mut visit);
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn directories_come_in_the_order_of_names_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/y", "a/x/deep", "a/w", "c"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("c/loop")).unwrap();
        let mut seen = Vec::new();
        let mut visit = |path: &Path, entries: io::Result<&[Named]>| {
            entries.unwrap();
            seen.push(path.strip_prefix(dir.path()).unwrap().to_owned());
            Ok(!path.ends_with("b"))
        };
        descend(dir.path(), &mut visit).unwrap();
        let expected = ["", "a", "a/w", "a/x", "a/x/deep", "b", "c"];
        assert_eq!(seen, expected.map(PathBuf::from));
        let files = files_in_sight(dir.path());
        assert_eq!(files, [dir.path().join("a/file")]);
    }

    #[test]
    fn a_tree_deeper_than_any_path_may_be_long_is_walked_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = File::open(dir.path()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "dd", Mode::RWXU).unwrap();
            at = File::from(rustix::fs::openat(&at, "dd", DIRECTORY, Mode::empty()).unwrap());
        }
        let mut count = 0;
        let mut visit = |_: &Path, entries: io::Result<&[Named]>| {
            entries.unwrap();
            count += 1;
            Ok(true)
        };
        descend(dir.path(), &mut visit).unwrap();
        assert_eq!(count, 3001);
        // What removes the directory above cannot go as deep.
        loop {
            let up = rustix::fs::openat(&at, "..", DIRECTORY, Mode::empty()).unwrap();
            at = File::from(up);
            if rustix::fs::unlinkat(&at, "dd", AtFlags::REMOVEDIR).is_err() {
                break;
            }
        }
    }
}
