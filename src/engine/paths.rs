//! Where the files of a directory are. No path comes from a file: names are
//! data and become file names by encoding (format page, "Names").

use std::path::{Path, PathBuf};

use super::address::TableAddress;
use crate::file::encode_name;

/// The control file.
pub(super) const CONTROL_NAME: &str = "control";
/// The catalog of the directory.
pub(super) const GLOBAL_NAME: &str = "global.db";
/// The catalog of a database.
pub(super) const METADATA_NAME: &str = "metadata.db";
/// Before the encoded name of a database.
pub(super) const DATABASE_PREFIX: &str = "db_";
/// Records whose database is unknown, kept aside as JSON lines. No checksum
/// covers it.
pub const QUARANTINE_NAME: &str = "quarantine.jsonl";

/// The directory of a database.
pub(super) fn database_dir(root: &Path, name: &str, id: u32) -> PathBuf {
    root.join(format!("{DATABASE_PREFIX}{}", encode(name, id)))
}

fn encode(name: &str, id: u32) -> String {
    encode_name(name, usize::try_from(id).unwrap_or(usize::MAX))
}

/// One table: where its files are, and what they must say of themselves.
#[derive(Debug, Clone)]
pub(super) struct TablePlace {
    /// Its database's directory.
    pub dir: PathBuf,
    /// Its encoded name; a layout adds suffixes.
    pub stem: String,
    /// Whose rows they are.
    pub address: TableAddress,
    /// Values of every row.
    pub arity: usize,
}

impl TablePlace {
    /// The place of the table `name`.
    pub(super) fn new(dir: &Path, name: &str, address: TableAddress, arity: usize) -> Self {
        TablePlace {
            dir: dir.to_owned(),
            stem: encode(name, address.table),
            address,
            arity,
        }
    }

    /// A file of the table.
    pub(super) fn file(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", self.stem))
    }
}
