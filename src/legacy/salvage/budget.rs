//! How much of a damaged file tries may read.

use crate::error::Result;
use crate::file::SourceFile;

/// Widest pair of rows, or table head, that is looked for after damage, in bytes.
const MAX_SOUGHT_LEN: usize = 1024 * 1024;
/// The same, once the tries have read [`SEARCH_FACTOR`] times the file.
const NARROW_SOUGHT_LEN: usize = 4 * 1024;
/// Bytes that the tries may read in all, for each byte that the file holds: a
/// forged file may look like a wide row at every offset.
const SEARCH_FACTOR: u64 = 64;

/// Bytes that tries may still read.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn of(file: &SourceFile) -> Result<Self> {
        let held = file.held_len()?.max(MAX_SOUGHT_LEN as u64);
        Ok(Budget(held.saturating_mul(SEARCH_FACTOR)))
    }

    pub(super) fn spend(&mut self, len: usize) {
        self.0 = self.0.saturating_sub(len as u64);
    }

    /// How far a try may read.
    pub(super) fn reach(&self) -> usize {
        match self.0 {
            0 => NARROW_SOUGHT_LEN,
            _ => MAX_SOUGHT_LEN,
        }
    }
}
