//! Where a tree is, and whose it is.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::pages::address::TableAddress;
use crate::file::Disk;

/// Where a tree is.
#[derive(Debug, Clone)]
pub(in crate::engine) struct TreePlace {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// The file of the tree.
    pub path: PathBuf,
    /// Whose index it is.
    pub address: TableAddress,
}
