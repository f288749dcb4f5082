//! One use case a file. Every command sees a directory, legacy or ours, through
//! one logical view ([`Directory`]); none prints.

pub mod affected;
pub mod attribute;
pub mod check;
pub mod compact;
pub mod constraints;
pub mod content;
pub mod convert;
pub mod diff;
pub mod dump;
pub mod export;
pub mod info;
pub mod manifest;
pub mod name_pattern;
pub mod nearby;
pub mod nearest;
pub mod page;
pub mod page_map;
pub mod schema;
pub mod stats;
pub mod table_files;
pub mod undecided;
pub mod upgrade;
pub mod verify;
pub mod wal;

mod decided;
mod directory;
mod look;
mod row_parts;

pub use crate::file::{
    DiskWriter, LocalDisk, OutputFile, OutputOptions, Ownership, Phase, Progress, ProgressNow,
    read_text, write_output,
};

pub use directory::{Backend, Directory, Identity, OpenOptions, Opened};
pub use look::Look;
