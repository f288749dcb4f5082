//! The columns of a table at a moment, and how records change them.

use crate::model::{Column, DataType, Operation};

/// A column by where it came from, so that a name given twice stays two columns.
pub(super) type ColumnId = u32;

/// Columns added by record n have the number ADDED + n.
const ADDED: u32 = 1 << 24;

/// Whether the values of a column are likely to count up.
pub(super) fn counts_up(column: &Column) -> bool {
    let integer = matches!(column.data_type, DataType::Integer | DataType::SmallInt);
    column.data_type.is_serial() || (integer && column.is_key())
}

/// The columns of a table at a moment.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Their definitions.
    pub list: Vec<Column>,
    /// Their identities.
    pub ids: Vec<ColumnId>,
}

impl Columns {
    /// Changes the columns by a record, given by its number.
    pub fn change(&mut self, operation: &Operation, number_of_record: u32) {
        match operation {
            Operation::AddColumn { column, .. } => {
                self.list.push((**column).clone());
                self.ids.push(ADDED.saturating_add(number_of_record));
            }
            Operation::DropColumn { column, .. } => {
                if let Some(at) = self.list.iter().position(|c| c.name == *column) {
                    self.list.remove(at);
                    self.ids.remove(at);
                }
            }
            Operation::RenameColumn { old, new, .. } => {
                if let Some(column) = self.list.iter_mut().find(|c| c.name == *old) {
                    column.name.clone_from(new);
                }
            }
            _ => {}
        }
    }
}
