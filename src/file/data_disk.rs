//! A disk as one data directory sees it: a file that is not there is damage of
//! the directory, and so is something else in its place. Where what can be kept
//! is being kept, bytes that the disk cannot read are lost, and no others.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::is_unreadable;
use super::{Disk, DiskFile, EntryKind, Lock, Room, SourceEntry};
use crate::error::{Error, Result, is_missing};
use crate::finding::Code;

/// Bytes that are read alone where more of them cannot be read at once.
pub(super) const BLOCK_LEN: u64 = 4096;
/// Stands for a byte that cannot be read: text has none like it, and a log that
/// goes on with zeros ends there.
const UNREAD: u8 = 0xFF;

/// The blocks of each file that could not be read, and where each ends.
#[derive(Debug, Clone, Default)]
pub struct Unread(Arc<Mutex<BTreeMap<PathBuf, BTreeMap<u64, u64>>>>);

impl Unread {
    fn note(&self, path: &Path, block: Range<u64>) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = blocks.entry(path.to_owned()).or_default();
        blocks.insert(block.start, block.end);
    }

    /// The ranges of bytes, by file and offset.
    pub fn ranges(&self) -> Vec<(PathBuf, Range<u64>)> {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ranges: Vec<(PathBuf, Range<u64>)> = Vec::new();
        for (path, blocks) in &*blocks {
            for (&start, &end) in blocks {
                match ranges.last_mut() {
                    Some((last, range)) if last == path && range.end == start => range.end = end,
                    _ => ranges.push((path.clone(), start..end)),
                }
            }
        }
        ranges
    }
}

/// A disk, for the files of one data directory.
#[derive(Debug)]
pub struct DataDisk {
    disk: Arc<dyn Disk>,
    /// Where what cannot be read is noted, if reading goes on past it.
    unread: Option<Unread>,
}

impl DataDisk {
    /// A disk on which a lost file is damage.
    pub fn shared(disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
        let disk = disk.clone();
        Arc::new(DataDisk { disk, unread: None })
    }

    /// As [`shared`](Self::shared), and bytes that cannot be read are noted and
    /// read as others: whoever reads them needs a checksum.
    pub fn salvaging(disk: &Arc<dyn Disk>) -> (Arc<dyn Disk>, Unread) {
        let (disk, unread) = (disk.clone(), Unread::default());
        let data = DataDisk {
            disk,
            unread: Some(unread.clone()),
        };
        (Arc::new(data), unread)
    }

    /// What an error means for the directory.
    fn judged<T>(&self, result: Result<T>, path: &Path) -> Result<T> {
        let damage = |code, found| Error::damage(path, 0, code, found, "a file of the directory");
        result.map_err(|error| match &error {
            Error::Io { source, .. } if is_missing(source) => Error::missing_file(path),
            Error::Io { source, .. } if self.unread.is_some() && is_unreadable(source) => {
                damage(Code::BytesLost, "a file that the disk cannot read")
            }
            Error::NotADataDirectory { .. } => damage(
                Code::NotRegular,
                match self.disk.kind(path) {
                    Ok(Some(EntryKind::Dir)) => "a directory",
                    _ => "a symbolic link, a pipe, a socket or a device",
                },
            ),
            _ => error,
        })
    }

    fn file(&self, opened: Result<Arc<dyn DiskFile>>, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let file = self.judged(opened, path)?;
        Ok(match &self.unread {
            None => file,
            Some(unread) => Arc::new(SalvagedFile {
                file,
                path: path.to_owned(),
                unread: unread.clone(),
            }),
        })
    }
}

impl Disk for DataDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.file(self.disk.open(path), path)
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.judged(self.disk.open_write(path), path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.disk.create(path)
    }

    fn temporary(&self, dir: &Path) -> Result<Arc<dyn DiskFile>> {
        self.disk.temporary(dir)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.disk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.disk.remove_dir(path)
    }

    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>> {
        self.judged(self.disk.entries(dir), dir)
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        self.disk.kind(path)
    }

    fn len_of(&self, path: &Path) -> Result<u64> {
        self.judged(self.disk.len_of(path), path)
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        self.disk.real_path(dir)
    }

    fn room(&self, dir: &Path) -> Result<Room> {
        self.disk.room(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        self.judged(self.disk.lock(path, lock), path)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
        self.disk.lock_dir(dir)
    }
}

/// A file that is read block by block where it cannot be read at once.
#[derive(Debug)]
struct SalvagedFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    unread: Unread,
}

impl DiskFile for SalvagedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn go_on(&self) -> io::Result<()> {
        self.file.go_on()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.file.read_at(buffer, offset) {
            Err(error) if is_unreadable(&error) => {}
            read => return read,
        }
        let file_len = self.file.len()?;
        let left = file_len.saturating_sub(offset);
        let len = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let (mut rest, _) = buffer.split_at_mut(len);
        let mut at = offset;
        while !rest.is_empty() {
            let to_next = usize::try_from(BLOCK_LEN - at % BLOCK_LEN).unwrap_or(rest.len());
            let (block, behind) = rest.split_at_mut(to_next.min(rest.len()));
            match self.file.read_exact_at(block, at) {
                Err(error) if is_unreadable(&error) => {
                    block.fill(UNREAD);
                    let start = at - at % BLOCK_LEN;
                    let end = start.saturating_add(BLOCK_LEN).min(file_len);
                    self.unread.note(&self.path, start..end);
                }
                read => read?,
            }
            at = at.saturating_add(block.len() as u64);
            rest = behind;
        }
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        self.file.data_from(offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
