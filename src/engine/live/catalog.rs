//! Databases and tables of a store that is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table_slot::{RowName, Stamps, TableId, TableSlot};
use super::unopened::Unopened;
use crate::engine::layouts::Shape;
use crate::engine::log::{Entry, Owner};
use crate::engine::pages::address::{Lsns, RowId};
use crate::engine::pages::paths::{TablePlace, database_dir};
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::catalog_file::{Global, Metadata, TableEntry};
use crate::engine::store::control::Control;
use crate::engine::store::recovery::{Replayed, no_table, transaction_of};
use crate::engine::table::{Access, SequencePlaces};
use crate::error::{Error, Result};
use crate::file::Disk;
use crate::model::Table;

/// Databases and tables.
#[derive(Debug)]
pub(super) struct LiveCatalog {
    /// What `global.db` says; the last transaction is that of the files.
    pub global: Global<'static>,
    /// As `global` lists them.
    pub databases: Vec<LiveDatabase>,
    /// Every table of every database.
    pub tables: BTreeMap<Owner, TableSlot>,
    /// The highest number of a transaction, in files and log.
    pub last_transaction: u64,
    /// Bytes that the changes of all tables take, about.
    pub pending_len: usize,
}

/// One database.
#[derive(Debug)]
pub(super) struct LiveDatabase {
    pub id: u32,
    pub dir: PathBuf,
    /// As it is in its file; counts and sequences are those of the last
    /// checkpoint.
    pub metadata: Metadata<'static>,
}

impl LiveDatabase {
    /// The entry of a table.
    pub(super) fn table(&self, id: u32) -> Option<&TableEntry<'static>> {
        self.metadata.tables.iter().find(|entry| entry.id == id)
    }

    /// The position of a table by its name.
    ///
    /// # Errors
    /// `TableMissing`.
    pub(super) fn position(&self, table: &str) -> Result<usize> {
        let mut tables = self.metadata.tables.iter();
        let at = tables.position(|entry| entry.schema.name == table);
        at.ok_or_else(|| Error::TableMissing {
            table: table.escape_debug().to_string(),
        })
    }

    /// Refuses the name of a table that is there.
    ///
    /// # Errors
    /// `NameTaken`.
    pub(super) fn check_free(&self, table: &str) -> Result<()> {
        match self.position(table) {
            Err(_) => Ok(()),
            Ok(_) => Err(Error::NameTaken {
                name: format!("table {}", table.escape_debug()),
            }),
        }
    }

    /// Where a table is in the log.
    pub(super) fn owner(&self, table: u32) -> Owner {
        Owner {
            database: self.id,
            table,
        }
    }
}

/// What every table is opened with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening<'s> {
    pub disk: &'s Arc<dyn Disk>,
    pub root: &'s Path,
    pub control: &'s Control,
    pub access: &'s Access,
}

impl Opening<'_> {
    /// The rows of a table whose files are at `place` and hold `counts`, opened
    /// when they are asked for.
    fn live(&self, place: &TablePlace, counts: TableCounts) -> Box<Unopened> {
        let shape: Shape = self.control.shape;
        Box::new(Unopened::new(shape, place, counts, self.access))
    }

    /// A table whose files are at `place` and hold `counts`.
    pub(super) fn slot(
        &self,
        id: TableId,
        (place, counts): (TablePlace, TableCounts),
        schema: Table,
        generation: u64,
    ) -> TableSlot {
        TableSlot {
            id,
            live: self.live(&place, counts),
            place,
            home: None,
            schema,
            sequence_places: SequencePlaces::default(),
            changed: false,
            generation,
            pending_len: 0,
        }
    }
}

