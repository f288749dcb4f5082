//! Changes of databases, tables, users and what else the catalog holds.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::catalog::LiveDatabase;
use super::table_slot::TableId;
use super::transaction::Transaction;
use crate::codec::MadeRows;
use crate::engine::log::Owner;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::paths::{TablePlace, database_dir};
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::catalog_file::{DatabaseEntry, Global, Metadata, TableEntry};
use crate::error::{Error, Result};
use crate::model::{DatabaseGrants, Role, Table, TableGrants, User};

impl Transaction<'_> {
    /// Adds an empty database.
    ///
    /// # Errors
    /// `NameTaken`; `TransactionFailed`.
    pub fn create_database(&mut self, name: &str) -> Result<()> {
        self.check()?;
        if self.store.catalog.database(name).is_ok() {
            return Err(taken("database", name));
        }
        let id = self.store.catalog.global.next_id()?;
        self.catalog_change().note_database(id);
        let dir = database_dir(&self.store.root, name, id);
        let name = name.to_owned();
        let catalog = &mut self.store.catalog;
        catalog.global.databases.push(DatabaseEntry {
            id,
            name: name.clone(),
        });
        let metadata = Metadata {
            name: Cow::Owned(name),
            tables: Vec::new(),
            next_table: 0,
            enums: Cow::Owned(Vec::new()),
            views: Cow::Owned(Vec::new()),
            table_grants: Cow::Owned(Vec::new()),
        };
        catalog.databases.push(LiveDatabase { id, dir, metadata });
        Ok(())
    }

    /// Removes a database and its tables.
    ///
    /// # Errors
    /// `DatabaseMissing`; `TransactionFailed`.
    pub fn drop_database(&mut self, name: &str) -> Result<()> {
        self.check()?;
        let id = self.store.catalog.database(name)?.id;
        self.catalog_change();
        let owners = self.store.catalog.tables.keys();
        let owners: Vec<Owner> = owners.filter(|at| at.database == id).copied().collect();
        owners.into_iter().for_each(|owner| self.remove(owner));
        let catalog = &mut self.store.catalog;
        catalog.databases.retain(|db| db.id != id);
        catalog.global.remove(id);
        Ok(())
    }

    /// Adds an empty table.
    ///
    /// # Errors
    /// `DatabaseMissing`; `NameTaken`; `TransactionFailed`; I/O errors.
    pub fn create_table(&mut self, database: &str, table: Table) -> Result<TableId> {
        self.check()?;
        let database = self.store.catalog.database(database)?;
        database.check_free(&table.name)?;
        let owner = database.owner(database.metadata.next_id()?);
        let home = self.home(database, owner, &table);
        let place = self.store.staging_place(&home)?;
        let files = &self.store.files;
        let counts = files.write(
            &place,
            place.address.lsns.first,
            &mut MadeRows::new(std::iter::empty()),
        )?;
        self.catalog_change().note_database(owner.database);
        let databases = &mut self.store.catalog.databases;
        if let Some(database) = databases.iter_mut().find(|db| db.id == owner.database) {
            database.metadata.tables.push(TableEntry {
                id: owner.table,
                counts,
                schema: Cow::Owned(table.clone()),
            });
        }
        Ok(self.stage(owner, (place, home), table, counts))
    }

    /// Takes a new table into the catalog. Its files are in the first place, and a
    /// commit brings them to the second.
    pub(super) fn stage(
        &mut self,
        owner: Owner,
        (place, home): (TablePlace, TablePlace),
        schema: Table,
        counts: TableCounts,
    ) -> TableId {
        let (catalog, with, stamps) = self.store.parts();
        let stamp = stamps.next();
        let id = TableId { owner, stamp };
        let mut slot = with.slot(id, (place, counts), schema, stamp);
        slot.home = Some(home);
        catalog.tables.insert(owner, slot);
        id
    }

    /// Removes a table. Grants of it stay.
    ///
    /// # Errors
    /// `DatabaseMissing`; `TableMissing`; `TransactionFailed`.
    pub fn drop_table(&mut self, database: &str, table: &str) -> Result<()> {
        self.check()?;
        let found = self.store.catalog.database(database)?;
        let (id, at) = (found.id, found.position(table)?);
        self.catalog_change().note_database(id);
        let database = self.store.catalog.database_mut(database)?;
        let entry = database.metadata.remove(at);
        let owner = database.owner(entry.id);
        self.remove(owner);
        Ok(())
    }

    /// Replaces all users.
    ///
    /// # Errors
    /// `NameTaken` when a name stands twice; `TransactionFailed`.
    pub fn set_users(&mut self, users: Vec<User>) -> Result<()> {
        check_distinct("user", users.iter().map(|user| &user.name))?;
        self.change_global()?.users = Cow::Owned(users);
        Ok(())
    }

    /// Replaces all roles.
    ///
    /// # Errors
    /// `NameTaken` when a name stands twice; `TransactionFailed`.
    pub fn set_roles(&mut self, roles: Vec<Role>) -> Result<()> {
        check_distinct("role", roles.iter().map(|role| &role.name))?;
        self.change_global()?.roles = Cow::Owned(roles);
        Ok(())
    }

    /// Replaces owners and grants of all databases.
    ///
    /// # Errors
    /// `NameTaken` when a database stands twice; `TransactionFailed`.
    pub fn set_database_grants(&mut self, grants: Vec<DatabaseGrants>) -> Result<()> {
        check_distinct("grant of database", grants.iter().map(|one| &one.database))?;
        self.change_global()?.grants = Cow::Owned(grants);
        Ok(())
    }

    /// Replaces the enum types of a database, each with its labels.
    ///
    /// # Errors
    /// `DatabaseMissing`; `NameTaken` when a name stands twice;
    /// `TransactionFailed`.
    pub fn set_enums(&mut self, database: &str, enums: Vec<(String, Vec<String>)>) -> Result<()> {
        check_distinct("enum type", enums.iter().map(|(name, _)| name))?;
        self.change_database(database)?.enums = Cow::Owned(enums);
        Ok(())
    }

    /// Replaces the views of a database, each with its SQL.
    ///
    /// # Errors
    /// As [`set_enums`](Self::set_enums).
    pub fn set_views(&mut self, database: &str, views: Vec<(String, String)>) -> Result<()> {
        check_distinct("view", views.iter().map(|(name, _)| name))?;
        self.change_database(database)?.views = Cow::Owned(views);
        Ok(())
    }

    /// Replaces owners and grants of all tables of a database.
    ///
    /// # Errors
    /// As [`set_enums`](Self::set_enums).
    pub fn set_table_grants(&mut self, database: &str, grants: Vec<TableGrants>) -> Result<()> {
        check_distinct("grant of table", grants.iter().map(|one| &one.table))?;
        self.change_database(database)?.table_grants = Cow::Owned(grants);
        Ok(())
    }

    fn change_global(&mut self) -> Result<&mut Global<'static>> {
        self.check()?;
        self.catalog_change();
        Ok(&mut self.store.catalog.global)
    }

    fn change_database(&mut self, name: &str) -> Result<&mut Metadata<'static>> {
        self.check()?;
        let id = self.store.catalog.database(name)?.id;
        self.catalog_change().note_database(id);
        Ok(&mut self.store.catalog.database_mut(name)?.metadata)
    }

    /// Takes a table out of the catalog.
    fn remove(&mut self, owner: Owner) {
        if let Some(slot) = self.store.catalog.take(owner) {
            self.catalog_change().note_gone(&slot);
        }
    }

    /// Where a table will be.
    pub(super) fn home(&self, database: &LiveDatabase, owner: Owner, table: &Table) -> TablePlace {
        let address = TableAddress {
            cluster_id: self.store.control.origin.cluster_id,
            lsns: self.store.lsns,
            database: owner.database,
            table: owner.table,
        };
        TablePlace::new(&self.store.disk, &database.dir, table, address)
    }
}

fn taken(what: &str, name: &str) -> Error {
    Error::NameTaken {
        name: format!("{what} {}", name.escape_debug()),
    }
}

fn check_distinct<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(taken(what, name));
        }
    }
    Ok(())
}
