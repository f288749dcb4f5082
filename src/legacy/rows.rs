//! The rows of one table: walked once, then streamed from their extent, whole
//! or in parts.

use std::ops::Range;
use std::sync::Arc;

use super::decode;
use crate::codec::{Cursor, Flaw, read_arity, read_plain_value, walk_plain_row};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::model::{PackedRow, PlainBuffer, PlainRows, RowBatch, RowStream};

/// Bytes from one mark of an extent to the next, unless a row is wider: with
/// that row they fit one window.
const MARK_LEN: u64 = 252 * 1024;

/// Where a row of an extent starts.
#[derive(Debug, Clone, Copy)]
struct Mark {
    index: u64,
    offset: u64,
}

/// Where a table's rows lie in a file, and what a walk over them counted.
#[derive(Debug, Clone)]
pub struct RowExtent {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes of all rows, after their count.
    pub range: Range<u64>,
    /// Row versions.
    pub count: u64,
    /// Row versions that are visible.
    pub live: u64,
    /// Values of every row.
    pub arity: usize,
    /// Largest xmin, 0 without rows.
    pub max_xmin: u64,
    /// The first row after every [`MARK_LEN`] bytes, for access by index and
    /// in parts; not that of row 0.
    marks: Vec<Mark>,
}

impl RowExtent {
    /// Walks at most `count` rows, up to the first that is damaged or falls
    /// short; says what is wrong with it.
    ///
    /// # Errors
    /// On I/O errors only.
    pub(super) fn walk_prefix(
        window: &mut Window,
        count: u64,
        arity: usize,
    ) -> Result<(Self, Option<Damage>)> {
        let mut extent = RowExtent::empty(window.file().clone(), window.offset(), arity);
        let damage = extent.extend(window, count, u64::MAX)?;
        Ok((extent, damage))
    }

    /// Walks on from the window's offset, where the extent ends, until there
    /// are `count` rows or one starts at `limit` or after; says what is wrong
    /// with a row that is damaged or falls short.
    ///
    /// # Errors
    /// On I/O errors only.
    pub(super) fn extend(
        &mut self,
        window: &mut Window,
        count: u64,
        limit: u64,
    ) -> Result<Option<Damage>> {
        let mut damage = None;
        let last = self.marks.last();
        let mut marked = last.map_or(self.range.start, |mark| mark.offset);
        while self.count < count && window.offset() < limit && damage.is_none() {
            // Rows are taken off the buffer until one falls short.
            let base = window.offset();
            let mut cursor = Cursor::new(window.buffered());
            let mut complete = 0;
            let flaw = loop {
                let offset = base + complete as u64;
                if self.count == count || offset >= limit {
                    break None;
                }
                match walk_plain_row(&mut cursor, self.arity) {
                    Ok((xmin, visible)) => {
                        if offset - marked >= MARK_LEN {
                            marked = offset;
                            let index = self.count;
                            self.marks.push(Mark { index, offset });
                        }
                        complete = cursor.position();
                        self.count += 1;
                        self.live += u64::from(visible);
                        self.max_xmin = self.max_xmin.max(xmin);
                    }
                    Err(flaw) => break Some(flaw),
                }
            };
            window.consume(complete);
            damage = match flaw {
                None => None,
                Some(Flaw::Short { need }) => match window.fill_more(need - complete) {
                    Ok(()) => None,
                    Err(Error::Damage(damage)) => Some(*damage),
                    Err(other) => return Err(other),
                },
                Some(Flaw::Bad {
                    at,
                    code,
                    found,
                    expected,
                }) => {
                    let at = at - complete;
                    Some(window.damage(Flaw::Bad {
                        at,
                        code,
                        found,
                        expected,
                    }))
                }
            };
        }
        self.range.end = window.offset();
        Ok(damage)
    }

    /// Adds the rows of an extent that starts where this one ends.
    pub(super) fn append(&mut self, next: RowExtent) {
        let (first, offset) = (self.count, next.range.start);
        if first > 0 && next.count > 0 {
            self.marks.push(Mark {
                index: first,
                offset,
            });
        }
        self.marks.extend(next.marks.iter().map(|mark| Mark {
            index: first + mark.index,
            ..*mark
        }));
        self.range.end = next.range.end;
        self.count += next.count;
        self.live += next.live;
        self.max_xmin = self.max_xmin.max(next.max_xmin);
    }

    /// An extent without rows.
    pub fn empty(file: Arc<SourceFile>, offset: u64, arity: usize) -> Self {
        RowExtent {
            file,
            range: offset..offset,
            count: 0,
            live: 0,
            arity,
            max_xmin: 0,
            marks: Vec::new(),
        }
    }

    /// Row versions that are not visible.
    pub fn dead(&self) -> u64 {
        self.count - self.live
    }

    /// The last mark at or before a row.
    fn mark_before(&self, index: u64) -> Mark {
        let after = self.marks.partition_point(|mark| mark.index <= index);
        self.start_of(after)
    }

