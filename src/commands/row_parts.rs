//! The visible rows of a table, looked at on several threads.

use crate::error::Result;
use crate::model::{RowRef, RowSource};
use crate::work::{Threads, in_order};

/// What was found in a part, and how many row versions it has, of which so many are
/// visible.
struct Looked<P> {
    found: Option<P>,
    rows: u64,
    live: u64,
}

impl<P> Default for Looked<P> {
    fn default() -> Self {
        Looked {
            found: None,
            rows: 0,
            live: 0,
        }
    }
}

/// Looks at every visible row of a table, in parts that each begin with a `new`
/// finding: `look` is told the number of the row version in its part. What was found
/// goes to `append` in the order of the rows, with the number of those before it, so
/// that the threads do not show in it.
///
/// # Errors
/// When rows cannot be read, or are not as many as is stored.
pub(in crate::commands) fn visible_rows<P: Send>(
    (rows, threads): (&dyn RowSource, Threads),
    (d, t): (usize, usize),
    new: impl Fn() -> P + Sync,
    look: impl Fn(&mut P, u64, &RowRef<'_>) + Sync,
    mut append: impl FnMut(P, u64),
) -> Result<()> {
    let parts = rows.parts(d, t)?;
    let read = |part: usize, looked: &mut Looked<P>| -> Result<()> {
        *looked = Looked::default();
        let found = looked.found.insert(new());
        let Some(part) = parts.get(part) else {
            return Ok(());
        };
        let mut stream = rows.open_part(d, t, part)?;
        while let Some(batch) = stream.next_batch()? {
            for (row, index) in batch.rows().zip(looked.rows..) {
                if row.is_visible() {
                    looked.live += 1;
                    look(found, index, &row);
                }
            }
            looked.rows = looked.rows.saturating_add(batch.len() as u64);
        }
        Ok(())
    };
    let (mut before, mut live) = (0_u64, 0_u64);
    in_order(threads, parts.len(), read, |_, looked| {
        if let Some(found) = looked.found.take() {
            append(found, before);
        }
        before = before.saturating_add(looked.rows);
        live = live.saturating_add(looked.live);
        Ok(())
    })?;
    rows.check_total(d, t, before, live)
}
