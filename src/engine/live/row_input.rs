//! A row from values to bytes and back.

use super::table_slot::TableSlot;
use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{
    MAX_ROW_LEN, TextArena, decode_row, encode_row, encode_value, walk_row,
};
use crate::error::{Error, Result};
use crate::model::{Row, RowBatch, RowRef, ValueRef};

/// Most bytes that ending a row adds to it: its xmax.
const MAX_END_LEN: u64 = 10;

/// A new row as it is stored, and its key.
pub(super) struct NewRow {
    pub bytes: Vec<u8>,
    /// What no second visible row may have; `None` also for NULL, which equals
    /// nothing.
    key: Option<Vec<u8>>,
}

impl NewRow {
    /// A row of a table, made by `transaction`.
    ///
    /// # Errors
    /// `WrongArity`; `RowTooLong`.
    pub(super) fn new(slot: &TableSlot, values: &[ValueRef<'_>], transaction: u64) -> Result<Self> {
        let expected = slot.schema.columns.len();
        if values.len() != expected {
            return Err(Error::WrongArity {
                table: slot.shown_name(),
                found: values.len(),
                expected,
            });
        }
        let mut row = ByteWriter::new();
        let version = RowRef {
            values,
            xmin: transaction,
            xmax: None,
        };
        encode_row(&mut row, &version);
        let (len, most) = (row.len() as u64, MAX_ROW_LEN - MAX_END_LEN);
        if len > most {
            let table = slot.shown_name();
            return Err(Error::RowTooLong { table, len, most });
        }
        let key = slot.place.key.and_then(|key| values.get(key));
        let key = key.filter(|key| **key != ValueRef::Null);
        Ok(NewRow {
            bytes: row.into_vec(),
            key: key.map(|key| {
                let mut bytes = ByteWriter::new();
                encode_value(&mut bytes, key);
                bytes.into_vec()
            }),
        })
    }

    /// Refuses a key that another visible row has than `own`.
    ///
    /// # Errors
    /// `KeyTaken`; damage; I/O errors.
    pub(super) fn check_key(&self, slot: &TableSlot, own: Option<RowId>) -> Result<()> {
        let key = self.key.as_deref();
        let taken = key.map_or(Ok(None), |key| slot.live.find(key))?;
        if taken.is_none() || taken == own {
            return Ok(());
        }
        Err(Error::KeyTaken {
            table: slot.shown_name(),
        })
    }
}

/// A row from its bytes.
///
/// # Errors
/// Damage.
pub(super) fn decode(place: &TablePlace, bytes: &[u8]) -> Result<Row> {
    let path = place.file("");
    let piece = Piece {
        path: &path,
        offset: 0,
        bytes,
    };
    let walked = walk_row(&mut Cursor::new(bytes), place.arity);
    let mut arena = vec![0; walked.map_err(|flaw| piece.flaw(flaw))?.text_len];
    let mut batch = RowBatch::new();
    let mut arena = TextArena::new(&mut arena);
    let mut c = Cursor::new(bytes);
    decode_row(&mut c, place.arity, &mut arena, &mut batch).map_err(|flaw| piece.flaw(flaw))?;
    let row = batch.rows().next().map(|row| row.to_owned());
    row.ok_or_else(|| Error::Internal("a row that was walked cannot be decoded".into()))
}
