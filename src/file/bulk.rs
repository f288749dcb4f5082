//! Files written from start to end, on their way to the disk while the rest is
//! still being made.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::{DiskFile, DiskWriter};

/// Bytes after which another write-back begins: what a crash would lose is of
/// no matter here, but one sync of everything at the end would be waited for.
const WRITE_BACK_LEN: u64 = 16 * 1024 * 1024;

/// Makes bytes durable in the background. Only
/// [`finish`](WriteBack::finish) says whether that went well.
#[derive(Debug, Default)]
pub struct WriteBack {
    /// Bytes written since the last write-back began.
    waiting: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBack {
    /// Counts bytes written to a file, and begins a write-back of it when there
    /// are many and no other is under way.
    ///
    /// # Errors
    /// Those of the write-back before.
    pub fn wrote(&mut self, file: &Arc<dyn DiskFile>, len: usize) -> io::Result<()> {
        self.waiting = self.waiting.saturating_add(len as u64);
        let busy = self.running.as_ref().is_some_and(|run| !run.is_finished());
        if self.waiting < WRITE_BACK_LEN || busy {
            return Ok(());
        }
        self.finish()?;
        self.waiting = 0;
        let file = file.clone();
        // Without another thread the sync at the end does all of it.
        self.running = Builder::new().spawn(move || file.sync()).ok();
        Ok(())
    }

    /// Waits for the write-back that is under way. The system tells of a failed
    /// one once: whoever drops this without asking would never know.
    ///
    /// # Errors
    /// Those of the write-back.
    pub fn finish(&mut self) -> io::Result<()> {
        let joined = self.running.take().map(JoinHandle::join);
        let panicked = || io::Error::other("a write-back ended early");
        joined.map_or(Ok(()), |result| result.unwrap_or_else(|_| Err(panicked())))
    }
}

/// A file written from start to end.
#[derive(Debug)]
pub struct BulkWriter {
    out: DiskWriter,
    write_back: WriteBack,
}

impl BulkWriter {
    /// At the start of a file.
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        BulkWriter {
            out: DiskWriter::new(file),
            write_back: WriteBack::default(),
        }
    }

    /// What it writes to.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        self.out.file()
    }

    /// Waits for what goes on in the background. The file is written then, and
    /// durable in part.
    ///
    /// # Errors
    /// Those of the write-back.
    pub fn finish(&mut self) -> io::Result<()> {
        self.write_back.finish()
    }
}

impl Write for BulkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.write_back.wrote(self.out.file(), len)?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
