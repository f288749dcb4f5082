//! Zeros that a file system leaves: space that was set aside and never
//! written, at the end of a segment.

use std::ops::Range;

use super::{FRAME_LEN, WalRecord};
use crate::error::{Damage, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::Operation;

/// Bytes of a record before its operation tag: sequence and timestamp.
const TAG_AT: u64 = 8 + 8;
/// Bytes looked at together, from the end backwards.
const BLOCK_LEN: u64 = 64 * 1024;

/// Where the zeros at the end of a file begin: its length where there are none.
///
/// # Errors
/// On I/O errors.
pub(super) fn trailing(file: &SourceFile) -> Result<u64> {
    let mut end = file.len();
    let mut block = Vec::new();
    // Larger and larger steps through a hole, then smaller ones up to its start.
    let mut step = BLOCK_LEN;
    while end > 0 {
        let start = end.saturating_sub(step);
        if file.data_from(start)?.start >= end {
            end = start;
            step = step.saturating_mul(2);
            continue;
        }
        if step > BLOCK_LEN {
            step /= 2;
            continue;
        }
        block.resize(usize::try_from(end - start).unwrap_or_default(), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether a range holds nothing but zeros, and at least one.
///
/// # Errors
/// On I/O errors.
pub(super) fn only(file: &std::sync::Arc<SourceFile>, range: Range<u64>) -> Result<bool> {
    let mut window = Window::new(file.clone(), range.clone());
    loop {
        let held = window.held_from(window.offset())?;
        window.seek(held);
        if window.remaining() == 0 {
            return Ok(!range.is_empty());
        }
        window.fill(1)?;
        if window.buffered().iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let len = window.buffered().len();
        window.consume(len);
    }
}

/// Whether damage lies where zeros stand from `zeros` to the end: what was
/// written before them is sound.
///
/// # Errors
/// On I/O errors.
pub(super) fn explain(file: &SourceFile, damage: &Damage, zeros: u64) -> Result<bool> {
    // An operation tag of zeros takes more bytes than most records have, and
    // too short a record is damaged as a whole.
    if damage.code == Code::BadLength && zeros <= damage.offset + FRAME_LEN + TAG_AT {
        return Ok(true);
    }
    let Some(written @ 1..=3) = zeros.checked_sub(damage.offset) else {
        return Ok(damage.offset >= zeros);
    };
    // A character of which only the first bytes were written does not decode
    // where it begins.
    let mut bytes = vec![0; usize::try_from(written).unwrap_or_default()];
    file.read_exact_at(&mut bytes, damage.offset)?;
    let cut = std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none());
    Ok(damage.code == Code::BadUtf8 && cut)
}

/// Whether a record that ends in zeros decodes and yet cannot be whole: no
/// server writes an empty name, a zero byte in one, a transaction 0 or a
/// sequence that hands out 0.
pub(super) fn filled(record: &WalRecord) -> bool {
    let bad_name = |name: &str| name.is_empty() || name.contains('\0');
    let operation = &record.operation;
    let unwritten = match operation {
        Operation::CreateTable { table, schema, .. } => {
            let mut sequences = schema.sequences.iter();
            **table != *schema.name
                || schema.columns.iter().any(|c| bad_name(&c.name))
                || sequences.any(|(name, next)| bad_name(name) || *next == 0)
        }
        Operation::AddColumn { column, .. } => bad_name(&column.name),
        Operation::DropColumn { column, .. } => bad_name(column),
        Operation::RenameColumn { old, new, .. } => bad_name(old) || bad_name(new),
        Operation::RenameTable { new, .. } => bad_name(new),
        Operation::Checkpoint { timestamp } => *timestamp == 0,
        _ => operation.pushed_row().is_some_and(|row| row.xmin == 0),
    };
    unwritten || record.sequence == 0 || operation.table().is_some_and(bad_name)
}

/// What is wrong with a record that ends in zeros.
pub(super) fn damage(file: &SourceFile, zeros: u64) -> Damage {
    Damage {
        file: file.path().to_owned(),
        offset: zeros,
        code: Code::Truncated,
        found: "zeros up to the end of the segment".into(),
        expected: "the rest of the record".into(),
    }
}
