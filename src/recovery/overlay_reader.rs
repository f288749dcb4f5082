//! Streams a table's stored rows with what the tail changed, then the rows that
//! the tail appended; whole or in parts.

use std::ops::Range;

use crate::codec::{RowValues, buffer_packed, pack_row};
use crate::error::{Error, Result};
use crate::model::{PackedRow, PlainBuffer, PlainRows, RowBatch, RowPart, RowStream, ValueRef};

use super::replay::{TableState, now};
use super::stored::Piece;

/// Appended rows of a part.
const APPENDED_ROWS_PER_PART: usize = 1024;
/// Most values of a batch that are not in the files: of a table with very many new
/// columns, the Nulls of few rows at a time.
const MAX_BATCH_VALUES: usize = 64 * 1024;

/// The parts of a table: those of its pieces, then the appended rows.
pub(super) fn parts(state: &TableState, pieces: &[Piece]) -> Vec<RowPart> {
    let mut parts = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let count = piece.rows.part_count() as u64;
        parts.extend((0..count).map(|from| RowPart {
            place,
            from,
            to: from + 1,
        }));
    }
    let place = pieces.len();
    let appended = state.appended.len();
    let starts = (0..appended).step_by(APPENDED_ROWS_PER_PART);
    parts.extend(starts.map(|from| RowPart {
        place,
        from: from as u64,
        to: appended.min(from + APPENDED_ROWS_PER_PART) as u64,
    }));
    if parts.is_empty() {
        let (from, to) = (0, 0);
        parts.push(RowPart { place, from, to });
    }
    parts
}

/// Streams parts of a table, one after the other.
pub(super) struct OverlayReader<'o> {
    state: &'o TableState,
    pieces: &'o [Piece],
    parts: std::vec::IntoIter<RowPart>,
    current: Option<Reading<'o>>,
}

/// A part that is being read.
enum Reading<'o> {
    Stored {
        rows: Box<dyn RowStream + 'o>,
        next_index: u64,
        end: u64,
        unchanged: bool,
        /// Rows that were read and do not fit into a batch yet, as they are now
        /// but for their columns.
        waiting: Vec<PackedRow>,
        /// How many of them were handed out.
        handed_out: usize,
    },
    /// Positions of appended rows.
    Appended(Range<usize>),
}

impl Reading<'_> {
    fn is_over(&self) -> bool {
        match self {
            Reading::Stored {
                next_index,
                end,
                waiting,
                handed_out,
                ..
            } => next_index >= end && *handed_out == waiting.len(),
            Reading::Appended(rows) => rows.is_empty(),
        }
    }
}

impl<'o> OverlayReader<'o> {
    pub(super) fn new(state: &'o TableState, pieces: &'o [Piece], parts: Vec<RowPart>) -> Self {
        OverlayReader {
            state,
            pieces,
            parts: parts.into_iter(),
            current: None,
        }
    }

    /// Moves to the next part when the current one is read.
    fn advance(&mut self) {
        while self.current.as_ref().is_none_or(Reading::is_over) {
            let Some(part) = self.parts.next() else {
                self.current = None;
                return;
            };
            self.current = Some(self.open(&part));
        }
    }

    fn open(&self, part: &RowPart) -> Reading<'o> {
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let Some(piece) = self.pieces.get(part.place) else {
            let end = index(part.to).min(self.state.appended.len());
            return Reading::Appended(index(part.from).min(end)..end);
        };
        let (rows, indexes) = piece.rows.open_part(index(part.from));
        let range = piece.first_index.saturating_add(indexes.start)
            ..piece.first_index.saturating_add(indexes.end);
        Reading::Stored {
            rows,
            next_index: range.start,
            end: range.end,
            unchanged: self.state.is_unchanged(range),
            waiting: Vec::new(),
            handed_out: 0,
        }
    }
}

fn too_few() -> Error {
    Error::Internal("fewer rows than were counted".into())
}

