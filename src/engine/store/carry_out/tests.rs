use super::*;
use crate::engine::log::Batch;

/// Makes all changes of a batch, whose paths are full ones.
pub(in crate::engine) fn carry_out(disk: &dyn Disk, batch: &Batch) {
    let mut changes = CarryOut::new(disk, Path::new(""));
    for change in batch.changes() {
        changes.change(change).unwrap();
    }
    changes.finish().unwrap();
}
