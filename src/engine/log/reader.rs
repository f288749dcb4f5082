//! Reads our log from a position to its end.

use std::path::Path;
use std::sync::Arc;

use super::record::{Entry, LOG_RECORD_HEAD_LEN, RecordHead};
use super::segment::{SEGMENT_HEAD_LEN, SegmentFile};
use crate::codec::Cursor;
use crate::engine::pages::address::{LSN_LIMIT, LogPosition, Lsn};
use crate::engine::pages::frame::Piece;
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, SourceFile, Window};
use crate::finding::{Code, Finding};

/// What a directory says of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct LogFacts {
    /// Of the directory.
    pub cluster_id: u128,
    /// The log was on disk up to here: no crash tears what is before.
    pub synced: Lsn,
    /// Segments without a whole head are read by their whole records, for salvage.
    pub any_head: bool,
}

/// What stands behind the last whole record: a crash leaves this, and nothing
/// that was synced is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Tail {
    /// The segment.
    pub segment: SegmentFile,
    /// Offset in it where whole records end; 0 when its head is not whole.
    pub offset: u64,
    /// Bytes from there on.
    pub len: u64,
    /// Whole records among them. A crash leaves such only of bytes that were
    /// not synced; so may damage of any bytes.
    pub whole: u64,
}

impl Tail {
    /// What it means for who does not know whether there was a crash.
    pub(in crate::engine) fn finding(&self) -> Finding {
        let finding = match self.whole {
            0 => Finding::new(Code::TornTail)
                .detail(format!("{} bytes behind the last whole record", self.len)),
            whole => Finding::new(Code::WalDamaged).detail(format!(
                "{} bytes behind the last record that can be reached; {whole} whole records stand beyond the damage",
                self.len
            )),
        };
        finding.file(&self.segment.path).offset(self.offset)
    }
}

/// Where whole records end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::engine) struct LogEnd {
    /// Behind the last one.
    pub position: LogPosition,
    /// The segment that goes on there; `None` when a new one must start.
    pub segment: Option<SegmentFile>,
    /// What a crash left behind them.
    pub tail: Option<Tail>,
}

/// A walk over whole records, in order.
#[derive(Debug)]
pub(in crate::engine) struct LogReader {
    disk: Arc<dyn Disk>,
    facts: LogFacts,
    /// Segments that were not opened yet, the next one last.
    rest: Vec<SegmentFile>,
    open: Option<(SegmentFile, Window)>,
    /// Before the next record.
    position: LogPosition,
    end: Option<LogEnd>,
    head: Option<RecordHead>,
}

impl LogReader {
    /// The records of a directory from a position on, which is one of a record
    /// or the end of the log.
    ///
    /// # Errors
    /// `MissingFile` when the segment that holds the position is not there.
    pub(in crate::engine) fn open(
        disk: &Arc<dyn Disk>,
        root: &Path,
        facts: LogFacts,
        from: LogPosition,
    ) -> Result<Self> {
        let mut segments = SegmentFile::list(&**disk, root)?;
        let first = segments
            .iter()
            .rposition(|segment| segment.start <= from.at);
        match first {
            Some(first) => {
                segments.drain(..first);
            }
            // A directory that was never written to has no log.
            None if segments.is_empty() && from.at.max(facts.synced) == Lsn::default() => {}
            // Before the first checkpoint it begins wherever its first segment does.
            None if !segments.is_empty() && from.at == Lsn::default() => {}
            None => {
                let needed = match from.at {
                    Lsn(0) => facts.synced,
                    at => at,
                };
                let missing = SegmentFile::new(root, needed).path;
                let found = "no segment of the log that reaches back to the last checkpoint";
                let expected = format!("one that starts at or before position {}", needed.0);
                return Err(Error::damage(
                    &missing,
                    0,
                    Code::MissingFile,
                    found,
                    expected,
                ));
            }
        }
        segments.reverse();
        let mut reader = LogReader {
            disk: disk.clone(),
            facts,
            rest: segments,
            open: None,
            position: from,
            end: None,
            head: None,
        };
        reader.next_segment()?;
        Ok(reader)
    }

