//! Scratch files and directories of chosen bytes, and the tool's word on them.

use std::fs;
use std::path::Path;

use rustdb_migrate::error::{Damage, Error};
use rustdb_migrate::legacy::LegacyDir;
use tempfile::TempDir;

use super::content::{customer, populated};
use super::convert::scan;
use super::model::Family;
use super::server::Files;

pub const SNAPSHOT: &str = "server_instance.db";

/// A scratch file that holds `bytes`.
pub fn write(bytes: &[u8]) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    fs::write(&path, bytes).unwrap();
    path
}

/// Files below a scratch directory.
pub fn on_disk(files: &Files) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        put(directory.path(), path, bytes);
    }
    directory
}

/// Writes a file and the directories above it.
pub fn put(directory: &Path, path: &str, bytes: &[u8]) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What a server of family 1.4 with a small tail left when it was killed.
pub fn killed() -> Files {
    let mut server = populated(Family::V1_4);
    server.insert("shop", "customers", vec![customer(8, "Di")]);
    server.killed()
}

/// Reads a directory whose family is to be found.
pub fn read(directory: &TempDir) -> LegacyDir {
    LegacyDir::read(directory.path(), None).unwrap()
}

/// The damage that the tool finds in a snapshot, which must have some.
pub fn damage_of(path: &Path, forced: Option<Family>) -> Damage {
    match scan(path, forced) {
        Err(Error::Damage(damage)) => {
            assert_eq!(damage.file, path);
            assert!(!damage.found.is_empty() && !damage.expected.is_empty());
            *damage
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}
