//! Files and directories: reading a source without touching it, publishing a
//! target whole or not at all, and turning names into file names.

mod bulk;
mod data_disk;
mod descend;
mod disk;
mod export_names;
mod few_files;
mod in_use;
mod local_disk;
mod names;
mod output;
mod owner;
mod progress;
mod regular;
mod scratch;
mod source;
mod staging;
mod tree;
mod unchanged;
mod window;
mod written;

pub use bulk::{BulkWriter, WriteBack};
pub use data_disk::{DataDisk, Unread};
pub use descend::{Named, Visit, descend};
pub use disk::{Disk, DiskFile, DiskWriter, EntryKind, Lock, Room, SourceEntry, is_unreadable};
pub use export_names::export_names;
pub use in_use::{Holder, InUse, Unseen};
pub use local_disk::LocalDisk;
pub use names::{decode_name, encode_name};
pub use output::{OutputFile, OutputOptions, write_output};
pub use owner::Ownership;
pub use progress::{Phase, Progress, ProgressNow, Watch, WatchedDisk};
pub use scratch::{Scratch, scratch_dir};
pub use source::{SourceDir, SourceFile, SourceReader, read_error, read_text};
pub use staging::{Staging, TargetPlace, check_target};
pub use tree::{files_below, remove_tree, tree_len, tree_usage};
pub use unchanged::Unchanged;
pub use window::{DEFAULT_WINDOW_LEN, Window};
pub use written::{Written, WrittenBytes};
