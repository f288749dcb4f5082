//! What one pass over a table's visible rows tells.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Cursor, has_form, is_well_formed, read_plain_value};
use crate::error::Result;
use crate::model::{Column, DataType, Database, RowRef, RowSource, Table, ValueRef};
use crate::work::Threads;

use super::super::row_parts::visible_rows;
use super::keys::stored_key;
use super::{Rising, Tally};

/// The tag of enum values in the plain encoding.
const ENUM_TAG: u32 = 14;

/// What was found in one column.
#[derive(Debug, Default)]
pub(super) struct ColumnFindings {
    /// Next value and highest value used, when the sequence would repeat one.
    pub sequence_behind: Option<(i64, i64)>,
    /// Rows with an enum value that is no label of its type.
    pub bad_labels: Tally,
    /// Rows with a date, timestamp, decimal or JSON text that is none.
    pub bad_texts: Tally,
    /// Keys, in a column of them: those that rise do not stand twice.
    pub keys: Rising,
    /// The highest value used, where there is a sequence.
    highest: Option<i64>,
}

impl ColumnFindings {
    /// Adds what was found in rows that follow the first `before` ones.
    fn append(&mut self, later: ColumnFindings, before: u64) {
        self.bad_labels.append(&later.bad_labels, before);
        self.bad_texts.append(&later.bad_texts, before);
        self.keys.append(later.keys);
        self.highest = self.highest.max(later.highest);
    }
}

/// Checks the visible rows of a table, on several threads; one answer a column.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn check(
    source: (&dyn RowSource, Threads),
    at: (usize, usize),
    labels: &Labels<'_>,
    table: &Table,
) -> Result<Vec<ColumnFindings>> {
    let sequences = table.sequences_by_name();
    let columns = table.columns.iter();
    let checks: Vec<ColumnCheck<'_>> = columns
        .map(|column| ColumnCheck::new(labels, sequences.get(&*column.name).copied(), column))
        .collect();
    let new = || -> Vec<ColumnFindings> { checks.iter().map(|_| Default::default()).collect() };
    let look = |found: &mut Vec<ColumnFindings>, index: u64, row: &RowRef<'_>| {
        for ((check, value), found) in checks.iter().zip(row.plain_values()).zip(found) {
            check.plain_value(index, value, found);
        }
    };
    let mut all = new();
    visible_rows(source, at, new, look, |part, before| {
        for (column, later) in all.iter_mut().zip(part) {
            column.append(later, before);
        }
    })?;
    for (check, found) in checks.iter().zip(&mut all) {
        let behind = check.next.zip(found.highest);
        found.sequence_behind = behind.filter(|(next, highest)| next <= highest);
    }
    Ok(all)
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
    is_key: bool,
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
            is_key: column.is_key(),
        }
    }

    /// Few values need a look.
    #[inline]
    fn plain_value(&self, row: u64, (tag, bytes): (u32, &[u8]), found: &mut ColumnFindings) {
        let is_asked = self.is_key || self.next.is_some();
        if (is_asked || tag == ENUM_TAG || has_form(tag))
            && let Ok(value) = read_plain_value(&mut Cursor::new(bytes))
        {
            self.value(row, &value, found);
        }
    }

    fn value(&self, row: u64, value: &ValueRef<'_>, found: &mut ColumnFindings) {
        let integer = match *value {
            ValueRef::SmallInt(value) => Some(value.into()),
            ValueRef::Integer(value) => Some(value),
            _ => None,
        };
        if self.next.is_some() {
            found.highest = found.highest.max(integer);
        }
        if self.is_key {
            match *value {
                ValueRef::Integer(value) => found.keys.add_integer(value),
                ref other => found.keys.add(|key| stored_key(key, other)),
            }
        }
        match *value {
            ValueRef::Enum { type_name, label } if !self.is_label(type_name, label) => {
                found.bad_labels.add(row);
            }
            ref other if !is_well_formed(other) => found.bad_texts.add(row),
            _ => {}
        }
    }

    /// By the type as it is now, or as it was when the column was made.
    fn is_label(&self, type_name: &str, label: &str) -> bool {
        let own = self.own.as_ref().filter(|(name, _)| *name == type_name);
        self.labels.has(type_name, label) || own.is_some_and(|(_, labels)| labels.contains(label))
    }
}
