//! `verify`: checksums, structure, constraints; and which bytes were checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{self, Coverage, FileCoverage, Store, VerifyOptions};
use crate::error::{Error, Result};
use crate::file::{Disk, Phase, WatchedDisk, files_below, tree_len};
use crate::legacy::LegacyDir;
use crate::report::Report;

use super::{Directory, Identity, Look, OpenOptions, constraints};

/// How much is checked; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Level {
    /// Every checksum. Legacy files have none: they are decoded strictly.
    Checksums,
    /// Also places, counts, links between structures; the verdict on the WAL.
    Structure,
    /// Also keys, foreign keys, sequences, enum labels, dates.
    Full,
}

/// What a verification found.
#[derive(Debug)]
pub struct Verification {
    /// What kind of directory it is, and of which release or layout.
    pub identity: Identity,
    /// Which bytes were checked.
    pub coverage: Coverage,
    /// Everything found.
    pub report: Report,
}

/// Verifies a directory of any kind.
///
/// # Errors
/// When it is no data directory or cannot be read. Damage is a finding.
pub fn verify(path: &Path, options: &OpenOptions, level: Level) -> Result<Verification> {
    if Store::is_one_on(&*options.disk, path) {
        return verify_ours(path, options, level);
    }
    let look = Look::open(path, options)?;
    let mut report = look.findings();
    let coverage = match look.legacy() {
        Some(legacy) => legacy_coverage(&*options.disk, path, legacy)?,
        None => Coverage::default(),
    };
    let identity = look.identity();
    if let Some(directory) = look.directory().filter(|_| level == Level::Full) {
        constraints::check(directory, &mut report)?;
    }
    Ok(Verification {
        identity,
        coverage,
        report,
    })
}

fn verify_ours(path: &Path, options: &OpenOptions, level: Level) -> Result<Verification> {
    let mut report = Report::new();
    let engine_level = match level {
        Level::Checksums => engine::Level::Checksums,
        Level::Structure | Level::Full => engine::Level::Structure,
    };
    let progress = &options.progress;
    progress.begin(Phase::Checking, tree_len(&*options.disk, path));
    let disk = WatchedDisk::shared(&options.disk, progress);
    let mut how = VerifyOptions::from(engine_level);
    how.threads = options.threads;
    let coverage = engine::verify_on(&disk, path, how, &mut report)?;
    let mut identity = Identity::ours_unread();
    match Directory::open(path, options) {
        Ok(directory) => {
            identity = directory.identity();
            // Rows of a damaged directory would be reported twice.
            if level == Level::Full && !report.has_errors() {
                constraints::check(&directory, &mut report)?;
            }
        }
        // The engine has reported it already, unless it did not notice.
        Err(Error::Damage(damage)) => {
            if !report.has_errors() {
                report.add((&*damage).into());
            }
        }
        // A file that is missing was found missing.
        Err(Error::Io { .. } | Error::NotADataDirectory { .. }) if report.has_errors() => {}
        Err(other) => return Err(other),
    }
    Ok(Verification {
        identity,
        coverage,
        report,
    })
}

/// Bytes of a legacy directory that were decoded, and all others.
fn legacy_coverage(disk: &dyn Disk, path: &Path, legacy: &LegacyDir) -> Result<Coverage> {
    let mut files = Vec::new();
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    let mut add = |path: &Path, len: u64, checked: u64| {
        let checked = checked.min(len);
        known.insert(path.to_owned());
        files.push(FileCoverage {
            path: path.to_owned(),
            len,
            checked,
            unchecked: len - checked,
        });
    };
    for file in legacy.files.files() {
        let checked = match &legacy.snapshot {
            // Up to the damage; nothing is said of the files beside it.
            Err(damage) if damage.file == file.path() => damage.offset,
            Err(_) => 0,
            Ok(_) => file.len(),
        };
        add(file.path(), file.len(), checked);
    }
    for (index, segment) in legacy.wal.segments.iter().enumerate() {
        let bad = legacy.wal.bad.iter().filter(|bad| bad.segment == index);
        let unreadable = bad.fold(0, |sum: u64, bad| sum.saturating_add(bad.len));
        let len = segment.file.len();
        add(segment.file.path(), len, len.saturating_sub(unreadable));
    }
    for entry in files_below(disk, path)? {
        if !known.contains(&entry.path) {
            let len = disk.len_of(&entry.path)?;
            files.push(FileCoverage {
                path: entry.path,
                len,
                checked: 0,
                unchecked: len,
            });
        }
    }
    Ok(Coverage { files })
}
