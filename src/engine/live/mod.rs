//! A directory of ours that is being written: transactions go to the log, and a
//! checkpoint carries them to the files of the tables. `man/store.md` says how.

mod alter;
mod bulk_load;
mod catalog;
mod checkpoint;
mod compact;
mod keys;
mod options;
mod range;
mod rollback;
mod row_input;
mod schema;
mod schema_commit;
mod staged;
mod store;
mod table_slot;
mod transaction;
mod unopened;
mod view;
mod visible;

pub use compact::{CompactedTable, Compaction};
pub use options::{Durability, StoreOptions};
pub use range::KeyRange;
pub use store::LiveStore;
pub use table_slot::{RowName, TableId};
pub use transaction::Transaction;
pub use view::{DatabaseView, Scan, TableView, View};
