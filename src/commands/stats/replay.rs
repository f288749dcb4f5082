//! The tail of a legacy log, written by a store of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::engine::{
    CreateOptions, LOG_DIR, Layout, LiveStore, Origin, RowId, StoreOptions, TableHandle,
    TableReader, create_on,
};
use crate::error::{Error, Result};
use crate::file::{LocalDisk, Progress, Scratch, WatchedDisk, Written, WrittenBytes};
use crate::legacy::{Family, Snapshot};
use crate::model::{Operation, PackedRow, Value, ValueRef};
use crate::recovery::{Effect, Overlay, advance_sequences};
use crate::work::Threads;

/// Some records of a log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordTotals {
    /// How many.
    pub records: u64,
    /// Their bytes with their frames, as the old server wrote them.
    pub bytes: u64,
}

impl RecordTotals {
    /// Counts one more.
    pub(super) fn add(&mut self, bytes: u64) {
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A record of the tail and what it did.
pub(super) struct ReplayedRecord<'d> {
    /// The database that it changed.
    pub database: &'d str,
    /// What it did.
    pub operation: &'d Operation,
    /// What a Delete wrote as xmax.
    pub xmax: u64,
    /// Its bytes in the log.
    pub len: u64,
}

/// What is written again, on top of what.
pub(super) struct ReplayedTail<'d> {
    /// The source.
    pub path: &'d Path,
    /// Its family.
    pub family: Family,
    /// The state before the tail.
    pub snapshot: &'d Snapshot,
    /// Of it the tables that the tail is about, which a store of ours starts from.
    pub touched: Snapshot,
    /// The tail, as far as it was applied.
    pub changes: Vec<ReplayedRecord<'d>>,
    /// How many threads convert the snapshot.
    pub threads: Threads,
    /// May say that the work is to stop.
    pub progress: &'d Progress,
    /// Whether the old server keeps rows out of the snapshot, in pages.
    pub rows_in_pages: bool,
}

/// Names of visible row versions by their index in the legacy table.
type Ids = BTreeMap<u64, RowId>;

/// Converts the state before the tail, applies the tail with a checkpoint after
/// every so many records and at the end, and counts what was written meanwhile
/// and which records the store refused.
///
/// # Errors
/// When the snapshot cannot be read, or converted; I/O errors.
pub(super) fn replay(
    tail: &ReplayedTail<'_>,
    layout: Layout,
    every: usize,
) -> Result<(WrittenBytes, RecordTotals)> {
    let scratch = Scratch::outside(tail.path)?;
    let written = Written::new(scratch.path().join(LOG_DIR));
    let mut replay = Replay::start(tail, layout, scratch.path(), &written)?;
    let before = written.now();
    let refused = replay.run(&tail.changes, every)?;
    let after = written.now();
    let bytes = WrittenBytes {
        log: after.log.saturating_sub(before.log),
        files: after.files.saturating_sub(before.files),
    };
    Ok((bytes, refused))
}

/// Has the indexes made that the changes need: that is done once, for however
/// many of them.
fn make_indexes(store: &LiveStore, changes: &[ReplayedRecord<'_>]) -> Result<()> {
    let tables = changes.iter().map(|c| (c.database, c.operation.table()));
    let tables: BTreeSet<_> = tables.collect();
    for (database, table) in tables {
        let handle = table.and_then(|table| store.table(database, table));
        let keyed = handle.filter(|handle| handle.schema().primary_key().is_some());
        if let Some(handle) = keyed {
            handle.read().find(&ValueRef::Null)?;
        }
    }
    Ok(())
}

/// Names of the rows of the snapshot that the tail ends, by database and table.
fn ids_before(
    store: &LiveStore,
    changes: &[ReplayedRecord<'_>],
) -> Result<BTreeMap<(String, String), Ids>> {
    let mut ended = BTreeMap::<&str, BTreeSet<u64>>::new();
    for change in changes {
        if let Operation::Update { index, .. } | Operation::Delete { index, .. } = change.operation
        {
            ended.entry(change.database).or_default().insert(*index);
        }
    }
    let mut ids = BTreeMap::new();
    for (database, tables) in store.tables() {
        let Some(ended) = ended.get(database.as_str()) else {
            continue;
        };
        for handle in tables {
            let reader = handle.read();
            let positions = positions(&reader, ended)?;
            let table = handle.schema().name.clone();
            ids.insert((database.clone(), table), ids_at(&reader, &positions)?);
        }
    }
    Ok(ids)
}

/// Row indexes of visible rows, by their position among the visible ones.
fn positions(reader: &TableReader<'_>, wanted: &BTreeSet<u64>) -> Result<BTreeMap<u64, u64>> {
    let mut positions = BTreeMap::new();
    let (mut index, mut position) = (0, 0);
    let mut rows = reader.rows()?;
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            if row.is_visible() {
                if wanted.contains(&index) {
                    positions.insert(position, index);
                }
                position += 1;
            }
            index += 1;
        }
    }
    Ok(positions)
}

