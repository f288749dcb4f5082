//! Legacy bytes, written: the counterpart of `decode`.

use std::io::Write;

use super::Family;
use crate::codec::{ByteWriter, encode_row};
use crate::error::{Error, Result};
use crate::model::{
    Catalog, Column, DataType, Database, DatabaseGrants, Form, Privilege, PrivilegeMap, Role,
    RowSource, Table, TableGrants, User,
};

fn option<T>(w: &mut ByteWriter, value: Option<&T>, write: impl FnOnce(&mut ByteWriter, &T)) {
    w.bool(value.is_some());
    if let Some(value) = value {
        write(w, value);
    }
}

fn list<T>(w: &mut ByteWriter, items: &[T], mut write: impl FnMut(&mut ByteWriter, &T)) {
    w.count(items.len());
    items.iter().for_each(|item| write(w, item));
}

fn strings(w: &mut ByteWriter, items: &[String]) {
    list(w, items, |w, item| w.str(item));
}

fn data_type(w: &mut ByteWriter, data_type: &DataType) {
    let tag = match data_type {
        DataType::SmallInt => 0,
        DataType::Integer => 1,
        DataType::Real => 2,
        DataType::Numeric { .. } => 3,
        DataType::Serial => 4,
        DataType::BigSerial => 5,
        DataType::Text => 6,
        DataType::Varchar(_) => 7,
        DataType::Char(_) => 8,
        DataType::Boolean => 9,
        DataType::Date => 10,
        DataType::Timestamp => 11,
        DataType::TimestampTz => 12,
        DataType::Uuid => 13,
        DataType::Json => 14,
        DataType::Jsonb => 15,
        DataType::Bytea => 16,
        DataType::Enum { .. } => 17,
    };
    w.u32(tag);
    match data_type {
        DataType::Numeric { precision, scale } => {
            w.u8(*precision);
            w.u8(*scale);
        }
        DataType::Varchar(len) | DataType::Char(len) => w.u64(*len),
        DataType::Enum { name, labels } => {
            w.str(name);
            strings(w, labels);
        }
        _ => {}
    }
}

/// Appends one column in the form of a family.
pub fn encode_column(w: &mut ByteWriter, column: &Column, family: Family) {
    w.str(&column.name);
    data_type(w, &column.data_type);
    w.bool(column.nullable);
    w.bool(column.primary_key);
    if family.has_unique() {
        w.bool(column.unique);
    }
    option(w, column.foreign_key.as_ref(), |w, key| {
        w.str(&key.table);
        w.str(&key.column);
    });
}

fn privileges(w: &mut ByteWriter, map: &PrivilegeMap) {
    list(w, map, |w, (user, set)| {
        w.str(user);
        list(w, set, |w, privilege| {
            let tag = Privilege::ALL
                .iter()
                .zip(0u32..)
                .find(|(p, _)| *p == privilege);
            w.u32(tag.map_or(0, |(_, tag)| tag));
        });
    });
}

fn database_grants(w: &mut ByteWriter, grants: &DatabaseGrants) {
    w.str(&grants.database);
    w.str(&grants.database);
    w.str(&grants.owner);
    privileges(w, &grants.privileges);
}

fn table_grants(w: &mut ByteWriter, grants: &TableGrants) {
    w.str(&grants.table);
    w.str(&grants.table);
    w.str(&grants.owner);
    privileges(w, &grants.privileges);
}

fn user(w: &mut ByteWriter, user: &User, family: Family) {
    w.str(&user.name);
    w.str(&user.name);
    w.str(&user.password_hash);
    w.bool(user.is_superuser);
    w.bool(user.can_create_db);
    w.bool(user.can_create_user);
    if family.has_roles() {
        strings(w, &user.roles);
    }
}

fn role(w: &mut ByteWriter, role: &Role) {
    w.str(&role.name);
    w.str(&role.name);
    w.bool(role.is_superuser);
    w.bool(role.can_create_db);
    w.bool(role.can_create_role);
    strings(w, &role.members);
    strings(w, &role.member_of);
}

/// Bytes gathered before they are written out.
const FLUSH_LEN: usize = 256 * 1024;

