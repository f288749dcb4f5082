//! What one pass over a table's visible rows tells.

use std::collections::{BTreeMap, BTreeSet};

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
    labels: &Labels<'_>,
    table: &Table,
) -> Result<Vec<ColumnFindings>> {
    let sequences = table.sequences_by_name();
    let columns = table.columns.iter();
    let mut checks: Vec<ColumnCheck<'_>> = columns
        .map(|column| ColumnCheck::new(labels, sequences.get(&*column.name).copied(), column))
        .collect();
    let mut stream = rows.open_rows(at.0, at.1)?;
    let mut index = 0_u64;
    while let Some(batch) = stream.next_batch()? {
        for row in batch.rows() {
            if row.is_visible() {
                for (check, value) in checks.iter_mut().zip(row.values()) {
                    check.value(index, &value);
                }
            }
            index = index.saturating_add(1);
        }
    }
    Ok(checks.into_iter().map(ColumnCheck::finish).collect())
}

/// The labels of the enum types of a database, as the types are now.
#[derive(Debug)]
pub(super) struct Labels<'c>(BTreeMap<&'c str, BTreeSet<&'c str>>);

impl<'c> Labels<'c> {
    /// Of types of one name, the first counts.
    pub(super) fn of(database: &'c Database) -> Self {
        let mut types = BTreeMap::new();
        for (name, labels) in &database.enums {
            types
                .entry(&**name)
                .or_insert_with(|| labels.iter().map(String::as_str).collect());
        }
        Labels(types)
    }

    fn has(&self, type_name: &str, label: &str) -> bool {
        let labels = self.0.get(type_name);
        labels.is_some_and(|labels| labels.contains(label))
    }
}

struct ColumnCheck<'c> {
    /// The type of an enum column and its labels when the column was made.
    own: Option<(&'c str, BTreeSet<&'c str>)>,
    labels: &'c Labels<'c>,
    next: Option<i64>,
    highest: Option<i64>,
    findings: ColumnFindings,
}

impl<'c> ColumnCheck<'c> {
    fn new(labels: &'c Labels<'c>, next: Option<i64>, column: &'c Column) -> Self {
        let own = match &column.data_type {
            DataType::Enum { name, labels } => {
                Some((&**name, labels.iter().map(String::as_str).collect()))
            }
            _ => None,
        };
        ColumnCheck {
            own,
            labels,
            next,
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
        let own = self.own.as_ref().filter(|(name, _)| *name == type_name);
        self.labels.has(type_name, label) || own.is_some_and(|(_, labels)| labels.contains(label))
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
