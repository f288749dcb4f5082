//! Writes a new directory from a catalog and its rows.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::catalog_file::{Global, Metadata, id_at};
use super::control::{Control, Origin};
use super::descriptor::{self, Descriptor};
use crate::engine::layouts::CreateOptions;
use crate::engine::pages::address::{Lsns, TableAddress};
use crate::engine::pages::paths::{TablePlace, database_dir};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::engine::table::{TableFiles, TableWriter};
use crate::error::{Error, Result};
use crate::file::{Disk, LocalDisk};
use crate::model::{Catalog, RowPart, RowSource};
use crate::work::{Beside, Threads, in_order};

/// Writes a directory of ours into `dir`, which is there and empty: a staging
/// directory that its owner syncs and publishes.
///
/// Rows are read and encoded on several threads and written in order: equal
/// input gives equal bytes, however many threads there are. Memory depends on
/// the widest row, on the catalog and on the threads, not on how many rows
/// there are. The control file comes last.
///
/// # Errors
/// `Usage` for options out of range or a directory that is not empty; `NameTaken`
/// for a catalog with a name twice; `Internal` for a source that gives other rows
/// than it announced; what the row streams return; I/O errors.
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
    let mut places = Vec::new();
    for (index, database) in catalog.databases.iter().enumerate() {
        let id = id_at(index)?;
        // Names are checked before a file is written under one.
        Metadata::new(database, std::iter::repeat(TableCounts::default()))?;
        let path = database_dir(dir, &database.name, id);
        disk.create_dir(&path)?;
        for (position, table) in database.tables.iter().enumerate() {
            let address = TableAddress {
                cluster_id: origin.cluster_id,
                lsns: Lsns::ANY,
                database: id,
                table: id_at(position)?,
            };
            let place = TablePlace::new(disk, &path, table, address);
            places.push(((index, position), place));
        }
    }
    let counts = Writing::new(&*tables, rows, &places)?.run(options.threads)?;
    let control = Control::new(shape, origin);
    for ((at, place), counts) in places.iter().zip(&counts) {
        let database = catalog.databases.get(at.0);
        let Some((database, table)) = database.and_then(|d| Some((d, d.tables.get(at.1)?))) else {
            continue;
        };
        let of = (database.name.as_str(), place.address.table);
        let descriptor = Descriptor::new(&control, of, *counts, Cow::Borrowed(table));
        let path = descriptor::path(place);
        let written = disk.create(&path)?;
        let written = written.write_all_at(&descriptor.encode(&place.address)?, 0);
        written.map_err(|error| Error::io("write", &path, error))?;
    }
    let mut counts = counts.into_iter();
    for (index, database) in catalog.databases.iter().enumerate() {
        let id = id_at(index)?;
        let metadata = Metadata::new(database, counts.by_ref().take(database.tables.len()))?;
        let path = database_dir(dir, &database.name, id);
        metadata.write(&**disk, &path, origin.cluster_id, id)?;
    }
    global.write(&**disk, dir, origin.cluster_id)?;
    control.create(&**disk, dir)
}

/// Writes the only table of a source into new files at `place`, on several
/// threads: the bytes do not depend on them.
///
/// # Errors
/// As [`create`].
pub(in crate::engine) fn create_table(
    tables: &dyn TableFiles,
    rows: &dyn RowSource,
    place: &TablePlace,
    threads: Threads,
) -> Result<TableCounts> {
    let places = [((0, 0), place.clone())];
    let counts = Writing::new(tables, rows, &places)?.run(threads)?;
    let only = counts.into_iter().next();
    only.ok_or_else(lost)
}

fn lost() -> Error {
    Error::Internal("a table that nobody wrote".into())
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

/// Positions of database and table in the catalog, and where the table is.
type Place = ((usize, usize), TablePlace);

/// A part of a table.
struct Job<'p> {
    place: &'p Place,
    part: RowPart,
    is_first: bool,
    is_last: bool,
}

