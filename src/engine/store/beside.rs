//! Files beside the catalog that hold what no table does: `global.db` says of
//! each how long it is and what it holds, so that one that is lost is missed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::engine::pages::paths::GLOBAL_NAME;
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, SourceFile, Window};
use crate::finding::Code;

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

    /// Holds the file against what is known of it; its length.
    ///
    /// # Errors
    /// `BadQuarantine` when it is another one; when it cannot be read.
    pub(in crate::engine) fn check(&self, disk: &dyn Disk, root: &Path) -> Result<u64> {
        let path = root.join(&self.name);
        let len = SourceFile::open_on(disk, &path)?.len();
        let found = match len == self.len {
            false => format!("{len} bytes"),
            true => match Beside::of(disk, root, &self.name)? {
                found if found == *self => return Ok(len),
                found => found.to_string(),
            },
        };
        Err(Error::Damage(Box::new(Damage {
            file: path,
            offset: 0,
            code: Code::BadQuarantine,
            found,
            expected: format!("{self}, as {GLOBAL_NAME} says"),
        })))
    }
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Beside {
            len, lines, xxh3, ..
        } = self;
        write!(f, "{lines} lines of {len} bytes with the hash {xxh3}")
    }
}
