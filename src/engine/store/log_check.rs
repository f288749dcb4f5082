//! Checks our log to its last byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::log::{LOG_DIR, LogEnd, LogFacts, LogReader, SEGMENT_HEAD_LEN, SegmentFile};
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
    /// damage was found, and the newest position that files may be of.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn run(
        &mut self,
        facts: LogFacts,
        checkpoint: Lsn,
    ) -> Result<(bool, Lsn)> {
        let listed = SegmentFile::list(&**self.disk, self.dir);
        let path = self.dir.join(LOG_DIR);
        let Some(segments) = absorb(listed, &path, self.report)? else {
            return Ok((false, Lsn(u64::MAX)));
        };
        self.known.insert(path);
        let Some(first) = segments.first() else {
            return Ok((true, checkpoint));
        };
        // Whole records of a segment, to their end.
        let mut checked: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let walked = self.walk(facts, first.start, &mut checked);
        let end = absorb(walked, &first.path, self.report)?;
        let mut is_whole = end.is_some();
        // What a damaged log once reached is not known.
        let newest = end.as_ref().map_or(Lsn(u64::MAX), |end| end.position.at);
        let newest = newest.max(checkpoint);
        if let Some(end) = &end
            && end.position.at < checkpoint
        {
            // What is before the checkpoint was on disk: no crash tears it.
            is_whole = false;
            let file = end
                .tail
                .as_ref()
                .map_or(&first.path, |tail| &tail.segment.path);
            let offset = end.tail.as_ref().map_or(0, |tail| tail.offset);
            let finding = Finding::new(Code::WalDamaged).file(file).offset(offset);
            self.report.add(finding.detail(format!(
                "whole records end at position {}, expected the checkpoint at {}; the files hold what was before it",
                end.position.at.0, checkpoint.0
            )));
        }
        if let Some(tail) = end.and_then(|end| end.tail).filter(|_| is_whole) {
            self.report.add(tail.finding());
        }
        for segment in segments {
            let opened = SourceFile::open_on(&**self.disk, &segment.path);
            let mut found = Report::new();
            let opened = absorb(opened, &segment.path, &mut found)?;
            // The walk may have said it.
            let said = |finding: &&Finding| {
                let mut before = self.report.findings().iter();
                !before.any(|one| one.code == finding.code && one.file == finding.file)
            };
            let new: Vec<_> = found.findings().iter().filter(said).cloned().collect();
            new.into_iter().for_each(|finding| self.report.add(finding));
            if let Some(file) = opened {
                let checked = checked.get(&segment.path).copied().unwrap_or_default();
                self.coverage.add(&segment.path, file.len(), checked);
            }
            self.known.insert(segment.path);
        }
        Ok((is_whole, newest))
    }

    fn walk(
        &mut self,
        facts: LogFacts,
        start: Lsn,
        checked: &mut BTreeMap<PathBuf, u64>,
    ) -> Result<LogEnd> {
        // The head of the first segment says which record is before it.
        let from = LogPosition {
            at: start,
            ..LogPosition::default()
        };
        let mut reader = LogReader::open(self.disk, self.dir, facts, from)?;
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
