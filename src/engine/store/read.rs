//! A directory of ours, opened for reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beside::{KnownBeside, changed_beside};
use super::catalog_file::{Global, Metadata};
use super::control::{self, Control, Origin};
use super::descriptor;
use super::lock::lock;
use super::recovery::{Mode, Recovered, Replayed, no_table, recover, replay};
use crate::engine::layouts::Layout;
use crate::engine::log::{Entry, Owner};
use crate::engine::pages::address::RowId;
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::pages::file_header::MAGIC_START;
use crate::engine::pages::paths::{
    DATABASE_PREFIX, GLOBAL_NAME, METADATA_NAME, TablePlace, database_dir,
};
use crate::engine::pages::sealed;
use crate::engine::rows::block::WholeRow;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{
    Access, BlockCache, LiveTable, NoUnits, Overlay, SequencePlaces, TableFiles, WholeRows,
    WholeUnits, absorb,
};
use crate::error::{Damage, Error, Result, is_missing};
use crate::file::{DataDisk, Disk, DiskFile, EntryKind, LocalDisk, Lock, SourceFile};
use crate::finding::{Code, Finding};
use crate::model::{Catalog, Database, PageStream, RowPart, RowSource, RowStream, Shown, Table};
use crate::report::Report;

/// Pages that replay may cache beside those that it changes.
const REPLAY_POOL_PAGES: usize = 256;
/// Bytes of blocks that replay may cache.
const REPLAY_BLOCK_LEN: usize = 2 << 20;

/// A read-only view of a directory of ours, as it was after its last change:
/// what the log has beyond the files is applied in memory.
#[derive(Debug)]
pub struct Store {
    pub(super) control: Control,
    pub(super) catalog: Catalog,
    /// By database and table as in the catalog.
    pub(super) tables: Vec<Vec<StoredTable>>,
    pub(super) files: Box<dyn TableFiles>,
    pub(super) findings: Report,
    pub(super) beside: KnownBeside,
    /// Keeps writers out for as long as the view is there.
    pub(super) _lock: Option<Arc<dyn DiskFile>>,
}

#[derive(Debug)]
pub(super) struct StoredTable {
    pub place: TablePlace,
    pub counts: TableCounts,
    pub rows: Rows,
    /// Where its sequences are.
    pub sequence_places: SequencePlaces,
}

/// Where the rows of a table are read.
#[derive(Debug)]
pub(super) enum Rows {
    /// In its files.
    Files,
    /// In its files and in the log since the last checkpoint.
    Live(Box<dyn LiveTable>),
    /// Nowhere: what describes them is damaged.
    Unreadable(Box<Damage>),
    /// In the whole units of its damaged files.
    Whole(WholeTable),
}

/// A damaged table, as far as it is whole.
#[derive(Debug)]
pub(super) struct WholeTable {
    /// What its files should hold, if that is known.
    pub expected: Option<TableCounts>,
    /// What the log has beyond them.
    pub overlay: Overlay,
}

impl Store {
    /// Whether a directory is one of ours: the control file or the catalog
    /// starts as ours do. No single damaged byte can make it another kind.
    pub fn is_one(dir: &Path) -> bool {
        Self::is_one_on(&LocalDisk, dir)
    }

    /// As [`is_one`](Self::is_one), on any disk.
    pub fn is_one_on(disk: &dyn Disk, dir: &Path) -> bool {
        let starts = |path: &Path, offset, magic: &[u8]| stands(disk, path, offset, magic);
        let control = control::path(dir);
        starts(&control, 0, control::MAGIC)
            || starts(&control, control::SLOT_LEN as u64, control::MAGIC)
            || starts(&dir.join(GLOBAL_NAME), 0, sealed::MAGIC)
            || disk.entries(dir).is_ok_and(|entries| {
                let databases = entries.iter().filter(|entry| entry.is_dir);
                let ours = databases.filter(|db| db.name.starts_with(DATABASE_PREFIX));
                // Any file that is left of a table will do.
                let mut dirs: Vec<_> = ours.map(|db| (db.path.clone(), true)).collect();
                while let Some((dir, is_database)) = dirs.pop() {
                    for entry in disk.entries(&dir).unwrap_or_default() {
                        if entry.is_file && starts(&entry.path, 0, MAGIC_START) {
                            return true;
                        }
                        dirs.extend((entry.is_dir && is_database).then_some((entry.path, false)));
                    }
                }
                false
            })
    }