/// All tables of a new directory.
struct Writing<'p> {
    tables: &'p dyn TableFiles,
    rows: &'p dyn RowSource,
    jobs: Vec<Job<'p>>,
}

impl<'p> Writing<'p> {
    fn new(
        tables: &'p dyn TableFiles,
        rows: &'p dyn RowSource,
        places: &'p [Place],
    ) -> Result<Self> {
        let mut jobs = Vec::new();
        for place in places {
            let parts = rows.parts(place.0.0, place.0.1)?;
            let last = parts.len().saturating_sub(1);
            let parts = parts.into_iter().enumerate();
            jobs.extend(parts.map(|(at, part)| Job {
                place,
                part,
                is_first: at == 0,
                is_last: at == last,
            }));
        }
        Ok(Writing { tables, rows, jobs })
    }

    /// What each table holds then, in the order of the catalog.
    fn run(&self, threads: Threads) -> Result<Vec<TableCounts>> {
        thread::scope(|scope| {
            let mut open: Option<Box<dyn TableWriter + '_>> = None;
            let mut counts = Vec::new();
            // The table before, which may wait for the disk while the next one is made.
            let mut ending = None;
            let ended = |ending: Option<Beside<'_, _, _>>| {
                let ended = ending.map(|ending| ending.wait().unwrap_or_else(|| Err(lost())));
                ended.transpose()
            };
            in_order(
                threads,
                self.jobs.len(),
                |job, encoded| self.encode(job, encoded),
                |job, encoded| {
                    let Some(job) = self.jobs.get(job) else {
                        return Ok(());
                    };
                    let writer = match &mut open {
                        Some(writer) => writer,
                        none => {
                            let place = &job.place.1;
                            let lsn = place.address.lsns.first;
                            none.insert(self.tables.start(place, lsn, threads)?)
                        }
                    };
                    match job.part {
                        RowPart::ALL => self.stream(job, encoded, &mut **writer)?,
                        _ => writer.push(encoded)?,
                    }
                    if job.is_last
                        && let Some(writer) = open.take()
                    {
                        counts.extend(ended(ending.take())?);
                        // The end of a small table is no work.
                        let threads = if job.is_first { Threads::ONE } else { threads };
                        let end = move || self.finish(job, writer);
                        ending = Some(Beside::begin(scope, threads, end));
                    }
                    Ok(())
                },
            )?;
            counts.extend(ended(ending)?);
            Ok(counts)
        })
    }

    fn encode(&self, job: usize, encoded: &mut EncodedRows) -> Result<()> {
        encoded.clear();
        let job = self.jobs.get(job);
        // The whole of a table may be large: its writer streams it.
        let Some(job) = job.filter(|job| job.part != RowPart::ALL) else {
            return Ok(());
        };
        let ((database, table), place) = job.place;
        let mut stream = self.rows.open_part(*database, *table, &job.part)?;
        while let Some(batch) = stream.next_batch()? {
            encoded.add(&batch, place, self.tables.indexed(place))?;
        }
        Ok(())
    }

    fn stream(
        &self,
        job: &Job<'_>,
        encoded: &mut EncodedRows,
        writer: &mut dyn TableWriter,
    ) -> Result<()> {
        let ((database, table), place) = job.place;
        let mut stream = self.rows.open_rows(*database, *table)?;
        while let Some(batch) = stream.next_batch()? {
            encoded.clear();
            encoded.add(&batch, place, self.tables.indexed(place))?;
            writer.push(encoded)?;
        }
        Ok(())
    }

    fn finish(&self, job: &Job<'_>, writer: Box<dyn TableWriter + '_>) -> Result<TableCounts> {
        let counts = writer.finish()?;
        let ((database, table), place) = job.place;
        let (rows, live) = (counts.rows, counts.live);
        self.rows.check_total(*database, *table, rows, live)?;
        let announced = self.rows.row_count(*database, *table);
        if counts.rows == announced {
            return Ok(counts);
        }
        Err(Error::Internal(format!(
            "table {} announced {announced} rows and gave {}",
            place.file("").display(),
            counts.rows
        )))
    }
}
