//! Makes a new directory say which files stand beside its catalog.

use std::path::Path;

use super::beside::Beside;
use super::catalog_file::Global;
use super::control::ControlFile;
use crate::engine::pages::paths::GLOBAL_NAME;
use crate::error::Result;
use crate::file::Disk;

/// Has `global.db` of a directory that is not published yet say what the files
/// of these names hold, as far as they are there.
///
/// # Errors
/// When a file cannot be read or written.
pub fn seal_beside(disk: &dyn Disk, root: &Path, names: &[&str]) -> Result<()> {
    let beside = Beside::all(disk, root, names)?;
    if beside.is_empty() {
        return Ok(());
    }
    let slots = ControlFile::read(disk, root)?;
    let cluster_id = slots.current().map_err(Clone::clone)?.origin.cluster_id;
    let mut global = Global::read(disk, root, cluster_id)?;
    global.beside = beside;
    disk.remove_file(&root.join(GLOBAL_NAME))?;
    global.write(disk, root, cluster_id)
}