    /// Opens a directory: reads control file and catalog, and no rows.
    ///
    /// One bad slot of the control file is no obstacle, and neither is a file beside
    /// the catalog that is lost or changed: they are among the findings.
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
        Self::open_with(disk, dir, true)
    }

    /// As [`open`](Self::open), on any disk, whatever is wrong with the catalog of
    /// one database or with one table: that is among the findings, and hides
    /// no other. A damaged database has no tables here, and reading a damaged
    /// table is an error.
    ///
    /// # Errors
    /// As [`open`](Self::open), of what all databases share.
    pub fn look_on(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Store> {
        Self::open_with(disk, dir, false)
    }

    fn open_with(disk: &Arc<dyn Disk>, dir: &Path, strict: bool) -> Result<Store> {
        let disk = &DataDisk::shared(disk);
        let lock = lock(&**disk, dir, Lock::Shared)?;
        let recovered = recover(disk, dir, Mode::Read)?;
        let mut store = Store::of_recovered(&recovered, dir, strict)?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// The directory as the last batch of its log leaves it, with what the log has
    /// beyond; `strict` as of [`open`](Self::open).
    pub(super) fn of_recovered(recovered: &Recovered, dir: &Path, strict: bool) -> Result<Store> {
        let disk = &recovered.disk;
        let cluster = recovered.cluster();
        let cluster_id = cluster.id;
        let global = Global::read(&**disk, dir, cluster_id)?;
        let (mut databases, mut tables) = (Vec::new(), Vec::new());
        let mut findings = Report::new();
        let mut owners = BTreeMap::new();
        let files = recovered.control.shape.tables();
        for (d, entry) in global.databases.iter().enumerate() {
            let path = database_dir(dir, &entry.name, entry.id);
            let read = Metadata::read(&**disk, &path, cluster_id, entry);
            let read = if strict { Ok(read?) } else { read };
            // A damaged database hides no other.
            let mut found = Report::new();
            let Some(mut metadata) = absorb(read, &path.join(METADATA_NAME), &mut found)? else {
                let found = found.findings().iter().cloned();
                found.for_each(|finding| findings.add(finding.database(&entry.name)));
                tables.push(Vec::new());
                databases.push(Database::empty(&entry.name));
                continue;
            };
            let mut stored = Vec::new();
            for (t, table) in metadata.tables.iter_mut().enumerate() {
                let place = table.place(disk, &path, cluster, entry.id);
                let described = table.describe(&place, &entry.name);
                let described = match described {
                    Err(error) if !strict => Err(as_damage(error, &descriptor::path(&place))),
                    Ok(()) if !strict => all_there(&*files, &place, table.counts),
                    described => described,
                };
                let rows = match described {
                    Ok(()) => Rows::Files,
                    Err(Error::Damage(damage)) if !strict => {
                        let finding = Finding::from(&*damage).database(&entry.name);
                        findings.add(finding.table(&table.schema.name));
                        Rows::Unreadable(damage)
                    }
                    Err(other) => return Err(other),
                };
                let owner = Owner {
                    database: entry.id,
                    table: table.id,
                };
                owners.insert(owner, (d, t));
                stored.push(StoredTable {
                    place,
                    counts: table.counts,
                    rows,
                    sequence_places: SequencePlaces::default(),
                });
            }
            tables.push(stored);
            databases.push(metadata.into_database());
        }
        let wrong = changed_beside(&**disk, dir, &global.beside)?;
        let beside = KnownBeside::of(&global.beside, &wrong);
        let mut store = Store {
            files,
            catalog: global.into_catalog(databases),
            control: recovered.control.clone(),
            tables,
            findings,
            beside,
            _lock: None,
        };
        store.replay(recovered, dir, &owners, strict)?;
        store.findings.extend(recovered.findings.clone());
        wrong
            .into_values()
            .for_each(|finding| store.findings.add(finding));
        Ok(store)
    }

    /// Applies what the log has beyond the files. Unless it is `strict`, a table
    /// that does not take its records is damaged, and the others go on.
    pub(super) fn replay(
        &mut self,
        recovered: &Recovered,
        dir: &Path,
        owners: &BTreeMap<Owner, (usize, usize)>,
        strict: bool,
    ) -> Result<()> {
        let access = Access {
            pool: Arc::new(BufferPool::new(REPLAY_POOL_PAGES)),
            blocks: Arc::new(BlockCache::new(REPLAY_BLOCK_LEN)),
            write: false,
        };
        let (tables, catalog, files) = (&mut self.tables, &mut self.catalog, &self.files);
        let names = catalog
            .databases
            .iter()
            .map(|database| database.name.clone());
        let databases: Vec<String> = names.collect();
        let partial = self.findings.has_errors();
        let (findings, mut unknown) = (&mut self.findings, BTreeSet::new());
        let end = replay(&recovered.disk, dir, recovered, |owner, entry, at| {
            if partial && !owners.contains_key(&owner) {
                return Ok(());
            }
            let found = owners.get(&owner).and_then(|(d, t)| {
                let stored = tables.get_mut(*d)?.get_mut(*t)?;
                Some((stored, catalog.databases.get_mut(*d)?.tables.get_mut(*t)?))
            });
            let Some((stored, schema)) = found else {
                return match no_table(owner, at) {
                    Error::Damage(damage) if !strict => {
                        if unknown.insert(owner) {
                            findings.add((&*damage).into());
                        }
                        Ok(())
                    }
                    error => Err(error),
                };
            };
            match stored.replay(schema, entry, at, (&**files, &access)) {
                Err(Error::Damage(damage)) if !strict => {
                    let database = owners.get(&owner).and_then(|(d, _)| databases.get(*d));
                    let name = database.map(String::as_str).unwrap_or_default();
                    let finding = Finding::from(&*damage).database(name);
                    findings.add(finding.table(&schema.name));
                    stored.rows = Rows::Unreadable(damage);
                    Ok(())
                }
                replayed => replayed,
            }
        })?;
        for stored in self.tables.iter_mut().flatten() {
            if let Rows::Live(live) = &stored.rows {
                stored.counts = live.counts();
            }
        }
        if let Some(tail) = end.tail {
            self.findings.add(tail.finding());
        }
        Ok(())
    }

    /// What was found while opening.
    pub fn findings(&self) -> &Report {
        &self.findings
    }

    /// Whether a file beside the catalog is the directory's own and as it was written.
    pub fn is_beside_whole(&self, name: &str) -> bool {
        self.beside.is_whole(name)
    }

    /// Whether a file beside the catalog is the directory's own: `global.db` names
    /// it, or is lost.
    pub fn has_beside(&self, name: &str) -> bool {
        self.beside.has(name)
    }

    /// Whether it is the folder of a database in such a directory, which is none by
    /// itself.
    pub fn is_database_on(disk: &dyn Disk, dir: &Path) -> bool {
        stands(disk, &dir.join(METADATA_NAME), 0, sealed::MAGIC)
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

    /// Whether the files of a table hold all of it, and the log nothing.
    pub fn is_in_files(&self, database: usize, table: usize) -> bool {
        let stored = self.table(database, table);
        stored.is_some_and(|stored| matches!(stored.rows, Rows::Files))
    }

    /// Whether a table holds exactly the row versions that it was made with:
    /// nothing was added, changed or compacted since, and nothing is lost.
    ///
    /// # Errors
    /// `Internal` for a table that is not there; when its descriptor cannot be read.
    pub fn is_as_made(&self, database: usize, table: usize) -> Result<bool> {
        let stored = self.known(database, table)?;
        match stored.rows {
            // Whoever writes files of a table anew says so in its descriptor.
            Rows::Files => Ok(descriptor::read(&stored.place)?.document.checkpoint == 0),
            Rows::Live(_) | Rows::Unreadable(_) | Rows::Whole(_) => Ok(false),
        }
    }

    /// Bytes of the files that hold a table; of a damaged one, of those that are
    /// there.
    ///
    /// # Errors
    /// `Internal` for a table that is not there; `MissingFile`; I/O errors.
    pub fn files_len(&self, database: usize, table: usize) -> Result<u64> {
        let stored = self.known(database, table)?;
        let disk = &stored.place.disk;
        let mut len = 0_u64;
        for path in self.files(database, table)? {
            len = len.saturating_add(disk.len_of(&path)?);
        }
        Ok(len)
    }

    /// The files that hold a table; of a damaged one, those that are there.
    ///
    /// # Errors
    /// `Internal` for a table that is not there; `MissingFile`; I/O errors.
    pub fn files(&self, database: usize, table: usize) -> Result<Vec<PathBuf>> {
        let stored = self.known(database, table)?;
        let place = &stored.place;
        // Of a table that is changed in the log, some are yet to be made.
        if !matches!(stored.rows, Rows::Files) {
            return self.files.present_files(place);
        }
        let mut files = self.files.files(place, stored.counts)?;
        // Derived ones need not be there.
        let derived = self.files.derived_files(place);
        files.retain(|path| {
            let is_there = matches!(place.disk.kind(path), Ok(Some(_)));
            is_there || !derived.contains(path)
        });
        Ok(files)
    }

    /// The pages, records or blocks of a table from number `from` on, to be
    /// shown; with values if `with_rows`. Damage is part of what is shown.
    ///
    /// # Errors
    /// `Internal` for a table that is not there; I/O errors.
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
        self.table(database, table)
            .ok_or_else(|| Error::Internal(format!("no table {table} in database {database}")))
    }
}

/// Whether these bytes stand at an offset of a file.
fn stands(disk: &dyn Disk, path: &Path, offset: u64, bytes: &[u8]) -> bool {
    let mut found = vec![0; bytes.len()];
    let file = SourceFile::open_on(disk, path);
    file.is_ok_and(|file| file.read_exact_at(&mut found, offset).is_ok() && found == bytes)
}

impl StoredTable {
    /// Applies one record of the log.
    fn replay(
        &mut self,
        schema: &mut Table,
        entry: Entry,
        at: (&Path, u64),
        (files, access): (&dyn TableFiles, &Access),
    ) -> Result<()> {
        if let Rows::Files = self.rows {
            self.rows = Rows::Live(files.live(&self.place, self.counts, access)?);
        }
        match &mut self.rows {
            Rows::Live(live) => Replayed {
                place: &self.place,
                live: &mut **live,
                sequences: (&mut schema.sequences, &mut self.sequence_places),
            }
            .apply(entry, at),
            Rows::Whole(whole) => {
                whole.overlay.add(entry, &mut schema.sequences);
                Ok(())
            }
            Rows::Files | Rows::Unreadable(_) => Ok(()),
        }
    }
}

impl WholeTable {
    /// The rows of whole units, and those of the log.
    pub(super) fn rows<'t>(
        &'t self,
        files: &dyn TableFiles,
        place: &'t TablePlace,
    ) -> Result<WholeRows<'t>> {
        let units = files.whole_units(place, self.expected, Some(place.arity));
        // The rows of the log are there without any file.
        let units: Box<dyn WholeUnits + 't> =
            match units.map_err(|error| as_damage(error, &place.file(""))) {
                Err(Error::Damage(damage)) => Box::new(NoUnits(Some(*damage))),
                units => units?,
            };
        Ok(WholeRows::new(units, &self.overlay, place.arity))
    }
}

