//! Databases and tables of a store that is being written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::handle::TableHandle;
use super::unopened::Unopened;
use crate::engine::log::Owner;
use crate::engine::pages::address::Lsns;
use crate::engine::pages::paths::database_dir;
use crate::engine::store::catalog_file::{Global, Metadata, TableEntry};
use crate::engine::store::control::Control;
use crate::engine::table::Access;
use crate::error::{Error, Result};
use crate::file::Disk;

/// Databases and tables.
#[derive(Debug)]
pub(super) struct LiveCatalog {
    pub global: Global<'static>,
    /// As `global` lists them.
    pub databases: Vec<LiveDatabase>,
    /// Every table of every database.
    pub tables: BTreeMap<Owner, Arc<TableHandle>>,
}

/// One database.
#[derive(Debug)]
pub(super) struct LiveDatabase {
    pub id: u32,
    pub dir: PathBuf,
    /// As it is in its file; counts and sequences of changed tables are behind.
    pub metadata: Metadata<'static>,
}

impl LiveDatabase {
    /// The entry of a table.
    pub(super) fn table(&self, id: u32) -> Option<&TableEntry<'static>> {
        self.metadata.tables.iter().find(|entry| entry.id == id)
    }

    /// Where a table is.
    pub(super) fn owner(&self, table: u32) -> Owner {
        Owner {
            database: self.id,
            table,
        }
    }
}

impl LiveCatalog {
    /// Reads the catalog; tables are opened when they are asked for.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(super) fn read(
        disk: &Arc<dyn Disk>,
        root: &Path,
        control: &Control,
        access: &Access,
    ) -> Result<Self> {
        // Files go on to states that the log does not have yet.
        let cluster = control.cluster(Lsns::ANY.last);
        let cluster_id = cluster.id;
        let global = Global::read(&**disk, root, cluster_id)?;
        let (mut databases, mut tables) = (Vec::new(), BTreeMap::new());
        for entry in &global.databases {
            let dir = database_dir(root, &entry.name, entry.id);
            let mut metadata = Metadata::read(&**disk, &dir, cluster_id, entry)?;
            metadata.describe(disk, &dir, cluster, entry.id)?;
            for table in &metadata.tables {
                let place = table.place(disk, &dir, cluster, entry.id);
                let counts = table.counts;
                let owner = Owner {
                    database: entry.id,
                    table: table.id,
                };
                let live = Unopened::new(control.shape, &place, counts, access);
                let schema = table.schema.clone().into_owned();
                let handle = TableHandle::new(owner, place, schema, Box::new(live));
                tables.insert(owner, Arc::new(handle));
            }
            databases.push(LiveDatabase {
                id: entry.id,
                dir,
                metadata,
            });
        }
        Ok(LiveCatalog {
            global,
            databases,
            tables,
        })
    }

    /// A database by its name.
    pub(super) fn database(&self, name: &str) -> Option<&LiveDatabase> {
        self.databases.iter().find(|db| db.metadata.name == name)
    }

    /// A database by its name.
    ///
    /// # Errors
    /// `Usage` when there is none.
    pub(super) fn database_mut(&mut self, name: &str) -> Result<&mut LiveDatabase> {
        let found = self
            .databases
            .iter_mut()
            .find(|db| db.metadata.name == name);
        found.ok_or_else(|| Error::Usage(format!("no database {}", name.escape_debug())))
    }
}
