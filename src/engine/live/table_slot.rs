//! One table of a store that is being written, and the names of it and of its
//! rows.

use std::fmt;

use crate::engine::log::Owner;
use crate::engine::pages::address::RowId;
use crate::engine::pages::paths::TablePlace;
use crate::engine::table::{LiveTable, SequencePlaces};
use crate::model::Table;

/// Names a table of an open store, until it is dropped or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableId {
    pub(super) owner: Owner,
    /// No two tables that ever had the numbers of `owner` share it.
    pub(super) stamp: u64,
}

/// Names one row version of a table of an open store. It is good until its table
/// is compacted, altered or loaded, or a transaction that changed the table is
/// dropped: then nobody finds a row by it, least of all another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    pub(super) table: TableId,
    /// Names of before mean nothing.
    pub(super) generation: u64,
    pub(super) row: RowId,
}

impl RowName {
    /// The table of the row.
    pub fn table(&self) -> TableId {
        self.table
    }
}

/// Gives numbers that were never given before, not even by a store that was
/// opened before this one.
#[derive(Debug)]
pub(super) struct Stamps(u64);

impl Stamps {
    /// Numbers of an open store.
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Stamps(RandomState::new().hash_one(()))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

/// One table.
pub(super) struct TableSlot {
    pub id: TableId,
    /// Where its files are.
    pub place: TablePlace,
    /// Where they go when the transaction is committed that wrote them.
    pub home: Option<TablePlace>,
    /// The table as it is, sequences too.
    pub schema: Table,
    /// Where its sequences are.
    pub sequence_places: SequencePlaces,
    pub live: Box<dyn LiveTable>,
    /// Whether anything changed since the last checkpoint.
    pub changed: bool,
    /// What a [`RowName`] must state.
    pub generation: u64,
    /// Bytes that its changes take, about, as they were last counted.
    pub pending_len: usize,
}

impl fmt::Debug for TableSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TableSlot");
        shown.field("id", &self.id).finish_non_exhaustive()
    }
}

impl TableSlot {
    /// Its name as errors give it.
    pub(super) fn shown_name(&self) -> String {
        self.schema.name.escape_debug().to_string()
    }

    /// Names one of its rows.
    pub(super) fn name_of(&self, row: RowId) -> RowName {
        RowName {
            table: self.id,
            generation: self.generation,
            row,
        }
    }
}
