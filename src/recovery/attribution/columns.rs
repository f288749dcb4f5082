//! The columns of a table at a moment, and how records change them.

use crate::model::{Column, DataType, Operation};

use super::super::named_list::{ItemId, NamedList};

/// A column by where it came from, so that a name given twice stays two columns.
pub(super) type ColumnId = ItemId;

/// The columns of a table at a moment.
pub(super) type Columns = NamedList<Column>;

/// Whether the values of a column are likely to count up.
pub(super) fn counts_up(column: &Column) -> bool {
    let integer = matches!(column.data_type, DataType::Integer | DataType::SmallInt);
    column.data_type.is_serial() || (integer && column.is_key())
}

/// Changes the columns by a record.
pub(super) fn change(columns: &mut Columns, operation: &Operation) {
    let first = |columns: &Columns, name: &str| columns.first(name).map(|(id, _)| id);
    match operation {
        Operation::AddColumn { column, .. } => columns.push((**column).clone()),
        Operation::DropColumn { column, .. } => {
            if let Some(id) = first(columns, column) {
                columns.remove(id);
            }
        }
        Operation::RenameColumn { old, new, .. } => {
            if let Some(id) = first(columns, old) {
                columns.rename(id, new);
            }
        }
        _ => {}
    }
}
