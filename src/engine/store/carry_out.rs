//! Makes the changes of a batch, once or again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::log::Change;
use crate::engine::pages::paths::check_dir;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, EntryKind};

/// Files that are kept open: a batch writes many pages to few files.
const OPEN_FILES: usize = 16;

/// Makes changes below a directory, and syncs what they touched.
#[derive(Debug)]
pub(in crate::engine) struct CarryOut<'d> {
    disk: &'d dyn Disk,
    root: &'d Path,
    files: BTreeMap<PathBuf, Arc<dyn DiskFile>>,
    dirs: BTreeSet<PathBuf>,
    /// Directories that were removed.
    gone: BTreeSet<PathBuf>,
}

impl<'d> CarryOut<'d> {
    /// Nothing was changed yet.
    pub(in crate::engine) fn new(disk: &'d dyn Disk, root: &'d Path) -> Self {
        CarryOut {
            disk,
            root,
            files: BTreeMap::new(),
            dirs: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Makes one change. Paths are relative to the root.
    ///
    /// # Errors
    /// When a directory on the way is a link or missing; I/O errors.
    pub(in crate::engine) fn change(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Write {
                path,
                offset,
                bytes,
            } => {
                let (path, file) = self.file(path)?;
                let written = file.write_all_at(bytes, *offset);
                written.map_err(|error| Error::io("write", &path, error))
            }
            Change::SetLen { path, len } => {
                let (path, file) = self.file(path)?;
                let cut = file.set_len(*len);
                cut.map_err(|error| Error::io("cut", &path, error))
            }
            Change::Rename { from, to } => {
                let to = self.locate(to)?.ok_or_else(|| missing(to))?;
                self.files.remove(&to);
                // Missing: it has its new name already, which may not be durable.
                if let Some(from) = self.locate(from)? {
                    if self.disk.kind(&from)?.is_some() {
                        self.disk.rename(&from, &to)?;
                    }
                    self.touch(&from);
                }
                self.touch(&to);
                Ok(())
            }
            Change::Remove { path } => {
                let Some(path) = self.locate(path)? else {
                    return Ok(());
                };
                self.files.remove(&path);
                self.disk.remove_if_there(&path)?;
                self.touch(&path);
                Ok(())
            }
            Change::CreateDir { path } => {
                let path = self.locate(path)?.ok_or_else(|| missing(path))?;
                if self.disk.kind(&path)? != Some(EntryKind::Dir) {
                    self.disk.create_dir(&path)?;
                }
                self.touch(&path);
                Ok(())
            }
            Change::RemoveDir { path } => {
                let Some(path) = self.locate(path)? else {
                    return Ok(());
                };
                // What somebody else has put there stays, and so does its
                // directory: no batch may fail for it.
                let is_there = self.disk.kind(&path)?.is_some();
                if is_there && self.disk.entries(&path)?.is_empty() {
                    self.disk.remove_dir(&path)?;
                }
                if self.disk.kind(&path)?.is_none() {
                    self.gone.insert(path.clone());
                }
                self.touch(&path);
                Ok(())
            }
        }
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn finish(mut self) -> Result<()> {
        self.close_files()?;
        let mut dirs = self.dirs.difference(&self.gone);
        dirs.try_for_each(|dir| self.disk.sync_dir(dir))
    }

    fn close_files(&mut self) -> Result<()> {
        for (path, file) in std::mem::take(&mut self.files) {
            let synced = file.sync();
            synced.map_err(|error| Error::io("sync", &path, error))?;
        }
        Ok(())
    }

    /// The full path, every directory on the way being one; `None` when one of
    /// them is missing.
    fn locate(&self, path: &Path) -> Result<Option<PathBuf>> {
        let above: Vec<_> = path.ancestors().skip(1).collect();
        for dir in above.into_iter().rev() {
            let dir = self.root.join(dir);
            if self.disk.kind(&dir)?.is_none() {
                return Ok(None);
            }
            // The root may be a link: the user named it.
            if dir != self.root {
                check_dir(self.disk, &dir)?;
            }
        }
        Ok(Some(self.root.join(path)))
    }

    fn file(&mut self, path: &Path) -> Result<(PathBuf, Arc<dyn DiskFile>)> {
        let full = self.root.join(path);
        if let Some(file) = self.files.get(&full) {
            return Ok((full, file.clone()));
        }
        let full = self.locate(path)?.ok_or_else(|| missing(path))?;
        if self.files.len() >= OPEN_FILES {
            self.close_files()?;
        }
        let file = match self.disk.kind(&full)? {
            Some(_) => self.disk.open_write(&full)?,
            None => self.disk.create(&full)?,
        };
        self.touch(&full);
        self.files.insert(full.clone(), file.clone());
        Ok((full, file))
    }

    /// The names in a path's directory are to be synced.
    fn touch(&mut self, path: &Path) {
        self.dirs.extend(path.parent().map(Path::to_owned));
    }
}

fn missing(path: &Path) -> Error {
    Error::io("change", path, ErrorKind::NotFound.into())
}

#[cfg(test)]
pub(in crate::engine) mod tests;
