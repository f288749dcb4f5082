//! Keys stay unique when the rows of a table are written anew.

use std::path::Path;
use std::sync::Arc;

use crate::codec::ByteWriter;
use crate::engine::rows::codec::encode_value;
use crate::engine::rows::key::key_digest;
use crate::engine::tree::{Entry, Sorter};
use crate::error::{Error, Result};
use crate::file::Disk;
use crate::model::ValueRef;
use crate::work::Threads;

/// The index keys of visible rows. Two old ones may be equal: a legacy server
/// let keys be, and so does everything that reads what it left. A new one may
/// equal no other.
#[derive(Debug)]
pub(super) struct KeyCheck {
    keys: Sorter,
    null: u128,
}

/// Whether a key was in the table before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Old,
    New,
}

impl KeyCheck {
    /// No keys; many may need a file in `dir`.
    pub(super) fn new(disk: &Arc<dyn Disk>, dir: &Path) -> Self {
        KeyCheck {
            keys: Sorter::new(disk, dir),
            null: index_key(&ValueRef::Null),
        }
    }

    /// Adds the key of a visible row. NULL equals nothing.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn add(&mut self, key: u128, age: Age) -> Result<()> {
        if key == self.null {
            return Ok(());
        }
        let value = u64::from(age == Age::New);
        self.keys.push(Entry { key, value })
    }

    /// Refuses new keys that equal others.
    ///
    /// # Errors
    /// `KeyTaken`; I/O errors.
    pub(super) fn finish(self, table: &str) -> Result<()> {
        let mut before = None;
        self.keys.finish(Threads::ONE, |entry| {
            // New ones come after old ones.
            let is_new = entry.value == 1;
            if is_new && before.replace(entry.key) == Some(entry.key) {
                return Err(Error::KeyTaken {
                    table: table.escape_debug().to_string(),
                });
            }
            before = Some(entry.key);
            Ok(())
        })
    }
}

/// What stands for a key (format page, "Index").
pub(super) fn index_key(key: &ValueRef<'_>) -> u128 {
    let mut bytes = ByteWriter::new();
    encode_value(&mut bytes, key);
    key_digest(bytes.as_slice())
}
