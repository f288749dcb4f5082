//! The first walk over the rows of a large table, in stretches that are walked
//! at the same time.
//!
//! A row's place is known only from the row before it, so where a stretch
//! starts is a guess: the first place from which several rows in a row can be
//! read. It is taken for a start once the walk over everything before it ended
//! exactly there; a stretch of a wrong guess is walked again from where the
//! rows really are. So guesses cost time and change nothing: the result is that
//! of one walk from the first row, and does not depend on the threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::rows::RowExtent;
use crate::codec::{ByteWriter, Cursor, Flaw, MIN_PLAIN_ROW_LEN, encode_plain_row, walk_plain_row};
use crate::error::{Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::PackedRow;
use crate::work::{Threads, in_order};

/// Rows that have to follow one another where a stretch is said to start.
const ROWS_OF_A_GUESS: usize = 8;
/// Rows from which the length of all is estimated.
const SAMPLE_ROWS: u64 = 1024;

/// Bytes that a guessed row may reach past its stretch: a wrong guess can stand
/// for a row as long as the file, which would be taken into memory.
const PAST_STRETCH_LEN: u64 = 1 << 20;

/// How the walk over a table's rows is divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Threads that walk.
    pub threads: Threads,
    /// Bytes of a stretch.
    pub stretch_len: u64,
}

impl Walk {
    /// Stretches of 8 MiB, on some threads.
    pub(super) fn on(threads: Threads) -> Self {
        Walk {
            threads,
            stretch_len: 8 << 20,
        }
    }

    /// Walks `count` rows from the window's offset, to the byte after them;
    /// keeps none of them.
    ///
    /// # Errors
    /// When a row is damaged, has another number of values than `arity`, or
    /// the file ends.
    pub(super) fn rows(self, window: &mut Window, count: u64, arity: usize) -> Result<RowExtent> {
        if count.saturating_mul(MIN_PLAIN_ROW_LEN as u64) > window.remaining() {
            return Err(Error::damage(
                window.file().path(),
                window.offset().saturating_sub(8),
                Code::BadLength,
                format!("a count of {count} rows"),
                format!("at most the {} bytes that are left", window.remaining()),
            ));
        }
        let mut extent = RowExtent::empty(window.file().clone(), window.offset(), arity);
        extend(&mut extent, window, count.min(SAMPLE_ROWS), u64::MAX)?;
        while extent.count < count {
            let stretches = self.stretch_count(&extent, count, window.remaining());
            if stretches < 2 {
                extend(&mut extent, window, count, u64::MAX)?;
            } else {
                self.stretches(&mut extent, window, (count, stretches))?;
            }
        }
        Ok(extent)
    }

    /// Stretches of the rows that are left, if they are as long as those before.
    fn stretch_count(self, walked: &RowExtent, count: u64, file_left: u64) -> usize {
        let len = walked.range.end.saturating_sub(walked.range.start);
        let rows_left = count.saturating_sub(walked.count);
        let left = u128::from(len).saturating_mul(rows_left.into());
        let left = left.checked_div(walked.count.into()).unwrap_or(0);
        let left = left.min(file_left.into());
        usize::try_from(left / u128::from(self.stretch_len.max(1))).unwrap_or(0)
    }

    /// Walks so many stretches; at least one row.
    fn stretches(
        self,
        extent: &mut RowExtent,
        window: &mut Window,
        (count, stretches): (u64, usize),
    ) -> Result<()> {
        let (file, arity) = (window.file().clone(), extent.arity);
        let start = window.offset();
        let limit = |stretch: usize| {
            let after = self.stretch_len.saturating_mul(stretch as u64);
            start.saturating_add(after)
        };
        let enough = AtomicBool::new(false);
        let walk = |stretch: usize, found: &mut Option<RowExtent>| {
            *found = None;
            if !enough.load(Ordering::Relaxed) {
                let guessed = match stretch {
                    0 => Some(start),
                    _ => guess(&file, limit(stretch), arity),
                };
                *found = guessed.and_then(|at| walk_from(&file, at, arity, limit(stretch + 1)));
            }
            Ok(())
        };
        in_order(self.threads, stretches, walk, |stretch, found| {
            let proven = found.take().filter(|found| {
                found.range.start == extent.range.end
                    && extent.count.saturating_add(found.count) <= count
            });
            if let Some(found) = proven {
                extent.append(found);
                window.seek(extent.range.end);
            }
            // What a wrong guess left out, and what is damaged.
            extend(extent, window, count, limit(stretch + 1))?;
            enough.store(extent.count == count, Ordering::Relaxed);
            Ok(())
        })
    }
}

impl RowExtent {
    /// The first `count` rows, walked again.
    ///
    /// # Errors
    /// When the file changed since the walk.
    pub fn first(&self, count: u64) -> Result<Self> {
        let mut window = Window::new(self.file.clone(), self.range.clone());
        Walk::on(Threads::ONE).rows(&mut window, count.min(self.count), self.arity)
    }

    /// Rows that no file holds, worked out from the file at `path`.
    ///
    /// # Errors
    /// When a row has another number of values than `arity`.
    pub fn of_rows(path: &Path, rows: &[PackedRow], arity: usize) -> Result<Self> {
        let mut bytes = ByteWriter::new();
        for row in rows {
            encode_plain_row(&mut bytes, &row.plain());
        }
        let file = SourceFile::in_memory(path, bytes.into_vec());
        let len = file.len();
        let mut window = Window::new(file, 0..len);
        Walk::on(Threads::ONE).rows(&mut window, rows.len() as u64, arity)
    }
}

/// Walks on until there are `count` rows, or one starts at `limit` or after.
fn extend(extent: &mut RowExtent, window: &mut Window, count: u64, limit: u64) -> Result<()> {
    let damage = extent.extend(window, count, limit)?;
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// The rows from a guessed place up to `limit`, or to the first that cannot be
/// read. What is wrong there is found again by whoever knows that it is a row.
fn walk_from(file: &Arc<SourceFile>, at: u64, arity: usize, limit: u64) -> Option<RowExtent> {
    let end = limit.saturating_add(PAST_STRETCH_LEN);
    let mut window = Window::new(file.clone(), at..end);
    let mut extent = RowExtent::empty(file.clone(), at, arity);
    extent.extend(&mut window, u64::MAX, limit).ok()?;
    Some(extent)
}

/// The first place at `from` or after that seems to be the start of a row.
fn guess(file: &Arc<SourceFile>, from: u64, arity: usize) -> Option<u64> {
    let mut window = Window::new(file.clone(), from..file.len());
    window.fill(1).ok()?;
    let bytes = window.buffered();
    let seems_a_row = |at: &usize| {
        let mut cursor = Cursor::new(bytes.get(*at..).unwrap_or_default());
        let walked = (0..ROWS_OF_A_GUESS).find_map(|row| {
            let flaw = walk_plain_row(&mut cursor, arity).err()?;
            Some((row, flaw))
        });
        match walked {
            None => true,
            // Wide rows, of which few fit.
            Some((rows, Flaw::Short { .. })) => rows > 0,
            Some(_) => false,
        }
    };
    let at = (0..bytes.len()).find(seems_a_row)?;
    Some(from.saturating_add(at as u64))
}

#[cfg(test)]
mod tests;
