//! The log beyond damage: where its records go on.

use super::Family;
use super::wal::{FRAME_LEN, MIN_RECORD_LEN, read_record};
use crate::error::Result;
use crate::file::Window;

/// Widest record that the search beyond damage considers, in bytes. A segment
/// is opened anew at 1 MiB.
pub(super) const MAX_RESUME_LEN: u64 = 8 * 1024 * 1024;
/// Bytes that the searches of a segment may decode in all, for each of its
/// bytes: a forged segment may look like a wide record at every offset.
const SEARCH_FACTOR: u64 = 64;
/// Largest step of sequences that still counts as the same log.
const MAX_SEQUENCE_STEP: u64 = 1 << 32;

/// The search for the next readable record beyond damage.
pub(super) struct RecordSearch<'s> {
    window: &'s mut Window,
    family: Family,
    /// The last sequence read before the damage.
    last: Option<u64>,
    /// Bytes of records that may still be tried.
    budget: &'s mut u64,
}

impl<'s> RecordSearch<'s> {
    /// Bytes of records that the searches of a segment may try in all, of one that holds
    /// so many.
    pub(super) fn budget(held_len: u64) -> u64 {
        let of_segment = SEARCH_FACTOR.saturating_mul(held_len);
        of_segment.max(8 * MAX_RESUME_LEN)
    }

    pub(super) fn new(
        window: &'s mut Window,
        family: Family,
        last: Option<u64>,
        budget: &'s mut u64,
    ) -> Self {
        RecordSearch {
            window,
            family,
            last,
            budget,
        }
    }

    /// Where the next readable record stands after damage at `offset`.
    ///
    /// The frame's own length is trusted first. Otherwise every offset is
    /// tried: a record must decode whole under the family and carry a later
    /// sequence.
    pub(super) fn run(&mut self, offset: u64, framed: Option<u64>) -> Result<Option<u64>> {
        let end = self.window.file().len();
        if let Some(len) = framed {
            let next = offset + FRAME_LEN + len;
            if len >= MIN_RECORD_LEN && (next == end || self.follows(next)?) {
                return Ok((next < end).then_some(next));
            }
        }
        let mut at = offset + 1;
        while at + FRAME_LEN + MIN_RECORD_LEN <= end {
            // A frame in a hole has length 0, unless its last bytes are behind it.
            let held = self.window.held_from(at)?;
            at = at.max((held + 1).saturating_sub(FRAME_LEN));
            if self.follows(at)? {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    /// Whether a readable record of a later sequence stands at `offset`.
    fn follows(&mut self, offset: u64) -> Result<bool> {
        let window = &mut *self.window;
        window.seek(offset);
        let head_len = FRAME_LEN + MIN_RECORD_LEN;
        if window.remaining() < head_len {
            return Ok(false);
        }
        // The cheap checks first: most offsets fail at the operation tag.
        let (len, sequence, tag) = window.parse(|c| {
            let (len, sequence) = (c.u32()?, c.u64()?);
            c.u64()?;
            Ok((u64::from(len), sequence, c.u32()?))
        })?;
        let last = self.last;
        let after = last.is_none_or(|last| sequence > last && sequence - last <= MAX_SEQUENCE_STEP);
        let whole = (MIN_RECORD_LEN..=MAX_RESUME_LEN).contains(&len)
            && offset + FRAME_LEN + len <= window.file().len();
        if tag > 9 || !after || !whole || len > *self.budget {
            return Ok(false);
        }
        *self.budget -= len;
        window.seek(offset);
        Ok(read_record(window, 0, self.family)?.is_ok())
    }
}
