//! Rows as multisets: how many only one side has, and the first of them.
//!
//! Rows are compared by hashes of 128 bits. At most about [`MAX_ROWS`] hashes a
//! side are held; larger tables are read several times, each time for another
//! part of the hashes.

use crate::codec::ContentHash;
use crate::error::Result;
use crate::model::{Row, RowRef, RowSource};

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub struct DiffOptions {
    /// Compare every row version with its xmin and xmax, not only what a user
    /// sees.
    pub versions: bool,
    /// Example rows a table and side; 3 by default.
    pub examples: usize,
}

impl Default for DiffOptions {
    fn default() -> Self {
        DiffOptions {
            versions: false,
            examples: 3,
        }
    }
}

/// Hashes held at once a side: 32 MiB.
const MAX_ROWS: u64 = 2 * 1024 * 1024;

/// Where the rows of one side are.
#[derive(Clone, Copy)]
pub(super) struct TableRows<'s> {
    pub rows: &'s dyn RowSource,
    pub at: (usize, usize),
}

/// What differs in the rows of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowDiff {
    /// Rows that only A has; a row twice in A and once in B counts once.
    pub only_in_a: u64,
    /// Rows that only B has.
    pub only_in_b: u64,
    /// The first of those of A, in stored order.
    pub examples_a: Vec<Example>,
    /// The first of those of B.
    pub examples_b: Vec<Example>,
}

/// A row that only one side has.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its position among all row versions of the table, from 0.
    pub index: u64,
    /// As it is stored, with xmin and xmax.
    pub row: Row,
}

/// Compares the rows of a table; a missing table has none.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn diff_rows(
    a: Option<TableRows<'_>>,
    b: Option<TableRows<'_>>,
    options: &DiffOptions,
) -> Result<RowDiff> {
    let count = |side: Option<TableRows<'_>>| {
        side.map_or(0, |side| side.rows.row_count(side.at.0, side.at.1))
    };
    let parts = count(a).max(count(b)).div_ceil(MAX_ROWS).max(1);
    let mut diff = RowDiff::default();
    for part in 0..parts {
        let share = HashShare {
            versions: options.versions,
            part,
            parts,
        };
        let (in_a, in_b) = (share.hashes(a)?, share.hashes(b)?);
        let (only_a, only_b) = (excess(&in_a, &in_b), excess(&in_b, &in_a));
        drop((in_a, in_b));
        diff.only_in_a += total(&only_a);
        diff.only_in_b += total(&only_b);
        share.examples(a, only_a, options.examples, &mut diff.examples_a)?;
        share.examples(b, only_b, options.examples, &mut diff.examples_b)?;
    }
    Ok(diff)
}

/// Hashes with how many rows of each are to be accounted for, sorted.
type Excess = Vec<(u128, u64)>;

fn total(excess: &Excess) -> u64 {
    excess.iter().map(|(_, count)| count).sum()
}

/// What `left` has more often than `right`; both sorted.
fn excess(left: &[u128], right: &[u128]) -> Excess {
    let mut excess: Excess = Vec::new();
    let mut right = right.iter().peekable();
    for hash in left {
        while right.next_if(|other| *other < hash).is_some() {}
        if right.next_if_eq(&hash).is_some() {
            continue;
        }
        match excess.last_mut() {
            Some((last, count)) if last == hash => *count += 1,
            _ => excess.push((*hash, 1)),
        }
    }
    excess
}

/// Which rows are compared at a time: those of a share of all hashes.
struct HashShare {
    versions: bool,
    part: u64,
    parts: u64,
}

impl HashShare {
    fn hashes(&self, side: Option<TableRows<'_>>) -> Result<Vec<u128>> {
        let mut hashes = Vec::new();
        self.each(side, |_, hash, _| {
            hashes.push(hash);
            true
        })?;
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Adds the first rows of `wanted`; over all parts the lowest stay.
    fn examples(
        &self,
        side: Option<TableRows<'_>>,
        mut wanted: Excess,
        max: usize,
        examples: &mut Vec<Example>,
    ) -> Result<()> {
        if wanted.is_empty() || max == 0 {
            return Ok(());
        }
        let mut found = 0_usize;
        self.each(side, |index, hash, row| {
            let at = wanted.binary_search_by_key(&hash, |(hash, _)| *hash);
            let left = at.ok().and_then(|at| wanted.get_mut(at));
            if let Some((_, left)) = left.filter(|(_, left)| *left > 0) {
                *left -= 1;
                found += 1;
                let row = row.to_owned();
                examples.push(Example { index, row });
            }
            found < max
        })?;
        examples.sort_by_key(|example| example.index);
        examples.truncate(max);
        Ok(())
    }

    /// Every row of this part, until the callback says that it has enough.
    fn each(
        &self,
        side: Option<TableRows<'_>>,
        mut each: impl FnMut(u64, u128, &RowRef<'_>) -> bool,
    ) -> Result<()> {
        let Some(side) = side else { return Ok(()) };
        let mut stream = side.rows.open_rows(side.at.0, side.at.1)?;
        let mut index = 0_u64;
        while let Some(batch) = stream.next_batch()? {
            for row in batch.rows() {
                let position = index;
                index += 1;
                if !self.versions && !row.is_visible() {
                    continue;
                }
                let hash = self.hash(&row);
                let covered = hash % u128::from(self.parts) == u128::from(self.part);
                if covered && !each(position, hash, &row) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn hash(&self, row: &RowRef<'_>) -> u128 {
        let values = ContentHash::of(row.bytes);
        // What a user sees has no transaction.
        if !self.versions {
            return values.0;
        }
        let written = values.with(row.xmin);
        row.xmax.map_or(written, |xmax| written.with(xmax)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiset_counts_what_stands_more_often() {
        assert_eq!(excess(&[1, 1, 1, 3], &[1, 2]), [(1, 2), (3, 1)]);
        assert_eq!(excess(&[1, 2], &[1, 1, 1, 3]), [(2, 1)]);
        assert_eq!(excess(&[], &[1]), []);
    }
}
