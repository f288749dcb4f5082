//! What is to be created, in the names and types of PostgreSQL, with a note
//! for everything that differs from the source.

use std::sync::Arc;

use crate::finding::Finding;
use crate::model::Privilege;

use super::{EnumType, PgType};

/// Who reads a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// PostgreSQL 15, through psql.
    #[default]
    Postgres,
    /// SQLite 3, through its command line.
    Sqlite,
}

/// Everything that a script creates.
#[derive(Debug, Default)]
pub struct Script {
    /// Users and roles, in order of creation.
    pub roles: Vec<RolePlan>,
    /// Role and member, none of them in a circle.
    pub memberships: Vec<(String, String)>,
    /// What differs about users and roles.
    pub notes: Vec<Finding>,
    /// The databases, in name order.
    pub databases: Vec<DatabasePlan>,
}

impl Script {
    /// Everything that differs from the source.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        let databases = self.databases.iter().flat_map(|database| {
            let tables = database.tables.iter().flat_map(|table| &table.notes);
            database.notes.iter().chain(tables)
        });
        self.notes.iter().chain(databases)
    }
}

/// A user or role.
#[derive(Debug)]
pub struct RolePlan {
    /// As PostgreSQL takes it.
    pub name: String,
    /// Whether it is a user.
    pub login: bool,
    /// SUPERUSER: whether every check is skipped.
    pub superuser: bool,
    /// CREATEDB.
    pub create_db: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// The hash of a user's password, where it is to be shown.
    pub password_hash: Option<String>,
}

/// Who may do what with a database or table.
#[derive(Debug, Default)]
pub struct AccessPlan {
    /// The owner, if it exists.
    pub owner: Option<String>,
    /// Privileges by role.
    pub grants: Vec<(String, Vec<Privilege>)>,
}

/// A database as it will be in PostgreSQL.
#[derive(Debug)]
pub struct DatabasePlan {
    /// As PostgreSQL takes it; differs from the others.
    pub name: String,
    /// Who may do what, unless accounts are left out.
    pub access: Option<AccessPlan>,
    /// Its enum types, in name order.
    pub enums: Vec<Arc<EnumType>>,
    /// Its tables, in name order.
    pub tables: Vec<TablePlan>,
    /// Views and their SQL, in name order.
    pub views: Vec<(String, String)>,
    /// What differs about the database itself.
    pub notes: Vec<Finding>,
}

/// A table as it will be in PostgreSQL.
#[derive(Debug)]
pub struct TablePlan {
    /// Its positions in the catalog.
    pub at: (usize, usize),
    /// As PostgreSQL takes it; differs from the others of its database.
    pub name: String,
    /// Its columns; of a table that is too wide, the names only matter.
    pub columns: Vec<ColumnPlan>,
    /// The one column that holds each row as a JSON object, of a table that is
    /// wider than PostgreSQL takes.
    pub as_json: Option<String>,
    /// Constraints over its own rows, in the order of their columns.
    pub keys: Vec<KeyPlan>,
    /// Constraints over the rows of another.
    pub foreign_keys: Vec<ForeignKeyPlan>,
    /// Who may do what, unless accounts are left out.
    pub access: Option<AccessPlan>,
    /// What differs about the table.
    pub notes: Vec<Finding>,
}

impl TablePlan {
    /// The key that a column is, if it is one.
    pub fn key(&self, column: usize) -> Option<&KeyPlan> {
        let found = self.keys.binary_search_by_key(&column, |key| key.column);
        self.keys.get(found.ok()?)
    }
}

/// A column as it will be in PostgreSQL.
#[derive(Debug)]
pub struct ColumnPlan {
    /// Its name in the source.
    pub source: String,
    /// As PostgreSQL takes it; differs from the others of its table.
    pub name: String,
    /// Its type.
    pub of: PgType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Whether a visible row holds NULL.
    pub has_null: bool,
    /// Whether each value comes after the one before, so that none stands twice.
    pub rises: bool,
    /// A bound of the bytes of its longest value as text.
    pub max_len: usize,
    /// The sequence that gives its default.
    pub sequence: Option<SequencePlan>,
}

/// The sequence of a SERIAL column.
#[derive(Debug)]
pub struct SequencePlan {
    /// As PostgreSQL takes it; shares the names of tables.
    pub name: String,
    /// The value that it hands out next, behind all that its column holds; `None`
    /// where the highest of all is taken.
    pub next: Option<i64>,
}

/// PRIMARY KEY or UNIQUE over one column.
#[derive(Debug)]
pub struct KeyPlan {
    /// The position of the column.
    pub column: usize,
    /// Whether it is the primary key.
    pub primary: bool,
}

/// REFERENCES.
#[derive(Debug)]
pub struct ForeignKeyPlan {
    /// The position of the column.
    pub column: usize,
    /// The referenced table.
    pub table: String,
    /// The referenced column.
    pub referenced: String,
}
