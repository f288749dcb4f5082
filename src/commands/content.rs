//! What a directory holds, in hashes: equal for equal content, whatever the
//! layout, the order of rows or the order of maps.

mod hashing;

use serde::Serialize;

use crate::codec::{ByteWriter, MultisetHash};
use crate::error::Result;
use crate::legacy::{Family, encode_column};
use crate::model::{Catalog, Database, PrivilegeMap, Role, RowSource, Table, User};
use crate::work::Threads;

use super::dump::Chosen;

pub use crate::codec::ContentHash;

pub use hashing::{HashingRows, RowHashes, read_table, read_through};

/// The hashes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableContent {
    /// The database that it belongs to.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Visible row versions.
    pub live: u64,
    /// Row versions that are not visible.
    pub dead: u64,
    /// Schema, sequences and visible values: what a user sees.
    pub hash: ContentHash,
    /// The same with every version, its xmin and xmax.
    pub versions_hash: ContentHash,
}

/// The hashes of one database, over its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseContent {
    /// Its name.
    pub database: String,
    /// What a user sees.
    pub hash: ContentHash,
    /// The same with every version.
    pub versions_hash: ContentHash,
}

/// The hashes of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    /// What a user sees, with users, roles and grants.
    pub hash: ContentHash,
    /// The same with every version.
    pub versions_hash: ContentHash,
    /// Databases, in name order.
    pub databases: Vec<DatabaseContent>,
    /// Tables, in name order.
    pub tables: Vec<TableContent>,
}

impl Content {
    /// What a table holds.
    pub fn table(&self, database: &str, table: &str) -> Option<&TableContent> {
        let key = |one: &TableContent| (&*one.database, &*one.table).cmp(&(database, table));
        let found = self.tables.binary_search_by(key).ok()?;
        self.tables.get(found)
    }
}

/// Reads every row, on several threads, and hashes it.
///
/// # Errors
/// When a row stream fails, or gives other rows than were announced.
pub fn hash_content(catalog: &Catalog, rows: &dyn RowSource, threads: Threads) -> Result<Content> {
    let hashing = HashingRows::new(rows, catalog);
    read_through(catalog, &hashing, threads)?;
    for (at, hashes) in hashing.all() {
        rows.check_total(at.0, at.1, hashes.versions.count(), hashes.visible.count())?;
    }
    Ok(hashing.content(catalog))
}

impl HashingRows<'_> {
    /// The hash of what a user sees of a table whose rows have passed, which are
    /// forgotten then.
    pub fn table(&self, chosen: &Chosen<'_>) -> ContentHash {
        let rows = self.take(chosen.at);
        table_content(&chosen.database.name, chosen.table, &rows).hash
    }

    /// The hashes of what has passed, with the schemas of `catalog`.
    pub fn content(&self, catalog: &Catalog) -> Content {
        let mut databases = Vec::new();
        let mut tables = Vec::new();
        let mut hashes = self.all().map(|(_, hashes)| hashes);
        for database in &catalog.databases {
            let own: Vec<TableContent> = database
                .tables
                .iter()
                .zip(hashes.by_ref())
                .map(|(table, rows)| table_content(&database.name, table, &rows))
                .collect();
            databases.push(hash_database(database, &own));
            tables.extend(own);
        }
        databases.sort_by(|a, b| a.database.cmp(&b.database));
        tables.sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
        let of = |pick: fn(&DatabaseContent) -> ContentHash| {
            let mut w = ByteWriter::new();
            write_accounts(&mut w, catalog);
            let mut set = MultisetHash::default();
            databases
                .iter()
                .for_each(|database| set.add(&pick(database).0.to_le_bytes()));
            w.u128(set.finish().0);
            ContentHash::of(w.as_slice())
        };
        Content {
            hash: of(|d| d.hash),
            versions_hash: of(|d| d.versions_hash),
            databases,
            tables,
        }
    }
}

