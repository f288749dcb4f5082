//! A directory of ours that is being written: changes go to the log, and a
//! checkpoint carries them to the files of the tables.

mod batch;
mod carry_out;
mod catalog;
mod changed_disk;
mod changes;
mod checkpoint;
mod compact;
mod dropped;
mod handle;
mod recovery;
mod rewrite;
mod schema;
mod store;
mod table;
mod visible;

pub(in crate::engine) use batch::{Batch, Change};
#[cfg(test)]
pub(in crate::engine) use carry_out::tests::carry_out;
pub use compact::{CompactedTable, Compaction};
pub use handle::{TableHandle, TableReader};
pub(in crate::engine) use recovery::{Mode, Recovered, Replayed, no_table, recover, replay};
pub(in crate::engine) use store::lock;
pub use store::{LiveStore, StoreOptions};
pub use table::RowId;
pub(in crate::engine) use table::{Access, Ended, LiveTable};