fn ids_at(reader: &TableReader<'_>, positions: &BTreeMap<u64, u64>) -> Result<Ids> {
    let mut ids = Ids::new();
    let mut position = 0;
    reader.visible_ids(&mut |id| {
        if let Some(index) = positions.get(&position) {
            ids.insert(*index, id);
        }
        position += 1;
    })?;
    Ok(ids)
}

/// A store and, in step with it, what the records mean.
struct Replay {
    store: LiveStore,
    overlay: Overlay,
    ids: BTreeMap<(String, String), Ids>,
}

/// What a row needs to be stored.
fn values(row: &PackedRow) -> Vec<ValueRef<'_>> {
    row.values().collect()
}

impl Replay {
    /// Converts the state before the tail into an empty directory.
    fn start(
        tail: &ReplayedTail<'_>,
        layout: Layout,
        dir: &Path,
        written: &Written,
    ) -> Result<Self> {
        let disk = WatchedDisk::shared(&LocalDisk::shared(), tail.progress);
        let disk = WatchedDisk::shared(&disk, written);
        let mut overlay = Overlay::new(&tail.touched);
        overlay.finish();
        let origin = Origin {
            family: tail.family.to_string(),
            cluster_id: 1,
        };
        let mut create = CreateOptions::from(layout);
        create.threads = tail.threads;
        create_on(&disk, dir, create, overlay.catalog(), &overlay, &origin)?;
        let options = StoreOptions {
            // By records, of which some are several changes of a store.
            checkpoint_every: u64::MAX,
            ..StoreOptions::default()
        };
        let store = LiveStore::open_on(&disk, dir, options)?;
        make_indexes(&store, &tail.changes)?;
        Ok(Replay {
            ids: ids_before(&store, &tail.changes)?,
            store,
            overlay,
        })
    }

