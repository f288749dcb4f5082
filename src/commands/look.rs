//! A directory opened as far as its bytes allow: what `info`, `wal` and
//! `verify` can say of a directory whose snapshot is damaged or missing.

use std::path::Path;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::legacy::LegacyDir;
use crate::recovery::Recovery;
use crate::report::Report;

use super::{Backend, Directory, Identity, OpenOptions, Opened};

/// A directory, whole or without its rows.
#[derive(Debug)]
pub enum Look {
    /// Everything can be read.
    Whole(Box<Directory>),
    /// A legacy directory whose snapshot is damaged or missing.
    WithoutSnapshot {
        /// Its files.
        legacy: Box<LegacyDir>,
        /// What is wrong with them.
        report: Report,
    },
}

impl Look {
    /// Opens a directory of any kind.
    ///
    /// # Errors
    /// When it is no data directory, its files cannot be read, or a directory
    /// of ours is damaged.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let opened = match Opened::open(path, options)? {
            Opened::Legacy(legacy) => legacy,
            ours => {
                let directory = Directory::recover(path, ours, options)?;
                return Ok(Look::Whole(Box::new(directory)));
            }
        };
        let wrong = match &opened.snapshot {
            Ok(Some(_)) => None,
            Ok(None) if opened.wal.segments.is_empty() => None,
            Ok(None) => Some(Finding::new(Code::NoSnapshot).file(path).detail(format!(
                "found {} WAL segments, expected a database file beside them",
                opened.wal.segments.len()
            ))),
            Err(damage) => Some(Finding::from(damage)),
        };
        // Salvage finds out for itself what is wrong.
        let Some(wrong) = wrong.filter(|_| !options.recovery.salvage) else {
            let opened = Opened::Legacy(opened);
            let directory = Directory::recover(path, opened, options)?;
            return Ok(Look::Whole(Box::new(directory)));
        };
        let mut report = opened.report.clone();
        report.add(wrong);
        // Without a snapshot every record counts, also those before the marker.
        opened.wal.report(0, &mut report);
        Ok(Look::WithoutSnapshot {
            legacy: opened,
            report,
        })
    }

    /// The directory, if its rows can be read.
    pub fn directory(&self) -> Option<&Directory> {
        match self {
            Look::Whole(directory) => Some(directory),
            Look::WithoutSnapshot { .. } => None,
        }
    }

    /// What it is, for a document.
    pub fn identity(&self) -> Identity {
        match self {
            Look::Whole(directory) => directory.identity(),
            Look::WithoutSnapshot { legacy, .. } => Identity::legacy(legacy.family),
        }
    }

    /// Its legacy files, if a server left it.
    pub fn legacy(&self) -> Option<&LegacyDir> {
        match self {
            Look::Whole(directory) => match directory.backend() {
                Backend::Legacy { legacy, .. } => Some(legacy),
                Backend::Ours(_) => None,
            },
            Look::WithoutSnapshot { legacy, .. } => Some(legacy),
        }
    }

    /// What its log means, if a snapshot is there to compare with.
    pub fn recovery(&self) -> Option<&Recovery> {
        match self.directory()?.backend() {
            Backend::Legacy { recovery, .. } => Some(recovery),
            Backend::Ours(_) => None,
        }
    }

    /// What was found while opening.
    pub fn findings(&self) -> Report {
        match self {
            Look::Whole(directory) => directory.findings(),
            Look::WithoutSnapshot { report, .. } => report.clone(),
        }
    }
}
