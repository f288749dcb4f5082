//! The catalog on disk: `global.db` for the directory, `metadata.db` for each
//! database (format page, "Sealed files"). Every list keeps the order of the
//! legacy file, so that a snapshot can be written back byte for byte.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::descriptor;
use crate::engine::pages::address::Cluster;
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
    /// No database ever had this id or one above it; 0 where what is listed
    /// says as much.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub next_database: u32,
    /// Owners and grants of databases.
    pub grants: Cow<'a, [DatabaseGrants]>,
    /// Users, in stored order.
    pub users: Cow<'a, [User]>,
    /// Roles, in stored order.
    pub roles: Cow<'a, [Role]>,
    /// Files that hold what no table does; not there without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// The highest number that a transaction in place had; not there before the
    /// first one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_transaction: u64,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
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
    /// No table of it ever had this id or one above it; 0 where what is listed
    /// says as much.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub next_table: u32,
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
    /// What its files hold, as its descriptor says.
    #[serde(skip)]
    pub counts: TableCounts,
    /// The table itself. Its sequences are those of the last change of the
    /// schema until its descriptor was read.
    pub schema: Cow<'a, Table>,
}

/// Numbers things by their position.
///
/// # Errors
/// `LimitReached` when there are more than 2^32 - 1.
pub(in crate::engine) fn id_at(position: usize) -> Result<u32> {
    given(u32::try_from(position).unwrap_or(NO_DATABASE))
}

/// An id that may be given out.
fn given(id: u32) -> Result<u32> {
    match id {
        NO_DATABASE => Err(Error::LimitReached {
            what: "ids of one catalog".into(),
            most: NO_DATABASE.into(),
        }),
        id => Ok(id),
    }
}

/// The least id that is above all of `ids`, and none of those that are gone.
fn above(gone: u32, ids: impl Iterator<Item = u32>) -> u32 {
    ids.map(|id| id.saturating_add(1)).fold(gone, u32::max)
}

