//! The tables of one name as a start of the server left them, and how their
//! rows compare with what the log says.

use std::collections::BTreeMap;

use crate::codec::ContentHash;
use crate::error::Result;
use crate::legacy::{RowExtent, RowReader, Snapshot};
use crate::model::{PackedRow, RowStream, TableAt};

use crate::recovery::cut::{row_hash, row_hash_owned};

/// A table of the snapshot, without the rows pushed since the start.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Position of its database.
    pub database: usize,
    /// Its position in the database.
    pub table: usize,
    /// Row versions that the start left.
    pub count: u64,
    /// Records since the start whose rows stand behind those, in order.
    pub later: Vec<usize>,
}

/// Values, xmin, and whether the version is visible.
type RowSign = (ContentHash, bool);

/// How the tables of a name stand; `None` when the rows since the start do not stand at
/// the tables' ends as they were logged, or could stand in several.
pub(super) fn standing(
    snapshot: &Snapshot,
    named: &[TableAt<'_>],
    later: &[(usize, &PackedRow)],
) -> Result<Option<Vec<Standing>>> {
    let mut tables = Vec::new();
    let mut ends: Vec<Vec<RowSign>> = Vec::new();
    for at in named {
        let Some(extent) = snapshot.extent(at.database, at.table) else {
            continue;
        };
        let looked_at = extent.count.min(later.len() as u64);
        ends.push(signs(extent, extent.count - looked_at, looked_at)?);
        tables.push(Standing {
            database: at.database,
            table: at.table,
            count: extent.count,
            later: Vec::new(),
        });
    }
    for (at, row) in later.iter().rev() {
        let sign = (row_hash_owned(row), true);
        let matching: Vec<usize> = ends
            .iter()
            .enumerate()
            .filter(|(_, end)| end.last() == Some(&sign))
            .map(|(place, _)| place)
            .collect();
        let [place] = matching.as_slice() else {
            return Ok(None);
        };
        if let (Some(end), Some(table)) = (ends.get_mut(*place), tables.get_mut(*place)) {
            end.pop();
            table.count -= 1;
            table.later.insert(0, *at);
        }
    }
    Ok(Some(tables))
}

/// The signs of some rows.
fn signs(extent: &RowExtent, from: u64, count: u64) -> Result<Vec<RowSign>> {
    let mut signs = Vec::new();
    each_row(extent, from, count, |sign| signs.push(sign))?;
    Ok(signs)
}

fn each_row(
    extent: &RowExtent,
    from: u64,
    count: u64,
    mut each: impl FnMut(RowSign),
) -> Result<()> {
    let mut left = count;
    let mut reader = RowReader::starting_at(extent, from)?;
    while left > 0 {
        let Some(batch) = reader.next_batch()? else {
            return Ok(());
        };
        for row in batch.rows() {
            if left > 0 {
                each((row_hash(&row), row.is_visible()));
                left -= 1;
            }
        }
    }
    Ok(())
}

/// All rows of a table.
pub(super) fn all_rows(extent: &RowExtent) -> Result<Vec<PackedRow>> {
    let mut rows = Vec::new();
    let mut reader = RowReader::new(extent);
    while let Some(batch) = reader.next_batch()? {
        rows.extend(batch.rows().map(|row| PackedRow::of(&row)));
    }
    Ok(rows)
}

/// Whether rows from an index on are these, in order; also whether each is
/// visible, but not what its xmax is: no record says it.
pub(super) fn are_rows<'r>(
    extent: &RowExtent,
    from: u64,
    rows: impl ExactSizeIterator<Item = &'r PackedRow>,
) -> Result<bool> {
    let count = rows.len() as u64;
    let mut rows = rows;
    let mut same = true;
    each_row(extent, from, count, |sign| {
        let row = rows.next();
        same &= row.is_some_and(|row| (row_hash_owned(row), row.is_visible()) == sign);
    })?;
    Ok(same && rows.next().is_none())
}

/// How often each of some rows stands at the start of each table: counts are
/// taken from `wanted`, which so keeps what stands nowhere. `lengths` are the
/// rows to look at.
pub(super) fn find_copies(
    snapshot: &Snapshot,
    tables: &[(usize, usize, u64)],
    wanted: &mut BTreeMap<ContentHash, u64>,
) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for (database, table, count) in tables {
        let mut copies = 0;
        if let Some(extent) = snapshot.extent(*database, *table) {
            each_row(extent, 0, *count, |(hash, _)| {
                if let Some(left) = wanted.get_mut(&hash).filter(|left| **left > 0) {
                    *left -= 1;
                    copies += 1;
                }
            })?;
        }
        found.push(copies);
    }
    Ok(found)
}

/// How often each row stands among some.
pub(super) fn multiset<'r>(
    rows: impl Iterator<Item = &'r PackedRow>,
) -> BTreeMap<ContentHash, u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row_hash_owned(row)).or_insert(0) += 1;
    }
    counts
}
