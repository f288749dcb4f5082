//! The tail of a legacy log, written by a store of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::engine::{
    CreateOptions, Durability, LOG_DIR, Layout, LiveStore, Origin, RowName, StoreOptions, TableId,
    TableView, Transaction, create_on,
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
type Names = BTreeMap<u64, RowName>;

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
        let table = table.and_then(|table| store.table(database, table).ok());
        let keyed = table.filter(|table| table.schema().primary_key().is_some());
        if let Some(table) = keyed {
            table.find(&ValueRef::Null)?;
        }
    }
    Ok(())
}

/// Names of the rows of the snapshot that the tail ends, by database and table.
fn names_before(
    store: &LiveStore,
    changes: &[ReplayedRecord<'_>],
) -> Result<BTreeMap<(String, String), Names>> {
    let mut ended = BTreeMap::<&str, BTreeSet<u64>>::new();
    for change in changes {
        if let Operation::Update { index, .. } | Operation::Delete { index, .. } = change.operation
        {
            ended.entry(change.database).or_default().insert(*index);
        }
    }
    let mut names = BTreeMap::new();
    for database in store.view()?.databases() {
        let Some(ended) = ended.get(database.name()) else {
            continue;
        };
        for table in database.tables() {
            let at = (database.name().to_owned(), table.schema().name.clone());
            names.insert(at, names_at(table, ended)?);
        }
    }
    Ok(names)
}

/// Names of visible rows whose indexes are wanted.
fn names_at(table: TableView<'_>, wanted: &BTreeSet<u64>) -> Result<Names> {
    let mut names = Names::new();
    let (mut rows, mut visible, mut index) = (table.rows()?, table.scan()?, 0);
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            if row.is_visible()
                && let Some(next) = visible.next().transpose()?
                && wanted.contains(&index)
            {
                names.insert(index, next.0);
            }
            index += 1;
        }
    }
    Ok(names)
}

/// A store and, in step with it, what the records mean.
struct Replay {
    store: LiveStore,
    meaning: Followed,
}

/// What the records mean, and where the rows are that they speak of.
struct Followed {
    overlay: Overlay,
    names: BTreeMap<(String, String), Names>,
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
            checkpoint_log_len: u64::MAX,
            ..StoreOptions::default()
        };
        let store = LiveStore::open_on(&disk, dir, options)?;
        make_indexes(&store, &tail.changes)?;
        let names = names_before(&store, &tail.changes)?;
        let meaning = Followed { overlay, names };
        Ok(Replay { store, meaning })
    }

    /// Makes all changes; those that the store refused.
    fn run(&mut self, changes: &[ReplayedRecord<'_>], every: usize) -> Result<RecordTotals> {
        let mut refused = RecordTotals::default();
        for changes in changes.chunks(every) {
            for change in changes {
                let mut tx = self.store.begin()?;
                match self.meaning.apply(&mut tx, change) {
                    Ok(()) => {}
                    // What was done before it was refused stays.
                    Err(Error::KeyTaken { .. } | Error::NoSuchRow { .. }) => {
                        refused.add(change.len);
                    }
                    Err(other) => return Err(other),
                }
                tx.commit(Durability::Group)?;
            }
            self.store.checkpoint()?;
        }
        Ok(refused)
    }
}

