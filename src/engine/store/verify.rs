//! Checks a directory of ours: every checksum, every place, every byte
//! accounted for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog_file::{Global, Metadata, TableEntry};
use super::control::{self, CONTROL_LEN, Control, ControlFile, SLOT_LEN};
use super::descriptor;
use super::log_check::LogCheck;
use super::read::Store;
use super::recovery::{Mode, Recovered, recover};
use crate::engine::pages::paths::{
    GLOBAL_NAME, METADATA_NAME, TablePlace, check_dir, database_dir,
};
use crate::engine::table::{Coverage, Level, TableCheck, absorb};
use crate::error::Result;
use crate::file::{Disk, EntryKind, LocalDisk, SourceDir, SourceFile};
use crate::finding::{Code, Finding, Severity};
use crate::report::Report;
use crate::work::Threads;

/// How a directory is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// How much; everything by default.
    pub level: Level,
    /// Threads that look at the files of a table; one by default. What is found
    /// does not depend on them.
    pub threads: Threads,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Level::Structure.into()
    }
}

impl From<Level> for VerifyOptions {
    fn from(level: Level) -> Self {
        VerifyOptions {
            level,
            threads: Threads::ONE,
        }
    }
}

/// Checks a directory of ours and adds everything found to `report`.
///
/// Files that only an unreadable catalog could explain count as unchecked; so
/// does everything when both slots of the control file are bad.
///
/// # Errors
/// I/O errors other than a missing file. Damage is never an error here.
pub fn verify(dir: &Path, level: Level, report: &mut Report) -> Result<Coverage> {
    SourceDir::open(dir)?;
    verify_on(&LocalDisk::shared(), dir, level, report)
}

/// As [`verify`], on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    options: impl Into<VerifyOptions>,
    report: &mut Report,
) -> Result<Coverage> {
    let mut run = Run {
        disk: disk.clone(),
        dir,
        options: options.into(),
        report,
        coverage: Coverage::default(),
        known: BTreeSet::new(),
        unexplained: Vec::new(),
        recovered: None,
    };
    run.directory()?;
    run.changes()?;
    run.other_files()?;
    Ok(run.coverage)
}

struct Run<'v> {
    disk: Arc<dyn Disk>,
    dir: &'v Path,
    options: VerifyOptions,
    report: &'v mut Report,
    coverage: Coverage,
    /// Files and directories that have a place here.
    known: BTreeSet<PathBuf>,
    /// Directories whose catalog could not be read.
    unexplained: Vec<PathBuf>,
    /// What the log and the control file give.
    recovered: Option<Recovered>,
}