impl Overlay {
    /// Takes in a record of the log.
    pub(super) fn add(&mut self, entry: Entry, sequences: &mut Vec<(String, i64)>) {
        match entry {
            Entry::Insert(new) => self.insert(new.id, new.row),
            Entry::End(end) => {
                self.ended.insert(end.id.0, end.xmax);
            }
            Entry::Update(end, new) => {
                self.ended.insert(end.id.0, end.xmax);
                self.insert(new.id, new.row);
            }
            Entry::Sequence { column, next } => self.sequence_places.set(sequences, column, next),
            Entry::Change(_) | Entry::Commit { .. } | Entry::Group(_) => {}
        }
    }

    fn insert(&mut self, id: RowId, bytes: Vec<u8>) {
        let xmax = None;
        self.inserted.push(WholeRow { id, bytes, xmax });
    }
}

/// Checks that the files of a table are there, without reading them.
fn all_there(files: &dyn TableFiles, place: &TablePlace, counts: TableCounts) -> Result<()> {
    let derived = files.derived_files(place);
    let all = files.files(place, counts)?;
    for path in all.iter().filter(|path| !derived.contains(path)) {
        if place.disk.kind(path)? != Some(EntryKind::File) {
            // Says what is wrong with it.
            place.disk.open(path)?;
        }
    }
    Ok(())
}

