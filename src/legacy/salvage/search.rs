//! Finding the framing again after damage.

use super::{Landmark, Salvager};
use crate::codec::{Cursor, Flaw, walk_plain_row};
use crate::error::{Damage, Result};
use crate::finding::Code;
use crate::legacy::{Family, decode};

/// Longest name that is looked for after damage, in bytes.
const MAX_SOUGHT_NAME_LEN: u64 = 1024;

impl Salvager {
    /// The next offset where two rows, or a row and the table's end, stand.
    pub(super) fn find_row(&mut self, from: u64, arity: usize) -> Result<Option<u64>> {
        let family = self.family;
        self.seek_first(from, |c| {
            walk_plain_row(c, arity)?;
            let mut tail = c.clone();
            let row_follows = walk_plain_row(c, arity).is_ok();
            if !row_follows {
                let read = decode::table_tail(&mut tail, family);
                reach(c, tail);
                read?;
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
        let mut next = from;
        while next < end {
            // What is sought begins with a count or a length, of 8 bytes; in a
            // hole those are 0.
            let held = self.window.held_from(next)?;
            let at = next.max((held + 1).saturating_sub(8));
            next = at + 1;
            self.window.seek(at);
            let tried = self.window.peek(self.budget.reach(), |c| {
                let fits = fits(c);
                self.budget.spend(c.position());
                fits
            });
            if at.is_multiple_of(64) {
                self.window.file().go_on()?;
            }
            if let Ok(value) = tried? {
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
    // In zeros a name without a letter would stand everywhere.
    if len == 0 || len > MAX_SOUGHT_NAME_LEN {
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
    let read = database(c, family);
    reach(c, table);
    read.map(|()| Landmark::Database)
}

/// A database's own name and first table.
fn database(c: &mut Cursor<'_>, family: Family) -> Result<(), Flaw> {
    c.str()?;
    match c.u64()? {
        0 => c.vec(16, decode::enum_type).map(|_| ())?,
        _ => {
            c.str()?;
            decode::table_head(c, family)?;
        }
    }
    Ok(())
}

/// Puts a cursor to where another one has read on, so that it tells what a try has
/// cost.
fn reach<'a>(c: &mut Cursor<'a>, other: Cursor<'a>) {
    if other.position() > c.position() {
        *c = other;
    }
}
