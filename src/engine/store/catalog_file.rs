//! The catalog on disk: `global.db` for the directory, `metadata.db` for each
//! database (format page, "Sealed files"). Every list keeps the order of the
//! legacy file, so that a snapshot can be written back byte for byte.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::pages::address::TableAddress;
use crate::engine::pages::paths::{GLOBAL_NAME, METADATA_NAME, TablePlace, check_dir};
use crate::engine::pages::sealed::{self, KIND_GLOBAL, KIND_METADATA, NO_DATABASE, Seal};
use crate::engine::rows::counts::TableCounts;
use crate::error::{Damage, Error, Result};
use crate::file::Disk;
use crate::finding::Code;
use crate::model::{Catalog, Database, DatabaseGrants, Form, Role, Table, TableGrants, User};

/// The document of `global.db`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct Global<'a> {
    /// Which legacy file it came from.
    pub form: Cow<'a, Form>,
    /// The databases, in stored order.
    pub databases: Vec<DatabaseEntry>,
    /// Owners and grants of databases.
    pub grants: Cow<'a, [DatabaseGrants]>,
    /// Users, in stored order.
    pub users: Cow<'a, [User]>,
    /// Roles, in stored order.
    pub roles: Cow<'a, [Role]>,
}

/// One database of a directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct DatabaseEntry {
    /// Unique in the directory, never used again.
    pub id: u32,
    /// Its name, unique in the directory.
    pub name: String,
}

/// The document of `metadata.db`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct Metadata<'a> {
    /// Name of the database.
    pub name: Cow<'a, str>,
    /// The tables, in stored order.
    pub tables: Vec<TableEntry<'a>>,
    /// Enum types and their labels.
    pub enums: Cow<'a, [(String, Vec<String>)]>,
    /// Views and their SQL.
    pub views: Cow<'a, [(String, String)]>,
    /// Owners and grants of tables.
    pub table_grants: Cow<'a, [TableGrants]>,
}

/// One table of a database.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct TableEntry<'a> {
    /// Unique in the database, never used again.
    pub id: u32,
    /// What its files hold.
    pub counts: TableCounts,
    /// The table itself.
    pub schema: Cow<'a, Table>,
}

/// Numbers things by their position.
///
/// # Errors
/// `Usage` when there are more than 2^32 - 1.
pub(in crate::engine) fn id_at(position: usize) -> Result<u32> {
    let id = u32::try_from(position).ok().filter(|id| *id != NO_DATABASE);
    id.ok_or_else(|| Error::Usage(format!("number {position} is too many for one catalog")))
}

impl<'a> Global<'a> {
    /// The document of a catalog, ids by position.
    ///
    /// # Errors
    /// `Usage` when a name stands twice.
    pub(in crate::engine) fn new(catalog: &'a Catalog) -> Result<Self> {
        let entry = |(position, database): (usize, &Database)| {
            Ok(DatabaseEntry {
                id: id_at(position)?,
                name: database.name.clone(),
            })
        };
        let databases = catalog.databases.iter().enumerate().map(entry);
        let global = Global {
            form: Cow::Borrowed(&catalog.form),
            databases: databases.collect::<Result<_>>()?,
            grants: Cow::Borrowed(&catalog.grants),
            users: Cow::Borrowed(&catalog.users),
            roles: Cow::Borrowed(&catalog.roles),
        };
        global.unique().map_err(|what| twice(what, "directory"))?;
        Ok(global)
    }

    /// The bytes of `global.db`.
    ///
    /// # Errors
    /// `Usage` when it is too large, or a name stands twice.
    pub(in crate::engine) fn encode(&self, cluster_id: u128) -> Result<Vec<u8>> {
        self.unique().map_err(|what| twice(what, "directory"))?;
        sealed::encode(Path::new(GLOBAL_NAME), &global_seal(cluster_id), self)
    }

    fn unique(&self) -> Result<(), &'static str> {
        let named = self.databases.iter().map(|db| (db.id, db.name.as_str()));
        unique(named)
    }

    /// Writes a new `global.db`.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn write(
        &self,
        disk: &dyn Disk,
        root: &Path,
        cluster_id: u128,
    ) -> Result<()> {
        sealed::write(
            disk,
            &root.join(GLOBAL_NAME),
            &global_seal(cluster_id),
            self,
        )
    }

    /// Reads `global.db`.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or belongs elsewhere.
    pub(in crate::engine) fn read(
        disk: &dyn Disk,
        root: &Path,
        cluster_id: u128,
    ) -> Result<Global<'static>> {
        let path = root.join(GLOBAL_NAME);
        let global: Global<'static> = sealed::read(disk, &path, &global_seal(cluster_id))?;
        global.unique().map_err(|what| repeated(&path, what))?;
        Ok(global)
    }

    /// The catalog, with the databases read from elsewhere.
    pub(in crate::engine) fn into_catalog(self, databases: Vec<Database>) -> Catalog {
        Catalog {
            form: self.form.into_owned(),
            databases,
            grants: self.grants.into_owned(),
            users: self.users.into_owned(),
            roles: self.roles.into_owned(),
        }
    }
}