impl Run<'_> {
    fn directory(&mut self) -> Result<()> {
        let Some(control) = self.control()? else {
            self.unexplained.push(self.dir.to_owned());
            return Ok(());
        };
        let mut log = LogCheck {
            disk: &self.disk,
            dir: self.dir,
            report: self.report,
            coverage: &mut self.coverage,
            known: &mut self.known,
        };
        let (log_is_whole, newest) = log.run(control.log(), control.checkpoint.at)?;
        let (mut cluster, tables) = (control.cluster(newest), control.shape.tables());
        let cluster_id = cluster.id;
        // Files are looked at as the last batch of the log leaves them.
        let recovered = recover(&self.disk, self.dir, Mode::Read);
        let mut found = Report::new();
        match absorb(recovered, self.dir, &mut found)? {
            Some(recovered) => {
                cluster = recovered.control.cluster(newest);
                self.disk = recovered.disk.clone();
                self.recovered = Some(recovered);
            }
            // A log that is whole by itself may not reach to the checkpoint.
            None if log_is_whole => self.report.extend(found),
            None => {}
        }
        let path = self.dir.join(GLOBAL_NAME);
        let read = Global::read(&*self.disk, self.dir, cluster_id);
        let Some(global) = self.whole_file(&path, read)? else {
            self.unexplained.push(self.dir.to_owned());
            return Ok(());
        };
        for beside in &global.beside {
            let path = self.dir.join(&beside.name);
            self.known.insert(path.clone());
            let wrong = beside.wrong(&*self.disk, self.dir)?;
            if self.disk.kind(&path)? == Some(EntryKind::File) {
                let len = SourceFile::open_on(&*self.disk, &path)?.len();
                let checked = if wrong.is_none() { len } else { 0 };
                self.coverage.add(&path, len, checked);
            }
            wrong
                .into_iter()
                .for_each(|finding| self.report.add(finding));
        }
        for entry in &global.databases {
            let dir = database_dir(self.dir, &entry.name, entry.id);
            self.known.insert(dir.clone());
            if absorb(check_dir(&*self.disk, &dir), &dir, self.report)?.is_none() {
                continue;
            }
            let path = dir.join(METADATA_NAME);
            let read = Metadata::read(&*self.disk, &dir, cluster_id, entry);
            let Some(mut metadata) = self.whole_file(&path, read)? else {
                self.unexplained.push(dir);
                continue;
            };
            for table in &mut metadata.tables {
                let place = table.place(&self.disk, &dir, cluster, entry.id);
                if !self.descriptor(&place, (&entry.name, &control), table)? {
                    self.unexplained.push(place.file(""));
                    continue;
                }
                let counts = table.counts;
                let VerifyOptions { level, threads } = self.options;
                let mut check = TableCheck {
                    disk: &*self.disk,
                    threads,
                    report: self.report,
                    coverage: &mut self.coverage,
                    known: &mut self.known,
                    database: &entry.name,
                    table: &table.schema.name,
                    derived: false,
                };
                tables.verify(&place, counts, level, &mut check)?;
            }
        }
        Ok(())
    }

    /// Applies what the log has beyond the files, as every reader does: a record can
    /// be whole and yet change what is not there. Where other damage was found,
    /// that is in the way.
    fn changes(&mut self) -> Result<()> {
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        if self.report.findings().iter().any(is_error) {
            return Ok(());
        }
        if let Some(recovered) = &self.recovered {
            let read = Store::of_recovered(recovered, self.dir, true);
            absorb(read, self.dir, self.report)?;
        }
        Ok(())
    }

    /// Checks the descriptor of a table and takes it in; whether it is whole.
    fn descriptor(
        &mut self,
        place: &TablePlace,
        (database, control): (&str, &Control),
        table: &mut TableEntry<'_>,
    ) -> Result<bool> {
        let path = descriptor::path(place);
        self.known.insert(path.clone());
        let mut found = Report::new();
        let read = absorb(descriptor::read(place), &path, &mut found)?;
        let described = match &read {
            Some(read) => {
                let (len, checked) = read.lens;
                self.coverage.add(&path, len, checked);
                if let Some(damage) = &read.damage {
                    found.add(damage.into());
                }
                // Nothing is read by it while the control file is there.
                if let Err(unlike) = read.document.check(&path, control) {
                    found.add(Finding::from(&unlike).severity(Severity::Warning));
                }
                absorb(table.describe(place, database), &path, &mut found)?.is_some()
            }
            None => {
                if self.disk.kind(&path)? == Some(EntryKind::File) {
                    let len = SourceFile::open_on(&*self.disk, &path)?.len();
                    self.coverage.add(&path, len, 0);
                }
                false
            }
        };
        for finding in found.findings() {
            let finding = finding.clone().database(database);
            self.report.add(finding.table(&table.schema.name));
        }
        Ok(described)
    }

    /// Checks the control file and says whose files the others must be.
    fn control(&mut self) -> Result<Option<Control>> {
        let path = control::path(self.dir);
        self.known.insert(path.clone());
        let Some(file) = absorb(ControlFile::read(&*self.disk, self.dir), &path, self.report)?
        else {
            return Ok(None);
        };
        let whole = file.slots.iter().filter(|slot| slot.is_ok()).count();
        let checked = (whole * SLOT_LEN) as u64;
        self.coverage.add(&path, file.len, checked.min(CONTROL_LEN));
        for damage in file.damages(&path) {
            self.report.add((&damage).into());
        }
        match file.current() {
            Ok(control) => Ok(Some(control.clone())),
            Err(_) => Ok(None),
        }
    }

    /// Takes the result of reading a file under one checksum.
    fn whole_file<T>(&mut self, path: &Path, read: Result<T>) -> Result<Option<T>> {
        self.known.insert(path.to_owned());
        let read = absorb(read, path, self.report)?;
        if self.disk.kind(path)? == Some(EntryKind::File) {
            let len = SourceFile::open_on(&*self.disk, path)?.len();
            let checked = if read.is_some() { len } else { 0 };
            self.coverage.add(path, len, checked);
        }
        Ok(read)
    }

    /// Reports what has no place here, and counts what cannot be checked.
    fn other_files(&mut self) -> Result<()> {
        let mut dirs = vec![self.dir.to_owned()];
        let mut extra_dirs = BTreeSet::new();
        while let Some(dir) = dirs.pop() {
            let entries = self.disk.entries(&dir)?;
            let inner = entries.iter().rev().filter(|entry| entry.is_dir);
            dirs.extend(inner.map(|entry| entry.path.clone()));
            for entry in entries {
                if self.known.contains(&entry.path) {
                    continue;
                }
                if entry.is_file {
                    let file = SourceFile::open_on(&*self.disk, &entry.path)?;
                    self.coverage.add(&entry.path, file.len(), 0);
                }
                let path = &entry.path;
                let explained = self.unexplained.iter().any(|dir| is_of(path, dir));
                let inside = extra_dirs.contains(&dir);
                if entry.is_dir && (inside || !explained) {
                    extra_dirs.insert(path.clone());
                }
                if !explained && !inside {
                    self.report.add(Finding::new(Code::ExtraFile).file(path));
                }
            }
        }
        Ok(())
    }
}

/// Whether a path is of a directory, or of the table whose files start with it.
fn is_of(path: &Path, start: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let beside = path.parent() == start.parent();
    let suffixed = name(path).zip(name(start)).is_some_and(|(path, start)| {
        path.strip_prefix(&start)
            .is_some_and(|rest| rest.starts_with('.'))
    });
    path.starts_with(start) || (beside && suffixed)
}
