//! A legacy data directory: which files it holds, and what they are.

use std::path::Path;
use std::sync::Arc;

use super::segments::last_of;
use super::snapshot::scan_snapshot_on;
use super::{Family, Salvaged, Segment, Snapshot, Wal, read_wal, salvage_snapshot};
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, Phase, Progress, SourceDir, SourceEntry, SourceFile, WatchedDisk};
use crate::finding::{Code, Finding, Severity, counted};
use crate::model::{Catalog, Form, Operation};
use crate::report::Report;
use crate::work::Threads;

/// The file that holds every database of an instance.
pub const SNAPSHOT_NAME: &str = "server_instance.db";
/// The directory of WAL segments.
pub const WAL_DIR_NAME: &str = "wal";

/// The database files of a directory.
#[derive(Debug, Clone)]
pub enum SnapshotFiles {
    /// `server_instance.db`.
    Instance(Arc<SourceFile>),
    /// The older form: each `<name>.db` one database.
    Single(Vec<Arc<SourceFile>>),
    /// No database file at all.
    None,
}

impl SnapshotFiles {
    /// The files, in name order.
    pub fn files(&self) -> &[Arc<SourceFile>] {
        match self {
            SnapshotFiles::Instance(file) => std::slice::from_ref(file),
            SnapshotFiles::Single(files) => files,
            SnapshotFiles::None => &[],
        }
    }

    /// The file that damage is in, and its form.
    fn damaged(&self, damage: &Damage) -> Option<(&Arc<SourceFile>, Form)> {
        match self {
            SnapshotFiles::Instance(file) => Some((file, Form::Instance)),
            SnapshotFiles::Single(files) => {
                let damaged = files.iter().find(|file| file.path() == damage.file)?;
                Some((damaged, Form::SingleDatabase))
            }
            SnapshotFiles::None => None,
        }
    }

    /// Bytes of all files.
    pub fn len(&self) -> u64 {
        self.files().iter().map(|file| file.len()).sum()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A legacy data directory, read as far as its bytes can be trusted.
#[derive(Debug)]
pub struct LegacyDir {
    /// The directory.
    pub dir: SourceDir,
    /// Its database files.
    pub files: SnapshotFiles,
    /// The family of snapshot and WAL.
    pub family: Family,
    families: Vec<Family>,
    /// The snapshot, or what is wrong with it; `Ok(None)` without a file.
    pub snapshot: std::result::Result<Option<Snapshot>, Damage>,
    /// The log, empty without segments.
    pub wal: Wal,
    /// Directories that hold legacy page files (`table_<id>`).
    pub page_dirs: Vec<SourceEntry>,
    /// Findings about the files themselves.
    pub report: Report,
}

impl LegacyDir {
    /// Whether a directory looks like a legacy one by its file names.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn is_one(dir: &SourceDir) -> Result<bool> {
        let entries = dir.entries()?;
        Ok(entries.iter().any(|entry| Self::is_of_one(&entry.name)))
    }

    /// Whether an entry of this name makes a directory such a one.
    pub fn is_of_one(name: &str) -> bool {
        name == WAL_DIR_NAME || name.ends_with(".db")
    }

    /// Reads a directory: walks its snapshot, reads its WAL.
    ///
    /// Damage inside the snapshot is kept in [`LegacyDir::snapshot`].
    ///
    /// # Errors
    /// When files cannot be read, a link or device stands in for one, or the
    /// family is ambiguous.
    pub fn read(path: &Path, forced: Option<Family>) -> Result<Self> {
        let dir = SourceDir::open(path)?;
        Self::read_watched(dir, forced, (Threads::ONE, &Progress::default()))
    }

    /// As [`read`](Self::read), on several threads, and tells how far it has
    /// come.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_watched(
        dir: SourceDir,
        forced: Option<Family>,
        (threads, progress): (Threads, &Progress),
    ) -> Result<Self> {
        let mut report = Report::new();
        let disk = WatchedDisk::shared(dir.disk(), progress);
        let mut found = sort_entries(&*disk, &dir, &mut report)?;
        let (segments, strangers) = list_segments(&disk, &found.wal_dir, &mut report)?;
        let log_len = segments.iter().map(|segment| segment.file.len()).sum();
        progress.begin(Phase::Reading, found.files.len().saturating_add(log_len));
        let mut snapshot = match scan_files(threads, &found.files, forced) {
            Ok(snapshot) => Ok(snapshot),
            Err(Error::Damage(damage)) => Err(*damage),
            Err(other) => return Err(other),
        };
        let candidates: Vec<Family> = match (&snapshot, forced) {
            (_, Some(family)) => vec![family],
            (Ok(Some(snapshot)), None) => snapshot.accepted().collect(),
            // Where a file is damaged the log has the first word.
            (Ok(None) | Err(_), None) => Family::ALL.to_vec(),
        };
        let (mut families, mut wal) = read_wal_by_family(segments.clone(), &candidates)?;
        if forced.is_none() {
            keep_possible(&mut families, &wal);
        }
        let newest = families.last().copied();
        if let (Err(damage), true) = (&mut snapshot, families.len() > 1) {
            let keeping = keeping_most(threads, &found.files, damage, &families)?;
            families = keeping.iter().map(|(family, _)| *family).collect();
            // That of several files no family fits all is told as it is.
            let told = keeping.into_iter().next_back();
            if let Some((_, of_family)) = told.filter(|_| damage.code != Code::FamilyUnknown) {
                *damage = of_family;
            }
        }
        let family = families.last().copied().unwrap_or(Family::V1_4);
        if newest != Some(family) || candidates.last() != Some(&family) {
            wal = read_wal(segments, family)?;
        }
        report_strangers(&disk, strangers, &wal, family, &mut report)?;
        let snapshot = snapshot.map(|s| s.map(|s| Snapshot { family, ..s }));
        if let Ok(Some(snapshot)) = &snapshot {
            report_wide(snapshot, &mut report);
        }
        found.page_dirs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(LegacyDir {
            dir,
            files: found.files,
            family,
            families,
            snapshot,
            wal,
            page_dirs: found.page_dirs,
            report,
        })
    }