    /// Where a part starts; a part more than there are starts at the end.
    fn start_of(&self, part: usize) -> Mark {
        let start = Mark {
            index: 0,
            offset: self.range.start,
        };
        let end = Mark {
            index: self.count,
            offset: self.range.end,
        };
        match part.checked_sub(1) {
            None => start,
            Some(at) => self.marks.get(at).copied().unwrap_or(end),
        }
    }

    /// How many parts can be read by themselves; at least one.
    pub fn part_count(&self) -> usize {
        self.marks.len() + 1
    }

    /// The indexes of the rows of a part.
    pub fn part(&self, part: usize) -> Range<u64> {
        self.start_of(part).index..self.start_of(part + 1).index
    }
}

/// Streams the rows of an extent.
#[derive(Debug)]
pub struct RowReader {
    window: Window,
    left: u64,
    arity: usize,
    /// Bytes of the batch that the caller may still borrow.
    handed_out: usize,
}

impl RowReader {
    /// All rows of an extent.
    pub fn new(extent: &RowExtent) -> Self {
        RowReader {
            window: Window::new(extent.file.clone(), extent.range.clone()),
            left: extent.count,
            arity: extent.arity,
            handed_out: 0,
        }
    }

    /// The rows of one part of an extent.
    pub fn of_part(extent: &RowExtent, part: usize) -> Self {
        let (start, end) = (extent.start_of(part), extent.start_of(part + 1));
        RowReader {
            window: Window::new(extent.file.clone(), start.offset..end.offset),
            left: end.index - start.index,
            arity: extent.arity,
            handed_out: 0,
        }
    }

    /// The rows of an extent from `index` on; the rows between the mark before
    /// it and itself are walked.
    ///
    /// # Errors
    /// When the file changed since the walk.
    pub fn starting_at(extent: &RowExtent, index: u64) -> Result<Self> {
        let index = index.min(extent.count);
        let mark = extent.mark_before(index);
        let mut window = Window::new(extent.file.clone(), mark.offset..extent.range.end);
        for _ in mark.index..index {
            window.parse(|c| walk_plain_row(c, extent.arity))?;
        }
        Ok(RowReader {
            window,
            left: extent.count - index,
            arity: extent.arity,
            handed_out: 0,
        })
    }
}

impl RowReader {
    /// Gives up what was handed out, and takes in at least one whole row;
    /// false after the last one.
    fn advance(&mut self) -> Result<bool> {
        self.window.consume(self.handed_out);
        self.handed_out = 0;
        if self.left == 0 {
            return Ok(false);
        }
        loop {
            let mut cursor = Cursor::new(self.window.buffered());
            match walk_plain_row(&mut cursor, self.arity) {
                Ok(_) => return Ok(true),
                Err(Flaw::Short { need }) => self.window.fill_more(need)?,
                Err(flaw) => return Err(self.window.damage(flaw).into()),
            }
        }
    }
}

impl RowStream for RowReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut batch = RowBatch::new();
        let mut cursor = Cursor::new(self.window.buffered());
        while self.left > 0 {
            // A row that falls short, or is damaged, is met again as the first
            // row of the next batch, where it is refilled or reported.
            if push_row(&mut cursor, self.arity, &mut batch).is_err() {
                batch.abandon_row();
                break;
            }
            self.handed_out = cursor.position();
            self.left -= 1;
        }
        Ok(Some(batch))
    }

    fn offers_plain(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut cursor = Cursor::new(self.window.buffered());
        while self.left > 0 {
            let Ok((_, visible)) = walk_plain_row(&mut cursor, self.arity) else {
                break;
            };
            self.handed_out = cursor.position();
            buffer.end_row(self.handed_out, visible);
            self.left -= 1;
        }
        let bytes = self.window.buffered();
        let bytes = bytes.get(..self.handed_out).unwrap_or_default();
        Ok(Some(PlainRows::of(bytes, buffer)))
    }
}

fn push_row<'a>(c: &mut Cursor<'a>, arity: usize, batch: &mut RowBatch<'a>) -> Result<(), Flaw> {
    read_arity(c, arity)?;
    for _ in 0..arity {
        batch.push_value(read_plain_value(c)?);
    }
    let xmin = c.u64()?;
    batch.end_row(xmin, c.option(Cursor::u64)?);
    Ok(())
}

/// Reads the rows at some indexes, in ascending order, and gives each to `sink`.
///
/// # Errors
/// When the file cannot be read or changed since the walk.
pub fn read_rows_at(
    extent: &RowExtent,
    indexes: impl IntoIterator<Item = u64>,
    mut sink: impl FnMut(u64, PackedRow),
) -> Result<()> {
    let mut window: Option<(u64, Window)> = None;
    for index in indexes {
        if index >= extent.count {
            continue;
        }
        let mark = extent.mark_before(index);
        let (mut at, mut from) = match window.take() {
            Some((at, from)) if at <= index && at >= mark.index => (at, from),
            _ => (
                mark.index,
                Window::new(extent.file.clone(), mark.offset..extent.range.end),
            ),
        };
        while at < index {
            from.parse(|c| walk_plain_row(c, extent.arity))?;
            at += 1;
        }
        sink(index, from.parse(decode::packed_row)?);
        window = Some((at + 1, from));
    }
    Ok(())
}
