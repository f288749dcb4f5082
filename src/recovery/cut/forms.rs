//! The form in which a row stands after what was logged behind it.

use std::collections::BTreeMap;

use crate::codec::{ByteWriter, ContentHash, encode_row, pack_row};
use crate::legacy::WalRecord;
use crate::model::{Operation, PackedRow, RowRef, TablesByName, ValueRef};

/// Changes of a table behind a row that are followed. Chosen: more are no everyday
/// work between two checkpoints, and each costs a step for every row.
const FOLLOWED: usize = 16;

/// What gives the rows of tables another form or another table.
pub(super) struct Forms<'w> {
    records: &'w [WalRecord],
    by_table: BTreeMap<&'w str, Changes>,
}

/// The positions of what changes a table.
#[derive(Default)]
struct Changes {
    all: Vec<usize>,
    /// The last by which the table has its name no longer.
    last_gone: Option<usize>,
}

impl<'w> Forms<'w> {
    pub(super) fn new(records: &'w [WalRecord]) -> Self {
        let mut by_table: BTreeMap<&str, Changes> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            let (table, gone) = match &record.operation {
                Operation::DropTable { table } | Operation::RenameTable { old: table, .. } => {
                    (table, true)
                }
                Operation::AddColumn { table, .. }
                | Operation::DropColumn { table, .. }
                | Operation::RenameColumn { table, .. } => (table, false),
                _ => continue,
            };
            let changes = by_table.entry(table).or_default();
            changes.all.push(at);
            if gone {
                changes.last_gone = Some(at);
            }
        }
        Forms { records, by_table }
    }

    /// Whether a table's rows get another form behind a position.
    pub(super) fn changes_behind(&self, table: &str, position: usize) -> bool {
        let changes = self.by_table.get(table);
        changes.is_some_and(|changes| changes.all.last() > Some(&position))
    }

    /// Whether a table is dropped or gets another name behind a position.
    pub(super) fn goes_behind(&self, table: &str, position: usize) -> bool {
        let changes = self.by_table.get(table);
        changes.is_some_and(|changes| changes.last_gone > Some(position))
    }

    /// The table in which a row stands at the end that was pushed at a position, and
    /// how many Nulls are behind it there; none where that is not to be told.
    pub(super) fn at_end(
        &self,
        position: usize,
        table: &'w str,
        tables: &TablesByName<'_>,
    ) -> Option<(&'w str, usize)> {
        let mut table = table;
        let mut from = position;
        let mut added: Vec<&str> = Vec::new();
        for followed in 0..=FOLLOWED {
            let changes = self.by_table.get(table);
            let next = changes.and_then(|changes| {
                let all = &changes.all;
                all.get(all.partition_point(|at| *at <= from))
            });
            // A change can be of one database of several.
            if (followed > 0 || next.is_some()) && tables.named(table).len() > 1 {
                return None;
            }
            let Some(at) = next else {
                return Some((table, added.len()));
            };
            from = *at;
            match &self.records.get(from)?.operation {
                Operation::AddColumn { column, .. } => added.push(&column.name),
                Operation::DropColumn { column, .. } => {
                    // Where another one stood is not known.
                    let at = added.iter().position(|name| *name == &**column)?;
                    added.remove(at);
                }
                Operation::RenameColumn { old, new, .. } => {
                    if let Some(name) = added.iter_mut().find(|name| **name == &**old) {
                        *name = new;
                    }
                }
                Operation::RenameTable { new, .. } => table = new,
                _ => return None,
            }
        }
        None
    }
}

/// A row with as many Nulls behind it (format page, "Server rules", 5).
pub(super) fn hash_with_nulls(row: &PackedRow, nulls: usize) -> ContentHash {
    let mut values: Vec<ValueRef<'_>> = row.values().collect();
    values.extend(std::iter::repeat_n(ValueRef::Null, nulls));
    row_hash_owned(&pack_row(values, row.xmin, None))
}

/// The values and xmin: what stays when the version is marked dead later.
pub(in crate::recovery) fn row_hash(row: &RowRef<'_>) -> ContentHash {
    let mut bytes = ByteWriter::new();
    encode_row(&mut bytes, &RowRef { xmax: None, ..*row });
    ContentHash::of(bytes.as_slice())
}

pub(in crate::recovery) fn row_hash_owned(row: &PackedRow) -> ContentHash {
    row_hash(&row.as_row())
}