    /// What can be read of its database files, where one of them is damaged.
    ///
    /// # Errors
    /// On I/O errors only.
    pub fn salvaged(&self) -> Result<Option<Salvaged>> {
        let form = match &self.files {
            SnapshotFiles::Instance(_) => Form::Instance,
            _ => Form::SingleDatabase,
        };
        let mut all: Option<Salvaged> = None;
        for file in self.files.files() {
            let one = salvage_snapshot(file, &form, self.family)?;
            match &mut all {
                None => all = Some(one),
                Some(all) => all.join(one),
            }
        }
        Ok(all)
    }

    /// The families that fit every file, oldest first: more than one only while
    /// no table exists anywhere, or nothing is left to tell them apart.
    pub fn families(&self) -> &[Family] {
        &self.families
    }
}

struct SortedEntries {
    files: SnapshotFiles,
    wal_dir: Option<SourceEntry>,
    page_dirs: Vec<SourceEntry>,
}

fn sort_entries(disk: &dyn Disk, dir: &SourceDir, report: &mut Report) -> Result<SortedEntries> {
    let mut instance = None;
    let mut single = Vec::new();
    let mut wal_dir = None;
    let mut page_dirs = Vec::new();
    for entry in dir.entries()? {
        if entry.name == SNAPSHOT_NAME {
            instance = Some(entry);
        } else if entry.name == WAL_DIR_NAME {
            wal_dir = Some(entry);
        } else if entry.name.ends_with(".db") {
            single.push(entry);
        } else if entry.is_dir && entry.name.starts_with("table_") {
            page_dirs.push(entry);
        } else {
            report.add(Finding::new(Code::ForeignFile).file(entry.path));
        }
    }
    let files = match instance {
        Some(entry) => {
            for other in single {
                report.add(
                    Finding::new(Code::ForeignFile)
                        .severity(Severity::Warning)
                        .file(other.path)
                        .detail("not read: no server reads it while server_instance.db is there"),
                );
            }
            SnapshotFiles::Instance(SourceFile::open_on(disk, &entry.path)?)
        }
        None if single.is_empty() => SnapshotFiles::None,
        None => {
            let opened = single
                .iter()
                .map(|entry| SourceFile::open_on(disk, &entry.path));
            SnapshotFiles::Single(opened.collect::<Result<_>>()?)
        }
    };
    Ok(SortedEntries {
        files,
        wal_dir,
        page_dirs,
    })
}