impl<'a> Global<'a> {
    /// The document of a catalog, ids by position.
    ///
    /// # Errors
    /// `NameTaken` when a name stands twice.
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
            next_database: 0,
            grants: Cow::Borrowed(&catalog.grants),
            users: Cow::Borrowed(&catalog.users),
            roles: Cow::Borrowed(&catalog.roles),
            beside: Vec::new(),
            last_transaction: 0,
        };
        global.unique()?;
        Ok(global)
    }

    /// An id that no database had so far.
    ///
    /// # Errors
    /// `LimitReached` when none is left.
    pub(in crate::engine) fn next_id(&self) -> Result<u32> {
        given(self.above())
    }

    fn above(&self) -> u32 {
        above(self.next_database, self.databases.iter().map(|db| db.id))
    }

    /// Takes a database out; nobody gets its id again.
    pub(in crate::engine) fn remove(&mut self, id: u32) {
        self.next_database = self.above();
        self.databases.retain(|db| db.id != id);
    }

    /// The bytes of `global.db`.
    ///
    /// # Errors
    /// `LimitReached` when it is too large; `NameTaken` when a name stands twice.
    pub(in crate::engine) fn encode(&self, cluster_id: u128) -> Result<Vec<u8>> {
        self.unique()?;
        sealed::encode(Path::new(GLOBAL_NAME), &global_seal(cluster_id), self)
    }

    fn unique(&self) -> Result<(), Repeated<'_>> {
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
        let unique = global.unique();
        unique.map_err(|Repeated(what, _)| repeated(&path, what))?;
        let named = [
            ("user", twice_in(global.users.iter().map(|user| &user.name))),
            ("role", twice_in(global.roles.iter().map(|role| &role.name))),
            (
                "grant",
                twice_in(global.grants.iter().map(|grants| &grants.database)),
            ),
        ];
        if let Some((what, _)) = named.into_iter().find(|(_, twice)| *twice) {
            return Err(repeated(&path, what).into());
        }
        Beside::check(&global.beside, &path)?;
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
    /// `NameTaken` when a name stands twice.
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
            next_table: 0,
            enums: Cow::Borrowed(&database.enums),
            views: Cow::Borrowed(&database.views),
            table_grants: Cow::Borrowed(&database.table_grants),
        };
        metadata.unique()?;
        Ok(metadata)
    }

    /// An id that no table of it had so far.
    ///
    /// # Errors
    /// `LimitReached` when none is left.
    pub(in crate::engine) fn next_id(&self) -> Result<u32> {
        given(self.above())
    }

    fn above(&self) -> u32 {
        above(self.next_table, self.tables.iter().map(|table| table.id))
    }

    /// Takes the table at a position out; nobody gets its id again.
    pub(in crate::engine) fn remove(&mut self, at: usize) -> TableEntry<'a> {
        self.next_table = self.above();
        self.tables.remove(at)
    }

    /// The bytes of `metadata.db`.
    ///
    /// # Errors
    /// `LimitReached` when it is too large; `NameTaken` when a name stands twice.
    pub(in crate::engine) fn encode(&self, cluster_id: u128, database: u32) -> Result<Vec<u8>> {
        self.unique()?;
        let seal = metadata_seal(cluster_id, database);
        sealed::encode(Path::new(METADATA_NAME), &seal, self)
    }

    fn unique(&self) -> Result<(), Repeated<'_>> {
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
        let unique = metadata.unique();
        unique.map_err(|Repeated(what, _)| repeated(&path, what))?;
        let named = [
            (
                "enum type",
                twice_in(metadata.enums.iter().map(|(name, _)| name)),
            ),
            (
                "view",
                twice_in(metadata.views.iter().map(|(name, _)| name)),
            ),
            (
                "grant",
                twice_in(metadata.table_grants.iter().map(|grants| &grants.table)),
            ),
        ];
        if let Some((what, _)) = named.into_iter().find(|(_, twice)| *twice) {
            return Err(repeated(&path, what).into());
        }
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
        Ok(metadata)
    }

    /// Takes in what the descriptors of all tables say.
    ///
    /// # Errors
    /// When one cannot be read, is damaged, or is of another table.
    pub(in crate::engine) fn describe(
        &mut self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cluster: Cluster,
        database: u32,
    ) -> Result<()> {
        let name = self.name.clone().into_owned();
        for table in &mut self.tables {
            let place = table.place(disk, dir, cluster, database);
            table.describe(&place, &name)?;
        }
        Ok(())
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
fn unique<'n>(named: impl Iterator<Item = (u32, &'n str)>) -> Result<(), Repeated<'n>> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (id, name) in named {
        if !ids.insert(id) {
            return Err(Repeated("id", name));
        }
        if !names.insert(name) {
            return Err(Repeated("name", name));
        }
    }
    Ok(())
}

/// A name or an id that stands twice.
struct Repeated<'n>(&'static str, &'n str);

impl From<Repeated<'_>> for Error {
    fn from(Repeated(_, name): Repeated<'_>) -> Self {
        let name = name.escape_debug().to_string();
        Error::NameTaken { name }
    }
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

/// Whether a name stands twice in a list.
fn twice_in<'n>(mut names: impl Iterator<Item = &'n String>) -> bool {
    let mut seen = BTreeSet::new();
    names.any(|name| !seen.insert(name))
}

impl TableEntry<'_> {
    /// Where the table of a database in `dir` is.
    pub(in crate::engine) fn place(
        &self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cluster: Cluster,
        database: u32,
    ) -> TablePlace {
        let address = cluster.table(database, self.id);
        TablePlace::new(disk, dir, &self.schema, address)
    }

    /// Takes in what the descriptor at the table's place says.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is of another table.
    pub(in crate::engine) fn describe(&mut self, place: &TablePlace, database: &str) -> Result<()> {
        let found = descriptor::read(place)?.document;
        let mut schema = found.schema.into_owned();
        let sequences = std::mem::take(&mut schema.sequences);
        let own = &*self.schema;
        let alike = (&own.name, &own.columns, &own.owner);
        if alike != (&schema.name, &schema.columns, &schema.owner) || found.database != database {
            let path = descriptor::path(place);
            let expected = "the table that metadata.db describes";
            let at = sealed::HEAD_LEN as u64;
            let found = "another table";
            return Err(Error::damage(&path, at, Code::BadCatalog, found, expected));
        }
        self.counts = found.counts;
        self.schema.to_mut().sequences = sequences;
        Ok(())
    }
}
