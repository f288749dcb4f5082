//! Changes that are made together or not at all.

use std::collections::BTreeSet;

use super::catalog::no_row;
use super::options::Durability;
use super::rollback::Undo;
use super::row_input::NewRow;
use super::schema_commit::CatalogChange;
use super::store::{LiveStore, State};
use super::table_slot::{RowName, TableId};
use super::view::{TableView, View};
use crate::engine::log::{EndedVersion, Entry, Inserted, Owner};
use crate::engine::pages::address::RowId;
use crate::engine::store::recovery::transaction_of;
use crate::engine::table::Ended;
use crate::error::{Error, Result};
use crate::model::ValueRef;

/// Bytes that a change takes in memory beside its row, about.
const ENTRY_LEN: usize = 96;
/// Most bytes of the changes of a transaction, whatever the options say: they
/// are one record of the log.
const MAX_LEN: usize = 1 << 30;

/// Changes of rows and of the catalog that are made together: after
/// [`commit`](Self::commit) a crash leaves all of them or none, and dropping it
/// leaves none.
///
/// What it changed it sees itself. A change that is refused, such as one with a
/// key that is taken, changes nothing, and the transaction goes on.
///
/// A row that was found is the caller's own, so that it can be changed where it was
/// looked up, and copied into another table:
///
/// ```
/// # use rustdb_migrate::engine::{TableId, Transaction};
/// # use rustdb_migrate::error::Result;
/// # use rustdb_migrate::model::{Value, ValueRef};
/// fn copy(tx: &mut Transaction<'_>, from: TableId, to: TableId) -> Result<()> {
///     let rows: Result<Vec<_>> = tx.table_of(from)?.scan()?.collect();
///     for (_, row) in rows? {
///         let values: Vec<_> = row.values.iter().map(Value::as_ref).collect();
///         tx.insert(to, &values)?;
///     }
///     Ok(())
/// }
///
/// fn rename(tx: &mut Transaction<'_>, users: TableId, name: &str) -> Result<()> {
///     let key = ValueRef::Integer(1);
///     if let Some((row, _)) = tx.table_of(users)?.find(&key)? {
///         tx.update(row, &[key, ValueRef::Text(name)])?;
///     }
///     Ok(())
/// }
/// ```
///
/// Rows that are still being read cannot change meanwhile, not even by what reads
/// them:
///
/// ```compile_fail,E0502
/// # use rustdb_migrate::engine::{TableId, Transaction};
/// # use rustdb_migrate::error::Result;
/// # use rustdb_migrate::model::Value;
/// fn copy(tx: &mut Transaction<'_>, from: TableId, to: TableId) -> Result<()> {
///     for row in tx.table_of(from)?.scan()? {
///         let (_, row) = row?;
///         let values: Vec<_> = row.values.iter().map(Value::as_ref).collect();
///         tx.insert(to, &values)?;
///     }
///     Ok(())
/// }
/// ```
///
/// What does not fit into memory is copied in parts, by
/// [ranges](TableView::range) of keys.
#[derive(Debug)]
pub struct Transaction<'s> {
    pub(super) store: &'s mut LiveStore,
    number: u64,
    /// For the log; none once the catalog changes: then a batch holds all.
    entries: Vec<(Owner, Entry)>,
    /// Bytes that they take, about.
    len: usize,
    /// Bytes that the changes of all tables took before.
    pending_before: usize,
    /// The highest number that a row states; 0 before the first one.
    highest: u64,
    tables: BTreeSet<Owner>,
    pub(super) catalog_change: Option<CatalogChange>,
    progress: TransactionState,
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionState {
    Open,
    /// A change failed half-way.
    Failed,
    Committed,
}

impl LiveStore {
    /// Begins a transaction. It has the number after the
    /// [last one](View::last_transaction). A checkpoint is made before, when it
    /// is time.
    ///
    /// # Errors
    /// `StoreFailed`; damage; I/O errors.
    pub fn begin(&mut self) -> Result<Transaction<'_>> {
        self.settle()?;
        if self.checkpoint_is_due() {
            self.checkpoint()?;
        }
        self.state = State::Changing;
        Ok(Transaction {
            number: self.catalog.last_transaction.saturating_add(1),
            entries: Vec::new(),
            len: 0,
            pending_before: self.catalog.pending_len,
            highest: 0,
            tables: BTreeSet::new(),
            catalog_change: None,
            progress: TransactionState::Open,
            store: self,
        })
    }

    /// Writes the changes of a transaction to the log.
    fn commit_rows(
        &mut self,
        mut entries: Vec<(Owner, Entry)>,
        durability: Durability,
    ) -> Result<()> {
        self.pending = self.pending.saturating_add(entries.len() as u64);
        match (entries.len(), entries.pop()) {
            (1, Some((owner, entry))) => drop(self.log.append(owner, &entry)?),
            (_, Some(last)) => {
                entries.push(last);
                self.log.append(Owner::DIRECTORY, &Entry::Group(entries))?;
            }
            (_, None) => {}
        }
        match durability {
            Durability::Sync => self.log.sync(),
            Durability::Group => Ok(()),
        }
    }
}

