//! Checks our log to its last byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::log::{LOG_DIR, LogEnd, LogReader, SEGMENT_HEAD_LEN, SegmentFile};
use crate::engine::pages::address::{LogPosition, Lsn};
use crate::engine::table::{Coverage, absorb};
use crate::error::Result;
use crate::file::{Disk, SourceFile};
use crate::finding::{Code, Finding};
use crate::report::Report;

/// A check of the log of a directory.
pub(in crate::engine) struct LogCheck<'v> {
    pub disk: &'v Arc<dyn Disk>,
    pub dir: &'v Path,
    pub report: &'v mut Report,
    pub coverage: &'v mut Coverage,
    /// Files and directories that have a place in the directory.
    pub known: &'v mut BTreeSet<PathBuf>,
}

impl LogCheck<'_> {
    /// Checks every record, and counts what agrees with a checksum; whether no
    /// damage was found.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn run(&mut self, cluster_id: u128) -> Result<bool> {
        let listed = SegmentFile::list(&**self.disk, self.dir);
        let path = self.dir.join(LOG_DIR);
        let Some(segments) = absorb(listed, &path, self.report)? else {
            return Ok(false);
        };
        self.known.insert(path);
        let Some(first) = segments.first() else {
            return Ok(true);
        };
        // Whole records of a segment, to their end.
        let mut checked: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let walked = self.walk(cluster_id, first.start, &mut checked);
        let end = absorb(walked, &first.path, self.report)?;
        let is_whole = end.is_some();
        if let Some(tail) = end.and_then(|end| end.tail) {
            let detail = format!("{} bytes behind the last whole record", tail.len);
            let finding = Finding::new(Code::TornTail).file(&tail.segment.path);
            self.report.add(finding.offset(tail.offset).detail(detail));
        }
        for segment in segments {
            let opened = SourceFile::open_on(&**self.disk, &segment.path);
            if let Some(file) = absorb(opened, &segment.path, self.report)? {
                let checked = checked.get(&segment.path).copied().unwrap_or_default();
                self.coverage.add(&segment.path, file.len(), checked);
            }
            self.known.insert(segment.path);
        }
        Ok(is_whole)
    }

    fn walk(
        &self,
        cluster_id: u128,
        start: Lsn,
        checked: &mut BTreeMap<PathBuf, u64>,
    ) -> Result<LogEnd> {
        // The head of the first segment says which record is before it.
        let from = LogPosition {
            at: start,
            ..LogPosition::default()
        };
        let mut reader = LogReader::open(self.disk, self.dir, cluster_id, from)?;
        loop {
            let Some(record) = reader.advance()? else {
                // Of a segment without records, its head.
                if let Some((segment, _)) = reader.place() {
                    let head = checked.entry(segment.to_owned()).or_default();
                    *head = (*head).max(SEGMENT_HEAD_LEN as u64);
                }
                return Ok(reader.end());
            };
            if let Some((segment, offset)) = reader.place() {
                checked.insert(segment.to_owned(), offset + record.len());
            }
            reader.entry()?;
        }
    }
}
