//! The visible rows of any stream: what every way out of a table without its
//! dead versions reads.

use super::{PlainBuffer, PlainRows, RowBatch, RowStream};
use crate::error::Result;

/// The visible rows of a stream. A batch may be empty: its rows were all dead.
pub struct VisibleRows<'r> {
    rows: Box<dyn RowStream + 'r>,
    /// Plain rows of the stream, dead ones too.
    all: PlainBuffer,
}

impl<'r> VisibleRows<'r> {
    /// Those of `rows`.
    pub fn new(rows: Box<dyn RowStream + 'r>) -> Self {
        VisibleRows {
            rows,
            all: PlainBuffer::default(),
        }
    }
}

impl RowStream for VisibleRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.rows.next_batch()? else {
            return Ok(None);
        };
        let mut visible = RowBatch::new();
        for (values, xmin, xmax) in batch.into_rows() {
            if xmax.is_none() {
                values
                    .into_iter()
                    .for_each(|value| visible.push_value(value));
                visible.end_row(xmin, xmax);
            }
        }
        Ok(Some(visible))
    }

    fn offers_plain(&mut self) -> Result<bool> {
        self.rows.offers_plain()
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        self.all.clear();
        let Some(all) = self.rows.next_plain(&mut self.all)? else {
            return Ok(None);
        };
        if all.iter().all(|row| row.xmax.is_none()) {
            return Ok(Some(all));
        }
        for row in all.iter().filter(|row| row.xmax.is_none()) {
            push(buffer, row.values, row.xmin);
        }
        Ok(Some(buffer.rows()))
    }
}

/// Adds a visible row of these plain values.
fn push(buffer: &mut PlainBuffer, values: &[u8], xmin: u64) {
    let len = values.len() + 9;
    let room = buffer.room(len).split_at_mut_checked(values.len());
    if let Some((place, rest)) = room
        && let Some((number, rest)) = rest.split_first_chunk_mut()
        && let Some((no_xmax, _)) = rest.split_first_mut()
    {
        place.copy_from_slice(values);
        *number = xmin.to_le_bytes();
        *no_xmax = 0;
    }
    buffer.filled_row(len, true);
}
