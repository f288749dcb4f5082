//! One logical view of any data directory: databases, tables, a stream of rows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::engine::{QUARANTINE_NAME, Store};
use crate::error::{Error, Result};
use crate::file::{
    DataDisk, Disk, InUse, LocalDisk, Phase, Progress, SourceDir, SourceFile, Unchanged,
    WatchedDisk, tree_len,
};
use crate::finding::{Code, Finding};
use crate::legacy::{Family, LegacyDir};
use crate::model::{Catalog, PassThrough, RowSource, RowStream};
use crate::recovery::{Recovery, Request};
use crate::report::Report;
use crate::work::Threads;

use super::decided::DecidableNames;

/// How to open a directory.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where it is; by default among the files of this machine.
    pub disk: Arc<dyn Disk>,
    /// Skips the detection of the legacy family.
    pub family: Option<Family>,
    /// How to apply a legacy WAL.
    pub recovery: Request,
    /// Looks for live processes that write to a legacy directory, and reports
    /// them: whoever opens many directories may not want to wait for that.
    pub look_for_writers: bool,
    /// How many threads read at once.
    pub threads: Threads,
    /// Is told how far things have come.
    pub progress: Progress,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            disk: LocalDisk::shared(),
            family: None,
            recovery: Request::default(),
            look_for_writers: false,
            threads: Threads::default(),
            progress: Progress::default(),
        }
    }
}

/// A directory whose kind is known and whose files were read as far as needed
/// to list what it holds.
#[derive(Debug)]
pub enum Opened {
    /// Left by a RustDB server.
    Legacy(Box<LegacyDir>),
    /// Written by this tool.
    Ours(Box<Store>),
}

impl Opened {
    /// Opens a directory, its kind found from its files.
    ///
    /// # Errors
    /// When it is no data directory, or its files cannot be read.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let (family, progress) = (options.family, &options.progress);
        let threads = options.threads;
        let dir = SourceDir::open_on(&options.disk, path)?;
        if Store::is_one_on(&*options.disk, path) {
            let disk = WatchedDisk::shared(&options.disk, progress);
            let store = match options.recovery.salvage {
                true => Store::salvage_on(&disk, path)?,
                false => Store::look_on(&disk, path)?,
            };
            return Ok(Opened::Ours(Box::new(store)));
        }
        if Store::is_database_on(&*options.disk, path) {
            let found = "found the folder of one database, expected the directory that it lies in";
            let code = Code::NotADataDirectory;
            return Err(Error::not_a_data_directory(path, code, found));
        }
        if LegacyDir::is_one(&dir)? {
            let mut legacy = LegacyDir::read_watched(dir, family, (threads, progress))?;
            // An upgrade reads it, whoever wrote the snapshot beside it.
            let quarantine = path.join(QUARANTINE_NAME);
            let kept = Finding::new(Code::Quarantined).file(&quarantine);
            let report = std::mem::take(&mut legacy.report);
            legacy.report = report.replaced(Code::ForeignFile, &quarantine, &kept);
            if options.look_for_writers {
                report_writers(path, &mut legacy.report);
            }
            return Ok(Opened::Legacy(Box::new(legacy)));
        }
        let found = "found neither server_instance.db, <name>.db, wal/ nor a control file";
        Err(Error::not_a_data_directory(
            path,
            Code::NotADataDirectory,
            found,
        ))
    }
}

/// Bytes from which a database's name is long.
const LONG_NAME_LEN: usize = 256;
/// Most bytes that long names have in all, each counted for every table.
const MOST_NAMES_LEN: usize = 32 << 20;

/// Every result names a table with its database: a name of a megabyte before a
/// hundred thousand tables would take more than any memory.
fn check_names(path: &Path, catalog: &Catalog) -> Result<()> {
    let databases = catalog.databases.iter();
    let long = databases.filter(|database| database.name.len() > LONG_NAME_LEN);
    let names_len = long.fold(0_usize, |sum, database| {
        let own = database.name.len().saturating_mul(database.tables.len());
        sum.saturating_add(own)
    });
    if names_len <= MOST_NAMES_LEN {
        return Ok(());
    }
    let found = format!("{names_len} bytes of database names, each counted for every table");
    let most = format!("at most {MOST_NAMES_LEN}, or shorter names");
    Err(Error::damage(path, 0, Code::BadLength, found, most))
}