    /// Goes to the next record; its head, or `None` at the end of the log.
    ///
    /// # Errors
    /// Damage of what was synced; I/O errors.
    pub(in crate::engine) fn advance(&mut self) -> Result<Option<RecordHead>> {
        if let Some(head) = self.head.take() {
            self.position = LogPosition {
                at: head.end(),
                last: head.lsn,
            };
        }
        loop {
            let Some((segment, window)) = &mut self.open else {
                return Ok(None);
            };
            let offset = self.position.at.0.saturating_sub(segment.start.0);
            window.seek(offset);
            match whole_record(window, self.facts.cluster_id, self.position, true)? {
                Ok(head) if head.end().0 >= LSN_LIMIT => {
                    let found = format!("a record that ends at position {}", head.end().0);
                    return Err(beyond(&segment.path, offset, found));
                }
                Ok(head) => {
                    self.head = Some(head);
                    return Ok(Some(head));
                }
                Err(damage) => {
                    let ends = window.remaining() == 0;
                    match self.rest.last() {
                        Some(next) if ends && next.start == self.position.at => {
                            self.next_segment()?
                        }
                        Some(_) => return Err(damage.into()),
                        None => {
                            self.finish(ends, damage)?;
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// After damage: goes to the next whole record, wherever it stands, or to
    /// the next segment. False when there is none.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn pass_damage(&mut self) -> Result<bool> {
        self.end = None;
        if let Some((segment, window)) = &mut self.open {
            let offset = self.position.at.0.saturating_sub(segment.start.0);
            let after = offset.saturating_add(1);
            if let Some(head) = next_whole(window, self.facts.cluster_id, segment.start, after)? {
                self.position = LogPosition {
                    at: head.lsn,
                    last: head.previous,
                };
                return Ok(true);
            }
        }
        while let Some(next) = self.rest.last() {
            let start = next.start;
            match self.next_segment() {
                Ok(()) if self.open.is_some() => {
                    let head = self.open.as_ref().map(|(segment, _)| segment.start);
                    debug_assert_eq!(head, Some(start));
                    return Ok(true);
                }
                Ok(()) | Err(Error::Damage(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(false)
    }

    /// What the record says that was read last.
    ///
    /// # Errors
    /// Damage when it says nothing that is known: its checksum is right, so it
    /// was written so.
    pub(in crate::engine) fn entry(&self) -> Result<Option<Entry>> {
        let (Some((segment, window)), Some(head)) = (&self.open, &self.head) else {
            return Ok(None);
        };
        let bytes = window.buffered();
        let payload = bytes.get(LOG_RECORD_HEAD_LEN..usize_of(head.len()));
        let payload = Piece {
            path: &segment.path,
            offset: window.offset() + LOG_RECORD_HEAD_LEN as u64,
            bytes: payload.unwrap_or_default(),
        };
        let entry = head.entry(payload.bytes);
        Ok(Some(entry.map_err(|flaw| payload.flaw(flaw))?))
    }

    /// The segment at hand, and where in it the record stands.
    pub(in crate::engine) fn place(&self) -> Option<(&Path, u64)> {
        let (segment, window) = self.open.as_ref()?;
        Some((&segment.path, window.offset()))
    }

    /// What stands behind the last whole record, once
    /// [`advance`](Self::advance) came to it.
    pub(in crate::engine) fn tail(&self) -> Option<&Tail> {
        self.end.as_ref()?.tail.as_ref()
    }

    /// Where the log ends, once [`advance`](Self::advance) came to it.
    pub(in crate::engine) fn end(self) -> LogEnd {
        self.end.unwrap_or(LogEnd {
            position: self.position,
            ..LogEnd::default()
        })
    }

    /// Opens the next segment. The last one may have been cut in its head by a
    /// crash: nothing was written behind it then.
    fn next_segment(&mut self) -> Result<()> {
        self.open = None;
        let Some(segment) = self.rest.pop() else {
            return Ok(());
        };
        if segment.start.0 >= LSN_LIMIT {
            let found = format!("a segment that starts at position {}", segment.start.0);
            return Err(beyond(&segment.path, 0, found));
        }
        let file = SourceFile::open_on(&*self.disk, &segment.path)?;
        match segment.head(&file, self.facts.cluster_id)? {
            Ok(head) => {
                if self.position == LogPosition::default() && head.previous != Lsn::default() {
                    let found = format!("the record before at {}", head.previous.0);
                    let (path, code) = (&segment.path, Code::WrongPlace);
                    let expected = "none, since no segment is before this one";
                    return Err(Error::damage(path, 0, code, found, expected));
                }
                let behind_head = segment.start.0.saturating_add(SEGMENT_HEAD_LEN as u64);
                if self.position.at.0 < behind_head {
                    self.position = LogPosition {
                        at: Lsn(behind_head),
                        last: head.previous,
                    };
                }
                let len = file.len();
                self.open = Some((segment, Window::new(file, 0..len)));
                Ok(())
            }
            // A head is on disk before the first record is written.
            Err(_)
                if self.rest.is_empty()
                    && file.len() <= SEGMENT_HEAD_LEN as u64
                    && self.facts.synced <= segment.start
                    && [segment.start, Lsn::default()].contains(&self.position.at) =>
            {
                self.position.at = segment.start;
                self.end = Some(LogEnd {
                    position: self.position,
                    segment: None,
                    tail: Some(Tail {
                        offset: 0,
                        len: file.len(),
                        whole: 0,
                        segment,
                    }),
                });
                Ok(())
            }
            Err(damage) if self.facts.any_head => {
                let len = file.len();
                let from = self.position.at.0.saturating_sub(segment.start.0);
                let from = from.max(SEGMENT_HEAD_LEN as u64);
                let mut window = Window::new(file, 0..len);
                let next = next_whole(&mut window, self.facts.cluster_id, segment.start, from)?;
                let head = next.ok_or(damage)?;
                self.position = head.before();
                self.open = Some((segment, window));
                Ok(())
            }
            Err(damage) => Err(damage.into()),
        }
    }

    /// Decides what the bytes behind the last whole record are.
    fn finish(&mut self, ends: bool, damage: Damage) -> Result<()> {
        let Some((segment, window)) = &mut self.open else {
            return Ok(());
        };
        let offset = self.position.at.0.saturating_sub(segment.start.0);
        if offset > window.file().len() {
            // The control file says that more was there.
            return Err(damage.into());
        }
        let len = window.remaining();
        let (mut whole, mut synced) = (0, Lsn::default());
        if !ends {
            (whole, synced) = whole_beyond(window, self.facts.cluster_id, segment.start)?;
        }
        if synced.max(self.facts.synced) > self.position.at {
            let found = match synced > self.position.at {
                true => format!(
                    "{}; {whole} whole records beyond it say that it was on disk",
                    damage.found
                ),
                false => format!(
                    "{}; the control file says that the log was on disk up to position {}",
                    damage.found, self.facts.synced.0
                ),
            };
            return Err(Damage { found, ..damage }.into());
        }
        let tail = Tail {
            segment: segment.clone(),
            offset,
            len,
            whole,
        };
        self.end = Some(LogEnd {
            position: self.position,
            segment: Some(segment.clone()),
            tail: (!ends).then_some(tail),
        });
        Ok(())
    }
}

/// Where no writer ever came to, with checksums that are right.
fn beyond(path: &Path, offset: u64, found: String) -> Error {
    let expected = format!("positions before {LSN_LIMIT}");
    Error::damage(path, offset, Code::OutOfRange, found, expected)
}

/// The record at the window's place, if it is whole and the one that comes
/// next.
fn whole_record(
    window: &mut Window,
    cluster_id: u128,
    LogPosition { at, last }: LogPosition,
    chained: bool,
) -> Result<Result<RecordHead, Damage>> {
    let damage = |window: &Window, code, found: String, expected: String| Damage {
        file: window.file().path().to_owned(),
        offset: window.offset(),
        code,
        found,
        expected,
    };
    let remaining = window.remaining();
    if remaining < LOG_RECORD_HEAD_LEN as u64 {
        let found = format!("{remaining} bytes");
        let expected = format!("a record of at least {LOG_RECORD_HEAD_LEN} bytes");
        return Ok(Err(damage(window, Code::Truncated, found, expected)));
    }
    window.fill(LOG_RECORD_HEAD_LEN)?;
    let head = match RecordHead::decode(window.buffered()) {
        Ok(head) => head,
        Err(flaw) => return Ok(Err(window.damage(flaw))),
    };
    if head.lsn != at {
        let (found, expected) = (format!("position {}", head.lsn.0), at.0.to_string());
        return Ok(Err(damage(window, Code::WrongPlace, found, expected)));
    }
    if head.len() > remaining {
        let found = format!("a record of {} bytes", head.len());
        let expected = format!("at most the {remaining} bytes that are left");
        return Ok(Err(damage(window, Code::BadLength, found, expected)));
    }
    window.fill(usize_of(head.len()))?;
    let record = window.buffered().get(..usize_of(head.len()));
    if !head.is_whole(record.unwrap_or_default(), cluster_id) {
        let (found, expected) = ("a record", "one whose checksum is right");
        return Ok(Err(damage(
            window,
            Code::ChecksumMismatch,
            found.into(),
            expected.into(),
        )));
    }
    if head.durable > head.lsn {
        let found = format!("a log that was on disk up to {}", head.durable.0);
        let expected = format!("at most up to the record at {}", head.lsn.0);
        return Ok(Err(damage(window, Code::OutOfRange, found, expected)));
    }
    if chained && last != head.previous {
        let found = format!("the record before at {}", head.previous.0);
        let expected = last.0.to_string();
        return Ok(Err(damage(window, Code::WrongPlace, found, expected)));
    }
    Ok(Ok(head))
}

/// How many whole records stand behind the window's place, and up to where
/// everything was on disk by what they say: bytes before them were written, so
/// what stands there is no torn tail.
fn whole_beyond(window: &mut Window, cluster_id: u128, start: Lsn) -> Result<(u64, Lsn)> {
    let (mut count, mut synced) = (0, Lsn::default());
    let mut offset = window.offset().saturating_add(1);
    while let Some(head) = next_whole(window, cluster_id, start, offset)? {
        count += 1;
        synced = synced.max(head.durable);
        offset = head.end().0.saturating_sub(start.0);
    }
    Ok((count, synced))
}

/// The next whole record of a segment from `offset` on, wherever it stands.
fn next_whole(
    window: &mut Window,
    cluster_id: u128,
    start: Lsn,
    mut offset: u64,
) -> Result<Option<RecordHead>> {
    loop {
        // A record states its position, which is no zero, in its first bytes: none
        // begins so far before the end of a hole.
        let held = window.held_from(offset)?;
        offset = offset.max(held.saturating_sub(LOG_RECORD_HEAD_LEN as u64));
        window.seek(offset);
        if window.remaining() < LOG_RECORD_HEAD_LEN as u64 {
            return Ok(None);
        }
        let position = LogPosition {
            at: Lsn(start.0.saturating_add(offset)),
            last: Lsn::default(),
        };
        // Few positions state their own: looking at one is cheap.
        let states = window.peek(LOG_RECORD_HEAD_LEN, |c: &mut Cursor<'_>| {
            c.take(4 + 4)?;
            c.u64()
        })?;
        if states.is_ok_and(|lsn| lsn == position.at.0)
            && let Ok(head) = whole_record(window, cluster_id, position, false)?
        {
            return Ok(Some(head));
        }
        offset = offset.saturating_add(1);
    }
}

/// A length that fits memory, or one that no buffer has.
fn usize_of(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
