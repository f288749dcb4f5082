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
#[inline]
pub(in crate::engine) fn walk_row(c: &mut Cursor<'_>, arity: usize) -> Read<RowSummary> {
    match walk_quickly(c, arity, usize::MAX)? {
        Some((summary, _)) => Ok(summary),
        None => walk_values(c, arity, |_, _| {}),
    }
}

/// Walks a row that is whole, and gives the bytes of the value at position
/// `key`, if there is one.
#[inline]
fn walk_quickly<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: usize,
) -> Read<Option<(RowSummary, &'a [u8])>> {
    let mut text_len = TextLen::default();
    let Some((row, key)) = quick_row_key(c.rest(), arity, key, &mut text_len) else {
        return Ok(None);
    };
    c.take(row.len)?;
    let summary = RowSummary {
        visible: row.xmax.is_none(),
        text_len: text_len.0,
    };
    Ok(Some((summary, key)))
}

/// As [`walk_row`], and gives the bytes of the value at position `key`.
pub(in crate::engine) fn walk_row_key<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    key: usize,
) -> Read<(RowSummary, &'a [u8])> {
    if let Some(walked) = walk_quickly(c, arity, key)? {
        return Ok(walked);
    }
    let (mut start, mut len) = (c.clone(), 0);
    let summary = walk_values(c, arity, |value, before| {
        if value == key {
            start = before.clone();
        } else if value == key + 1 {
            len = before.position() - start.position();
        }
    })?;
    if key + 1 == arity {
        len = c.position() - start.position();
    }
    Ok((summary, start.take(len)?))
}

/// Walks a row, and tells where each value starts.
#[inline]
fn walk_values<'a>(
    c: &mut Cursor<'a>,
    arity: usize,
    mut at_value: impl FnMut(usize, &Cursor<'a>),
) -> Read<RowSummary> {
    let head = Head::read(c, arity)?;
    let mut text_len = 0usize;
    for value in 0..arity {
        at_value(value, c);
        text_len = text_len.saturating_add(Stored::read(c)?.text_len());
    }
    Ok(RowSummary {
        visible: head.xmax.is_none(),
        text_len,
    })
}