fn global_seal(cluster_id: u128) -> Seal {
    Seal {
        kind: KIND_GLOBAL,
        cluster_id,
        database: NO_DATABASE,
    }
}

fn metadata_seal(cluster_id: u128, database: u32) -> Seal {
    Seal {
        kind: KIND_METADATA,
        cluster_id,
        database,
    }
}

impl<'a> Metadata<'a> {
    /// The document of a database, ids by position; `counts` by table.
    ///
    /// # Errors
    /// `Usage` when a name stands twice.
    pub(in crate::engine) fn new(
        database: &'a Database,
        counts: impl Iterator<Item = TableCounts>,
    ) -> Result<Self> {
        let tables = database.tables.iter().zip(counts).enumerate();
        let entry = |(position, (schema, counts))| {
            Ok(TableEntry {
                id: id_at(position)?,
                counts,
                schema: Cow::Borrowed(schema),
            })
        };
        let metadata = Metadata {
            name: Cow::Borrowed(&database.name),
            tables: tables.map(entry).collect::<Result<_>>()?,
            enums: Cow::Borrowed(&database.enums),
            views: Cow::Borrowed(&database.views),
            table_grants: Cow::Borrowed(&database.table_grants),
        };
        metadata.unique().map_err(|what| twice(what, "database"))?;
        Ok(metadata)
    }

    /// The bytes of `metadata.db`.
    ///
    /// # Errors
    /// `Usage` when it is too large, or a name stands twice.
    pub(in crate::engine) fn encode(&self, cluster_id: u128, database: u32) -> Result<Vec<u8>> {
        self.unique().map_err(|what| twice(what, "database"))?;
        let seal = metadata_seal(cluster_id, database);
        sealed::encode(Path::new(METADATA_NAME), &seal, self)
    }

    fn unique(&self) -> Result<(), &'static str> {
        let named = self.tables.iter().map(|t| (t.id, t.schema.name.as_str()));
        unique(named)
    }

    /// Writes a new `metadata.db` into the database's directory.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn write(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        cluster_id: u128,
        database: u32,
    ) -> Result<()> {
        let seal = metadata_seal(cluster_id, database);
        sealed::write(disk, &dir.join(METADATA_NAME), &seal, self)
    }

    /// Reads the `metadata.db` of a database.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or belongs elsewhere.
    pub(in crate::engine) fn read(
        disk: &dyn Disk,
        dir: &Path,
        cluster_id: u128,
        entry: &DatabaseEntry,
    ) -> Result<Metadata<'static>> {
        check_dir(disk, dir)?;
        let path = dir.join(METADATA_NAME);
        let metadata: Metadata<'static> =
            sealed::read(disk, &path, &metadata_seal(cluster_id, entry.id))?;
        metadata.unique().map_err(|what| repeated(&path, what))?;
        let damage = |code, found: &str, expected: &str| {
            Err(Error::damage(
                &path,
                sealed::HEAD_LEN as u64,
                code,
                found,
                expected,
            ))
        };
        if metadata.name != entry.name {
            let expected = "the name that global.db gives the database";
            return damage(Code::NameMismatch, "another name", expected);
        }
        let counts = || metadata.tables.iter().map(|table| table.counts);
        if counts().any(|c| c.live > c.rows) {
            let found = "more live rows than rows";
            return damage(Code::BadCatalog, found, "at most as many");
        }
        if counts().any(|c| c.ends > c.rows.saturating_sub(c.live)) {
            let found = "more ends than dead rows";
            return damage(Code::BadCatalog, found, "at most as many");
        }
        Ok(metadata)
    }

    /// The database, its tables in stored order.
    pub(in crate::engine) fn into_database(self) -> Database {
        let tables = self.tables.into_iter().map(|t| t.schema.into_owned());
        Database {
            name: self.name.into_owned(),
            tables: tables.collect(),
            enums: self.enums.into_owned(),
            views: self.views.into_owned(),
            table_grants: self.table_grants.into_owned(),
        }
    }
}

/// File names derive from names and ids: either twice would be one file twice.
fn unique<'n>(named: impl Iterator<Item = (u32, &'n str)>) -> Result<(), &'static str> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (id, name) in named {
        if !ids.insert(id) {
            return Err("id");
        }
        if !names.insert(name) {
            return Err("name");
        }
    }
    Ok(())
}

fn twice(what: &str, place: &str) -> Error {
    Error::Usage(format!(
        "a {what} stands twice in one {place}\nRename one of the two."
    ))
}

fn repeated(path: &Path, what: &str) -> Damage {
    Damage {
        file: path.to_owned(),
        offset: sealed::HEAD_LEN as u64,
        code: Code::DuplicateName,
        found: format!("a {what} that stands twice"),
        expected: "distinct names and ids".into(),
    }
}

impl Metadata<'_> {
    /// Where the tables of the database in `dir` are.
    pub(in crate::engine) fn places(
        &self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cluster_id: u128,
        database: u32,
    ) -> impl Iterator<Item = (TablePlace, TableCounts)> {
        self.tables.iter().map(move |table| {
            let address = TableAddress {
                cluster_id,
                database,
                table: table.id,
            };
            (
                TablePlace::new(disk, dir, &table.schema, address),
                table.counts,
            )
        })
    }
}
