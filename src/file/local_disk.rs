//! The files of this machine, as a [`Disk`].

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, SeekFrom, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::disk::Room;
use super::few_files::open_to_read;
use super::regular::open_regular;
use super::{Disk, DiskFile, EntryKind, Lock, SourceEntry};
use crate::error::{Error, Result, is_missing};

/// The files of this machine; however many are read, few of them are open.
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
        open_to_read(path)
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let mut file = open_regular(path, OFlags::RDWR)?;
        let meta = file.metadata();
        if meta
            .map_err(|error| Error::io("open", path, error))?
            .nlink()
            > 1
        {
            // Another name of the file is somebody's backup: it stays as it is.
            own_copy(path, &mut file)?;
            file = open_regular(path, OFlags::RDWR)?;
        }
        Ok(Arc::new(file))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let opened = options.open(path);
        Ok(Arc::new(opened.map_err(|e| Error::io("create", path, e))?))
    }

    fn temporary(&self, dir: &Path) -> Result<Arc<dyn DiskFile>> {
        let created = tempfile::tempfile_in(dir);
        let io = |error| Error::io("create a temporary file in", dir, error);
        Ok(Arc::new(created.map_err(io)?))
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
        let io = |error| Error::io("list", dir, error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            let kind = entry.file_type().map_err(io)?;
            entries.push(SourceEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                path: entry.path(),
                is_file: kind.is_file(),
                is_dir: kind.is_dir(),
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
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

    fn len_of(&self, path: &Path) -> Result<u64> {
        let meta = path.symlink_metadata();
        meta.map(|meta| meta.len())
            .map_err(|error| Error::io("look at", path, error))
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        let real = dir.canonicalize();
        real.map_err(|error| Error::io("open", dir, error))
    }

    fn room(&self, dir: &Path) -> Result<Room> {
        let io = |error: Errno| Error::io("look at", dir, error.into());
        let access = rustix::fs::accessat(
            CWD,
            dir,
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        );
        let refuses = match access {
            Ok(()) | Err(Errno::NOSYS) => None,
            Err(error @ (Errno::ROFS | Errno::ACCESS | Errno::PERM)) => Some(error.raw_os_error()),
            Err(error) => return Err(io(error)),
        };
        let space = rustix::fs::statvfs(dir).ok();
        Ok(Room {
            refuses,
            is_mount_point: is_mount_point(dir).map_err(io)?,
            free_len: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
        })
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Error::io("sync the directory", dir, error))
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        let file = open_regular(path, OFlags::RDONLY)?;
        let locked = match lock {
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        locked_as(path, file, locked)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
        let io = |error| Error::io("lock", dir, error);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
        let opened = match rustix::fs::open(dir, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            // Another user's, who lets nobody look.
            Err(Errno::ACCESS) => return Ok(None),
            Err(error) => return Err(io(error.into())),
        };
        let owner = opened.metadata().map_err(io)?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        let locked = opened.try_lock();
        locked_as(dir, opened, locked)
    }
}

/// Whether a directory is the root of what is mounted there. An old system that
/// does not say knows at least where another device begins.
fn is_mount_point(dir: &Path) -> rustix::io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    if let Ok(found) = rustix::fs::statx(CWD, dir, flags, StatxFlags::empty())
        && found
            .stx_attributes_mask
            .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let own = rustix::fs::lstat(dir)?;
    let above = rustix::fs::stat(dir.join(".."))?;
    Ok(own.st_dev != above.st_dev)
}

/// Puts a copy of a file in its place.
fn own_copy(path: &Path, file: &mut File) -> Result<()> {
    let io = |error| Error::io("copy", path, error);
    let mut name = path.as_os_str().to_owned();
    name.push(".copy");
    let copy_path = PathBuf::from(name);
    let copied = (|| -> io::Result<()> {
        match std::fs::remove_file(&copy_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut copy = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&copy_path)?;
        io::copy(file, &mut copy)?;
        copy.sync_all()?;
        std::fs::rename(&copy_path, path)
    })();
    copied.map_err(io)?;
    match path.parent() {
        Some(dir) => LocalDisk.sync_dir(dir),
        None => Ok(()),
    }
}

fn locked_as(
    path: &Path,
    file: File,
    locked: std::result::Result<(), TryLockError>,
) -> Result<Option<Arc<dyn DiskFile>>> {
    match locked {
        Ok(()) => Ok(Some(Arc::new(LockedFile(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
    }
}

/// A file that is locked until it is dropped.
#[derive(Debug)]
struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // A program that another thread starts holds the descriptor too until
        // it runs: closing it alone would leave the lock there.
        let _ = self.0.unlock();
    }
}

impl DiskFile for LockedFile {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.0)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        DiskFile::write_at(&self.0, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        DiskFile::set_len(&self.0, len)
    }

    fn sync(&self) -> io::Result<()> {
        DiskFile::sync(&self.0)
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|meta| meta.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        let len = self.metadata()?.len();
        match rustix::fs::seek(self, SeekFrom::Data(offset)) {
            Ok(from) => {
                let end = rustix::fs::seek(self, SeekFrom::Hole(from)).unwrap_or(len);
                Ok(from..end.max(from.saturating_add(1)))
            }
            // Nothing but a hole follows.
            Err(Errno::NXIO) => Ok(len..len),
            Err(_) => Ok(offset.min(len)..len),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
