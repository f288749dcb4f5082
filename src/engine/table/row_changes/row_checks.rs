//! What live tables ask of the bytes of one row.

use std::path::Path;

use crate::codec::Cursor;
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{RowSummary, walk_row_key};
use crate::engine::rows::row_run::check_end;
use crate::error::{Damage, Error, Result};
use crate::finding::Code;

/// Checks that bytes to be stored are one visible row of the table; its key.
///
/// # Errors
/// `Internal`: whoever encoded the row is at fault.
pub(in crate::engine) fn checked_row<'a>(
    table: &TablePlace,
    row: &'a [u8],
) -> Result<Option<&'a [u8]>> {
    let piece = Piece {
        path: Path::new(""),
        offset: 0,
        bytes: row,
    };
    match key_of(&piece, table) {
        Ok(row) if row.visible => Ok(row.key),
        _ => Err(Error::Internal(format!(
            "a row for {} is none of {} values",
            table.file("").display(),
            table.arity
        ))),
    }
}

/// The key of a row of the table, in the row codec, and whether a user sees it.
///
/// # Errors
/// When the bytes are no such row.
pub(in crate::engine) fn key_of<'a>(
    row: &Piece<'a>,
    table: &TablePlace,
) -> Result<RowSummary<'a>, Damage> {
    let mut c = Cursor::new(row.bytes);
    let walked = walk_row_key(&mut c, table.arity, table.key);
    let summary = walked.map_err(|flaw| row.flaw(flaw))?;
    check_end(row, &c)?;
    Ok(summary)
}

/// The damage that a place in the log means which is not where the row goes.
pub(in crate::engine) fn misplaced(file: &Path, logged: Option<RowId>, place: RowId) -> Error {
    let found = format!("place {:#x} in the log", logged.unwrap_or(place).0);
    let expected = format!("{:#x}, as the file has it", place.0);
    Error::damage(file, 0, Code::WrongPlace, found, expected)
}
