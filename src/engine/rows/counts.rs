//! How many row versions a table holds.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Damage, Result};
use crate::finding::Code;

/// What the catalog says of the files of a table: above all how many row
/// versions they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct TableCounts {
    /// All of them.
    pub rows: u64,
    /// Those that a user sees.
    pub live: u64,
    /// Bytes of the data of the layout append that are in use: what a crash
    /// left after them is nothing. 0 in other layouts.
    pub data_len: u64,
    /// Ends of versions that stand beside their rows, in the layout append.
    pub ends: u64,
}

impl TableCounts {
    /// Counts one row.
    pub(in crate::engine) fn add(&mut self, visible: bool) {
        self.rows += 1;
        self.live += u64::from(visible);
    }

    /// Adds other rows.
    pub(in crate::engine) fn append(&mut self, other: TableCounts) {
        self.rows = self.rows.saturating_add(other.rows);
        self.live = self.live.saturating_add(other.live);
        self.ends = self.ends.saturating_add(other.ends);
    }

    /// Checks what was counted against what the catalog says: files that are
    /// cut where a row ends are found by nothing else. `offset` is where in
    /// `file` the counts are known.
    ///
    /// # Errors
    /// `CountMismatch`.
    pub(in crate::engine) fn check(
        self,
        catalog: TableCounts,
        file: &Path,
        offset: u64,
    ) -> Result<(), Damage> {
        if self == catalog {
            return Ok(());
        }
        Err(Damage {
            file: file.to_owned(),
            offset,
            code: Code::CountMismatch,
            found: self.to_string(),
            expected: format!("{catalog}, as the catalog says"),
        })
    }
}

impl fmt::Display for TableCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} of them live", self.rows, self.live)?;
        match self.ends {
            0 => Ok(()),
            ends => write!(f, ", {ends} ends"),
        }
    }
}
