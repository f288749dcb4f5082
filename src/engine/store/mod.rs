//! A directory as a whole: control file and catalog, how it is made, read,
//! checked, locked, and brought to the last record of its log.

pub(in crate::engine) mod batch_check;
pub(in crate::engine) mod beside;
pub(in crate::engine) mod carry_out;
pub(in crate::engine) mod catalog_file;
mod changed_disk;
pub(in crate::engine) mod control;
pub(in crate::engine) mod create;
pub(in crate::engine) mod descriptor;
pub(in crate::engine) mod lock;
mod log_check;
mod read;
pub(in crate::engine) mod recovery;
pub(in crate::engine) mod salvage;
mod seal_beside;
mod verify;

pub use control::Origin;
pub use create::{create, create_on};
pub use read::Store;
pub use seal_beside::seal_beside;
pub use verify::{VerifyOptions, verify, verify_on};
