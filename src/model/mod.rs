//! The vocabulary that every floor shares: values, rows, schemas, catalogs and
//! the operations a server logged. Nothing here knows a byte format.

mod catalog;
mod operation;
mod packed_row;
mod page_view;
mod pass_through;
mod privilege;
mod row;
mod schema;
mod summed_rows;
mod value;
mod visible_rows;

pub use catalog::{
    Catalog, Database, DatabaseGrants, Form, Role, TableAt, TableGrants, TablesByName, User,
};
pub use operation::Operation;
pub use packed_row::PackedRow;
pub use page_view::{
    Field, FieldSpec, FieldStyle, PageEnd, PageRow, PageSlot, PageStream, PageView, Shown,
};
pub use pass_through::PassThrough;
pub use privilege::{Privilege, PrivilegeMap};
pub use row::{Row, RowBatch, RowPart, RowRef, RowSource, RowStream, RowVersion};
pub use schema::{Column, DataType, ForeignKey, Table};
pub use summed_rows::{SummedRows, sum_of};
pub use value::{Value, ValueRef};
pub use visible_rows::VisibleRows;