impl Followed {
    fn apply(&mut self, tx: &mut Transaction<'_>, change: &ReplayedRecord<'_>) -> Result<()> {
        let (name, operation) = (change.database, change.operation);
        let databases = self.overlay.database_count();
        let database = self.overlay.database_or_new(name);
        if self.overlay.database_count() > databases {
            tx.create_database(name)?;
        }
        let Some(table) = operation.table() else {
            return Ok(());
        };
        let before = self.overlay.table(database, table);
        let next_index = before.map_or(0, |table| table.state().row_count());
        let Effect::Applied = self.overlay.apply(database, operation, change.xmax) else {
            return Ok(());
        };
        let at = (name, table);
        match operation {
            Operation::CreateTable { schema, rows, .. } => {
                tx.create_table(name, (**schema).clone())?;
                let mut rows = (0..).zip(rows);
                rows.try_for_each(|(index, row)| self.insert(tx, at, index, row))
            }
            Operation::DropTable { .. } => {
                self.names.remove(&(name.to_owned(), table.to_owned()));
                tx.drop_table(name, table)
            }
            Operation::Insert { row, .. } => self.insert(tx, at, next_index, row),
            Operation::Update { index, row, .. } => {
                let Some(old) = self.names(at).get(index).copied() else {
                    // The server makes a visible version of a dead one.
                    return self.insert(tx, at, next_index, row);
                };
                tx.set_number(row.xmin);
                let new = tx.update(old, &values(row))?;
                let names = self.names(at);
                names.remove(index);
                names.insert(next_index, new);
                Ok(())
            }
            Operation::Delete { index, .. } => {
                let name = self.names(at).remove(index);
                let name = name.ok_or_else(|| Error::NoSuchRow {
                    table: table.escape_debug().to_string(),
                })?;
                tx.set_number(change.xmax);
                tx.delete(name)
            }
            Operation::AddColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::RenameColumn { .. }
            | Operation::RenameTable { .. } => self.alter(tx, database, at, operation),
            Operation::Checkpoint { .. } => Ok(()),
        }
    }

    fn names(&mut self, (database, table): (&str, &str)) -> &mut Names {
        let key = (database.to_owned(), table.to_owned());
        self.names.entry(key).or_default()
    }

    fn insert(
        &mut self,
        tx: &mut Transaction<'_>,
        at: (&str, &str),
        index: u64,
        row: &PackedRow,
    ) -> Result<()> {
        let table = tx.table(at.0, at.1)?;
        let id: TableId = table.id();
        // A value that is the next of its sequence was taken from there.
        let mut advanced = table.schema().clone();
        let before = advanced.sequences.clone();
        advance_sequences(&mut advanced, row);
        for (place, (column, next)) in advanced.sequences.into_iter().enumerate() {
            let known = before.get(place);
            if known.map_or(1, |(_, next)| *next).checked_add(1) == Some(next) {
                tx.next_value(id, &column)?;
            }
        }
        tx.set_number(row.xmin);
        let name = tx.insert(id, &values(row))?;
        self.names(at).insert(index, name);
        Ok(())
    }

    /// Gives a table the schema that it has in the overlay now.
    fn alter(
        &mut self,
        tx: &mut Transaction<'_>,
        database: usize,
        at: (&str, &str),
        operation: &Operation,
    ) -> Result<()> {
        let now = match operation {
            Operation::RenameTable { new, .. } => new.as_str(),
            _ => at.1,
        };
        let schema = self.overlay.table(database, now);
        let Some(schema) = schema.map(|table| table.state().schema()) else {
            return Ok(());
        };
        let table = tx.table(at.0, at.1)?;
        let dropped = match operation {
            Operation::DropColumn { column, .. } => table.schema().column_index(column),
            _ => None,
        };
        let known = self.names.remove(&(at.0.to_owned(), at.1.to_owned()));
        let known = known.unwrap_or_default();
        let indexes: BTreeMap<RowName, u64> = known.iter().map(|(at, name)| (*name, *at)).collect();
        // By position among the visible rows, which stay in their order.
        let mut kept = Vec::new();
        for row in table.scan()? {
            kept.push(indexes.get(&row?.0).copied());
        }
        let width = schema.columns.len();
        let altered = tx.alter_table(at.0, at.1, schema, |mut values| {
            if let Some(dropped) = dropped.filter(|dropped| *dropped < values.len()) {
                values.remove(dropped);
            }
            values.resize(width, Value::Null);
            values
        })?;
        let mut names = Names::new();
        for (index, row) in kept.into_iter().zip(tx.table_of(altered)?.scan()?) {
            if let Some(index) = index {
                names.insert(index, row?.0);
            }
        }
        self.names.insert((at.0.to_owned(), now.to_owned()), names);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
