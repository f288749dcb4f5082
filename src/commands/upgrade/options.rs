//! What to upgrade, and how.

use std::path::PathBuf;
use std::sync::Arc;

use crate::commands::OpenOptions;
use crate::commands::convert::Numeric;
use crate::file::Disk;
use crate::legacy::Release;

use super::Target;

/// What to upgrade, and how.
#[derive(Debug, Clone)]
pub struct UpgradeOptions {
    /// The directory to read.
    pub source: PathBuf,
    /// The directory to write.
    pub target: PathBuf,
    /// Where to write it.
    pub disk: Arc<dyn Disk>,
    /// The layout to write.
    pub to: Target,
    /// With the layout paged: pages of one file; default 1 GiB of them.
    pub pages_per_file: Option<u32>,
    /// How to read the source.
    pub open: OpenOptions,
    /// With a snapshot target: the release whose server is to show its rows;
    /// without it they are written as they stand, in the source's own family.
    pub release: Option<Release>,
    /// With a snapshot target: what to do with Numeric values.
    pub numeric: Numeric,
    /// Leave out row versions that are not visible.
    pub drop_dead: bool,
    /// Plan and report, and write nothing.
    pub dry_run: bool,
    /// Go on although a live process holds the source open, and where the
    /// server of `release` will show no row.
    pub force: bool,
}
