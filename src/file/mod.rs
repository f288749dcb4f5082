//! Files and directories: reading a source without touching it, publishing a
//! target whole or not at all, and turning names into file names.

mod bulk;
mod disk;
mod in_use;
mod names;
mod progress;
mod source;
mod staging;
mod target;
mod window;

pub use bulk::{BulkWriter, WriteBack};
pub use disk::{Disk, DiskFile, DiskWriter, EntryKind, LocalDisk, Lock, is_missing};
pub use in_use::{Holder, holders};
pub use names::{decode_name, encode_name};
pub use progress::{Moment, Phase, Progress, WatchedDisk};
pub use source::{SourceDir, SourceEntry, SourceFile};
pub use staging::{Staging, check_target, file_outside};
pub use target::{create_dir, create_file};
pub use window::{DEFAULT_WINDOW_LEN, Window};
