//! A directory of ours, opened for writing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{LiveCatalog, Opening};
use super::options::StoreOptions;
use super::table_slot::{Stamps, TableId};
use super::view::{TableView, View};
use crate::engine::layouts::{CreateOptions, Layout};
use crate::engine::log::{LogWriter, SegmentFile};
use crate::engine::pages::address::{Lsn, Lsns};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::store::batch_check::STAGING_DIR;
use crate::engine::store::beside::changed_beside;
use crate::engine::store::control::{Control, Origin};
use crate::engine::store::create::create_on;
use crate::engine::store::lock::lock_for_changes;
use crate::engine::store::recovery::{Mode, recover, replay};
use crate::engine::store::salvage::rebuild_catalogs;
use crate::engine::table::{Access, BlockCache, TableFiles};
use crate::error::{Error, Result};
use crate::file::{DataDisk, Disk, DiskFile, LocalDisk, remove_tree};
use crate::model::{Catalog, RowSource, RowStream};
use crate::report::Report;

/// A directory of ours that this process alone may change: one writer, or any
/// number of readers, by type.
///
/// Readers borrow the store, and many threads may read it at once. A change
/// borrows it alone: [`begin`](Self::begin) gives a [`Transaction`], which
/// `commit` makes durable as a whole, and which leaves nothing behind when it is
/// dropped. There is no lock inside, so nobody can wait for himself, and what a
/// server shares it puts behind one of its own: `Mutex<LiveStore>`, or
/// `RwLock<LiveStore>` for readers beside one another (`examples/shared.rs`).
///
/// After a crash, the directory is as it was after some transaction, and after
/// none before the last that was durable. After an error that is not the
/// caller's, a store says [`StoreFailed`](Error::StoreFailed) to everybody: open
/// the directory again. Dropping a store syncs what was committed;
/// [`close`](Self::close) also says whether that went well.
///
/// [`Transaction`]: super::Transaction
///
/// ```
/// use rustdb_migrate::engine::{Durability, Layout, LiveStore, Origin, StoreOptions};
/// use rustdb_migrate::model::{Column, DataType, Table, Value, ValueRef};
///
/// # fn main() -> rustdb_migrate::error::Result<()> {
/// # let parent = tempfile::tempdir().unwrap();
/// # let dir = parent.path().join("data");
/// # std::fs::create_dir(&dir).unwrap();
/// let origin = Origin { family: "2.3".into(), cluster_id: 1 };
/// let options = StoreOptions::default();
/// let mut store = LiveStore::create(&dir, Layout::Paged.into(), &origin, options)?;
///
/// let mut tx = store.begin()?;
/// tx.create_database("shop")?;
/// let users = tx.create_table("shop", Table::new("users", vec![
///     Column::key("id", DataType::Integer),
///     Column::new("name", DataType::Text),
/// ]))?;
/// let ada = tx.insert(users, &[ValueRef::Integer(1), ValueRef::Text("Ada")])?;
/// tx.update(ada, &[ValueRef::Integer(1), ValueRef::Text("Ada L.")])?;
/// tx.commit(Durability::Sync)?;
///
/// let mut tx = store.begin()?;
/// tx.insert(users, &[ValueRef::Integer(2), ValueRef::Text("nobody")])?;
/// drop(tx);
///
/// let users = store.table("shop", "users")?;
/// let (_, row) = users.find(&ValueRef::Integer(1))?.expect("it was inserted");
/// assert_eq!(row.values[1], Value::Text("Ada L.".into()));
/// assert_eq!((users.row_count(), users.live_count()), (2, 1));
/// store.close()
/// # }
/// ```
///
/// What could go wrong between a reader and a writer does not compile. A reader
/// beside a writer, who would see half of a transaction:
///
/// ```compile_fail,E0502
/// # use rustdb_migrate::engine::{Durability, LiveStore};
/// # fn f(mut store: LiveStore) -> rustdb_migrate::error::Result<()> {
/// let users = store.table("shop", "users")?;
/// let tx = store.begin()?;
/// println!("{}", users.row_count());
/// # Ok(())
/// # }
/// ```
///
/// Two writers, each of whom would find the other's rows changed:
///
/// ```compile_fail,E0499
/// # use rustdb_migrate::engine::{Durability, LiveStore};
/// # fn f(mut store: LiveStore) -> rustdb_migrate::error::Result<()> {
/// let one = store.begin()?;
/// let two = store.begin()?;
/// one.commit(Durability::Sync)
/// # }
/// ```
///
/// Rows that are read over a checkpoint, or over a compaction, which move them:
///
/// ```compile_fail,E0502
/// # use rustdb_migrate::engine::{Durability, LiveStore};
/// # fn f(mut store: LiveStore) -> rustdb_migrate::error::Result<()> {
/// let mut rows = store.table("shop", "users")?.rows()?;
/// store.checkpoint()?;
/// rows.next_batch()?;
/// # Ok(())
/// # }
/// ```
///
/// What a transaction shows, read over a change of it, after which it is no longer so:
///
/// ```compile_fail,E0502
/// # use rustdb_migrate::engine::{LiveStore, RowName};
/// # fn f(mut store: LiveStore, name: RowName) -> rustdb_migrate::error::Result<()> {
/// let mut tx = store.begin()?;
/// let users = tx.table("shop", "users")?;
/// tx.delete(name)?;
/// println!("{}", users.row_count());
/// # Ok(())
/// # }
/// ```
///
/// A transaction after its commit, which nothing would make durable:
///
/// ```compile_fail,E0382
/// # use rustdb_migrate::engine::{Durability, LiveStore, RowName};
/// # fn f(mut store: LiveStore, name: RowName) -> rustdb_migrate::error::Result<()> {
/// let mut tx = store.begin()?;
/// tx.commit(Durability::Sync)?;
/// tx.delete(name)
/// # }
/// ```
///
/// A store that is closed or compacted while a transaction is open:
///
/// ```compile_fail,E0499
/// # use rustdb_migrate::engine::{Durability, LiveStore, RowName};
/// # fn f(mut store: LiveStore, name: RowName) -> rustdb_migrate::error::Result<()> {
/// let mut tx = store.begin()?;
/// store.compact()?;
/// tx.delete(name)?;
/// tx.commit(Durability::Sync)
/// # }
/// ```
///
/// A view of a store that is closed, whose files are somebody else's:
///
/// ```compile_fail,E0505
/// # use rustdb_migrate::engine::{Durability, LiveStore};
/// # fn f(mut store: LiveStore) -> rustdb_migrate::error::Result<()> {
/// let users = store.table("shop", "users")?;
/// store.close()?;
/// println!("{}", users.row_count());
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
    pub(super) lsns: Lsns,
    pub(super) access: Access,
    pub(super) catalog: LiveCatalog,
    pub(super) log: LogWriter,
    pub(super) control: Control,
    /// Changes since the last checkpoint.
    pub(super) pending: u64,
    pub(super) state: State,
    pub(super) stamps: Stamps,
    /// Tables that were staged, for names of their directories.
    pub(super) staged: u64,
    /// Held for as long as the store is open.
    _lock: Arc<dyn DiskFile>,
}

