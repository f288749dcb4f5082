//! Files beside the catalog that hold what no table does: `global.db` says of
//! each how long it is and what it holds, so that one that is lost is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::engine::pages::paths::{ATTRIBUTION_NAME, GLOBAL_NAME, QUARANTINE_NAME};
use crate::engine::pages::sealed;
use crate::engine::table::absorb;
use crate::error::{Damage, Result};
use crate::file::{Disk, SourceFile, Window};
use crate::finding::{Code, Finding};
use crate::report::Report;

/// What a file beside the catalog holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct Beside {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub len: u64,
    /// Its lines.
    pub lines: u64,
    /// The XXH3 hash of 128 bits of its bytes, as 32 hexadecimal digits.
    pub xxh3: String,
}

impl Beside {
    /// Those of these names that are there.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(in crate::engine) fn all(
        disk: &dyn Disk,
        root: &Path,
        names: &[&str],
    ) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for name in names {
            if disk.kind(&root.join(name))?.is_some() {
                all.push(Beside::of(disk, root, name)?);
            }
        }
        Ok(all)
    }

    /// Checks that a catalog names only files that there are, each once: a name
    /// leads nowhere else.
    ///
    /// # Errors
    /// `UnsupportedVersion`, `DuplicateName`.
    pub(in crate::engine) fn check(all: &[Self], global: &Path) -> Result<(), Damage> {
        let wrong = |code, found: &str, expected: &str| Damage {
            file: global.to_owned(),
            offset: sealed::HEAD_LEN as u64,
            code,
            found: found.into(),
            expected: expected.into(),
        };
        let mut seen = BTreeSet::new();
        for beside in all {
            if ![QUARANTINE_NAME, ATTRIBUTION_NAME].contains(&beside.name.as_str()) {
                let found = "a file beside it that this version does not know";
                let expected = "quarantine.jsonl or attribution.jsonl";
                return Err(wrong(Code::UnsupportedVersion, found, expected));
            }
            if !seen.insert(&beside.name) {
                let found = "a file beside it that stands twice";
                return Err(wrong(Code::DuplicateName, found, "distinct names"));
            }
        }
        Ok(())
    }

    /// What a file holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::engine) fn of(disk: &dyn Disk, root: &Path, name: &str) -> Result<Self> {
        let file = SourceFile::open_on(disk, &root.join(name))?;
        let (mut hash, mut lines) = (Xxh3::new(), 0);
        let mut window = Window::new(file.clone(), 0..file.len());
        while window.remaining() > 0 {
            window.check_written()?;
            window.fill(1)?;
            let bytes = window.buffered();
            hash.update(bytes);
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let len = bytes.len();
            window.consume(len);
        }
        Ok(Beside {
            name: name.to_owned(),
            len: file.len(),
            lines,
            xxh3: format!("{:032x}", hash.digest128()),
        })
    }

    /// Holds the file against what is known of it: what is wrong, if anything is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::engine) fn wrong(&self, disk: &dyn Disk, root: &Path) -> Result<Option<Finding>> {
        let path = root.join(&self.name);
        let expected = format!("expected {self}, as {GLOBAL_NAME} says");
        let mut found = Report::new();
        let Some(file) = absorb(SourceFile::open_on(disk, &path), &path, &mut found)? else {
            let finding = found.findings().first().cloned();
            return Ok(finding.map(|finding| finding.detail(expected)));
        };
        // What is far too long is not read.
        let found = match file.len() <= self.len.saturating_mul(2) {
            false => format!("{} bytes", file.len()),
            true => match Beside::of(disk, root, &self.name)? {
                found if found == *self => return Ok(None),
                found => found.to_string(),
            },
        };
        let finding = Finding::new(Code::BadQuarantine).file(path).offset(0);
        Ok(Some(finding.detail(format!("found {found}, {expected}"))))
    }
}

/// The files that have a place beside the catalog, and whether each is known to be
/// as it was written. Any other is somebody else's, whatever its name.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct KnownBeside(BTreeMap<String, bool>);

impl KnownBeside {
    /// Those that a catalog names, but for `changed` whole.
    pub(in crate::engine) fn of(named: &[Beside], changed: &BTreeMap<String, Finding>) -> Self {
        let named = named.iter().map(|beside| beside.name.clone());
        let known = named.map(|name| {
            let is_whole = !changed.contains_key(&name);
            (name, is_whole)
        });
        KnownBeside(known.collect())
    }

    /// Where nothing tells which there were.
    pub(in crate::engine) fn untold() -> Self {
        let names = [QUARANTINE_NAME, ATTRIBUTION_NAME];
        KnownBeside(names.map(|name| (name.to_owned(), false)).into())
    }

    /// Whether there can be one of a name.
    pub(in crate::engine) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there is one of a name and it is as it was written.
    pub(in crate::engine) fn is_whole(&self, name: &str) -> bool {
        self.0.get(name) == Some(&true)
    }
}

/// What is wrong with files beside the catalog, by their names.
///
/// # Errors
/// When one cannot be read.
pub(in crate::engine) fn changed_beside(
    disk: &dyn Disk,
    root: &Path,
    known: &[Beside],
) -> Result<BTreeMap<String, Finding>> {
    let mut changed = BTreeMap::new();
    for beside in known {
        if let Some(finding) = beside.wrong(disk, root)? {
            changed.insert(beside.name.clone(), finding);
        }
    }
    Ok(changed)
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Beside {
            len, lines, xxh3, ..
        } = self;
        write!(f, "{lines} lines of {len} bytes with the hash {xxh3}")
    }
}
