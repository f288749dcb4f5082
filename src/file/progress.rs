//! How far reading has come, for whoever shows it, and the wish that it ends.
//! Nothing is printed here.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::{Disk, DiskFile, EntryKind, Lock, Room, SourceEntry};
use crate::error::{Error, Result};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The source is read for the first time.
    Reading,
    /// The source is read again, and written elsewhere.
    Writing,
    /// Checksums and content are checked.
    Checking,
}

impl Phase {
    const ALL: [Phase; 3] = [Phase::Reading, Phase::Writing, Phase::Checking];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Reading => "reading",
            Phase::Writing => "writing",
            Phase::Checking => "checking",
        }
    }
}

/// Bytes read of those that are to be read, and whether to stop. Clones count
/// together.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: AtomicUsize,
    done: AtomicU64,
    total: AtomicU64,
    stop: Arc<AtomicBool>,
}

/// What a [`Progress`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressNow {
    /// What is being done.
    pub phase: Phase,
    /// Bytes read in this phase, at most `total`.
    pub done: u64,
    /// Bytes that this phase reads; 0 before the first one.
    pub total: u64,
}

impl Progress {
    /// A phase begins that reads `total` bytes.
    pub fn begin(&self, phase: Phase, total: u64) {
        let position = Phase::ALL.iter().position(|one| *one == phase);
        self.0
            .phase
            .store(position.unwrap_or_default(), Ordering::Relaxed);
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// Whoever sets it lets the work end soon, with an error.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        self.0.stop.clone()
    }

    /// How far things are now.
    pub fn now(&self) -> ProgressNow {
        let total = self.0.total.load(Ordering::Relaxed);
        let phase = Phase::ALL.get(self.0.phase.load(Ordering::Relaxed));
        ProgressNow {
            phase: phase.copied().unwrap_or(Phase::Reading),
            // Windows overlap by a few bytes.
            done: self.0.done.load(Ordering::Relaxed).min(total),
            total,
        }
    }
}

/// Is told which bytes of files are read and written, and may end the work.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Whether the work may go on.
    ///
    /// # Errors
    /// When it was asked to stop.
    fn go_on(&self) -> io::Result<()>;

    /// So many bytes were read.
    fn read(&self, len: usize);

    /// So many bytes were written to a file.
    fn wrote(&self, path: &Path, len: usize);

    /// Whether what is written must outlive a crash.
    fn is_durable(&self) -> bool {
        true
    }
}

impl Watch for Progress {
    fn go_on(&self) -> io::Result<()> {
        match self.0.stop.load(Ordering::Relaxed) {
            // Not `Interrupted`: that is tried again.
            true => Err(io::Error::other("stopped by a signal")),
            false => Ok(()),
        }
    }

    fn read(&self, len: usize) {
        self.0.done.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// Where bytes are read and written, reading alone tells how far it is.
    fn wrote(&self, _: &Path, _: usize) {}
}

/// A disk, with every byte that is read or written told. Once the work is to
/// stop, nothing is opened, read or written; what removes files goes on.
#[derive(Debug, Clone)]
pub struct WatchedDisk {
    disk: Arc<dyn Disk>,
    watch: Arc<dyn Watch>,
}

impl WatchedDisk {
    /// Tells `watch` what is done on `disk`.
    pub fn shared(disk: &Arc<dyn Disk>, watch: &(impl Watch + Clone + 'static)) -> Arc<dyn Disk> {
        Arc::new(WatchedDisk {
            disk: disk.clone(),
            watch: Arc::new(watch.clone()),
        })
    }

    fn go_on(&self, path: &Path) -> Result<()> {
        let go_on = self.watch.go_on();
        go_on.map_err(|error| Error::io("open", path, error))
    }

    fn watch(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile {
            file,
            path: path.to_owned(),
            watch: self.watch.clone(),
        })
    }
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.go_on(path)?;
        self.disk.open(path).map(|file| self.watch(path, file))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.go_on(path)?;
        self.disk
            .open_write(path)
            .map(|file| self.watch(path, file))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        self.go_on(path)?;
        self.disk.create(path).map(|file| self.watch(path, file))
    }

    // What is read of such a file was read before.
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
        self.disk.entries(dir)
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        self.disk.kind(path)
    }

    fn len_of(&self, path: &Path) -> Result<u64> {
        self.disk.len_of(path)
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        self.disk.real_path(dir)
    }

    fn room(&self, dir: &Path) -> Result<Room> {
        self.disk.room(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        match self.watch.is_durable() {
            true => self.disk.sync_dir(dir),
            false => Ok(()),
        }
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        self.disk.lock(path, lock)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Option<Arc<dyn DiskFile>>> {
        self.disk.lock_dir(dir)
    }
}

#[derive(Debug)]
struct WatchedFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    watch: Arc<dyn Watch>,
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn go_on(&self) -> io::Result<()> {
        self.watch.go_on()?;
        self.file.go_on()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.watch.go_on()?;
        let len = self.file.read_at(buffer, offset)?;
        self.watch.read(len);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.watch.go_on()?;
        let len = self.file.write_at(bytes, offset)?;
        self.watch.wrote(&self.path, len);
        Ok(len)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        self.file.data_from(offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        match self.watch.is_durable() {
            true => self.file.sync(),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{LocalDisk, SourceFile};

    #[test]
    fn what_is_read_is_counted_up_to_the_total() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 100]).unwrap();
        let progress = Progress::default();
        let disk = WatchedDisk::shared(&LocalDisk::shared(), &progress);
        let source = SourceFile::open_on(&*disk, file.path()).unwrap();
        progress.begin(Phase::Checking, 150);
        let mut buffer = [0; 60];
        source.read_exact_at(&mut buffer, 0).unwrap();
        let moment = ProgressNow {
            phase: Phase::Checking,
            done: 60,
            total: 150,
        };
        assert_eq!(progress.now(), moment);
        source.read_exact_at(&mut buffer, 40).unwrap();
        source.read_exact_at(&mut buffer, 40).unwrap();
        assert_eq!(progress.now().done, 150);
        progress.begin(Phase::Writing, 9);
        assert_eq!((progress.now().done, progress.now().total), (0, 9));
    }

    #[test]
    fn once_it_is_to_stop_nothing_is_written_and_files_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let progress = Progress::default();
        let disk = WatchedDisk::shared(&LocalDisk::shared(), &progress);
        let path = dir.path().join("begun");
        let file = disk.create(&path).unwrap();
        file.write_all_at(b"half", 0).unwrap();
        progress.stop_flag().store(true, Ordering::Relaxed);
        assert!(file.write_all_at(b"more", 4).is_err());
        assert!(file.read_exact_at(&mut [0], 0).is_err());
        assert!(disk.open(&path).is_err() && disk.create(&dir.path().join("new")).is_err());
        disk.remove_file(&path).unwrap();
        assert_eq!(disk.entries(dir.path()).unwrap().len(), 0);
    }
}