fn list_segments(
    disk: &Arc<dyn Disk>,
    wal_dir: &Option<SourceEntry>,
    report: &mut Report,
) -> Result<(Vec<Segment>, Vec<SourceEntry>)> {
    let Some(entry) = wal_dir else {
        return Ok(Default::default());
    };
    if !entry.is_dir {
        return Err(Error::NotADataDirectory {
            path: entry.path.clone(),
            why: format!(
                "{}: found a file or a symbolic link, expected a directory of WAL segments\n{}",
                Code::NotRegular,
                Code::NotRegular.remedy()
            ),
        });
    }
    let (mut segments, mut strangers) = (Vec::new(), Vec::new());
    for entry in SourceDir::open_on(disk, &entry.path)?.entries()? {
        if is_segment_name(&entry.name) {
            let file = SourceFile::open_on(&**disk, &entry.path)?;
            segments.push(Segment {
                file,
                name: entry.name,
            });
        } else {
            strangers.push(entry);
        }
    }
    if segments.is_empty() {
        report.add(Finding::new(Code::WalEmpty).file(entry.path.clone()));
    }
    // Segments that differ only in the case of their digits sort by value.
    segments.sort_by_key(|segment| (segment.name.to_ascii_lowercase(), segment.name.clone()));
    Ok((segments, strangers))
}

/// Names the files beside the segments; those that go on where the log ends are no
/// strangers, whatever they are called.
fn report_strangers(
    disk: &Arc<dyn Disk>,
    strangers: Vec<SourceEntry>,
    wal: &Wal,
    family: Family,
    report: &mut Report,
) -> Result<()> {
    let last = wal.records.last().map_or(0, |record| record.sequence);
    for entry in strangers {
        let finding = Finding::new(Code::ForeignFile).file(&entry.path);
        let file = entry
            .is_file
            .then(|| SourceFile::open_on(&**disk, &entry.path));
        let reaches = match file.and_then(Result::ok) {
            Some(file) => last_of(&file, family)?.filter(|reaches| *reaches > last),
            None => None,
        };
        report.add(match reaches {
            None => finding.detail("not read: the name of a segment ends in .wal"),
            Some(reaches) => finding.severity(Severity::Warning).detail(format!(
                "not read: the name of a segment ends in .wal, but records of a log stand in it up to number {reaches}, and the log ends with {last}"
            )),
        });
    }
    Ok(())
}

/// The server reads every file of this suffix, whatever stands before it.
fn is_segment_name(name: &str) -> bool {
    name.strip_suffix(".wal")
        .is_some_and(|stem| !stem.is_empty())
}

fn scan_files(
    threads: Threads,
    files: &SnapshotFiles,
    forced: Option<Family>,
) -> Result<Option<Snapshot>> {
    match files {
        SnapshotFiles::None => Ok(None),
        SnapshotFiles::Instance(file) => {
            scan_snapshot_on(threads, file, &Form::Instance, forced).map(Some)
        }
        SnapshotFiles::Single(files) => scan_single(threads, files, forced).map(Some),
    }
}

/// Names the tables with rows of more values than columns.
fn report_wide(snapshot: &Snapshot, report: &mut Report) {
    let databases = snapshot.catalog.databases.iter().zip(&snapshot.rows);
    for (database, extents) in databases {
        for (table, extent) in database.tables.iter().zip(extents) {
            if extent.wide > 0 {
                let finding = Finding::new(Code::ExtraValues).file(extent.file.path());
                let finding = finding.database(&database.name).table(&table.name);
                report.add(finding.detail(counted(extent.wide, "row version")));
            }
        }
    }
}

