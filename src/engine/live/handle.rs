//! One table of a store that is being written: readers of one table do not
//! wait for another.

use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::codec::{ByteWriter, Cursor, RowBuffer};
use crate::engine::log::Owner;
use crate::engine::pages::address::RowId;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{decode_row, encode_value};
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::LiveTable;
use crate::error::{Error, Result};
use crate::model::{Row, RowStream, Table, ValueRef};

/// A table of a [`LiveStore`](super::LiveStore).
#[derive(Debug)]
pub struct TableHandle {
    pub(super) owner: Owner,
    pub(super) place: TablePlace,
    pub(super) schema: Table,
    state: RwLock<TableState>,
}

/// What changes of a table.
pub(super) struct TableState {
    pub live: Box<dyn LiveTable>,
    pub sequences: Vec<(String, i64)>,
    /// Whether anything changed since the last checkpoint.
    pub changed: bool,
}

impl fmt::Debug for TableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableState").finish_non_exhaustive()
    }
}

impl TableHandle {
    pub(super) fn new(
        owner: Owner,
        place: TablePlace,
        schema: Table,
        live: Box<dyn LiveTable>,
    ) -> Self {
        TableHandle {
            owner,
            place,
            state: RwLock::new(TableState {
                live,
                sequences: schema.sequences.clone(),
                changed: false,
            }),
            schema,
        }
    }

    /// The table as it was created; sequences may have gone on since.
    pub fn schema(&self) -> &Table {
        &self.schema
    }

    /// A view of the rows. Changes of this table wait until it is dropped.
    pub fn read(&self) -> TableReader<'_> {
        TableReader {
            handle: self,
            state: self.state.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, TableState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of a table while nobody changes them.
#[derive(Debug)]
pub struct TableReader<'h> {
    handle: &'h TableHandle,
    state: RwLockReadGuard<'h, TableState>,
}

impl TableReader<'_> {
    pub(super) fn counts(&self) -> TableCounts {
        self.state.live.counts()
    }

    /// All row versions.
    pub fn row_count(&self) -> u64 {
        self.counts().rows
    }

    /// The next value by column, as far as columns have a sequence.
    pub fn sequences(&self) -> &[(String, i64)] {
        &self.state.sequences
    }

    /// Row versions that a user sees.
    pub fn live_count(&self) -> u64 {
        self.counts().live
    }

    /// Every row version, in stored order.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn rows(&self) -> Result<Box<dyn RowStream + '_>> {
        self.state.live.rows()
    }

    /// Hands the name of every visible row to `take`: the first belongs to the
    /// first visible row of [`rows`](Self::rows), and so on.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn visible_ids(&self, take: &mut dyn FnMut(RowId)) -> Result<()> {
        self.state.live.visible_ids(take)
    }

    /// One row version; `None` when there is none of that name.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn row(&self, id: RowId) -> Result<Option<Row>> {
        let Some(bytes) = self.state.live.read(id)? else {
            return Ok(None);
        };
        decode(&self.handle.place, &bytes).map(Some)
    }

    /// The newest visible row of a primary key. Keys are equal when tag and
    /// value are (format page, "Values").
    ///
    /// # Errors
    /// `Usage` for a table without a primary key; damage; I/O errors.
    pub fn find(&self, key: &ValueRef<'_>) -> Result<Option<(RowId, Row)>> {
        if self.handle.place.key.is_none() {
            let name = self.handle.schema.name.escape_debug();
            return Err(Error::Usage(format!("table {name} has no primary key")));
        }
        let mut bytes = ByteWriter::new();
        encode_value(&mut bytes, key);
        let Some(id) = self.state.live.find(bytes.as_slice())? else {
            return Ok(None);
        };
        Ok(self.row(id)?.map(|row| (id, row)))
    }
}

/// A row from its bytes.
fn decode(place: &TablePlace, bytes: &[u8]) -> Result<Row> {
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
    row.ok_or_else(|| Error::Usage("internal: a row that cannot be decoded".into()))
}
