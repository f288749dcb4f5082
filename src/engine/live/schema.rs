//! Changes of databases and tables. Each is a checkpoint of its own: the
//! catalog and the files change together, by one batch.

use std::borrow::Cow;
use std::sync::Arc;

use super::catalog::{LiveCatalog, LiveDatabase};
use super::dropped::Dropped;
use super::handle::TableHandle;
use super::leftovers::clear_leftovers;
use super::store::{LiveStore, Writer};
use crate::codec::{MadeRows, RowBuffer};
use crate::engine::log::{Batch, Owner};
use crate::engine::pages::paths::{METADATA_NAME, database_dir};
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::catalog_file::{DatabaseEntry, Metadata, TableEntry};
use crate::engine::store::descriptor;
use crate::error::{Error, Result};
use crate::model::{RowBatch, RowStream, Table};

impl LiveStore {
    /// Adds an empty database.
    ///
    /// # Errors
    /// `Usage` when there is one of that name; I/O errors.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.change_schema(|catalog, writer, batch| {
            if catalog.database(name).is_some() {
                return refuse(format!("database {} is there already", name.escape_debug()));
            }
            let id = next_id(catalog.databases.iter().map(|db| db.id))?;
            let dir = database_dir(&self.root, name, id);
            batch.create_dir(&dir);
            let name = name.to_owned();
            catalog.global.databases.push(DatabaseEntry {
                id,
                name: name.clone(),
            });
            let metadata = Metadata {
                name: Cow::Owned(name),
                tables: Vec::new(),
                enums: Cow::Owned(Vec::new()),
                views: Cow::Owned(Vec::new()),
                table_grants: Cow::Owned(Vec::new()),
            };
            catalog.databases.push(LiveDatabase { id, dir, metadata });
            let cluster_id = writer.control.origin.cluster_id;
            catalog.put_metadata(batch, cluster_id, id)?;
            catalog.put_global(batch, &self.root, cluster_id)
        })
    }

    /// Removes a database and its tables.
    ///
    /// # Errors
    /// `Usage` when there is none of that name; I/O errors.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.change_schema(|catalog, writer, batch| {
            let database = catalog.database_mut(name)?;
            let (id, dir) = (database.id, database.dir.clone());
            let own = |owner: &Owner| owner.database == id;
            for (_, handle) in catalog.tables.extract_if(.., |owner, _| own(owner)) {
                self.remove_files(&handle, batch)?;
            }
            batch.remove(&dir.join(METADATA_NAME));
            batch.remove_dir(&dir);
            catalog.databases.retain(|db| db.id != id);
            catalog.global.databases.retain(|db| db.id != id);
            catalog.put_global(batch, &self.root, writer.control.origin.cluster_id)
        })
    }

    /// Adds an empty table.
    ///
    /// # Errors
    /// `Usage` when there is one of that name, or no such database; I/O errors.
    pub fn create_table(&self, database: &str, table: Table) -> Result<Arc<TableHandle>> {
        self.change_schema(|catalog, writer, batch| {
            let cluster_id = writer.control.origin.cluster_id;
            let database = catalog.database_mut(database)?;
            check_new(database, &table.name)?;
            let id = next_id(database.metadata.tables.iter().map(|entry| entry.id))?;
            let owner = database.owner(id);
            let place = self.place(cluster_id, &database.dir, owner, &table);
            let staged = self.stage(&place, &mut MadeRows::new(std::iter::empty()))?;
            staged.install(&place, batch);
            database.metadata.tables.push(TableEntry {
                id,
                counts: staged.counts,
                schema: Cow::Owned(table.clone()),
            });
            catalog.put_metadata(batch, cluster_id, owner.database)?;
            let lsn = writer.log.end().at;
            catalog.put_descriptor(batch, &writer.control, lsn, owner)?;
            Ok((owner, place, table, staged.counts))
        })
        .and_then(|(owner, place, table, counts)| self.adopt((owner, place, table, counts)))
    }

    /// Removes a table.
    ///
    /// # Errors
    /// `Usage` when there is none of that name; I/O errors.
    pub fn drop_table(&self, database: &str, table: &str) -> Result<()> {
        self.change_schema(|catalog, writer, batch| {
            let database = catalog.database_mut(database)?;
            let at = position(database, table)?;
            let entry = database.metadata.tables.remove(at);
            let owner = database.owner(entry.id);
            if let Some(handle) = catalog.tables.remove(&owner) {
                self.remove_files(&handle, batch)?;
            }
            let cluster_id = writer.control.origin.cluster_id;
            catalog.put_metadata(batch, cluster_id, owner.database)
        })
    }

    /// Gives a table other columns or another name. `change` makes each row
    /// version fit them, which is given its values by the columns so far.
    /// Handles of the table are good no more; names of rows mean nothing
    /// afterwards.
    ///
    /// # Errors
    /// `Usage` when there is no such table, its new name is taken, or a row
    /// does not fit the new columns; I/O errors.
    pub fn alter_table(
        &self,
        database: &str,
        table: &str,
        schema: Table,
        mut change: impl FnMut(Vec<crate::model::Value>) -> Vec<crate::model::Value>,
    ) -> Result<Arc<TableHandle>> {
        self.change_schema(|catalog, writer, batch| {
            let cluster_id = writer.control.origin.cluster_id;
            let database = catalog.database_mut(database)?;
            let at = position(database, table)?;
            if schema.name != table {
                check_new(database, &schema.name)?;
            }
            let ids = || database.metadata.tables.iter().map(|entry| entry.id);
            let owner = database.owner(next_id(ids())?);
            let old = database.owner(ids().nth(at).unwrap_or_default());
            let place = self.place(cluster_id, &database.dir, owner, &schema);
            let Some(handle) = catalog.tables.get(&old).cloned() else {
                return refuse("internal: no such table".into());
            };
            let staged = {
                let reader = handle.read();
                let mut rows = Changed {
                    rows: reader.rows()?,
                    change: &mut change,
                    changed: RowBuffer::default(),
                };
                self.stage(&place, &mut rows)?
            };
            // Nothing is refused from here on.
            if handle.place.stem == place.stem {
                handle.write().live = Box::new(Dropped);
            } else {
                self.remove_files(&handle, batch)?;
            }
            staged.install(&place, batch);
            catalog.tables.remove(&old);
            let mut databases = catalog.databases.iter_mut();
            let database = databases.find(|db| db.id == owner.database);
            if let Some(entry) = database.and_then(|db| db.metadata.tables.get_mut(at)) {
                entry.id = owner.table;
                entry.counts = staged.counts;
                entry.schema = Cow::Owned(schema.clone());
            }
            catalog.put_metadata(batch, cluster_id, owner.database)?;
            let lsn = writer.log.end().at;
            catalog.put_descriptor(batch, &writer.control, lsn, owner)?;
            Ok((owner, place, schema, staged.counts))
        })
        .and_then(|opened| self.adopt(opened))
    }

    /// Makes a change of the catalog and carries out its batch.
    fn change_schema<T>(
        &self,
        change: impl FnOnce(&mut LiveCatalog, &mut Writer, &mut Batch) -> Result<T>,
    ) -> Result<T> {
        self.checkpoint()?;
        let mut writer = self.writer()?;
        let mut catalog = self.catalog_mut();
        let mut batch = Batch::new();
        let changed = change(&mut catalog, &mut writer, &mut batch);
        drop(catalog);
        // A refused change leaves the catalog as it was.
        let changed = match changed {
            Err(Error::Usage(what)) if batch.changes().is_empty() => {
                clear_leftovers(&*self.disk, &self.root)?;
                return Err(Error::Usage(what));
            }
            changed => writer.need(changed)?,
        };
        let done = self.carry_out(&mut writer, batch);
        writer.need(done)?;
        clear_leftovers(&*self.disk, &self.root)?;
        Ok(changed)
    }

    /// Opens a table whose files are in their place now.
    fn adopt(
        &self,
        (owner, place, table, counts): (
            Owner,
            crate::engine::pages::paths::TablePlace,
            Table,
            TableCounts,
        ),
    ) -> Result<Arc<TableHandle>> {
        let live = self.open_live(&place, counts)?;
        let handle = Arc::new(TableHandle::new(owner, place, table, live));
        self.catalog_mut().tables.insert(owner, handle.clone());
        Ok(handle)
    }

    /// Adds the removal of a table's files to a batch.
    fn remove_files(&self, handle: &TableHandle, batch: &mut Batch) -> Result<()> {
        // Nobody reads it from here on.
        handle.write().live = Box::new(Dropped);
        let files = self.files.present_files(&handle.place)?;
        let mut dirs: Vec<_> = files.iter().filter_map(|path| path.parent()).collect();
        dirs.dedup();
        files.iter().for_each(|path| batch.remove(path));
        batch.remove(&descriptor::path(&handle.place));
        dirs.retain(|dir| *dir != handle.place.dir);
        dirs.into_iter().for_each(|dir| batch.remove_dir(dir));
        Ok(())
    }
}

