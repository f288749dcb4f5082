//! Files that are only read, few of them open at a time: a directory has as many
//! tables and segments as it likes, a process a bounded number of open files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustix::fs::OFlags;
use rustix::process::{Resource, getrlimit};

use super::DiskFile;
use super::regular::open_regular;
use crate::error::{Error, Result};

/// Open files where the system sets no limit, or one that is far away: half of
/// the 1,024 that systems give a process by themselves.
const MOST_OPEN: u64 = 512;
/// What the limit is divided by: the other half is for what is written, locked
/// and sorted.
const LIMIT_DIVISOR: u64 = 2;

/// Opens a regular file for reading; it is closed while it is not needed and too
/// many are open, and opened again when it is.
///
/// # Errors
/// When it is missing, or a link, a directory or a device.
pub(super) fn open_to_read(path: &Path) -> Result<Arc<dyn DiskFile>> {
    /// One for the process, as the system's limit is.
    static OPEN: LazyLock<Arc<OpenFiles>> = LazyLock::new(|| {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(MOST_OPEN);
        let most = (limit / LIMIT_DIVISOR).clamp(1, MOST_OPEN);
        Arc::new(OpenFiles::of(usize::try_from(most).unwrap_or(1)))
    });
    Ok(ReadFile::new(path, &OPEN)?)
}

/// Those that are open now.
#[derive(Debug)]
struct OpenFiles {
    most: usize,
    /// In the order in which they were opened, those used since further back.
    files: Mutex<VecDeque<Weak<ReadFile>>>,
}

impl OpenFiles {
    fn of(most: usize) -> Self {
        OpenFiles {
            most,
            files: Mutex::default(),
        }
    }

    /// Closes what was not used lately until another file has room, and takes
    /// that one in. Files at work stay open.
    fn take_in(&self, file: Weak<ReadFile>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked_at = files.len().saturating_mul(2);
        while files.len() >= self.most && looked_at > 0 {
            looked_at -= 1;
            let Some(oldest) = files.pop_front() else {
                break;
            };
            if oldest.upgrade().is_some_and(|file| !file.close()) {
                files.push_back(oldest);
            }
        }
        files.push_back(file);
    }
}

/// A file that may be closed between two reads.
#[derive(Debug)]
struct ReadFile {
    path: PathBuf,
    /// Device and inode: under its name another file may stand later.
    identity: (u64, u64),
    file: Mutex<Option<Arc<File>>>,
    /// Whether it was read since somebody looked.
    used: AtomicBool,
    open: Arc<OpenFiles>,
    own: Weak<ReadFile>,
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

impl ReadFile {
    fn new(path: &Path, open: &Arc<OpenFiles>) -> Result<Arc<Self>> {
        let file = open_regular(path, OFlags::RDONLY)?;
        let identity = identity(&file).map_err(|error| Error::io("open", path, error))?;
        let file = Arc::new_cyclic(|own| ReadFile {
            path: path.to_owned(),
            identity,
            file: Mutex::new(Some(Arc::new(file))),
            used: AtomicBool::new(false),
            open: open.clone(),
            own: own.clone(),
        });
        open.take_in(file.own.clone());
        Ok(file)
    }

    /// Closes it unless it was used lately or is at work; whether it did.
    fn close(&self) -> bool {
        if self.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        // Whoever opens it again may be the one who waits for room.
        let Ok(mut file) = self.file.try_lock() else {
            return false;
        };
        if file
            .as_ref()
            .is_some_and(|file| Arc::strong_count(file) > 1)
        {
            return false;
        }
        *file = None;
        true
    }

    fn file(&self) -> io::Result<Arc<File>> {
        self.used.store(true, Ordering::Relaxed);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        let opened = open_regular(&self.path, OFlags::RDONLY).map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        if identity(&opened)? != self.identity {
            return Err(io::Error::other("another file has its name meanwhile"));
        }
        let opened = Arc::new(opened);
        *file = Some(opened.clone());
        self.open.take_in(self.own.clone());
        Ok(opened)
    }
}

impl DiskFile for ReadFile {
    fn len(&self) -> io::Result<u64> {
        self.file()?.metadata().map(|meta| meta.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&*self.file()?, buffer, offset)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        self.file()?.data_from(offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(ErrorKind::PermissionDenied.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    fn sync(&self) -> io::Result<()> {
        self.file()?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(file: &dyn DiskFile) -> io::Result<u8> {
        let mut byte = [0];
        file.read_exact_at(&mut byte, 0).map(|()| byte[0])
    }

    #[test]
    fn many_files_are_read_in_turn_and_few_are_open() {
        let dir = tempfile::tempdir().unwrap();
        let few = Arc::new(OpenFiles::of(3));
        let files: Vec<_> = (0..20)
            .map(|at| {
                let path = dir.path().join(at.to_string());
                fs::write(&path, [at]).unwrap();
                ReadFile::new(&path, &few).unwrap()
            })
            .collect();
        for turn in 0..3 {
            for (file, at) in files.iter().zip(0..) {
                assert_eq!(read(&**file).unwrap(), at, "{turn}");
                assert_eq!(file.len().unwrap(), 1);
            }
        }
        let open = few.files.lock().unwrap();
        assert!(open.len() <= 4, "{}", open.len());
    }

    #[test]
    fn a_file_that_was_closed_is_never_taken_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let few = Arc::new(OpenFiles::of(1));
        let path = dir.path().join("a");
        fs::write(&path, "a").unwrap();
        fs::write(dir.path().join("b"), "b").unwrap();
        let file = ReadFile::new(&path, &few).unwrap();
        let other = ReadFile::new(&dir.path().join("b"), &few).unwrap();
        assert_eq!(read(&*other).unwrap(), b'b');
        fs::rename(dir.path().join("b"), &path).unwrap();
        assert!(read(&*file).is_err());
        fs::remove_file(&path).unwrap();
        assert!(read(&*file).is_err());
    }
}
