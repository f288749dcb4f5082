//! What a store holds, for who reads it: nobody changes it meanwhile, because
//! every view borrows the store.

use std::collections::VecDeque;
use std::ops::RangeBounds;

use super::catalog::{LiveCatalog, LiveDatabase, no_row};
use super::range::{KeyRange, key_range};
use super::row_input::decode;
use super::table_slot::{RowName, TableId, TableSlot};
use crate::codec::ByteWriter;
use crate::engine::pages::address::RowId;
use crate::engine::rows::codec::encode_value;
use crate::engine::table::VisibleIds;
use crate::error::{Error, Result};
use crate::model::{
    DatabaseGrants, Role, Row, RowStream, Table, TableGrants, User, Value, ValueRef,
};

/// Everything that a store holds.
#[derive(Debug, Clone, Copy)]
pub struct View<'s> {
    catalog: &'s LiveCatalog,
}

impl<'s> View<'s> {
    pub(super) fn new(catalog: &'s LiveCatalog) -> Self {
        View { catalog }
    }

    /// The databases, in stored order.
    pub fn databases(self) -> impl Iterator<Item = DatabaseView<'s>> {
        let catalog = self.catalog;
        let databases = catalog.databases.iter();
        databases.map(move |database| DatabaseView { catalog, database })
    }

    /// A database by its name.
    ///
    /// # Errors
    /// `DatabaseMissing`.
    pub fn database(self, name: &str) -> Result<DatabaseView<'s>> {
        let catalog = self.catalog;
        let database = catalog.database(name)?;
        Ok(DatabaseView { catalog, database })
    }

    /// A table by the names of its database and its own. That takes time for
    /// each table of the database; a [`TableId`] leads there at once.
    ///
    /// # Errors
    /// `DatabaseMissing`; `TableMissing`.
    pub fn table(self, database: &str, table: &str) -> Result<TableView<'s>> {
        self.catalog.named(database, table).map(TableView::new)
    }

    /// A table by its id.
    ///
    /// # Errors
    /// `TableMissing` when it was dropped or altered since.
    pub fn table_of(self, id: TableId) -> Result<TableView<'s>> {
        self.catalog.slot(id).map(TableView::new)
    }

    /// The users, in stored order.
    pub fn users(self) -> &'s [User] {
        &self.catalog.global.users
    }

    /// The roles, in stored order.
    pub fn roles(self) -> &'s [Role] {
        &self.catalog.global.roles
    }

    /// Owners and grants of databases, in stored order.
    pub fn database_grants(self) -> &'s [DatabaseGrants] {
        &self.catalog.global.grants
    }

    /// The highest number that a transaction in place ever had; 0 before the
    /// first one. What an upgrade wrote does not count.
    pub fn last_transaction(self) -> u64 {
        self.catalog.last_transaction
    }
}

/// One database.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseView<'s> {
    catalog: &'s LiveCatalog,
    database: &'s LiveDatabase,
}

impl<'s> DatabaseView<'s> {
    /// Its name.
    pub fn name(self) -> &'s str {
        &self.database.metadata.name
    }

    /// Its tables, in stored order.
    pub fn tables(self) -> impl Iterator<Item = TableView<'s>> {
        let entries = self.database.metadata.tables.iter();
        let owners = entries.map(move |entry| self.database.owner(entry.id));
        let slots = owners.filter_map(move |owner| self.catalog.tables.get(&owner));
        slots.map(TableView::new)
    }

    /// Enum types and their labels, in stored order.
    pub fn enums(self) -> &'s [(String, Vec<String>)] {
        &self.database.metadata.enums
    }

    /// Views and their SQL, in stored order.
    pub fn views(self) -> &'s [(String, String)] {
        &self.database.metadata.views
    }

    /// Owners and grants of tables, in stored order.
    pub fn table_grants(self) -> &'s [TableGrants] {
        &self.database.metadata.table_grants
    }
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct TableView<'s> {
    slot: &'s TableSlot,
}

impl<'s> TableView<'s> {
    fn new(slot: &'s TableSlot) -> Self {
        TableView { slot }
    }

    /// What leads to the table without its name.
    pub fn id(self) -> TableId {
        self.slot.id
    }

