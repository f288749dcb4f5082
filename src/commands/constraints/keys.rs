//! Keys and foreign keys, in bounded memory.
//!
//! Values are compared by hashes of 128 bits over tag and value. A set holds at
//! most about [`MAX_KEYS`] of them; a larger column is read several times, each
//! time for another part of the hashes. When two values are equal is said by a
//! [`KeyOf`]: the server goes by tag and value, other servers do not.

use crate::codec::{ByteWriter, ContentHash};
use crate::error::Result;
use crate::legacy::encode_value;
use crate::model::{RowSource, ValueRef};

use super::{Tally, each_visible, key_sets};

/// Values held at once: 48 MiB of hashes.
pub(super) const MAX_KEYS: u64 = 3 * 1024 * 1024;

/// Appends bytes that are the same for equal values; false for what equals nothing.
pub(in crate::commands) type KeyOf<'k> = &'k dyn Fn(&mut Vec<u8>, &ValueRef<'_>) -> bool;

/// One column of one table, and when two of its values are equal.
#[derive(Clone, Copy)]
pub(in crate::commands) struct ColumnAt<'k> {
    /// Positions of database and table.
    pub table: (usize, usize),
    /// Position of the column.
    pub column: usize,
    /// When two values are equal.
    pub key: KeyOf<'k>,
}

/// The hashes of one part of a column's visible values, sorted.
#[derive(Debug)]
pub(super) struct KeySet {
    hashes: Vec<u128>,
    part: u64,
    parts: u64,
}

impl KeySet {
    /// Reads part `part` of `parts`.
    pub(super) fn read(
        rows: &dyn RowSource,
        at: ColumnAt<'_>,
        part: u64,
        parts: u64,
    ) -> Result<Self> {
        let mut set = KeySet {
            hashes: Vec::new(),
            part,
            parts,
        };
        let mut scratch = Vec::new();
        each_visible(rows, at, |_, value| {
            if let Some(hash) = key_hash(at.key, value, &mut scratch)
                && set.covers(hash)
            {
                set.hashes.push(hash);
            }
        })?;
        set.hashes.sort_unstable();
        Ok(set)
    }

    /// Whether a hash belongs to this part.
    fn covers(&self, hash: u128) -> bool {
        hash % u128::from(self.parts) == u128::from(self.part)
    }

    fn holds(&self, hash: u128) -> bool {
        self.hashes.binary_search(&hash).is_ok()
    }

    /// Keeps only what stands more than once.
    fn keep_repeated(&mut self) {
        let mut repeated = Vec::new();
        for pair in self.hashes.windows(2) {
            if let [a, b] = pair
                && a == b
                && repeated.last() != Some(a)
            {
                repeated.push(*a);
            }
        }
        self.hashes = repeated;
    }
}

/// As the server goes by: tag and value, and NULL equals nothing.
pub(super) fn stored_key(out: &mut Vec<u8>, value: &ValueRef<'_>) -> bool {
    if let ValueRef::Null = value {
        return false;
    }
    let mut writer = ByteWriter::from(std::mem::take(out));
    encode_value(&mut writer, value);
    *out = writer.into_vec();
    true
}

fn key_hash(key: KeyOf<'_>, value: &ValueRef<'_>, scratch: &mut Vec<u8>) -> Option<u128> {
    scratch.clear();
    key(scratch, value).then(|| ContentHash::of(scratch).0)
}

/// Visible rows whose value another visible row has too.
pub(in crate::commands) fn repeated(rows: &dyn RowSource, at: ColumnAt<'_>) -> Result<Tally> {
    let mut all = Tally::default();
    for set in key_sets(rows, at) {
        let mut set = set?;
        set.keep_repeated();
        if !set.hashes.is_empty() {
            all.merge(among(rows, at, |hash| set.holds(hash))?);
        }
    }
    Ok(all)
}

/// Visible rows whose value no visible row of the referenced column has.
pub(in crate::commands) fn missing(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    referenced: ColumnAt<'_>,
) -> Result<Tally> {
    let mut all = Tally::default();
    for set in key_sets(rows, referenced) {
        let set = set?;
        all.merge(among(rows, at, |hash| {
            set.covers(hash) && !set.holds(hash)
        })?);
    }
    Ok(all)
}

fn among(rows: &dyn RowSource, at: ColumnAt<'_>, wanted: impl Fn(u128) -> bool) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut scratch = Vec::new();
    each_visible(rows, at, |index, value| {
        if key_hash(at.key, value, &mut scratch).is_some_and(&wanted) {
            tally.add(index);
        }
    })?;
    Ok(tally)
}

impl Tally {
    /// Adds the rows of another part; the lowest stay named.
    fn merge(&mut self, other: Tally) {
        self.count = self.count.saturating_add(other.count);
        self.first.extend(other.first);
        self.first.sort_unstable();
        self.first.truncate(super::ROWS_NAMED);
    }
}