/// Leaves the families whose servers can have written the log, unless none is
/// left: from release 1.5.0 on none logs an Update or a Delete, and before 1.4.1
/// none an ALTER TABLE (format page, "Server rules" and "The four schema
/// families").
fn keep_possible(families: &mut Vec<Family>, wal: &Wal) {
    let logs = |found: fn(&Operation) -> bool| wal.records.iter().any(|r| found(&r.operation));
    let alters = |o: &Operation| {
        matches!(
            o,
            Operation::AddColumn { .. }
                | Operation::DropColumn { .. }
                | Operation::RenameColumn { .. }
                | Operation::RenameTable { .. }
        )
    };
    let (no_newer, no_oldest) = (logs(Operation::ends_version), logs(alters));
    let possible = |family: &Family| {
        !(no_newer && *family > Family::V1_4 || no_oldest && *family == Family::V1_3)
    };
    if families.iter().any(possible) {
        families.retain(possible);
    }
}

/// Of families that a damaged file can be of, those that keep the most of it, and
/// of these those under which it reads furthest, oldest first, each with the damage. How far it reads
/// says less: a wrong family takes any bytes for the length of a name, and goes on
/// beyond the damage.
fn keeping_most(
    threads: Threads,
    files: &SnapshotFiles,
    damage: &Damage,
    families: &[Family],
) -> Result<Vec<(Family, Damage)>> {
    let mut most = None;
    let mut keeping = Vec::new();
    for family in families {
        let of_family = match scan_files(threads, files, Some(*family)) {
            Ok(_) => return Ok(vec![(*family, damage.clone())]),
            Err(Error::Damage(damage)) => *damage,
            Err(other) => return Err(other),
        };
        let kept = match files.damaged(&of_family) {
            Some((file, form)) => Some(salvage_snapshot(file, &form, *family)?.kept()),
            None => None,
        };
        // Of several files, a later one is further than any offset.
        let kept = Some((kept, of_family.file.clone(), of_family.offset));
        if kept > most {
            keeping.clear();
            most = kept.clone();
        }
        if kept == most {
            keeping.push((*family, of_family));
        }
    }
    Ok(keeping)
}

/// Several databases of the older form, as one catalog of the newest family
/// that fits all of them: a file without tables fits more than one.
fn scan_single(
    threads: Threads,
    files: &[Arc<SourceFile>],
    forced: Option<Family>,
) -> Result<Snapshot> {
    let form = Form::SingleDatabase;
    let mut all: Option<Snapshot> = None;
    for file in files {
        let one = scan_snapshot_on(threads, file, &form, forced)?;
        match &mut all {
            None => all = Some(one),
            Some(all) => join(all, one, file)?,
        }
    }
    all.ok_or_else(|| Error::Usage("no database file".into()))
        .map(|s| Snapshot {
            catalog: Catalog { form, ..s.catalog },
            ..s
        })
}

/// Adds the database of another file to those read before it.
fn join(all: &mut Snapshot, one: Snapshot, file: &SourceFile) -> Result<()> {
    let before = all.family;
    for (seen, new) in all.evidence.iter_mut().zip(one.evidence) {
        seen.refused = seen.refused.take().or(new.refused);
    }
    all.family = all.accepted().last().ok_or_else(|| {
        Error::damage(
            file.path(),
            0,
            Code::FamilyUnknown,
            format!("a database of family {}", one.family),
            format!("family {before} as in the files before it"),
        )
    })?;
    for database in one.catalog.databases {
        if all.catalog.database_index(&database.name).is_some() {
            return Err(Error::damage(
                file.path(),
                0,
                Code::DuplicateName,
                "a database of a name that another file holds",
                "distinct names",
            ));
        }
        all.catalog.databases.push(database);
    }
    all.rows.extend(one.rows);
    Ok(())
}

/// Reads the WAL under the families that fit it best, oldest first: their
/// records are alike, or the newest family's are taken.
///
/// # Errors
/// On I/O errors only.
pub fn read_wal_by_family(
    segments: Vec<Segment>,
    candidates: &[Family],
) -> Result<(Vec<Family>, Wal)> {
    let mut best = Wal::default();
    let mut families = Vec::new();
    for family in candidates {
        let wal = read_wal(segments.clone(), *family)?;
        if families.is_empty() || wal.bad.len() <= best.bad.len() {
            if wal.bad.len() < best.bad.len() {
                families.clear();
            }
            families.push(*family);
            best = wal;
        }
    }
    Ok((families, best))
}
