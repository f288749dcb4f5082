//! The rows of one table: walked once, then streamed from their extent.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::decode::{self, MIN_ROW_LEN};
use super::encode_row;
use crate::codec::{ByteWriter, Cursor, Flaw};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::{Row, RowBatch, RowRef, RowStream};

/// Rows between two marks of an extent.
const ROWS_PER_MARK: u64 = 1024;

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
    /// File offset of every 1024th row from row 1024 on, for access by index.
    marks: Vec<u64>,
}

impl RowExtent {
    /// Walks `count` rows from the window's offset; keeps none of them.
    ///
    /// # Errors
    /// When a row is damaged, has another number of values than `arity`, or
    /// the file ends.
    pub(super) fn walk(window: &mut Window, count: u64, arity: usize) -> Result<Self> {
        if count.saturating_mul(MIN_ROW_LEN as u64) > window.remaining() {
            return Err(Error::damage(
                window.file().path(),
                window.offset().saturating_sub(8),
                Code::BadLength,
                format!("a count of {count} rows"),
                format!("at most the {} bytes that are left", window.remaining()),
            ));
        }
        match Self::walk_prefix(window, count, arity)? {
            (extent, None) => Ok(extent),
            (_, Some(damage)) => Err(damage.into()),
        }
    }

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
        let mut damage = None;
        while extent.count < count && damage.is_none() {
            // Rows are taken off the buffer until one falls short.
            let base = window.offset();
            let mut cursor = Cursor::new(window.buffered());
            let mut complete = 0;
            let flaw = loop {
                if extent.count == count {
                    break None;
                }
                match walk_row(&mut cursor, arity) {
                    Ok((xmin, visible)) => {
                        if extent.count.is_multiple_of(ROWS_PER_MARK) && extent.count > 0 {
                            extent.marks.push(base + complete as u64);
                        }
                        complete = cursor.position();
                        extent.count += 1;
                        extent.live += u64::from(visible);
                        extent.max_xmin = extent.max_xmin.max(xmin);
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
        extent.range.end = window.offset();
        Ok((extent, damage))
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

    /// The first `count` rows, walked again.
    ///
    /// # Errors
    /// When the file changed since the walk.
    pub fn first(&self, count: u64) -> Result<Self> {
        let mut window = Window::new(self.file.clone(), self.range.clone());
        Self::walk(&mut window, count.min(self.count), self.arity)
    }

    /// Rows that no file holds, worked out from the file at `path`.
    ///
    /// # Errors
    /// When a row has another number of values than `arity`.
    pub fn of_rows(path: &Path, rows: &[Row], arity: usize) -> Result<Self> {
        let mut bytes = ByteWriter::new();
        for row in rows {
            let values: Vec<_> = row.values.iter().map(|value| value.as_ref()).collect();
            let row = RowRef {
                values: &values,
                xmin: row.xmin,
                xmax: row.xmax,
            };
            encode_row(&mut bytes, &row);
        }
        let file = SourceFile::in_memory(path, bytes.into_vec());
        let len = file.len();
        Self::walk(&mut Window::new(file, 0..len), rows.len() as u64, arity)
    }

    /// Row versions that are not visible.
    pub fn dead(&self) -> u64 {
        self.count - self.live
    }

    /// The last mark at or before a row: its index and offset.
    fn mark_before(&self, index: u64) -> (u64, u64) {
        let mark = usize::try_from(index / ROWS_PER_MARK).unwrap_or(usize::MAX);
        match mark.checked_sub(1).and_then(|at| self.marks.get(at)) {
            Some(offset) => (index / ROWS_PER_MARK * ROWS_PER_MARK, *offset),
            None => (0, self.range.start),
        }
    }
}

/// Checks one row and says its xmin and whether it is visible.
#[inline]
pub(super) fn walk_row(c: &mut Cursor<'_>, arity: usize) -> Result<(u64, bool), Flaw> {
    read_arity(c, arity)?;
    for _ in 0..arity {
        decode::value(c)?;
    }
    let xmin = c.u64()?;
    let xmax = c.option(Cursor::u64)?;
    Ok((xmin, xmax.is_none()))
}

#[inline]
fn read_arity(c: &mut Cursor<'_>, arity: usize) -> Result<(), Flaw> {
    let at = c.position();
    let found = c.u64()?;
    if found == arity as u64 {
        return Ok(());
    }
    Cursor::bad(
        at,
        Code::BadArity,
        found,
        "as many values as the table has columns",
    )
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

    /// The rows of an extent from `index` on; the rows between the mark before
    /// it and itself are walked.
    ///
    /// # Errors
    /// When the file changed since the walk.
    pub fn starting_at(extent: &RowExtent, index: u64) -> Result<Self> {
        let index = index.min(extent.count);
        let (marked, offset) = extent.mark_before(index);
        let mut window = Window::new(extent.file.clone(), offset..extent.range.end);
        for _ in marked..index {
            window.parse(|c| walk_row(c, extent.arity))?;
        }
        Ok(RowReader {
            window,
            left: extent.count - index,
            arity: extent.arity,
            handed_out: 0,
        })
    }
}

impl RowStream for RowReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.window.consume(self.handed_out);
        self.handed_out = 0;
        if self.left == 0 {
            return Ok(None);
        }
        // One whole row must be at hand before a batch can borrow.
        loop {
            let mut cursor = Cursor::new(self.window.buffered());
            match walk_row(&mut cursor, self.arity) {
                Ok(_) => break,
                Err(Flaw::Short { need }) => self.window.fill_more(need)?,
                Err(flaw) => return Err(self.window.damage(flaw).into()),
            }
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
}

fn push_row<'a>(c: &mut Cursor<'a>, arity: usize, batch: &mut RowBatch<'a>) -> Result<(), Flaw> {
    read_arity(c, arity)?;
    for _ in 0..arity {
        batch.push_value(decode::value(c)?);
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
    mut sink: impl FnMut(u64, Row),
) -> Result<()> {
    let mut window: Option<(u64, Window)> = None;
    for index in indexes {
        if index >= extent.count {
            continue;
        }
        let (marked, offset) = extent.mark_before(index);
        let (mut at, mut from) = match window.take() {
            Some((at, from)) if at <= index && at >= marked => (at, from),
            _ => (
                marked,
                Window::new(extent.file.clone(), offset..extent.range.end),
            ),
        };
        while at < index {
            from.parse(|c| walk_row(c, extent.arity))?;
            at += 1;
        }
        sink(index, from.parse(decode::row)?);
        window = Some((at + 1, from));
    }
    Ok(())
}
