//! A new directory with the files of each table and a manifest, that is there
//! whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::codec::ContentHash;
use crate::error::{Error, Result};
use crate::file::{BulkWriter, DiskWriter, LocalDisk, Staging, export_names};
use crate::model::Catalog;

use super::dump::Chosen;
use super::manifest::{MANIFEST_NAME, ManifestFile};

/// The directory under construction.
#[derive(Debug)]
pub struct TableFiles {
    staging: Staging,
    /// Names of the directories of databases, and of the files of their tables.
    databases: BTreeMap<usize, String>,
    tables: BTreeMap<(usize, usize), String>,
    /// Directories that are there.
    made: BTreeSet<PathBuf>,
    /// Whether each table has a directory of its own.
    in_parts: bool,
}

impl TableFiles {
    /// Opens a directory that is to be `target`, for these tables; `in_parts` for
    /// `DATABASE/TABLE/part-00000.suffix` in place of `DATABASE/TABLE.suffix`.
    ///
    /// # Errors
    /// As [`Staging::create`].
    pub fn create(
        target: &Path,
        source: &Path,
        (catalog, chosen): (&Catalog, &[Chosen<'_>]),
        in_parts: bool,
    ) -> Result<Self> {
        let names = catalog
            .databases
            .iter()
            .map(|database| database.name.as_str());
        let databases = export_names(&names.collect::<Vec<_>>(), &[MANIFEST_NAME]);
        let mut tables = BTreeMap::new();
        for (d, database) in catalog.databases.iter().enumerate() {
            if !chosen.iter().any(|one| one.at.0 == d) {
                continue;
            }
            let names = database.tables.iter().map(|table| table.name.as_str());
            let names = export_names(&names.collect::<Vec<_>>(), &[]);
            tables.extend(
                names
                    .into_iter()
                    .enumerate()
                    .map(|(t, name)| ((d, t), name)),
            );
        }
        Ok(TableFiles {
            staging: Staging::create(&LocalDisk::shared(), target, source)?,
            databases: databases.into_iter().enumerate().collect(),
            tables,
            made: BTreeSet::new(),
            in_parts,
        })
    }

    /// A new file of a table, `part` of those that it has.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn file(&mut self, chosen: &Chosen<'_>, part: usize, suffix: &str) -> Result<TableFile> {
        let (database, table) = chosen.at;
        let mut path = PathBuf::from(self.databases.get(&database).map_or("", String::as_str));
        self.make(&path)?;
        let table = self
            .tables
            .get(&(database, table))
            .map_or("", String::as_str);
        match self.in_parts {
            false => path.push(format!("{table}.{suffix}")),
            true => {
                path.push(table);
                self.make(&path)?;
                path.push(format!("part-{part:05}.{suffix}"));
            }
        }
        let whole = self.staging.path().join(&path);
        let file = self.staging.disk().create(&whole)?;
        Ok(TableFile {
            file: BufWriter::new(BulkWriter::new(file)),
            hash: Box::default(),
            len: 0,
            path,
        })
    }

    /// Removes a file that was not to be.
    ///
    /// # Errors
    /// I/O errors.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.staging
            .disk()
            .remove_file(&self.staging.path().join(path))
    }

    fn make(&mut self, dir: &Path) -> Result<()> {
        match self.made.insert(dir.to_owned()) {
            true => self
                .staging
                .disk()
                .create_dir(&self.staging.path().join(dir)),
            false => Ok(()),
        }
    }

    /// Writes the manifest, syncs the files and gives the directory its name.
    ///
    /// # Errors
    /// As [`Staging::publish`].
    pub fn publish(self, manifest: &[u8]) -> Result<()> {
        let path = self.staging.path().join(MANIFEST_NAME);
        let mut file = DiskWriter::new(self.staging.disk().create(&path)?);
        let written = file.write_all(manifest).and_then(|()| file.flush());
        written.map_err(|error| Error::io("write", &path, error))?;
        self.staging.publish()
    }
}

/// A file of a table under construction, which hashes what it is given.
pub struct TableFile {
    file: BufWriter<BulkWriter>,
    hash: Box<Xxh3>,
    len: u64,
    path: PathBuf,
}

impl TableFile {
    /// Where it stands in the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the manifest says of it.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(mut self, rows: u64) -> io::Result<ManifestFile> {
        self.file.flush()?;
        self.file.get_mut().finish()?;
        Ok(ManifestFile {
            path: self.path.to_string_lossy().into_owned(),
            rows,
            bytes: self.len,
            xxh3_128: ContentHash(self.hash.digest128()).to_string(),
        })
    }
}

impl Write for TableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.len = self
            .len
            .saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