impl RowStream for OverlayReader<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.advance();
        let state = self.state;
        match &mut self.current {
            None => Ok(None),
            Some(Reading::Stored {
                rows,
                next_index,
                unchanged,
                waiting,
                handed_out,
                ..
            }) => {
                if *handed_out < waiting.len() {
                    return Ok(Some(state.widened(waiting, handed_out)));
                }
                let batch = rows.next_batch()?.ok_or_else(too_few)?;
                let first = *next_index;
                *next_index = first.saturating_add(batch.len() as u64);
                if *unchanged {
                    return Ok(Some(batch));
                }
                let width = state.column_ids.len();
                if width <= state.stored_columns
                    || batch.len().saturating_mul(width) <= MAX_BATCH_VALUES
                {
                    return Ok(Some(state.changed(batch, first)));
                }
                let packed = (first..).zip(batch.rows()).map(|(index, row)| {
                    let xmax = state.dead.get(&index).copied().or(row.xmax);
                    pack_row(row.values.iter().copied(), row.xmin, xmax)
                });
                *waiting = packed.collect();
                *handed_out = 0;
                Ok(Some(state.widened(waiting, handed_out)))
            }
            Some(Reading::Appended(rows)) => {
                let mut batch = RowBatch::new();
                for at in state.next_appended(rows) {
                    state
                        .values_now(at)
                        .for_each(|value| batch.push_value(value));
                    if let Some(row) = state.appended.get(at) {
                        batch.end_row(row.xmin, row.xmax);
                    }
                }
                Ok(Some(batch))
            }
        }
    }

    fn offers_plain(&mut self) -> Result<bool> {
        self.advance();
        match &mut self.current {
            Some(Reading::Stored {
                rows, unchanged, ..
            }) => Ok(*unchanged && rows.offers_plain()?),
            Some(Reading::Appended(_)) => Ok(true),
            // At the end both ways say so.
            None => Ok(false),
        }
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        match &mut self.current {
            None => Ok(None),
            Some(Reading::Stored {
                rows, next_index, ..
            }) => {
                let rows = rows.next_plain(buffer)?.ok_or_else(too_few)?;
                *next_index = next_index.saturating_add(rows.len() as u64);
                Ok(Some(rows))
            }
            Some(Reading::Appended(rows)) => {
                let state = self.state;
                for at in state.next_appended(rows) {
                    let row = state.row_now(at);
                    buffer_packed(row.as_slice(), buffer);
                }
                Ok(Some(buffer.rows()))
            }
        }
    }
}

impl TableState {
    /// Whether stored rows of some indexes pass through as they stand.
    fn is_unchanged(&self, indexes: Range<u64>) -> bool {
        // A column that was dropped leaves fewer than were stored.
        let complete = self.column_ids.len() == self.stored_columns;
        let mut ids = self.column_ids.iter().enumerate();
        complete && ids.all(|(at, id)| at == *id) && self.dead.range(indexes).next().is_none()
    }

    /// Takes positions of as many appended rows as fit into a batch, one at least.
    fn next_appended(&self, rows: &mut Range<usize>) -> Range<usize> {
        let end = rows.end.min(rows.start.saturating_add(self.rows_a_batch()));
        std::mem::replace(&mut rows.start, end)..end
    }

    fn rows_a_batch(&self) -> usize {
        (MAX_BATCH_VALUES / self.column_ids.len().max(1)).max(1)
    }

    /// The next of the rows that wait, as many as fit, with the columns of now.
    fn widened<'b>(&self, waiting: &'b [PackedRow], handed_out: &mut usize) -> RowBatch<'b> {
        let from = *handed_out;
        *handed_out = waiting.len().min(from.saturating_add(self.rows_a_batch()));
        let mut batch = RowBatch::new();
        for row in waiting.get(from..*handed_out).unwrap_or_default() {
            let stored = (0..).zip(row.values());
            now(&self.column_ids, stored).for_each(|value| batch.push_value(value));
            batch.end_row(row.xmin, row.xmax);
        }
        batch
    }

    /// Snapshot rows as they are now: columns moved, versions marked dead.
    fn changed<'b>(&self, batch: RowBatch<'b>, first: u64) -> RowBatch<'b> {
        let mut changed = RowBatch::new();
        for (index, (values, xmin, xmax)) in (first..).zip(batch.into_rows()) {
            for id in &self.column_ids {
                let stored = values.get(*id).copied();
                changed.push_value(stored.unwrap_or(ValueRef::Null));
            }
            changed.end_row(xmin, self.dead.get(&index).copied().or(xmax));
        }
        changed
    }
}
