//! How many bytes a store writes, those of its log apart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Watch;

/// Counts what is written. Clones count together.
#[derive(Debug, Clone)]
pub struct Written(Arc<WrittenCounters>);

#[derive(Debug)]
struct WrittenCounters {
    log_dir: PathBuf,
    log: AtomicU64,
    files: AtomicU64,
}

/// What a [`Written`] has counted up to one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WrittenBytes {
    /// Bytes of files in the directory of the log.
    pub log: u64,
    /// Bytes of all other files.
    pub files: u64,
}

impl Written {
    /// Counts from 0; the log's files are in `log_dir`.
    pub fn new(log_dir: PathBuf) -> Self {
        Written(Arc::new(WrittenCounters {
            log_dir,
            log: AtomicU64::new(0),
            files: AtomicU64::new(0),
        }))
    }

    /// What has been written so far.
    pub fn now(&self) -> WrittenBytes {
        WrittenBytes {
            log: self.0.log.load(Ordering::Relaxed),
            files: self.0.files.load(Ordering::Relaxed),
        }
    }
}

impl Watch for Written {
    fn go_on(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, _: usize) {}

    fn wrote(&self, path: &Path, len: usize) {
        let counter = match path.starts_with(&self.0.log_dir) {
            true => &self.0.log,
            false => &self.0.files,
        };
        counter.fetch_add(len as u64, Ordering::Relaxed);
    }

    // Files that are only counted are thrown away afterwards.
    fn is_durable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{LocalDisk, WatchedDisk};

    #[test]
    fn what_goes_to_the_log_is_counted_apart() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("wal");
        let written = Written::new(log.clone());
        let disk = WatchedDisk::shared(&LocalDisk::shared(), &written);
        disk.create_dir(&log).unwrap();
        let segment = disk.create(&log.join("1")).unwrap();
        segment.write_all_at(&[1; 100], 0).unwrap();
        segment.write_all_at(&[2; 10], 50).unwrap();
        let table = disk.create(&dir.path().join("wal.db")).unwrap();
        table.write_all_at(&[3; 7], 1000).unwrap();
        let mut buffer = [0; 7];
        table.read_exact_at(&mut buffer, 1000).unwrap();
        let expected = WrittenBytes { log: 110, files: 7 };
        assert_eq!(written.now(), expected);
    }
}
