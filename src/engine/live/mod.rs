//! A directory of ours that is being written: changes go to the log, and a
//! checkpoint carries them to the files of the tables.

mod catalog;
mod changes;
mod checkpoint;
mod compact;
mod dropped;
mod handle;
mod leftovers;
mod rewrite;
mod schema;
mod store;
mod unopened;
mod visible;

pub use compact::{CompactedTable, Compaction};
pub use handle::{TableHandle, TableReader};
pub use store::{LiveStore, StoreOptions};
