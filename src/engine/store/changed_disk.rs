//! A disk as it will be once a batch is carried out: for reading a directory
//! that was left in the middle of a checkpoint, without writing to it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
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
    File(Arc<Patched>),
}

/// A file with bytes written over it.
#[derive(Debug, Clone, Default)]
struct Patched {
    /// What lies below.
    base: Option<Arc<dyn DiskFile>>,
    /// Bytes of what lies below that still count.
    base_len: u64,
    len: u64,
    /// Bytes by their offsets; no two overlap.
    writes: BTreeMap<u64, Vec<u8>>,
}

impl Patched {
    /// Writes over what was written before. Each byte is touched once, however
    /// the pieces of a batch overlap.
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        self.len = self.len.max(end);
        let part = |range: Range<u64>| {
            let index = |at: u64| usize::try_from(at - offset).ok();
            bytes.get(index(range.start)?..index(range.end)?)
        };
        let first = self.writes.range(..=offset).next_back();
        let first = first.map_or(offset, |(at, _)| *at);
        let (mut at, mut gaps) = (offset, Vec::new());
        for (start, old) in self.writes.range_mut(first..end) {
            let old_end = start.saturating_add(old.len() as u64);
            if old_end <= at {
                continue;
            }
            if *start > at {
                gaps.push(at..*start);
                at = *start;
            }
            let over = at..end.min(old_end);
            let into = usize::try_from(over.start - start).ok();
            let into = into.and_then(|from| old.get_mut(from..));
            if let (Some(into), Some(new)) = (into, part(over.clone())) {
                into.iter_mut().zip(new).for_each(|(old, new)| *old = *new);
            }
            at = over.end;
        }
        if at < end {
            gaps.push(at..end);
        }
        for gap in gaps {
            if let Some(new) = part(gap.clone()) {
                self.writes.insert(gap.start, new.to_vec());
            }
        }
    }

    fn resize(&mut self, len: u64) {
        self.base_len = self.base_len.min(len);
        self.len = len;
        drop(self.writes.split_off(&len));
        if let Some((at, bytes)) = self.writes.iter_mut().next_back() {
            bytes.truncate(usize::try_from(len - at).unwrap_or(usize::MAX));
        }
    }
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
            } => self.patched(root.join(path))?.write(offset, &bytes),
            Change::SetLen { path, len } => self.patched(root.join(path))?.resize(len),
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

    /// A file that changes, a new one where there is none.
    fn patched(&mut self, path: PathBuf) -> Result<&mut Patched> {
        let file = match self.kind(&path)? {
            None => Arc::default(),
            Some(_) => self.file(&path)?,
        };
        let state = self.entries.entry(path);
        let state = state.or_insert(PathState::Gone);
        // Of a file that changed before, the only other hold is given back first.
        *state = PathState::File(file);
        match state {
            PathState::File(file) => Ok(Arc::make_mut(file)),
            PathState::Gone | PathState::Dir => Err(Error::Internal("a file that is none".into())),
        }
    }

    /// A file as it is with the changes so far.
    fn file(&self, path: &Path) -> Result<Arc<Patched>> {
        match self.entries.get(path) {
            Some(PathState::File(file)) => Ok(file.clone()),
            Some(_) => Err(Error::missing_file(path)),
            None => {
                let base = self.base.open(path)?;
                let len = base.len().map_err(|e| Error::io("open", path, e))?;
                Ok(Arc::new(Patched {
                    base: Some(base),
                    base_len: len,
                    len,
                    writes: BTreeMap::new(),
                }))
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
            Some(_) => Ok(self.file(path)?),
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
        let below_dir = self.entries.range(dir.to_owned()..);
        let changed = below_dir
            .take_while(|(path, _)| path.starts_with(dir))
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
        let first = self.writes.range(..=offset).next_back();
        let first = first.map_or(offset, |(at, _)| *at);
        for (at, bytes) in self.writes.range(first..end.max(first)) {
            let from = usize::try_from(offset.saturating_sub(*at)).ok();
            let into = usize::try_from(at.saturating_sub(offset)).ok();
            let from = from.and_then(|from| bytes.get(from..));
            let into = into.and_then(|into| buffer.get_mut(into..));
            if let (Some(from), Some(into)) = (from, into) {
                into.iter_mut().zip(from).for_each(|(old, new)| *old = *new);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain vector: whatever is written over what, and cut.
        #[test]
        fn pieces_that_overlap_read_as_if_they_were_written(
            changes in prop::collection::vec((0_u64..40, prop::collection::vec(any::<u8>(), 0..12), any::<bool>()), 0..30),
        ) {
            let (mut file, mut plain) = (Patched::default(), Vec::new());
            for (at, bytes, cut) in changes {
                if cut {
                    file.resize(at);
                    plain.resize(usize::try_from(at).unwrap(), 0);
                } else {
                    file.write(at, &bytes);
                    let from = usize::try_from(at).unwrap();
                    plain.resize(plain.len().max(from + bytes.len()), 0);
                    plain[from..from + bytes.len()].copy_from_slice(&bytes);
                }
                for start in 0..plain.len() {
                    let mut read = vec![7; plain.len() - start];
                    file.read_exact_at(&mut read, start as u64).unwrap();
                    prop_assert_eq!(&read, &plain[start..]);
                }
            }
        }
    }
}
