//! The file operations of the storage engine, behind one trait: what a crash
//! can do to a directory is tested by putting another disk in its place.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::source::open_regular;
use super::{SourceDir, SourceEntry};
use crate::error::{Error, Result};

/// What stands at a path; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A link, a device, a pipe or a socket.
    Other,
}

/// Who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Others that only read.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Where files are. Nothing is durable before it was synced: the bytes and the
/// length of a file by [`DiskFile::sync`], names by [`sync_dir`](Self::sync_dir)
/// of the directory that holds them.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it is missing, or a link, a directory or a device.
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>>;

    /// Opens a regular file for reading and writing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>>;

    /// Creates an empty file that its owner alone can read.
    ///
    /// # Errors
    /// When something of that name is there.
    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>>;

    /// Creates a directory that its owner alone can read.
    ///
    /// # Errors
    /// When something of that name is there.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Gives a file another name; a file of that name is gone then.
    ///
    /// # Errors
    /// When there is no such file.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file.
    fn remove_file(&self, path: &Path) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is missing or not empty.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// When it cannot be listed.
    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>>;

    /// What stands at a path, if anything does.
    ///
    /// # Errors
    /// When the system does not say.
    fn kind(&self, path: &Path) -> Result<Option<EntryKind>>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// I/O errors.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Locks a file for as long as the result lives: for one holder, or for
    /// many that only read. `None` when others hold it otherwise. Never waits.
    ///
    /// # Errors
    /// When the file cannot be opened; I/O errors.
    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>>;
}

/// One open file of a [`Disk`].
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When the file ends before; I/O errors.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; the file grows as needed.
    ///
    /// # Errors
    /// I/O errors; some of the bytes may have been written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// I/O errors.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes bytes and length durable.
    ///
    /// # Errors
    /// I/O errors.
    fn sync(&self) -> io::Result<()>;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

impl LocalDisk {
    /// As the engine shares it.
    pub fn shared() -> Arc<dyn Disk> {
        Arc::new(LocalDisk)
    }
}

impl Disk for LocalDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let file = open_regular(path, rustix::fs::OFlags::RDONLY)?;
        Ok(Arc::new(file))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let file = open_regular(path, rustix::fs::OFlags::RDWR)?;
        Ok(Arc::new(file))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let opened = options.open(path);
        Ok(Arc::new(opened.map_err(|e| Error::io("create", path, e))?))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        let created = DirBuilder::new().mode(0o700).create(path);
        created.map_err(|error| Error::io("create the directory", path, error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|error| Error::io("rename", from, error))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).map_err(|error| Error::io("remove", path, error))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        std::fs::remove_dir(path).map_err(|error| Error::io("remove", path, error))
    }

    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>> {
        SourceDir::open(dir)?.entries()
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        let meta = match path.symlink_metadata() {
            Err(error) if is_missing(&error) => return Ok(None),
            meta => meta.map_err(|error| Error::io("open", path, error))?,
        };
        Ok(Some(match meta.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Dir,
            _ => EntryKind::Other,
        }))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Error::io("sync the directory", dir, error))
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        let file = open_regular(path, rustix::fs::OFlags::RDONLY)?;
        let locked = match lock {
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Some(Arc::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        }
    }
}

/// Whether the system says that there is nothing of that name.
pub fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|meta| meta.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Writes a file of a [`Disk`] from its start on.
#[derive(Debug)]
pub struct DiskWriter {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl DiskWriter {
    /// At the start of a file.
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        DiskWriter { file, offset: 0 }
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
