//! The rows of one table: walked once, then streamed from their extent, whole
//! or in parts.

use std::ops::Range;
use std::sync::Arc;

use super::decode;
use crate::codec::{Cursor, Flaw, RowBuffer, pack_row, walk_stored_row};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::model::{PackedRow, RowBatch, RowStream, RowVersion};

/// Bytes from one mark of an extent to the next, unless a row is wider: with
/// that row they fit one window.
const MARK_LEN: u64 = 252 * 1024;

/// Where a row of an extent starts.
#[derive(Debug, Clone, Copy)]
struct RowMark {
    index: u64,
    offset: u64,
}

/// Where a table's rows lie in a file, and what a walk over them counted.
#[derive(Debug, Clone)]
pub struct RowExtent {
    /// The snapshot, or what else holds the rows.
    pub file: Arc<SourceFile>,
    /// The bytes of all rows, after their count.
    pub range: Range<u64>,
    /// Row versions.
    pub count: u64,
    /// Row versions that are visible.
    pub live: u64,
    /// Values of every row.
    pub arity: usize,
    /// Row versions that have more values than these: their first ones are read.
    pub wide: u64,
    /// Largest xmin, 0 without rows.
    pub max_xmin: u64,
    /// The first row after every [`MARK_LEN`] bytes, for access by index and
    /// in parts; not that of row 0.
    marks: Vec<RowMark>,
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
                match walk_stored_row(&mut cursor, self.arity) {
                    Ok((row, wide)) => {
                        if offset - marked >= MARK_LEN {
                            marked = offset;
                            let index = self.count;
                            self.marks.push(RowMark { index, offset });
                        }
                        complete = cursor.position();
                        self.count += 1;
                        self.live += u64::from(row.xmax.is_none());
                        self.wide += u64::from(wide);
                        self.max_xmin = self.max_xmin.max(row.xmin);
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
            self.marks.push(RowMark {
                index: first,
                offset,
            });
        }
        self.marks.extend(next.marks.iter().map(|mark| RowMark {
            index: first + mark.index,
            ..*mark
        }));
        self.range.end = next.range.end;
        self.count += next.count;
        self.live += next.live;
        self.wide += next.wide;
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
            wide: 0,
            max_xmin: 0,
            marks: Vec::new(),
        }
    }

    /// Row versions that are not visible.
    pub fn dead(&self) -> u64 {
        self.count - self.live
    }

    /// The last mark at or before a row.
    fn mark_before(&self, index: u64) -> RowMark {
        let after = self.marks.partition_point(|mark| mark.index <= index);
        self.start_of(after)
    }

    /// Where a part starts; a part more than there are starts at the end.
    fn start_of(&self, part: usize) -> RowMark {
        let start = RowMark {
            index: 0,
            offset: self.range.start,
        };
        let end = RowMark {
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

/// A row without values beyond the columns.
pub fn narrowed(row: PackedRow, arity: usize) -> PackedRow {
    if row.arity() <= arity {
        return row;
    }
    let values: Vec<_> = row.values().take(arity).collect();
    pack_row(values, row.xmin, row.xmax)
}

/// Streams the rows of an extent.
#[derive(Debug)]
pub struct RowReader {
    window: Window,
    left: u64,
    arity: usize,
    /// Bytes of the batch that the caller may still borrow, and its rows.
    handed_out: usize,
    rows: Vec<RowVersion>,
    /// A row of more values than columns, without these.
    narrowed: RowBuffer,
}

impl RowReader {
    fn over(window: Window, left: u64, arity: usize) -> Self {
        RowReader {
            window,
            left,
            arity,
            handed_out: 0,
            rows: Vec::new(),
            narrowed: RowBuffer::default(),
        }
    }

    /// All rows of an extent.
    pub fn new(extent: &RowExtent) -> Self {
        let window = Window::new(extent.file.clone(), extent.range.clone());
        RowReader::over(window, extent.count, extent.arity)
    }

    /// The rows of one part of an extent.
    pub fn of_part(extent: &RowExtent, part: usize) -> Self {
        let (start, end) = (extent.start_of(part), extent.start_of(part + 1));
        let window = Window::new(extent.file.clone(), start.offset..end.offset);
        RowReader::over(window, end.index - start.index, extent.arity)
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
            window.parse(|c| walk_stored_row(c, extent.arity))?;
        }
        Ok(RowReader::over(window, extent.count - index, extent.arity))
    }
}

impl RowStream for RowReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.window.consume(self.handed_out);
        self.handed_out = 0;
        self.rows.clear();
        loop {
            let mut cursor = Cursor::new(self.window.buffered());
            let flaw = loop {
                if self.left == 0 {
                    break None;
                }
                match walk_stored_row(&mut cursor, self.arity) {
                    Ok((row, false)) => self.rows.push(row),
                    // By itself, once those before it are handed out.
                    Ok((_, true)) if !self.rows.is_empty() => break None,
                    Ok((_, true)) => {
                        let mut cursor = Cursor::new(self.window.buffered());
                        let row = match decode::packed_row(&mut cursor) {
                            Ok(row) => row,
                            Err(flaw) => break Some(flaw),
                        };
                        self.handed_out = cursor.position();
                        self.left -= 1;
                        self.narrowed.clear();
                        let values = row.values().take(self.arity);
                        self.narrowed.push(values, row.xmin, row.xmax);
                        return Ok(Some(self.narrowed.batch()));
                    }
                    Err(flaw) => break Some(flaw),
                }
                self.handed_out = cursor.position();
                self.left -= 1;
            };
            // A row that falls short, or is damaged, is met again as the first
            // row of the next batch, where it is refilled or reported.
            match flaw {
                _ if !self.rows.is_empty() => break,
                None => return Ok(None),
                Some(Flaw::Short { need }) => self.window.fill_more(need)?,
                Some(flaw) => return Err(self.window.damage(flaw).into()),
            }
        }
        Ok(Some(RowBatch::new(self.window.buffered(), &mut self.rows)))
    }
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
            from.parse(|c| walk_stored_row(c, extent.arity))?;
            at += 1;
        }
        let row = from.parse(decode::packed_row)?;
        sink(index, narrowed(row, extent.arity));
        window = Some((at + 1, from));
    }
    Ok(())
}
