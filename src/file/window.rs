//! A bounded window that slides over a range of a file.
//!
//! Parsing tries on the bytes at hand; when they fall short, the window takes
//! in more and the parse starts again at the same offset. So one decoder over a
//! slice serves any file size, and the window grows only to the widest single
//! unit, never past the bytes that are really there.

use std::ops::Range;
use std::sync::Arc;

use super::SourceFile;
use crate::codec::{Cursor, Flaw};
use crate::error::{Damage, Error, Result};
use crate::finding::{Code, counted};

/// Bytes a window holds unless a unit is wider.
pub const DEFAULT_WINDOW_LEN: usize = 256 * 1024;

/// Bytes of a unit that may be a hole.
const LARGE_UNIT_LEN: u64 = 64 * 1024 * 1024;
/// The part of a larger unit that the file must hold.
const LEAST_HELD_PART: u64 = 16;

/// A window over part of a file.
#[derive(Debug)]
pub struct Window {
    file: Arc<SourceFile>,
    /// Never made shorter, so that its bytes are zeroed once.
    buffer: Vec<u8>,
    /// Bytes of the buffer that are of the file.
    filled: usize,
    /// File offset of the buffer's first byte.
    start: u64,
    /// Bytes of the buffer already consumed.
    at: usize,
    /// File offset where the range ends.
    end: u64,
    /// Bytes that the file holds, as it said last.
    held: Range<u64>,
}

impl Window {
    /// A window over `range`, cut to the file's length.
    pub fn new(file: Arc<SourceFile>, range: Range<u64>) -> Self {
        let end = range.end.min(file.len());
        Window {
            start: range.start.min(end),
            end,
            file,
            buffer: Vec::new(),
            filled: 0,
            at: 0,
            held: 0..0,
        }
    }

    /// What it reads.
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// File offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Bytes from here to the end of the range.
    pub fn remaining(&self) -> u64 {
        self.end - self.offset()
    }