/// What a store may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Everything.
    Ready,
    /// Nothing but by the transaction that is open; one that was leaked is
    /// rolled back.
    Changing,
    /// Nothing any more.
    Failed,
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
        create_on(disk, dir, layout, &Catalog::default(), &NoTables, origin)?;
        for entry in disk.entries(dir)? {
            let synced = disk.open_write(&entry.path)?.sync();
            synced.map_err(|error| Error::io("sync", &entry.path, error))?;
        }
        disk.sync_dir(dir)?;
        Self::open_on(disk, dir, options)
    }

    /// Opens a directory, and brings its files to its last transaction. Catalogs
    /// that are gone are written anew from the tables; see
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
        remove_tree(&**disk, &dir.join(STAGING_DIR))?;
        let mut findings = rebuild_catalogs(&recovered, dir)?;
        findings.extend(recovered.findings.clone());
        let access = Access {
            pool: Arc::new(BufferPool::new(options.pool_pages)),
            blocks: Arc::new(BlockCache::new(options.block_cache_len)),
            write: true,
        };
        let with = Opening {
            disk,
            root: dir,
            control: &recovered.control,
            access: &access,
        };
        let mut stamps = Stamps::new();
        let mut catalog = LiveCatalog::read(with, &mut stamps)?;
        let wrong = changed_beside(&**disk, dir, &catalog.global.beside)?;
        wrong
            .into_values()
            .for_each(|finding| findings.add(finding));
        let mut pending = 0;
        let end = replay(disk, dir, &recovered, |owner, entry, at| {
            pending += 1;
            catalog.replay(owner, entry, at)
        })?;
        if options.keep_beyond_damage
            && let Some(tail) = end.tail.as_ref().filter(|tail| tail.whole > 0)
        {
            let finding = tail.finding();
            let (found, expected) = (finding.detail.unwrap_or_default(), "a log without a hole");
            let path = &tail.segment.path;
            let at = tail.offset;
            return Err(Error::damage(path, at, finding.code, found, expected));
        }
        let lsns = recovered.cluster().lsns.open_ended();
        let control = recovered.control;
        let log = (control.origin.cluster_id, control.first);
        Ok(LiveStore {
            log: LogWriter::open(disk, dir, log, end)?,
            lsns,
            findings,
            disk: disk.clone(),
            root: dir.to_owned(),
            files: control.shape.tables(),
            options,
            access,
            catalog,
            control,
            pending,
            state: State::Ready,
            stamps,
            staged: 0,
            _lock: lock,
        })
    }

    /// What was lost with files that opening it wrote anew, and what is wrong with
    /// others that a store can do without.
    pub fn findings(&self) -> &Report {
        &self.findings
    }

    /// How its tables lie in files.
    pub fn layout(&self) -> Layout {
        self.control.shape.layout
    }

    /// Everything that was committed.
    ///
    /// # Errors
    /// `StoreFailed`.
    pub fn view(&self) -> Result<View<'_>> {
        match self.state {
            State::Ready => Ok(View::new(&self.catalog)),
            State::Changing | State::Failed => Err(self.failed()),
        }
    }

    /// A table by the names of its database and its own; see
    /// [`View::table`].
    ///
    /// # Errors
    /// As [`View::table`]; `StoreFailed`.
    pub fn table(&self, database: &str, table: &str) -> Result<TableView<'_>> {
        self.view()?.table(database, table)
    }

    /// A table by its id.
    ///
    /// # Errors
    /// `TableMissing` when it was dropped or altered since; `StoreFailed`.
    pub fn table_of(&self, id: TableId) -> Result<TableView<'_>> {
        self.view()?.table_of(id)
    }

    pub(super) fn failed(&self) -> Error {
        Error::StoreFailed {
            path: self.root.clone(),
        }
    }

    /// Takes the result of a step that the files depend on.
    pub(super) fn need<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// The catalog to be changed, what its tables are opened with, and numbers
    /// for what is new.
    pub(super) fn parts(&mut self) -> (&mut LiveCatalog, Opening<'_>, &mut Stamps) {
        let with = Opening {
            disk: &self.disk,
            root: &self.root,
            control: &self.control,
            access: &self.access,
        };
        (&mut self.catalog, with, &mut self.stamps)
    }

    /// Removes what was staged and came to nothing.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn clear_staged(&self) -> Result<()> {
        remove_tree(&*self.disk, &self.root.join(STAGING_DIR))
    }
}

impl Drop for LiveStore {
    /// Syncs what was committed. What was not never reached the log.
    fn drop(&mut self) {
        if self.state != State::Failed {
            let _ = self.log.sync();
        }
    }
}

/// A source without tables.
struct NoTables;

impl RowSource for NoTables {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        0
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        Err(Error::Internal("a catalog without tables has none".into()))
    }
}
