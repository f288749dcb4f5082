//! Where the files of a directory are. No path comes from a file: names are
//! data and become file names by encoding (format page, "Names").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::address::TableAddress;
use crate::error::{Error, Result};
use crate::file::{Disk, EntryKind, SourceFile, encode_name};
use crate::finding::Code;
use crate::model::Table;

/// The control file.
pub(in crate::engine) const CONTROL_NAME: &str = "control";
/// The catalog of the directory.
pub(in crate::engine) const GLOBAL_NAME: &str = "global.db";
/// The catalog of a database.
pub(in crate::engine) const METADATA_NAME: &str = "metadata.db";
/// Before the encoded name of a database.
pub(in crate::engine) const DATABASE_PREFIX: &str = "db_";
/// Records whose database is unknown, kept aside as JSON lines.
pub const QUARANTINE_NAME: &str = "quarantine.jsonl";
/// Records that were placed by likelihood, as JSON lines.
pub const ATTRIBUTION_NAME: &str = "attribution.jsonl";

/// The directory of a database.
pub(in crate::engine) fn database_dir(root: &Path, name: &str, id: u32) -> PathBuf {
    root.join(format!("{DATABASE_PREFIX}{}", encode(name, id)))
}

/// The name of a database or table as part of a file name.
pub(in crate::engine) fn encode(name: &str, id: u32) -> String {
    encode_name(name, usize::try_from(id).unwrap_or(usize::MAX))
}

/// One table: where its files are, and what they must say of themselves.
#[derive(Debug, Clone)]
pub(in crate::engine) struct TablePlace {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// Its database's directory.
    pub dir: PathBuf,
    /// Its encoded name; a layout adds suffixes.
    pub stem: String,
    /// Whose rows they are.
    pub address: TableAddress,
    /// Values of every row.
    pub arity: usize,
    /// Position of the primary key, if there is one.
    pub key: Option<usize>,
}

impl TablePlace {
    /// The place of a table in the directory of its database.
    pub(in crate::engine) fn new(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        table: &Table,
        address: TableAddress,
    ) -> Self {
        TablePlace {
            disk: disk.clone(),
            dir: dir.to_owned(),
            stem: encode(&table.name, address.table),
            address,
            arity: table.columns.len(),
            key: table.primary_key(),
        }
    }

    /// A file of the table.
    pub(in crate::engine) fn file(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", self.stem))
    }

    /// Opens a file of the table for reading.
    ///
    /// # Errors
    /// When it is missing or not regular.
    pub(in crate::engine) fn open(&self, suffix: &str) -> Result<Arc<SourceFile>> {
        SourceFile::open_on(&*self.disk, &self.file(suffix))
    }

    /// Checks that a row to be written has as many values as the table has
    /// columns.
    ///
    /// # Errors
    /// `WrongArity`: whoever gave the row is at fault.
    #[inline]
    pub(in crate::engine) fn check_arity(&self, row_index: u64, found: usize) -> Result<()> {
        if found == self.arity {
            return Ok(());
        }
        Err(Error::WrongArity {
            table: format!("{}, row {row_index}", self.file("").display()),
            found,
            expected: self.arity,
        })
    }
}

/// Checks that the directory of a database is one: a link in its place could
/// lead out of the directory that the user named.
///
/// # Errors
/// When it is missing or something else.
pub(in crate::engine) fn check_dir(disk: &dyn Disk, dir: &Path) -> Result<()> {
    match disk.kind(dir)? {
        Some(EntryKind::Dir) => return Ok(()),
        Some(_) => {}
        None => return Err(Error::missing_file(dir)),
    }
    let found = "a file or a symbolic link";
    let expected = "the directory of a database";
    Err(Error::damage(dir, 0, Code::NotRegular, found, expected))
}