impl Transaction<'_> {
    /// Its number: what the changes that follow write as xmin and xmax.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Gives the changes that follow another number.
    pub fn set_number(&mut self, number: u64) {
        self.number = number;
    }

    /// What the store holds with all changes so far.
    ///
    /// # Errors
    /// `TransactionFailed`.
    pub fn view(&self) -> Result<View<'_>> {
        self.check()?;
        Ok(View::new(&self.store.catalog))
    }

    /// A table by the names of its database and its own, with all changes so
    /// far; see [`View::table`].
    ///
    /// # Errors
    /// As [`View::table`]; `TransactionFailed`.
    pub fn table(&self, database: &str, table: &str) -> Result<TableView<'_>> {
        self.view()?.table(database, table)
    }

    /// A table by its id, with all changes so far.
    ///
    /// # Errors
    /// `TableMissing`; `TransactionFailed`.
    pub fn table_of(&self, id: TableId) -> Result<TableView<'_>> {
        self.view()?.table_of(id)
    }

    /// Adds a row. Values are stored as they are given; of the constraints only
    /// the primary key is held.
    ///
    /// # Errors
    /// `TableMissing`; `WrongArity`, `RowTooLong`, `KeyTaken` or
    /// `TransactionTooLarge`, and nothing is changed; `TransactionFailed`;
    /// damage; I/O errors.
    pub fn insert(&mut self, table: TableId, values: &[ValueRef<'_>]) -> Result<RowName> {
        self.check()?;
        let slot = self.store.catalog.slot(table)?;
        let row = NewRow::new(slot, values, self.number)?;
        row.check_key(slot, None)?;
        self.check_room(row.bytes.len())?;
        let id = self.add(table, &row)?;
        let row = row.bytes;
        self.made(table, Entry::Insert(Inserted { id, row }))?;
        Ok(self.store.catalog.slot(table)?.name_of(id))
    }

    /// Ends a visible row and adds its next version.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); `NoSuchRow`.
    pub fn update(&mut self, name: RowName, values: &[ValueRef<'_>]) -> Result<RowName> {
        self.check()?;
        let table = name.table;
        let (slot, id) = self.store.catalog.row(name)?;
        let row = NewRow::new(slot, values, self.number)?;
        row.check_key(slot, Some(id))?;
        self.check_room(row.bytes.len())?;
        let ended = self.end(table, id)?;
        let id = self.add(table, &row)?;
        let row = row.bytes;
        self.made(table, Entry::Update(ended, Inserted { id, row }))?;
        Ok(self.store.catalog.slot(table)?.name_of(id))
    }

    /// Ends a visible row.
    ///
    /// # Errors
    /// `NoSuchRow` or `TransactionTooLarge`, and nothing is changed;
    /// `TransactionFailed`; damage; I/O errors.
    pub fn delete(&mut self, name: RowName) -> Result<()> {
        self.check()?;
        let (_, id) = self.store.catalog.row(name)?;
        self.check_room(0)?;
        let ended = self.end(name.table, id)?;
        self.made(name.table, Entry::End(ended))
    }

    /// The next value of a column's sequence, which goes on by one. A sequence
    /// that is not there yet starts with 1.
    ///
    /// # Errors
    /// `TableMissing`, `ColumnMissing`, `SequenceEnded` or
    /// `TransactionTooLarge`, and nothing is changed; `TransactionFailed`.
    pub fn next_value(&mut self, table: TableId, column: &str) -> Result<i64> {
        let slot = self.store.catalog.slot_mut(table)?;
        let stored = slot.sequence_places.get(&mut slot.schema.sequences, column);
        let value = stored.map_or(1, |next| *next);
        let next = value.checked_add(1).ok_or_else(|| Error::SequenceEnded {
            table: slot.shown_name(),
            column: column.escape_debug().to_string(),
        })?;
        self.set_next_value(table, column, next)?;
        Ok(value)
    }

    /// Makes a column's sequence go on with `next`.
    ///
    /// # Errors
    /// As [`next_value`](Self::next_value).
    pub fn set_next_value(&mut self, table: TableId, column: &str, next: i64) -> Result<()> {
        self.check()?;
        self.check_room(column.len())?;
        let slot = self.store.catalog.slot_mut(table)?;
        if slot.schema.column_index(column).is_none() {
            return Err(Error::ColumnMissing {
                table: slot.shown_name(),
                column: column.escape_debug().to_string(),
            });
        }
        let column = column.to_owned();
        let sequences = &mut slot.schema.sequences;
        slot.sequence_places.set(sequences, column.clone(), next);
        self.made(table, Entry::Sequence { column, next })
    }

    /// Makes all changes durable together, now or as `durability` says.
    ///
    /// # Errors
    /// `TransactionFailed`, or `NameTaken` where somebody else has put a file,
    /// and nothing of it happened. After damage or an I/O error the store may
    /// have failed: opening the directory again then finds all of the
    /// transaction or nothing.
    pub fn commit(mut self, durability: Durability) -> Result<()> {
        self.check()?;
        match self.catalog_change.take() {
            Some(change) => {
                self.highest = self.highest.max(self.number);
                self.note_number();
                let made = self.store.commit_catalog(&change);
                self.catalog_change = Some(change);
                made?;
            }
            None => {
                self.note_number();
                let entries = std::mem::take(&mut self.entries);
                let logged = self.store.commit_rows(entries, durability);
                self.store.need(logged)?;
            }
        }
        self.progress = TransactionState::Committed;
        self.store.state = State::Ready;
        Ok(())
    }

    fn note_number(&mut self) {
        let last = &mut self.store.catalog.last_transaction;
        *last = self.highest.max(*last);
    }

    /// Refuses everything after a change that failed half-way.
    pub(super) fn check(&self) -> Result<()> {
        match self.progress {
            TransactionState::Failed => Err(Error::TransactionFailed),
            TransactionState::Open | TransactionState::Committed => Ok(()),
        }
    }

    /// Begins to change the catalog: what was changed so far becomes part of
    /// the batch that will hold it.
    pub(super) fn catalog_change(&mut self) -> &mut CatalogChange {
        self.entries.clear();
        self.len = 0;
        let catalog = &self.store.catalog;
        self.catalog_change
            .get_or_insert_with(|| CatalogChange::new(catalog))
    }

    fn check_room(&self, more: usize) -> Result<()> {
        let pending = self.store.catalog.pending_len;
        let grown = pending.saturating_sub(self.pending_before);
        let len = grown.saturating_add(self.len).saturating_add(more);
        let most = self.store.options.transaction_limit.min(MAX_LEN);
        match len > most {
            true => Err(Error::TransactionTooLarge { len, most }),
            false => Ok(()),
        }
    }

    /// Takes the result of a step that may leave a table half changed.
    fn need<T>(&mut self, table: TableId, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.progress = TransactionState::Failed;
            self.tables.insert(table.owner);
        }
        result
    }

    fn add(&mut self, table: TableId, row: &NewRow) -> Result<RowId> {
        let slot = self.store.catalog.slot_mut(table)?;
        let added = slot.live.insert(&row.bytes, None);
        self.need(table, added)
    }

    fn end(&mut self, table: TableId, id: RowId) -> Result<EndedVersion> {
        let xmax = self.number;
        let slot = self.store.catalog.slot_mut(table)?;
        let ended = slot.live.end(id, xmax, None);
        match self.need(table, ended)? {
            Ended::Yes { moved } => Ok(EndedVersion { id, xmax, moved }),
            Ended::Not => {
                let slot = self.store.catalog.slot(table)?;
                Err(no_row(Some(slot), table))
            }
        }
    }

    /// Takes in a change that was made.
    fn made(&mut self, table: TableId, entry: Entry) -> Result<()> {
        self.highest = self.highest.max(transaction_of(&entry));
        self.tables.insert(table.owner);
        let slot = self.store.catalog.slot_mut(table)?;
        slot.changed = true;
        let is_new = slot.home.is_some();
        self.store.catalog.count_pending(table.owner);
        if self.catalog_change.is_none() {
            self.len += len_of(&entry);
            self.entries.push((table.owner, entry));
        }
        let slot = self.store.catalog.slot(table)?;
        if is_new && slot.pending_len >= self.store.options.pending_limit {
            let written = self.store.write_out(table.owner);
            self.need(table, written)?;
        }
        Ok(())
    }
}

fn len_of(entry: &Entry) -> usize {
    let row_len = match entry {
        Entry::Insert(new) | Entry::Update(_, new) => new.row.len(),
        _ => 0,
    };
    ENTRY_LEN + row_len
}

impl Drop for Transaction<'_> {
    /// Takes everything back, unless it was committed. When that cannot be
    /// done, the store has failed, as its next caller hears.
    fn drop(&mut self) {
        if self.progress == TransactionState::Committed {
            return;
        }
        let undo = match self.catalog_change.take() {
            Some(change) => Undo::Catalog(change.into_ids()),
            None => Undo::Tables(std::mem::take(&mut self.tables)),
        };
        let _ = self.store.roll_back(&undo);
    }
}
