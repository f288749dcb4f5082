//! Rows that follow one another without a gap under one checksum: the content
//! of a block or record.

use super::codec::{decode_row, walk_row_key};
use super::counts::TableCounts;
use crate::codec::{Cursor, RowBuffer};
use crate::engine::pages::frame::Piece;
use crate::error::{Damage, Result};
use crate::finding::Code;

/// Puts all rows of a run into a buffer, in place of those before, and adds them to
/// `counts`.
///
/// # Errors
/// When the bytes are not the rows that were announced.
pub(in crate::engine) fn decode_run(
    rows: &Piece<'_>,
    row_count: u32,
    arity: usize,
    buffer: &mut RowBuffer,
    counts: &mut TableCounts,
) -> Result<(), Damage> {
    buffer.clear();
    let mut c = Cursor::new(rows.bytes);
    for _ in 0..row_count {
        let decoded = decode_row(&mut c, arity, buffer);
        counts.add(decoded.map_err(|flaw| rows.flaw(flaw))?);
    }
    check_end(rows, &c)
}

/// Walks all rows of a run, counts the visible ones and tells of each its
/// position in the run and the value at position `key`, if there is one.
///
/// # Errors
/// When the bytes are not the rows that were announced; those of `visible_row`.
pub(in crate::engine) fn walk_run(
    rows: &Piece<'_>,
    row_count: u32,
    arity: usize,
    key: Option<usize>,
    mut visible_row: impl FnMut(u32, Option<&[u8]>) -> Result<()>,
) -> Result<u64> {
    let mut c = Cursor::new(rows.bytes);
    let mut visible = 0;
    for position in 0..row_count {
        let walked = walk_row_key(&mut c, arity, key);
        let row = walked.map_err(|flaw| rows.flaw(flaw))?;
        if row.visible {
            visible += 1;
            visible_row(position, row.key)?;
        }
    }
    check_end(rows, &c)?;
    Ok(visible)
}

/// Checks that nothing follows the last row.
///
/// # Errors
/// `TrailingBytes`.
pub(in crate::engine) fn check_end(rows: &Piece<'_>, c: &Cursor<'_>) -> Result<(), Damage> {
    if c.remaining() == 0 {
        return Ok(());
    }
    let found = format!("{} bytes after the last row", c.remaining());
    let end = "the end of the rows";
    Err(rows.damage(c.position(), Code::TrailingBytes, found, end))
}
