//! Finding the framing again after damage.

use super::{Landmark, Salvager};
use crate::codec::{Cursor, Flaw, walk_plain_row};
use crate::error::{Damage, Result};
use crate::finding::Code;
use crate::legacy::{Family, decode};

/// Longest name that is looked for after damage, in bytes.
const MAX_SOUGHT_NAME_LEN: u64 = 1024;
/// Widest pair of rows, or table head, that is looked for after damage, in bytes.
const MAX_SOUGHT_LEN: usize = 1024 * 1024;

impl Salvager {
    /// The next offset where two rows, or a row and the table's end, stand.
    pub(super) fn find_row(&mut self, from: u64, arity: usize) -> Result<Option<u64>> {
        let family = self.family;
        self.seek_first(from, |c| {
            walk_plain_row(c, arity)?;
            let mut tail = c.clone();
            let row_follows = walk_plain_row(c, arity).is_ok();
            if !row_follows {
                decode::table_tail(&mut tail, family)?;
            }
            Ok(())
        })
        .map(|found| found.map(|(offset, ())| offset))
    }

    /// Passes over damage to the next table or database.
    pub(super) fn resume(&mut self, damage: Damage) -> Result<Landmark> {
        let start = self.window.offset();
        let family = self.family;
        let found = self.seek_first(start.saturating_add(1), |c| landmark(c, family))?;
        let end = found.map_or(self.window.file().len(), |(offset, _)| offset);
        self.lose(damage, start..end);
        self.window.seek(end);
        Ok(found.map_or(Landmark::End, |(_, landmark)| landmark))
    }

    /// Tries every offset from `from` on; leaves the window where it was.
    fn seek_first<T>(
        &mut self,
        from: u64,
        fits: impl Fn(&mut Cursor<'_>) -> Result<T, Flaw>,
    ) -> Result<Option<(u64, T)>> {
        let start = self.window.offset();
        let end = self.window.file().len();
        let mut found = None;
        for at in from..end {
            self.window.seek(at);
            if let Ok(value) = self.window.peek(MAX_SOUGHT_LEN, &fits)? {
                found = Some((at, value));
                break;
            }
        }
        self.window.seek(start);
        Ok(found)
    }
}

/// What stands here: a name twice (a map's key, and the name inside the value),
/// then a table's columns and first row, or a database's first table.
fn landmark(c: &mut Cursor<'_>, family: Family) -> Result<Landmark, Flaw> {
    let at = c.position();
    let len = c.clone().u64()?;
    if len > MAX_SOUGHT_NAME_LEN {
        return Cursor::bad(at, Code::BadLength, len, "a name");
    }
    let key = c.str()?;
    decode::same_name(at, key, c.clone().str()?)?;
    let mut table = c.clone();
    let head = decode::table_head(&mut table, family).and_then(|(_, columns)| {
        if table.u64()? > 0 {
            walk_plain_row(&mut table, columns.len())?;
        }
        Ok(columns)
    });
    // Without columns the bytes could as well be a database's.
    if head.is_ok_and(|columns| !columns.is_empty()) {
        return Ok(Landmark::Table);
    }
    c.str()?;
    match c.u64()? {
        0 => c.vec(16, decode::enum_type).map(|_| ())?,
        _ => {
            c.str()?;
            decode::table_head(c, family)?;
        }
    }
    Ok(Landmark::Database)
}
