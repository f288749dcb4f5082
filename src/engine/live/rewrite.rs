//! Writes the files of a table anew, beside the directory's own, and puts them
//! in their place by a batch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::store::LiveStore;
use crate::engine::log::Batch;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::batch_check::STAGING_DIR;
use crate::error::{Error, Result};
use crate::file::{Disk, SourceFile};
use crate::model::RowStream;

/// Bytes that are compared at a time.
const COMPARE_LEN: usize = 64 * 1024;

/// New files of a table that are not in their place yet.
#[derive(Debug)]
pub(super) struct Staged {
    /// What they hold.
    pub counts: TableCounts,
    /// Where each is, and where it goes.
    files: Vec<(PathBuf, PathBuf)>,
    /// Files of the table so far.
    old: Vec<PathBuf>,
}

impl LiveStore {
    /// Writes the files of a table with other rows, and syncs them.
    pub(super) fn stage(&self, place: &TablePlace, rows: &mut dyn RowStream) -> Result<Staged> {
        self.stage_by(place, |new| {
            self.files.write(new, new.address.lsns.first, rows)
        })
    }

    /// As [`stage`](Self::stage), by what writes them.
    pub(super) fn stage_by(
        &self,
        place: &TablePlace,
        write: impl FnOnce(&TablePlace) -> Result<TableCounts>,
    ) -> Result<Staged> {
        let staging = self.root.join(STAGING_DIR);
        let name = place.dir.file_name().unwrap_or_default();
        let dir = staging.join(name);
        for dir in [&staging, &dir] {
            if self.disk.kind(dir)?.is_none() {
                self.disk.create_dir(dir)?;
            }
        }
        let new = TablePlace {
            dir: dir.clone(),
            ..place.clone()
        };
        let counts = write(&new)?;
        // Derived files are made when a table is opened for changes.
        drop(self.open_live(&new, counts)?);
        let mut files = Vec::new();
        for path in self.files.present_files(&new)? {
            let synced = self.disk.open_write(&path)?.sync();
            synced.map_err(|error| Error::io("sync", &path, error))?;
            let below = path.strip_prefix(&dir).unwrap_or(&path);
            let to = place.dir.join(below);
            files.push((path, to));
        }
        for (path, _) in &files {
            if let Some(parent) = path.parent() {
                self.disk.sync_dir(parent)?;
            }
        }
        for dir in [&dir, &staging, &self.root] {
            self.disk.sync_dir(dir)?;
        }
        Ok(Staged {
            counts,
            files,
            old: self.files.present_files(place)?,
        })
    }
}

impl Staged {
    /// Puts the new files in their place, and removes the others.
    pub(super) fn install(&self, place: &TablePlace, batch: &mut Batch) {
        let parents = self.files.iter().filter_map(|(_, to)| to.parent());
        let parents: BTreeSet<&Path> = parents.filter(|dir| *dir != place.dir).collect();
        parents.into_iter().for_each(|dir| batch.create_dir(dir));
        for (from, to) in &self.files {
            batch.rename(from, to);
        }
        let new: BTreeSet<&PathBuf> = self.files.iter().map(|(_, to)| to).collect();
        let gone = self.old.iter().filter(|path| !new.contains(path));
        gone.for_each(|path| batch.remove(path));
    }

    /// Bytes of the new files, and of those so far.
    pub(super) fn lens(&self, disk: &dyn Disk) -> Result<(u64, u64)> {
        let sum = |paths: Vec<&PathBuf>| {
            paths.into_iter().try_fold(0_u64, |sum, path| {
                Ok::<_, Error>(sum.saturating_add(SourceFile::open_on(disk, path)?.len()))
            })
        };
        let new = self.files.iter().map(|(from, _)| from).collect();
        Ok((sum(new)?, sum(self.old.iter().collect())?))
    }

    /// Whether the new files are the old ones, byte for byte.
    pub(super) fn is_same(&self, disk: &dyn Disk) -> Result<bool> {
        let old: BTreeSet<&PathBuf> = self.old.iter().collect();
        let new: BTreeSet<&PathBuf> = self.files.iter().map(|(_, to)| to).collect();
        if old != new {
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
