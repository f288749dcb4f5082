//! Where the data directory is that was meant: a user gives its file, its
//! `wal`, or the directory above.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::engine::Store;
use crate::file::{LocalDisk, SourceDir};
use crate::legacy::LegacyDir;

use super::nearest;

/// Entries of a directory that are looked at.
const LOOKED_AT: usize = 4096;
/// Directories above that are looked at.
const LEVELS: usize = 2;

/// The data directories beside, above or below a path that is none: the
/// nearest first, at most a few.
pub fn data_directories(path: &Path) -> Vec<PathBuf> {
    // A directory that holds one is its home, whatever lies above.
    let within = below_once(path);
    if !within.is_empty() {
        return within;
    }
    let mut above = path.to_owned();
    for _ in 0..LEVELS {
        above = parent(&above);
        if is_data_directory(&above) {
            return vec![above];
        }
    }
    match path.symlink_metadata() {
        Ok(_) => below(path),
        Err(_) => spelt_nearly(path),
    }
}

/// Where one name on the way to a path is not there, the paths with another
/// that is spelt nearly so.
fn spelt_nearly(path: &Path) -> Vec<PathBuf> {
    let mut there = path;
    let mut name = OsStr::new("");
    while let (true, Some(above)) = (there.symlink_metadata().is_err(), there.parent()) {
        name = there.file_name().unwrap_or_default();
        there = above;
        if there.as_os_str().is_empty() {
            there = Path::new(".");
        }
    }
    let missing = there.join(name);
    let rest = path.strip_prefix(missing.strip_prefix(".").unwrap_or(&missing));
    let rest = rest.unwrap_or(Path::new(""));
    let mut found: Vec<PathBuf> = directories(there)
        .into_iter()
        .filter(|one| {
            let one = one.file_name().unwrap_or_default();
            nearest::is_near(&name.to_string_lossy(), &one.to_string_lossy())
        })
        .map(|one| match rest.as_os_str().is_empty() {
            true => one,
            false => one.join(rest),
        })
        .collect();
    found.retain(|one| is_data_directory(one));
    found
}

/// Those in the directories of a directory.
fn below(path: &Path) -> Vec<PathBuf> {
    let level = directories(path).into_iter().take(LOOKED_AT);
    level.flat_map(|one| below_once(&one)).collect()
}

fn below_once(path: &Path) -> Vec<PathBuf> {
    let mut found = directories(path);
    found.retain(|one| is_data_directory(one));
    found
}

/// The directories in a directory, by name; links are not followed.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
    let directories = entries
        .take(LOOKED_AT)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut paths: Vec<PathBuf> = directories.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The directory above, also of a path that does not name it.
fn parent(path: &Path) -> PathBuf {
    match (path.file_name(), path.parent()) {
        (Some(_), Some(parent)) if parent.as_os_str().is_empty() => PathBuf::from("."),
        (Some(_), Some(parent)) => parent.to_owned(),
        _ if path == Path::new(".") => PathBuf::from(".."),
        _ => path.join(".."),
    }
}

fn is_data_directory(path: &Path) -> bool {
    Store::is_one_on(&LocalDisk, path)
        || SourceDir::open(path).is_ok_and(|dir| LegacyDir::is_one(&dir).unwrap_or(false))
}