fn table_content(database: &str, table: &Table, rows: &RowHashes) -> TableContent {
    let of = |rows: &MultisetHash| {
        let mut w = ByteWriter::new();
        write_schema(&mut w, table);
        w.u128(rows.finish().0);
        ContentHash::of(w.as_slice())
    };
    TableContent {
        database: database.to_owned(),
        table: table.name.clone(),
        live: rows.visible.count(),
        dead: rows.versions.count().saturating_sub(rows.visible.count()),
        hash: of(&rows.visible),
        versions_hash: of(&rows.versions),
    }
}

fn hash_database(database: &Database, tables: &[TableContent]) -> DatabaseContent {
    let of = |pick: fn(&TableContent) -> ContentHash| {
        let mut w = ByteWriter::new();
        w.str(&database.name);
        sorted(&mut w, &database.enums, |w, (name, labels)| {
            w.str(name);
            labels.iter().for_each(|label| w.str(label));
        });
        sorted(&mut w, &database.views, |w, (name, sql)| {
            w.str(name);
            w.str(sql);
        });
        sorted(&mut w, &database.table_grants, |w, grants| {
            w.str(&grants.table);
            w.str(&grants.owner);
            write_privileges(w, &grants.privileges);
        });
        let mut set = MultisetHash::default();
        tables
            .iter()
            .for_each(|table| set.add(&pick(table).0.to_le_bytes()));
        w.u128(set.finish().0);
        ContentHash::of(w.as_slice())
    };
    DatabaseContent {
        database: database.name.clone(),
        hash: of(|t| t.hash),
        versions_hash: of(|t| t.versions_hash),
    }
}

/// Items in the order of their bytes, so that the order of a map means nothing.
fn sorted<T>(w: &mut ByteWriter, items: &[T], write: impl Fn(&mut ByteWriter, &T)) {
    let mut encoded: Vec<Vec<u8>> = items
        .iter()
        .map(|item| {
            let mut w = ByteWriter::new();
            write(&mut w, item);
            w.into_vec()
        })
        .collect();
    encoded.sort();
    w.count(encoded.len());
    encoded.iter().for_each(|bytes| w.bytes(bytes));
}

fn write_schema(w: &mut ByteWriter, table: &Table) {
    w.str(&table.name);
    w.count(table.columns.len());
    // The newest family has a field for everything a column can say.
    table
        .columns
        .iter()
        .for_each(|column| encode_column(w, column, Family::V2_3));
    sorted(w, &table.sequences, |w, (name, next)| {
        w.str(name);
        w.i64(*next);
    });
    w.bool(table.owner.is_some());
    w.str(table.owner.as_deref().unwrap_or_default());
}

fn write_privileges(w: &mut ByteWriter, map: &PrivilegeMap) {
    sorted(w, map, |w, (user, set)| {
        w.str(user);
        sorted(w, set, |w, privilege| w.str(privilege.as_str()));
    });
}

fn write_accounts(w: &mut ByteWriter, catalog: &Catalog) {
    sorted(w, &catalog.grants, |w, grants| {
        w.str(&grants.database);
        w.str(&grants.owner);
        write_privileges(w, &grants.privileges);
    });
    sorted(w, &catalog.users, write_user);
    sorted(w, &catalog.roles, write_role);
}

fn write_user(w: &mut ByteWriter, user: &User) {
    w.str(&user.name);
    w.str(&user.password_hash);
    w.bool(user.is_superuser);
    w.bool(user.can_create_db);
    w.bool(user.can_create_user);
    sorted(w, &user.roles, |w, role| w.str(role));
}

fn write_role(w: &mut ByteWriter, role: &Role) {
    w.str(&role.name);
    w.bool(role.is_superuser);
    w.bool(role.can_create_db);
    w.bool(role.can_create_role);
    sorted(w, &role.members, |w, name| w.str(name));
    sorted(w, &role.member_of, |w, name| w.str(name));
}
