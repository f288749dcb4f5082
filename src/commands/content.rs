//! What a directory holds, in hashes: equal for equal content, whatever the
//! layout, the order of rows or the order of maps.

use std::cell::RefCell;

use serde::Serialize;

use crate::codec::{ByteWriter, ContentHash, MultisetHash};
use crate::error::{Error, Result};
use crate::legacy::{Family, encode_column, encode_row};
use crate::model::{
    Catalog, Database, PrivilegeMap, Role, RowBatch, RowRef, RowSource, RowStream, Table, User,
};

/// The hashes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableContent {
    /// Its database.
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

/// The rows of one table, hashed as multisets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowHashes {
    /// Values of visible rows.
    visible: MultisetHash,
    /// Values, xmin and xmax of every row.
    versions: MultisetHash,
}

impl RowHashes {
    /// Adds a row; `scratch` is reused from row to row.
    pub fn add(&mut self, row: &RowRef<'_>, scratch: &mut ByteWriter) {
        scratch.clear();
        encode_row(
            scratch,
            &RowRef {
                xmin: 0,
                xmax: None,
                ..*row
            },
        );
        if row.is_visible() {
            self.visible.add(scratch.as_slice());
        }
        let values = ContentHash::of(scratch.as_slice());
        scratch.clear();
        scratch.u128(values.0);
        scratch.u64(row.xmin);
        scratch.bool(row.is_visible());
        scratch.u64(row.xmax.unwrap_or_default());
        self.versions.add(scratch.as_slice());
    }
}

/// Reads every row and hashes it.
///
/// # Errors
/// When a row stream fails.
pub fn hash_content(catalog: &Catalog, rows: &dyn RowSource) -> Result<Content> {
    let hashing = HashingRows::new(rows, catalog);
    for (d, database) in catalog.databases.iter().enumerate() {
        for t in 0..database.tables.len() {
            let mut stream = hashing.open_rows(d, t)?;
            while stream.next_batch()?.is_some() {}
        }
    }
    Ok(hashing.content(catalog))
}

/// Hashes rows on their way from a source to whoever reads them.
pub struct HashingRows<'s> {
    source: &'s dyn RowSource,
    hashes: Vec<Vec<RefCell<RowHashes>>>,
}

impl<'s> HashingRows<'s> {
    /// Hashes what passes from `source`, whose tables `catalog` lists.
    pub fn new(source: &'s dyn RowSource, catalog: &Catalog) -> Self {
        let tables =
            |database: &Database| database.tables.iter().map(|_| RefCell::default()).collect();
        HashingRows {
            source,
            hashes: catalog.databases.iter().map(tables).collect(),
        }
    }

    /// The hashes of what has passed, with the schemas of `catalog`.
    pub fn content(&self, catalog: &Catalog) -> Content {
        let mut databases = Vec::new();
        let mut tables = Vec::new();
        for (database, hashes) in catalog.databases.iter().zip(&self.hashes) {
            let own: Vec<TableContent> = database
                .tables
                .iter()
                .zip(hashes)
                .map(|(table, rows)| table_content(&database.name, table, &rows.borrow()))
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

impl RowSource for HashingRows<'_> {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.source.row_count(database, table)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.source.open_rows(database, table)?;
        let hashes = self
            .hashes
            .get(database)
            .and_then(|tables| tables.get(table));
        let hashes = hashes.ok_or_else(|| Error::Usage("internal: no such table".into()))?;
        *hashes.borrow_mut() = RowHashes::default();
        Ok(Box::new(HashingStream {
            rows,
            hashes,
            scratch: ByteWriter::new(),
        }))
    }
}

struct HashingStream<'s> {
    rows: Box<dyn RowStream + 's>,
    hashes: &'s RefCell<RowHashes>,
    scratch: ByteWriter,
}

impl RowStream for HashingStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let batch = self.rows.next_batch()?;
        if let Some(batch) = &batch {
            let mut hashes = self.hashes.borrow_mut();
            batch
                .rows()
                .for_each(|row| hashes.add(&row, &mut self.scratch));
        }
        Ok(batch)
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
