//! How far reading has come, for whoever shows it. Nothing is printed here.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Disk, DiskFile, EntryKind, LocalDisk, Lock, SourceEntry};
use crate::error::Result;

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

/// Bytes read of those that are to be read. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: AtomicUsize,
    done: AtomicU64,
    total: AtomicU64,
}

/// What a [`Progress`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
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

    fn add(&self, bytes: usize) {
        self.0.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How far things are now.
    pub fn now(&self) -> Moment {
        let total = self.0.total.load(Ordering::Relaxed);
        let phase = Phase::ALL.get(self.0.phase.load(Ordering::Relaxed));
        Moment {
            phase: phase.copied().unwrap_or(Phase::Reading),
            // Windows overlap by a few bytes.
            done: self.0.done.load(Ordering::Relaxed).min(total),
            total,
        }
    }
}

/// The files of this machine, with every byte that is read counted.
#[derive(Debug, Clone, Default)]
pub struct WatchedDisk {
    progress: Progress,
}

impl WatchedDisk {
    /// Counts into `progress`.
    pub fn shared(progress: &Progress) -> Arc<dyn Disk> {
        let progress = progress.clone();
        Arc::new(WatchedDisk { progress })
    }

    fn watch(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let progress = self.progress.clone();
        Arc::new(WatchedFile { file, progress })
    }
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        LocalDisk.open(path).map(|file| self.watch(file))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        LocalDisk.open_write(path).map(|file| self.watch(file))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        LocalDisk.create(path).map(|file| self.watch(file))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        LocalDisk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        LocalDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        LocalDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        LocalDisk.remove_dir(path)
    }

    fn entries(&self, dir: &Path) -> Result<Vec<SourceEntry>> {
        LocalDisk.entries(dir)
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        LocalDisk.kind(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        LocalDisk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, lock: Lock) -> Result<Option<Arc<dyn DiskFile>>> {
        LocalDisk.lock(path, lock)
    }
}

#[derive(Debug)]
struct WatchedFile {
    file: Arc<dyn DiskFile>,
    progress: Progress,
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.progress.add(buffer.len());
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::SourceFile;

    #[test]
    fn what_is_read_is_counted_up_to_the_total() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 100]).unwrap();
        let progress = Progress::default();
        let disk = WatchedDisk::shared(&progress);
        let source = SourceFile::open_on(&*disk, file.path()).unwrap();
        progress.begin(Phase::Checking, 150);
        let mut buffer = [0; 60];
        source.read_exact_at(&mut buffer, 0).unwrap();
        let moment = Moment {
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
}
