//! What a batch may change: files of tables and catalogs, within lengths that
//! its own bytes explain (format page, "Batches"). A directory may come from
//! somebody else, and its log is carried out.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::engine::log::Change;
use crate::engine::pages::paths::{DATABASE_PREFIX, GLOBAL_NAME};
use crate::error::{Damage, Result};
use crate::file::Disk;
use crate::finding::Code;

/// Where new files of tables are written.
pub(in crate::engine) const STAGING_DIR: &str = "compact";
/// Endings of the files that a batch may change.
const SUFFIXES: [&str; 8] = [
    ".db",
    ".dat",
    ".index",
    ".map",
    ".table",
    ".db.new",
    ".index.new",
    ".map.new",
];
/// Bytes that a file may grow by beyond what a batch writes to it.
const SLACK: u64 = 64 << 20;

/// Checks the changes of a batch before the first one is made.
pub(in crate::engine) struct BatchCheck<'d> {
    disk: &'d dyn Disk,
    root: &'d Path,
    files: BTreeMap<PathBuf, Growth>,
}

/// How far a file grows.
#[derive(Debug, Default, Clone, Copy)]
struct Growth {
    /// Bytes that it has, or may have got by another name.
    base: u64,
    /// Bytes that the batch writes to it.
    written: u64,
    /// Its end by the change that reaches furthest.
    end: u64,
}

impl<'d> BatchCheck<'d> {
    /// Nothing was checked yet.
    pub(in crate::engine) fn new(disk: &'d dyn Disk, root: &'d Path) -> Self {
        BatchCheck {
            disk,
            root,
            files: BTreeMap::new(),
        }
    }

    /// Takes in a change that stands at `place` of the log.
    ///
    /// # Errors
    /// `WrongPlace` for a file that no batch has to do with; I/O errors.
    pub(in crate::engine) fn change(&mut self, change: &Change, place: (&Path, u64)) -> Result<()> {
        match change {
            Change::Write {
                path,
                offset,
                bytes,
            } => {
                let file = self.file(path, place)?;
                file.written = file.written.saturating_add(bytes.len() as u64);
                file.end = file.end.max(offset.saturating_add(bytes.len() as u64));
            }
            Change::SetLen { path, len } => {
                let file = self.file(path, place)?;
                file.end = file.end.max(*len);
            }
            Change::Rename { from, to } => {
                let base = self.file(from, place)?.base;
                let file = self.file(to, place)?;
                file.base = file.base.max(base);
            }
            Change::Remove { path } => {
                self.file(path, place)?;
            }
            Change::CreateDir { path } | Change::RemoveDir { path } => {
                if !is_dir(path) {
                    return Err(foreign(path, place).into());
                }
            }
        }
        Ok(())
    }

    /// Checks the lengths, once all changes were taken in.
    ///
    /// # Errors
    /// `BadLength`.
    pub(in crate::engine) fn finish(self, (log, offset): (&Path, u64)) -> Result<(), Damage> {
        let grown = |file: &Growth| {
            let most = file.base.saturating_add(file.written);
            (file.end, most.saturating_add(SLACK))
        };
        let mut files = self.files.iter().map(|(path, file)| (path, grown(file)));
        match files.find(|(_, (end, most))| end > most) {
            None => Ok(()),
            Some((path, (end, most))) => Err(Damage {
                file: log.to_owned(),
                offset,
                code: Code::BadLength,
                found: format!("a batch that makes {} {end} bytes long", path.display()),
                expected: format!("at most {most}, by what it writes"),
            }),
        }
    }

    fn file(&mut self, path: &Path, place: (&Path, u64)) -> Result<&mut Growth> {
        if !is_file(path) {
            return Err(foreign(path, place).into());
        }
        let full = self.root.join(path);
        if !self.files.contains_key(path) {
            let base = match self.disk.kind(&full)? {
                Some(_) => self.disk.len_of(&full)?,
                None => 0,
            };
            let growth = Growth {
                base,
                ..Growth::default()
            };
            self.files.insert(path.to_owned(), growth);
        }
        Ok(self.files.entry(path.to_owned()).or_default())
    }
}

/// The parts of a path, without the directory of new files before them.
fn parts(path: &Path) -> Option<Vec<&str>> {
    let names = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut names = names.collect::<Option<Vec<_>>>()?;
    if names.first() == Some(&STAGING_DIR) {
        names.remove(0);
    }
    Some(names)
}

fn is_file(path: &Path) -> bool {
    let known = |name: &str| SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    match parts(path).as_deref() {
        Some([name]) => *name == GLOBAL_NAME && path == Path::new(GLOBAL_NAME),
        Some([database, name]) => database.starts_with(DATABASE_PREFIX) && known(name),
        Some([database, _, name]) => database.starts_with(DATABASE_PREFIX) && known(name),
        _ => false,
    }
}

fn is_dir(path: &Path) -> bool {
    match parts(path).as_deref() {
        Some([database]) | Some([database, _]) => database.starts_with(DATABASE_PREFIX),
        _ => false,
    }
}

fn foreign(path: &Path, (log, offset): (&Path, u64)) -> Damage {
    Damage {
        file: log.to_owned(),
        offset,
        code: Code::WrongPlace,
        found: format!("a batch that changes {}", path.display()),
        expected: "files of tables and catalogs alone".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_tables_and_catalogs_are_of_a_batch() {
        for path in [
            "global.db",
            "db_shop/metadata.db",
            "db_shop/people.dat",
            "db_shop/people.table",
            "db_shop/people/page_0000.dat",
            "db_shop/people/key.index",
            "compact/db_shop/people/free_space.map",
        ] {
            assert!(is_file(Path::new(path)), "{path}");
        }
        for path in [
            "control",
            "notes.txt",
            "wal/0000000000000000.log",
            "other/people.dat",
            "compact/global.db",
            "db_shop",
            "db_shop/a/b/c.dat",
            "quarantine.jsonl",
        ] {
            assert!(!is_file(Path::new(path)), "{path}");
        }
    }
}
