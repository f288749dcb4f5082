//! A directory of ours, opened for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::address::TableAddress;
use super::catalog_file::{Global, Metadata};
use super::control::{self, Control, ControlFile, Origin};
use super::layout::{Layout, TableCounts, TableFiles};
use super::paths::{GLOBAL_NAME, TablePlace, database_dir};
use super::sealed;
use crate::error::{Error, Result};
use crate::file::{Disk, LocalDisk, SourceFile};
use crate::finding::Code;
use crate::model::{Catalog, RowPart, RowSource, RowStream};

/// A read-only view of a directory of ours.
#[derive(Debug)]
pub struct Store {
    control: Control,
    catalog: Catalog,
    /// By database and table as in the catalog.
    tables: Vec<Vec<StoredTable>>,
    files: Box<dyn TableFiles>,
}

#[derive(Debug)]
struct StoredTable {
    place: TablePlace,
    counts: TableCounts,
}

impl Store {
    /// Whether a directory is one of ours: the control file or the catalog
    /// starts as ours do. No single damaged byte can make it another kind.
    pub fn is_one(dir: &Path) -> bool {
        let starts = |path: &Path, offset: u64, magic: &[u8]| {
            let mut found = vec![0; magic.len()];
            let file = SourceFile::open(path);
            file.is_ok_and(|file| file.read_exact_at(&mut found, offset).is_ok() && found == magic)
        };
        let control = control::path(dir);
        starts(&control, 0, control::MAGIC)
            || starts(&control, control::SLOT_LEN as u64, control::MAGIC)
            || starts(&dir.join(GLOBAL_NAME), 0, sealed::MAGIC)
    }

    /// Opens a directory: reads control file and catalog, and no rows.
    ///
    /// One bad slot of the control file is no obstacle; `verify` reports it.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of another directory.
    pub fn open(dir: &Path) -> Result<Store> {
        Self::open_on(&LocalDisk::shared(), dir)
    }

    /// As [`open`](Self::open), on any disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Store> {
        let control = ControlFile::read(&**disk, dir)?
            .current()
            .cloned()
            .map_err(Clone::clone)?;
        let files = control.shape.tables();
        let cluster_id = control.origin.cluster_id;
        let global = Global::read(&**disk, dir, cluster_id)?;
        let (mut databases, mut tables) = (Vec::new(), Vec::new());
        for entry in &global.databases {
            let path = database_dir(dir, &entry.name, entry.id);
            let metadata = Metadata::read(&**disk, &path, cluster_id, entry)?;
            let stored = metadata.places(disk, &path, cluster_id, entry.id);
            let stored = stored.map(|(place, counts)| StoredTable { place, counts });
            tables.push(stored.collect());
            databases.push(metadata.into_database());
        }
        Ok(Store {
            control,
            catalog: global.into_catalog(databases),
            tables,
            files,
        })
    }

    /// How its tables lie in files.
    pub fn layout(&self) -> Layout {
        self.control.shape.layout
    }

    /// What it was made from.
    pub fn origin(&self) -> &Origin {
        &self.control.origin
    }

    /// Everything but the rows.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Rows of a table that a user sees; 0 for a table that is not there.
    pub fn live_count(&self, database: usize, table: usize) -> u64 {
        self.table(database, table).map_or(0, |t| t.counts.live)
    }

    /// The files that hold a table.
    ///
    /// # Errors
    /// `Usage` for a table that is not there; I/O errors.
    pub fn files(&self, database: usize, table: usize) -> Result<Vec<PathBuf>> {
        self.files.files(&self.known(database, table)?.place)
    }

    fn table(&self, database: usize, table: usize) -> Option<&StoredTable> {
        self.tables.get(database)?.get(table)
    }

    fn known(&self, database: usize, table: usize) -> Result<&StoredTable> {
        self.table(database, table).ok_or_else(|| {
            let what = format!("internal: no table {table} in database {database}");
            Error::Usage(what)
        })
    }
}

impl RowSource for Store {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.table(database, table).map_or(0, |t| t.counts.rows)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let stored = self.known(database, table)?;
        self.files.open(&stored.place, stored.counts)
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        let stored = self.known(database, table)?;
        self.files.parts(&stored.place, stored.counts)
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let stored = self.known(database, table)?;
        self.files.open_part(&stored.place, stored.counts, part)
    }

    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        let stored = self.known(database, table)?;
        let found = TableCounts { rows, live };
        if found == stored.counts {
            return Ok(());
        }
        Err(Error::damage(
            &stored.place.file(""),
            0,
            Code::CountMismatch,
            found.to_string(),
            format!("{}, as the catalog says", stored.counts),
        ))
    }
}

impl Metadata<'_> {
    /// Where the tables of the database in `dir` are.
    pub(super) fn places(
        &self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        cluster_id: u128,
        database: u32,
    ) -> impl Iterator<Item = (TablePlace, TableCounts)> {
        self.tables.iter().map(move |table| {
            let address = TableAddress {
                cluster_id,
                database,
                table: table.id,
            };
            (
                TablePlace::new(disk, dir, &table.schema, address),
                table.counts,
            )
        })
    }
}
