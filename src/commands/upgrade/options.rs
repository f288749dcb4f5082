//! What to upgrade, and how.

use std::path::Path;
use std::sync::Arc;

use crate::commands::OpenOptions;
use crate::commands::convert::Numeric;
use crate::file::{Disk, LocalDisk};
use crate::legacy::Release;

use super::Target;

/// What to upgrade.
#[derive(Debug, Clone, Copy)]
pub(super) struct UpgradeJob<'a> {
    /// The directory to read.
    pub source: &'a Path,
    /// The directory to write.
    pub target: &'a Path,
    /// How.
    pub options: &'a UpgradeOptions,
}

/// All that a user can ask of an upgrade.
#[derive(Debug, Clone)]
pub struct UpgradeOptions {
    /// Where to write; by default among the files of this machine. Where to read
    /// stands in `open`.
    pub disk: Arc<dyn Disk>,
    /// What to write; by default the layout paged.
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

impl Default for UpgradeOptions {
    fn default() -> Self {
        UpgradeOptions {
            disk: LocalDisk::shared(),
            to: Target::default(),
            pages_per_file: None,
            open: OpenOptions::default(),
            release: None,
            numeric: Numeric::default(),
            drop_dead: false,
            dry_run: false,
            force: false,
        }
    }
}