    /// Its name, columns and sequences.
    pub fn schema(self) -> &'s Table {
        &self.slot.schema
    }

    /// All row versions.
    pub fn row_count(self) -> u64 {
        self.slot.live.counts().rows
    }

    /// Row versions that a user sees.
    pub fn live_count(self) -> u64 {
        self.slot.live.counts().live
    }

    /// Every row version, in stored order.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn rows(self) -> Result<Box<dyn RowStream + 's>> {
        self.slot.live.rows()
    }

    /// One row version, also one that was ended.
    ///
    /// # Errors
    /// `NoSuchRow`, also for a name of before; damage; I/O errors.
    pub fn row(self, name: RowName) -> Result<Row> {
        let slot = self.slot;
        let is_current = (name.table, name.generation) == (slot.id, slot.generation);
        let bytes = match is_current {
            true => slot.live.read(name.row)?,
            false => None,
        };
        let bytes = bytes.ok_or_else(|| no_row(Some(slot), slot.id))?;
        decode(&slot.place, &bytes)
    }

    /// The newest visible row of a primary key. Keys are equal when tag and
    /// value are (format page, "Values").
    ///
    /// # Errors
    /// `NoKey`; damage; I/O errors.
    pub fn find(self, key: &ValueRef<'_>) -> Result<Option<(RowName, Row)>> {
        let slot = self.slot;
        self.key()?;
        let mut bytes = ByteWriter::new();
        encode_value(&mut bytes, key);
        let Some(id) = slot.live.find(bytes.as_slice())? else {
            return Ok(None);
        };
        let name = slot.name_of(id);
        Ok(Some((name, self.row(name)?)))
    }

    /// Every visible row with its name, in stored order.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn scan(self) -> Result<Scan<'s>> {
        Ok(Scan {
            slot: self.slot,
            rows: self.slot.live.rows()?,
            ids: self.slot.live.visible_ids()?,
            batch: VecDeque::new(),
            names: Vec::new(),
            given: 0,
            failed: false,
        })
    }

    /// The visible rows of a range of primary keys, in the order of keys: first
    /// by their tag, then by their value, decimals and numbers by size and all
    /// else by bytes. Two visible rows of one key come in stored order.
    ///
    /// No layout keeps rows in this order: the keys of the range are sorted in
    /// memory before the first row comes.
    ///
    /// # Errors
    /// `NoKey`; damage; I/O errors.
    pub fn range(self, keys: impl RangeBounds<Value>) -> Result<KeyRange<'s>> {
        let key = self.key()?;
        let names = key_range(self.scan()?, key, keys)?;
        Ok(KeyRange::new(names, Box::new(move |name| self.row(name))))
    }

    /// Position of the primary key.
    fn key(self) -> Result<usize> {
        self.slot.place.key.ok_or_else(|| Error::NoKey {
            table: self.slot.shown_name(),
        })
    }
}

/// The visible rows of a table, each with its name.
pub struct Scan<'s> {
    slot: &'s TableSlot,
    rows: Box<dyn RowStream + 's>,
    ids: Box<dyn VisibleIds + 's>,
    batch: VecDeque<Row>,
    /// Names that were read, and how many of them were given out.
    names: Vec<RowId>,
    given: usize,
    failed: bool,
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Scan");
        shown.field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl Scan<'_> {
    fn step(&mut self) -> Result<Option<(RowName, Row)>> {
        loop {
            if let Some(row) = self.batch.pop_front() {
                let id = self.next_id()?;
                return Ok(Some((self.slot.name_of(id), row)));
            }
            let Some(batch) = self.rows.next_batch()? else {
                return Ok(None);
            };
            let visible = batch.rows().filter(|row| row.is_visible());
            self.batch.extend(visible.map(|row| row.to_owned()));
        }
    }

    fn next_id(&mut self) -> Result<RowId> {
        while self.given == self.names.len() {
            (self.given, self.names) = (0, Vec::new());
            if !self.ids.next_ids(&mut self.names)? {
                let what = "a table has more visible rows than names of such";
                return Err(Error::Internal(what.into()));
            }
        }
        let id = self.names.get(self.given).copied();
        self.given += 1;
        id.ok_or_else(|| Error::Internal("a row without a name".into()))
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(RowName, Row)>;

    /// The next row; nothing comes after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.step().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
