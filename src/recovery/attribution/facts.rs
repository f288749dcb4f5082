//! Hard facts: what was validated before a record was logged, and so must have
//! been true of its database (format page, "Server rules", 6 and 7).

use std::fmt;

use crate::model::{Column, Operation};

/// Why a record cannot have been written for a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// The table does not exist there at that moment.
    NoTable,
    /// The row index is not below the number of row versions.
    PastEnd {
        index: u64,
        /// The most row versions the table can have had.
        count: u64,
    },
    /// An updated row has another number of values than the table has columns.
    Arity,
    /// The column to be added is there already.
    ColumnExists,
    /// The column does not exist.
    NoColumn,
    /// The column to be dropped is the primary key.
    PrimaryKey,
    /// The new name of a table or column is taken.
    NameTaken,
    /// A visible row has the inserted row's value in a PRIMARY KEY or UNIQUE column.
    KeyTaken,
    /// A foreign key value stands in no row of the referenced table.
    NoReference,
    /// A referenced table or primary key does not exist.
    NoReferencedKey,
    /// The user gave the record to another database.
    Assigned,
    /// No later assignment of the other records is consistent with it.
    NoCompletion,
}

impl Fact {
    /// What a change of a column breaks in a table whose columns `column` finds;
    /// nothing for other operations.
    pub(super) fn of_column_change<'c>(
        operation: &Operation,
        column: impl Fn(&str) -> Option<&'c Column>,
    ) -> Option<Fact> {
        match operation {
            Operation::AddColumn { column: new, .. } => {
                column(&new.name).is_some().then_some(Fact::ColumnExists)
            }
            Operation::DropColumn { column: name, .. } => match column(name) {
                None => Some(Fact::NoColumn),
                Some(column) if column.primary_key => Some(Fact::PrimaryKey),
                Some(_) => None,
            },
            Operation::RenameColumn { old, new, .. } => match (column(old), column(new)) {
                (None, _) => Some(Fact::NoColumn),
                (_, Some(_)) => Some(Fact::NameTaken),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::NoTable => f.write_str("the table does not exist there at that moment"),
            Fact::PastEnd { index, count } => {
                write!(
                    f,
                    "row index {index} is past the end: at most {count} row versions"
                )
            }
            Fact::Arity => f.write_str("the row's arity differs from the table's"),
            Fact::ColumnExists => f.write_str("the column exists there already"),
            Fact::NoColumn => f.write_str("the column does not exist there"),
            Fact::PrimaryKey => f.write_str("the column is the primary key there"),
            Fact::NameTaken => f.write_str("the new name is taken there"),
            Fact::KeyTaken => f.write_str("a visible row there has the same key"),
            Fact::NoReference => f.write_str("no row there has the referenced key"),
            Fact::NoReferencedKey => f.write_str("the referenced primary key does not exist there"),
            Fact::Assigned => f.write_str("the record is assigned to another database"),
            Fact::NoCompletion => {
                f.write_str("every assignment of the other records would break a fact")
            }
        }
    }
}