impl LiveCatalog {
    /// Reads the catalog; tables are opened when they are asked for. Files that
    /// a checkpoint left which never came to count go away.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(super) fn read(with: Opening<'_>, stamps: &mut Stamps) -> Result<Self> {
        let (disk, root) = (with.disk, with.root);
        // Files go on to states that the log does not have yet.
        let cluster = with.control.cluster(Lsns::ANY.last);
        let cluster_id = cluster.id;
        let global = Global::read(&**disk, root, cluster_id)?;
        let files = with.control.shape.tables();
        let (mut databases, mut tables) = (Vec::new(), BTreeMap::new());
        for entry in &global.databases {
            let dir = database_dir(root, &entry.name, entry.id);
            let mut metadata = Metadata::read(&**disk, &dir, cluster_id, entry)?;
            metadata.describe(disk, &dir, cluster, entry.id)?;
            for table in &metadata.tables {
                let place = table.place(disk, &dir, cluster, entry.id);
                let unfinished = files.unfinished_files(&place);
                unfinished
                    .iter()
                    .try_for_each(|path| disk.remove_if_there(path))?;
                let owner = Owner {
                    database: entry.id,
                    table: table.id,
                };
                let (schema, stamp) = (table.schema.clone().into_owned(), stamps.next());
                let id = TableId { owner, stamp };
                let slot = with.slot(id, (place, table.counts), schema, stamp);
                tables.insert(owner, slot);
            }
            databases.push(LiveDatabase {
                id: entry.id,
                dir,
                metadata,
            });
        }
        Ok(LiveCatalog {
            last_transaction: global.last_transaction,
            global,
            databases,
            tables,
            pending_len: 0,
        })
    }

    /// Makes a change that stands in the log.
    ///
    /// # Errors
    /// Damage when the table is not as it was when the record was written; I/O
    /// errors.
    pub(super) fn replay(&mut self, owner: Owner, entry: Entry, at: (&Path, u64)) -> Result<()> {
        self.last_transaction = self.last_transaction.max(transaction_of(&entry));
        let slot = self.tables.get_mut(&owner);
        let slot = slot.ok_or_else(|| no_table(owner, at))?;
        slot.changed = true;
        let mut replayed = Replayed {
            place: &slot.place,
            live: &mut *slot.live,
            sequences: (&mut slot.schema.sequences, &mut slot.sequence_places),
        };
        replayed.apply(entry, at)?;
        self.count_pending(owner);
        Ok(())
    }

    /// Makes a table as it is in its files; names of its rows mean nothing
    /// afterwards.
    pub(super) fn reset(&mut self, owner: Owner, with: Opening<'_>, generation: u64) {
        let database = self.databases.iter().find(|db| db.id == owner.database);
        let entry = database.and_then(|db| db.table(owner.table));
        if let (Some(entry), Some(slot)) = (entry, self.tables.get_mut(&owner)) {
            slot.live = with.live(&slot.place, entry.counts);
            slot.schema.sequences.clone_from(&entry.schema.sequences);
            slot.sequence_places = SequencePlaces::default();
            slot.changed = false;
            slot.generation = generation;
        }
        self.count_pending(owner);
    }

    /// Closes the files of a table that hold all of it, which is `counts`.
    pub(super) fn unload(&mut self, owner: Owner, with: Opening<'_>, counts: TableCounts) {
        if let Some(slot) = self.tables.get_mut(&owner) {
            slot.live = with.live(&slot.place, counts);
            slot.changed = false;
        }
        self.count_pending(owner);
    }

    /// Takes in how much memory the changes of a table take.
    pub(super) fn count_pending(&mut self, owner: Owner) {
        if let Some(slot) = self.tables.get_mut(&owner) {
            let before = std::mem::replace(&mut slot.pending_len, slot.live.pending_len());
            let others = self.pending_len.saturating_sub(before);
            self.pending_len = others.saturating_add(slot.pending_len);
        }
    }

    /// Takes a table out.
    pub(super) fn take(&mut self, owner: Owner) -> Option<TableSlot> {
        let slot = self.tables.remove(&owner)?;
        self.pending_len = self.pending_len.saturating_sub(slot.pending_len);
        Some(slot)
    }

    /// A database by its name.
    ///
    /// # Errors
    /// `DatabaseMissing`.
    pub(super) fn database(&self, name: &str) -> Result<&LiveDatabase> {
        let found = self.databases.iter().find(|db| db.metadata.name == name);
        found.ok_or_else(|| no_database(name))
    }

    /// A database by its name, to be changed.
    ///
    /// # Errors
    /// `DatabaseMissing`.
    pub(super) fn database_mut(&mut self, name: &str) -> Result<&mut LiveDatabase> {
        let mut databases = self.databases.iter_mut();
        let found = databases.find(|db| db.metadata.name == name);
        found.ok_or_else(|| no_database(name))
    }

    /// A table by the names of its database and its own.
    ///
    /// # Errors
    /// `DatabaseMissing`; `TableMissing`.
    pub(super) fn named(&self, database: &str, table: &str) -> Result<&TableSlot> {
        let database = self.database(database)?;
        let entry = database.metadata.tables.get(database.position(table)?);
        let slot = entry.and_then(|entry| self.tables.get(&database.owner(entry.id)));
        slot.ok_or_else(|| Error::Internal(format!("table {table} has no place")))
    }

    /// A table by its id.
    ///
    /// # Errors
    /// `TableMissing`.
    pub(super) fn slot(&self, id: TableId) -> Result<&TableSlot> {
        let slot = self.tables.get(&id.owner).filter(|slot| slot.id == id);
        slot.ok_or_else(|| missing(id))
    }

    /// A table by its id, to be changed.
    ///
    /// # Errors
    /// `TableMissing`.
    pub(super) fn slot_mut(&mut self, id: TableId) -> Result<&mut TableSlot> {
        let slot = self.tables.get_mut(&id.owner).filter(|slot| slot.id == id);
        slot.ok_or_else(|| missing(id))
    }

    /// The table of a row and the row's place in it.
    ///
    /// # Errors
    /// `NoSuchRow` for a name of before.
    pub(super) fn row(&self, name: RowName) -> Result<(&TableSlot, RowId)> {
        let slot = self.slot(name.table).ok();
        let current = slot.filter(|slot| slot.generation == name.generation);
        let current = current.map(|slot| (slot, name.row));
        current.ok_or_else(|| no_row(slot, name.table))
    }

    /// Where each database and table is, to be told from what is new later.
    pub(super) fn ids(&self) -> BTreeMap<Owner, TableId> {
        self.tables
            .iter()
            .map(|(at, slot)| (*at, slot.id))
            .collect()
    }

    /// The directories of all databases.
    pub(super) fn dirs(&self) -> BTreeSet<PathBuf> {
        self.databases.iter().map(|db| db.dir.clone()).collect()
    }
}

fn no_database(name: &str) -> Error {
    Error::DatabaseMissing {
        database: name.escape_debug().to_string(),
    }
}

fn missing(TableId { owner, .. }: TableId) -> Error {
    Error::TableMissing {
        table: format!("{} of database {}", owner.table, owner.database),
    }
}

/// The error of a row that is not there.
pub(super) fn no_row(slot: Option<&TableSlot>, id: TableId) -> Error {
    let owner = id.owner;
    let number = || format!("{} of database {}", owner.table, owner.database);
    Error::NoSuchRow {
        table: slot.map_or_else(number, TableSlot::shown_name),
    }
}
