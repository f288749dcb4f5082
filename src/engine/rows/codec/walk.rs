//! Checks rows without building them.

use super::quick::{TextLen, quick_row_key};
use super::{Head, Read, Stored};
use crate::codec::Cursor;

/// What a walk over one row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct RowSummary {
    /// Whether a user sees it.
    pub visible: bool,
    /// Bytes of arena that decoding it needs.
    pub text_len: usize,
}

/// Checks one row of `arity` values without building it.
///
/// # Errors
/// The flaw of bytes that are no such row.
#[inline]
pub(in crate::engine) fn walk_row(c: &mut Cursor<'_>, arity: usize) -> Read<RowSummary> {
    walk_row_key(c, arity, None).map(|(row, _)| row)
}

/// As [`walk_row`], and gives the bytes of the value at position `key`, if one
/// is asked for.
///
/// # Errors
/// As [`walk_row`].
#[inline]
pub(in crate::engine) fn walk_row_key<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: Option<usize>,
) -> Read<(RowSummary, Option<&'a [u8]>)> {
    let mut text_len = TextLen::default();
    let position = key.unwrap_or(usize::MAX);
    let Some((row, value)) = quick_row_key(c.rest(), arity, position, &mut text_len) else {
        return walk_slowly(c, arity, key);
    };
    c.take(row.len)?;
    let summary = RowSummary {
        visible: row.xmax.is_none(),
        text_len: text_len.0,
    };
    Ok((summary, key.map(|_| value)))
}

/// Finds out what is wrong with a row, or that nothing is.
#[cold]
fn walk_slowly<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: Option<usize>,
) -> Read<(RowSummary, Option<&'a [u8]>)> {
    let (start, bytes) = (c.position(), c.rest());
    let head = Head::read(c, arity)?;
    let mut value = 0..0;
    let mut text_len = 0usize;
    for position in 0..arity {
        let before = c.position();
        text_len = text_len.saturating_add(Stored::read(c)?.text_len());
        if key == Some(position) {
            value = before - start..c.position() - start;
        }
    }
    let summary = RowSummary {
        visible: head.xmax.is_none(),
        text_len,
    };
    Ok((summary, key.and_then(|_| bytes.get(value))))
}
