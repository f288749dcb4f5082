//! A directory of ours, opened for writing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::catalog::{LiveCatalog, LiveDatabase};
use super::handle::TableHandle;
use super::leftovers::clear_leftovers;
use crate::engine::layouts::{CreateOptions, Layout};
use crate::engine::log::{LogWriter, Owner, SegmentFile};
use crate::engine::pages::address::{Lsn, Lsns, TableAddress};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::beside::changed_beside;
use crate::engine::store::control::{Control, Origin};
use crate::engine::store::create::create_on;
use crate::engine::store::lock::lock_for_changes;
use crate::engine::store::recovery::{Mode, Replayed, no_table, recover, replay};
use crate::engine::store::salvage::rebuild_catalogs;
use crate::engine::table::{Access, LiveTable, TableFiles};
use crate::error::{Error, Result};
use crate::file::{DataDisk, Disk, DiskFile, LocalDisk};
use crate::model::{Catalog, RowSource, RowStream, Table};
use crate::report::Report;
use crate::work::Threads;

/// How a store works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Changes between two checkpoints, at least 1; 10,000 by default.
    pub checkpoint_every: u64,
    /// Bytes of memory that changes may take before a checkpoint is made
    /// sooner; 16 MiB by default.
    pub pending_limit: usize,
    /// Pages of 8 KB that are cached, at least 16; 2,048 (16 MiB) by default.
    pub pool_pages: usize,
    /// Whether whole records beyond damage of the log are refused. A crash may
    /// leave them where nothing was synced, so a server cuts them off; false by
    /// default.
    pub keep_beyond_damage: bool,
    /// Threads that a compaction reads and encodes on; one by default. What it
    /// writes does not depend on them.
    pub threads: Threads,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            checkpoint_every: 10_000,
            pending_limit: 16 << 20,
            pool_pages: 2048,
            keep_beyond_damage: false,
            threads: Threads::ONE,
        }
    }
}

/// A directory of ours that this process alone may change.
///
/// Changes are made in memory and written to the log; [`sync`](Self::sync)
/// makes all of them durable at once. After a crash, the directory is as it was
/// after some change, and after none before the last `sync`. A checkpoint
/// carries changes to the files of the tables, now and then on its own.
///
/// One change is made at a time. Readers of a table wait for changes of that
/// table only. After an error that is not the caller's, a store takes no more
/// changes: open it again.
///
/// ```
/// use rustdb_migrate::engine::{Layout, LiveStore, Origin, StoreOptions};
/// use rustdb_migrate::model::{Column, DataType, Table, ValueRef};
///
/// # fn main() -> rustdb_migrate::error::Result<()> {
/// # let parent = tempfile::tempdir().unwrap();
/// # let dir = parent.path().join("data");
/// # std::fs::create_dir(&dir).unwrap();
/// let origin = Origin { family: "2.3".into(), cluster_id: 1 };
/// let store = LiveStore::create(&dir, Layout::Paged.into(), &origin, StoreOptions::default())?;
/// store.create_database("shop")?;
/// let users = Table::new("users", vec![
///     Column::key("id", DataType::Integer),
///     Column::new("name", DataType::Text),
/// ]);
/// let users = store.create_table("shop", users)?;
/// let id = store.insert(&users, &[ValueRef::Integer(1), ValueRef::Text("Ada")], 1)?;
/// store.update(&users, id, &[ValueRef::Integer(1), ValueRef::Text("Ada L.")], 2)?;
/// store.sync()?;
///
/// let (_, row) = users.read().find(&ValueRef::Integer(1))?.expect("it was inserted");
/// assert_eq!(row.values[1].as_ref(), ValueRef::Text("Ada L."));
/// assert_eq!((users.read().row_count(), users.read().live_count()), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LiveStore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
    pub(super) files: Box<dyn TableFiles>,
    pub(super) options: StoreOptions,
    findings: Report,
    /// States that its files may be of.
    lsns: Lsns,
    pub(super) access: Access,
    catalog: RwLock<LiveCatalog>,
    writer: Mutex<Writer>,
    /// Held for as long as the store is open.
    _lock: Arc<dyn DiskFile>,
}

/// What makes changes durable; whoever holds it makes the next change.
#[derive(Debug)]
pub(super) struct Writer {
    pub log: LogWriter,
    pub control: Control,
    /// Changes since the last checkpoint.
    pub pending: u64,
    /// Whether a change failed half-way.
    failed: bool,
}

impl LiveStore {
    /// Makes an empty directory of ours in `dir`, which is there and empty.
    ///
    /// # Errors
    /// `Usage` when it is not empty or an option is out of range; I/O errors.
    pub fn create(
        dir: &Path,
        layout: CreateOptions,
        origin: &Origin,
        options: StoreOptions,
    ) -> Result<Self> {
        Self::create_on(&LocalDisk::shared(), dir, layout, origin, options)
    }