fn refuse<T>(what: String) -> Result<T> {
    Err(Error::Usage(what))
}

/// An id above all others.
fn next_id(ids: impl Iterator<Item = u32>) -> Result<u32> {
    let next = ids.max().map_or(Some(0), |id| id.checked_add(1));
    let id = next.filter(|id| *id != u32::MAX);
    id.ok_or_else(|| Error::Usage("too many ids were given out in this catalog".into()))
}

fn check_new(database: &LiveDatabase, table: &str) -> Result<()> {
    match position(database, table) {
        Ok(_) => refuse(format!("table {} is there already", table.escape_debug())),
        Err(_) => Ok(()),
    }
}

fn position(database: &LiveDatabase, table: &str) -> Result<usize> {
    let mut tables = database.metadata.tables.iter();
    let at = tables.position(|entry| entry.schema.name == table);
    at.ok_or_else(|| Error::Usage(format!("no table {}", table.escape_debug())))
}

/// Rows made to fit other columns.
struct Changed<'r, F> {
    rows: Box<dyn RowStream + 'r>,
    change: &'r mut F,
    changed: RowBuffer,
}

impl<F: FnMut(Vec<crate::model::Value>) -> Vec<crate::model::Value>> RowStream for Changed<'_, F> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.rows.next_batch()? else {
            return Ok(None);
        };
        self.changed.clear();
        for row in batch.rows() {
            let values = (self.change)(row.to_owned().values);
            let values = values.iter().map(|value| value.as_ref());
            self.changed.push(values, row.xmin, row.xmax);
        }
        Ok(Some(self.changed.batch()))
    }
}
