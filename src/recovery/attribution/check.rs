//! One record against one hypothetical state of a database.

use crate::model::{Column, Operation, PackedRow};

use super::facts::Fact;
use super::horizon::Horizon;
use super::problem::{Problem, Record, equals_none, reference_hashes};
use super::state::Database;
use super::table::{Key, Table};

/// What a record would have done to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// It takes effect.
    Applies,
    /// It was logged, and the statement failed (rule 6).
    NoEffect,
    /// It would not have been logged (rule 7).
    Breaks(Fact),
}

/// What a search looks things up in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'p, 'w> {
    /// The tail.
    pub problem: &'p Problem<'w>,
    /// What is still asked for.
    pub horizon: &'p Horizon,
}

impl Lookup<'_, '_> {
    /// Checks a record against a database. Keys are compared with rows pushed by
    /// records before `keys_before` only: rows of one statement are not checked
    /// against one another.
    pub fn check(&self, database: &Database, record: &Record<'_>, keys_before: u32) -> Trial {
        let table = database.table(record.table);
        match (record.operation, table) {
            (Operation::CreateTable { schema, .. }, table) => {
                if let Some(fact) = self.check_references(database, record, &schema.columns) {
                    return Trial::Breaks(fact);
                }
                match table {
                    Some(_) => Trial::NoEffect,
                    None => Trial::Applies,
                }
            }
            (Operation::DropTable { .. }, None) => Trial::NoEffect,
            (_, None) => Trial::Breaks(Fact::NoTable),
            (_, Some(table)) => self.check_table(database, record, table, keys_before),
        }
    }

    fn check_table(
        &self,
        database: &Database,
        record: &Record<'_>,
        table: &Table,
        keys_before: u32,
    ) -> Trial {
        let columns = table.columns();
        let column = |name: &str| columns.first(name).map(|(_, column)| column);
        let broken = match record.operation {
            Operation::Insert { row, .. } => {
                let wide = self.problem.wide_rows_land && row.arity() > columns.len();
                if row.arity() != columns.len() && !wide {
                    return Trial::NoEffect;
                }
                self.check_row(database, record, table, row, keys_before)
            }
            Operation::Update { index, row, .. } => match row.arity() == columns.len() {
                true => past_end(table, *index),
                false => Some(Fact::Arity),
            },
            Operation::Delete { index, .. } => past_end(table, *index),
            Operation::AddColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::RenameColumn { .. } => Fact::of_column_change(record.operation, column),
            Operation::RenameTable { .. } => {
                let taken = record.renamed_to.and_then(|new| database.table(new));
                taken.map(|_| Fact::NameTaken)
            }
            Operation::CreateTable { .. }
            | Operation::DropTable { .. }
            | Operation::Checkpoint { .. } => None,
        };
        broken.map_or(Trial::Applies, Trial::Breaks)
    }

    fn check_row(
        &self,
        database: &Database,
        record: &Record<'_>,
        table: &Table,
        row: &PackedRow,
        keys_before: u32,
    ) -> Option<Fact> {
        let columns = table.columns().iter();
        for (((id, column), value), hash) in columns.zip(row.values()).zip(record.values.iter()) {
            if equals_none(&value) {
                continue;
            }
            let seen = (self.problem, self.horizon);
            let own = Key {
                transaction: record.transaction,
                column: id,
                value: *hash,
                before: keys_before,
            };
            let is_checked = column.is_key() && self.problem.keys_are_checked;
            if is_checked && table.shows(seen, own, false) {
                return Some(Fact::KeyTaken);
            }
            let Some(key) = &column.foreign_key else {
                continue;
            };
            let parent = self
                .problem
                .name_id(&key.table)
                .and_then(|name| database.table(name));
            let Some(parent) = parent else {
                return Some(Fact::NoReference);
            };
            let Some((column, _)) = parent.columns().first(&key.column) else {
                continue;
            };
            let stands = |value: &u64| {
                let key = Key {
                    column,
                    value: *value,
                    before: u32::MAX,
                    ..own
                };
                parent.shows(seen, key, true)
            };
            if !reference_hashes(&value).iter().any(stands) {
                return Some(Fact::NoReference);
            }
        }
        None
    }

    fn check_references(
        &self,
        database: &Database,
        record: &Record<'_>,
        columns: &[Column],
    ) -> Option<Fact> {
        for key in columns
            .iter()
            .filter_map(|column| column.foreign_key.as_ref())
        {
            let name = self.problem.name_id(&key.table)?;
            if name == record.table {
                continue;
            }
            let parent = database.table(name).map(Table::columns);
            let mut columns = parent
                .into_iter()
                .flat_map(|columns| columns.named(&key.column));
            if !columns.any(|(_, column)| column.primary_key) {
                return Some(Fact::NoReferencedKey);
            }
        }
        None
    }
}

fn past_end(table: &Table, index: u64) -> Option<Fact> {
    let count = table.count();
    (index >= count).then_some(Fact::PastEnd { index, count })
}

/// Per record: where the run of inserts begins that it may share a statement
/// with; for other records, itself.
pub(super) fn insert_runs(problem: &Problem<'_>) -> Vec<u32> {
    let mut starts: Vec<u32> = Vec::with_capacity(problem.records.len());
    let mut before: Option<&Record<'_>> = None;
    for (record, at) in problem.records.iter().zip(0u32..) {
        let insert = |r: &Record<'_>| matches!(r.operation, Operation::Insert { .. });
        let continues = record.follows
            && before.is_some_and(|b| insert(b) && insert(record) && b.table == record.table);
        let start = match (continues, starts.last()) {
            (true, Some(start)) => *start,
            _ => at,
        };
        starts.push(start);
        before = Some(record);
    }
    starts
}
