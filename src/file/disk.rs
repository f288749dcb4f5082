//! File operations, behind one trait: what a crash can do to a directory is
//! tested by putting another disk in its place.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::error::{Error, Result};

/// One entry of a directory.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// Its file name; names that are not UTF-8 are shown with replacements.
    pub name: String,
    /// Its full path.
    pub path: PathBuf,
    /// Whether it is a regular file (not a link to one).
    pub is_file: bool,
    /// Whether it is a directory (not a link to one).
    pub is_dir: bool,
}

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

/// What a directory offers to whoever makes entries in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Why it takes no new names, when it does not: the system's error code.
    pub refuses: Option<i32>,
    /// Whether another file system, or part of one, begins here: nothing can
    /// take its place then.
    pub is_mount_point: bool,
    /// Bytes that this user can still write, if the system says.
    pub free_len: Option<u64>,
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

    /// Creates a file without a name in `dir`; it is gone with the result, or
    /// with the process.
    ///
    /// # Errors
    /// When `dir` is missing; I/O errors.
    fn temporary(&self, dir: &Path) -> Result<Arc<dyn DiskFile>>;

    /// Creates a directory that its owner alone can read.
    ///
    /// # Errors
    /// When something of that name is there.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Gives a file or a directory another name. A file of that name is gone
    /// then; a directory takes the place of nothing but an empty directory.
    ///
    /// # Errors
    /// When there is nothing to rename, or something is in the way.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file.
    fn remove_file(&self, path: &Path) -> Result<()>;

    /// Removes a file that need not be there, as what a crash left.
    ///
    /// # Errors
    /// When something else is there; I/O errors.
    fn remove_if_there(&self, path: &Path) -> Result<()> {
        match self.kind(path)? {
            Some(_) => self.remove_file(path),
            None => Ok(()),
        }
    }

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

    /// Length in bytes of what stands at a path; links are not followed.
    ///
    /// # Errors
    /// When it is missing.
    fn len_of(&self, path: &Path) -> Result<u64> {
        let len = self.open(path)?.len();
        len.map_err(|error| Error::io("look at", path, error))
    }

    /// The path of a directory without links on the way.
    ///
    /// # Errors
    /// When it is missing.
    fn real_path(&self, dir: &Path) -> Result<PathBuf>;

    /// What a directory offers; without limits where nobody can tell.
    ///
    /// # Errors
    /// When it is missing.
    fn room(&self, _dir: &Path) -> Result<Room> {
        Ok(Room::default())
    }

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

    /// Locks a directory of this user for as long as the result lives, for one
    /// holder. `None` when another process holds it, or it is another user's.
    /// Never waits.
    ///
    /// # Errors
    /// When it is missing or no directory; I/O errors.
    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>>;
}

/// One open file of a [`Disk`].
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn len(&self) -> io::Result<u64>;

    /// Whether the work on the file may go on, for whoever works long without
    /// reading.
    ///
    /// # Errors
    /// When it was asked to stop.
    fn go_on(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Reads some bytes from `offset` on into the start of `buffer`, and says
    /// how many; none at the end of the file.
    ///
    /// # Errors
    /// I/O errors; `Interrupted` when a signal came first.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes` at `offset`, from the first on, and says how many;
    /// the file grows as needed.
    ///
    /// # Errors
    /// I/O errors; `Interrupted` when a signal came first.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Fills `buffer` from `offset`, in as many reads as it takes.
    ///
    /// # Errors
    /// When the file ends before; I/O errors.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => {
                    buffer = buffer.split_at_mut_checked(len).unwrap_or_default().1;
                    offset = offset.saturating_add(len as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`, in as many writes as it takes.
    ///
    /// # Errors
    /// I/O errors; some of the bytes may have been written then.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => {
                    bytes = bytes.get(len..).unwrap_or_default();
                    offset = offset.saturating_add(len as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The first bytes at or after an offset that the file holds, none at its
    /// end: what stands between are holes, which read as zeros and take no space.
    /// All bytes up to the end where nobody can tell.
    ///
    /// # Errors
    /// I/O errors.
    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        let len = self.len()?;
        Ok(offset.min(len)..len)
    }

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

/// Whether the system says that the medium does not give the bytes.
pub fn is_unreadable(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::IO | Errno::BADMSG | Errno::NODATA | Errno::REMOTEIO | Errno::UCLEAN)
    )
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

    /// What it writes to.
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
