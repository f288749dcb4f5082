//! The whole units of a damaged table: every row that stands in a page, block or
//! record whose checksum is right.

use std::collections::BTreeMap;

use super::sequence_places::SequencePlaces;
use crate::codec::{Cursor, RowBuffer};
use crate::engine::pages::frame::Piece;
use crate::engine::rows::block::WholeRow;
use crate::engine::rows::codec::decode_row;
use crate::error::{Damage, Error, Result};
use crate::model::{RowBatch, RowStream};

/// Rows, or bytes that are lost.
#[derive(Debug)]
pub(in crate::engine) enum Unit {
    /// The rows of a whole unit.
    Rows(Vec<WholeRow>),
    /// What is wrong, and how many bytes it takes with it.
    Lost(Damage, u64),
}

/// A walk over the units of a table, in stored order.
pub(in crate::engine) trait WholeUnits {
    /// The next unit; `None` after the last one.
    ///
    /// # Errors
    /// I/O errors; damage is a unit.
    fn next_unit(&mut self) -> Result<Option<Unit>>;
}

/// A table without files: what is wrong, once.
pub(in crate::engine) struct NoUnits(pub Option<Damage>);

impl WholeUnits for NoUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        Ok(self.0.take().map(|damage| Unit::Lost(damage, 0)))
    }
}

/// What the log has beyond the files of a damaged table.
#[derive(Debug, Default)]
pub(in crate::engine) struct Overlay {
    /// The xmax of versions that were ended, by the row's name.
    pub ended: BTreeMap<u64, u64>,
    /// New rows.
    pub inserted: Vec<WholeRow>,
    /// Where the sequences of the table are.
    pub sequence_places: SequencePlaces,
}

/// The rows of whole units as a stream.
pub(in crate::engine) struct WholeRows<'t> {
    units: Box<dyn WholeUnits + 't>,
    overlay: &'t Overlay,
    arity: usize,
    /// Whether the rows of the log were handed out.
    over: bool,
    rows: Vec<WholeRow>,
    decoded: RowBuffer,
}

impl<'t> WholeRows<'t> {
    /// The rows of units, with what the log has beyond them.
    pub(in crate::engine) fn new(
        units: Box<dyn WholeUnits + 't>,
        overlay: &'t Overlay,
        arity: usize,
    ) -> Self {
        WholeRows {
            units,
            overlay,
            arity,
            over: false,
            rows: Vec::new(),
            decoded: RowBuffer::default(),
        }
    }

    /// Takes in the next rows; false after the last ones. What is lost on the
    /// way goes to `lost`.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn advance(&mut self, lost: &mut dyn FnMut(Damage, u64)) -> Result<bool> {
        while !self.over {
            let unit = match self.units.next_unit() {
                // Behind it nothing can be found; the other tables stay.
                Err(Error::Damage(damage)) => {
                    lost(*damage, 0);
                    None
                }
                unit => unit?,
            };
            self.rows = match unit {
                Some(Unit::Rows(rows)) => rows,
                Some(Unit::Lost(damage, len)) => {
                    lost(damage, len);
                    continue;
                }
                None => {
                    self.over = true;
                    self.overlay.inserted.clone()
                }
            };
            let (arity, decoded) = (self.arity, &mut self.decoded);
            self.rows.retain(|row| {
                decoded.clear();
                decode_row(&mut Cursor::new(&row.bytes), arity, decoded).is_ok()
            });
            for row in &mut self.rows {
                let ended = self.overlay.ended.get(&row.id.0).copied();
                row.xmax = row.xmax.or(ended);
            }
            if !self.rows.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rows that were taken in.
    ///
    /// # Errors
    /// Damage of a row that can be walked but not read.
    pub(in crate::engine) fn batch(&mut self) -> Result<RowBatch<'_>> {
        self.decoded.clear();
        for row in &self.rows {
            let piece = Piece {
                path: std::path::Path::new(""),
                offset: 0,
                bytes: &row.bytes,
            };
            let mut c = Cursor::new(&row.bytes);
            let decoded = decode_row(&mut c, self.arity, &mut self.decoded);
            decoded.map_err(|flaw| piece.flaw(flaw))?;
        }
        let mut batch = self.decoded.batch();
        for (position, row) in self.rows.iter().enumerate() {
            if let Some(xmax) = row.xmax {
                batch.end_version(position, xmax);
            }
        }
        Ok(batch)
    }
}

impl RowStream for WholeRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        match self.advance(&mut |_, _| {})? {
            true => self.batch().map(Some),
            false => Ok(None),
        }
    }
}