/// A file that is missing or none is damage of the directory.
pub(super) fn as_damage(error: Error, path: &Path) -> Error {
    let (code, found) = match &error {
        Error::Io { source, .. } if is_missing(source) => (Code::MissingFile, "no such file"),
        Error::NotADataDirectory { .. } => (Code::NotRegular, "something else"),
        _ => return error,
    };
    Error::damage(path, 0, code, found, "a file of the directory")
}

impl RowSource for Store {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.table(database, table).map_or(0, |t| t.counts.rows)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let stored = self.known(database, table)?;
        match &stored.rows {
            Rows::Files => self.files.open(&stored.place, stored.counts),
            Rows::Live(live) => live.rows(),
            Rows::Unreadable(damage) => Err(Error::Damage(damage.clone())),
            Rows::Whole(whole) => Ok(Box::new(whole.rows(&*self.files, &stored.place)?)),
        }
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        let stored = self.known(database, table)?;
        match &stored.rows {
            Rows::Files => self.files.parts(&stored.place, stored.counts),
            Rows::Live(_) | Rows::Whole(_) => Ok(vec![RowPart::ALL]),
            Rows::Unreadable(damage) => Err(Error::Damage(damage.clone())),
        }
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let stored = self.known(database, table)?;
        match &stored.rows {
            Rows::Files => self.files.open_part(&stored.place, stored.counts, part),
            _ => self.open_rows(database, table),
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
