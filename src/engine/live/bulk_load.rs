//! Adds a stream of rows to a table: its files are written anew, so that
//! however many rows there are, memory does not grow with them.

use super::keys::{Age, KeyCheck};
use super::table_slot::TableId;
use super::transaction::Transaction;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::error::{Error, Result};
use crate::model::RowStream;
use crate::work::Threads;

impl Transaction<'_> {
    /// Adds row versions as a stream gives them, with their xmin and xmax, and
    /// says how many they are. It takes the time to write the whole table anew,
    /// and memory for a part of it: better than [`insert`](Self::insert) from
    /// about as many rows on as the table has. Names of its rows mean nothing
    /// afterwards.
    ///
    /// # Errors
    /// `TableMissing`, `WrongArity`, `RowTooLong`, `KeyTaken` when a visible row
    /// has the key of another one, and those of the stream: nothing is changed;
    /// `TransactionFailed`; damage; I/O errors.
    pub fn load(&mut self, table: TableId, rows: &mut dyn RowStream) -> Result<u64> {
        self.check()?;
        let slot = self.store.catalog.slot(table)?;
        let home = slot.home.as_ref().unwrap_or(&slot.place).clone();
        let before = slot.live.counts().rows;
        let place = self.store.staging_place(&home)?;
        let written = self.write_loaded(table, &place, rows);
        let counts = written.inspect_err(|_| self.store.unstage(&place))?;
        // Nothing is refused from here on.
        self.catalog_change();
        let (catalog, with, stamps) = self.store.parts();
        let Some(old) = catalog.take(table.owner) else {
            return Err(Error::Internal("a table without a place".into()));
        };
        let (place, generation) = ((place, counts), stamps.next());
        let mut slot = with.slot(table, place, old.schema.clone(), generation);
        slot.home = Some(home);
        catalog.tables.insert(table.owner, slot);
        self.catalog_change().note_gone(&old);
        Ok(counts.rows.saturating_sub(before))
    }

    /// Writes the rows of a table and those that are added to it to `place`.
    fn write_loaded(
        &self,
        table: TableId,
        place: &TablePlace,
        rows: &mut dyn RowStream,
    ) -> Result<TableCounts> {
        let slot = self.store.catalog.slot(table)?;
        let mut keys = KeyCheck::new(&self.store.disk, &self.store.root);
        let (files, lsn) = (&self.store.files, place.address.lsns.first);
        let mut writer = files.start(place, lsn, Threads::ONE)?;
        let mut encoded = EncodedRows::default();
        for (mut rows, age) in [(slot.live.rows()?, Age::Old), (Box::new(rows), Age::New)] {
            while let Some(batch) = rows.next_batch()? {
                encoded.clear();
                encoded.add(&batch, place, place.key)?;
                writer.push(&encoded)?;
                let visible = encoded.rows().iter().map(|row| row.visible);
                let of_rows = encoded.keys().iter().zip(visible);
                let mut of_visible = of_rows.filter(|(_, visible)| *visible);
                of_visible.try_for_each(|(key, _)| keys.add(*key, age))?;
            }
        }
        let counts = writer.finish()?;
        keys.finish(&slot.schema.name)?;
        Ok(counts)
    }
}
