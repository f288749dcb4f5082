//! A disk as it will be once a batch is carried out: for reading a directory
//! that was left in the middle of a checkpoint, without writing to it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::log::Change;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, EntryKind, Lock, SourceEntry};

/// A disk and the changes that are not made on it.
#[derive(Debug)]
pub(in crate::engine) struct ChangedDisk {
    base: Arc<dyn Disk>,
    entries: BTreeMap<PathBuf, PathState>,
}

/// What a changed path is.
#[derive(Debug, Clone)]
enum PathState {
    Gone,
    Dir,
    File(Patched),
}

/// A file with bytes written over it.
#[derive(Debug, Clone, Default)]
struct Patched {
    /// What lies below.
    base: Option<Arc<dyn DiskFile>>,
    /// Bytes of what lies below that still count.
    base_len: u64,
    len: u64,
    writes: Vec<(u64, Arc<[u8]>)>,
}

impl ChangedDisk {
    /// No changes yet.
    pub(in crate::engine) fn new(base: Arc<dyn Disk>) -> Self {
        ChangedDisk {
            base,
            entries: BTreeMap::new(),
        }
    }

    /// Adds a change below `root`, as if it were made.
    ///
    /// # Errors
    /// I/O errors of the files it is about.
    pub(in crate::engine) fn change(&mut self, root: &Path, change: Change) -> Result<()> {
        match change {
            Change::Write {
                path,
                offset,
                bytes,
            } => self.patch(&root.join(path), |file| {
                file.len = file.len.max(offset.saturating_add(bytes.len() as u64));
                file.writes.push((offset, bytes.into()));
            })?,
            Change::SetLen { path, len } => self.patch(&root.join(path), |file| {
                file.base_len = file.base_len.min(len);
                file.writes.retain(|(offset, _)| *offset < len);
                for (offset, bytes) in &mut file.writes {
                    let keep = usize::try_from(len - *offset).unwrap_or(usize::MAX);
                    if let Some(kept) = bytes.get(..keep) {
                        *bytes = kept.into();
                    }
                }
                file.len = len;
            })?,
            Change::Rename { from, to } => {
                let (from, to) = (root.join(from), root.join(to));
                if self.kind(&from)?.is_some() {
                    let file = self.file(&from)?;
                    self.entries.insert(to, PathState::File(file));
                    self.entries.insert(from, PathState::Gone);
                }
            }
            Change::Remove { path } | Change::RemoveDir { path } => {
                self.entries.insert(root.join(path), PathState::Gone);
            }
            Change::CreateDir { path } => {
                self.entries.insert(root.join(path), PathState::Dir);
            }
        }
        Ok(())
    }

    fn patch(&mut self, path: &Path, change: impl FnOnce(&mut Patched)) -> Result<()> {
        let mut file = match self.kind(path)? {
            None => Patched::default(),
            Some(_) => self.file(path)?,
        };
        change(&mut file);
        self.entries.insert(path.to_owned(), PathState::File(file));
        Ok(())
    }

    /// A file as it is with the changes so far.
    fn file(&self, path: &Path) -> Result<Patched> {
        match self.entries.get(path) {
            Some(PathState::File(file)) => Ok(file.clone()),
            Some(_) => Err(Error::io("open", path, ErrorKind::NotFound.into())),
            None => {
                let base = self.base.open(path)?;
                let len = base.len().map_err(|e| Error::io("open", path, e))?;
                Ok(Patched {
                    base: Some(base),
                    base_len: len,
                    len,
                    writes: Vec::new(),
                })
            }
        }
    }
}

fn read_only(path: &Path) -> Error {
    Error::io("write", path, ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ChangedDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        match self.entries.get(path) {
            None => self.base.open(path),
            Some(_) => Ok(Arc::new(self.file(path)?)),
        }
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        Err(read_only(path))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        Err(read_only(path))
    }

    fn temporary(&self, dir: &Path) -> Result<Arc<dyn DiskFile>> {
        self.base.temporary(dir)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        Err(read_only(path))
    }

    fn rename(&self, from: &Path, _: &Path) -> Result<()> {
        Err(read_only(from))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        Err(read_only(path))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        Err(read_only(path))
    }

    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>> {
        let below = match self.base.kind(dir)? {
            None => Vec::new(),
            Some(_) => self.base.entries(dir)?,
        };
        let changed = self
            .entries
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        let changed: BTreeMap<_, _> = changed.collect();
        let kept = below
            .into_iter()
            .filter(|entry| !changed.contains_key(&entry.path));
        let named = |path: &PathBuf, is_file| SourceEntry {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path: path.clone(),
            is_file,
            is_dir: !is_file,
        };
        let added = changed.iter().filter_map(|(path, entry)| match entry {
            PathState::Gone => None,
            PathState::Dir => Some(named(path, false)),
            PathState::File(_) => Some(named(path, true)),
        });
        let mut entries: Vec<_> = kept.chain(added).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        match self.entries.get(path) {
            None => self.base.kind(path),
            Some(PathState::Gone) => Ok(None),
            Some(PathState::Dir) => Ok(Some(EntryKind::Dir)),
            Some(PathState::File(_)) => Ok(Some(EntryKind::File)),
        }
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        self.base.real_path(dir)
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        self.base.lock(path, lock)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
        self.base.lock_dir(dir)
    }
}

impl DiskFile for Patched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let buffer = buffer.split_at_mut(len).0;
        let end = offset.saturating_add(len as u64);
        buffer.fill(0);
        if let Some(base) = &self.base
            && offset < self.base_len
        {
            let there = usize::try_from(self.base_len.min(end) - offset);
            if let Some(below) = there.ok().and_then(|len| buffer.get_mut(..len)) {
                base.read_exact_at(below, offset)?;
            }
        }
        for (at, bytes) in &self.writes {
            let (from, to) = (
                offset.max(*at),
                end.min(at.saturating_add(bytes.len() as u64)),
            );
            let range = |start: u64| {
                let index = |position: u64| usize::try_from(position - start).ok();
                (from < to)
                    .then(|| Some(index(from)?..index(to)?))
                    .flatten()
            };
            if let (Some(into), Some(of)) = (range(offset), range(*at))
                && let (Some(into), Some(bytes)) = (buffer.get_mut(into), bytes.get(of))
            {
                into.copy_from_slice(bytes);
            }
        }
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
