//! Appends to our log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reader::LogEnd;
use super::record::{self, Entry, Owner, Place};
use super::segment::{LOG_DIR, SEGMENT_HEAD_LEN, SegmentFile, SegmentHead};
use crate::codec::ByteWriter;
use crate::engine::pages::address::{LSN_LIMIT, LogPosition, Lsn};
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, EntryKind};

/// Bytes gathered before they are written out, synced or not.
const BUFFER_LEN: usize = 256 * 1024;
/// A segment is ended when it is longer.
const SEGMENT_LEN: u64 = 4 * 1024 * 1024;
/// Room that the longest record takes, with the head of its segment.
const RECORD_ROOM: u64 = 1 << 33;

/// The end of a log.
#[derive(Debug)]
pub(in crate::engine) struct LogWriter {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    cluster_id: u128,
    segment: Option<(SegmentFile, Arc<dyn DiskFile>)>,
    /// Records that were not written out yet.
    buffer: ByteWriter,
    /// Behind the last record.
    end: LogPosition,
    /// Everything before this position is on disk.
    durable: Lsn,
}

impl LogWriter {
    /// Goes on at the end of a log, or begins one at `first`, and cuts off what a crash left there.
    /// Nothing is written when there is nothing to cut.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn open(
        disk: &Arc<dyn Disk>,
        root: &Path,
        (cluster_id, first): (u128, Lsn),
        mut end: LogEnd,
    ) -> Result<Self> {
        if end.segment.is_none() && end.tail.is_none() && end.position == LogPosition::default() {
            end.position.at = first;
        }
        let segment = match &end.segment {
            Some(segment) => Some((segment.clone(), disk.open_write(&segment.path)?)),
            None => None,
        };
        if let Some(tail) = &end.tail {
            let path = &tail.segment.path;
            // Where there is none, a new head takes its place below: a log that is
            // gone in between would be missed.
            if let Some((_, file)) = &segment {
                let cut = file.set_len(tail.offset).and_then(|()| file.sync());
                cut.map_err(|error| Error::io("cut", path, error))?;
            }
        }
        let writer = LogWriter {
            disk: disk.clone(),
            root: root.to_owned(),
            cluster_id,
            segment,
            buffer: ByteWriter::new(),
            end: end.position,
            durable: end.position.at,
        };
        let mut writer = writer;
        if let (Some(tail), None) = (&end.tail, &writer.segment) {
            writer.begin_anew(&tail.segment)?;
        }
        // What was read may be in the system's cache only.
        if let Some((segment, file)) = &writer.segment {
            let synced = file.sync();
            synced.map_err(|error| Error::io("sync", &segment.path, error))?;
            disk.sync_dir(&root.join(LOG_DIR))?;
        }
        Ok(writer)
    }

    /// Behind the last record.
    pub(in crate::engine) fn end(&self) -> LogPosition {
        self.end
    }

    /// Adds a record and gives its position. It is on disk after the next
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// `Internal` for a payload that is too long; `LimitReached` at the last
    /// position that there is; I/O errors.
    pub(in crate::engine) fn append(&mut self, owner: Owner, entry: &Entry) -> Result<Lsn> {
        if self.end.at.0 >= LSN_LIMIT - RECORD_ROOM {
            return Err(Error::LimitReached {
                what: "positions of the log".into(),
                most: LSN_LIMIT,
            });
        }
        if self.segment.is_none() || self.segment_len() >= SEGMENT_LEN {
            self.start_segment()?;
        }
        let place = Place {
            cluster_id: self.cluster_id,
            lsn: self.end.at,
            previous: self.end.last,
            durable: self.durable,
            owner,
        };
        let before = self.buffer.len();
        record::encode(&mut self.buffer, &place, entry)
            .map_err(|len| Error::Internal(format!("a record of {len} bytes for the log")))?;
        self.end.last = self.end.at;
        self.end.at.0 += (self.buffer.len() - before) as u64;
        if self.buffer.len() >= BUFFER_LEN {
            self.flush()?;
        }
        Ok(self.end.last)
    }

    /// Makes every record durable.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn sync(&mut self) -> Result<()> {
        if self.durable == self.end.at {
            return Ok(());
        }
        self.flush()?;
        if let Some((segment, file)) = &self.segment {
            let synced = file.sync();
            synced.map_err(|error| Error::io("sync", &segment.path, error))?;
        }
        self.durable = self.end.at;
        Ok(())
    }

    /// Ends the segment when it is long, and removes those whose every record
    /// is before `checkpoint`.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn prune(&mut self, checkpoint: Lsn, all: bool) -> Result<()> {
        if all && self.segment_len() > SEGMENT_HEAD_LEN as u64 || self.segment_len() >= SEGMENT_LEN
        {
            self.start_segment()?;
        }
        let segments = SegmentFile::list(&*self.disk, &self.root)?;
        let ends = segments.iter().skip(1).map(|next| next.start);
        let mut removed = false;
        for (segment, end) in segments.iter().zip(ends) {
            if end <= checkpoint {
                self.disk.remove_file(&segment.path)?;
                removed = true;
            }
        }
        if removed {
            self.disk.sync_dir(&self.root.join(LOG_DIR))?;
        }
        Ok(())
    }

    /// Whether [`prune`](Self::prune) would remove a segment.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn would_prune(&self, checkpoint: Lsn, all: bool) -> Result<bool> {
        let ends_here = all && self.segment_len() > SEGMENT_HEAD_LEN as u64;
        if (ends_here || self.segment_len() >= SEGMENT_LEN) && self.end.at <= checkpoint {
            return Ok(true);
        }
        let segments = SegmentFile::list(&*self.disk, &self.root)?;
        let mut ends = segments.iter().skip(1).map(|next| next.start);
        Ok(ends.any(|end| end <= checkpoint))
    }

    /// Everything before this position is on disk.
    pub(in crate::engine) fn durable(&self) -> Lsn {
        self.durable
    }

    /// Writes the head of a segment that a crash has torn.
    fn begin_anew(&mut self, segment: &SegmentFile) -> Result<()> {
        let file = self.disk.open_write(&segment.path)?;
        let head = self.head().encode();
        let written = file
            .write_all_at(&head, 0)
            .and_then(|()| file.set_len(head.len() as u64))
            .and_then(|()| file.sync());
        written.map_err(|error| Error::io("write", &segment.path, error))?;
        self.segment = Some((segment.clone(), file));
        self.end.at.0 += SEGMENT_HEAD_LEN as u64;
        self.durable = self.end.at;
        Ok(())
    }

    /// The head of a segment that starts at the end of the log.
    fn head(&self) -> SegmentHead {
        SegmentHead {
            cluster_id: self.cluster_id,
            start: self.end.at,
            previous: self.end.last,
        }
    }

    fn segment_len(&self) -> u64 {
        let start = self.segment.as_ref().map(|(segment, _)| segment.start.0);
        start.map_or(0, |start| self.end.at.0.saturating_sub(start))
    }

    /// Writes every record out, so that it can be read.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Some((segment, file)) = &self.segment else {
            return Ok(());
        };
        let start = self.end.at.0 - self.buffer.len() as u64;
        let written = file.write_all_at(self.buffer.as_slice(), start - segment.start.0);
        written.map_err(|error| Error::io("write", &segment.path, error))?;
        self.buffer.clear();
        Ok(())
    }

    /// Begins a segment. The one before is on disk by then, so that only the
    /// last segment of a log can have a torn tail.
    fn start_segment(&mut self) -> Result<()> {
        self.sync()?;
        let dir = self.root.join(LOG_DIR);
        if self.disk.kind(&dir)? != Some(EntryKind::Dir) {
            self.disk.create_dir(&dir)?;
            self.disk.sync_dir(&self.root)?;
        }
        let segment = SegmentFile::new(&self.root, self.end.at);
        let head = self.head();
        let file = self.disk.create(&segment.path)?;
        let written = file
            .write_all_at(&head.encode(), 0)
            .and_then(|()| file.sync());
        written.map_err(|error| Error::io("write", &segment.path, error))?;
        self.disk.sync_dir(&dir)?;
        self.segment = Some((segment, file));
        self.end.at.0 += SEGMENT_HEAD_LEN as u64;
        self.durable = self.end.at;
        Ok(())
    }
}
