//! A data directory that is only ever read.
//!
//! Files are opened read-only, without following a link in the last component,
//! and must be regular: a device could block or never end, a link could lead
//! out of the directory that the user named.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data_disk::BLOCK_LEN;
use super::disk::{Disk, DiskFile, EntryKind, SourceEntry, is_unreadable};
use crate::error::{Error, Result};
use crate::finding::{Code, counted};

/// Bytes that are taken into memory although most of them are a hole.
const MOST_IN_A_HOLE: u64 = 1024 * 1024;

/// A regular file, opened for reading, whose length is taken once.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    bytes: Bytes,
    len: u64,
}

/// Where the bytes are.
#[derive(Debug)]
enum Bytes {
    OnDisk(Arc<dyn DiskFile>),
    /// Worked out from what the disk holds.
    InMemory(Vec<u8>),
}

impl SourceFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened, or is a link, a directory or a device.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        Self::open_on(&super::LocalDisk, path)
    }

    /// Opens a file of a disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &dyn Disk, path: &Path) -> Result<Arc<Self>> {
        let file = disk.open(path)?;
        let len = file.len().map_err(|error| Error::io("open", path, error))?;
        Ok(Arc::new(SourceFile {
            path: path.to_owned(),
            bytes: Bytes::OnDisk(file),
            len,
        }))
    }

    /// Bytes that no file holds, worked out from the file at `path`.
    pub fn in_memory(path: &Path, bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(SourceFile {
            path: path.to_owned(),
            len: bytes.len() as u64,
            bytes: Bytes::InMemory(bytes),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it was empty when it was opened.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When the file cannot be read or became shorter.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let read = match &self.bytes {
            Bytes::OnDisk(file) => file.read_exact_at(buffer, offset),
            Bytes::InMemory(bytes) => {
                let from = usize::try_from(offset).ok();
                let range = from.and_then(|from| bytes.get(from..from.checked_add(buffer.len())?));
                range.map_or(Err(ErrorKind::UnexpectedEof.into()), |range| {
                    buffer.copy_from_slice(range);
                    Ok(())
                })
            }
        };
        read.map_err(|error| match &self.bytes {
            Bytes::OnDisk(file) => read_error(&**file, &self.path, (offset, buffer.len()), error),
            Bytes::InMemory(_) => Error::io("read", &self.path, error),
        })
    }

    /// Whether the work on the file may go on.
    ///
    /// # Errors
    /// When it was asked to stop.
    pub fn go_on(&self) -> Result<()> {
        match &self.bytes {
            Bytes::OnDisk(file) => file.go_on(),
            Bytes::InMemory(_) => Ok(()),
        }
        .map_err(|error| Error::io("read", &self.path, error))
    }

    /// The first bytes at or after an offset that the file holds; see
    /// [`DiskFile::data_from`].
    ///
    /// # Errors
    /// I/O errors.
    pub fn data_from(&self, offset: u64) -> Result<Range<u64>> {
        match &self.bytes {
            Bytes::OnDisk(file) => {
                let data = file.data_from(offset);
                data.map_err(|error| Error::io("look at", &self.path, error))
            }
            Bytes::InMemory(_) => Ok(offset.min(self.len)..self.len),
        }
    }

    /// How many bytes the file holds: its length without its holes.
    ///
    /// # Errors
    /// I/O errors.
    pub fn held_len(&self) -> Result<u64> {
        let (mut at, mut held) = (0, 0_u64);
        while at < self.len {
            let data = self.data_from(at)?;
            held = held.saturating_add(data.end.saturating_sub(data.start));
            at = data.end.max(at.saturating_add(1));
        }
        Ok(held)
    }

    /// The whole file; for small files only.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than `max_len` bytes.
    pub fn read_all(&self, max_len: u64) -> Result<Vec<u8>> {
        if self.len > max_len {
            return Err(Error::damage(
                &self.path,
                0,
                Code::BadLength,
                format!("a file of {}", counted(self.len, "byte")),
                format!("at most {max_len} bytes"),
            ));
        }
        if self.len > MOST_IN_A_HOLE {
            let held = self.held_len()?;
            if held < self.len / 16 {
                return Err(Error::damage(
                    &self.path,
                    0,
                    Code::BadLength,
                    format!("a file of {} bytes, of which {held} were written", self.len),
                    "bytes that were written",
                ));
            }
        }
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Why so many bytes of a file could not be read; where the disk does not give
/// them, the first block of them is looked for.
pub fn read_error(
    file: &dyn DiskFile,
    path: &Path,
    (offset, len): (u64, usize),
    source: io::Error,
) -> Error {
    if !is_unreadable(&source) {
        return Error::io("read", path, source);
    }
    let end = offset.saturating_add(len as u64);
    // What a disk does not give are whole blocks, wherever the read began.
    let mut at = offset - offset % BLOCK_LEN;
    while at < end {
        let next = (at / BLOCK_LEN + 1).saturating_mul(BLOCK_LEN).min(end);
        let len = usize::try_from(next.saturating_sub(at)).unwrap_or_default();
        if file.read_exact_at(&mut vec![0; len], at).is_err() {
            break;
        }
        at = next;
    }
    Error::Unreadable {
        path: path.to_owned(),
        // It may have come back.
        offset: if at < end { at } else { offset },
        source,
    }
}

/// Reads a file from its start on.
#[derive(Debug)]
pub struct SourceReader<'f> {
    file: &'f SourceFile,
    offset: u64,
}

impl<'f> SourceReader<'f> {
    /// At the start of a file.
    pub fn new(file: &'f SourceFile) -> Self {
        SourceReader { file, offset: 0 }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.len().saturating_sub(self.offset);
        let len = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let (filled, _) = buffer.split_at_mut(len);
        let read = self.file.read_exact_at(filled, self.offset);
        read.map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        self.offset = self.offset.saturating_add(len as u64);
        Ok(len)
    }
}

/// Reads a text that the user named, as a decision file; of a link, what it
/// leads to.
///
/// # Errors
/// When it is missing, no regular file, longer than `max_len` bytes, or not
/// UTF-8.
pub fn read_text(path: &Path, max_len: u64) -> Result<String> {
    let io = |error| Error::io("open", path, error);
    let file = SourceFile::open(&path.canonicalize().map_err(io)?)?;
    let refused = |found: String, expected: String| {
        let path = path.display();
        Error::Usage(format!("{path}: found {found}, expected {expected}"))
    };
    if file.len() > max_len {
        let found = format!("a file of {}", counted(file.len(), "byte"));
        return Err(refused(found, format!("at most {max_len}")));
    }
    let text = String::from_utf8(file.read_all(max_len)?);
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(format!("other bytes at offset {at}"), "UTF-8".to_owned())
    })
}

/// A directory that is only ever read.
#[derive(Debug, Clone)]
pub struct SourceDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl SourceDir {
    /// Opens a directory. The path itself may be a link: the user named it.
    ///
    /// # Errors
    /// When it is no directory or cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_on(&super::LocalDisk::shared(), path)
    }

    /// Opens a directory of a disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self> {
        if disk.kind(&disk.real_path(path)?)? != Some(EntryKind::Dir) {
            let (code, found) = (
                Code::NotADataDirectory,
                "found a file, expected a directory",
            );
            return Err(Error::not_a_data_directory(path, code, found));
        }
        Ok(SourceDir {
            disk: disk.clone(),
            path: path.to_owned(),
        })
    }

    /// Where its files are.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its entries, sorted by name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entries(&self) -> Result<Vec<SourceEntry>> {
        self.disk.entries(&self.path)
    }
}
