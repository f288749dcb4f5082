//! Streams a table's stored rows with what the tail changed, then the rows that
//! the tail appended; whole or in parts.

use std::ops::Range;

use crate::codec::{RowValues, buffer_packed};
use crate::error::{Error, Result};
use crate::model::{PackedRow, PlainBuffer, PlainRows, RowBatch, RowPart, RowStream, ValueRef};

use super::replay::{ColumnOrigin, TableState};
use super::stored::Piece;

/// Appended rows of a part.
const APPENDED_ROWS_PER_PART: usize = 1024;

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
    },
    Appended(&'o [PackedRow]),
}

impl Reading<'_> {
    fn is_over(&self) -> bool {
        match self {
            Reading::Stored {
                next_index, end, ..
            } => next_index >= end,
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
            let range = index(part.from)..index(part.to);
            return Reading::Appended(self.state.appended.get(range).unwrap_or_default());
        };
        let (rows, indexes) = piece.rows.open_part(index(part.from));
        let range = piece.first_index.saturating_add(indexes.start)
            ..piece.first_index.saturating_add(indexes.end);
        Reading::Stored {
            rows,
            next_index: range.start,
            end: range.end,
            unchanged: self.state.is_unchanged(range),
        }
    }
}

fn too_few() -> Error {
    Error::Usage("internal: fewer rows than were counted".into())
}

impl RowStream for OverlayReader<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.advance();
        match &mut self.current {
            None => Ok(None),
            Some(Reading::Stored {
                rows,
                next_index,
                unchanged,
                ..
            }) => {
                let batch = rows.next_batch()?.ok_or_else(too_few)?;
                let first = *next_index;
                *next_index = first.saturating_add(batch.len() as u64);
                Ok(Some(match unchanged {
                    true => batch,
                    false => self.state.changed(batch, first),
                }))
            }
            Some(Reading::Appended(rows)) => {
                let mut batch = RowBatch::new();
                for row in std::mem::take(rows) {
                    row.values().for_each(|value| batch.push_value(value));
                    batch.end_row(row.xmin, row.xmax);
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
                buffer_packed(std::mem::take(rows), buffer);
                Ok(Some(buffer.rows()))
            }
        }
    }
}

impl TableState {
    /// Whether stored rows of some indexes pass through as they stand.
    fn is_unchanged(&self, indexes: Range<u64>) -> bool {
        let in_place = self.columns.iter().enumerate();
        let mut in_place = in_place.map(|(i, origin)| *origin == ColumnOrigin::Stored(i));
        // A column that was dropped leaves fewer than were stored.
        let complete = self.columns.len() == self.stored_columns;
        complete && in_place.all(|same| same) && self.dead.range(indexes).next().is_none()
    }

    /// Snapshot rows as they are now: columns moved, versions marked dead.
    fn changed<'b>(&self, batch: RowBatch<'b>, first: u64) -> RowBatch<'b> {
        let mut changed = RowBatch::new();
        for (index, (values, xmin, xmax)) in (first..).zip(batch.into_rows()) {
            for origin in &self.columns {
                let stored = match origin {
                    ColumnOrigin::Stored(at) => values.get(*at).copied(),
                    ColumnOrigin::Added => None,
                };
                changed.push_value(stored.unwrap_or(ValueRef::Null));
            }
            changed.end_row(xmin, self.dead.get(&index).copied().or(xmax));
        }
        changed
    }
}
