//! Writes a new directory from a catalog and its rows.

use std::path::Path;
use std::sync::Arc;

use super::address::{Lsn, TableAddress};
use super::catalog_file::{Global, Metadata, id_at};
use super::control::{Control, Origin};
use super::layout::{CreateOptions, TableCounts, TableFiles};
use super::paths::{TablePlace, database_dir};
use crate::error::{Error, Result};
use crate::file::{Disk, LocalDisk};
use crate::model::{Catalog, Database, RowSource};

/// Writes a directory of ours into `dir`, which is there and empty: a staging
/// directory that its owner syncs and publishes.
///
/// Rows are streamed; memory depends on the widest row and on the catalog, not
/// on how many rows there are. Equal input gives equal bytes. The control file
/// comes last.
///
/// # Errors
/// `Usage` for options out of range, a catalog with a name twice, or a source that gives other rows than it announced; what the row streams
/// return; I/O errors.
pub fn create(
    dir: &Path,
    options: impl Into<CreateOptions>,
    catalog: &Catalog,
    rows: &dyn RowSource,
    origin: &Origin,
) -> Result<()> {
    create_on(
        &LocalDisk::shared(),
        dir,
        options.into(),
        catalog,
        rows,
        origin,
    )
}

/// As [`create`], on any disk.
///
/// # Errors
/// As [`create`].
pub fn create_on(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    options: CreateOptions,
    catalog: &Catalog,
    rows: &dyn RowSource,
    origin: &Origin,
) -> Result<()> {
    let shape = options.shape()?;
    let tables = shape.tables();
    origin.check()?;
    check_empty(&**disk, dir)?;
    let global = Global::new(catalog)?;
    for (index, database) in catalog.databases.iter().enumerate() {
        let id = id_at(index)?;
        // Names are checked before a file is written under one.
        Metadata::new(database, std::iter::repeat(TableCounts::default()))?;
        let path = database_dir(dir, &database.name, id);
        disk.create_dir(&path)?;
        let counts = write_tables(disk, &path, &*tables, (index, database), rows, origin)?;
        let metadata = Metadata::new(database, counts.into_iter())?;
        metadata.write(&**disk, &path, origin.cluster_id, id)?;
    }
    global.write(&**disk, dir, origin.cluster_id)?;
    Control::create(&**disk, dir, shape, origin)
}

fn check_empty(disk: &dyn Disk, dir: &Path) -> Result<()> {
    match disk.entries(dir)?.is_empty() {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "{} is not empty, expected an empty directory",
            dir.display()
        ))),
    }
}

fn write_tables(
    disk: &Arc<dyn Disk>,
    path: &Path,
    tables: &dyn TableFiles,
    (index, database): (usize, &Database),
    rows: &dyn RowSource,
    origin: &Origin,
) -> Result<Vec<TableCounts>> {
    let write = |(position, table): (usize, &crate::model::Table)| {
        let address = TableAddress {
            cluster_id: origin.cluster_id,
            database: id_at(index)?,
            table: id_at(position)?,
        };
        let place = TablePlace::new(disk, path, table, address);
        let mut stream = rows.open_rows(index, position)?;
        let counts = tables.write(&place, Lsn::default(), &mut *stream)?;
        let announced = rows.row_count(index, position);
        if counts.rows == announced {
            return Ok(counts);
        }
        Err(Error::Usage(format!(
            "internal: table {} announced {announced} rows and gave {}",
            table.name.escape_debug(),
            counts.rows
        )))
    };
    database.tables.iter().enumerate().map(write).collect()
}