/// What a directory is, in the words of every document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// `legacy`, or `rustdb-migrate` for one of ours.
    pub kind: &'static str,
    /// The legacy family of the data, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The layout of one of ours, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
}

impl Identity {
    /// That of a directory that a server left.
    pub fn legacy(family: Family) -> Self {
        Identity {
            kind: "legacy",
            family: Some(family.to_string()),
            layout: None,
        }
    }

    /// That of a directory of ours of which no more is known.
    pub fn ours_unread() -> Self {
        Identity {
            kind: "rustdb-migrate",
            family: None,
            layout: None,
        }
    }

    /// That of a directory of ours.
    pub fn ours(store: &Store) -> Self {
        Identity {
            family: Some(store.origin().family.clone()),
            layout: Some(store.layout().to_string()),
            ..Self::ours_unread()
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.layout, &self.family) {
            (Some(layout), _) => f.write_str(layout),
            (None, Some(family)) => write!(f, "{}, family {family}", self.kind),
            (None, None) => write!(f, "{}, unreadable", self.kind),
        }
    }
}

/// Where the rows come from.
#[derive(Debug)]
pub enum Backend {
    /// A legacy directory with its WAL applied.
    Legacy {
        /// Its files.
        legacy: Box<LegacyDir>,
        /// What the server last had.
        recovery: Box<Recovery>,
    },
    /// A directory of ours.
    Ours(Box<Store>),
}

/// A directory of any kind, ready to stream rows.
#[derive(Debug)]
pub struct Directory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    threads: Threads,
    progress: Progress,
    backend: Backend,
    unchanged: Unchanged,
    salvage: bool,
}

