//! New files of a table, beside the directory's own until a batch puts them in
//! their place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::store::LiveStore;
use crate::engine::log::Batch;
use crate::engine::pages::paths::{DATABASE_PREFIX, TablePlace};
use crate::engine::store::batch_check::STAGING_DIR;
use crate::error::{Error, Result};
use crate::file::{Disk, SourceFile, remove_tree};

/// Bytes that are compared at a time.
const COMPARE_LEN: usize = 64 * 1024;

/// Where new files are, and where each goes.
#[derive(Debug)]
pub(super) struct Staged {
    files: Vec<(PathBuf, PathBuf)>,
}

impl LiveStore {
    /// A place for new files of the table that will be at `home`.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn staging_place(&mut self, home: &TablePlace) -> Result<TablePlace> {
        let staging = self.root.join(STAGING_DIR);
        let dir = staging.join(format!("{DATABASE_PREFIX}{}", self.staged));
        self.staged += 1;
        for dir in [&staging, &dir] {
            if self.disk.kind(dir)?.is_none() {
                self.disk.create_dir(dir)?;
            }
        }
        Ok(TablePlace {
            dir,
            ..home.clone()
        })
    }

    /// Removes what was written to a staging place, when it is refused after all.
    pub(super) fn unstage(&self, place: &TablePlace) {
        let _ = remove_tree(&*self.disk, &place.dir);
        let staging = self.root.join(STAGING_DIR);
        let others = self.disk.entries(&staging);
        if others.is_ok_and(|others| others.is_empty()) {
            let _ = self.disk.remove_dir(&staging);
        }
    }

    /// Syncs the files at a staging place; where they go.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn sync_staged(&self, place: &TablePlace, home: &TablePlace) -> Result<Staged> {
        let mut files = Vec::new();
        let staging = self.root.join(STAGING_DIR);
        let mut dirs = BTreeSet::from([place.dir.clone(), staging, self.root.clone()]);
        for path in self.files.present_files(place)? {
            let synced = self.disk.open_write(&path)?.sync();
            synced.map_err(|error| Error::io("sync", &path, error))?;
            dirs.extend(path.parent().map(Path::to_owned));
            let below = path.strip_prefix(&place.dir).unwrap_or(&path);
            let to = home.dir.join(below);
            files.push((path, to));
        }
        dirs.iter().try_for_each(|dir| self.disk.sync_dir(dir))?;
        Ok(Staged { files })
    }
}

impl Staged {
    /// Puts the files in their place; `home` is that of the table.
    pub(super) fn install(&self, home: &TablePlace, batch: &mut Batch) {
        let parents = self.files.iter().filter_map(|(_, to)| to.parent());
        let parents: BTreeSet<&Path> = parents.filter(|dir| *dir != home.dir).collect();
        parents.into_iter().for_each(|dir| batch.create_dir(dir));
        for (from, to) in &self.files {
            batch.rename(from, to);
        }
    }

    /// Where the files go.
    pub(super) fn targets(&self) -> BTreeSet<PathBuf> {
        self.files.iter().map(|(_, to)| to.clone()).collect()
    }

    /// Bytes of the files.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn len(&self, disk: &dyn Disk) -> Result<u64> {
        total_len(disk, self.files.iter().map(|(from, _)| from))
    }

    /// Whether the files are those of `old`, byte for byte.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn is_same(&self, old: &[PathBuf], disk: &dyn Disk) -> Result<bool> {
        if old.iter().cloned().collect::<BTreeSet<_>>() != self.targets() {
            return Ok(false);
        }
        for (from, to) in &self.files {
            if !same_bytes(disk, from, to)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Bytes of some files.
///
/// # Errors
/// I/O errors.
pub(super) fn total_len<'p>(
    disk: &dyn Disk,
    mut paths: impl Iterator<Item = &'p PathBuf>,
) -> Result<u64> {
    paths.try_fold(0_u64, |sum, path| {
        Ok(sum.saturating_add(SourceFile::open_on(disk, path)?.len()))
    })
}

fn same_bytes(disk: &dyn Disk, a: &Path, b: &Path) -> Result<bool> {
    let (a, b) = (SourceFile::open_on(disk, a)?, SourceFile::open_on(disk, b)?);
    if a.len() != b.len() {
        return Ok(false);
    }
    let mut buffers = [vec![0; COMPARE_LEN], vec![0; COMPARE_LEN]];
    let [left, right] = &mut buffers;
    let mut offset = 0;
    while offset < a.len() {
        let len = usize::try_from(a.len() - offset).map_or(COMPARE_LEN, |l| l.min(COMPARE_LEN));
        let (left, right) = (left.split_at_mut(len).0, right.split_at_mut(len).0);
        a.read_exact_at(left, offset)?;
        b.read_exact_at(right, offset)?;
        if left != right {
            return Ok(false);
        }
        offset += len as u64;
    }
    Ok(true)
}