    /// As [`create`](Self::create), on any disk.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        layout: CreateOptions,
        origin: &Origin,
        options: StoreOptions,
    ) -> Result<Self> {
        create_on(disk, dir, layout, &Catalog::default(), &NoRows, origin)?;
        for entry in disk.entries(dir)? {
            let synced = disk.open_write(&entry.path)?.sync();
            synced.map_err(|error| Error::io("sync", &entry.path, error))?;
        }
        disk.sync_dir(dir)?;
        Self::open_on(disk, dir, options)
    }

    /// Opens a directory, and brings its files to its last record. Catalogs that
    /// are gone are written anew from the tables; see
    /// [`findings`](Self::findings).
    ///
    /// # Errors
    /// `NeedsDecision` when another process has it open; damage; I/O errors.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self> {
        Self::open_on(&LocalDisk::shared(), dir, options)
    }

    /// As [`open`](Self::open), on any disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Self> {
        let disk = &DataDisk::shared(disk);
        let lock = lock_for_changes(&**disk, dir)?;
        let mut recovered = recover(disk, dir, Mode::Write)?;
        if recovered.control.first == Lsn::default() && SegmentFile::list(&**disk, dir)?.is_empty()
        {
            recovered.control.first = Lsns::random_first();
        }
        clear_leftovers(&**disk, dir)?;
        let mut findings = rebuild_catalogs(&recovered, dir)?;
        findings.extend(recovered.findings.clone());
        let control = &recovered.control;
        let files = control.shape.tables();
        let access = Access {
            pool: Arc::new(BufferPool::new(options.pool_pages)),
            write: true,
        };
        let catalog = LiveCatalog::read(disk, dir, control, &access)?;
        let wrong = changed_beside(&**disk, dir, &catalog.global.beside)?;
        wrong
            .into_values()
            .for_each(|finding| findings.add(finding));
        let mut pending = 0;
        let end = replay(disk, dir, &recovered, |owner, entry, at| {
            let handle = catalog.tables.get(&owner);
            let handle = handle.ok_or_else(|| no_table(owner, at))?;
            let mut state = handle.write();
            let state = &mut *state;
            state.changed = true;
            pending += 1;
            let mut replayed = Replayed {
                place: &handle.place,
                live: &mut *state.live,
                sequences: &mut state.sequences,
            };
            replayed.apply(entry, at)
        })?;
        if options.keep_beyond_damage
            && let Some(tail) = end.tail.as_ref().filter(|tail| tail.whole > 0)
        {
            let finding = tail.finding();
            let (found, expected) = (finding.detail.unwrap_or_default(), "a log without a hole");
            let path = &tail.segment.path;
            return Err(Error::damage(
                path,
                tail.offset,
                finding.code,
                found,
                expected,
            ));
        }
        let log = LogWriter::open(disk, dir, (control.origin.cluster_id, control.first), end)?;
        let store = LiveStore {
            disk: disk.clone(),
            root: dir.to_owned(),
            files,
            options,
            findings,
            lsns: recovered.cluster().lsns.open_ended(),
            access,
            catalog: RwLock::new(catalog),
            writer: Mutex::new(Writer {
                log,
                control: recovered.control,
                pending,
                failed: false,
            }),
            _lock: lock,
        };
        Ok(store)
    }

    /// What was lost with files that opening it wrote anew, and what is wrong with
    /// others that a store can do without.
    pub fn findings(&self) -> &Report {
        &self.findings
    }

    /// Makes every change durable, marks how far the log is on disk, and lets go of
    /// the directory: damage before the mark is then never taken for what a crash
    /// left. A store that is dropped instead leaves the mark of its last checkpoint.
    ///
    /// # Errors
    /// I/O errors.
    pub fn close(self) -> Result<()> {
        let mut writer = self.writer()?;
        writer.log.sync()?;
        let durable = writer.log.durable();
        // A head without records is nothing that could be lost.
        let has_more = writer.log.end().last > writer.control.checkpoint.last;
        if has_more && durable > writer.control.synced {
            writer.control.synced = durable;
            let checkpoint = writer.control.checkpoint;
            writer.control = writer
                .control
                .advance(&*self.disk, &self.root, checkpoint)?;
        }
        Ok(())
    }

    /// How its tables lie in files.
    pub fn layout(&self) -> Layout {
        self.writer_guard().control.shape.layout
    }

    /// A table by the names of its database and its own.
    pub fn table(&self, database: &str, table: &str) -> Option<Arc<TableHandle>> {
        let catalog = self.catalog();
        let database = catalog.database(database)?;
        let entries = &database.metadata.tables;
        let entry = entries.iter().find(|entry| entry.schema.name == table)?;
        catalog.tables.get(&database.owner(entry.id)).cloned()
    }

    /// Every database with its tables, in stored order.
    pub fn tables(&self) -> Vec<(String, Vec<Arc<TableHandle>>)> {
        let catalog = self.catalog();
        let of = |database: &LiveDatabase| {
            let entries = database.metadata.tables.iter();
            let owners = entries.map(|entry| database.owner(entry.id));
            let tables = owners.filter_map(|owner| catalog.tables.get(&owner).cloned());
            (database.metadata.name.to_string(), tables.collect())
        };
        catalog.databases.iter().map(of).collect()
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, LiveCatalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, LiveCatalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer_guard(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to make the next change.
    ///
    /// # Errors
    /// `Usage` when an earlier change failed half-way.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer_guard();
        if writer.failed {
            return Err(Error::Usage(format!(
                "{}: an earlier change failed half-way; open the directory again",
                self.root.display()
            )));
        }
        Ok(writer)
    }

    /// The rows of a table whose files are in their place.
    pub(super) fn open_live(
        &self,
        place: &TablePlace,
        counts: TableCounts,
    ) -> Result<Box<dyn LiveTable>> {
        self.files.live(place, counts, &self.access)
    }

    /// Where a table is or will be.
    pub(super) fn place(
        &self,
        cluster_id: u128,
        dir: &Path,
        owner: Owner,
        table: &Table,
    ) -> TablePlace {
        let address = TableAddress {
            cluster_id,
            lsns: self.lsns,
            database: owner.database,
            table: owner.table,
        };
        TablePlace::new(&self.disk, dir, table, address)
    }
}

impl Writer {
    /// Takes the result of a step that a change cannot do without.
    pub(super) fn need<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }
}

/// A source without tables.
struct NoRows;

impl RowSource for NoRows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Err(Error::Usage("internal: no such table".into()))
    }
}
