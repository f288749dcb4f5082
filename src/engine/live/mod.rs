//! A directory of ours that is being written: changes go to the log, and a
//! checkpoint carries them to the files of the tables.

mod batch;
mod table;

pub(in crate::engine) use batch::{Batch, Change};
pub use table::RowId;
pub(in crate::engine) use table::{Access, Ended, LiveTable, NewRow};
