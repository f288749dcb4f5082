//! A directory of ours, opened for reading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog_file::{Global, Metadata};
use super::control::{self, Control, Origin};
use super::lock::lock;
use super::recovery::{Mode, Recovered, Replayed, no_table, recover, replay};
use crate::engine::layouts::Layout;
use crate::engine::log::Owner;
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::pages::paths::{GLOBAL_NAME, TablePlace, database_dir};
use crate::engine::pages::sealed;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Access, LiveTable, TableFiles};
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, LocalDisk, Lock, SourceFile};
use crate::finding::{Code, Finding};
use crate::model::{Catalog, PageStream, RowPart, RowSource, RowStream, Shown};
use crate::report::Report;

/// Pages that replay may cache beside those that it changes.
const REPLAY_POOL_PAGES: usize = 256;

/// A read-only view of a directory of ours, as it was after its last change:
/// what the log has beyond the files is applied in memory.
#[derive(Debug)]
pub struct Store {
    control: Control,
    catalog: Catalog,
    /// By database and table as in the catalog.
    tables: Vec<Vec<StoredTable>>,
    files: Box<dyn TableFiles>,
    findings: Report,
    /// Keeps writers out for as long as the view is there.
    _lock: Arc<dyn DiskFile>,
}

#[derive(Debug)]
struct StoredTable {
    place: TablePlace,
    counts: TableCounts,
    /// The table with its changes since the last checkpoint, if it has any.
    live: Option<Box<dyn LiveTable>>,
}

impl Store {
    /// Whether a directory is one of ours: the control file or the catalog
    /// starts as ours do. No single damaged byte can make it another kind.
    pub fn is_one(dir: &Path) -> bool {
        Self::is_one_on(&LocalDisk, dir)
    }

    /// As [`is_one`](Self::is_one), on any disk.
    pub fn is_one_on(disk: &dyn Disk, dir: &Path) -> bool {
        let starts = |path: &Path, offset: u64, magic: &[u8]| {
            let mut found = vec![0; magic.len()];
            let file = SourceFile::open_on(disk, path);
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
        let lock = lock(&**disk, dir, Lock::Shared)?;
        let recovered = recover(disk, dir, Mode::Read)?;
        let disk = &recovered.disk;
        let cluster_id = recovered.control.origin.cluster_id;
        let global = Global::read(&**disk, dir, cluster_id)?;
        let (mut databases, mut tables) = (Vec::new(), Vec::new());
        let mut owners = BTreeMap::new();
        for (d, entry) in global.databases.iter().enumerate() {
            let path = database_dir(dir, &entry.name, entry.id);
            let metadata = Metadata::read(&**disk, &path, cluster_id, entry)?;
            let ids = metadata.tables.iter().map(|table| Owner {
                database: entry.id,
                table: table.id,
            });
            owners.extend(ids.enumerate().map(|(t, owner)| (owner, (d, t))));
            let stored = metadata.places(disk, &path, cluster_id, entry.id);
            let stored = stored.map(|(place, counts)| StoredTable {
                place,
                counts,
                live: None,
            });
            tables.push(stored.collect());
            databases.push(metadata.into_database());
        }
        let mut store = Store {
            files: recovered.control.shape.tables(),
            catalog: global.into_catalog(databases),
            control: recovered.control.clone(),
            tables,
            findings: Report::new(),
            _lock: lock,
        };
        store.replay(&recovered, dir, &owners)?;
        Ok(store)
    }

    /// Applies what the log has beyond the files.
    fn replay(
        &mut self,
        recovered: &Recovered,
        dir: &Path,
        owners: &BTreeMap<Owner, (usize, usize)>,
    ) -> Result<()> {
        let access = Access {
            pool: Arc::new(BufferPool::new(REPLAY_POOL_PAGES)),
            write: false,
        };
        let (tables, catalog, files) = (&mut self.tables, &mut self.catalog, &self.files);
        let end = replay(&recovered.disk, dir, recovered, |owner, entry, at| {
            let found = owners.get(&owner).and_then(|(d, t)| {
                let stored = tables.get_mut(*d)?.get_mut(*t)?;
                Some((stored, catalog.databases.get_mut(*d)?.tables.get_mut(*t)?))
            });
            let (stored, schema) = found.ok_or_else(|| no_table(owner, at))?;
            let live = match &mut stored.live {
                Some(live) => live,
                none => none.insert(files.live(&stored.place, stored.counts, &access)?),
            };
            let mut replayed = Replayed {
                place: &stored.place,
                live: &mut **live,
                sequences: &mut schema.sequences,
            };
            replayed.apply(entry, at)
        })?;
        for stored in self.tables.iter_mut().flatten() {
            if let Some(live) = &stored.live {
                stored.counts = live.counts();
            }
        }
        if let Some(tail) = end.tail {
            let detail = format!("{} bytes behind the last whole record", tail.len);
            let finding = Finding::new(Code::TornTail).file(&tail.segment.path);
            self.findings
                .add(finding.offset(tail.offset).detail(detail));
        }
        Ok(())
    }

    /// What was found while opening.
    pub fn findings(&self) -> &Report {
        &self.findings
    }

    /// How its tables lie in files.
    pub fn layout(&self) -> Layout {
        self.control.shape.layout
    }

    /// Pages of one file of the layout paged; `None` in other layouts.
    pub fn pages_per_file(&self) -> Option<u32> {
        Some(self.control.shape.pages_per_file).filter(|pages| *pages > 0)
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

    /// The pages, records or blocks of a table from number `from` on, to be
    /// shown; with values if `with_rows`. Damage is part of what is shown.
    ///
    /// # Errors
    /// `Usage` for a table that is not there; I/O errors.
    pub fn pages(
        &self,
        (database, table): (usize, usize),
        from: u64,
        with_rows: bool,
    ) -> Result<Box<dyn PageStream + '_>> {
        let stored = self.known(database, table)?;
        let shown = Shown { from, with_rows };
        self.files.pages(&stored.place, stored.counts, shown)
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
        match &stored.live {
            Some(live) => live.rows(),
            None => self.files.open(&stored.place, stored.counts),
        }
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        let stored = self.known(database, table)?;
        match &stored.live {
            Some(_) => Ok(vec![RowPart::ALL]),
            None => self.files.parts(&stored.place, stored.counts),
        }
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let stored = self.known(database, table)?;
        match &stored.live {
            Some(live) => live.rows(),
            None => self.files.open_part(&stored.place, stored.counts, part),
        }
    }

    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        let stored = self.known(database, table)?;
        let found = TableCounts {
            rows,
            live,
            ..stored.counts
        };
        Ok(found.check(stored.counts, &stored.place.file(""), 0)?)
    }
}
