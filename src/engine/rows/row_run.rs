//! Rows that follow one another without a gap under one checksum: the content
//! of a block or record.

use super::codec::{Decoded, TextArena, decode_plain, decode_row, walk_row, walk_row_key};
use super::counts::TableCounts;
use crate::codec::Cursor;
use crate::engine::pages::frame::Piece;
use crate::error::{Damage, Result};
use crate::finding::Code;
use crate::model::{PlainBuffer, RowBatch};

/// Bytes of text that one batch may print, unless a single row needs more.
const ARENA_LEN: usize = 256 * 1024;

/// Makes room for the texts of a row, and some more.
pub(in crate::engine) fn reserve_text(arena: &mut Vec<u8>, text_len: usize) {
    if text_len > arena.len() {
        arena.resize(text_len.max(ARENA_LEN), 0);
    }
}

/// How much of a run was handed out.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct RowRun {
    /// Rows of the whole run.
    row_count: u32,
    /// Bytes and rows handed out.
    at: usize,
    rows_out: u32,
}

impl RowRun {
    /// A run of which nothing was handed out.
    pub(in crate::engine) fn new(row_count: u32) -> Self {
        RowRun {
            row_count,
            ..RowRun::default()
        }
    }

    /// Whether every row was handed out.
    pub(in crate::engine) fn is_over(&self) -> bool {
        self.rows_out == self.row_count
    }

    /// The next rows of the run whose bytes are `rows`, as many as their texts
    /// fit the arena; adds them to `counts`.
    ///
    /// # Errors
    /// When the bytes are not the rows that were announced.
    pub(in crate::engine) fn next_batch<'a>(
        &mut self,
        rows: Piece<'a>,
        arity: usize,
        arena: &'a mut Vec<u8>,
        counts: &mut TableCounts,
    ) -> Result<RowBatch<'a>, Damage> {
        let rest = Piece {
            offset: rows.offset.saturating_add(self.at as u64),
            bytes: rows.bytes.get(self.at..).unwrap_or_default(),
            ..rows
        };
        // The first row always fits; a later one may have to wait for the next
        // batch, when the arena is free again.
        let first = walk_row(&mut Cursor::new(rest.bytes), arity);
        reserve_text(arena, first.map_err(|flaw| rest.flaw(flaw))?.text_len);
        let mut arena = TextArena::new(arena);
        let mut batch = RowBatch::new();
        let mut c = Cursor::new(rest.bytes);
        while self.rows_out < self.row_count {
            let decoded = decode_row(&mut c, arity, &mut arena, &mut batch);
            match decoded.map_err(|flaw| rest.flaw(flaw))? {
                Decoded::Row { visible } => counts.add(visible),
                Decoded::NoRoom => break,
            }
            self.rows_out += 1;
        }
        self.at += c.position();
        if self.is_over() {
            check_end(&rest, &c)?;
        }
        Ok(batch)
    }
}

/// Adds all rows of a run to a buffer of plain rows, and to `counts`.
///
/// # Errors
/// When the bytes are not the rows that were announced.
pub(in crate::engine) fn plain_run(
    rows: &Piece<'_>,
    row_count: u32,
    arity: usize,
    buffer: &mut PlainBuffer,
    counts: &mut TableCounts,
) -> Result<(), Damage> {
    let mut c = Cursor::new(rows.bytes);
    for _ in 0..row_count {
        let decoded = decode_plain(&mut c, arity, buffer);
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
        let (row, key) = walked.map_err(|flaw| rows.flaw(flaw))?;
        if row.visible {
            visible += 1;
            visible_row(position, key)?;
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
