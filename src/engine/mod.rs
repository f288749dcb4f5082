//! The storage engine: our own directories, written, read and verified
//! (format page, "Our directories").
//!
//! A directory holds a control file, a catalog in sealed files, and the files
//! of each table. How a table's rows lie in files is its layout: one folder
//! here and one variant of [`Layout`].

mod address;
mod catalog_file;
mod control;
mod create;
mod frame;
mod layout;
mod packed_time;
mod paths;
mod per_table;
mod row_codec;
mod sealed;
mod store;
mod verify;

pub use address::Lsn;
pub use control::Origin;
pub use create::create;
pub use layout::Layout;
pub use paths::QUARANTINE_NAME;
pub use store::Store;
pub use verify::{Coverage, FileCoverage, Level, verify};
