//! What a WAL record says was done.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Column, PackedRow, Table};

/// One logged operation. No operation names its database (format page, "WAL").
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// CREATE TABLE; logged also when the statement then failed.
    CreateTable {
        /// The table's name.
        table: Arc<str>,
        /// Its columns, and its sequences at their start.
        schema: Box<Table>,
        /// Its rows; a server logs none.
        rows: Vec<PackedRow>,
    },
    /// DROP TABLE; logged also when the statement then failed.
    DropTable {
        /// The table's name.
        table: Arc<str>,
    },
    /// One inserted row.
    Insert {
        /// The table's name.
        table: Arc<str>,
        /// The row version that was pushed.
        row: PackedRow,
    },
    /// One updated row.
    Update {
        /// The table's name.
        table: Arc<str>,
        /// Position among all row versions, from 0.
        index: u64,
        /// The new version.
        row: PackedRow,
    },
    /// One deleted row.
    Delete {
        /// The table's name.
        table: Arc<str>,
        /// Position among all row versions, from 0.
        index: u64,
    },
    /// The snapshot holds every record before this one.
    Checkpoint {
        /// When it was taken, in unix seconds.
        timestamp: u64,
    },
    /// ALTER TABLE ADD COLUMN.
    AddColumn {
        /// The table's name.
        table: Arc<str>,
        /// The new column.
        column: Box<Column>,
    },
    /// ALTER TABLE DROP COLUMN.
    DropColumn {
        /// The table's name.
        table: Arc<str>,
        /// The column's name.
        column: String,
    },
    /// ALTER TABLE RENAME COLUMN.
    RenameColumn {
        /// The table's name.
        table: Arc<str>,
        /// The column's name before.
        old: String,
        /// The column's name after.
        new: String,
    },
    /// ALTER TABLE RENAME.
    RenameTable {
        /// The table's name before.
        old: Arc<str>,
        /// The table's name after.
        new: String,
    },
}

impl Operation {
    /// The names of all operations, in the order of their tags.
    pub const NAMES: [&'static str; 10] = [
        "CreateTable",
        "DropTable",
        "Insert",
        "Update",
        "Delete",
        "Checkpoint",
        "AlterTableAddColumn",
        "AlterTableDropColumn",
        "AlterTableRenameColumn",
        "AlterTableRename",
    ];

    /// The table as it is named before the operation; `None` for a checkpoint.
    pub fn table(&self) -> Option<&str> {
        match self {
            Operation::CreateTable { table, .. }
            | Operation::DropTable { table }
            | Operation::Insert { table, .. }
            | Operation::Update { table, .. }
            | Operation::Delete { table, .. }
            | Operation::AddColumn { table, .. }
            | Operation::DropColumn { table, .. }
            | Operation::RenameColumn { table, .. }
            | Operation::RenameTable { old: table, .. } => Some(table),
            Operation::Checkpoint { .. } => None,
        }
    }

    /// Takes the name of the table of a changed row from those that others have
    /// in common; a log has many such records and few tables.
    pub fn share_name(&mut self, names: &mut BTreeSet<Arc<str>>) {
        let (Operation::Insert { table, .. }
        | Operation::Update { table, .. }
        | Operation::Delete { table, .. }) = self
        else {
            return;
        };
        match names.get(table) {
            Some(name) => *table = name.clone(),
            None => drop(names.insert(table.clone())),
        }
    }

    /// The name of the operation, as the format page has it.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::CreateTable { .. } => "CreateTable",
            Operation::DropTable { .. } => "DropTable",
            Operation::Insert { .. } => "Insert",
            Operation::Update { .. } => "Update",
            Operation::Delete { .. } => "Delete",
            Operation::Checkpoint { .. } => "Checkpoint",
            Operation::AddColumn { .. } => "AlterTableAddColumn",
            Operation::DropColumn { .. } => "AlterTableDropColumn",
            Operation::RenameColumn { .. } => "AlterTableRenameColumn",
            Operation::RenameTable { .. } => "AlterTableRename",
        }
    }

    /// Whether it ends a row version: an UPDATE or DELETE, which no release since 1.5
    /// logs (format page, "Server rules", 12).
    pub fn ends_version(&self) -> bool {
        matches!(self, Operation::Update { .. } | Operation::Delete { .. })
    }

    /// The row version it pushes at the end of its table, if any.
    pub fn pushed_row(&self) -> Option<&PackedRow> {
        match self {
            Operation::Insert { row, .. } | Operation::Update { row, .. } => Some(row),
            _ => None,
        }
    }
}
