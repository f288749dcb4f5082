//! Gives a table other columns or another name.

use std::borrow::Cow;

use super::keys::{Age, KeyCheck, index_key};
use super::table_slot::TableId;
use super::transaction::Transaction;
use crate::codec::RowBuffer;
use crate::engine::log::Owner;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::error::{Error, Result};
use crate::model::{RowBatch, RowStream, Table, Value};

impl Transaction<'_> {
    /// Gives a table other columns or another name. `change` makes each row
    /// version fit them, which is given its values by the columns so far. Its
    /// [`TableId`] and names of its rows mean nothing afterwards.
    ///
    /// # Errors
    /// `DatabaseMissing`, `TableMissing`, `NameTaken`, `WrongArity` when a row
    /// does not fit the new columns, or `KeyTaken` when one gets a key that
    /// another visible row has, and nothing is changed; `TransactionFailed`;
    /// damage; I/O errors.
    pub fn alter_table(
        &mut self,
        database: &str,
        table: &str,
        schema: Table,
        mut change: impl FnMut(Vec<Value>) -> Vec<Value>,
    ) -> Result<TableId> {
        self.check()?;
        let found = self.store.catalog.database(database)?;
        let at = found.position(table)?;
        if schema.name != table {
            found.check_free(&schema.name)?;
        }
        let owner = found.owner(found.metadata.next_id()?);
        let old = found.metadata.tables.get(at);
        let old = found.owner(old.map(|entry| entry.id).unwrap_or_default());
        let home = self.home(found, owner, &schema);
        let place = self.store.staging_place(&home)?;
        let written = self.write_altered(old, &place, &schema, &mut change);
        let counts = written.inspect_err(|_| self.store.unstage(&place))?;
        // Nothing is refused from here on.
        self.catalog_change().note_database(owner.database);
        if let Some(slot) = self.store.catalog.take(old) {
            self.catalog_change().note_gone(&slot);
        }
        let found = self.store.catalog.database_mut(database)?;
        if let Some(entry) = found.metadata.tables.get_mut(at) {
            entry.id = owner.table;
            entry.counts = counts;
            entry.schema = Cow::Owned(schema.clone());
        }
        Ok(self.stage(owner, (place, home), schema, counts))
    }

    /// Writes the rows of a table to `place`, made to fit `schema`.
    fn write_altered(
        &self,
        old: Owner,
        place: &TablePlace,
        schema: &Table,
        change: &mut impl FnMut(Vec<Value>) -> Vec<Value>,
    ) -> Result<TableCounts> {
        let slot = self.store.catalog.tables.get(&old);
        let slot = slot.ok_or_else(|| Error::Internal("a table without a place".into()))?;
        let mut keys = KeyCheck::new(&self.store.disk, &self.store.root);
        let mut rows = Altered {
            rows: slot.live.rows()?,
            change,
            table: schema,
            key_before: slot.place.key,
            keys: &mut keys,
            altered: RowBuffer::default(),
        };
        let files = &self.store.files;
        let counts = files.write(place, place.address.lsns.first, &mut rows)?;
        drop(rows);
        keys.finish(&schema.name)?;
        Ok(counts)
    }
}

/// Rows made to fit other columns.
struct Altered<'r, F> {
    rows: Box<dyn RowStream + 'r>,
    change: &'r mut F,
    table: &'r Table,
    /// Position of the primary key so far.
    key_before: Option<usize>,
    keys: &'r mut KeyCheck,
    altered: RowBuffer,
}

impl<F: FnMut(Vec<Value>) -> Vec<Value>> RowStream for Altered<'_, F> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.rows.next_batch()? else {
            return Ok(None);
        };
        self.altered.clear();
        for row in batch.rows() {
            let values = row.to_owned().values;
            let before = self.key_before.and_then(|key| values.get(key)).cloned();
            let values = (self.change)(values);
            let (found, expected) = (values.len(), self.table.columns.len());
            if found != expected {
                return Err(Error::WrongArity {
                    table: self.table.name.escape_debug().to_string(),
                    found,
                    expected,
                });
            }
            let key = self.table.primary_key().and_then(|key| values.get(key));
            if let Some(key) = key.filter(|_| row.is_visible()) {
                let key = index_key(&key.as_ref());
                // Zeros of either sign are equal and not the same key.
                let age = match before.is_some_and(|before| index_key(&before.as_ref()) == key) {
                    true => Age::Old,
                    false => Age::New,
                };
                self.keys.add(key, age)?;
            }
            let values = values.iter().map(Value::as_ref);
            self.altered.push(values, row.xmin, row.xmax);
        }
        Ok(Some(self.altered.batch()))
    }
}
