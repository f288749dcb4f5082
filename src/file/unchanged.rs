//! Whether files stood still while they were read.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::descend::files_in_sight;
use crate::error::{Error, Result};

/// What the system counts the room of a file in.
const BLOCK_LEN: u64 = 512;

/// What shows that a file is still the one that was looked at.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    inode: u64,
    len: u64,
    /// Bytes that it takes on the disk.
    occupied: u64,
    /// Seconds and nanoseconds of the last change of its bytes.
    changed: (i64, i64),
}

impl Stamp {
    /// Where its bytes lie may change without them.
    fn is_still(&self, before: &Stamp) -> bool {
        let key = |stamp: &Stamp| (stamp.inode, stamp.len, stamp.changed);
        key(self) == key(before)
    }
}

/// The files below a directory as they were at one moment.
#[derive(Debug, Default)]
pub struct Unchanged(BTreeMap<PathBuf, Stamp>);

impl Unchanged {
    /// Looks at every file below `dir` of this machine. What cannot be listed
    /// holds none: whoever reads it will say so.
    pub fn since_now(dir: &Path) -> Self {
        let files = files_in_sight(dir).into_iter();
        let stamped = files.filter_map(|path| stamp(&path).map(|stamp| (path, stamp)));
        Unchanged(stamped.collect())
    }

    /// Bytes that the files take: of one with holes, those that are there.
    pub fn occupied_len(&self) -> u64 {
        let lens = self.0.values().map(|stamp| stamp.len.min(stamp.occupied));
        lens.fold(0, u64::saturating_add)
    }

    /// Looks again.
    ///
    /// # Errors
    /// `NeedsDecision` when a file below `dir` was written, appeared or is gone.
    pub fn check(&self, dir: &Path) -> Result<()> {
        let now = Self::since_now(dir);
        let changed = self.0.iter().find_map(|(path, before)| {
            let what = match now.0.get(path) {
                Some(now) if now.is_still(before) => return None,
                Some(now) => format!("found {} bytes, expected {} as before", now.len, before.len),
                None => "it is gone".to_owned(),
            };
            Some((path, what))
        });
        let appeared = || {
            let mut new = now.0.keys().filter(|path| !self.0.contains_key(*path));
            Some((new.next()?, "it is new".to_owned()))
        };
        match changed.or_else(appeared) {
            None => Ok(()),
            Some((path, what)) => Err(Error::NeedsDecision(format!(
                "{} changed while it was read: {what}\n\
                 Stop the server that writes {}, or use a copy that was made while it stood still.",
                path.display(),
                dir.display()
            ))),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = path.symlink_metadata().ok()?;
    Some(Stamp {
        inode: meta.ino(),
        len: meta.len(),
        occupied: meta.blocks().saturating_mul(BLOCK_LEN),
        changed: (meta.mtime(), meta.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 5] = [
            ("longer", |dir| fs::write(dir.join("wal/1"), "12").unwrap()),
            ("as long", |dir| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                fs::write(dir.join("wal/1"), "2").unwrap();
            }),
            ("gone", |dir| fs::remove_file(dir.join("db")).unwrap()),
            ("new", |dir| fs::write(dir.join("wal/2"), "").unwrap()),
            ("another", |dir| {
                fs::write(dir.join("wal/new"), "1").unwrap();
                fs::rename(dir.join("wal/new"), dir.join("wal/1")).unwrap();
            }),
        ];
        for (name, change) in changes {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("wal")).unwrap();
            fs::write(dir.path().join("wal/1"), "1").unwrap();
            fs::write(dir.path().join("db"), "rows").unwrap();
            let unchanged = Unchanged::since_now(dir.path());
            unchanged.check(dir.path()).unwrap();
            change(dir.path());
            assert!(unchanged.check(dir.path()).is_err(), "{name}");
        }
    }
}