impl Directory {
    /// Opens a directory and, if it is a legacy one, applies its WAL.
    ///
    /// # Errors
    /// As [`Opened::open`]; and when a legacy snapshot is missing or damaged.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let unchanged = Unchanged::since_now(path);
        let opened = Opened::open(path, options)?;
        let mut directory = Self::recover(path, opened, options)?;
        directory.unchanged = unchanged;
        Ok(directory)
    }

    /// Applies the WAL of an opened legacy directory.
    ///
    /// # Errors
    /// When a legacy snapshot is missing or damaged, or cannot be read.
    pub fn recover(path: &Path, opened: Opened, options: &OpenOptions) -> Result<Self> {
        let backend = match opened {
            Opened::Ours(store) => Backend::Ours(store),
            Opened::Legacy(legacy) => {
                let mut request = options.recovery.clone();
                let names = DecidableNames::of_legacy(&legacy, &request);
                request.decisions = names.resolve(&request.decisions)?;
                let recovery = Box::new(Recovery::plan(&legacy, &request)?);
                Backend::Legacy { legacy, recovery }
            }
        };
        let catalog = match &backend {
            Backend::Legacy { recovery, .. } => recovery.overlay.catalog(),
            Backend::Ours(store) => store.catalog(),
        };
        check_names(path, catalog)?;
        Ok(Directory {
            disk: options.disk.clone(),
            path: path.to_owned(),
            threads: options.threads,
            progress: options.progress.clone(),
            backend,
            unchanged: Unchanged::since_now(path),
            salvage: options.recovery.salvage,
        })
    }

    /// Checks that its files are still those that were opened: what a server
    /// writes meanwhile makes half of one state and half of another.
    ///
    /// # Errors
    /// As [`Unchanged::check`].
    pub fn check_unchanged(&self) -> Result<()> {
        self.unchanged.check(&self.path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// On which disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Whether what can be kept of it is being kept, whatever is lost.
    pub fn salvages(&self) -> bool {
        self.salvage
    }

    /// A file that stands beside the catalog of one of ours, if there is one. One
    /// that is lost, as was said when the directory was opened, is none.
    ///
    /// # Errors
    /// Damage when something else has its name; I/O errors.
    pub fn beside(&self, name: &str) -> Result<Option<Arc<SourceFile>>> {
        let path = self.path.join(name);
        let is_own = match &self.backend {
            Backend::Legacy { .. } => true,
            Backend::Ours(store) => store.has_beside(name),
        };
        match self.disk.kind(&path)?.filter(|_| is_own) {
            None => Ok(None),
            Some(_) => match SourceFile::open_on(&*DataDisk::shared(&self.disk), &path) {
                Err(Error::Damage(_)) if !self.is_beside_whole(name) => Ok(None),
                file => file.map(Some),
            },
        }
    }

    /// How many threads read it at once.
    pub fn threads(&self) -> Threads {
        self.threads
    }

    /// A phase begins that reads all rows once.
    pub fn begin(&self, phase: Phase) {
        let len = match &self.backend {
            Backend::Legacy { legacy, .. } => legacy.files.len(),
            Backend::Ours(_) => tree_len(&*self.disk, &self.path),
        };
        self.progress.begin(phase, len);
    }

    /// Where the rows come from.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Gives up the view for what is behind it.
    pub fn into_backend(self) -> Backend {
        self.backend
    }

    /// What it is, for a document.
    pub fn identity(&self) -> Identity {
        match &self.backend {
            Backend::Legacy { legacy, .. } => Identity::legacy(legacy.family),
            Backend::Ours(store) => Identity::ours(store),
        }
    }

    /// The legacy family that the data came from.
    ///
    /// # Errors
    /// When a directory of ours names a family that this version does not know.
    pub fn source_family(&self) -> Result<Family> {
        match &self.backend {
            Backend::Legacy { legacy, .. } => Ok(legacy.family),
            Backend::Ours(store) => store.origin().family.parse().map_err(|expected| {
                Error::damage(
                    &self.path.join("control"),
                    0,
                    Code::UnsupportedVersion,
                    format!("source family {:?}", store.origin().family),
                    expected,
                )
            }),
        }
    }

    /// Everything but the rows.
    pub fn catalog(&self) -> &Catalog {
        match &self.backend {
            Backend::Legacy { recovery, .. } => recovery.overlay.catalog(),
            Backend::Ours(store) => store.catalog(),
        }
    }

    /// What was found while opening.
    pub fn findings(&self) -> Report {
        match &self.backend {
            Backend::Legacy { legacy, recovery } => {
                let mut report = legacy.report.clone();
                report.extend(recovery.report.clone());
                report
            }
            Backend::Ours(store) => store.findings().clone(),
        }
    }

    /// Whether a table holds exactly the row versions that records in quarantine
    /// count: then a row index means the row that it meant.
    ///
    /// # Errors
    /// When what describes the table cannot be read.
    pub fn keeps_row_indexes(&self, database: usize, table: usize) -> Result<bool> {
        match &self.backend {
            // A server only adds versions; what is lost leaves no index behind.
            Backend::Legacy { recovery, .. } => {
                let table = recovery.overlay.table_at(database, table);
                Ok(table.is_some_and(|table| table.state().lost.is_empty()))
            }
            Backend::Ours(store) => store.is_as_made(database, table),
        }
    }

    /// Whether a file of ours beside the data, which may be absent, is as it was
    /// written, as far as anything says what was written.
    pub fn is_beside_whole(&self, name: &str) -> bool {
        match &self.backend {
            Backend::Legacy { .. } => true,
            Backend::Ours(store) => store.is_beside_whole(name),
        }
    }

    /// Visible row versions of a table.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn live_count(&self, database: usize, table: usize) -> Result<u64> {
        match &self.backend {
            Backend::Legacy { recovery, .. } => recovery.overlay.live_count(database, table),
            Backend::Ours(store) => Ok(store.live_count(database, table)),
        }
    }
}

/// A server that runs changes its files while they are read.
fn report_writers(path: &Path, report: &mut Report) {
    let in_use = InUse::of(path);
    for holder in in_use.holders {
        let finding = Finding::new(Code::SourceInUse).file(path);
        report.add(finding.detail(format!("by {holder}")));
    }
    if let Some(unseen) = in_use.unseen {
        let finding = Finding::new(Code::SourceUseUnknown).file(path);
        report.add(finding.detail(unseen.to_string()));
    }
}

impl PassThrough for Directory {
    fn source(&self) -> &dyn RowSource {
        match &self.backend {
            Backend::Legacy { recovery, .. } => &recovery.overlay,
            Backend::Ours(store) => &**store,
        }
    }

    fn stream<'r>(
        &'r self,
        _: (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        Ok(rows)
    }
}
