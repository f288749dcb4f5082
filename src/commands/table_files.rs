//! A new directory with one file a table, that is there whole or not at all.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Result;
use crate::file::{DiskWriter, LocalDisk, Staging, encode_name};

use super::dump::Chosen;

/// The directory under construction.
#[derive(Debug)]
pub struct TableFiles {
    staging: Staging,
    databases: BTreeSet<usize>,
}

impl TableFiles {
    /// Opens a directory that is to be `target`.
    ///
    /// # Errors
    /// As [`Staging::create`].
    pub fn create(target: &Path, source: &Path) -> Result<Self> {
        Ok(TableFiles {
            staging: Staging::create(&LocalDisk::shared(), target, source)?,
            databases: BTreeSet::new(),
        })
    }

    /// The new file `DATABASE/TABLE.suffix` of a table, the names encoded.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn file(&mut self, chosen: &Chosen<'_>, suffix: &str) -> Result<DiskWriter> {
        let (d, t) = chosen.at;
        let database = self
            .staging
            .path()
            .join(encode_name(&chosen.database.name, d));
        if self.databases.insert(d) {
            self.staging.disk().create_dir(&database)?;
        }
        let name = encode_name(&chosen.table.name, t);
        let path = database.join(format!("{name}.{suffix}"));
        self.staging.disk().create(&path).map(DiskWriter::new)
    }

    /// Syncs the files and gives the directory its name.
    ///
    /// # Errors
    /// As [`Staging::publish`].
    pub fn publish(self) -> Result<()> {
        self.staging.publish()
    }
}
