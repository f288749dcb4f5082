//! Changes of rows.

use std::sync::Arc;

use super::handle::{TableHandle, TableState};
use super::store::{LiveStore, Writer};
use crate::codec::{ByteWriter, pack_row};
use crate::engine::log::{EndedVersion, Entry, Inserted};
use crate::engine::pages::address::RowId;
use crate::engine::rows::codec::{MAX_ROW_LEN, encode_row};
use crate::engine::table::Ended;
use crate::error::{Error, Result};
use crate::model::ValueRef;

/// A row as it is stored, and its key.
struct Encoded {
    row: Vec<u8>,
    /// What no second visible row may have; `None` also for NULL, which equals
    /// nothing.
    key: Option<Vec<u8>>,
}

impl Encoded {
    fn new(table: &TableHandle, values: &[ValueRef<'_>], transaction: u64) -> Result<Self> {
        let name = table.schema().name.escape_debug();
        if values.len() != table.schema().columns.len() {
            return Err(Error::Usage(format!(
                "a row of {} values for table {name}, which has {} columns",
                values.len(),
                table.schema().columns.len()
            )));
        }
        let plain = pack_row(values.iter().copied(), transaction, None);
        let mut row = ByteWriter::new();
        let has_value = |at: &usize| values.get(*at).is_some_and(|key| !key.is_null());
        let key = table.place.key.filter(has_value);
        let of_key = encode_row(&mut row, &plain.as_row(), key);
        let row = row.into_vec();
        // Ending it must not make it too long.
        if row.len() as u64 + 10 > MAX_ROW_LEN {
            return Err(Error::Usage(format!(
                "a row of {} bytes for table {name}, expected at most {MAX_ROW_LEN}",
                row.len()
            )));
        }
        let key = of_key.filter(|_| key.is_some());
        let key = key.and_then(|key| row.get(key)).map(<[u8]>::to_vec);
        Ok(Encoded { row, key })
    }

    /// Refuses a key that another visible row has.
    fn check_key(&self, table: &TableHandle, state: &TableState, own: Option<RowId>) -> Result<()> {
        let key = self.key.as_deref();
        let taken = key.map_or(Ok(None), |key| state.live.find(key))?;
        if taken.is_none() || taken == own {
            return Ok(());
        }
        Err(Error::KeyTaken {
            table: table.schema().name.escape_debug().to_string(),
        })
    }
}

impl LiveStore {
    /// Adds a row. `transaction` is written as its xmin. Values are stored as
    /// they are given; of the constraints only the primary key is held.
    ///
    /// # Errors
    /// `Usage` for a row that does not fit the table, `KeyTaken`; damage; I/O
    /// errors.
    pub fn insert(
        &self,
        table: &Arc<TableHandle>,
        values: &[ValueRef<'_>],
        transaction: u64,
    ) -> Result<RowId> {
        let row = Encoded::new(table, values, transaction)?;
        let mut writer = self.writer_of(table)?;
        let mut state = table.write();
        row.check_key(table, &state, None)?;
        let inserted = state.live.insert(&row.row, None);
        let id = writer.need(inserted)?;
        let entry = Entry::Insert(Inserted { id, row: row.row });
        self.changed(&mut writer, table, state, &entry)?;
        Ok(id)
    }

    /// Ends a visible row and adds its next version. `transaction` is written
    /// as xmax of the one and xmin of the other.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); `NoSuchRow`.
    pub fn update(
        &self,
        table: &Arc<TableHandle>,
        id: RowId,
        values: &[ValueRef<'_>],
        transaction: u64,
    ) -> Result<RowId> {
        let row = Encoded::new(table, values, transaction)?;
        let mut writer = self.writer_of(table)?;
        let mut state = table.write();
        row.check_key(table, &state, Some(id))?;
        let ended = end(&mut writer, &mut state, table, id, transaction)?;
        let inserted = state.live.insert(&row.row, None);
        let id = writer.need(inserted)?;
        let entry = Entry::Update(ended, Inserted { id, row: row.row });
        self.changed(&mut writer, table, state, &entry)?;
        Ok(id)
    }

    /// Ends a visible row. `transaction` is written as its xmax.
    ///
    /// # Errors
    /// `NoSuchRow`; damage; I/O errors.
    pub fn delete(&self, table: &Arc<TableHandle>, id: RowId, transaction: u64) -> Result<()> {
        let mut writer = self.writer_of(table)?;
        let mut state = table.write();
        let ended = end(&mut writer, &mut state, table, id, transaction)?;
        self.changed(&mut writer, table, state, &Entry::End(ended))
    }

    /// The next value of a column's sequence, which goes on by one. A sequence
    /// that is not there yet starts with 1.
    ///
    /// # Errors
    /// `Usage` for a column that is not there, or after the last value; I/O
    /// errors.
    pub fn next_value(&self, table: &Arc<TableHandle>, column: &str) -> Result<i64> {
        let mut writer = self.writer_of(table)?;
        let mut state = table.write();
        if table.schema().column_index(column).is_none() {
            let name = table.schema().name.escape_debug();
            let column = column.escape_debug();
            return Err(Error::Usage(format!("no column {column} in table {name}")));
        }
        let sequence = state.sequences.iter().position(|(name, _)| name == column);
        let value = match sequence.and_then(|at| state.sequences.get(at)) {
            Some((_, next)) => *next,
            None => 1,
        };
        let next = value
            .checked_add(1)
            .ok_or_else(|| Error::Usage("the sequence is at its last value".into()))?;
        match sequence.and_then(|at| state.sequences.get_mut(at)) {
            Some((_, stored)) => *stored = next,
            None => state.sequences.push((column.to_owned(), next)),
        }
        let column = column.to_owned();
        self.changed(&mut writer, table, state, &Entry::Sequence { column, next })?;
        Ok(value)
    }

    /// Makes every change so far durable, all with one sync.
    ///
    /// # Errors
    /// I/O errors.
    pub fn sync(&self) -> Result<()> {
        let mut writer = self.writer()?;
        let synced = writer.log.sync();
        writer.need(synced)
    }

    /// The right to change a table, which must be one of this store still.
    fn writer_of(&self, table: &Arc<TableHandle>) -> Result<std::sync::MutexGuard<'_, Writer>> {
        let writer = self.writer()?;
        let catalog = self.catalog();
        let current = catalog.tables.get(&table.owner);
        if current.is_some_and(|current| Arc::ptr_eq(current, table)) {
            return Ok(writer);
        }
        let name = table.schema().name.escape_debug();
        Err(Error::Usage(format!(
            "table {name} was dropped or changed since; look it up again"
        )))
    }

    /// Writes a change that was made to the log, and makes a checkpoint when it
    /// is time.
    fn changed(
        &self,
        writer: &mut Writer,
        table: &TableHandle,
        mut state: std::sync::RwLockWriteGuard<'_, TableState>,
        entry: &Entry,
    ) -> Result<()> {
        state.changed = true;
        let logged = writer.log.append(table.owner, entry);
        writer.need(logged)?;
        writer.pending += 1;
        let large = state.live.pending_len() >= self.options.pending_limit;
        drop(state);
        if large || writer.pending >= self.options.checkpoint_every.max(1) {
            let made = self.make_checkpoint(writer);
            writer.need(made)?;
        }
        Ok(())
    }
}

fn end(
    writer: &mut Writer,
    state: &mut TableState,
    table: &TableHandle,
    id: RowId,
    xmax: u64,
) -> Result<EndedVersion> {
    let ended = state.live.end(id, xmax, None);
    match writer.need(ended)? {
        Ended::Yes { moved } => Ok(EndedVersion { id, xmax, moved }),
        Ended::Not => Err(Error::NoSuchRow {
            table: table.schema().name.escape_debug().to_string(),
        }),
    }
}
