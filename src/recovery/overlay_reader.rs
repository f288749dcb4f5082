//! Streams a table's stored rows with what the tail changed, then the rows that
//! the tail appended.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::{Row, RowBatch, RowStream, ValueRef};

use super::replay::{ColumnOrigin, TableState};
use super::stored::Piece;

/// Appended rows handed out at once.
const APPENDED_ROWS_PER_BATCH: usize = 1024;

/// Streams a table's stored rows with the changes, then the appended rows.
pub(super) struct OverlayReader<'o> {
    state: &'o TableState,
    pieces: std::slice::Iter<'o, Piece>,
    current: Option<Reading<'o>>,
    appended: std::slice::Chunks<'o, Row>,
}

/// A piece that is being read.
struct Reading<'o> {
    rows: Box<dyn RowStream + 'o>,
    next_index: u64,
    end: u64,
    unchanged: bool,
}

impl<'o> OverlayReader<'o> {
    pub(super) fn new(state: &'o TableState, pieces: &'o [Piece]) -> Self {
        OverlayReader {
            state,
            pieces: pieces.iter(),
            current: None,
            appended: state.appended.chunks(APPENDED_ROWS_PER_BATCH),
        }
    }

    /// Moves to the next piece when the current one is read.
    fn advance(&mut self) {
        while self
            .current
            .as_ref()
            .is_none_or(|reading| reading.next_index >= reading.end)
        {
            let Some(piece) = self.pieces.next() else {
                self.current = None;
                return;
            };
            let range = piece.first_index..piece.first_index.saturating_add(piece.rows.count());
            self.current = Some(Reading {
                rows: piece.rows.open(),
                next_index: range.start,
                end: range.end,
                unchanged: self.state.is_unchanged(range),
            });
        }
    }
}

impl RowStream for OverlayReader<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.advance();
        if let Some(reading) = &mut self.current {
            let Some(batch) = reading.rows.next_batch()? else {
                return Err(Error::Usage(
                    "internal: fewer rows than were counted".into(),
                ));
            };
            let first = reading.next_index;
            reading.next_index = first.saturating_add(batch.len() as u64);
            return Ok(Some(match reading.unchanged {
                true => batch,
                false => self.state.changed(batch, first),
            }));
        }
        let Some(rows) = self.appended.next() else {
            return Ok(None);
        };
        let mut batch = RowBatch::new();
        for row in rows {
            row.values
                .iter()
                .for_each(|value| batch.push_value(value.as_ref()));
            batch.end_row(row.xmin, row.xmax);
        }
        Ok(Some(batch))
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
