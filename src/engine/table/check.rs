//! What a check of the files of a table is told, and what it reports to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::coverage::Coverage;
use crate::engine::pages::paths::check_dir;
use crate::error::{Damage, Error, Result, is_missing};
use crate::file::{Disk, SourceFile};
use crate::finding::{Code, Finding, Severity};
use crate::report::Report;
use crate::work::Threads;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Every checksum, and that every file and block is where it belongs.
    Checksums,
    /// Also what structures say of one another. No row is looked into: for who
    /// reads all rows anyway.
    Links,
    /// Also that every row decodes, and that stored counts are the counts.
    Structure,
}

/// Turns what is wrong with a file into a finding; other errors stay errors.
pub(in crate::engine) fn absorb<T>(
    result: Result<T>,
    path: &Path,
    report: &mut Report,
) -> Result<Option<T>> {
    let finding = match result {
        Ok(value) => return Ok(Some(value)),
        Err(Error::Damage(damage)) => Finding::from(&*damage),
        Err(Error::Io { source, .. }) if is_missing(&source) => {
            Finding::new(Code::MissingFile).file(path)
        }
        Err(Error::NotADataDirectory { path, .. }) => Finding::new(Code::NotRegular).file(path),
        Err(other) => return Err(other),
    };
    report.add(finding);
    Ok(None)
}

/// What a layout reports the check of a table's files to.
pub(in crate::engine) struct TableCheck<'v> {
    /// Where files are.
    pub disk: &'v dyn Disk,
    /// Threads that may work on the table.
    pub threads: Threads,
    /// What is found goes here.
    pub report: &'v mut Report,
    /// How much of each file was checked goes here.
    pub coverage: &'v mut Coverage,
    /// Files and directories that have a place in the directory.
    pub known: &'v mut BTreeSet<PathBuf>,
    /// The database of the table.
    pub database: &'v str,
    /// The table.
    pub table: &'v str,
    /// Whether what is looked at is derived from other files: no row is lost
    /// with it.
    pub derived: bool,
}

impl TableCheck<'_> {
    /// Looks at files that are derived from others.
    ///
    /// # Errors
    /// Those of `run`.
    pub(in crate::engine) fn derived<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = std::mem::replace(&mut self.derived, true);
        let done = run(self);
        self.derived = before;
        done
    }

    /// Opens a file of the table; one that is missing or not regular is
    /// reported.
    ///
    /// # Errors
    /// Other I/O errors.
    pub(in crate::engine) fn open(&mut self, path: &Path) -> Result<Option<Arc<SourceFile>>> {
        self.known.insert(path.to_owned());
        self.absorb(SourceFile::open_on(self.disk, path), path)
    }

    /// As [`open`](Self::open), of a file that need not be there.
    ///
    /// # Errors
    /// Other I/O errors.
    pub(in crate::engine) fn open_if_there(
        &mut self,
        path: &Path,
    ) -> Result<Option<Arc<SourceFile>>> {
        match self.disk.kind(path)? {
            None => Ok(None),
            Some(_) => self.open(path),
        }
    }

    /// Whether the directory of the table is one; if not, it is reported.
    ///
    /// # Errors
    /// Other I/O errors.
    pub(in crate::engine) fn directory(&mut self, path: &Path) -> Result<bool> {
        self.known.insert(path.to_owned());
        self.absorb(check_dir(self.disk, path), path)
            .map(|found| found.is_some())
    }

    fn absorb<T>(&mut self, result: Result<T>, path: &Path) -> Result<Option<T>> {
        let mut found = Report::new();
        let value = absorb(result, path, &mut found)?;
        for finding in found.findings() {
            self.add(finding.clone());
        }
        Ok(value)
    }

    /// Reports that a file of the table is missing, and those after it up to
    /// `count` of them.
    pub(in crate::engine) fn missing(&mut self, path: &Path, count: u64) {
        let finding = Finding::new(Code::MissingFile).file(path);
        self.add(match count {
            0 | 1 => finding,
            _ => finding.detail(format!("{count} files from here on")),
        });
    }

    /// Reports what a file has after the bytes that are in use, if it goes on.
    pub(in crate::engine) fn leftover(&mut self, file: &SourceFile, used_len: u64) {
        let len = file.len().saturating_sub(used_len);
        if len > 0 {
            let finding = Finding::new(Code::CrashLeftover).file(file.path());
            self.add(finding.offset(used_len).detail(format!("{len} bytes")));
        }
    }

    /// Takes steps until one says that it was the last. Damage is reported;
    /// `after_damage` is told, and says whether the next step makes sense.
    ///
    /// # Errors
    /// Other errors.
    pub(in crate::engine) fn steps<W>(
        &mut self,
        walk: &mut W,
        step: impl Fn(&mut W) -> Result<bool>,
        after_damage: impl Fn(&mut W) -> bool,
    ) -> Result<()> {
        loop {
            match step(walk) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Error::Damage(damage)) => {
                    self.damaged(&damage);
                    if !after_damage(walk) {
                        return Ok(());
                    }
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Reports damage.
    pub(in crate::engine) fn damaged(&mut self, damage: &Damage) {
        self.add(damage.into());
    }

    fn add(&mut self, finding: Finding) {
        let finding = finding.database(self.database).table(self.table);
        self.report.add(match self.derived {
            true => finding.severity(Severity::Warning),
            false => finding,
        });
    }

    /// Counts a file of which `checked` bytes agree with a checksum.
    pub(in crate::engine) fn covered(&mut self, file: &SourceFile, checked: u64) {
        self.coverage.add(file.path(), file.len(), checked);
    }
}

/// What a check of the files of some table finds.
#[cfg(test)]
pub(in crate::engine) fn check_table(run: impl FnOnce(&mut TableCheck<'_>)) -> Vec<Code> {
    let mut report = Report::new();
    let mut check = TableCheck {
        disk: &crate::file::LocalDisk,
        threads: Threads::ONE,
        report: &mut report,
        coverage: &mut Coverage::default(),
        known: &mut BTreeSet::new(),
        database: "d",
        table: "t",
        derived: false,
    };
    run(&mut check);
    report.findings().iter().map(|found| found.code).collect()
}
