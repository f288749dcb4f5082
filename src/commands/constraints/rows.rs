//! What one pass over a table's visible rows tells.

use crate::codec::is_well_formed;
use crate::error::Result;
use crate::model::{Column, DataType, Database, RowSource, Table, ValueRef};

use super::Tally;

/// What was found in one column.
#[derive(Debug, Default)]
pub(super) struct ColumnFindings {
    /// Next value and highest value used, when the sequence would repeat one.
    pub sequence_behind: Option<(i64, i64)>,
    /// Rows with an enum value that is no label of its type.
    pub bad_labels: Tally,
    /// Rows with a date, timestamp, decimal or JSON text that is none.
    pub bad_texts: Tally,
}

/// Checks the visible rows of a table; one answer a column.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn check(
    rows: &dyn RowSource,
    at: (usize, usize),
    database: &Database,
    table: &Table,
) -> Result<Vec<ColumnFindings>> {
    let mut checks: Vec<ColumnCheck<'_>> = table
        .columns
        .iter()
        .map(|column| ColumnCheck::new(database, table, column))
        .collect();
    let mut stream = rows.open_rows(at.0, at.1)?;
    let mut index = 0_u64;
    while let Some(batch) = stream.next_batch()? {
        for row in batch.rows() {
            if row.is_visible() {
                for (check, value) in checks.iter_mut().zip(row.values) {
                    check.value(index, value);
                }
            }
            index = index.saturating_add(1);
        }
    }
    Ok(checks.into_iter().map(ColumnCheck::finish).collect())
}

struct ColumnCheck<'c> {
    column: &'c Column,
    database: &'c Database,
    next: Option<i64>,
    highest: Option<i64>,
    findings: ColumnFindings,
}

impl<'c> ColumnCheck<'c> {
    fn new(database: &'c Database, table: &Table, column: &'c Column) -> Self {
        ColumnCheck {
            column,
            database,
            next: table.sequence(&column.name),
            highest: None,
            findings: ColumnFindings::default(),
        }
    }

    fn value(&mut self, row: u64, value: &ValueRef<'_>) {
        match *value {
            ValueRef::SmallInt(v) if self.next.is_some() => self.used(i64::from(v)),
            ValueRef::Integer(v) if self.next.is_some() => self.used(v),
            ValueRef::Enum { type_name, label } if !self.is_label(type_name, label) => {
                self.findings.bad_labels.add(row);
            }
            ref other if !is_well_formed(other) => self.findings.bad_texts.add(row),
            _ => {}
        }
    }

    fn used(&mut self, value: i64) {
        self.highest = Some(self.highest.map_or(value, |highest| highest.max(value)));
    }

    /// By the type as it is now, or as it was when the column was made.
    fn is_label(&self, type_name: &str, label: &str) -> bool {
        let mut types = self.database.enums.iter();
        let now = types.find(|(name, _)| name == type_name);
        let of_column = match &self.column.data_type {
            DataType::Enum { name, labels } if name == type_name => Some(labels),
            _ => None,
        };
        let mut all = now.map(|(_, labels)| labels).into_iter().chain(of_column);
        all.any(|labels| labels.iter().any(|one| one == label))
    }

    fn finish(mut self) -> ColumnFindings {
        if let (Some(next), Some(highest)) = (self.next, self.highest)
            && next <= highest
        {
            self.findings.sequence_behind = Some((next, highest));
        }
        self.findings
    }
}