/// Writes snapshots of one family to a file, row by row.
pub struct SnapshotEncoder<'o> {
    out: &'o mut dyn Write,
    buffer: ByteWriter,
    family: Family,
    path: std::path::PathBuf,
}

impl<'o> SnapshotEncoder<'o> {
    /// An encoder for one family; `path` names the file in errors.
    pub fn new(out: &'o mut dyn Write, path: &std::path::Path, family: Family) -> Self {
        SnapshotEncoder {
            out,
            buffer: ByteWriter::new(),
            family,
            path: path.to_owned(),
        }
    }

    /// Writes the databases of `catalog` and what belongs to them. In the
    /// single-database form only database `only` is written.
    ///
    /// The order of every map is the catalog's, so what was read from a
    /// snapshot is written back byte for byte.
    ///
    /// # Errors
    /// When a row stream fails, gives another number of rows than announced,
    /// or the file cannot be written.
    pub fn write(
        mut self,
        catalog: &Catalog,
        rows: &dyn RowSource,
        only: Option<usize>,
    ) -> Result<()> {
        let family = self.family;
        if catalog.form == Form::Instance {
            self.buffer.count(catalog.databases.len());
        }
        for (index, database) in catalog.databases.iter().enumerate() {
            if catalog.form == Form::Instance {
                self.buffer.str(&database.name);
            } else if only.is_some_and(|only| only != index) {
                continue;
            }
            self.database(index, database, rows)?;
        }
        if catalog.form == Form::Instance {
            list(&mut self.buffer, &catalog.grants, database_grants);
            list(&mut self.buffer, &catalog.users, |w, u| user(w, u, family));
            if family.has_roles() {
                list(&mut self.buffer, &catalog.roles, role);
            }
        }
        self.flush(0)?;
        self.out
            .flush()
            .map_err(|error| Error::io("write", &self.path, error))
    }

    fn database(&mut self, index: usize, database: &Database, rows: &dyn RowSource) -> Result<()> {
        self.buffer.str(&database.name);
        self.buffer.count(database.tables.len());
        for (at, table) in database.tables.iter().enumerate() {
            self.buffer.str(&table.name);
            self.table(index, at, table, rows)?;
        }
        list(&mut self.buffer, &database.enums, |w, (name, labels)| {
            w.str(name);
            strings(w, labels);
        });
        if self.family.has_views() {
            list(&mut self.buffer, &database.views, |w, (name, sql)| {
                w.str(name);
                w.str(sql);
            });
        }
        if self.family.has_roles() {
            list(&mut self.buffer, &database.table_grants, table_grants);
        }
        Ok(())
    }

    fn table(
        &mut self,
        database: usize,
        index: usize,
        table: &Table,
        rows: &dyn RowSource,
    ) -> Result<()> {
        let family = self.family;
        self.buffer.str(&table.name);
        list(&mut self.buffer, &table.columns, |w, c| {
            encode_column(w, c, family)
        });
        let announced = rows.row_count(database, index);
        self.buffer.u64(announced);
        let mut written = 0;
        let mut stream = rows.open_rows(database, index)?;
        while let Some(batch) = stream.next_batch()? {
            written += batch.len() as u64;
            batch
                .rows()
                .for_each(|row| encode_row(&mut self.buffer, &row));
            self.flush(FLUSH_LEN)?;
        }
        if written != announced {
            return Err(Error::Internal(format!(
                "table {} announced {announced} rows and gave {written}",
                table.name.escape_debug()
            )));
        }
        list(&mut self.buffer, &table.sequences, |w, (name, next)| {
            w.str(name);
            w.i64(*next);
        });
        if family.has_roles() {
            self.buffer.str(table.owner.as_deref().unwrap_or_default());
        }
        Ok(())
    }

    fn flush(&mut self, above: usize) -> Result<()> {
        if self.buffer.len() > above {
            let written = self.out.write_all(self.buffer.as_slice());
            written.map_err(|error| Error::io("write", &self.path, error))?;
            self.buffer.clear();
        }
        Ok(())
    }
}
