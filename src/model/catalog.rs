//! Everything a directory holds beside its rows.
//!
//! Maps of the legacy files are kept as vectors in file order: the order is
//! arbitrary, but re-encoding must give the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Privilege, PrivilegeMap, Table};

/// One database: its tables, enum types and views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its name, unique in the directory.
    pub name: String,
    /// Its tables, in file order.
    pub tables: Vec<Table>,
    /// Enum types and their labels, in file order.
    pub enums: Vec<(String, Vec<String>)>,
    /// Views and their SQL (since family 1.10), in file order.
    pub views: Vec<(String, String)>,
    /// Owners and grants of tables (since family 2.3), in file order.
    pub table_grants: Vec<TableGrants>,
}

impl Database {
    /// A database without tables.
    pub fn empty(name: &str) -> Self {
        Database {
            name: name.to_owned(),
            tables: Vec::new(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        }
    }

    /// The position of a table.
    pub fn table_index(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }
}

/// Owner and grants of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseGrants {
    /// The name of the database.
    pub database: String,
    /// The name of the user whose it is.
    pub owner: String,
    /// Who may do what.
    pub privileges: PrivilegeMap,
}

/// Owner and grants of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableGrants {
    /// The name of the table.
    pub table: String,
    /// The name of the user whose it is.
    pub owner: String,
    /// Who may do what.
    pub privileges: PrivilegeMap,
}

impl TableGrants {
    /// What a server of family 2.3 writes for a new table: its owner may do all.
    pub fn owned_by(table: &str, owner: &str) -> Self {
        TableGrants {
            table: table.to_owned(),
            owner: owner.to_owned(),
            privileges: vec![(owner.to_owned(), vec![Privilege::All])],
        }
    }
}

/// A user who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The login name.
    pub name: String,
    /// Unsalted SHA-256 of the password in 64 hex digits: a secret.
    pub password_hash: String,
    /// Whether every check is skipped.
    pub is_superuser: bool,
    /// CREATEDB.
    pub can_create_db: bool,
    /// CREATEUSER.
    pub can_create_user: bool,
    /// Roles granted (since family 2.3), in file order.
    pub roles: Vec<String>,
}

/// A role (since family 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Unique among roles.
    pub name: String,
    /// Whether its members skip every check.
    pub is_superuser: bool,
    /// CREATEDB.
    pub can_create_db: bool,
    /// CREATEROLE.
    pub can_create_role: bool,
    /// Members, in file order.
    pub members: Vec<String>,
    /// Roles it is a member of, in file order.
    pub member_of: Vec<String>,
}

/// Which legacy file held the catalog, so that it can be written back alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `server_instance.db`: every database, user and role.
    #[default]
    Instance,
    /// The older form: one database a file, no users.
    SingleDatabase,
}

/// Everything a directory holds beside its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Which legacy file it came from.
    pub form: Form,
    /// The databases, in file order.
    pub databases: Vec<Database>,
    /// Owners and grants of databases, in file order.
    pub grants: Vec<DatabaseGrants>,
    /// The users, in file order.
    pub users: Vec<User>,
    /// The roles, in file order.
    pub roles: Vec<Role>,
}

impl Catalog {
    /// The position of a database.
    pub fn database_index(&self, name: &str) -> Option<usize> {
        let mut databases = self.databases.iter();
        databases.position(|database| database.name == name)
    }

    /// Number of tables of all databases.
    pub fn table_count(&self) -> usize {
        self.databases.iter().map(|db| db.tables.len()).sum()
    }
}

/// A table, and where it stands in its catalog.
#[derive(Debug, Clone, Copy)]
pub struct TableAt<'c> {
    /// The position of its database.
    pub database: usize,
    /// Its own position there.
    pub table: usize,
    /// The table.
    pub schema: &'c Table,
}

/// The tables of a catalog by their names: for as many lookups as there are
/// records, each of which would otherwise pass all tables.
pub struct TablesByName<'c>(BTreeMap<&'c str, Vec<TableAt<'c>>>);

impl<'c> TablesByName<'c> {
    /// Indexes a catalog.
    pub fn new(catalog: &'c Catalog) -> Self {
        let mut by_name = BTreeMap::<_, Vec<_>>::new();
        for (d, database) in catalog.databases.iter().enumerate() {
            for (t, table) in database.tables.iter().enumerate() {
                let named = by_name.entry(table.name.as_str()).or_default();
                // Of several of one name in a database the first one counts.
                if named
                    .last()
                    .is_none_or(|last: &TableAt<'_>| last.database != d)
                {
                    named.push(TableAt {
                        database: d,
                        table: t,
                        schema: table,
                    });
                }
            }
        }
        TablesByName(by_name)
    }

    /// The tables of a name, at most one a database, in the order of those.
    pub fn named(&self, name: &str) -> &[TableAt<'c>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
