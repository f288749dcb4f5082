//! Streams a table's stored rows with what the tail changed, then the rows that
//! the tail appended; whole or in parts.

use std::ops::Range;

use crate::codec::RowBuffer;
use crate::error::{Error, Result};
use crate::model::{RowBatch, RowPart, RowStream};

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
    /// Rows with the columns of now.
    changed: RowBuffer,
}

/// A part that is being read.
enum Reading<'o> {
    Stored {
        rows: Box<dyn RowStream + 'o>,
        next_index: u64,
        end: u64,
        /// Rows with the columns that were stored, which came at once and are too
        /// many to be given the columns of now at once.
        waiting: RowBuffer,
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
            changed: RowBuffer::default(),
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
        Reading::Stored {
            rows,
            next_index: piece.first_index.saturating_add(indexes.start),
            end: piece.first_index.saturating_add(indexes.end),
            waiting: RowBuffer::default(),
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
        let (state, changed) = (self.state, &mut self.changed);
        changed.clear();
        match &mut self.current {
            None => return Ok(None),
            Some(Reading::Stored {
                rows,
                next_index,
                waiting,
                handed_out,
                ..
            }) => {
                if *handed_out == waiting.len() {
                    let mut batch = rows.next_batch()?.ok_or_else(too_few)?;
                    let first = *next_index;
                    *next_index = first.saturating_add(batch.len() as u64);
                    state.end_versions(&mut batch, first..*next_index);
                    if state.has_stored_columns() {
                        return Ok(Some(batch));
                    }
                    waiting.clear();
                    batch.rows().for_each(|row| waiting.push_row(&row));
                    *handed_out = 0;
                }
                let most = state.rows_a_batch();
                for row in waiting.batch().rows().skip(*handed_out).take(most) {
                    let values = now(state.column_ids(), (0..).zip(row.values()));
                    changed.push(values, row.xmin, row.xmax);
                }
                *handed_out += changed.len();
            }
            Some(Reading::Appended(rows)) => {
                for at in rows.by_ref().take(state.rows_a_batch()) {
                    if let Some(row) = state.appended.get(at) {
                        changed.push(state.values_now(at), row.xmin, row.xmax);
                    }
                }
            }
        }
        Ok(Some(changed.batch()))
    }
}

impl TableState {
    /// Whether the columns are those that were stored.
    fn has_stored_columns(&self) -> bool {
        // A column that was dropped leaves fewer than were stored.
        let complete = self.column_count() == self.stored_columns;
        complete && self.column_ids().eq(0..self.stored_columns)
    }

    /// Marks the versions of a batch dead that the tail ended, also those that the
    /// snapshot has as dead: the last one to write counts.
    fn end_versions(&self, batch: &mut RowBatch<'_>, indexes: Range<u64>) {
        for (index, xmax) in self.dead.range(indexes.clone()) {
            let position = usize::try_from(index - indexes.start).ok();
            let version = position.and_then(|at| batch.versions_mut().get_mut(at));
            if let Some(version) = version {
                version.xmax = Some(*xmax);
            }
        }
    }

    fn rows_a_batch(&self) -> usize {
        (MAX_BATCH_VALUES / self.column_count().max(1)).max(1)
    }
}