    /// The bytes at hand.
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.at..self.filled).unwrap_or_default()
    }

    /// Marks bytes at hand as consumed.
    pub fn consume(&mut self, len: usize) {
        self.at = self.at.saturating_add(len).min(self.filled);
    }

    /// Skips to a file offset inside the range.
    pub fn seek(&mut self, offset: u64) {
        let offset = offset.min(self.end);
        match offset.checked_sub(self.start).map(usize::try_from) {
            Some(Ok(at)) if at <= self.filled => self.at = at,
            _ => {
                self.filled = 0;
                self.at = 0;
                self.start = offset;
            }
        }
    }

    /// Takes in bytes until `need` are at hand, or a whole window.
    ///
    /// # Errors
    /// When the range ends before `need` bytes (truncated), or on I/O errors.
    pub fn fill(&mut self, need: usize) -> Result<()> {
        if self.buffered().len() >= need {
            return Ok(());
        }
        if need as u64 > self.remaining() {
            return Err(self.short(need).into());
        }
        self.check_hole(need)?;
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.start += self.at as u64;
        self.at = 0;
        let want = (need.max(DEFAULT_WINDOW_LEN) as u64).min(self.remaining());
        // `want` is at most the bytes left in the file, and those were counted.
        let want = usize::try_from(want).unwrap_or(need);
        if want > self.buffer.len() {
            self.buffer.resize(want, 0);
        }
        let Some(fresh) = self.buffer.get_mut(self.filled..want) else {
            return Ok(());
        };
        let read = self
            .file
            .read_exact_at(fresh, self.start + self.filled as u64);
        if read.is_ok() {
            self.filled = want;
        }
        read
    }

    /// The first offset at or after `offset` whose byte the file holds, at most
    /// its end: a search need not look at a hole byte by byte.
    ///
    /// # Errors
    /// On I/O errors.
    pub fn held_from(&mut self, offset: u64) -> Result<u64> {
        if !self.held.contains(&offset) {
            self.held = self.file.data_from(offset)?;
        }
        Ok(self.held.start.max(offset).min(self.end.max(offset)))
    }

    /// A length that leads into a hole of a file takes room for bytes that
    /// nobody ever wrote.
    fn check_hole(&mut self, need: usize) -> Result<()> {
        let need = need as u64;
        if need <= LARGE_UNIT_LEN {
            return Ok(());
        }
        let least = need / LEAST_HELD_PART;
        let (mut at, mut held) = (self.offset(), 0_u64);
        let end = at.saturating_add(need);
        while held < least && at < end {
            let data = self.file.data_from(at)?;
            let within = data.start.min(end)..data.end.min(end);
            held = held.saturating_add(within.end.saturating_sub(within.start));
            at = data.end.max(at.saturating_add(1));
        }
        if held >= least {
            return Ok(());
        }
        Err(self.unwritten(format!("{need} bytes, of which the file holds {held}")))
    }

    /// Zeros read as units too: a hole would go on with them for ever.
    ///
    /// # Errors
    /// `BadLength` when a hole of more than 64 MiB begins here; I/O errors.
    pub fn check_written(&mut self) -> Result<()> {
        let offset = self.offset();
        let hole_len = self.held_from(offset)?.saturating_sub(offset);
        if hole_len <= LARGE_UNIT_LEN {
            return Ok(());
        }
        Err(self.unwritten(format!("a hole of {hole_len} bytes")))
    }

    fn unwritten(&self, found: String) -> Error {
        Damage {
            file: self.file.path().to_owned(),
            offset: self.offset(),
            code: Code::BadLength,
            found,
            expected: "bytes that were written".into(),
        }
        .into()
    }

    /// Parses one unit and consumes it.
    ///
    /// # Errors
    /// When the bytes are damaged or end too early, or on I/O errors.
    pub fn parse<T>(
        &mut self,
        mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Flaw>,
    ) -> Result<T> {
        loop {
            let mut cursor = Cursor::new(self.buffered());
            match read(&mut cursor) {
                Ok(value) => {
                    let read_len = cursor.position();
                    self.consume(read_len);
                    return Ok(value);
                }
                Err(Flaw::Short { need }) => self.fill_more(need)?,
                Err(flaw) => return Err(self.damage(flaw).into()),
            }
        }
    }

    /// Tries to read something of at most `max_len` bytes at the current offset
    /// and consumes nothing. Takes in twice as much at a time, so that trying
    /// offset after offset moves each byte a bounded number of times.
    ///
    /// # Errors
    /// On I/O errors; what `read` says is the inner result.
    pub fn peek<T>(
        &mut self,
        max_len: usize,
        read: impl FnOnce(&mut Cursor<'_>) -> Result<T, Flaw>,
    ) -> Result<Result<T, Flaw>> {
        if (self.buffered().len() as u64) < self.remaining().min(max_len as u64) {
            let want = (max_len as u64).saturating_mul(2).min(self.remaining());
            self.fill(usize::try_from(want).unwrap_or(max_len))?;
        }
        let at_hand = self.buffered();
        Ok(read(&mut Cursor::new(
            at_hand.get(..max_len).unwrap_or(at_hand),
        )))
    }

    /// Takes in at least `need` bytes, and at least twice what is at hand when
    /// the unit turned out wider: a unit is parsed again after each refill, and
    /// doubling keeps the sum of all tries linear.
    pub fn fill_more(&mut self, need: usize) -> Result<()> {
        if need as u64 > self.remaining() {
            return Err(self.short(need).into());
        }
        self.check_written()?;
        let doubled = (self.buffered().len() as u64)
            .saturating_mul(2)
            .min(self.remaining());
        self.fill(need.max(usize::try_from(doubled).unwrap_or(need)))
    }

    /// The damage that a flaw at the current offset means.
    pub fn damage(&self, flaw: Flaw) -> Damage {
        match flaw {
            Flaw::Short { need } => self.short(need),
            Flaw::Bad {
                at,
                code,
                found,
                expected,
            } => Damage {
                file: self.file.path().to_owned(),
                offset: self.offset() + at as u64,
                code,
                found: found.to_string(),
                expected: expected.into(),
            },
        }
    }

    fn short(&self, need: usize) -> Damage {
        Damage {
            file: self.file.path().to_owned(),
            offset: self.offset(),
            code: Code::Truncated,
            found: format!("{} left", counted(self.remaining(), "byte")),
            expected: format!("at least {}", counted(need, "byte")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_length_that_leads_into_a_hole_takes_no_room() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let source = SourceFile::open(file.path()).unwrap();
        let mut window = Window::new(source, 0..u64::MAX);
        window.fill(1024 * 1024).unwrap();
        assert!(window.fill(1 << 36).is_err());
        assert!(window.buffer.len() <= 1024 * 1024);
    }

    #[test]
    fn a_hole_is_no_row_of_units_of_zeros() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let source = SourceFile::open(file.path()).unwrap();
        let mut window = Window::new(source, 0..u64::MAX);
        assert!(window.parse(|c| c.u64()).is_err());
    }

    #[test]
    fn a_search_passes_over_a_hole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        file.as_file().write_all_at(b"x", 1 << 39).unwrap();
        let source = SourceFile::open(file.path()).unwrap();
        let mut window = Window::new(source, 0..u64::MAX);
        let from = window.held_from(0).unwrap();
        assert!(from <= 1 << 39 && from + 65536 > 1 << 39);
        assert_eq!(window.held_from(1 << 39).unwrap(), 1 << 39);
        assert_eq!(window.held_from((1 << 39) + 65536).unwrap(), 1 << 40);
    }
}
