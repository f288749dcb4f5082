//! A row from values to bytes and back.

use super::table_slot::TableSlot;
use crate::codec::{ByteWriter, Cursor, RowBuffer, pack_row};
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{MAX_ROW_LEN, decode_row, encode_row};
use crate::error::{Error, Result};
use crate::model::{Row, ValueRef};

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
        let plain = pack_row(values.iter().copied(), transaction, None);
        let mut row = ByteWriter::new();
        let has_value = |at: &usize| values.get(*at).is_some_and(|key| !key.is_null());
        let key = slot.place.key.filter(has_value);
        let of_key = encode_row(&mut row, &plain.as_row(), key);
        let (len, most) = (row.len() as u64, MAX_ROW_LEN - MAX_END_LEN);
        if len > most {
            let table = slot.shown_name();
            return Err(Error::RowTooLong { table, len, most });
        }
        let bytes = row.into_vec();
        let key = of_key.filter(|_| key.is_some());
        let key = key.and_then(|key| bytes.get(key)).map(<[u8]>::to_vec);
        Ok(NewRow { bytes, key })
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
    let mut rows = RowBuffer::default();
    let decoded = decode_row(&mut Cursor::new(bytes), place.arity, &mut rows);
    decoded.map_err(|flaw| piece.flaw(flaw))?;
    let row = rows.batch().rows().next().map(|row| row.to_owned());
    row.ok_or_else(|| Error::Internal("a row that was walked cannot be decoded".into()))
}
