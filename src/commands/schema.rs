//! Schemas in the shape that programs read.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Catalog, Column, DataType, Database, DatabaseGrants, PrivilegeMap, Role, Table, User,
};

/// A column as it was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnSchema {
    /// Unique in its table.
    pub name: String,
    /// Its declared type, as SQL.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Labels of an enum type, as they were when the column was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// False for NOT NULL.
    pub nullable: bool,
    /// Whether it was declared PRIMARY KEY.
    pub primary_key: bool,
    /// Whether it was declared UNIQUE; a primary key need not be.
    pub unique: bool,
    /// REFERENCES, as `[table, column]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<(String, String)>,
}

/// One table without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSchema {
    /// Its columns, in value order.
    pub columns: Vec<ColumnSchema>,
    /// Next values by column.
    pub sequences: BTreeMap<String, i64>,
    /// Its owner, where the release has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// One user. The hash of the password is there only when asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserSchema {
    /// The login name.
    pub user: String,
    /// The hash, or what stands for it.
    pub password_hash: String,
    /// Whether every check is skipped.
    pub superuser: bool,
    /// CREATEDB.
    pub can_create_db: bool,
    /// CREATEUSER.
    pub can_create_user: bool,
    /// Roles granted, in name order.
    pub roles: Vec<String>,
}

/// A role, and how it stands to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleSchema {
    /// Its name.
    pub role: String,
    /// Whether its members skip every check.
    pub superuser: bool,
    /// CREATEDB.
    pub can_create_db: bool,
    /// CREATEROLE.
    pub can_create_role: bool,
    /// Members, in name order.
    pub members: Vec<String>,
    /// Roles it is a member of, in name order.
    pub member_of: Vec<String>,
}

/// Owner and grants of a database or table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantSchema {
    /// The user who made it, or was given it.
    pub owner: String,
    /// Privileges by user.
    pub privileges: BTreeMap<String, Vec<&'static str>>,
}

impl ColumnSchema {
    /// Its constraints, as SQL says them.
    pub fn constraints(&self) -> Vec<String> {
        let marks = [
            (self.primary_key, "PRIMARY KEY"),
            (self.unique, "UNIQUE"),
            (!self.nullable, "NOT NULL"),
        ];
        let marks = marks.iter().filter(|(there, _)| *there);
        let mut marks: Vec<String> = marks.map(|(_, mark)| (*mark).to_owned()).collect();
        if let Some((table, column)) = &self.references {
            marks.push(format!("REFERENCES {table}({column})"));
        }
        marks
    }
}

impl From<&Column> for ColumnSchema {
    fn from(column: &Column) -> Self {
        let reference = column.foreign_key.as_ref();
        ColumnSchema {
            name: column.name.clone(),
            data_type: column.data_type.to_string(),
            labels: match &column.data_type {
                DataType::Enum { labels, .. } => Some(labels.clone()),
                _ => None,
            },
            nullable: column.nullable,
            primary_key: column.primary_key,
            unique: column.unique,
            references: reference.map(|key| (key.table.clone(), key.column.clone())),
        }
    }
}

impl From<&Table> for TableSchema {
    fn from(table: &Table) -> Self {
        TableSchema {
            columns: table.columns.iter().map(ColumnSchema::from).collect(),
            sequences: table.sequences.iter().cloned().collect(),
            owner: table.owner.clone(),
        }
    }
}

impl UserSchema {
    /// A user, with `password_hash` for the hash.
    pub fn new(user: &User, password_hash: &str) -> Self {
        UserSchema {
            user: user.name.clone(),
            password_hash: password_hash.to_owned(),
            superuser: user.is_superuser,
            can_create_db: user.can_create_db,
            can_create_user: user.can_create_user,
            roles: sorted(&user.roles),
        }
    }
}

impl From<&Role> for RoleSchema {
    fn from(role: &Role) -> Self {
        RoleSchema {
            role: role.name.clone(),
            superuser: role.is_superuser,
            can_create_db: role.can_create_db,
            can_create_role: role.can_create_role,
            members: sorted(&role.members),
            member_of: sorted(&role.member_of),
        }
    }
}

impl GrantSchema {
    /// Owner and privileges.
    pub fn new(owner: &str, privileges: &PrivilegeMap) -> Self {
        let by_user = privileges.iter().map(|(user, set)| {
            let mut set = set.clone();
            set.sort();
            (user.clone(), set.iter().map(|p| p.as_str()).collect())
        });
        GrantSchema {
            owner: owner.to_owned(),
            privileges: by_user.collect(),
        }
    }
}

impl From<&DatabaseGrants> for GrantSchema {
    fn from(grants: &DatabaseGrants) -> Self {
        GrantSchema::new(&grants.owner, &grants.privileges)
    }
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

/// Databases with their positions, in name order.
pub fn databases_by_name(catalog: &Catalog) -> Vec<(usize, &Database)> {
    let mut databases: Vec<_> = catalog.databases.iter().enumerate().collect();
    databases.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    databases
}

/// Tables of a database with their positions, in name order.
pub fn tables_by_name(database: &Database) -> Vec<(usize, &Table)> {
    let mut tables: Vec<_> = database.tables.iter().enumerate().collect();
    tables.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    tables
}