    /// Makes all changes; those that the store refused.
    fn run(&mut self, changes: &[ReplayedRecord<'_>], every: usize) -> Result<RecordTotals> {
        let mut refused = RecordTotals::default();
        for changes in changes.chunks(every) {
            for change in changes {
                match self.apply(change) {
                    Ok(()) => {}
                    Err(Error::KeyTaken { .. } | Error::NoSuchRow { .. }) => {
                        refused.add(change.len);
                    }
                    Err(other) => return Err(other),
                }
            }
            self.store.checkpoint()?;
        }
        Ok(refused)
    }

    fn apply(&mut self, change: &ReplayedRecord<'_>) -> Result<()> {
        let (name, operation) = (change.database, change.operation);
        let databases = self.overlay.database_count();
        let database = self.overlay.database_or_new(name);
        if self.overlay.database_count() > databases {
            self.store.create_database(name)?;
        }
        let Some(table) = operation.table() else {
            return Ok(());
        };
        let before = self.overlay.table(database, table);
        let next_index = before.map_or(0, |table| table.state().row_count());
        let Effect::Applied = self.overlay.apply(database, operation, change.xmax) else {
            return Ok(());
        };
        match operation {
            Operation::CreateTable { schema, rows, .. } => {
                self.store.create_table(name, (**schema).clone())?;
                let mut rows = (0..).zip(rows);
                rows.try_for_each(|(index, row)| self.insert((name, table), index, row))
            }
            Operation::DropTable { .. } => {
                self.ids.remove(&(name.to_owned(), table.to_owned()));
                self.store.drop_table(name, table)
            }
            Operation::Insert { row, .. } => self.insert((name, table), next_index, row),
            Operation::Update { index, row, .. } => {
                let Some(id) = self.ids((name, table)).get(index).copied() else {
                    // The server makes a visible version of a dead one.
                    return self.insert((name, table), next_index, row);
                };
                let handle = self.handle((name, table))?;
                let new = self.store.update(&handle, id, &values(row), row.xmin)?;
                let ids = self.ids((name, table));
                ids.remove(index);
                ids.insert(next_index, new);
                Ok(())
            }
            Operation::Delete { index, .. } => {
                let handle = self.handle((name, table))?;
                let id = self.ids((name, table)).remove(index);
                let id = id.ok_or_else(|| Error::NoSuchRow {
                    table: table.escape_debug().to_string(),
                })?;
                self.store.delete(&handle, id, change.xmax)
            }
            Operation::AddColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::RenameColumn { .. }
            | Operation::RenameTable { .. } => self.alter(database, (name, table), operation),
            Operation::Checkpoint { .. } => Ok(()),
        }
    }

    fn handle(&self, (database, table): (&str, &str)) -> Result<Arc<TableHandle>> {
        let handle = self.store.table(database, table);
        handle.ok_or_else(|| Error::Usage("internal: no such table".into()))
    }

    fn ids(&mut self, (database, table): (&str, &str)) -> &mut Ids {
        let key = (database.to_owned(), table.to_owned());
        self.ids.entry(key).or_default()
    }

    fn insert(&mut self, at: (&str, &str), index: u64, row: &PackedRow) -> Result<()> {
        let handle = self.handle(at)?;
        // A value that is the next of its sequence was taken from there.
        let mut advanced = handle.schema().clone();
        advanced.sequences = handle.read().sequences().to_vec();
        let before = advanced.sequences.clone();
        advance_sequences(&mut advanced, row);
        for (place, (column, next)) in advanced.sequences.into_iter().enumerate() {
            let known = before.get(place);
            if known.map_or(1, |(_, next)| *next).checked_add(1) == Some(next) {
                self.store.next_value(&handle, &column)?;
            }
        }
        let id = self.store.insert(&handle, &values(row), row.xmin)?;
        self.ids(at).insert(index, id);
        Ok(())
    }

    /// Gives a table the schema that it has in the overlay now.
    fn alter(&mut self, database: usize, at: (&str, &str), operation: &Operation) -> Result<()> {
        let now = match operation {
            Operation::RenameTable { new, .. } => new.as_str(),
            _ => at.1,
        };
        let schema = self.overlay.table(database, now);
        let Some(schema) = schema.map(|table| table.state().schema.clone()) else {
            return Ok(());
        };
        let handle = self.handle(at)?;
        let dropped = match operation {
            Operation::DropColumn { column, .. } => handle.schema().column_index(column),
            _ => None,
        };
        let known = self.ids.remove(&(at.0.to_owned(), at.1.to_owned()));
        let known = known.unwrap_or_default();
        let indexes: BTreeMap<RowId, u64> = known.iter().map(|(at, id)| (*id, *at)).collect();
        let mut positions = BTreeMap::new();
        let mut position = 0;
        handle.read().visible_ids(&mut |id| {
            if let Some(index) = indexes.get(&id) {
                positions.insert(position, *index);
            }
            position += 1;
        })?;
        let width = schema.columns.len();
        let changed = self.store.alter_table(at.0, at.1, schema, |mut values| {
            if let Some(dropped) = dropped.filter(|dropped| *dropped < values.len()) {
                values.remove(dropped);
            }
            values.resize(width, Value::Null);
            values
        })?;
        // Visible rows stay in their order.
        let ids = ids_at(&changed.read(), &positions)?;
        self.ids.insert((at.0.to_owned(), now.to_owned()), ids);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
